"""A verifier apart from the clone: installed or in another clone, known by one SHA-256, and trusting
nothing of what it looks at."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from radiotrace.evidence.trace import pin_files
from radiotrace.evidence.verify import verifier
from radiotrace.evidence.verify.levels import Clone
from radiotrace.pipeline import isolated, params, pins
from tests import submitted

ROOT = Path(__file__).resolve().parent.parent
PACKED = (*verifier.CODE, "pyproject.toml", *pin_files.RUNTIME)


def copied(folder: Path) -> Path:
    """What a wheel is made from."""
    folder.mkdir(exist_ok=True)
    for name in PACKED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def as_clone(folder) -> Clone:
    return Clone(folder, folder / "evidence", folder / "signatures", folder / "keys")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder into which the wheel was installed, without what it needs, which is here already."""
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "source").mkdir()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    for words in (
        ["wheel", "--no-deps", "--no-build-isolation", "-w", "made", str(copied(folder / "source"))],
        ["install", "--no-deps", "--no-index", "--target", "site", "--find-links", "made", "radiotrace"],
    ):
        done = subprocess.run([*pip, *words], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder / "site"


def verified(main: Path, *words) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-I", str(main), "verify", *map(str, words)],
        cwd=main.parent,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_installed_verifier_has_the_hash_of_the_clone_from_which_it_was_made(installed):
    assert verifier.files(installed) == verifier.files(ROOT)


@pytest.mark.slow
def test_installed_verifier_verifies_a_clone_and_says_that_it_lies_apart(installed, tmp_path):
    shutil.copytree(submitted.folder() / "evidence", tmp_path / "evidence")
    (tmp_path / "dataclasses.py").write_text("raise SystemExit(0)")
    done = verified(installed / "radiotrace/__main__.py", "--level", 3, "--clone", tmp_path)
    lines = done.stdout.splitlines()
    assert lines[1] == f"verifier:  SHA-256 {verifier.sha256()}, apart from the clone"
    assert lines.count("level 1  holds  every file of evidence/ is listed and has its SHA-256") == 1
    assert "dataclasses.py: a module in a place where none belongs" in done.stdout
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)


def as_command(installed: Path, cwd: Path, *words: str) -> subprocess.CompletedProcess:
    """The command `radiotrace` of the installed wheel, with nothing of the repository on its path."""
    return subprocess.run(
        [sys.executable, "-P", installed / "bin/radiotrace", *words],
        cwd=cwd,
        env=isolated.environment(PYTHONPATH=str(installed)),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--help"], ["verify", "--help"]], ids=" ".join)
def test_the_installed_command_says_what_there_is(installed, tmp_path, words):
    done = as_command(installed, tmp_path, *words)
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["usage:", "radiotrace"])


