"""The closed world of a clone: what nobody vouches for is found, whoever put it there."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.evidence.bundle import contents
from radiotrace.evidence.trace import tests
from radiotrace.evidence.verify import closed_world, levels
from radiotrace.records import jcs

ROOT = Path(__file__).resolve().parent.parent
COPIED = (
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvcignore",
    ".gitattributes",
    ".gitignore",
    "Makefile",
    "pyproject.toml",
    "requirements.txt",
    "requirements/core.txt",
    "requirements/dev.txt",
    "LICENSE",
    "radiotrace/__init__.py",
    "radiotrace/records/merkle.py",
    "stages/__init__.py",
    "stages/split.py",
    "tests/conftest.py",
)
DATA = (
    "outs:\n- md5: 7ae6f2d439caf88213c5124bb8b93fd8.dir\n  size: 1\n  nfiles: 1\n  hash: md5\n  path: data\n"
)


@pytest.fixture
def clone(tmp_path) -> levels.Clone:
    """A repository whose bundle vouches for the files that it should."""
    for name in COPIED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("design/risks.yaml", "software/design/soup.yaml", "software/README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "data.dvc").write_text(DATA)
    (tmp_path / "evidence").mkdir()
    git(tmp_path, "init", "-q")
    vouch(tmp_path)
    return levels.Clone(tmp_path, tmp_path / "evidence", tmp_path / "signatures", tmp_path / "keys")


def vouch(folder):
    """Lists all that a bundle can list, and commits it."""
    listed = {
        path.relative_to(folder).as_posix(): path
        for name in ("design", "software")
        for path in (folder / name).rglob("*")
        if path.is_file()
    }
    listed |= {name: folder / name for name in COPIED if "/" not in name or name.startswith(".dvc/")}
    for path in (folder / "evidence").iterdir():
        path.unlink()
    manifest = contents.manifest("0" * 64, folder / "evidence", "evidence", {}, listed)
    (folder / "evidence/manifest.json").write_bytes(jcs.dumps(manifest))
    (folder / "tests/test_x.py").write_text("")
    code = {"run_id": "0" * 64, "files": tests.tree(folder, (*tests.CODE, *tests.TESTS))}
    (folder / "evidence/code.json").write_bytes(jcs.dumps(code))
    git(folder, "add", "-A")


def git(folder, *words):
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


def put(clone, name: str, content: str = "", is_tracked: bool = True) -> list[str]:
    """Puts a file into the clone, and gives the faults."""
    path = clone.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    if is_tracked:
        git(clone.root, "add", "-f", name)
    return closed_world.check(clone).faults


def test_clone_whose_every_file_is_listed_holds(clone):
    checked = closed_world.check(clone)
    assert (checked.faults, checked.skipped, checked.looked) == ([], [], True)
    assert "verify starts none of them" in checked.believed[0]


@pytest.mark.parametrize(
    "name",
    [
        "CHANGELOG.md",
        "CITATION.cff",
        "CONTRIBUTING.md",
        "LICENSE",
        "SECURITY.md",
        "STYLE.md",
        ".github/pull_request_template.md",
        "docs/use.md",
    ],
)
def test_texts_that_no_program_reads_need_nobody_to_vouch_for_them(clone, name):
    assert put(clone, name) == []


@pytest.mark.requirement("SRS-EVI-7")
@pytest.mark.parametrize("name", ["CITATION.cff.py", "docs/CITATION.cff", "SECURITY.txt", ".github/x.md"])
def test_what_is_only_named_like_such_a_text_is_found(clone, name):
    assert [fault.split(": ")[0] for fault in put(clone, name)] == [name]


@pytest.mark.requirement("SRS-EVI-7")
@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "vendor/put",
        "design2/risks.yaml",
        "benchmarks/x.sh",
        "datastore/x",
        "Dockerfile",
        "keys/mine.pub",
    ],
)
def test_tracked_file_that_nothing_vouches_for_is_found(clone, name):
    assert put(clone, name) == [f"{name}: a file that nothing vouches for"]


@pytest.mark.requirement("SRS-EVI-7")
@pytest.mark.parametrize(
    "name",
    [
        "dataclasses.py",
        "yaml/__init__.py",
        "x.pth",
        "radiotrace/records.so",
        "radiotrace/records/merkle.pyc",
        "schemas/x.py",
        "execute/x.py",
    ],
)
@pytest.mark.parametrize("is_tracked", [True, False])
def test_module_where_none_belongs_is_found(clone, name, is_tracked):
    assert put(clone, name, "", is_tracked) == [f"{name}: a module in a place where none belongs"]


@pytest.mark.requirement("SRS-EVI-7")
@pytest.mark.parametrize(
    "name",
    [
        "conftest.py",
        "sitecustomize.py",
        "usercustomize.py",
        "pytest.ini",
        "setup.cfg",
        "tox.ini",
        "ruff.toml",
        ".env",
        "GNUmakefile",
        ".gitmodules",
        "design/.gitattributes",
        "design/dvc.yaml",
        "stages/conftest.py",
        "more.dvc",
        "benchmarks/conftest.py",
        "tests/pytest.ini",
        "sub/Makefile",
    ],
)
@pytest.mark.parametrize("is_tracked", [True, False])
def test_settings_where_none_belong_are_found(clone, name, is_tracked):
    faults = [fault for fault in put(clone, name, "", is_tracked) if "cannot be read" not in fault]
    assert faults == [f"{name}: settings in a place where none belongs"]


@pytest.mark.parametrize("name", ["design/evil.py", "design/conftest.py", "software/design/evil.py"])
def test_bundle_that_was_made_again_vouches_for_no_code_among_texts(clone, name):
    (clone.root / name).touch()
    vouch(clone.root)
    assert [fault.split(": ")[0] for fault in closed_world.check(clone).faults] == [name]


def test_record_of_the_code_vouches_for_code_and_tests_alone(clone):
    record = records.read(clone.evidence / "code.json", "code")
    record["files"]["vendor/put"] = "0" * 64
    (clone.evidence / "code.json").write_bytes(jcs.dumps(record))
    assert put(clone, "vendor/put") == ["vendor/put: a file that nothing vouches for"]


@pytest.mark.requirement("SRS-EVI-7")
@pytest.mark.parametrize(
    "name",
    [
        ".checkpoints/0/epoch.safetensors",
        ".memo/ingest/results/0.json",
        ".venv/bin/python",
        "build/train/x",
        "execution/x",
        ".dvc/tmp/site/cache.db",
        "data/x",
        ".dvc/config.local",
    ],
)
def test_what_runs_leave_behind_must_not_be_in_git(clone, name):  # level 6 resumed from a forged checkpoint
    assert put(clone, name, "", is_tracked=False) == []
    assert put(clone, name) == [f"{name}: tracked by git, though it is of what runs leave behind"]


def test_compiled_code_in_git_is_found_and_that_of_a_reader_is_not(clone):
    name = "radiotrace/__pycache__/merkle.cpython-311.pyc"
    assert put(clone, name, "", is_tracked=False) == []
    assert put(clone, name) == [f"{name}: compiled code is tracked by git"]


def test_notes_of_a_reader_are_no_fault(clone):
    assert put(clone, "notes.txt", "", is_tracked=False) == []


def test_link_is_found(clone):
    (clone.root / "stages/split.py").unlink()
    (clone.root / "stages/split.py").symlink_to("../vendor/split.py")
    assert closed_world.check(clone).faults == ["stages/split.py: found a symbolic link, expected a file"]
    git(clone.root, "add", "-A")
    assert closed_world.check(clone).faults[0] == "stages/split.py: git has a symbolic link, expected a file"


def test_submodule_is_found(clone):
    git(clone.root, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendor")
    assert closed_world.check(clone).faults[0] == "vendor: git has a submodule, expected a file"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "radiotrace/records/Merkle.py",
            "the same as radiotrace/records/Merkle.py where case does not count",
        ),
        ("stages/\u0435vidence.py", "a name with other characters than those of ASCII"),
        ("a\nb", "a name with other characters than those of ASCII"),
    ],
)
def test_name_that_is_taken_for_another_is_found(clone, name, expected):
    assert [fault for fault in put(clone, name) if fault.endswith(expected)]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (".gitattributes", "*.json filter=vendor"),
        (".gitattributes", "README.md export-subst"),
        (".gitattributes", "*.json text=auto ident"),
        (".gitattributes", "/radiotrace/** -diff linguist-generated"),
        (".gitattributes", "/design/*.jsonl -merge"),
        (".dvcignore", "/data/imagesTr/hidden*"),
        ("requirements/core.txt", "--extra-index-url https://example.org"),
        ("requirements/dev.txt", "-e ."),
        ("requirements/core.txt", "numpy>=1"),
        ("requirements.txt", "numpy @ git+https://example.org/x"),
        ("requirements.txt", "-r ../more.txt"),
        ("requirements/predict.in", "--index-url https://example.org"),
        ("requirements/predict.in", "-c ../more.txt"),
        ("requirements/predict.in", "numpy==1"),
    ],
)
def test_line_of_settings_that_ours_do_not_have_is_found(clone, name, line):
    with open(clone.root / name, "a") as file:
        file.write(f"{line}\n")
    assert [fault.split(": ")[0] for fault in closed_world.check(clone).faults] == [name]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("autostage = false", "autostage = true", "[core] autostage = true"),
        ("verify = true", "verify = false", "verify = false"),
        ("[core]\n", "[core]\n    site_cache_dir = vendor\n", "[core] site_cache_dir = vendor"),
        ("[plots]", "[cache]\n    type = symlink\n[plots]", "[cache] type = symlink"),
        ("[core]\n", "no section\n[core]\n", "cannot be read"),
    ],
)
def test_setting_of_dvc_that_ours_does_not_have_is_found(clone, old, new, expected):
    path = clone.root / ".dvc/config"
    path.write_text(path.read_text().replace(old, new))
    assert [expected in fault for fault in closed_world.check(clone).faults] == [True]


# with hashes of all that comes from it, a place is no matter of truth
def test_another_remote_is_said_to_be_believed(clone):
    path = clone.root / ".dvc/config"
    path.write_text(path.read_text().replace("../datastore", "https://example.org"))
    checked = closed_world.check(clone)
    assert checked.faults == []
    assert checked.believed[-1].startswith('.dvc/config: remote "datastore" is https://example.org;')


@pytest.mark.parametrize(
    "table",
    [
        'build-backend = "vendor"\nbackend-path = ["."]',
        'requires = ["vendor"]\nbuild-backend = "setuptools.build_meta"',
    ],
)
def test_builder_of_ones_own_is_found(clone, table):
    (clone.root / "pyproject.toml").write_text(f"[build-system]\n{table}\n")
    assert {fault.split(" = ")[0] for fault in closed_world.check(clone).faults} <= {
        f"pyproject.toml: [build-system] {key}" for key in ("build-backend", "backend-path", "requires")
    }
    assert closed_world.check(clone).faults


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("data.dvc", DATA + "cmd: python vendor/put\n", "data.dvc: says cmd; expected hashes alone"),
        ("data.dvc", DATA + "deps:\n- path: x\n", "data.dvc: says deps; expected hashes alone"),
        ("data.dvc", DATA.replace("path: data", "path: stages"), "data.dvc: is of stages; expected data"),
        ("data.dvc", "7", "data.dvc: cannot be read"),
        ("members/a.dvc", DATA, "members/a.dvc: is of data; expected a"),
    ],
)
def test_file_of_dvc_that_says_more_than_hashes_is_found(clone, name, text, expected):
    assert [fault.startswith(expected) for fault in put(clone, name, text)] == [True]


@pytest.mark.requirement("SRS-EVI-7")
def test_what_lies_in_the_datastore_under_the_name_of_something_else_is_found(clone):
    told = "datastore/files/md5/5d/41402abc4b2a76b9719d911017c592"
    assert put(clone, told, "hello") == []
    assert put(clone, told, "other") == [f"{told}: has the MD5 795f3202b17c…, its name says 5d41402abc4b…"]


def test_readme_is_said_to_be_believed(clone):
    assert [line for line in closed_world.check(clone).believed if line.startswith("README.md: ")] != []


def test_without_git_every_file_counts(clone):
    shutil.rmtree(clone.root / ".git")
    (clone.root / "notes.txt").touch()
    checked = closed_world.check(clone)
    assert (checked.faults, len(checked.skipped)) == (["notes.txt: a file that nothing vouches for"], 1)


def test_repository_around_the_clone_is_not_asked(clone):
    inner = clone.root / "execution/inner"
    shutil.copytree(clone.root, inner, ignore=shutil.ignore_patterns(".git", "execution"))
    (inner / "notes.txt").touch()
    faults = closed_world.check(
        levels.Clone(inner, inner / "evidence", inner / "signatures", inner / "keys")
    ).faults
    assert faults == ["notes.txt: a file that nothing vouches for"]


def test_index_that_leaves_out_what_the_commit_has_is_no_excuse(clone):
    (clone.root / ".checkpoints").mkdir()
    (clone.root / ".checkpoints/epoch.safetensors").touch()
    git(clone.root, "add", "-A", "-f", ".checkpoints")
    git(clone.root, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "x")
    git(clone.root, "rm", "-q", "-r", "--cached", ".checkpoints")
    assert closed_world.check(clone).faults == [
        ".checkpoints/epoch.safetensors: tracked by git, though it is of what runs leave behind"
    ]


def test_local_settings_of_dvc_are_said(clone):
    assert put(clone, ".dvc/config.local", "[core]\n    site_cache_dir = vendor\n", is_tracked=False) == []
    assert [note.split(":")[0] for note in closed_world.check(clone).skipped] == [".dvc/config.local"]


def test_hook_of_a_delivered_git_folder_is_not_run(clone, tmp_path):
    hook = clone.root / ".git/hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    git(clone.root, "config", "core.fsmonitor", str(hook))
    assert closed_world.check(clone).faults == []
    assert not os.path.lexists(tmp_path / "ran")


def test_clone_without_a_bundle_is_refused_and_links_are_told_all_the_same(clone):
    shutil.rmtree(clone.evidence)
    assert "manifest.json is missing" in closed_world.check(clone).faults[0]


# `dvc repro --all-pipelines` and people would run or import what lies there
def test_files_of_a_folder_that_is_no_study_are_found(clone):
    for name in ("params.yaml", "dvc.lock", "data.dvc", "members/m.dvc", ".gitignore"):
        path = clone.root / "studies/x" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("wdir: ../..\nouts: [{path: data, md5: 0}]\n")
    git(clone.root, "add", "-A", "-f")
    faults = closed_world.check(clone).faults
    assert "studies/x/params.yaml: of no study, since studies/x/ has no dvc.yaml" in faults
    assert "studies/x/.gitignore: of no study, since studies/x/ has no dvc.yaml" in faults
    assert "studies/x/data.dvc: says wdir; expected hashes alone" in faults
    assert "studies/x/members/m.dvc: says wdir; expected hashes alone" in faults
