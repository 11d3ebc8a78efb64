"""criteria: which metrics a criterion may name, and what is said of those that there are not."""

import json

import pytest

from radiotrace import records
from radiotrace.evidence.design import criteria
from tests import submitted

TASK = "segmentation"
METHODS = records.schema("acceptance")["properties"]["results"]["items"]["properties"]["ci"]["properties"][
    "method"
]["enum"]
LABELS = {"0": "ground", "1": "left", "2": "right"}


def requirements(*metrics):
    return {
        "requirements": [
            {"id": f"SRS-SEG-{number}", "acceptance": {"metric": metric}}
            for number, metric in enumerate(metrics, 1)
        ]
        + [{"id": "SRS-UI-1"}]
    }


@pytest.mark.requirement("SRS-EVI-8")
@pytest.mark.parametrize(
    ("task", "metric", "made"),
    [
        ("segmentation", "dice.left", ["jackknife-student-hall"]),
        ("classification", "discrimination.left.auroc", ["delong"]),
        ("classification", "operating_points.left.f1", ["bootstrap-percentile"]),
        ("classification", "operating_points.left.sensitivity", ["wilson"]),
        ("classification", "accuracy.left", ["jackknife-student-hall"]),
        ("detection", "average_precision.left.by_size.small.sensitivity", ["wilson"]),
        ("detection", "average_precision.left.ap50", ["bootstrap-percentile"]),
        ("tabular", "discrimination.left.concordance", ["delong", "jackknife-logit"]),
        ("segmentation_survival", "survival.network.c_index.uno", ["jackknife-logit"]),
        ("segmentation_survival", "dice.left", ["jackknife-student-hall"]),
    ],
)
def test_an_interval_is_said_to_be_made_as_its_task_makes_it(task, metric, made):
    assert criteria.ways(task, metric) == made
    for method in METHODS:
        asked = requirements(metric)
        asked["requirements"][0]["acceptance"]["ci"] = {"method": method}
        expected = f"ci.method of {metric}: found {method}, expected {' or '.join(made)}"
        found = criteria.other_methods(asked, task)
        assert found == ([] if method in made else [f"SRS-SEG-1: {expected}"])


# but for subgroups, an ensemble, and what one prediction cannot have
def test_names_are_those_of_the_record_of_the_submitted_run():
    metrics = submitted.json_of("metrics/metrics.json")
    labels = submitted.json_of("evidence/dataset.json")["dataset"]["labels"]
    recorded = {name for name in criteria.available(metrics) if not name.startswith("subgroups.")}
    assert recorded
    missing = set(criteria.names(labels, TASK)) - recorded
    assert {name for name in missing if not name.startswith("uncertainty.ensemble.")} == {
        "uncertainty.prediction.mutual_information_nats"
    }
    assert "uncertainty.ensemble.auroc" in missing
    assert recorded - set(criteria.names(labels, TASK)) == set()


@pytest.mark.parametrize(
    "metric",
    [
        "dice.left",
        "dice.mean_of_labels",
        "detection.right.sensitivity",
        "calibration.after.expected_error",
        "calibration.before.expected_error_of_label.ground",
        "subgroups.site.north",
        "uncertainty.dropout.auroc",
    ],
)
def test_a_metric_of_these_labels_is_known(metric):
    assert criteria.unknown(requirements(metric), LABELS, TASK) == []


@pytest.mark.requirement("SRS-EVI-8")
@pytest.mark.parametrize(
    ("metric", "closest"),
    [
        ("dice.lfet", "dice.left"),
        ("dce.left", "dice.left"),
        ("dice", "dice.left"),
        ("dice.ground", "dice.right"),
        ("detection.left", "detection.left."),
        ("dice.anterior", "dice."),
        ("dice.left.mean", "dice.left"),
    ],
)
def test_what_is_no_metric_gets_those_that_there_are_the_closest_first(metric, closest):
    [line] = criteria.unknown(requirements(metric), LABELS, TASK)
    assert line.startswith(f"SRS-SEG-1: there is no metric {metric}; there are {closest}")
    assert line.endswith(" more")


@pytest.mark.requirement("SRS-EVI-8")
def test_every_criterion_without_a_metric_is_named_at_once():
    found = criteria.unknown(requirements("dice.left", "dice.centre", "volume.left"), LABELS, TASK)
    assert [line.split(":")[0] for line in found] == ["SRS-SEG-2", "SRS-SEG-3"]


def test_where_labels_are_not_known_any_will_do_but_not_any_measure():
    found = criteria.unknown(requirements("dice.anything", "dcie.anything"), None, TASK)
    assert [line.split(";")[0] for line in found] == ["SRS-SEG-2: there is no metric dcie.anything"]


@pytest.mark.parametrize("metric", ["subgroups.field.1.5 T", "subgroups.age.1: below 40.5", "dice.L. atrium"])
def test_names_of_labels_and_groups_may_have_points(metric):
    assert criteria.unknown(requirements(metric), {"0": "ground", "1": "L. atrium"}, TASK) == []


def test_a_metric_of_a_label_with_points_is_found():  # "there is no metric dice.L. atrium" was said
    dice = {"L": {"mean": 1}, "L. atrium": {"mean": 2}}
    metrics = {"n_cases": 3, "dice": dice, "subgroups": {"field": {"1.5 T": {"mean": 3}}}}
    assert criteria.find(metrics, "dice.L. atrium") == {"mean": 2}
    assert criteria.find(metrics, "subgroups.field.1.5 T") == {"mean": 3}
    assert criteria.find(metrics, "dice.L.mean") is None
    assert criteria.find(metrics, "n_cases.dice") is None


def test_a_record_without_any_metric_is_said_to_have_none():
    assert criteria.no_such("dice.left", []) == "there is no metric dice.left, nor any other"


@pytest.mark.requirement("SRS-EVI-8")
def test_a_metric_of_another_task_is_unknown(tmp_path, monkeypatch):
    of_tasks = [{"title": "eye", "enum": ["sharpness.*"]}, {"title": "ear", "enum": ["loudness"]}]
    schema = {"properties": {"metric": {"anyOf": of_tasks}}}
    (tmp_path / "metric_names.schema.json").write_text(json.dumps(schema))
    monkeypatch.setattr(records, "SCHEMAS", tmp_path)
    forget_schemas()
    named = requirements("sharpness.left", "loudness")
    unknown = {task: criteria.unknown(named, LABELS, task) for task in ("eye", "ear", None)}
    forget_schemas()
    assert {task: [line.split(";")[0] for line in lines] for task, lines in unknown.items()} == {
        "eye": ["SRS-SEG-2: there is no metric loudness"],
        "ear": ["SRS-SEG-1: there is no metric sharpness.left"],
        None: [],
    }


def forget_schemas() -> None:
    """What was read of schemas."""
    records.schema.cache_clear()
    criteria._open_names.cache_clear()
