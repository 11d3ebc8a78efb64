"""Two studies on one software: what blocks the one, what blocks the other, and what blocks both."""

import copy
import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.evidence.design import controls, negative_controls, reviews
from radiotrace.evidence.trace import matrix, scope, tests
from radiotrace.pipeline import params

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent
RUN_ID = "a" * 64
OWN_NEED, OWN_CRITERION = "UN-101", "SRS-KNEE-1"
MET, MISSED = "met", "not met"


def write(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content), "utf-8")  # JSON is YAML


def new_study(folder: Path) -> Path:
    """Design controls of another study: one need and one criterion of its own, no anomaly and no plan of
    changes but what the software brings."""
    shutil.copytree(ROOT / "design", folder)
    for name in ("reviews.jsonl", "test_openings.jsonl", "released_requirements.json", "README.md"):
        (folder / name).unlink()
    required = params.load_yaml(folder / "requirements.yaml")
    criterion = required["requirements"][0]
    criterion |= {"id": OWN_CRITERION, "parents": [OWN_NEED], "risk_controls": ["RC-15", "RC-18", "RC-33"]}
    criterion["verification"]["negative_controls"] = ["NC-SEG-1", "NC-SEG-2", "NC-VOL-1", "NC-VOL-2"]
    write(
        folder / "requirements.yaml",
        required
        | {
            "user_needs": [{"id": OWN_NEED, "text": "A surgeon sees the meniscus."}],
            "requirements": [criterion],
        },
    )
    anomalies = params.load_yaml(folder / "anomalies.yaml")
    write(folder / "anomalies.yaml", anomalies | {"anomalies": []})
    plan = params.load_yaml(folder / "pccp.yaml")
    for modification in plan["modifications"]:
        modification["acceptance"] |= {"requirements": [OWN_CRITERION], "margins": {OWN_CRITERION: 0.01}}
    write(folder / "pccp.yaml", plan)
    return folder


def loaded(study: Path) -> controls.Design:
    """A study with the software of this repository, all of it reviewed."""
    design = controls.load(study, ROOT / "software")
    lines = [reviews.line(name, content, 0) for name, content in controls.items(design).items()]
    return dataclasses.replace(design, reviews=lines)


@pytest.fixture(scope="module")
def first():
    return loaded(ROOT / "design")


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    return loaded(new_study(tmp_path_factory.mktemp("studies") / "knees"))


@pytest.fixture(scope="module")
def now() -> dict[str, str]:
    """SHA-256 of code and tests, as they are."""
    return tests.tree(ROOT, (*tests.CODE, *tests.TESTS))


@pytest.fixture(scope="module")
def known() -> dict[str, dict]:
    return tests.declared(ROOT / "tests")


@pytest.fixture(scope="module")
def verification(first, now, known) -> tuple[dict, dict]:
    """What tests and faults of code came to, once: all passed, all were red."""
    passed = {"cases": 1, "passed": 1, "failed": 0, "skipped": 0}
    found = tests.record(ROOT, dict.fromkeys(known, passed), True)
    faults = [name for name in first.negative_controls if first.owner(name) == controls.SOFTWARE]
    return found, {"controls": seen_red(first, faults, now, known)}


def seen_red(design, names, now, known) -> dict:
    """Outcomes of faults that every requirement noticed."""
    outcomes = {}
    for name in names:
        fault, required = design.negative_controls[name], design.requirements
        users = [one["id"] for one in negative_controls.users(name, required)]
        outcomes[name] = {
            "control_sha256": records.digest(fault),
            "seen_sha256": negative_controls.seen_sha256(fault, required, now, known, RUN_ID),
            "requirements": {one: {"verdict": "red", "red": ["seen"], "kind": "assertion"} for one in users},
        }
    return outcomes


@pytest.fixture(scope="module")
def scopes(verification, now, known) -> dict[str, set[str]]:
    """File of tests -> the files that can decide what comes of it."""
    found = scope.Scopes(ROOT, verification[0]["files"], now)
    return {file: found.of(file) for file in sorted({name.split("::")[0] for name in known})}


@pytest.fixture(scope="module")
def traced(verification, now, known, scopes):
    """The record 'traceability' of a study whose criteria have a verdict, on code and tests as they are or
    with one file changed."""
    found, of_software = verification

    def make(design, verdict=MET, changed=None) -> dict:
        own = [name for name in design.negative_controls if design.owner(name) == controls.STUDY]
        outcomes = controls.outcomes(design, of_software, {"controls": seen_red(design, own, now, known)})
        criteria = [one["id"] for one in design.requirements["requirements"] if "acceptance" in one]
        acceptance = {
            "run_id": RUN_ID,
            "results": [{"requirement": name, "verdict": verdict, "reason": verdict} for name in criteria],
        }
        texts = {name: (ROOT / name).read_text("utf-8") for name in ("README.md", "design/intended_use.yaml")}
        line = f"{changed}: changed since the tests ran"
        stale = {file: [line] for file, reached in scopes.items() if changed in reached}
        return matrix.matrix(design, found, outcomes, acceptance, known, stale, texts)

    return make


def unverified(traced: dict, owner: str) -> set[str]:
    return {
        name
        for name, row in traced["requirements"].items()
        if row["owner"] == owner and row["status"] != "verified"
    }


@pytest.mark.requirement("SRS-EVI-6")
def test_a_new_study_is_complete_without_a_test_being_run_again(first, second, traced):
    for design in (first, second):
        found = traced(design)
        assert (found["gaps"], found["release_blocked"]) == ([], False)
    assert traced(first)["software_sha256"] == traced(second)["software_sha256"]


def test_a_study_has_its_own_items_and_those_of_the_software(first, second, traced):
    rows = traced(second)["requirements"]
    assert {name for name, row in rows.items() if row["owner"] == "study"} == {OWN_CRITERION}
    assert {name: row for name, row in rows.items() if row["owner"] == "software"} == {
        name: row for name, row in traced(first)["requirements"].items() if row["owner"] == "software"
    }
    needs = traced(second)["user_needs"]
    assert {name for name, row in needs.items() if row["owner"] == "study"} == {OWN_NEED}


@pytest.mark.requirement("SRS-EVI-6")
def test_a_study_that_misses_its_criterion_is_blocked_by_its_own_items_alone(second, traced):
    found = traced(second, MISSED)
    assert found["release_blocked"]
    assert unverified(found, "software") == set()
    assert {OWN_CRITERION, "HAZ-1"} <= {gap["item"] for gap in found["gaps"]}
    assert {second.owner(gap["item"]) for gap in found["gaps"]} == {"study"}
    assert found["stale"] == []


@pytest.mark.requirement("SRS-EVI-6")
@pytest.mark.parametrize(
    "changed",
    ["radiotrace/statistics/intervals.py", "radiotrace/learning/onnx_model.py", "tests/test_split.py"],
)
def test_what_changed_in_a_scope_blocks_every_study_by_just_the_requirements_of_that_scope(
    first, second, traced, known, scopes, changed
):
    stale = {
        one
        for name, entry in known.items()
        if changed in scopes[name.split("::")[0]]
        for one in entry["verifies"]
    }
    assert set() < stale < first.of_software
    for design in (first, second):
        found = traced(design, changed=changed)
        assert found["release_blocked"]
        assert unverified(found, "software") == stale
        assert unverified(found, "study") == set()


def test_a_study_cannot_bring_outcomes_for_the_software(second, verification):
    _, of_software = copy.deepcopy(verification)
    with pytest.raises(controls.StageError):
        controls.outcomes(second, {"controls": {}}, of_software)
