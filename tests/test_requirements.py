"""Requirements: which file is taken, and the verdict on each from the metrics of a run."""
import copy
import json
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.evidence import requirements
from radiotrace.stage import StageError

CASES = Path(__file__).resolve().parent / "schema_cases"
SUMMARY = {"n_cases": 64, "n_subjects": 40, "n_undefined": 0, "mean": 0.9, "ci95_low": 0.8, "ci95_high": 0.95,
           "median": 0.9, "sd": 0.1, "min": 0.5, "max": 0.99}
METRICS = {"run_id": "a" * 64, "part": "test", "excluded": [], "dice": {"anterior": SUMMARY}, "n_cases": 64}


def requirement(**changes):
    return {"id": "SRS-SEG-1", "title": "Dice of the anterior hippocampus", "statement": "The software shall …", "acceptance": {
        "metric": "dice.anterior", "part": "test", "bound": "lower", "op": ">=", "threshold": 0.75, "min_subjects": 30,
        "justification": "…"} | changes}


def judged(summary=None, part="test", **changes):
    metrics = METRICS | {"part": part, "dice": {"anterior": SUMMARY | (summary or {})}}
    return requirements.judge(requirement(**changes), metrics)


def verdict(*args, **changes):
    return judged(*args, **changes)["verdict"]


@pytest.mark.parametrize(("bound", "op", "threshold", "expected"), [
    ("lower", ">=", 0.75, "met"),      # 0.8 >= 0.75
    ("lower", ">=", 0.8, "met"),       # equality meets
    ("lower", ">=", 0.85, "not met"),  # the mean, 0.9, would meet it: the bound decides
    ("upper", "<=", 1.0, "met"),       # 0.95 <= 1
    ("upper", "<=", 0.95, "met"),
    ("upper", "<=", 0.92, "not met"),  # the mean would meet it
])
def test_bound_decides(bound, op, threshold, expected):
    assert verdict(bound=bound, op=op, threshold=threshold) == expected


@pytest.mark.parametrize(("bound", "observed"), [("lower", 0.8), ("upper", 0.95)])
def test_observed_is_the_bound_not_the_mean(bound, observed):
    assert judged(bound=bound)["observed"] == observed


def test_metrics_of_another_part_cannot_say():
    found = judged(part="validation")
    assert (found["verdict"], found["reason"]) == ("cannot say", "metrics are of the validation part")


@pytest.mark.parametrize("metric", ["dice.whole", "surface.anterior", "dice.anterior.left"])
def test_metric_that_is_missing_cannot_say(metric):
    found = judged(metric=metric)
    assert (found["verdict"], found["observed"], found["n_subjects"], found["reason"]) == ("cannot say", None, 0, f"{metric} has no lower bound")


def test_metric_that_names_a_number_cannot_say():  # its entry is dice.anterior
    assert verdict(metric="dice.anterior.mean") == "cannot say"


def test_bound_that_is_undefined_cannot_say():
    found = judged({"ci95_low": None})
    assert (found["verdict"], found["reason"]) == ("cannot say", "dice.anterior has no lower bound")


def test_bound_of_zero_is_a_number():
    assert verdict({"ci95_low": 0.0}, threshold=0) == "met"


def test_undefined_cases_cannot_say():  # they would be left out of the mean
    found = judged({"n_undefined": 3})
    assert (found["verdict"], found["reason"]) == ("cannot say", "undefined in 3 cases")


def test_one_subject_too_few_cannot_say():
    found = judged({"n_subjects": 29})
    assert (found["verdict"], found["reason"]) == ("cannot say", "29 subjects, 30 needed")


def test_just_enough_subjects_are_enough():
    assert verdict({"n_subjects": 30}) == "met"


def test_judgement_names_the_requirement_and_its_criterion():
    found = judged()
    assert {key: found[key] for key in ("requirement", "metric", "part", "bound", "op", "threshold", "min_subjects", "mean", "n_subjects")} == {
        "requirement": "SRS-SEG-1", "metric": "dice.anterior", "part": "test", "bound": "lower", "op": ">=", "threshold": 0.75,
        "min_subjects": 30, "mean": 0.9, "n_subjects": 40}


@pytest.mark.parametrize(("second", "blocked"), [
    ({"threshold": 0.5}, False), ({"threshold": 0.85}, True), ({"metric": "dice.whole"}, True)], ids=["met", "not_met", "cannot_say"])
def test_release_is_blocked_unless_all_are_met(second, blocked):
    assert requirements.acceptance({"requirements": [requirement(), requirement(**second)]}, METRICS)["release_blocked"] is blocked


@pytest.mark.parametrize("changes", [{}, {"metric": "dice.whole"}], ids=["met", "cannot_say"])
def test_acceptance_satisfies_its_schema(changes):
    assert records.faults(requirements.acceptance({"requirements": [requirement(**changes)]}, METRICS), "acceptance") == []


def test_acceptance_names_the_run_and_the_requirements():
    required = {"requirements": [requirement()]}
    found = requirements.acceptance(required, METRICS)
    assert (found["run_id"], found["requirements_sha256"]) == ("a" * 64, records.digest(required))


@pytest.fixture
def required():
    return json.loads((CASES / "requirements/valid/lower_and_upper.json").read_text("utf-8"))


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
    assert [line.split(": ")[0] for line in caught.value.findings] == ["requirements[0].title", "requirements[1].acceptance.min_subjects"]


def test_missing_file_is_named(tmp_path):
    with pytest.raises(StageError, match=r"requirements.yaml is missing"):
        requirements.load(tmp_path / "requirements.yaml")


def test_gates_are_the_verdicts_by_requirement():
    acceptance = json.loads((CASES / "acceptance/valid/cannot_say.json").read_text("utf-8"))
    found = requirements.gates(acceptance)
    assert found["release_blocked"]
    assert found["requirements"] == {result["requirement"]: {"verdict": result["verdict"], "observed": result["observed"],
                                                             "threshold": result["threshold"]} for result in acceptance["results"]}
    assert records.faults(found, "gates") == []


def test_a_number_that_is_made_of_all_cases_can_be_required():
    metrics = json.loads((CASES / "metrics/valid/all_defined.json").read_text("utf-8"))
    requirement = {"id": "SRS-CAL-1", "title": "Calibration", "acceptance": {
        "metric": "calibration.after.expected_error", "part": "test", "bound": "upper", "op": "<=", "threshold": 1, "min_subjects": 2}}
    found = requirements.judge(requirement, metrics)
    estimate = metrics["calibration"]["after"]["expected_error"]
    assert (found["verdict"], found["mean"], found["observed"]) == ("met", estimate["value"], estimate["ci95_high"])
