"""isolated.py: what runs from a clone is its own modules, from their source, and nothing else that lies
there."""

import importlib.util
import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from radiotrace.pipeline import isolated

ROOT = Path(__file__).resolve().parent.parent
PLANTED = "open({!r}, 'w').close()\n"


@pytest.fixture
def clone(tmp_path):
    """The code alone, in a folder of its own."""
    for name in ("radiotrace", "stages", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / "clone" / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "clone"


def run(*words, cwd) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.requirement("SRS-EVI-7")
@pytest.mark.parametrize(
    "name", ["dataclasses.py", "argparse.py", "yaml/__init__.py", "radiotrace/json.py", "sitecustomize.py"]
)
# dataclasses.py in the root was taken for the standard library's
def test_planted_module_is_not_imported(clone, tmp_path, name):
    (clone / name).parent.mkdir(exist_ok=True)
    (clone / name).write_text(PLANTED.format(str(tmp_path / "ran")))
    done = run("-m", "radiotrace", "verify", "--level", "1", cwd=clone)
    assert ("level 1  FAILS" in done.stdout, (tmp_path / "ran").exists()) == (True, False), done.stderr


@pytest.mark.requirement("SRS-EVI-7")
def test_not_even_the_first_import_is_one_of_another_clone(clone, tmp_path):
    # 'python -m' imports it before any code of ours
    (clone / "contextlib.py").write_text(PLANTED.format(str(tmp_path / "ran")))
    done = run("-I", ROOT / "radiotrace/__main__.py", "verify", "--level", "1", "--clone", ".", cwd=clone)
    assert ("level 1  FAILS" in done.stdout, (tmp_path / "ran").exists()) == (True, False), done.stderr


@pytest.mark.requirement("SRS-EVI-7")
def test_compiled_code_of_the_clone_is_not_read(clone, tmp_path):
    (tmp_path / "evil.py").write_text(
        PLANTED.format(str(tmp_path / "ran")) + (clone / "radiotrace/records/merkle.py").read_text()
    )
    compiled = importlib.util.cache_from_source(str(clone / "radiotrace/records/merkle.py"))
    py_compile.compile(
        str(tmp_path / "evil.py"), compiled, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    assert run("-c", "import radiotrace.records.merkle", cwd=clone).returncode == 0
    assert (tmp_path / "ran").exists()  # so a Python that is not isolated takes it
    (tmp_path / "ran").unlink()
    assert "verifier:" in run("-m", "radiotrace", "verify", "--level", "1", cwd=clone).stdout
    assert not (tmp_path / "ran").exists()


def test_verify_leaves_no_compiled_code(clone):
    run("-I", clone / "radiotrace/__main__.py", "verify", "--level", "1", cwd=clone)
    assert list(clone.rglob("__pycache__")) == []


def test_module_that_is_a_link_is_refused(clone, tmp_path):
    shutil.move(clone / "radiotrace/records/merkle.py", tmp_path / "merkle.py")
    (clone / "radiotrace/records/merkle.py").symlink_to(tmp_path / "merkle.py")
    with pytest.raises(ImportError, match="found a symbolic link, expected a file"):
        isolated.Finder(clone).find_spec("radiotrace.records.merkle")


def test_module_without_a_source_is_not_found(clone):
    (clone / "radiotrace/more.pyc").write_bytes(b"")
    with pytest.raises(ModuleNotFoundError, match=r"more\.py is missing"):
        isolated.Finder(clone).find_spec("radiotrace.more")
    assert isolated.Finder(clone).find_spec("numpy") is None


def test_stage_runs_isolated(clone):
    done = subprocess.run(
        isolated.command("stages.split", "--help", root=clone),
        cwd=clone.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.startswith("usage: split"), done.stderr) == (0, True, "")


def test_without_a_module_it_says_how(clone):
    done = run(clone / "radiotrace/pipeline/isolated.py", cwd=clone)
    assert (done.returncode, "MODULE ARGUMENT" in done.stderr) == (1, True)


@pytest.mark.requirement("SRS-EVI-7")
@pytest.mark.parametrize(
    "name",
    [
        "RADIOTRACE_CHECKPOINTS",
        "PYTHONPATH",
        "DVC_ROOT",
        "GIT_DIR",
        "LD_PRELOAD",
        "BASH_ENV",
        "MKL_CBWR",
        "ATEN_CPU_CAPABILITY",
        "OMP_NUM_THREADS",
    ],
)
# level 6 took forged checkpoints from a folder so named
def test_variable_that_could_change_a_run_is_cleared(monkeypatch, name):
    monkeypatch.setenv(name, "x")
    assert name not in isolated.environment()


def test_other_variables_are_kept_and_the_interpreter_stands_first(monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/lib")
    made = isolated.environment(DVC_SITE_CACHE_DIR="site")
    assert (made["LD_LIBRARY_PATH"], made["DVC_SITE_CACHE_DIR"]) == ("/lib", "site")
    assert made["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
