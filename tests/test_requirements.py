"""Requirements: which file is taken, and the verdict on each from the metrics of a run."""

import copy
import json
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.design import requirements, reviews
from radiotrace.pipeline import params

ROOT = Path(__file__).resolve().parent.parent
CASES = ROOT / "tests/schema_cases"
SUMMARY = {
    "n_cases": 64,
    "n_subjects": 40,
    "n_undefined": 0,
    "mean": 0.9,
    "ci95_low": 0.8,
    "ci95_high": 0.95,
    "median": 0.9,
    "sd": 0.1,
    "min": 0.5,
    "max": 0.99,
}
METRICS = {"run_id": "a" * 64, "part": "test", "excluded": [], "dice": {"anterior": SUMMARY}, "n_cases": 64}


CI = {"level": 0.95, "sided": "two", "method": "jackknife-student-hall", "resample_unit": "subject"}
PART = "c" * 64  # the test part, as the ledger names it


def requirement(**changes):
    return {
        "id": "SRS-SEG-1",
        "title": "Dice of the anterior hippocampus",
        "statement": "The software shall …",
        "acceptance": {
            "metric": "dice.anterior",
            "part": "test",
            "bound": "lower",
            "op": ">=",
            "threshold": 0.75,
            "min_subjects": 30,
            "ci": CI,
            "multiplicity": {"family": "primary", "method": "all must be met"},
            "justification": "…",
        }
        | changes,
    }


def judged(summary=None, part="test", prespecified=True, **changes):
    metrics = METRICS | {"part": part, "dice": {"anterior": SUMMARY | (summary or {})}}
    return requirements.judge(requirement(**changes), metrics, prespecified)


def accepted(*required, opened=()):
    """The record 'acceptance' of requirements that were reviewed before anything was opened."""
    reviewed = [reviews.line(one["id"], one, 0) for one in required]
    return requirements.acceptance({"requirements": list(required)}, METRICS, reviewed, list(opened), PART)


def verdict(*args, **changes):
    return judged(*args, **changes)["verdict"]


@pytest.mark.requirement("SRS-EVI-2")
@pytest.mark.parametrize(
    ("bound", "op", "threshold", "expected"),
    [
        ("lower", ">=", 0.75, "met"),  # 0.8 >= 0.75
        ("lower", ">=", 0.8, "met"),  # equality meets
        ("lower", ">=", 0.85, "not met"),  # the mean, 0.9, would meet it: the bound decides
        ("upper", "<=", 1.0, "met"),  # 0.95 <= 1
        ("upper", "<=", 0.95, "met"),
        ("upper", "<=", 0.92, "not met"),  # the mean would meet it
    ],
)
def test_bound_decides(bound, op, threshold, expected):
    assert verdict(bound=bound, op=op, threshold=threshold) == expected


@pytest.mark.requirement("SRS-EVI-2")
@pytest.mark.parametrize(("bound", "observed"), [("lower", 0.8), ("upper", 0.95)])
def test_observed_is_the_bound_not_the_mean(bound, observed):
    assert judged(bound=bound)["observed"] == observed


@pytest.mark.requirement("SRS-EVI-2")
def test_metrics_of_another_part_cannot_say():
    found = judged(part="validation")
    assert (found["verdict"], found["reason"]) == ("cannot say", "metrics are of the validation part")


@pytest.mark.requirement("SRS-EVI-2")
@pytest.mark.parametrize("metric", ["dice.whole", "surface.anterior", "dice.anterior.left"])
def test_metric_that_is_missing_cannot_say(metric):
    found = judged(metric=metric)
    assert (found["verdict"], found["observed"], found["n_subjects"], found["reason"]) == (
        "cannot say",
        None,
        0,
        f"there is no metric {metric}; there are dice.anterior",
    )


def test_metric_that_names_a_number_cannot_say():  # its entry is dice.anterior
    assert verdict(metric="dice.anterior.mean") == "cannot say"


def test_a_label_with_a_point_in_its_name_is_judged():
    metrics = METRICS | {"part": "test", "dice": {"L. atrium": SUMMARY}}
    found = requirements.judge(requirement(metric="dice.L. atrium"), metrics, True)
    assert (found["verdict"], found["observed"]) == (verdict(), SUMMARY["ci95_low"])


def test_bound_that_is_undefined_cannot_say():
    found = judged({"ci95_low": None})
    assert (found["verdict"], found["reason"]) == ("cannot say", "dice.anterior has no lower bound")


@pytest.mark.requirement("SRS-EVI-2")
@pytest.mark.parametrize("reason", ["no variance", "fewer than 10 subjects"])
def test_a_summary_without_an_interval_cannot_say_and_says_why(reason):
    found = judged({"ci95_low": None, "ci95_high": None, "no_interval": reason})
    assert (found["verdict"], found["reason"]) == (
        "cannot say",
        f"dice.anterior has no lower bound: {reason}",
    )


def test_bound_of_zero_is_a_number():
    assert verdict({"ci95_low": 0.0}, threshold=0) == "met"


@pytest.mark.requirement("SRS-EVI-2")
def test_undefined_cases_cannot_say():  # they would be left out of the mean
    found = judged({"n_undefined": 3})
    assert (found["verdict"], found["reason"]) == ("cannot say", "undefined in 3 cases")


@pytest.mark.requirement("SRS-EVI-2")
def test_one_subject_too_few_cannot_say():
    found = judged({"n_subjects": 29})
    assert (found["verdict"], found["reason"]) == ("cannot say", "29 subjects, 30 needed")


def test_just_enough_subjects_are_enough():
    assert verdict({"n_subjects": 30}) == "met"


