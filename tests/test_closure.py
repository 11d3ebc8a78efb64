"""The closure of code: every file that a script imports, and an error where one could be left out."""

import pytest

from radiotrace.errors import StageError
from radiotrace.pipeline.closure import code_closure


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
        found = code_closure(["stages/one.py"], root=tmp_path)
        assert "stages/one.py" in found
        return [path for path in found if path != "stages/one.py"]

    return of


def test_script_that_imports_nothing_is_its_own_closure(closure):
    assert closure("import json\nfrom pathlib import Path\n", merkle="") == []


def test_module_from_a_package_counts_with_the_package(closure):
    assert closure("from radiotrace import merkle", merkle="") == [
        "radiotrace/__init__.py",
        "radiotrace/merkle.py",
    ]


def test_name_from_a_module_counts_as_the_module(closure):
    assert closure("from radiotrace.merkle import root", merkle="root = 1") == [
        "radiotrace/__init__.py",
        "radiotrace/merkle.py",
    ]


def test_module_that_is_not_imported_does_not_count(closure):
    assert "radiotrace/other.py" not in closure("from radiotrace import merkle", merkle="", other="")


def test_import_inside_a_function_counts(closure):
    assert "radiotrace/merkle.py" in closure(
        "def f():\n    if f:\n        import radiotrace.merkle", merkle=""
    )


def test_import_under_another_name_counts(closure):
    assert "radiotrace/merkle.py" in closure("import radiotrace.merkle as tree", merkle="")


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
        "radiotrace/images/volumes.py",
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
    assert ("radiotrace/merkle.py" if "merkle" in statement else "radiotrace/images/units.py") in found


def refusals(root, script: str, **files: str) -> list[str]:
    """What is said of a script in a repository with these files, path -> text."""
    for path, text in {"stages/one.py": script, "radiotrace/__init__.py": "", **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    with pytest.raises(StageError) as caught:
        code_closure(["stages/one.py"], root=root)
    return caught.value.findings


def test_a_package_that_may_not_be_imported_is_an_error_and_not_left_out(tmp_path):
    found = refusals(tmp_path, "import serving.app\nfrom serving import app", **{"serving/app.py": ""})
    assert found == [
        "stages/one.py: imports serving, expected one of radiotrace, stages",
        "stages/one.py: imports serving.app, expected one of radiotrace, stages",
    ]


def test_a_script_of_a_further_package_has_that_packages_modules(tmp_path):
    for path, text in {"serving/app.py": "from serving import wire", "serving/wire.py": ""}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    closure = code_closure(["serving/app.py"], packages=("radiotrace", "serving"), root=tmp_path)
    assert closure == ["serving/app.py", "serving/wire.py"]


@pytest.mark.parametrize("statement", ["import radiotrace.gone", "from radiotrace.gone import name"])
def test_a_module_that_is_not_there_is_an_error(tmp_path, statement):
    assert refusals(tmp_path, statement) == ["stages/one.py: imports radiotrace.gone, which is not there"]


@pytest.mark.parametrize(
    "call",
    [
        "importlib.import_module(name)",
        "import_module('radiotrace.' + name)",
        "__import__(name)",
        "exec(text)",
        "runpy.run_path(path)",
        "importlib.util.spec_from_file_location(name, path)",
    ],
)
def test_a_call_that_runs_what_is_not_known_before_is_an_error(tmp_path, call):
    found = refusals(tmp_path, f"def f(name, text, path):\n    return {call}")
    assert found == [f"stages/one.py: line 2: {call}: not known before it runs"]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "from importlib import import_module as f\nf(x)",
            "line 1: from importlib import import_module as f",
        ),
        ("import importlib as i\ni.import_module(x)", "line 1: import importlib as i"),
        ("getattr(importlib, 'import_module')(x)", "line 1: importlib"),
        ("import builtins\nbuiltins.exec(x)", "line 1: import builtins"),
        ("run = exec\nrun(x)", "line 1: exec"),
        ("run = importlib.import_module\nrun(x)", "line 1: importlib.import_module"),
        ("SourceFileLoader('x', x).load_module()", "line 1: SourceFileLoader('x', x).load_module"),
        ("from pkgutil import resolve_name\nresolve_name(x)", "line 1: from pkgutil import resolve_name"),
        ("from runpy import *", "line 1: from runpy import *"),
    ],
)
def test_another_way_to_such_a_call_is_an_error_too(tmp_path, script, said):
    assert f"stages/one.py: {said}: not known before it runs" in refusals(tmp_path, script)


@pytest.mark.parametrize(
    "script",
    [
        "importlib.import_module(name)  # closure: the stage itself",
        "# closure: the stage itself\nimportlib.import_module(name)",
        "importlib.import_module(\n    name\n)  # closure: the stage itself",
    ],
)
def test_a_call_that_says_why_it_reaches_nothing_else_passes(closure, script):
    assert closure(script) == []


def test_a_comment_that_gives_no_reason_does_not_count(tmp_path):
    assert len(refusals(tmp_path, "importlib.import_module(name)  # closure:")) == 1


def test_a_module_that_is_imported_by_a_constant_is_followed(closure):
    assert "radiotrace/a.py" in closure('importlib.import_module("radiotrace.a")', a="")


CHOICE = 'def build(name):\n    return importlib.import_module(f"radiotrace.networks.{name}")'
NETWORKS = {"radiotrace/networks/a.py": "from radiotrace import layers", "radiotrace/networks/b.py": ""}


def test_a_choice_for_which_nothing_is_declared_is_an_error(tmp_path):
    found = refusals(tmp_path, CHOICE, **NETWORKS)
    assert found == [
        "stages/one.py: imports a module of radiotrace.networks by a value, and no choice is declared"
    ]


def test_of_a_choice_the_module_that_is_taken_and_no_other_counts(tmp_path):
    refusals(tmp_path, CHOICE, **NETWORKS, **{"radiotrace/layers.py": ""})
    found = code_closure(["stages/one.py"], root=tmp_path, choices={"radiotrace.networks": ["a"]})
    assert found == [
        "radiotrace/__init__.py",
        "radiotrace/layers.py",
        "radiotrace/networks/a.py",
        "stages/one.py",
    ]


def test_every_fault_is_named_at_once(tmp_path):
    assert (
        len(
            refusals(
                tmp_path,
                f"import radiotrace.gone\nimport serving\nexec(text)\n{CHOICE}",
                **{"serving.py": ""},
            )
        )
        == 4
    )
