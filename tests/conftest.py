"""Fixtures that several files use."""
import pytest

from tests import projects


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory):
    """A phantom project in which all seven stages have run and are committed. Tests that change it clone it first."""
    folder = projects.create(tmp_path_factory.mktemp("reproduced") / "project")
    projects.run(folder, "dvc", "repro")
    projects.run(folder, "dvc", "push", "-q")
    projects.commit(folder, "run")
    return folder
