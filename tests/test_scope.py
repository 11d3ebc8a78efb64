"""scope: which files decide what comes of a test, so that a change elsewhere leaves its outcome standing."""

from pathlib import Path

import pytest

from radiotrace.evidence.trace import scope, tests

ROOT = Path(__file__).resolve().parent.parent
FILES = {
    "radiotrace/__init__.py": "",
    "radiotrace/__main__.py": "from radiotrace import command",
    "radiotrace/command.py": "",
    "radiotrace/sums.py": "from radiotrace import parts\nSCHEMA = 'sum'",
    "radiotrace/parts.py": "import numpy",
    "radiotrace/other.py": "",
    "radiotrace/learning/networks/a.py": "",
    "radiotrace/learning/networks/b.py": "",
    "radiotrace/learning/build.py": "import importlib\n\n\ndef build(name):\n"
    '    return importlib.import_module(f"radiotrace.learning.networks.{name}")\n',
    "stages/one.py": "from radiotrace import other",
    "schemas/sum.schema.json": "{}",
    "schemas/difference.schema.json": "{}",
    "tests/conftest.py": "from tests import fixtures",
    "tests/fixtures.py": "",
    "tests/helpers.py": "import subprocess",
    "tests/data/valid/x.json": "{}",
    "tests/test_sums.py": "from radiotrace import sums",
    "requirements.txt": "-r requirements/core.txt",
    "requirements/core.txt": "numpy==2.4.6",
    "requirements/learning.txt": "# stands on: core.txt\ntorch==2.13.0",
    "requirements/serving.txt": "# stands on: core.txt\nstarlette==1.0.0",
    "params.yaml": "train: {network: a}",
}


@pytest.fixture
def repository(tmp_path):
    """A function: files that are other or more -> what is stale since FILES of those that a test needs."""
    before = {}

    def write(files: dict[str, str]) -> dict[str, str]:
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return tests.tree(
            tmp_path, [name for name in (*tests.CODE, *tests.TESTS) if (tmp_path / name).exists()]
        )

    def stale(test: str, changed: dict[str, str], test_file: str = "tests/test_sums.py") -> list[str]:
        before.update(write({**FILES, test_file: test}))
        found = {"files": before, "tests": {f"{test_file}::test_it": {}}, **roots(before)}
        return scope.stale(found, write(changed), tmp_path, {}).get(test_file, [])

    return stale


def roots(files: dict[str, str]) -> dict[str, str]:
    """What the record 'tests' says of all files together."""
    own, code = (
        {path: digest for path, digest in files.items() if path.startswith("tests/") is wanted}
        for wanted in (True, False)
    )
    return {"code_tree_sha256": tests.merkle.root(code), "test_tree_sha256": tests.merkle.root(own)}


SUMS = "from radiotrace import sums"
PROCESS = "from tests import helpers"


@pytest.mark.parametrize(
    ("test", "path"),
    [
        (SUMS, "tests/test_sums.py"),
        (SUMS, "radiotrace/sums.py"),
        (SUMS, "radiotrace/parts.py"),
        (SUMS, "radiotrace/__init__.py"),
        (SUMS, "requirements/core.txt"),
        ("import torch", "requirements/core.txt"),
        ("import torch", "requirements/learning.txt"),
        ("import unheard", "requirements/learning.txt"),
        (SUMS, "schemas/sum.schema.json"),
        (SUMS, "tests/conftest.py"),
        (SUMS, "tests/fixtures.py"),
        (PROCESS, "radiotrace/command.py"),
        (PROCESS, "stages/one.py"),
        (PROCESS, "radiotrace/other.py"),
        ('PATH = "data/valid"', "tests/data/valid/x.json"),
        ('PATH = f"{1}/data/"', "tests/data/valid/x.json"),
        ('PATH = "radiotrace"', "radiotrace/other.py"),
        ("import runpy", "radiotrace/other.py"),
        ("__import__(str(1))", "radiotrace/other.py"),
        ("from radiotrace.learning import build", "radiotrace/learning/networks/b.py"),
    ],
)
@pytest.mark.requirement("SRS-EVI-6")
def test_a_change_of_what_a_test_reaches_makes_it_stale(repository, test, path):
    changed = "train: {network: b}" if path == "params.yaml" else f"{FILES.get(path, test)}\n# edited"
    assert repository(test, {path: changed}) == [f"{path}: changed since the tests ran"]


@pytest.mark.parametrize(
    ("test", "path"),
    [
        (SUMS, "radiotrace/other.py"),
        (SUMS, "radiotrace/command.py"),
        (SUMS, "requirements.txt"),
        (SUMS, "requirements/learning.txt"),
        (SUMS, "requirements/serving.txt"),
        (SUMS, "stages/one.py"),
        (SUMS, "schemas/difference.schema.json"),
        (SUMS, "tests/test_new.py"),
        (SUMS, "radiotrace/new.py"),
        (PROCESS, "radiotrace/new.py"),
        (PROCESS, "radiotrace/sums.py"),
        ('PATH = "radiotrace"', "radiotrace/new.py"),
        ("from radiotrace.learning import build", "radiotrace/learning/networks/c.py"),
    ],
)
def test_a_change_elsewhere_leaves_it_standing(repository, test, path):
    assert repository(test, {path: f"{FILES.get(path, '')}\n# edited"}) == []


def test_a_network_that_was_added_counts_once_params_yaml_names_it(repository):
    added = {"radiotrace/learning/networks/c.py": "", "params.yaml": "train: {network: c}"}
    found = repository("from radiotrace.learning import build", added)
    assert found == ["radiotrace/learning/networks/c.py: new since the tests ran"]


def test_a_file_of_tests_that_is_gone_is_named(repository, tmp_path):
    repository(SUMS, {})
    before = tests.tree(tmp_path, ("radiotrace", "tests", "requirements.txt"))
    (tmp_path / "tests/test_sums.py").unlink()
    now = tests.tree(tmp_path, ("radiotrace", "tests", "requirements.txt"))
    found = {"files": before, "tests": {"tests/test_sums.py::test_it": {}}, **roots(before)}
    expected = ["tests/test_sums.py: gone since the tests ran"]
    assert scope.stale(found, now, tmp_path, {}) == {"tests/test_sums.py": expected}


def test_of_this_repository_a_test_of_sums_does_not_reach_the_networks():
    now = tests.tree(ROOT, (*tests.CODE, *tests.TESTS))
    found = scope.Scopes(ROOT, now, now).of("tests/test_statistics.py")
    assert "radiotrace/statistics/intervals.py" in found
    assert not any(path.startswith("radiotrace/learning/") for path in found)


@pytest.mark.parametrize(
    ("test", "schema"),
    [("tests/test_params.py", "params_segmentation"), ("tests/test_tasks.py", "metrics")],
)
def test_of_this_repository_schemas_that_are_named_in_parts_or_by_a_task_are_in_the_scope(test, schema):
    now = tests.tree(ROOT, (*tests.CODE, *tests.TESTS))
    assert f"schemas/{schema}.schema.json" in scope.Scopes(ROOT, now, now).of(test)
