"""Risks: what a control that is not effective does to its hazards; and the design files that people wrote,
against each other and the code."""

import copy
import inspect
import json
import re
import tomllib
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.evidence.design import controls, pccp, risks
from radiotrace.pipeline import params
from radiotrace.statistics import intervals, subgroups
from tests import submitted

ROOT = Path(__file__).resolve().parent.parent
DESIGN = controls.load(ROOT / "design", ROOT / "software")  # with what the software brings for every study
REAL = {
    name: getattr(DESIGN, name) for name in ("risks", "intended_use", "statistical_plan", "pccp", "anomalies")
}
REQUIREMENTS = DESIGN.requirements["requirements"]
PARAMS = params.load_yaml(submitted.folder() / "params.yaml")  # those of the workspace may be an experiment's
A = "a" * 64
CONTROLS_OF = {requirement["id"]: requirement["risk_controls"] for requirement in REQUIREMENTS}
REQUIRED = {"requirements": REQUIREMENTS}
TEXTS = {name: (ROOT / name).read_text("utf-8") for name in risks.information_files(REAL["risks"])}
HAZARDS, CONTROLS = ({entry["id"] for entry in REAL["risks"][kind]} for kind in ("hazards", "controls"))


def verified(*except_for):
    return {
        one: {"status": "not verified", "reasons": ["a test failed"]}
        if one in except_for
        else {"status": "verified", "reasons": []}
        for one in CONTROLS_OF
    }


def real_report(*except_for):
    return risks.report(REAL["risks"], REQUIRED, verified(*except_for), run_id=A, texts=TEXTS)


# Two controls, one hazard. Of the matrix the cells matter that are used: (S3, P4) high, (S3, P2) medium, (S3,
# P1) low.
def control(number, **changes):
    return {
        "id": f"RC-{number}",
        "title": "…",
        "what": "…",
        "type": "protective measure",
        "informed_by": [],
    } | changes


def hazard(**changes):
    return {
        "id": "HAZ-1",
        "title": "…",
        "situation": "…",
        "harm": "…",
        "basis": "…",
        "before": {"severity": "S3", "probability": "P4"},
        "controls": ["RC-1", "RC-2"],
        "after": {"severity": "S3", "probability": "P1"},
        "new_risks": [],
    } | changes


def small(*hazards, controls=None):
    return {
        key: REAL["risks"][key]
        for key in ("schema", "scales", "acceptability", "levels", "overall_residual_risk")
    } | {"controls": controls or [control(1), control(2)], "hazards": list(hazards or [hazard()])}


TWO = {
    "requirements": [
        {"id": "SRS-A-1", "risk_controls": ["RC-1", "RC-2"]},
        {"id": "SRS-A-2", "risk_controls": ["RC-2"]},
        {"id": "SRS-A-3"},
    ]
}


def report(*hazards, failing=(), required=TWO, texts=None, missing=(), **more):
    status = {
        one: {
            "status": "not verified" if one in failing else "verified",
            "reasons": ["test_x failed"] if one in failing else [],
        }
        for one in ("SRS-A-1", "SRS-A-2", "SRS-A-3")
        if one not in missing
    }
    return risks.report(small(*hazards, **more), required, status, run_id=A, texts=texts or {})


def test_controls_of_verified_requirements_are_effective():
    found = report()
    assert [found["controls"][one]["effective"] for one in ("RC-1", "RC-2")] == [True, True]
    assert found["hazards"]["HAZ-1"]["residual"] == {"severity": "S3", "probability": "P1", "level": "low"}
    assert (found["gaps"], found["hazards"]["HAZ-1"]["acceptable"]) == ([], True)


def test_one_requirement_that_is_not_verified_makes_its_control_idle_and_brings_the_first_risk_back():
    found = report(failing=["SRS-A-2"])
    assert [found["controls"][one]["effective"] for one in ("RC-1", "RC-2")] == [True, False]
    assert found["controls"]["RC-2"]["reasons"] == ["SRS-A-2 is not verified: test_x failed"]
    assert found["hazards"]["HAZ-1"]["residual"] == {"severity": "S3", "probability": "P4", "level": "high"}
    assert found["hazards"]["HAZ-1"]["reasons"] == [
        "RC-2 is not shown effective, so that the risk before it counts"
    ]
    assert found["gaps"] == [
        {"item": "HAZ-1", "gap": "residual risk is not acceptable: high"},
        {"item": "RC-2", "gap": "not shown effective"},
    ]


