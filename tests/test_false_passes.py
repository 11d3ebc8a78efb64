"""False passes: everything by which a requirement could look verified, or a release ready, without being so;
and what refuses each.

The list is one to read. Each entry names the false pass, how it is tried on a project in which all is
verified (tests/traced.py) or on a file, and what must be said.
"""

import copy
import json
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.bundle import contents
from radiotrace.evidence.design import compliance, controls, requirements, reviews, risks
from radiotrace.evidence.formats import sbom
from radiotrace.evidence.trace import tests
from radiotrace.evidence.verify import history as ledgers
from radiotrace.evidence.verify import levels
from radiotrace.pipeline.study import Study
from tests import bills, bundles, examples, submitted
from tests.traced import OTHER, OTHER_PART, PART, STATUS, SUMMARY, Project, example, opening, outcome

ROOT = Path(__file__).resolve().parent.parent
STUDY, SOFTWARE = "design/requirements.yaml", "software/design/requirements.yaml"


def ran(**counts):
    return lambda project: project.found["tests"][STATUS].update(outcome(**counts))


def edit(place, **changes):
    return lambda project: place(project).update(changes)


def lower(project):
    """A criterion that was missed is lowered."""
    project.requirement("SRS-SEG-1")["acceptance"]["threshold"] = 0.8


def dice(**changes):
    return lambda project: project.metrics["dice"]["anterior"].update(changes)


def seeded(verdict):
    return lambda project: project.outcomes["controls"]["NC-UI-1"]["requirements"].update(
        {"SRS-UI-1": {"verdict": verdict, "red": []}}
    )


def rerun(path):
    """A file changed, and all tests ran again."""
    return lambda project: (project.now.update({path: OTHER}), project.found.update(files=dict(project.now)))


def asks(**changes):
    return lambda project: project.requirement("SRS-SEG-1")["acceptance"].update(changes)


def opened_before(n_cases):
    return lambda project: project.opened.insert(0, opening(OTHER_PART, n_cases))


def both(*steps):
    return lambda project: [step(project) for step in steps]


