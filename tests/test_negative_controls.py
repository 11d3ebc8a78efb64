"""Negative controls: faults are seeded as they are written, and an outcome counts only for what it was
seen with."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.commands import negative_controls as command
from radiotrace.errors import StageError
from radiotrace.evidence.design import controls, negative_controls
from radiotrace.evidence.trace import tests
from radiotrace.pipeline.study import Study
from tests import tiny
from tests.traced import OTHER, RUN_ID, STATUS, Project, example

ROOT = Path(__file__).resolve().parent.parent
FAULT = {
    "id": "NC-UI-1",
    "what": "twice is thrice",
    "file": "radiotrace/sums.py",
    "old": "2 * value",
    "new": "3 * value",
}


@pytest.fixture
def project():
    return Project()


def load(folder, content):
    (folder / "negative_controls.yaml").write_text(records.dumps(content))  # JSON is YAML
    return negative_controls.load(folder / "negative_controls.yaml")


def test_controls_are_known_by_their_ids(tmp_path):
    found = load(tmp_path, example("negative_controls/valid/code_and_predictions"))
    assert {name: control["id"] for name, control in found.items()} == {
        "NC-UI-1": "NC-UI-1",
        "NC-SEG-1": "NC-SEG-1",
    }


def test_an_id_that_stands_twice_is_refused(tmp_path):
    content = example("negative_controls/valid/code_and_predictions")
    with pytest.raises(StageError) as caught:
        load(
            tmp_path,
            content | {"negative_controls": content["negative_controls"] + content["negative_controls"][:1]},
        )
    assert caught.value.findings == ["NC-UI-1 stands twice"]


def test_a_broken_file_is_refused_with_every_fault(tmp_path):
    with pytest.raises(StageError, match=r"breaks schemas/negative_controls.schema.json") as caught:
        load(tmp_path, {"schema": "radiotrace-negative-controls/1.0", "negative_controls": [], "seed": 0})
    assert [fault.split(":")[0] for fault in caught.value.findings] == ["record", "negative_controls"]


def test_a_fault_takes_the_place_of_the_text():
    assert negative_controls.apply(FAULT, tiny.SUMS) == "def double(value):\n    return 3 * value\n"


@pytest.mark.parametrize(
    ("changes", "text", "expected"),
    [
        ({}, "", "stands there 0 times"),
        ({}, 2 * tiny.SUMS, "stands there 2 times"),
        ({"new": "2 * value"}, tiny.SUMS, "'new' is the same as 'old'"),
    ],
)
def test_a_fault_that_does_not_fit_is_refused(changes, text, expected):
    with pytest.raises(StageError, match="NC-UI-1 cannot be applied") as caught:
        negative_controls.apply(FAULT | changes, text)
    assert expected in caught.value.findings[0]


@pytest.mark.parametrize(
    "control",
    negative_controls.load(ROOT / "software/design/negative_controls.yaml").values(),
    ids=lambda control: control["id"],
)
def test_every_fault_of_this_repository_fits_its_code(control):
    text = (ROOT / control["file"]).read_text("utf-8")
    assert negative_controls.apply(control, text) != text


def test_users_are_the_requirements_that_name_a_control(project):
    assert [one["id"] for one in negative_controls.users("NC-UI-1", project.written.requirements)] == [
        "SRS-UI-1"
    ]
    assert negative_controls.users("NC-UI-9", project.written.requirements) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda project: project.now.update({"radiotrace/pipeline/stage.py": OTHER}),
        lambda project: project.now.update({"tests/test_stage.py": OTHER}),
        lambda project: project.now.update({"tests/phantoms.py": OTHER}),
        lambda project: project.known.pop(STATUS),
    ],
    ids=["faulted file", "file of a test", "helper of tests", "a test less"],
)
def test_an_outcome_of_code_depends_on(project, change):
    before = project.seen("NC-UI-1")
    change(project)
    assert project.seen("NC-UI-1") != before


@pytest.mark.parametrize(
    "change",
    [
        lambda project: project.now.update({"radiotrace/records/__init__.py": OTHER}),
        lambda project: project.now.update({"tests/test_records.py": OTHER}),
        lambda project: project.requirement("SRS-UI-1").update(title="Another title"),
    ],
    ids=["another file", "another file of tests", "a title"],
)
def test_an_outcome_of_code_does_not_depend_on(project, change):
    before = project.seen("NC-UI-1")
    change(project)
    assert project.seen("NC-UI-1") == before


def test_an_outcome_of_predictions_depends_on_run_and_criteria(project):
    control, required = project.written.negative_controls["NC-SEG-1"], project.written.requirements

    def seen(run_id=RUN_ID):
        return negative_controls.seen_sha256(control, required, project.now, project.known, run_id)

    before = seen()
    project.now["radiotrace/pipeline/stage.py"] = OTHER
    assert seen() == before
    assert seen(run_id=OTHER) != before
    project.requirement("SRS-SEG-1")["acceptance"]["threshold"] = 0.5
    assert seen() != before


def verdict(project, requirement_id="SRS-UI-1"):
    control = project.written.negative_controls["NC-UI-1"]
    return negative_controls.verdict(control, requirement_id, project.outcomes, project.seen("NC-UI-1"))


def test_an_outcome_is_red_for_what_it_was_seen_with(project):
    assert verdict(project) == "red"


@pytest.mark.requirement("SRS-EVI-6")
def test_an_outcome_of_another_fault_or_other_tests_is_stale(project):
    project.written.negative_controls["NC-UI-1"] = project.written.negative_controls["NC-UI-1"] | {
        "new": "return 2"
    }
    assert verdict(project) == "stale"
    project = Project()
    project.now["tests/test_stage.py"] = OTHER
    assert verdict(project) == "stale"


def test_without_an_outcome_a_control_was_not_run(project):
    assert verdict(project, "SRS-UI-2") == "not run"
    project.outcomes["controls"] = {}
    assert verdict(project) == "not run"


@pytest.mark.parametrize("found", ["green", "broken"])
def test_what_was_seen_is_the_verdict(project, found):
    project.outcomes["controls"]["NC-UI-1"]["requirements"]["SRS-UI-1"] = {"verdict": found, "red": []}
    assert verdict(project) == found


TESTS = {
    "test_sums": tiny.marked("test_double")
    + tiny.marked("test_of_zero", "assert sums.double(0) == 0", ids='"SRS-UI-2"'),
    "test_wrong": tiny.marked("test_fails_anyway", "assert sums.double(2) == 5", ids='"SRS-UI-2"'),
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    return tiny.write(tmp_path_factory.mktemp("tiny"), **TESTS)


def seeded(repository, monkeypatch, tmp_path, files, **changes):
    """Verdicts of a fault of double()."""
    monkeypatch.chdir(repository)
    control = FAULT | changes
    name, found = command.of_code(control, files, repository, tmp_path / "copy")
    assert name == control["id"]
    assert not (tmp_path / "copy").exists()
    assert (repository / "radiotrace/sums.py").read_text() == tiny.SUMS
    return found


# 3 * 0 is 2 * 0
def test_a_fault_that_a_test_notices_is_red_and_one_that_none_notices_is_green(
    repository, monkeypatch, tmp_path
):
    found = seeded(
        repository,
        monkeypatch,
        tmp_path,
        {"SRS-UI-1": ["tests/test_sums.py"], "SRS-UI-2": ["tests/test_sums.py"]},
    )
    assert found == {
        "SRS-UI-1": {"verdict": "red", "red": ["tests/test_sums.py::test_double"], "kind": "assertion"},
        "SRS-UI-2": {"verdict": "green", "red": [], "kind": None},
    }


def test_code_that_is_put_in_place_within_a_second_and_of_the_same_size_is_what_runs(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    said = []
    for text in ("print(1)", "print(2)", "print(1)"):
        command.put(tmp_path / "said.py", text)
        os.utime(tmp_path / "said.py", (0, 0))
        words = [sys.executable, "-c", "import said"]
        said.append(subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)
    assert said == ["1\n", "2\n", "1\n"]


def test_a_fault_under_which_no_test_can_be_collected_proves_nothing(repository, monkeypatch, tmp_path):
    found = seeded(repository, monkeypatch, tmp_path, {"SRS-UI-1": ["tests/test_sums.py"]}, new="2 * value +")
    assert found == {"SRS-UI-1": {"verdict": "broken", "red": [], "kind": None}}


@pytest.mark.requirement("SRS-EVI-6")
@pytest.mark.parametrize(
    ("new", "kind"),
    [
        ("undefined * value", "NameError"),
        ("__import__('gone')", "ModuleNotFoundError"),
        ("value.gone", "AttributeError"),
        ("{}[value]", "KeyError"),
        ("exec('assert False')", "AssertionError"),
    ],
)
def test_a_fault_that_fails_every_test_whatever_it_asserts_proves_nothing(
    repository, monkeypatch, tmp_path, new, kind
):
    found = seeded(repository, monkeypatch, tmp_path, {"SRS-UI-1": ["tests/test_sums.py"]}, new=new)
    assert found == {"SRS-UI-1": {"verdict": "broken", "red": [], "kind": kind}}


@pytest.mark.requirement("SRS-EVI-6")
def test_a_fault_under_which_the_module_cannot_be_imported_proves_nothing_though_a_test_of_a_process_asserts(
    tmp_path, monkeypatch
):
    """The test starts a process and asserts its status: by an error of syntax it fails as well as by the
    fault."""
    started = "subprocess.run([sys.executable, '-c', 'import radiotrace.sums'])"
    body = f"import subprocess, sys\n    assert {started}.returncode == 0"
    folder = tiny.write(
        tmp_path / "tiny", test_process=tiny.marked("test_runs", body).replace("sums.double", "double")
    )
    (folder / "tests/test_process.py").write_text("import pytest\n\n\n" + tiny.marked("test_runs", body))
    found = seeded(folder, monkeypatch, tmp_path, {"SRS-UI-1": ["tests/test_process.py"]}, new="2 * value +")
    assert found == {"SRS-UI-1": {"verdict": "broken", "red": [], "kind": "assertion"}}


@pytest.mark.requirement("SRS-EVI-6")
@pytest.mark.parametrize(
    ("file", "text", "new"),
    [
        ("radiotrace/sums.py", tiny.SUMS, "2 * value +"),
        ("dvc.yaml", "stages: 2 * value", "{2"),
        ("schemas/a.json", '{"a": "2 * value"}', '"'),
    ],
)
def test_a_fault_that_breaks_the_syntax_of_a_file_is_known_without_running_anything(file, text, new):
    assert negative_controls.breaks(FAULT | {"file": file, "new": new}, text).startswith(file)
    assert negative_controls.breaks(FAULT | {"file": file}, text) is None


def test_no_fault_of_this_repository_breaks_the_syntax_of_its_file():
    assert [
        one["id"]
        for one in negative_controls.load(ROOT / "software/design/negative_controls.yaml").values()
        if negative_controls.breaks(one, (ROOT / one["file"]).read_text("utf-8"))
    ] == []


@pytest.mark.requirement("SRS-EVI-6")
@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"verdict": "red", "red": ["a test"], "kind": "ImportError"}, "broken"),
        ({"verdict": "red", "red": ["a test"]}, "stale"),
        ({"verdict": "red", "red": ["a test"], "kind": "expectation"}, "red"),
    ],
    ids=["import", "kind unknown", "expectation"],
)
def test_the_kind_of_failure_decides_whether_a_fault_was_noticed(project, entry, expected):
    project.outcomes["controls"]["NC-UI-1"]["requirements"]["SRS-UI-1"] = entry
    assert verdict(project) == expected


def test_a_test_that_fails_without_the_fault_too_proves_nothing(repository, monkeypatch, tmp_path):
    found = seeded(repository, monkeypatch, tmp_path, {"SRS-UI-2": ["tests/test_wrong.py"]})
    assert found == {"SRS-UI-2": {"verdict": "broken", "red": [], "kind": "assertion"}}


def test_a_requirement_without_a_test_proves_nothing(repository, monkeypatch, tmp_path):
    found = seeded(repository, monkeypatch, tmp_path, {"SRS-UI-1": ["tests/test_wrong.py"]})
    assert found == {"SRS-UI-1": {"verdict": "broken", "red": [], "kind": None}}


def test_a_fault_that_never_ends_proves_nothing(repository, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "TIMEOUT_S", 0.2)
    found = seeded(repository, monkeypatch, tmp_path, {"SRS-UI-1": ["tests/test_sums.py"]})
    assert found == {"SRS-UI-1": {"verdict": "broken", "red": [], "kind": None}}


def test_controls_that_are_unknown_or_do_not_fit_stop_the_command_at_once(repository, monkeypatch):
    monkeypatch.chdir(repository)
    known = {
        "NC-UI-1": FAULT,
        "NC-UI-2": FAULT | {"id": "NC-UI-2", "old": "4 * value"},
        "NC-SEG-1": {"id": "NC-SEG-1", "predictions": "erode"},
        "NC-UI-3": FAULT | {"id": "NC-UI-3", "file": "radiotrace/gone.py"},
    }
    with pytest.raises(StageError, match="3 negative controls cannot be applied") as caught:
        command.stop_at(["NC-UI-9"], known, repository, {})
    assert [line.split()[0].rstrip(":") for line in caught.value.findings] == [
        "NC-UI-9",
        "NC-UI-2",
        "NC-UI-3",
    ]


def test_every_requirement_of_this_repository_has_a_control_of_its_own_kind():
    found = controls.load(ROOT / "design", ROOT / "software")
    assert not [
        one["id"]
        for one in found.requirements["requirements"]
        if not one["verification"]["negative_controls"]
    ]
    assert not [
        name for name in found.negative_controls if not negative_controls.users(name, found.requirements)
    ]


def test_what_tests_share_is_told_from_tests():
    paths = tests.tree(ROOT, tests.TESTS)
    shared = {path for path in paths if negative_controls.SHARED.fullmatch(path)}
    assert {"tests/conftest.py", "tests/phantoms.py", "tests/requirement_plugin.py"} <= shared
    assert not any("test_" in Path(path).name or "schema_cases" in path for path in shared)


def judged(verdict: str, observed: float | None, op: str = ">=") -> dict:
    return {"verdict": verdict, "observed": observed, "op": op}


@pytest.mark.requirement("SRS-EVI-6")
@pytest.mark.parametrize(
    ("without", "under", "noticed"),
    [
        (judged("met", 0.9), judged("not met", 0.5), True),
        (judged("met", 0.9), judged("met", 0.88), False),
        (judged("not met", 0.8), judged("not met", 0.5), True),
        (judged("not met", 0.8), judged("not met", 0.8), False),  # missed anyway: it has not seen the fault
        (judged("not met", 0.8), judged("not met", 0.84), False),
        (judged("not met", 6.0, "<="), judged("not met", 30.0, "<="), True),
        (judged("not met", 6.0, "<="), judged("not met", 5.5, "<="), False),
        (judged("met", 0.9), judged("cannot say", None), True),
        (judged("cannot say", None), judged("cannot say", None), True),
    ],
)
def test_a_criterion_that_is_missed_anyway_notices_only_what_makes_it_worse(without, under, noticed):
    assert negative_controls.noticed(without, under) is noticed


# Where outcomes are recorded

RED = {"verdict": "red", "red": ["tests/test_x.py::test_a"], "kind": "assertion"}


class Run:
    """Stands for the run of a study: all of its criteria notice every fault of the predictions."""

    run_id = "a" * 64

    def __init__(self, args):
        pass

    def idle(self, control):
        return None

    def under(self, control, requirement_ids, required):
        return {one: {"verdict": "red", "red": ["not met"], "kind": "criterion"} for one in requirement_ids}


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """Runs the command on this repository, with a copy of software/ in which no fault was seen yet; gives the
    faults of code that were seeded."""
    shutil.copytree(ROOT / "software", tmp_path / "software")
    (tmp_path / "software/verification/negative_controls.json").unlink()
    seeded = []

    def of_code(control, files_of, repository, folder):
        seeded.append(control["id"])
        return control["id"], dict.fromkeys(files_of, RED)

    def run(*words) -> list[str]:
        parser = argparse.ArgumentParser()
        command.options(parser)
        paths = ["--software", str(tmp_path / "software"), "--out", str(tmp_path / "study.json")]
        args = parser.parse_args([*words, "--jobs", "1", *paths])
        args.study = Study(ROOT)
        command.run(args)
        done = list(seeded)
        seeded.clear()
        return done

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(command, "of_code", of_code)
    monkeypatch.setattr(command, "Evaluated", Run)
    return run


def outcomes_in(path) -> set[str]:
    return set(records.read(path, "negative_control_outcomes")["controls"]) if path.exists() else set()


def test_faults_of_code_are_recorded_beside_the_software_and_need_no_run(beside, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "Evaluated", None)
    assert beside("NC-UI-1", "--of", "software") == ["NC-UI-1"]
    assert outcomes_in(tmp_path / "software/verification/negative_controls.json") == {"NC-UI-1"}
    assert not (tmp_path / "study.json").exists()
    assert beside("NC-UI-1", "--of", "software") == []  # it was seen


def test_faults_of_predictions_are_recorded_beside_the_study_and_seed_no_code(beside, tmp_path):
    assert beside("--of", "study") == []
    assert outcomes_in(tmp_path / "study.json") == {"NC-SEG-1", "NC-SEG-2", "NC-VOL-1", "NC-VOL-2"}
    assert not (tmp_path / "software/verification/negative_controls.json").exists()


def test_without_a_choice_each_is_recorded_where_it_belongs(beside, tmp_path):
    assert beside("NC-UI-1", "NC-SEG-1") == ["NC-UI-1"]
    assert outcomes_in(tmp_path / "software/verification/negative_controls.json") == {"NC-UI-1"}
    assert outcomes_in(tmp_path / "study.json") == {"NC-SEG-1"}