def test_judgement_names_the_requirement_and_its_criterion():
    found = judged()
    assert {
        key: found[key]
        for key in (
            "requirement",
            "metric",
            "part",
            "bound",
            "op",
            "threshold",
            "min_subjects",
            "mean",
            "n_subjects",
        )
    } == {
        "requirement": "SRS-SEG-1",
        "metric": "dice.anterior",
        "part": "test",
        "bound": "lower",
        "op": ">=",
        "threshold": 0.75,
        "min_subjects": 30,
        "mean": 0.9,
        "n_subjects": 40,
    }


@pytest.mark.parametrize(
    ("second", "met"),
    [({"threshold": 0.5}, True), ({"threshold": 0.85}, False), ({"metric": "dice.whole"}, False)],
    ids=["met", "not_met", "cannot_say"],
)
def test_all_are_met_only_if_each_is(second, met):
    assert accepted(requirement(), requirement(**second))["all_met"] is met


def test_a_requirement_without_a_criterion_is_not_judged():
    assert [
        result["requirement"]
        for result in accepted(requirement(), {"id": "SRS-UI-1", "title": "…"})["results"]
    ] == ["SRS-SEG-1"]


@pytest.mark.requirement("SRS-EVI-2", "SRS-EVI-3")
def test_a_criterion_that_came_after_the_opening_is_post_hoc_and_not_met():
    found = judged(prespecified=False)
    assert (found["verdict"], found["prespecified"]) == ("post-hoc", False)
    assert (
        found["reason"]
        == "lower 95 % bound 0.8 >= 0.75, a criterion that was set after the test part was opened"
    )


def test_a_criterion_that_is_missed_is_missed_whenever_it_was_set():
    assert verdict(prespecified=False, threshold=0.85) == "not met"


@pytest.mark.parametrize("changes", [{}, {"metric": "dice.whole"}], ids=["met", "cannot_say"])
def test_acceptance_satisfies_its_schema(changes):
    assert records.faults(accepted(requirement(**changes)), "acceptance") == []


def test_acceptance_names_the_run_and_the_requirements():
    found = accepted(requirement())
    assert (found["run_id"], found["requirements_sha256"]) == (
        "a" * 64,
        records.digest({"requirements": [requirement()]}),
    )


@pytest.fixture
def required():
    """Two performance requirements and the needs behind them."""
    found = params.load_yaml(ROOT / "design/requirements.yaml")
    return found | {
        "requirements": [one for one in found["requirements"] if one["id"] in ("SRS-SEG-1", "SRS-VOL-2")]
    }


def load(tmp_path, content):
    (tmp_path / "requirements.yaml").write_text(json.dumps(content), "utf-8")  # JSON is YAML
    return requirements.load(tmp_path / "requirements.yaml")


def test_file_that_fits_is_taken_as_it_is(tmp_path, required):
    assert load(tmp_path, required) == required


def test_ids_that_stand_twice_are_refused_and_named_once_each(tmp_path, required):
    first, second = required["requirements"]
    required["requirements"] = [copy.deepcopy(one) for one in (second, first, first, second, first)]
    with pytest.raises(StageError) as caught:
        load(tmp_path, required)
    assert caught.value.findings == ["SRS-SEG-1 stands twice", "SRS-VOL-2 stands twice"]


def test_every_fault_of_the_file_is_named(tmp_path, required):
    required["requirements"][0]["title"] = "Dice"
    required["requirements"][1]["acceptance"]["min_subjects"] = 1
    with pytest.raises(StageError, match=r"breaks schemas/requirements.schema.json") as caught:
        load(tmp_path, required)
    assert [line.split(": ")[0] for line in caught.value.findings] == [
        "requirements[0].title",
        "requirements[1].acceptance.min_subjects",
    ]


def test_missing_file_is_named(tmp_path):
    with pytest.raises(StageError, match=r"requirements.yaml is missing"):
        requirements.load(tmp_path / "requirements.yaml")


def test_gates_are_the_verdicts_by_requirement():
    acceptance = json.loads((CASES / "acceptance/valid/cannot_say.json").read_text("utf-8"))
    rows = {
        "SRS-SEG-1": {"status": "verified"},
        "SRS-SEG-2": {"status": "not verified"},
        "SRS-UI-1": {"status": "verified"},
    }
    found = requirements.gates(acceptance, {"release_blocked": True, "requirements": rows})
    assert (found["release_blocked"], found["n_requirements"], found["n_verified"]) == (True, 3, 2)
    assert found["requirements"] == {
        result["requirement"]: {
            "verdict": result["verdict"],
            "observed": result["observed"],
            "threshold": result["threshold"],
        }
        for result in acceptance["results"]
    }
    assert records.faults(found, "gates") == []


def test_a_number_that_is_made_of_all_cases_can_be_required():
    metrics = json.loads((CASES / "metrics/valid/all_defined.json").read_text("utf-8"))
    requirement = {
        "id": "SRS-CAL-1",
        "title": "Calibration",
        "acceptance": {
            "metric": "calibration.after.expected_error",
            "part": "test",
            "bound": "upper",
            "op": "<=",
            "threshold": 1,
            "min_subjects": 2,
        },
    }
    found = requirements.judge(
        requirement | {"acceptance": requirement["acceptance"] | {"ci": CI, "multiplicity": {}}},
        metrics,
        True,
    )
    estimate = metrics["calibration"]["after"]["expected_error"]
    assert (found["verdict"], found["mean"], found["observed"]) == (
        "met",
        estimate["value"],
        estimate["ci95_high"],
    )