# Refused by radiotrace/evidence/trace/tests.py: only a test of which every case ran and passed, on these
# files, counts.
OF_TESTS = {
    "skipped": (ran(passed=0, skipped=1), "0 of 1 cases passed, 0 failed, 1 were skipped"),
    # pytest reports an expected failure as skipped
    "xfail": (ran(passed=0, skipped=1), "1 were skipped"),
    "xpass": (ran(passed=0, otherwise=1), "0 of 1 cases passed"),
    "failed": (ran(passed=0, failed=1), "1 failed"),
    "one parameter failed": (ran(passed=2, failed=1), "2 of 3 cases passed"),
    "one parameter skipped": (ran(passed=2, skipped=1), "2 of 3 cases passed"),
    "one parameter never ran": (ran(passed=2, otherwise=1), "2 of 3 cases passed"),
    "deselected, or its file could not be collected": (
        lambda project: project.found["tests"].pop(STATUS),
        f"{STATUS} was not run",
    ),
    "test removed": (
        both(lambda project: project.known.pop(STATUS), lambda project: project.found["tests"].pop(STATUS)),
        "1 tests, 2 needed",
    ),
    "test edited after it ran": (
        edit(lambda project: project.known[STATUS], source_sha256=OTHER),
        "was edited since it ran",
    ),
    "id added to a test after it ran": (
        lambda project: project.known[STATUS].update(verifies=["SRS-SEG-1", "SRS-UI-1"]),
        "was edited since it ran",
    ),
    "record of older code": (
        edit(lambda project: project.now, **{"radiotrace/pipeline/stage.py": OTHER}),
        "1 files changed since its tests ran",
    ),
    "record of older tests": (
        edit(lambda project: project.now, **{"tests/phantoms.py": OTHER}),
        "1 files changed since its tests ran",
    ),
    "code added after the tests ran": (
        edit(lambda project: project.now, **{"radiotrace/more.py": OTHER}),
        "1 files changed since its tests ran",
    ),
    "list of files cut": (
        lambda project: project.found["files"].pop("tests/phantoms.py"),
        "files changed since its tests ran",
    ),
    "verification in part": (lambda project: project.found.update(whole=False), "the tests ran in part only"),
}
# Refused by radiotrace/evidence/design/negative_controls.py and trace.py: a control must be red, for this
# fault, these tests and this requirement.
OF_CONTROLS = {
    "control not noticed": (seeded("green"), "is green, expected red"),
    "control under which no test could run": (seeded("broken"), "is broken, expected red"),
    "control not run": (
        lambda project: project.outcomes["controls"].pop("NC-UI-1"),
        "is not run, expected red",
    ),
    "control run for another requirement": (
        lambda project: project.outcomes["controls"]["NC-UI-1"]["requirements"].update(
            {"SRS-UI-2": project.outcomes["controls"]["NC-UI-1"]["requirements"].pop("SRS-UI-1")}
        ),
        "is not run, expected red",
    ),
    "control made harmless after it was red": (
        edit(lambda project: project.written.negative_controls["NC-UI-1"], new="return 2"),
        "is stale, expected red",
    ),
    "helper of tests made empty after the control was red": (
        rerun("tests/phantoms.py"),
        "is stale, expected red",
    ),
    "test made weaker after the control was red": (rerun("tests/test_stage.py"), "is stale, expected red"),
}
# Refused by radiotrace/evidence/design/requirements.py: judge.
OF_CRITERIA = {
    "metrics of another part": (
        lambda project: project.metrics.update(part="validation"),
        "metrics are of the validation part",
    ),
    "metric absent": (lambda project: project.metrics["dice"].clear(), "there is no metric dice.anterior"),
    "metric renamed": (
        lambda project: project.metrics["dice"].update(Anterior=project.metrics["dice"].pop("anterior")),
        "there is no metric dice.anterior; there are dice.Anterior",
    ),
    "metric undefined": (dice(mean=None, ci95_low=None, ci95_high=None), "has no lower bound"),
    "metric not a number": (dice(ci95_low=float("nan")), "criterion not met"),
    "undefined cases left out": (dice(n_undefined=1), "undefined in 1 cases"),
    "too few subjects": (dice(n_subjects=29), "29 subjects, 30 needed"),
    "many images of few subjects": (dice(n_subjects=20, n_cases=400), "20 subjects, 30 needed"),
    "point estimate meets, bound does not": (
        dice(mean=0.9, ci95_low=0.84),
        "criterion not met: lower 95 % bound 0.84, needed >= 0.85",
    ),
    "upper bound meets, lower does not": (dice(ci95_low=0.8, ci95_high=0.99), "criterion not met"),
    "subgroup silently missing": (
        asks(metric="subgroups.north.dice"),
        "there is no metric subgroups.north.dice",
    ),
    "not judged at all": (
        lambda project: setattr(project, "acceptance", lambda: {"run_id": "a" * 64, "results": []}),
        "its criterion was not judged",
    ),
}
# Refused by radiotrace/evidence/design/reviews.py: what was set, or left out, after a test part was opened.
AFTER_THE_OPENING = {
    "criterion lowered": (both(dice(ci95_low=0.82), lower), "criterion post-hoc"),
    "criterion lowered and reviewed again": (
        both(dice(ci95_low=0.82), lower, Project.review),
        "criterion post-hoc",
    ),
    "criterion lowered, reviewed, and a new test part opened": (
        both(dice(ci95_low=0.82), lower, Project.review, opened_before(49)),
        "criterion post-hoc",
    ),
    "criterion of another metric": (
        both(
            lambda project: project.metrics["dice"].update(mean_of_labels=dict(SUMMARY)),
            asks(metric="dice.mean_of_labels"),
            Project.review,
        ),
        "criterion post-hoc",
    ),
    "fewer subjects asked for": (
        both(dice(n_subjects=20), asks(min_subjects=10), Project.review),
        "criterion post-hoc",
    ),
    "criterion never reviewed before": (
        lambda project: (project.written.reviews.clear(), project.review()),
        "criterion post-hoc",
    ),
    "hard cases excluded": (
        both(
            lambda project: project.metrics["excluded"].append({"case_id": "p_01", "reason": "blurred"}),
            opened_before(50),
        ),
        "cases left out: 1, and a test part with other cases was opened before",
    ),
    "hard cases taken out of the data": (
        opened_before(50),
        "a test part of 50 cases was opened before this one of 49",
    ),
}


