"""Files of requirements: how they stand on each other, which modules they give, and that together they are
whole."""

from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from radiotrace.errors import StageError
from radiotrace.evidence.trace import pin_files
from radiotrace.evidence.verify import workflow
from radiotrace.pipeline import closure, pins
from radiotrace.pipeline.study import Study
from tests import bills

ROOT = Path(__file__).resolve().parent.parent
FILES = {
    "requirements.txt": "-r requirements/core.txt\n-r requirements/imaging.txt\n",
    "requirements/core.txt": "# numbers\nnumpy==2.4.6\nruamel.yaml==0.19.1  # import ruamel\n",
    "requirements/imaging.txt": "# stands on: core.txt\npillow==13.0.0  # import PIL\n",
    "requirements/dvc.txt": "# stands on: core.txt imaging.txt\ndvc==3.67.1\n",
}


@pytest.fixture
def root(tmp_path):
    (tmp_path / "requirements").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_file_brings_those_that_it_stands_on(root):
    expected = ["requirements/core.txt", "requirements/imaging.txt"]
    assert pins.files(["requirements/imaging.txt"], root) == expected


def test_files_that_name_each_other_end(root):
    (root / "requirements/core.txt").write_text("# stands on: imaging.txt\n")
    assert len(pins.files(["requirements/core.txt"], root)) == 2


def test_a_relative_file_is_below_the_root_wherever_the_process_runs(root, monkeypatch):
    monkeypatch.chdir(root / "requirements")
    assert pins.files(["requirements.txt"], root)[0] == "requirements.txt"


def test_an_absolute_file_outside_stays_absolute(root, tmp_path_factory):
    path = tmp_path_factory.mktemp("elsewhere") / "mine.txt"
    path.write_text("numpy==2.4.6\n")
    assert pins.files([path], root) == [path.as_posix()]


def test_installed_code_takes_the_files_of_the_clone_that_it_looks_at(root, monkeypatch, tmp_path_factory):
    monkeypatch.setattr(pins, "ROOT", tmp_path_factory.mktemp("site-packages"))
    monkeypatch.chdir(root / "requirements")  # as in the folder of a study
    assert pins.home() == root
    assert pins.files(["requirements/core.txt"]) == ["requirements/core.txt"]


def test_all_files_that_are_missing_are_named(root):
    (root / "requirements/imaging.txt").write_text("-r gone.txt\n")
    with pytest.raises(StageError) as caught:
        pins.files(["requirements/imaging.txt", "other.txt"], root)
    assert caught.value.findings == ["other.txt", "requirements/gone.txt"]


@pytest.mark.parametrize(
    ("module", "files"),
    [
        ("numpy", ["requirements/core.txt"]),
        ("ruamel", ["requirements/core.txt"]),
        ("PIL", ["requirements/core.txt", "requirements/imaging.txt"]),
        ("dvc", []),  # decides no byte
    ],
)
def test_a_module_leads_to_its_file_and_those_beneath(root, module, files):
    assert pin_files.reached({module: ["stages/a.py"]}, root) == files


@pytest.mark.requirement("SRS-SEC-3")
def test_modules_that_no_file_gives_are_refused_with_who_imports_them(root):
    with pytest.raises(StageError) as caught:
        pin_files.reached({"pillow": ["stages/a.py"], "torch": ["stages/a.py", "stages/b.py"]}, root)
    assert caught.value.findings == [
        "pillow: found in none; imported by stages/a.py",
        "torch: found in none; imported by stages/a.py, stages/b.py",
    ]


def test_a_module_of_two_files_is_refused(root):
    (root / "requirements/dvc.txt").write_text("numpy==2.4.6\n")
    with pytest.raises(StageError, match="1 modules"):
        pin_files.reached({"numpy": ["stages/a.py"]}, root)


def test_foreign_modules_are_those_of_neither_python_nor_the_repository(tmp_path):
    (tmp_path / "radiotrace").mkdir()
    (tmp_path / "radiotrace/a.py").write_text(
        "import os\nfrom . import b\nfrom radiotrace import c\n\n\n"
        "def f():\n    from x.y import z\n    import w.v\n"
    )
    assert closure.foreign(["radiotrace/a.py"], tmp_path) == {
        "w": ["radiotrace/a.py"],
        "x": ["radiotrace/a.py"],
    }


# The files of this repository


def test_the_runtime_is_what_requirements_txt_names():
    assert pins.files([pin_files.ALL]) == sorted(pin_files.RUNTIME)


def test_every_package_is_pinned_once():
    names = [canonicalize_name(pin.name) for path in pin_files.every() for pin in pins.of(ROOT / path)]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("file", pin_files.RUNTIME[1:])
def test_with_those_that_it_names_a_file_has_all_that_its_packages_ask_for(file):
    listed = {canonicalize_name(pin.name) for path in pins.files([file]) for pin in pins.of(ROOT / path)}
    asked = {
        need
        for pin in pins.of(ROOT / file)
        if pin.name != "dvclive"  # asks for DVC; learning.txt says why that stands apart
        for need in bills.installed()[pin.name]["requires"]
    }
    assert asked
    assert asked - listed == set()


@pytest.mark.parametrize("entry", [entry for entry in bills.listed()["soup"] if entry["imports"]])
def test_the_list_of_software_says_the_same_of_modules_as_the_pins(entry):
    modules = pins.read(ROOT / entry["pins"]).modules
    assert {pins.module(name) for name in entry["imports"]} <= modules


def test_stages_depend_on_the_pins_that_they_reach():
    names = ("split", "ingest", "train", "evaluate", "report", "export", "distil", "optimize")
    stages = workflow.of(Study(ROOT))
    found = {name: stages[name].pin_files(Study(ROOT)) for name in names}
    wings = {name: [Path(path).stem for path in paths] for name, paths in found.items()}
    assert wings == {
        "split": ["core"],
        "ingest": ["core", "imaging"],
        "train": ["core", "imaging", "learning"],
        "evaluate": ["core", "drawing", "imaging", "learning"],
        "report": ["core", "drawing", "imaging"],
        "export": ["core", "export", "imaging", "inference", "learning"],
        "distil": ["core", "export", "imaging", "inference", "learning"],
        "optimize": ["core", "drawing", "export", "imaging", "inference", "learning", "optimize"],
    }


def test_the_evidence_depends_on_all_that_the_pipeline_needs():
    gathering = workflow.of(Study(ROOT))["evidence"]
    assert gathering.pin_files(Study(ROOT)) == sorted(pin_files.RUNTIME)