def test_a_requirement_of_which_nothing_is_known_is_not_verified():
    found = report(missing=["SRS-A-1"])
    assert found["controls"]["RC-1"]["reasons"] == ["SRS-A-1 is not verified: no status of this requirement"]


def test_a_control_without_requirement_is_idle_and_a_gap():
    found = report(required={"requirements": [{"id": "SRS-A-1", "risk_controls": ["RC-1"]}]})
    assert found["controls"]["RC-2"]["reasons"] == ["no requirement and no information stands behind it"]
    assert {"item": "RC-2", "gap": "no requirement"} in found["gaps"]


def test_a_control_that_needs_a_criterion_is_not_shown_effective_by_a_number_that_was_reported():
    reported, judged = (
        {"requirements": [{"id": "SRS-A-1", "risk_controls": ["RC-1", "RC-2"]} | more]}
        for more in ({}, {"acceptance": {}})
    )
    flags = [control(1, needs_criterion=True), control(2)]
    found = report(controls=flags, required=reported)
    assert [found["controls"][one]["effective"] for one in ("RC-1", "RC-2")] == [False, True]
    assert found["controls"]["RC-1"]["reasons"] == ["no criterion on its performance stands behind it"]
    assert found["hazards"]["HAZ-1"]["residual"] == {"severity": "S3", "probability": "P4", "level": "high"}
    assert report(controls=flags, required=judged)["controls"]["RC-1"]["effective"] is True
    assert (
        report(controls=flags, required=judged, failing=["SRS-A-1"])["controls"]["RC-1"]["effective"] is False
    )


def test_flags_of_the_example_are_a_control_only_while_they_find_poor_cases():
    found = real_report("SRS-UNC-2")
    assert found["controls"]["RC-18"]["effective"] is False
    # that no member saw the test part does not hang on it
    assert found["controls"]["RC-32"]["effective"] is True
    assert {name for name, row in found["hazards"].items() if not row["controls_effective"]} == {
        "HAZ-5",
        "HAZ-10",
    }
    assert not any(found["hazards"][name]["acceptable"] for name in ("HAZ-5", "HAZ-10"))


@pytest.mark.parametrize("name", ["RC-15", "RC-18", "RC-33"])
def test_controls_that_work_as_well_as_the_model_does_need_a_criterion(name):
    [entry] = [entry for entry in REAL["risks"]["controls"] if entry["id"] == name]
    assert entry["needs_criterion"] is True
    assert any("acceptance" in one for one in REQUIREMENTS if name in one["risk_controls"])


@pytest.mark.parametrize("label", ["anterior", "posterior"])
def test_the_example_gates_each_part_s_volume_for_bias_slope_and_absolute_error(label):
    gated = {
        (one["acceptance"]["metric"], one["acceptance"]["bound"])
        for one in REQUIREMENTS
        if "acceptance" in one
    }
    assert {
        (f"volume_error_percent.{label}", "lower"),
        (f"volume_error_percent.{label}", "upper"),
        (f"volume_agreement.{label}.slope", "lower"),
        (f"volume_agreement.{label}.slope", "upper"),
        (f"volume_error_absolute_percent.{label}", "upper"),
    } <= gated


def test_a_hazard_without_control_is_a_gap():
    found = report(hazard(controls=[], after=hazard()["before"]))
    assert {"item": "HAZ-1", "gap": "no control"} in found["gaps"]
    counts = found["completeness"]
    assert (counts["n_hazards_with_controls"], counts["n_hazards_controls_effective"]) == (0, 0)
    assert found["hazards"]["HAZ-1"]["residual"]["level"] == "high"


def test_a_control_that_no_hazard_names_is_a_gap():
    assert report(hazard(controls=["RC-1"]))["gaps"] == [{"item": "RC-2", "gap": "no hazard names it"}]


@pytest.mark.parametrize(
    ("reason", "failing", "acceptable"),
    [
        (None, (), False),  # medium needs a reason
        ("Because …", (), True),
        ("Because …", ("SRS-A-1",), False),  # high before
    ],
)
def test_a_medium_residual_risk_needs_a_reason(reason, failing, acceptable):
    changes = {"after": {"severity": "S3", "probability": "P2"}} | (
        {"residual_reason": reason} if reason else {}
    )
    assert report(hazard(**changes), failing=failing)["hazards"]["HAZ-1"]["acceptable"] is acceptable