def refused(project, name, change, expected):
    """The requirement was verified; after the change it is not, says why, and blocks the release."""
    assert project.traced()["requirements"][name]["status"] == "verified"
    change(project)
    traced = project.traced()
    assert any(expected in reason for reason in traced["requirements"][name]["reasons"]), traced[
        "requirements"
    ][name]["reasons"]
    assert (traced["requirements"][name]["status"], traced["user_needs"]["UN-1"]["status"]) == (
        "not verified",
        "not verified",
    )
    assert traced["release_blocked"]


@pytest.fixture
def project():
    return Project()


@pytest.mark.requirement("SRS-EVI-6")
@pytest.mark.parametrize(("change", "expected"), OF_TESTS.values(), ids=OF_TESTS)
def test_tests_do_not_count(project, change, expected):
    refused(project, "SRS-UI-1", change, expected)


@pytest.mark.requirement("SRS-EVI-6")
@pytest.mark.parametrize(("change", "expected"), OF_CONTROLS.values(), ids=OF_CONTROLS)
def test_tests_that_were_not_seen_to_fail_do_not_count(project, change, expected):
    refused(project, "SRS-UI-1", change, expected)


@pytest.mark.requirement("SRS-EVI-2")
@pytest.mark.parametrize(("change", "expected"), OF_CRITERIA.values(), ids=OF_CRITERIA)
def test_a_criterion_is_not_met(project, change, expected):
    refused(project, "SRS-SEG-1", change, expected)


@pytest.mark.requirement("SRS-EVI-3")
@pytest.mark.parametrize(("change", "expected"), AFTER_THE_OPENING.values(), ids=AFTER_THE_OPENING)
def test_what_came_after_the_opening_does_not_count(project, change, expected):
    refused(project, "SRS-SEG-1", change, expected)


# Refused by radiotrace/evidence/trace/matrix.py: a release is blocked while a row of gaps is there, though
# every requirement is verified.
BLOCKED = {
    "criterion that was missed is removed": (
        lambda project: project.requirement("SRS-SEG-1").pop("acceptance"),
        "SRS-SEG-1",
        "was reviewed as a requirement with a criterion",
    ),
    "requirement that was missed is removed": (
        lambda project: project.written.requirements["requirements"].pop(0),
        "SRS-SEG-1",
        "was reviewed as a requirement with a criterion",
    ),
    "hazard without control": (
        lambda project: project.written.risks["hazards"].append(
            example("risks/valid/two_hazards")["hazards"][1]
        ),
        "HAZ-2",
        "no control",
    ),
    "risk that is left is not acceptable": (
        lambda project: project.written.risks["hazards"][0].pop("residual_reason"),
        "HAZ-1",
        "residual risk is not acceptable",
    ),
    "risk control with no requirement": (
        lambda project: project.written.risks["controls"].append(
            project.written.risks["controls"][0] | {"id": "RC-99"}
        ),
        "RC-99",
        "no requirement and no information",
    ),
    "need that no requirement meets": (
        lambda project: project.written.requirements["user_needs"].append(
            {"id": "UN-2", "text": "Forgotten."}
        ),
        "UN-2",
        "no requirement meets",
    ),
    "edited after its review": (
        lambda project: project.written.requirements["user_needs"][0].update(text="Other words."),
        "UN-1",
        "suspect",
    ),
}


