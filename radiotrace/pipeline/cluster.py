"""A Dask cluster that runs already: reaching it, and finding out that its workers would give the same
bytes."""

import importlib.util
import logging
import os
import uuid
from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.pipeline import closure, stage

SECONDS_TO_CONNECT = 10
HOW_TO_START = (
    "Start it in this folder, as it is now: 'python -m dask scheduler', "
    "'python -m dask worker SCHEDULER --nthreads 1'."
)


class Origin(NamedTuple):
    """Where a stage runs: a file in its folder that is nowhere else, code_sha256() there, its files
    of pins."""

    token: str
    code: str
    requirements: tuple[str, ...]


@contextmanager
def connect(address: str, requirements: Sequence[str]):
    """Opens a cluster for the stage that runs in the current folder.

    Args:
        address: of the scheduler.
        requirements: files of pins.

    Yields:
        A backend for joblib, and the Origin that check_worker takes.

    Raises:
        StageError: Dask is not installed; the scheduler is not there, has no worker, or is lost on the way; a
            process of the cluster sees other files, code or versions; cases end every worker that takes them.
    """
    if importlib.util.find_spec("distributed") is None:
        raise StageError(
            "--backend dask needs packages that are not installed",
            way_out="Run 'pip install -r requirements/cluster.txt'.",
        )
    import distributed  # here, because only a cluster needs it

    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # what goes wrong is said once, below
    client = _client(address)
    origin = Origin(f".{uuid.uuid4().hex}.partial", code_sha256(), tuple(requirements))
    try:
        Path(origin.token).touch()
        check_processes(client, origin)
        yield _backend(client), origin
    except CancelledError:
        raise StageError(
            f"the Dask scheduler at {address} was lost on the way",
            way_out="Start it again, then run it again.",
        ) from None
    except distributed.KilledWorker as error:
        raise StageError(
            "some cases end every worker that takes them, most likely of too little memory",
            [str(error).split("\n")[0]],
            "Give each worker more memory, then run it again.",
        ) from None
    finally:
        Path(origin.token).unlink(missing_ok=True)
        client.close()


def _client(address: str):
    import distributed

    try:
        client = distributed.Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except OSError as error:
        raise StageError(
            f"no Dask scheduler at {address}",
            [str(error)],
            "Start one with 'python -m dask scheduler', or correct --scheduler.",
        ) from None
    try:
        client.wait_for_workers(1, timeout=SECONDS_TO_CONNECT)
    except TimeoutError:
        client.close()
        raise StageError(f"the Dask scheduler at {address} has no worker", way_out=HOW_TO_START) from None
    return client


def _backend(client):
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):
        """joblib's, but it uses a cluster of one worker too; joblib would do that one's work here."""

        def effective_n_jobs(self, n_jobs):
            return max(2, super().effective_n_jobs(n_jobs))

    return Backend(client=client)


def check_processes(client, origin: Origin) -> None:
    """Stops with the faults of all processes that are there; workers that come later are checked at their
    first case."""
    find = importlib.util.find_spec
    # it reads tasks too
    module_specs = {
        ("the scheduler", name): client.run_on_scheduler(find, name) for name in (__package__, "joblib")
    }
    module_specs |= {
        (address, __package__): module_spec
        for address, module_spec in client.run(find, __package__, on_error="ignore").items()
    }
    faults = [
        f"{where}: cannot import {name}"
        for (where, name), module_spec in module_specs.items()
        if module_spec is None
    ]
    faults = faults or [
        fault for fault in client.run(check_worker, origin, on_error="ignore").values() if fault
    ]
    if faults:
        raise StageError(
            f"{len(faults)} processes of the Dask cluster cannot help", sorted(faults), HOW_TO_START
        )


@cache
def check_worker(origin: Origin) -> str | None:
    """Why this process may not work for a stage that runs elsewhere; None when it may."""
    here = f"{os.uname().nodename}, process {os.getpid()}"
    if not Path(origin.token).is_file():
        return f"{here}: runs in {Path.cwd()}, where the files of the stage are not"
    if code_sha256() != origin.code:
        return f"{here}: has other code in memory"
    try:
        stage.check_environment(origin.requirements)
    except StageError as error:
        return f"{here}: {'; '.join([error.headline, *error.findings])}"
    return None


@cache  # as it was when this process first asked: code that changes later is not what it runs
def code_sha256() -> str:
    """SHA-256 of all code that stages run."""
    files = sorted(path for package in closure.PACKAGES for path in (closure.ROOT / package).rglob("*.py"))
    return records.digest({path.relative_to(closure.ROOT).as_posix(): records.sha256(path) for path in files})