@pytest.mark.slow
def test_the_installed_command_has_the_version_of_the_repository(installed, tmp_path):
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert as_command(installed, tmp_path, "--version").stdout == f"radiotrace {stated}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["results"],
        ["datastore"],
        ["members"],
        ["baseline"],
        ["review"],
        ["negative-controls"],
        ["trace", "x"],
        ["verify"],
    ],
    ids=" ".join,
)
def test_a_command_without_a_repository_says_so_in_one_line_and_makes_nothing(installed, tmp_path, words):
    done = as_command(installed, tmp_path, *words)
    line = f"radiotrace: {words[0]} is about a repository, and there is none in {tmp_path}\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_installed_code_writes_and_reads_a_record_and_refuses_a_broken_one(installed, tmp_path):
    shutil.copy(ROOT / "tests/schema_cases/split/valid/hash.json", tmp_path / "given.json")
    code = (
        "import json, radiotrace.records as records\n"
        f"assert records.__file__.startswith({str(installed)!r})\n"
        "record = records.read('given.json', 'split')\n"
        "records.write('again.json', record, 'split')\n"
        "assert records.read('again.json', 'split') == record\n"
        "print(len(records.faults({}, 'split')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env=isolated.environment(PYTHONPATH=str(installed)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 0


@pytest.mark.slow
def test_the_wheel_asks_for_the_pins_of_the_pipeline(installed):
    [metadata] = installed.glob("radiotrace-*.dist-info/METADATA")
    asked = re.findall(r"^Requires-Dist: (\S+)", metadata.read_text("utf-8"), re.MULTILINE)
    pinned = [str(pin) for path in pin_files.RUNTIME for pin in pins.of(ROOT / path)]
    assert sorted(asked) == sorted(pinned)


def test_the_version_of_the_release_is_that_of_the_software():
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert params.load_yaml(ROOT / "design/intended_use.yaml")["version"] == stated


def test_packages_of_the_wheel_are_those_that_there_are():
    stated = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    there = {
        ".".join(path.relative_to(ROOT).parent.parts)
        for top in ("radiotrace", "stages")
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert stated == there | {"radiotrace.schemas"}


@pytest.mark.requirement("SRS-EVI-7")
def test_code_that_is_not_the_verifiers_is_named(tmp_path):
    copied(tmp_path)
    (tmp_path / "radiotrace/records/merkle.py").write_text("")
    (tmp_path / "stages/more.py").write_text("")
    (tmp_path / "schemas/gates.schema.json").unlink()
    assert [
        fault for fault in verifier.check(as_clone(tmp_path)).faults if not fault.startswith("tests/")
    ] == [
        "radiotrace/records/merkle.py: not the verifier's",
        "schemas/gates.schema.json: the clone has no such file",
        "stages/more.py: this verifier has no such file",
    ]


def test_clone_of_the_same_code_holds(tmp_path):
    shutil.copytree(ROOT / "tests", copied(tmp_path) / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    checked = verifier.check(as_clone(tmp_path))
    assert (checked.faults, checked.believed) == ([], [])


@pytest.mark.requirement("SRS-EVI-7")
def test_test_that_asserts_less_than_the_verifiers_is_named(tmp_path):
    path = (
        shutil.copytree(
            ROOT / "tests", copied(tmp_path) / "tests", ignore=shutil.ignore_patterns("__pycache__")
        )
        / "test_merkle.py"
    )
    path.write_text(path.read_text().replace("assert ", "assert True or "))
    assert verifier.check(as_clone(tmp_path)).faults == ["tests/test_merkle.py: not the verifier's"]


def test_verifier_without_tests_says_that_those_of_the_clone_are_believed(tmp_path, monkeypatch):
    monkeypatch.setattr(verifier.isolated, "ROOT", copied(tmp_path / "installed"))
    checked = verifier.check(as_clone(copied(tmp_path / "clone")))
    assert (checked.faults, [line.split(":")[0] for line in checked.believed]) == ([], ["tests/"])


def test_clone_that_verifies_itself_is_told_so():
    checked = verifier.check(as_clone(ROOT))
    assert (checked.looked, len(checked.believed)) == (False, 1)
    assert re.match("verifier:  SHA-256 [0-9a-f]{64}, OF THE CLONE ITSELF", verifier.line(as_clone(ROOT)))


def test_hash_of_the_verifier_is_of_every_file_of_its_code(tmp_path):
    before = verifier.files(copied(tmp_path))
    (tmp_path / "radiotrace/evidence/verify/by_hand.sh").write_text("")
    assert {path for path, digest in verifier.files(tmp_path).items() if before[path] != digest} == {
        "radiotrace/evidence/verify/by_hand.sh"
    }
    assert {
        "radiotrace/records/__init__.py",
        "stages/segmentation/case.html",
        "stages/segmentation/case.js",
        "stages/segmentation/report.css",
        "stages/segmentation/report.html",
        "stages/segmentation/workflow.yaml",
        "schemas/gates.schema.json",
    } <= before.keys()
