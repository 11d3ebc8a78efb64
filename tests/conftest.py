"""Fixtures that several files use."""
import pytest

from tests import projects


@pytest.hookimpl(tryfirst=True)  # before '-m' looks at marks
def pytest_collection_modifyitems(items):
    """A test that waits for all stages is slow, whether it says so or not."""
    for item in items:
        if "reproduced" in item.fixturenames:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory):
    """A phantom project in which all stages have run and are committed. Tests that change it clone it first."""
    folder = projects.create(tmp_path_factory.mktemp("reproduced") / "project")
    projects.run(folder, "dvc", "repro")
    projects.run(folder, "dvc", "push", "-q")
    projects.commit(folder, "run")
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
