"""What decides a result: the code a script imports, parameters, pins and inputs, and the run_id made of
them."""

from functools import partial
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.pipeline import runs

ROOT = Path(__file__).resolve().parent.parent
PARAMS = {"seed": 0, "scheme": "hash"}


@pytest.fixture
def closure(tmp_path):
    """Writes files and returns what stages/one.py imports, itself left out."""

    def of(script, **files):
        files = {
            "radiotrace/__init__.py": "",
            "stages/one.py": script,
            **{f"radiotrace/{name}.py": text for name, text in files.items()},
        }
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        found = runs.code_closure(tmp_path / "stages/one.py", tmp_path)
        assert "stages/one.py" in found
        return [path for path in found if path != "stages/one.py"]

    return of


def test_script_that_imports_nothing_is_its_own_closure(closure):
    assert closure("import json\nfrom pathlib import Path\n", merkle="") == []


def test_module_from_a_package_counts_with_the_package(closure):
    assert closure("from radiotrace import merkle", merkle="") == [
        "radiotrace/__init__.py",
        "radiotrace/records/merkle.py",
    ]


def test_name_from_a_module_counts_as_the_module(closure):
    assert closure("from radiotrace.records.merkle import root", merkle="root = 1") == [
        "radiotrace/__init__.py",
        "radiotrace/records/merkle.py",
    ]


def test_module_that_is_not_imported_does_not_count(closure):
    assert "radiotrace/other.py" not in closure("from radiotrace import merkle", merkle="", other="")


def test_import_inside_a_function_counts(closure):
    assert "radiotrace/records/merkle.py" in closure(
        "def f():\n    if f:\n        import radiotrace.records.merkle", merkle=""
    )


def test_import_under_another_name_counts(closure):
    assert "radiotrace/records/merkle.py" in closure("import radiotrace.records.merkle as tree", merkle="")


def test_import_of_an_import_counts(closure):
    assert "radiotrace/c.py" in closure(
        "from radiotrace import a", a="from radiotrace import b", b="from radiotrace import c", c=""
    )


def test_what_a_package_imports_in_its_init_counts(closure):
    found = closure(
        "from radiotrace.images import volumes",
        **{"images/__init__": "from radiotrace import units", "images/volumes": "", "units": ""},
    )
    assert found == [
        "radiotrace/__init__.py",
        "radiotrace/images/__init__.py",
        "radiotrace/imaging/volumes.py",
        "radiotrace/units.py",
    ]


def test_every_package_on_the_way_counts(closure):
    found = closure(
        "import radiotrace.images.dicom.tags",
        **{"images/__init__": "", "images/dicom/__init__": "", "images/dicom/tags": ""},
    )
    assert found == [
        "radiotrace/__init__.py",
        "radiotrace/images/__init__.py",
        "radiotrace/images/dicom/__init__.py",
        "radiotrace/images/dicom/tags.py",
    ]


def test_modules_that_import_each_other_count_once(closure):
    found = closure("from radiotrace import a", a="from radiotrace import b", b="from radiotrace import a")
    assert found == ["radiotrace/__init__.py", "radiotrace/a.py", "radiotrace/b.py"]


@pytest.mark.parametrize(
    "statement",
    ["from . import units", "from .units import MM", "from .. import merkle", "from ..merkle import root"],
)
def test_relative_import_counts(closure, statement):
    found = closure(
        "from radiotrace.images import volumes",
        **{
            "images/__init__": "",
            "images/volumes": statement,
            "images/units": "MM = 1",
            "merkle": "root = 1",
        },
    )
    assert (
        "radiotrace/records/merkle.py" if "merkle" in statement else "radiotrace/images/units.py"
    ) in found


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
            "requirements.txt": "numpy==2.4.0\n",
        } | changed
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        with monkeypatch.context() as context:
            context.chdir(root)
            context.setattr(runs, "ROOT", root)
            context.setattr(runs, "code_closure", partial(runs.code_closure, root=root))
            return runs.run_id(
                runs.provenance(
                    root / "stages/split.py",
                    PARAMS if params is None else params,
                    "requirements.txt",
                    ["accepted.json"],
                )
            )

    return of


def test_run_id_is_the_same_in_another_folder(run_id):
    assert run_id("one") == run_id("another/place")


@pytest.mark.parametrize(
    "name",
    ["stages/split.py", "radiotrace/parts.py", "radiotrace/__init__.py", "accepted.json", "requirements.txt"],
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
    found = runs.provenance(ROOT / "stages/split.py", PARAMS, ROOT / "requirements.txt", ["accepted.json"])
    assert records.faults(found, "provenance") == []


def test_provenance_names_the_stage_and_its_inputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("accepted.json").write_text("{}")
    found = runs.provenance(ROOT / "stages/split.py", PARAMS, ROOT / "requirements.txt", ["accepted.json"])
    assert (found["stage"], list(found["inputs"])) == ("split", ["accepted.json"])