def test_a_reason_of_the_risk_after_control_does_not_excuse_a_medium_risk_before_it():
    medium = {"severity": "S3", "probability": "P2"}
    found = report(hazard(before=medium, after=medium, residual_reason="Because …"), failing=["SRS-A-1"])
    assert (found["hazards"]["HAZ-1"]["residual"]["level"], found["hazards"]["HAZ-1"]["acceptable"]) == (
        "medium",
        False,
    )


INFORMATION = control(
    3, type="information for safety", informed_by=[{"file": "README.md", "phrase": "not for diagnosis"}]
)


@pytest.mark.parametrize(
    ("texts", "effective"),
    [
        ({"README.md": "This is not for\n  diagnosis."}, True),  # a line break is no difference to a reader
        ({"README.md": "For diagnosis."}, False),
        ({}, False),
    ],
    ids=["said", "not_said", "no_file"],
)
def test_information_is_effective_where_it_stands(texts, effective):
    found = report(hazard(controls=["RC-3"]), controls=[INFORMATION], texts=texts)
    assert found["controls"]["RC-3"]["effective"] is effective
    assert {"item": "RC-3", "gap": "no requirement"} not in found["gaps"]


# 2 controls, one of them effective; 2 hazards, one of which needs only that one
def test_completeness_counts():
    found = report(hazard(), hazard(id="HAZ-2", controls=["RC-1"]), failing=["SRS-A-2"])
    assert found["completeness"] == {
        "n_hazards": 2,
        "n_hazards_with_controls": 2,
        "n_hazards_controls_effective": 1,
        "n_hazards_acceptable": 1,
        "n_controls": 2,
        "n_controls_effective": 1,
        "n_new_risks": 0,
    }


def test_overall_residual_risk_is_left_to_a_person():
    assert report()["overall_residual_risk"]["status"] == "manual"


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (small(hazard(), hazard()), "HAZ-1 stands twice"),
        (small(hazard(controls=["RC-1"]), controls=[control(1), control(1)]), "RC-1 stands twice"),
        (small(hazard(controls=["RC-1", "RC-1"])), "HAZ-1 names RC-1 twice"),
        (small(hazard(controls=["RC-9"])), "HAZ-1 names RC-9, which is no control"),
        (
            small(hazard(new_risks=[{"control": "RC-1", "hazard": "HAZ-7", "text": "…"}])),
            "HAZ-1: new risk HAZ-7, which is no other hazard",
        ),
        (
            small(hazard(new_risks=[{"control": "RC-1", "hazard": "HAZ-1", "text": "…"}])),
            "HAZ-1: new risk HAZ-1, which is no other hazard",
        ),
        (
            small(
                hazard(controls=["RC-1"], new_risks=[{"control": "RC-2", "hazard": "HAZ-2", "text": "…"}]),
                hazard(id="HAZ-2"),
            ),
            "HAZ-1: new risk by RC-2, which is none of its controls",
        ),
        (
            small(hazard(after={"severity": "S4", "probability": "P1"})),
            "HAZ-1: severity S4 after its controls, S3 before them, and no residual_reason",
        ),
        (
            small(hazard(after={"severity": "S3", "probability": "P5"})),
            "HAZ-1: probability P5 after its controls, P4 before them, and no residual_reason",
        ),
        (small(hazard(controls=[])), "HAZ-1: its risk changes without a control"),
    ],
)
def test_cross_references_that_lead_nowhere(found, fault):
    assert risks.faults(found, {}) == [fault]


def test_a_requirement_that_names_no_control_of_the_file():
    assert risks.faults(small(), {"SRS-A-1": ["RC-1", "RC-8"]}) == ["SRS-A-1 names RC-8, which is no control"]


def test_a_greater_risk_after_control_is_no_fault_with_a_reason():
    assert (
        risks.faults(
            small(hazard(after={"severity": "S3", "probability": "P5"}, residual_reason="Because …")), {}
        )
        == []
    )


