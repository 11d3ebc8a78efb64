"""trace: what is verified, what is not and why, and that nothing is left out."""

import copy

import pytest

from radiotrace import records
from tests.traced import OTHER, REASON, RUN_ID, STATUS, Project


@pytest.fixture
def project():
    return Project()


def test_a_project_in_which_nothing_is_missing_is_not_blocked(project):
    traced = project.traced()
    assert {name: (row["status"], row["reasons"]) for name, row in traced["requirements"].items()} == {
        "SRS-SEG-1": ("verified", []),
        "SRS-UI-1": ("verified", []),
    }
    assert (
        traced["release_blocked"],
        traced["gaps"],
        traced["stale"],
        traced["unreviewed"],
        traced["controls_not_red"],
    ) == (False, [], [], {}, [])


def test_every_link_is_there_both_ways(project):
    traced = project.traced()
    row = traced["requirements"]["SRS-UI-1"]
    assert (row["user_needs"], row["tests"], row["negative_controls"], row["criterion"]) == (
        ["UN-1"],
        [STATUS, REASON],
        {"NC-UI-1": "red"},
        None,
    )
    assert traced["requirements"]["SRS-SEG-1"]["criterion"] == "met"
    assert traced["user_needs"] == {
        "UN-1": {"owner": "study", "requirements": ["SRS-SEG-1", "SRS-UI-1"], "status": "verified"}
    }
    assert {name: one["owner"] for name, one in traced["requirements"].items()} == {
        "SRS-SEG-1": "study",
        "SRS-UI-1": "software",
    }
    assert traced["software_sha256"] == project.written.software_sha256
    assert traced["tests"][STATUS] == {"verifies": ["SRS-UI-1"], "outcome": "passed"}
    assert traced["run_id"] == RUN_ID


def test_the_record_satisfies_its_schema_blocked_or_not(project):
    assert records.faults(project.traced(), "traceability") == []
    project.found["tests"] = {}
    project.metrics["dice"] = {}
    assert records.faults(project.traced(), "traceability") == []


def test_inputs_are_left_alone(project):
    before = copy.deepcopy(vars(project))
    project.traced()
    assert vars(project) == before


def test_a_need_is_met_only_if_all_of_its_requirements_are(project):
    project.metrics["dice"]["anterior"]["ci95_low"] = 0.8
    traced = project.traced()
    assert (traced["requirements"]["SRS-UI-1"]["status"], traced["user_needs"]["UN-1"]["status"]) == (
        "verified",
        "not verified",
    )


def test_a_need_without_a_requirement_is_not_met_and_a_gap(project):
    project.written.requirements["user_needs"].append({"id": "UN-2", "text": "Nobody cares for this one."})
    project.review()
    traced = project.traced()
    assert traced["user_needs"]["UN-2"] == {"owner": "study", "requirements": [], "status": "not verified"}
    assert traced["gaps"] == [{"item": "UN-2", "gap": "no requirement meets this need"}]
    assert traced["release_blocked"]


def test_a_draft_is_not_verified(project):
    project.requirement("SRS-UI-1")["status"] = "draft"
    project.review()
    assert project.reasons("SRS-UI-1") == ["status is draft, expected approved"]


def test_everything_that_speaks_against_a_requirement_is_said(project):
    project.requirement("SRS-UI-1")["status"] = "draft"
    project.found["whole"] = False
    project.now["radiotrace/pipeline/stage.py"] = OTHER
    project.outcomes["controls"] = {}
    assert [reason.split(":")[0] for reason in project.reasons("SRS-UI-1")] == [
        "status is draft, expected approved",
        "edited since its review",
        "the tests ran in part only",
        "1 files changed since its tests ran",
        "NC-UI-1 (a fault ends a stage with status 0) is not run, expected red",
    ]


# its method is analysis, but this one says that it verifies it
def test_tests_of_a_performance_requirement_count_too(project):
    project.known[STATUS]["verifies"] = project.found["tests"][STATUS]["verifies"] = ["SRS-SEG-1", "SRS-UI-1"]
    project.found["tests"][STATUS] |= {"passed": 0, "failed": 1}
    assert project.reasons("SRS-SEG-1") == [f"{STATUS}: 0 of 1 cases passed, 1 failed, 0 were skipped"]


def test_a_control_that_nobody_names_is_a_gap(project):
    project.written.negative_controls["NC-UI-2"] = project.written.negative_controls["NC-UI-1"] | {
        "id": "NC-UI-2"
    }
    project.review()
    assert project.traced()["gaps"] == [
        {"item": "NC-UI-2", "gap": "no requirement names this negative control"}
    ]


def test_a_control_that_is_not_red_is_named(project):
    del project.outcomes["controls"]["NC-UI-1"]
    assert project.traced()["controls_not_red"] == ["NC-UI-1 for SRS-UI-1: not run"]


def test_a_test_that_verifies_what_is_not_required_is_a_gap(project):
    project.known["tests/test_stage.py::test_more"] = {"source_sha256": OTHER, "verifies": ["SRS-UI-9"]}
    traced = project.traced()
    assert traced["gaps"] == [
        {
            "item": "tests/test_stage.py::test_more",
            "gap": "verifies SRS-UI-9, which requirements.yaml does not know",
        }
    ]
    assert traced["tests"]["tests/test_stage.py::test_more"]["outcome"] == "not run"


def test_an_item_that_was_edited_is_suspect_and_one_that_is_new_never_reviewed(project):
    project.written.requirements["user_needs"][0]["text"] += " Or better."
    project.written.intended_use["purpose"] = "research"
    project.written.reviews[:] = [line for line in project.written.reviews if line["item"] != "NC-UI-1"]
    assert project.traced()["unreviewed"] == {
        "UN-1": "suspect",
        "intended_use": "suspect",
        "NC-UI-1": "never reviewed",
    }
    assert project.traced()["release_blocked"]


def test_information_for_users_puts_a_risk_control_into_effect(project):
    project.texts["README.md"] = "It is for everything."
    assert project.traced()["gaps"] == [{"item": "HAZ-1", "gap": "residual risk is not acceptable: high"}]


def test_a_risk_that_is_not_acceptable_blocks_a_release(project):
    del project.written.risks["hazards"][0]["residual_reason"]  # a medium risk asks for one
    project.review()
    traced = project.traced()
    assert traced["gaps"] == [{"item": "HAZ-1", "gap": "residual risk is not acceptable: medium"}]
    assert traced["release_blocked"]


def test_the_matrix_of_risks_and_the_scope_of_planned_changes_are_reviewed_too(project):
    project.written.risks["acceptability"]["P2"]["S3"] = "low"
    project.written.pccp["scope"] = "Everything."
    assert project.traced()["unreviewed"] == {"risk_policy": "suspect", "pccp": "suspect"}


def test_gaps_are_sorted_by_item(project):
    project.written.reviews.clear()
    project.found["whole"] = False
    items = [gap["item"] for gap in project.traced()["gaps"]]
    assert items == sorted(items)
    assert {"SRS-SEG-1", "UN-1", "intended_use", "tests"} <= set(items)