@pytest.mark.parametrize(("change", "item", "expected"), BLOCKED.values(), ids=BLOCKED)
def test_a_release_is_blocked(project, change, item, expected):
    assert not project.traced()["release_blocked"]
    change(project)
    traced = project.traced()
    assert traced["release_blocked"]
    assert any(gap["item"] == item and expected in gap["gap"] for gap in traced["gaps"])


def test_a_risk_control_of_a_requirement_that_is_not_verified_is_not_effective():
    written = controls.load(ROOT / "design", ROOT / "software")
    status = {
        one["id"]: {"status": "verified", "reasons": []} for one in written.requirements["requirements"]
    }
    hazard = written.risks["hazards"][0]
    named = next(
        one["id"]
        for one in written.requirements["requirements"]
        if set(one["risk_controls"]) & set(hazard["controls"])
    )
    status[named] = {"status": "not verified", "reasons": ["skipped"]}
    found = risks.report(written.risks, written.requirements, status, run_id="a" * 64, texts={})
    assert not found["hazards"][hazard["id"]]["controls_effective"]
    assert any(
        row["item"] in hazard["controls"] and row["gap"] == "not shown effective" for row in found["gaps"]
    )


# Refused by the schema of requirements.yaml, so that every stage that reads it stops.
REQUIRED = example("requirements/valid/performance_and_test")
INTERVAL = REQUIRED["requirements"][0]["acceptance"]["ci"]
BY_SCHEMA = {
    "point estimate decides": ("acceptance", "bound", "point"),
    "interval over images": ("acceptance", "ci", INTERVAL | {"resample_unit": "image"}),
    "one-sided interval": ("acceptance", "ci", INTERVAL | {"sided": "one"}),
    "missing metric passes": ("acceptance", "on_missing", "pass"),
    "requirement covers itself": ("parents", None, ["SRS-SEG-1"]),
    "circle of parents": ("parents", None, ["SRS-UI-1"]),
    "id in lower case": ("id", None, "srs-seg-1"),
    "id with a line break": ("id", None, "SRS-SEG-1\n"),
    "no negative control": ("verification", "negative_controls", []),
}


@pytest.mark.parametrize(("key", "below", "value"), BY_SCHEMA.values(), ids=BY_SCHEMA)
def test_a_file_of_requirements_is_refused(tmp_path, key, below, value):
    required = copy.deepcopy(REQUIRED)
    (tmp_path / "requirements.yaml").write_text(json.dumps(required))
    assert requirements.load(tmp_path / "requirements.yaml") == required
    one = required["requirements"][0]
    if below:
        one[key][below] = value
    else:
        one[key] = value
    (tmp_path / "requirements.yaml").write_text(json.dumps(required))
    with pytest.raises(StageError, match=r"breaks schemas/requirements.schema.json") as caught:
        requirements.load(tmp_path / "requirements.yaml")
    assert all(line.startswith(f"requirements[0].{key}") for line in caught.value.findings)


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        (STUDY, "    threshold: 0.85\n", "    threshold: 0.85\n    threshold: 0.5\n", "is not YAML"),
        (SOFTWARE, "- id: SRS-DATA-2\n", "- id: SRS-DATA-1\n", "SRS-DATA-1 stands twice"),
        (SOFTWARE, "- id: UN-3\n", "- id: UN-2\n", "UN-2 stands twice"),
    ],
    ids=["duplicate YAML key", "duplicate id", "duplicate need"],
)
def test_what_stands_twice_is_refused(tmp_path, path, old, new, expected):
    text = (ROOT / path).read_text("utf-8")
    assert old in text
    (tmp_path / "requirements.yaml").write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(StageError, match=expected):
        requirements.load(tmp_path / "requirements.yaml")


# Refused while tests are collected, by tests/requirement_plugin.py, each tried in
# tests/test_requirement_plugin.py:
AT_COLLECTION = {
    "unknown id",
    "id in lower case",
    "id with a space",
    "ids in one text",
    "no id",
    "empty",
    "call without assert",
    "in a class",
}


