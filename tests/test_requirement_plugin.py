"""The plugin of pytest: what it refuses to collect, what it records, and what it selects; each in a
repository of its own."""

import re

import pytest

from tests import tiny
from tests.tiny import marked

XFAIL, XPASS = '@pytest.mark.xfail(reason="known")\n', '@pytest.mark.xfail(reason="known", strict=False)\n'
OUTCOMES = "".join(
    [
        marked("test_passes"),
        marked("test_fails", "assert sums.double(2) == 5"),
        marked("test_is_skipped", above='@pytest.mark.skip(reason="not today")\n'),
        marked("test_skips_itself", 'pytest.skip("not here")\n    assert True'),
        marked("test_fails_as_expected", "assert sums.double(2) == 5", above=XFAIL),
        marked("test_passes_against_expectation", above=XPASS),
        marked(
            "test_of_parameters",
            "assert sums.double(value) == 4",
            above='@pytest.mark.parametrize("value", [2, 2.0, 3])\n',
            arguments="value",
        ),
        marked(
            "test_raises",
            "with pytest.raises(TypeError):\n        sums.double()",
            ids='"SRS-UI-2", "SRS-UI-1"',
        ),
        "def test_of_nothing():\n    assert True\n",
    ]
)
OF_OUTCOMES = {  # test -> cases, passed, failed, skipped
    "test_passes": (1, 1, 0, 0),
    "test_fails": (1, 0, 1, 0),
    "test_is_skipped": (1, 0, 0, 1),
    "test_skips_itself": (1, 0, 0, 1),
    "test_fails_as_expected": (1, 0, 0, 1),
    "test_passes_against_expectation": (1, 0, 0, 0),
    "test_of_parameters": (3, 2, 1, 0),
    "test_raises": (1, 1, 0, 0),
}


def counts(record: dict) -> dict:
    return {
        name.split("::")[1]: tuple(entry[key] for key in ("cases", "passed", "failed", "skipped"))
        for name, entry in record["tests"].items()
    }


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    return tiny.write(tmp_path_factory.mktemp("tiny"), test_outcomes=OUTCOMES)


@pytest.mark.requirement("SRS-EVI-6")
@pytest.mark.parametrize("processes", ["0", "2"])
def test_every_outcome_is_recorded_as_it_is(repository, processes):
    status, _, record = tiny.pytest(repository, "-n", processes, f"--junitxml=junit.{processes}.xml")
    assert status == 1
    assert counts(record) == OF_OUTCOMES
    assert record["whole"]
    assert record["tests"]["tests/test_outcomes.py::test_raises"]["verifies"] == ["SRS-UI-1", "SRS-UI-2"]
    junit = re.split("<testcase ", (repository / f"junit.{processes}.xml").read_text("utf-8"))[1:]
    verifies = {
        re.search(' name="([^"]+)"', case)[1]: re.findall('<property name="verifies" value="([^"]+)"', case)
        for case in junit
    }
    assert verifies["test_raises"] == ["SRS-UI-2", "SRS-UI-1"]
    assert verifies["test_of_parameters[3]"] == ["SRS-UI-1"]
    assert verifies["test_of_nothing"] == []


@pytest.mark.requirement("SRS-EVI-6")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-k", "test_passes"], {"test_passes", "test_passes_against_expectation"}),
        (["--deselect", "tests/test_outcomes.py::test_raises"], set(OF_OUTCOMES) - {"test_raises"}),
        (["tests/test_outcomes.py"], set(OF_OUTCOMES)),
        (["--requirement", "SRS-UI-2"], {"test_raises"}),
    ],
    ids=["k", "deselect", "file", "requirement"],
)
def test_a_run_that_was_narrowed_is_not_whole(repository, words, expected):
    _, _, record = tiny.pytest(repository, "-n", "0", *words)
    assert (record["whole"], set(counts(record))) == (False, expected)


def test_a_run_that_stops_at_the_first_failure_is_not_whole(repository):
    _, _, record = tiny.pytest(repository, "-n", "0", "-x")
    assert not record["whole"]
    assert counts(record)["test_raises"] == (1, 0, 0, 0)  # collected, and not run


