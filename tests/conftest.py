"""Fixtures that several files use, and a rule: no test opens what a run makes in this clone."""

import os
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from tests import projects, submitted

# Files that take minutes, longest first (pytest --durations says which): they start first, so that no process
# ends with one of them while the others wait.
LONG = (
    "test_tampering.py",
    "test_everyday.py",
    "test_reproducible.py",
    "test_verify_levels.py",
    "test_faults.py",
    "test_release.py",
    "test_stale.py",
    "test_studies.py",
    "test_members.py",
    "test_onnx_model.py",
    "test_review_command.py",
    "test_processes.py",
    "test_hostile.py",
    "test_second_study.py",
    "test_cluster.py",
    "test_new.py",
    "test_design.py",
)

# what this process opened of the outputs of a run in this clone, since a test ended last
OPENED: list[str] = []


def of_a_run(path) -> bool:
    """Whether a path leads into what a run makes in this clone."""
    if not isinstance(path, (str, bytes, os.PathLike)):
        return False
    name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - links stay what they are called
    return (
        name.startswith(f"{submitted.ROOT}{os.sep}")
        and Path(name).relative_to(submitted.ROOT).parts[0] in submitted.RUN_MAKES
    )


def heard(event: str, arguments: tuple) -> None:
    """Notes what is opened and listed.

    Whatever a test reads that a run rewrites, it would judge the submitted run by another one.
    """
    if event not in ("open", "os.listdir", "os.scandir") or not of_a_run(arguments[0]):
        return
    if event == "open" and arguments[1] is None and not Path(os.fsdecode(arguments[0])).is_absolute():
        # os.open, whose name may start from another folder than this one, as where a temporary folder is
        # removed
        return
    OPENED.append(os.fsdecode(arguments[0]))


sys.addaudithook(heard)


@pytest.fixture(autouse=True)
def nothing_of_a_run_is_opened():
    """Fails a test that opened outputs of a run in this clone, or whose file did so as it was collected."""
    yield
    opened = sorted(set(OPENED))
    OPENED.clear()
    assert opened == [], (
        "a run changes these: read them by tests/submitted.py, which has them as they are committed"
    )


@pytest.hookimpl(tryfirst=True)  # before '-m' looks at marks
def pytest_collection_modifyitems(items):
    """A test that waits for all stages is slow, whether it says so or not; long files come first."""
    for item in items:
        if "reproduced" in item.fixturenames:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory, worker_id):
    """A phantom project in which all stages have run and are committed: one for all processes of pytest, made
    by the first that asks for it.

    Tests that change it clone it first.
    """
    base = tmp_path_factory.getbasetemp()
    place = (base if worker_id == "master" else base.parent) / "reproduced"
    folder, done = place / "project", place / "done"
    place.mkdir(exist_ok=True)
    with FileLock(place / "lock"):
        if not done.exists():
            projects.create(folder)
            projects.run(folder, "dvc", "repro")
            projects.run(folder, "dvc", "push", "-q")
            projects.commit(folder, "run")
            done.touch()
    return folder


@pytest.fixture(scope="module")
def one_thread():
    """torch on one thread: tests run side by side, and small tensors are faster so."""
    import torch  # here, because most files need no torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def deterministic(one_thread):
    """torch as numerics.configure sets it up."""
    import torch

    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)
