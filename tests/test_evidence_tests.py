"""tests as evidence: what is read from the source, what came of it, and on which files."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.evidence.trace import pin_files, scope, tests
from radiotrace.pipeline import params
from radiotrace.records import merkle
from tests.traced import OTHER, REASON, STATUS, Project, example, outcome

ROOT = Path(__file__).resolve().parent.parent
SOURCE = '''"""A file of tests."""
import pytest


def helper():
    assert True


@pytest.mark.requirement("SRS-UI-2", "SRS-UI-1")
@pytest.mark.parametrize("value", [1, 2])
def test_one(value):
    assert value


@pytest.mark.slow
@pytest.mark.requirement("SRS-UI-1")
@pytest.mark.requirement("SRS-UI-3")
def test_two():
    helper()


def test_three():
    assert True
'''


@pytest.fixture
def folder(tmp_path):
    """A repository with a file of each kind that is code or test."""
    for name in (*tests.CODE, *tests.TESTS):
        path = tmp_path / name if "." in name else tmp_path / name / "a.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    (tmp_path / "tests/test_a.py").write_text(SOURCE)
    return tmp_path


@pytest.fixture
def project():
    return Project()


def test_tests_that_verify_something_are_found_with_their_ids(folder):
    assert {name: entry["verifies"] for name, entry in tests.declared(folder / "tests").items()} == {
        "tests/test_a.py::test_one": ["SRS-UI-1", "SRS-UI-2"],
        "tests/test_a.py::test_two": ["SRS-UI-1", "SRS-UI-3"],
    }


def test_the_hash_of_a_test_is_of_its_lines_with_its_decorators(folder):
    lines = SOURCE.splitlines()[8:12]
    assert (lines[0][:8], lines[-1]) == ("@pytest.", "    assert value")
    found = tests.declared(folder / "tests")["tests/test_a.py::test_one"]["source_sha256"]
    assert found == hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_a_file_in_a_folder_of_tests_is_read_too(folder):
    (folder / "tests/deep").mkdir()
    (folder / "tests/deep/test_b.py").write_text(SOURCE)
    assert "tests/deep/test_b.py::test_one" in tests.declared(folder / "tests")


@pytest.mark.parametrize(
    "source",
    [
        'class TestA:\n    @pytest.mark.requirement("SRS-UI-1")\n    def test_one(self):\n        assert '
        "True\n",
        "@pytest.mark.requirement(*IDS)\ndef test_one():\n    assert True\n",
        'pytestmark = pytest.mark.requirement("SRS-UI-1")\n\n\ndef test_one():\n    assert True\n',
        "@pytest.mark.requirement(1)\ndef test_one():\n    assert True\n",
    ],
    ids=["in a class", "ids of a name", "of a file", "a number"],
)
def test_what_the_source_does_not_spell_out_is_not_found(source):  # the plugin refuses to collect these
    assert tests.declared_in(source) == {}


def test_the_tree_has_every_file_but_what_python_caches(folder):
    cache = folder / "radiotrace/__pycache__/a.pyc"
    cache.parent.mkdir()
    cache.write_bytes(b"")
    found = tests.tree(folder, (*tests.CODE, *tests.TESTS))
    assert set(found) == {
        "radiotrace/a.py",
        "stages/a.py",
        "schemas/a.py",
        "dvc.yaml",
        "pyproject.toml",
        *pin_files.RUNTIME,
        "tests/a.py",
        "tests/test_a.py",
    }
    assert found["dvc.yaml"] == hashlib.sha256(b"# dvc.yaml\n").hexdigest()


# as the record of the tests; else none of its files would ever be stale
def test_the_stage_evidence_looks_at_the_same_files():
    words = params.load_yaml(ROOT / "dvc.yaml")["stages"]["evidence"]["cmd"].split()
    code = words[words.index("--code") + 1 : words.index("--workflow")]
    assert {*code, words[words.index("--workflow") + 1]} == set(tests.CODE)
    assert words[words.index("--tests") + 1] == tests.TESTS[0]


def test_the_record_satisfies_its_schema_and_leaves_out_what_verifies_nothing(folder):
    found = tests.record(
        folder, {"tests/test_a.py::test_one": outcome(2), "tests/test_a.py::test_three": outcome()}, True
    )
    assert records.faults(found, "tests") == []
    assert list(found["tests"]) == ["tests/test_a.py::test_one"]
    assert found["files"] == tests.tree(folder, (*tests.CODE, *tests.TESTS))
    assert found["test_tree_sha256"] == merkle.root(tests.tree(folder, tests.TESTS))


def stale(folder, found: dict) -> dict[str, list[str]]:
    """What scope.stale says with the files as they are."""
    now = tests.tree(folder, (*tests.CODE, *tests.TESTS))
    return scope.stale(found, now, folder, tests.declared(folder / "tests"))


def test_a_record_of_these_files_is_not_stale(folder):
    assert stale(folder, tests.record(folder, {}, True)) == {}


@pytest.mark.requirement("SRS-EVI-6")
def test_every_changed_new_and_missing_file_is_named(folder):
    (folder / "tests/test_a.py").write_text(
        f"{SOURCE}\n\nfrom radiotrace import a\nFILES = 'schemas', 'tests'\n"
    )
    found = tests.record(folder, {}, True)
    (folder / "radiotrace/a.py").write_text("# edited\n")
    (folder / "schemas/b.py").write_text("")
    (folder / "tests/a.py").unlink()
    assert stale(folder, found)["tests/test_a.py"] == [
        "radiotrace/a.py: changed since the tests ran",
        "schemas/b.py: new since the tests ran",
        "tests/a.py: gone since the tests ran",
    ]


@pytest.mark.parametrize("key", ["code_tree_sha256", "test_tree_sha256"])
def test_a_root_that_is_not_of_the_files_is_found(folder, key):
    found = tests.record(folder, {}, True) | {key: OTHER}
    assert [line.split(":")[0] for line in tests.contradictions(found)] == [key]
    assert stale(folder, found) == {"tests/test_a.py": tests.contradictions(found)}


@pytest.mark.requirement("SRS-EVI-6")
@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (None, "not run"),
        (outcome(), "passed"),
        (outcome(3), "passed"),
        (outcome(2, failed=1), "not passed"),
        (outcome(2, skipped=1), "not passed"),
        (outcome(0, skipped=1), "not passed"),
        (outcome(2, otherwise=1), "not passed"),
        (outcome(0, otherwise=1), "not passed"),
    ],
)
def test_a_test_passed_only_if_every_case_did(entry, expected):
    assert tests.outcome(entry) == expected


def test_tests_that_passed_leave_no_problem(project):
    assert tests.problems(project.requirement("SRS-UI-1"), project.found, project.known) == []


def test_one_test_too_few_is_a_problem(project):
    del project.known[REASON]
    assert tests.problems(project.requirement("SRS-UI-1"), project.found, project.known) == [
        "1 tests, 2 needed"
    ]


def test_every_problem_of_every_test_is_named(project):
    del project.found["tests"][STATUS]
    project.found["tests"][REASON] |= outcome(1, failed=1, skipped=1)
    assert tests.problems(project.requirement("SRS-UI-1"), project.found, project.known) == [
        f"{STATUS} was not run",
        f"{REASON}: 1 of 3 cases passed, 1 failed, 1 were skipped",
    ]


def test_a_test_that_says_something_else_by_now_was_edited(project):
    project.known[STATUS] = project.known[STATUS] | {"verifies": ["SRS-UI-1", "SRS-UI-2"]}
    assert tests.problems(project.requirement("SRS-UI-1"), project.found, project.known) == [
        f"{STATUS} was edited since it ran"
    ]


def test_the_example_of_the_schema_is_not_passed():  # one case passed, one failed, one was skipped
    entry = example("tests/valid/one_of_each_outcome")["tests"]["tests/test_stage.py::test_status"]
    assert tests.outcome(entry) == "not passed"


def test_evidence_of_tests_needs_no_torch():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from radiotrace.evidence.trace import matrix; print('torch' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def test_this_repository_declares_tests_of_itself():
    found = tests.declared(ROOT / "tests")
    assert found["tests/test_evidence_tests.py::test_a_test_passed_only_if_every_case_did"]["verifies"] == [
        "SRS-EVI-6"
    ]