def test_tests_of_no_requirement_may_be_left_out(repository):
    _, _, record = tiny.pytest(repository, "-n", "0", "-m", "requirement")
    assert (record["whole"], counts(record)) == (True, OF_OUTCOMES)


REFUSED = {  # what is wrong -> source of the test, what is said of it
    "unknown id": (
        marked("test_a", ids='"SRS-UI-9"'),
        "'SRS-UI-9' is not in software/design/requirements.yaml",
    ),
    "id in lower case": (
        marked("test_a", ids='"srs-ui-1"'),
        "'srs-ui-1' is not in software/design/requirements.yaml",
    ),
    "id with a space": (
        marked("test_a", ids='"SRS-UI-1 "'),
        "'SRS-UI-1 ' is not in software/design/requirements.yaml",
    ),
    "one id of two": (
        marked("test_a", ids='"SRS-UI-1", "SRS-UI-01"'),
        "'SRS-UI-01' is not in software/design/requirements.yaml",
    ),
    "ids in one text": (
        marked("test_a", ids='"SRS-UI-1, SRS-UI-2"'),
        "'SRS-UI-1, SRS-UI-2' is not in software/design/requirements.yaml",
    ),
    "no id": (marked("test_a", ids=""), "it names no requirement"),
    "empty": (marked("test_a", "pass"), "it asserts nothing"),
    "call without assert": (marked("test_a", "sums.double(2)"), "it asserts nothing"),
    "helper without assert": (
        "def helper():\n    return 1\n\n\n" + marked("test_a", "helper()"),
        "it asserts nothing",
    ),
    "in a class": (
        'class TestA:\n    @pytest.mark.requirement("SRS-UI-1")\n    def test_a(self):\n        assert 1\n',
        "evidence would not know of it",
    ),
    "mark of a file": (
        'pytestmark = pytest.mark.requirement("SRS-UI-1")\n\n\ndef test_a():\n    assert 1\n',
        "evidence would not know of it",
    ),
    "ids of a name": (
        'IDS = ["SRS-UI-1"]\n\n\n' + marked("test_a", ids="*IDS"),
        "evidence would not know of it",
    ),
    "mark of a parameter": (
        '@pytest.mark.parametrize("a", [pytest.param(1, '
        'marks=pytest.mark.requirement("SRS-UI-1"))])\n'
        "def test_a(a):\n    assert a\n",
        "evidence would not know of it",
    ),
}


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """What pytest does with a file for each thing that is wrong, and a good one."""
    sources = {f"test_{name.replace(' ', '_')}": source for name, (source, _) in REFUSED.items()}
    return tiny.pytest(
        tiny.write(tmp_path_factory.mktemp("refused"), test_good=marked("test_good"), **sources), "-n", "0"
    )


def test_nothing_runs_and_nothing_is_recorded_where_a_test_is_refused(refused):
    status, _, record = refused
    assert (status, record) == (2, None)


@pytest.mark.requirement("SRS-EVI-6")
@pytest.mark.parametrize("name", REFUSED)
def test_a_test_is_refused(refused, name):
    assert f"tests/test_{name.replace(' ', '_')}.py::" in refused[1].replace("TestA::", "")
    assert f"test_a: {REFUSED[name][1]}" in refused[1]


@pytest.mark.requirement("SRS-EVI-6")
def test_nothing_is_recorded_on_two_processes_either(tmp_path):
    names = ("unknown id", "empty", "mark of a parameter")
    sources = {f"test_{number}": REFUSED[name][0] for number, name in enumerate(names)}
    status, said, record = tiny.pytest(
        tiny.write(tmp_path, test_good=marked("test_good"), **sources), "-n", "2"
    )
    assert (status, record) == (1, None)
    assert all(REFUSED[name][1] in said for name in names)


def test_helpers_that_assert_are_seen_however_deep(tmp_path):
    helpers = (
        "def deep(n):\n    assert n\n    return round_about(n)\n\n\ndef round_about(n):\n    return n "
        "and deep(n - 1)\n\n\n"
        "def shallow():\n    round_about(0)\n\n\n"
    )
    status, said, record = tiny.pytest(
        tiny.write(tmp_path, test_a=helpers + marked("test_a", "shallow()")), "-n", "0"
    )
    assert (status, counts(record)) == (0, {"test_a": (1, 1, 0, 0)}), said