def test_ids_that_are_not_there_or_stand_twice():
    entries = [{"id": "ANO-1", "hazards": ["HAZ-1", "HAZ-2"]}, {"id": "ANO-1", "hazards": []}]
    assert risks.unknown(entries, {"hazards": {"HAZ-1"}}) == [
        "ANO-1 stands twice",
        "ANO-1.hazards names HAZ-2, which is not there",
    ]


# The files of the example
@pytest.mark.parametrize("name", REAL)
def test_design_file_satisfies_its_schema(name):
    assert records.faults(REAL[name], name) == []


def test_the_risk_file_holds_together():
    assert risks.faults(REAL["risks"], CONTROLS_OF) == []


def test_the_matrix_never_falls_with_severity_or_probability():
    rank = ["low", "medium", "high"].index
    grid = [
        [rank(REAL["risks"]["acceptability"][f"P{p}"][f"S{s}"]) for s in range(1, 6)] for p in range(1, 6)
    ]
    assert all(row == sorted(row) for row in (*grid, *map(list, zip(*grid, strict=True))))


def test_scales_are_in_order():
    assert [
        [step["id"] for step in REAL["risks"]["scales"][name]] for name in ("severity", "probability")
    ] == [[f"{letter}{number}" for number in range(1, 6)] for letter in "SP"]


def test_every_control_of_the_example_is_effective_where_all_is_verified():
    found = real_report()
    assert {name: row["reasons"] for name, row in found["controls"].items() if not row["effective"]} == {}
    assert found["gaps"] == []


def test_a_missed_accuracy_of_the_example_reaches_every_hazard_that_rests_on_it():
    found = real_report("SRS-SEG-2")
    resting = {
        entry["id"]
        for entry in REAL["risks"]["hazards"]
        if set(CONTROLS_OF["SRS-SEG-2"]) & set(entry["controls"])
    }
    assert resting
    assert {name for name, row in found["hazards"].items() if not row["controls_effective"]} == resting
    assert {row["item"] for row in found["gaps"] if row["gap"].startswith("residual")} >= {"HAZ-2", "HAZ-10"}


@pytest.mark.parametrize("failing", [(), ("SRS-SEG-2", "SRS-DATA-1")], ids=["all_verified", "two_not"])
def test_risk_report_satisfies_its_schema(failing):
    assert records.faults(json.loads(records.dumps(real_report(*failing))), "risk_report") == []


def test_a_report_leaves_its_inputs_alone():
    before = copy.deepcopy(REAL["risks"])
    real_report("SRS-DATA-1")
    assert REAL["risks"] == before


def test_anomalies_name_requirements_and_hazards_that_are_there():
    assert (
        risks.unknown(REAL["anomalies"]["anomalies"], {"requirements": set(CONTROLS_OF), "hazards": HAZARDS})
        == []
    )


def pointed(file, pointer):
    found = submitted.json_of(file)
    for key in pointer.strip("/").split("/"):
        found = found[key]
    return found


@pytest.mark.parametrize(
    "place",
    [place for entry in REAL["anomalies"]["anomalies"] for place in entry["shown_by"]],
    ids=lambda place: f"{place['file']} {place['at']}",
)
def test_what_shows_an_anomaly_is_there(place):
    if place["file"].endswith(".json"):
        assert pointed(place["file"], place["at"]) is not None
    else:
        text = " ".join((ROOT / place["file"]).read_text("utf-8").split())
        assert place["at"] in text


@pytest.mark.parametrize(
    ("title", "still"),
    [
        (
            "Most poor cases are not flagged",
            lambda: all(
                pointed("evidence/metrics.json", f"uncertainty/{kind}/flagging/caught_share/value") < 0.5
                for kind in ("augmentation", "dropout", "prediction")
            ),
        ),
        (
            "Adversarial figures are of four cases",
            lambda: pointed("evidence/robustness.json", "adversarial/n_cases") == 4,
        ),
        (
            "The further a volume is from the mean, the more it errs",
            lambda: pointed("evidence/metrics.json", "volume_agreement/posterior/slope/ci95_high") < 0,
        ),
        (
            "Accuracy is lost where slices are missing",
            lambda: (
                pointed("evidence/robustness.json", "corruptions/missing_slices/breaks_at/mean_of_labels")
                == 1
            ),
        ),
    ],
)
# else it is mended: take it out, and say so in CHANGELOG.md
def test_an_anomaly_of_the_submitted_run_is_still_true(title, still):
    assert title in {entry["title"] for entry in REAL["anomalies"]["anomalies"]}
    assert still()


