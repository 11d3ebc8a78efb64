"""What decides a result: the code a script imports, parameters, pins and inputs, and the run_id made of
them."""

from functools import partial
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.pipeline import pins, runs

ROOT = Path(__file__).resolve().parent.parent
PARAMS = {"seed": 0, "scheme": "hash"}


@pytest.fixture
def run_id(tmp_path, monkeypatch):
    """run_id of a stage in a small tree, written anew under tmp_path/<folder>, with some of its files
    changed."""

    def of(folder="one", params=None, **changed):
        root = tmp_path / folder
        files = {
            "stages/split.py": "from radiotrace import parts",
            "radiotrace/__init__.py": "",
            "radiotrace/parts.py": "PARTS = 3",
            "radiotrace/unused.py": "",
            "accepted.json": "{}",
            "requirements.txt": "-r requirements/core.txt\n",
            "requirements/core.txt": "numpy==2.4.0\n",
        } | changed
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        with monkeypatch.context() as context:
            context.chdir(root)
            context.setattr(runs, "ROOT", root)
            context.setattr(pins, "ROOT", root)
            context.setattr(runs, "code_closure", partial(runs.code_closure, root=root))
            return runs.run_id(
                runs.provenance(
                    root / "stages/split.py",
                    PARAMS if params is None else params,
                    ["requirements.txt"],
                    ["accepted.json"],
                )
            )

    return of


def test_run_id_is_the_same_in_another_folder(run_id):
    assert run_id("one") == run_id("another/place")


@pytest.mark.parametrize(
    "name",
    [
        "stages/split.py",
        "radiotrace/parts.py",
        "radiotrace/__init__.py",
        "accepted.json",
        "requirements.txt",
        "requirements/core.txt",
    ],
)
def test_run_id_changes_with_each_file_that_decides(run_id, name):
    assert run_id(**{name: "# changed"}) != run_id()


def test_run_id_does_not_change_with_code_that_is_not_imported(run_id):
    assert run_id(**{"radiotrace/unused.py": "X = 1"}) == run_id()


@pytest.mark.parametrize(
    "params", [{"seed": 1, "scheme": "hash"}, {"seed": 0}, {"seed": 0, "scheme": "hash", "fold": None}]
)
def test_run_id_changes_with_parameters(run_id, params):
    assert run_id(params=params) != run_id()


def test_run_id_does_not_change_with_the_order_of_parameters(run_id):
    assert run_id(params=dict(reversed(PARAMS.items()))) == run_id()


def test_run_id_is_the_digest_of_the_provenance():
    assert runs.run_id({"stage": "split"}) == records.digest({"stage": "split"})


def test_provenance_of_a_stage_satisfies_its_schema(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("accepted.json").write_text("{}")
    found = runs.provenance(ROOT / "stages/split.py", PARAMS, ["requirements.txt"], ["accepted.json"])
    assert records.faults(found, "provenance") == []


def test_provenance_names_the_stage_and_its_inputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("accepted.json").write_text("{}")
    found = runs.provenance(ROOT / "stages/split.py", PARAMS, ["requirements.txt"], ["accepted.json"])
    assert (found["stage"], list(found["inputs"])) == ("split", ["accepted.json"])


def test_absolute_path_of_an_input_is_refused(tmp_path):
    with pytest.raises(StageError, match="1 paths on the command line are absolute"):
        runs.provenance(ROOT / "stages/split.py", PARAMS, ["requirements.txt"], ["a", tmp_path / "b.json"])
