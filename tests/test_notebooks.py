"""notebooks: their files follow from their sources, and each runs from its first cell to its last on what is
committed."""

import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests import notebook_files, projects, submitted

SOURCES = notebook_files.sources()
CELL_S, NOTEBOOK_S = 90, 120  # of processor time a notebook has two minutes, where nothing else runs
OF_CODE = ("radiotrace", "stages", "schemas", "requirements", "requirements.txt", "notebooks")
FROM_STORE = ("build/export/", "data/")

every_notebook = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def test_there_are_notebooks_of_what_is_promised():
    assert {path.stem for path in SOURCES} >= {"segmentation", "evidence", "classifier"}


@every_notebook
def test_the_file_follows_from_its_source_and_has_nothing_of_a_run(source):
    written = source.with_suffix(".ipynb").read_bytes()
    assert written == notebook_files.content(source), "run 'make notebooks'"
    for cell in nbformat.reads(written.decode(), as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


# or it would be run in a clone that lacks it
def test_every_notebook_has_a_source():
    assert {path.stem for path in notebook_files.FOLDER.glob("*.ipynb")} == {path.stem for path in SOURCES}


@every_notebook
def test_it_begins_in_the_root_of_the_clone_or_where_colab_has_put_it(source):
    first = next(cell for cell in notebook_files.notebook(source).cells if cell.cell_type == "code")
    assert 'REPOSITORY = ""' in first.source


@pytest.fixture
def clone(tmp_path) -> Path:
    """This code with the submitted run: records of HEAD, and the model and the data of the datastore."""
    for name in OF_CODE:
        (tmp_path / name).symlink_to(projects.ROOT / name)
    for name in ("evidence", "metrics", "design", "software", "params.yaml", "dvc.yaml", "dvc.lock"):
        (tmp_path / name).symlink_to(submitted.folder() / name)
    for path, stored in submitted.stored().items():
        if path.startswith(FROM_STORE) and stored.is_file() and not stored.name.endswith(".dir"):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(stored, tmp_path / path)
    return tmp_path


def executed(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """A notebook that was run in a folder."""
    client = NotebookClient(
        notebook, timeout=CELL_S, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    environment = projects.environment(folder) | {
        "PYTHONPATH": str(projects.ROOT),
        "PYTHONWARNINGS": "default",
    }
    client.execute(env={**os.environ, **environment})
    return notebook


@pytest.mark.slow
@every_notebook
def test_it_runs_from_its_first_cell_to_its_last(source, clone):
    before = os.times()
    run = executed(notebook_files.notebook(source), clone)
    after = os.times()
    of_kernel_s = after.children_user + after.children_system - before.children_user - before.children_system
    assert of_kernel_s < NOTEBOOK_S
    code = [cell for cell in run.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert any(cell.outputs for cell in code)


@pytest.mark.slow
def test_a_notebook_whose_figures_are_not_those_of_the_records_fails(clone):
    notebook = notebook_files.notebook(notebook_files.FOLDER / "evidence.py")
    (clone / "metrics").unlink()
    shutil.copytree(submitted.folder() / "metrics", clone / "metrics")
    with open(clone / "metrics/metrics.json", "a") as file:
        file.write("\n")
    with pytest.raises(CellExecutionError, match="AssertionError"):
        executed(notebook, clone)