def test_collection_refuses_the_rest():
    from tests.test_requirement_plugin import REFUSED

    assert set(REFUSED) >= AT_COLLECTION


# Refused by radiotrace/evidence/bundle/contents.py, so that the stage evidence stops.
@pytest.mark.parametrize(
    ("way", "expected"),
    [
        (("sources", "metrics", "run_id"), "run_id of metrics.json"),
        (("sources", "model", "weights_sha256"), "weights behind model.onnx"),
        (("sources", "dataset", "dataset", "root_sha256"), "root of the data set"),
    ],
    ids=["metric of another model", "another model exported", "metric of another version of the data"],
)
def test_records_of_different_origin_stop_the_stage(way, expected):
    from tests.test_bundle import agreeing

    run = agreeing()
    assert contents.contradictions(**run) == []
    place = run
    for key in way[:-1]:
        place = place[key]
    place[way[-1]] = OTHER
    assert [line.split(":")[0] for line in contents.contradictions(**run)] == [expected]


def test_a_checklist_item_that_is_ticked_by_prose_is_refused():
    standard = example(
        "compliance/valid/" + next((ROOT / "tests/schema_cases/compliance/valid").glob("*.json")).stem
    )
    row = {
        "clause": "9.9",
        "id": f"{standard['prefix']}:9.9",
        "summary": "Ticked",
        "status": "evidenced",
        "note": "We do this, see our handbook.",
    }
    assert "9.9: evidenced without evidence" in compliance.faults(standard | {"rows": [row]})


def test_a_bill_of_materials_of_another_environment_stops_the_stage():
    found = copy.deepcopy(bills.installed())
    name = next(iter(found))
    found[name] = found[name] | {"version": "0.0.0"}
    made = sbom.runtime(
        {file: bills.pins()[file] for file in bills.RUNTIME},
        bills.installed(),
        bills.listed(),
        bills.wheels(),
        bills.PRODUCT,
    )
    assert sbom.drift(made, bills.installed()) == []
    assert any(name in line for line in sbom.drift(made, found))


def test_an_unlisted_file_is_found(tmp_path):
    evidence = bundles.write_bundle(tmp_path / "evidence")
    assert not levels.whole(evidence)[0].faults
    (evidence / "approval.json").write_text("{}")
    assert any("approval.json" in fault for fault in levels.whole(evidence)[0].faults)


# Host and time: no own record has a place for them, and none of this bundle holds any.
# that one is for them
OWN = sorted(
    {path.name.removesuffix(".schema.json") for path in records.SCHEMAS.glob("*.schema.json")} - {"execution"}
)


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("key", ["host", "created_at"])
def test_a_record_has_no_place_for_host_and_time(name, key):
    record = examples.read(min((examples.CASES / name / "valid").glob("*.json")))
    assert any(key in fault for fault in records.faults(record | {key: "2026-01-01T00:00:00Z"}, name))


def test_the_bundle_names_no_machine_and_no_moment():
    texts = {path.name: path.read_text("utf-8") for path in (submitted.folder() / "evidence").iterdir()}
    moment = re.compile(r"20\d\d-\d\d-\d\dT(?!00:00:00)\d\d:\d\d")
    place = re.compile(rf"/(?:root|home|tmp|Users)/|\b{re.escape(socket.gethostname())}\b")
    assert not {
        name: found[0] for name, text in texts.items() if (found := moment.search(text) or place.search(text))
    }


# Refused by 'verify', level 3, which believes no record: it asks git.
@pytest.fixture
def history(tmp_path):
    """A repository whose criteria and ledgers were committed before and after the test part was opened."""
    (tmp_path / "design").mkdir()
    commit(tmp_path, required=REQUIRED, opened=[opening()], reviewed=[])
    commit(tmp_path, required=REQUIRED, opened=[opening(), opening(run_id=OTHER)], reviewed=[line()])
    return tmp_path


def line(n_openings=0):
    return reviews.line("SRS-SEG-1", REQUIRED["requirements"][0], n_openings)


