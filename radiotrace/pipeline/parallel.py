"""Per-case work: one function over the cases of a stage, in this process, in several, or on a Dask cluster.

Results come in the order of the cases. Who computes a case decides how long it takes, and nothing else.
"""

import argparse
import importlib
import os
import re
import sys
import time
import warnings
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from typing import Any, NamedTuple

from radiotrace.errors import StageError
from radiotrace.pipeline import cluster

BACKENDS = ("loky", "threading", "dask")
SECONDS_IN_PROCESS = 10  # less work than this is done before other processes have imported what they need
UNDER_WAY: list = []  # the cases that this process is at


class Settings(NamedTuple):
    """How the cases are spread. `named` tells that a person asked for this number of workers."""

    workers: int
    backend: str
    scheduler: str | None
    named: bool


def options() -> argparse.ArgumentParser:
    """The parent parser of a stage with per-case work.

    Its options change no byte, so dvc.yaml does not have them.
    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--workers",
        help="cases at a time (RADIOTRACE_WORKERS; else as many as the cores "
        "allow); a cluster uses all it has",
    )
    parser.add_argument(
        "--backend", help=f"{', '.join(BACKENDS)} (RADIOTRACE_BACKEND; else loky, which is processes)"
    )
    parser.add_argument(
        "--scheduler", help="address of a running Dask scheduler, tcp://HOST:8786 (RADIOTRACE_SCHEDULER)"
    )
    return parser


def settings(args, threads: int = 1) -> Settings:
    """What the options say, or else the environment, or else what suits this machine.

    Args:
        args: of a parser that has options().
        threads: that one case keeps busy.

    Raises:
        StageError: names every value that is wrong, with where it came from.
    """
    faults = []

    def value(name, parse, expected, default):
        where, given = f"--{name}", getattr(args, name, None)
        if given is None:
            where, given = f"RADIOTRACE_{name.upper()}", os.environ.get(f"RADIOTRACE_{name.upper()}") or None
        parsed = default if given is None else parse(given)
        if given is not None and parsed is None:
            faults.append(f"{where}: found {given!r}, expected {expected}")
        return parsed

    named = value(
        "workers",
        lambda text: int(text) if re.fullmatch("[1-9][0-9]*", text) else None,
        "a whole number of 1 or more",
        0,
    )
    backend = value(
        "backend", lambda text: text if text in BACKENDS else None, f"one of {', '.join(BACKENDS)}", "loky"
    )
    address = "an address such as tcp://HOST:8786"
    scheduler = value(
        "scheduler",
        lambda text: (
            text
            if re.fullmatch(
                r"(tcp"
                r"|tls)://.+:\d+",
                text,
            )
            else None
        ),
        address,
        None,
    )
    if backend == "dask" and not scheduler and not faults:
        faults.append(f"--scheduler: found nothing, expected {address}, where a Dask scheduler runs")
    if faults or backend is None:
        raise StageError(
            f"{len(faults)} options are wrong",
            faults,
            "Correct the option, or the environment variable of that name.",
        )
    return Settings(named or max(1, _cores() // threads), backend, scheduler, bool(named))


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def pool(args, threads: int = 1):
    """Opens what the options ask for, and closes it at the end.

    Args:
        args: of a stage whose parser has options().
        threads: that one case keeps busy.

    Yields:
        each(function, cases, **common), a generator of function(case, **common) in the order of the cases.
        The function stands at the top of its module; what it takes and returns can be pickled. It may run
        twice for a case, so what it writes must be the same bytes then, and appear whole. The first case that
        raises StageError or OSError, in their order, stops the rest. After an interrupt, workers of a cluster
        still end the cases that they are at; others do not.

    Raises:
        StageError: an option is wrong, or the cluster is of no use.
    """
    chosen = settings(args, threads)
    with ExitStack() as stack:
        if chosen.backend == "dask" and chosen.scheduler:
            backend, origin = stack.enter_context(cluster.connect(chosen.scheduler, args.requirements))
            run = partial(_spread, {"backend": backend}, origin)
        elif chosen.workers == 1:
            run = _in_process
        else:
            with_threads = {"inner_max_num_threads": threads} if chosen.backend == "loky" else {}
            run = partial(
                _spread, {"backend": chosen.backend, "n_jobs": chosen.workers, **with_threads}, None
            )
            run = run if chosen.named else partial(_when_it_pays, run)

        def each(function, cases, **common):
            return stack.enter_context(closing(run(function, cases, **common)))

        yield each


def _in_process(function, cases, **common):
    for case in cases:
        yield function(case, **common)


def _when_it_pays(several, function, cases, **common):
    """Works in this process until the rest is found to take long enough for others to help."""
    cases, begin = list(cases), time.monotonic()
    for done, case in enumerate(cases, 1):
        yield function(case, **common)
        if (time.monotonic() - begin) / done * (len(cases) - done) > SECONDS_IN_PROCESS:
            yield from several(function, cases[done:], **common)
            return


def _spread(backend: dict, origin, function, cases, **common):
    """The cases through joblib.

    Args:
        backend: of joblib.parallel_config.
        origin: for cluster.check_worker; None where workers are children of this process.
    """
    import joblib  # here, because it takes a third of a second and small sets need none

    function, failed = _by_reference(function), []

    def tasks():
        for case in cases:
            if failed:
                return
            yield joblib.delayed(_attempt)(function, case, common, origin)

    with joblib.parallel_config(**backend):
        results: Any = joblib.Parallel(return_as="generator")(tasks())
    try:
        for result in results:
            if isinstance(result, Exception):
                # those under way end first, so that none writes after the stage has stopped
                failed.append(result)
            elif not failed:
                yield result
    except BrokenExecutor as error:
        raise StageError(
            "a worker process died, most likely of too little memory",
            [str(error).split("\n")[0]],
            "Give fewer --workers, then run it again.",
        ) from None
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it ends before its time
            results.close()
        while UNDER_WAY:  # threads cannot be stopped
            time.sleep(0.01)
    if failed:
        raise failed[0]


def _by_reference(function):
    """The function under its importable name: a stage's module is __main__ here, and no worker has it
    under that name."""
    main_spec = getattr(sys.modules["__main__"], "__spec__", None)
    if function.__module__ != "__main__" or main_spec is None:
        return function
    return getattr(importlib.import_module(main_spec.name), function.__name__)  # closure: the stage that runs


def _attempt(function, case, common: dict, origin):
    """The result for one case, or the error that a user can mend: raised here, it would stop other workers
    in mid-write."""
    UNDER_WAY.append(case)
    try:
        if origin and (fault := cluster.check_worker(origin)):
            raise StageError("a Dask worker cannot help", [fault], cluster.HOW_TO_START)
        return function(case, **common)
    except (StageError, OSError) as error:
        return error
    finally:
        UNDER_WAY.remove(case)