def test_intended_use_names_the_version_of_the_project():
    assert (
        REAL["intended_use"]["version"]
        == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    )


@pytest.mark.parametrize("limit", ["spacing_mm_min", "spacing_mm_max", "size_voxels_min", "size_voxels_max"])
def test_intended_use_has_the_bounds_that_validate_enforces(limit):
    assert REAL["intended_use"]["inputs"][0][limit] == PARAMS["validate"][limit]


def test_intended_use_speaks_of_the_subjects_that_were_evaluated():
    metrics = pointed("evidence/metrics.json", "dice/anterior")
    assert (
        f"{metrics['n_cases']} images of {metrics['n_subjects']} subjects"
        in REAL["intended_use"]["population"]["evaluated_on"]
    )


def test_the_plan_has_the_criteria_of_the_requirements():
    written = [
        {
            "requirement": one["id"],
            **{key: one["acceptance"][key] for key in ("metric", "bound", "op", "threshold")},
        }
        for one in REQUIREMENTS
        if "acceptance" in one
    ]
    assert REAL["statistical_plan"]["endpoints"]["criteria"] == written


def test_the_plan_has_the_minimum_and_the_part_of_the_requirements():
    plan = REAL["statistical_plan"]
    assert {
        (one["acceptance"]["min_subjects"], one["acceptance"]["part"])
        for one in REQUIREMENTS
        if "acceptance" in one
    } == {(plan["sample_size"]["min_subjects"], plan["population"]["part"])}


def test_the_plan_has_the_parameters_of_evaluate():
    plan = REAL["statistical_plan"]
    assert plan["subgroups"]["subjects_min"] == PARAMS["evaluate"]["subgroup_subjects_min"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (intervals._ends, ("special.stdtrit", "_unskewed", "max(t")),
        (subgroups.compare, ('method="by"',)),
        (subgroups._Sides.p, ("mannwhitneyu", 'alternative="two-sided"')),
    ],
    ids=["interval", "correction", "test"],
)
def test_the_plan_s_methods_are_those_of_the_code(code, words):
    assert all(word in inspect.getsource(code) for word in words)


# half_width * sqrt(35 / 30), to the digits that are written
def test_precision_at_the_minimum_follows_from_the_observed():
    size = REAL["statistical_plan"]["sample_size"]
    for row in size["precision"]["rows"]:
        expected = row["half_width"] * (size["precision"]["n_subjects"] / size["min_subjects"]) ** 0.5
        assert row["half_width_at_minimum"] == pytest.approx(expected, rel=0.005)


def test_precision_is_of_the_run_that_it_names():
    precision = REAL["statistical_plan"]["sample_size"]["precision"]
    assert pointed("evidence/metrics.json", "run_id") == precision["run_id"]
    for row in precision["rows"]:
        summary = pointed("evidence/metrics.json", row["metric"].replace(".", "/"))
        assert (summary["n_subjects"], (summary["ci95_high"] - summary["ci95_low"]) / 2) == (
            precision["n_subjects"],
            pytest.approx(row["half_width"], rel=0.005),
        )


def test_the_plan_s_ledger_is_there():
    assert (ROOT / REAL["statistical_plan"]["test_part"]["ledger"]).is_file()


def test_the_change_plan_holds_together():
    assert pccp.faults(REAL["pccp"], set(CONTROLS_OF), HAZARDS, CONTROLS) == []


def test_parameters_that_may_change_exist():
    named = {name for entry in REAL["pccp"]["modifications"] for name in entry["may_change"]["params"]}
    assert named
    assert all(name.split(".")[1] in PARAMS[name.split(".")[0]] for name in named)


def test_margins_are_of_requirements_with_a_bound():
    bounded = {one["id"] for one in REQUIREMENTS if "acceptance" in one}
    assert all(set(entry["acceptance"]["margins"]) == bounded for entry in REAL["pccp"]["modifications"])


@pytest.mark.parametrize(
    "path",
    [path for name in ("design", "software/design") for path in sorted((ROOT / name).rglob("*.yaml"))],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_design_files_name_no_path_of_a_machine(path):
    assert (
        re.findall(
            r"(?<!\w)/(?:tmp"
            r"|home|work|root|usr)/\S*",
            path.read_text("utf-8"),
        )
        == []
    )