def commit(folder, required=None, opened=None, reviewed=None):
    if required is not None:
        (folder / "design/requirements.yaml").write_text(json.dumps(required))
    for name, lines in (("test_openings", opened), ("reviews", reviewed)):
        if lines is not None:
            (folder / f"design/{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    for words in ([] if (folder / ".git").exists() else [["init", "-q"]]) + [
        ["add", "-A"],
        ["commit", "-qm", "x"],
    ]:
        subprocess.run(
            ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", *words],
            cwd=folder,
            check=True,
        )


def lowered():
    required = copy.deepcopy(REQUIRED)
    required["requirements"][0]["acceptance"]["threshold"] = 0.8
    return required


@pytest.mark.requirement("SRS-EVI-3")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"required": lowered()}, "SRS-SEG-1: its criterion is not that of commit"),
        (
            {
                "required": lowered(),
                "reviewed": [line(), reviews.line("SRS-SEG-1", lowered()["requirements"][0], 0)],
            },
            "SRS-SEG-1: its criterion is not that of commit",
        ),
        (
            {"required": REQUIRED | {"requirements": REQUIRED["requirements"][1:]}},
            "SRS-SEG-1: its criterion is not that of commit",
        ),
        ({"opened": [opening()]}, "design/test_openings.jsonl: lacks a line"),
        ({"reviewed": [line(5)]}, "design/reviews.jsonl: lacks a line"),
    ],
    ids=[
        "criterion lowered",
        "review forged: no opening before it",
        "criterion removed",
        "opening taken back",
        "review taken back",
    ],
)
def test_git_remembers(history, change, expected):
    assert ledgers.check(Study(history)).faults == []
    commit(history, **change)
    assert any(fault.startswith(expected) for fault in ledgers.check(Study(history)).faults)


@pytest.mark.requirement("SRS-EVI-3")
@pytest.mark.parametrize(
    ("prespecified", "verdict", "n_faults"),
    [(False, "post-hoc", 0), (False, "not met", 0), (False, "met", 1), (True, "not met", 1)],
)
def test_a_criterion_that_came_late_must_be_said_to_have(history, prespecified, verdict, n_faults):
    added = REQUIRED["requirements"][0] | {"id": "SRS-SEG-9"}
    acceptance = json.loads((ROOT / "tests/schema_cases/acceptance/valid/post_hoc.json").read_text("utf-8"))
    acceptance["results"][0] |= {"requirement": "SRS-SEG-9", "prespecified": prespecified, "verdict": verdict}
    (history / "evidence").mkdir(exist_ok=True)
    (history / "evidence/acceptance.json").write_text(json.dumps(acceptance))
    commit(history, required=REQUIRED | {"requirements": [*REQUIRED["requirements"], added]})
    faults = ledgers.check(Study(history)).faults
    assert [fault.split(":")[0] for fault in faults] == ["SRS-SEG-9"] * n_faults


@pytest.mark.requirement("SRS-EVI-3")
# the counterpart: before, everything may change
def test_a_criterion_of_a_part_that_was_never_opened_is_prespecified(project):
    project.opened.clear()
    lower(project)
    project.review()
    assert project.acceptance()["results"][0]["verdict"] == "met"


def test_a_blocked_release_is_found_by_verify_and_so_is_a_bundle_that_only_says_it_is_not(tmp_path, project):
    project.found["tests"].pop(STATUS)
    traced = project.traced()
    for blocked in (True, False):
        (tmp_path / "traceability.json").write_text(json.dumps(traced | {"release_blocked": blocked}))
        assert any(STATUS in fault for fault in levels.release(tmp_path).faults)


def test_this_list_starts_from_a_project_that_is_verified(project):
    traced = project.traced()
    assert (traced["release_blocked"], traced["gaps"]) == (False, [])
    assert (tests.contradictions(project.found), project.found["files"]) == ([], project.now)
    assert [one["prespecified"] for one in project.acceptance()["results"]] == [True]
    assert (project.opened[0]["cases_sha256"], shutil.which("git") is not None) == (PART, True)
