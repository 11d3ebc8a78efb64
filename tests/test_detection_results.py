"""What the records of a detection say of boxes: matches, operating points, summaries, intervals, what is left
without a box."""

import numpy as np
import pytest

from radiotrace import records
from radiotrace.detection import calibrated, matching, measures, methods, operating, report, results
from radiotrace.detection.measures import Counted
from radiotrace.records.detection.boxes import Box
from radiotrace.records.detection.metrics import Decisions, Line, Metrics
from radiotrace.records.detection.prediction import FoundBox, Prediction
from radiotrace.records.sections.detection.evaluate import EvaluateParams, OperatingSection
from radiotrace.statistics import detection_scores

NAMES = ("cell", "speck")
SETTINGS = EvaluateParams(
    score_min=0.01,
    boxes_max=100,
    suppress_overlap=0.6,
    hit_overlap=0.5,
    froc_overlap=0.5,
    false_positives=(0.5, 1, 2),
    size_limits=(50.0,),
    operating_point=OperatingSection("f1", None, None),
    calibration="platt",
    subgroup_subjects_min=2,
    bins=4,
    resamples=200,
    threads=1,
    seed=0,
)


def box(x: float, edge: float = 10, label: str = "cell") -> Box:
    return Box(label, (x, 0, 0), (x + edge, edge, 1))


def found(x: float, score: float, edge: float = 10, label: str = "cell") -> FoundBox:
    return FoundBox(label, score, (x, 0, 0), (x + edge, edge, 1))


def phantoms(n: int = 60) -> tuple[list[list[Box]], list[Prediction]]:
    """Cells at 0 and 40, a speck at 80 in every second image; the network finds most of them."""
    rng = np.random.default_rng(0)
    reference, predictions = [], []
    for number in range(n):
        rows = [box(0), box(40)] + ([box(80, 4, "speck")] if number % 2 else [])
        boxes = [found(0, 0.9 - 0.3 * rng.random()), found(120, 0.7 * rng.random() + 0.02)]
        if number % 3:
            boxes.append(found(41, 0.8 - 0.3 * rng.random()))
        if number % 2 and number % 5:
            boxes.append(found(80, 0.7, 4, "speck"))
        reference.append(rows)
        predictions.append(Prediction(tuple(sorted(boxes, key=lambda one: -one.score))))
    return reference, predictions


@pytest.fixture(scope="module")
def whole():
    reference, predictions = phantoms()
    images = [matching.image(boxes, one, NAMES) for boxes, one in zip(reference, predictions, strict=True)]
    decided, said = results.decisions(images, NAMES, SETTINGS)
    scores = {name: point.score for name, point in decided.operating_points.items()}
    rows = records.canonical(
        [
            matching.entry(about(number), boxes, one, scores, 0.5)
            for number, (boxes, one) in enumerate(zip(reference, predictions, strict=True))
        ]
    )
    summary = results.Summary(rows, reference, predictions, SETTINGS)
    group = {row["case_id"]: "odd" if number % 2 else "even" for number, row in enumerate(rows)}
    return rows, decided, summary.all(decided, {"parity": group}), said, images


def about(number: int) -> dict[str, str]:
    return {
        "case_id": f"c{number:03d}",
        "subject_id": f"s{number:03d}",
        "prediction": f"c{number:03d}.json",
        "prediction_sha256": "0" * 64,
    }


@pytest.mark.requirement("SRS-BOX-1")
def test_a_box_is_found_missed_or_invented():
    reference = [box(0), box(40), box(80, 4, "speck")]
    prediction = Prediction((found(1, 0.9), found(2, 0.8), found(40, 0.4), found(60, 0.3, 4, "speck")))
    entry = matching.entry({}, reference, prediction, {"cell": 0.5, "speck": 0.1}, 0.5)["labels"]
    cell = entry["cell"]
    assert (cell["n_true"], cell["n_shown"], cell["found"]) == (2, 2, 1)
    assert cell["missed"] == [2]
    assert cell["invented"] == [2]  # the second box on a true one
    assert cell["f1"] == pytest.approx(2 / 4)
    assert cell["count_error"] == 0
    speck = entry["speck"]
    assert (speck["missed"], speck["invented"], speck["f1"]) == ([3], [4], 0)


def test_measures_of_nothing_are_undefined():
    row = measures.row(Counted(0, 0, 0))
    assert row["f1"] is None
    assert row["sensitivity"] is None
    assert row["false_positives"] == 0
    assert measures.row(Counted(0, 0, 2))["f1"] == 0


@pytest.mark.parametrize(
    ("rule", "score", "sensitivity", "alarms"),
    [
        (OperatingSection("f1", None, None), 0.6, 1.0, 0.5),
        (OperatingSection("false_positives", 0.4, None), 0.9, 0.5, 0.0),
        (OperatingSection("sensitivity", None, 0.5), 0.9, 0.5, 0.0),
        (OperatingSection("sensitivity", None, 0.9), 0.6, 1.0, 0.5),
    ],
)
def test_the_score_of_a_label_follows_its_rule(rule, score, sensitivity, alarms):
    """Two true cells in two images; scores .9 (hit), .7 (false), .6 (hit), .2 (false)."""
    pairs = [([box(0)], (found(0, 0.9), found(60, 0.2))), ([box(0)], (found(60, 0.7), found(0, 0.6)))]
    images = [matching.image(boxes, Prediction(rows), NAMES) for boxes, rows in pairs]
    chosen = operating.chosen(images, 0, rule, 0.5)
    assert chosen.score == score
    assert chosen.sensitivity == sensitivity
    assert chosen.false_positives == alarms
    assert operating.faults(rule) == []


@pytest.mark.requirement("SRS-BOX-2")
def test_without_a_box_there_is_nothing_to_choose_by():
    images = [matching.image([box(0)], Prediction((found(0, 0.9),)), NAMES)]
    chosen = operating.chosen(images, 1, OperatingSection("f1", None, None), 0.5)
    assert chosen.score == 0.5
    assert chosen.sensitivity is None
    assert "0 boxes" in chosen.rule
    assert operating.faults(OperatingSection("sensitivity", None, None)) != []


def test_average_precision_is_that_of_coco(whole):
    _, _, metrics, _, images = whole
    expected = detection_scores.evaluate(images, list(NAMES))
    assert metrics["mean_average_precision"]["ap50"]["value"] == pytest.approx(expected.mean.ap50)
    assert metrics["mean_average_precision"]["ap"]["value"] == pytest.approx(expected.mean.ap)
    cell = metrics["average_precision"]["cell"]
    assert cell["recall"]["value"] == pytest.approx(expected.by_class["cell"].recall)
    assert cell["ap50"]["ci95_low"] < cell["ap50"]["value"] < cell["ap50"]["ci95_high"]


@pytest.mark.requirement("SRS-BOX-1")
def test_counts_agree_from_cases_to_summaries(whole):
    rows, _, metrics, _, _ = whole
    for name in NAMES:
        point = metrics["operating_points"][name]
        assert point["found"] == sum(row["labels"][name]["found"] for row in rows)
        assert point["found"] + point["missed"] == metrics["average_precision"][name]["n_true"]
        of_sizes = metrics["average_precision"][name]["by_size"].values()
        assert sum(row["n_true"] for row in of_sizes) == metrics["average_precision"][name]["n_true"]
        assert sum(row["n_found"] for row in of_sizes) == point["found"]
    assert metrics["average_precision"]["speck"]["by_size"]["medium"]["n_true"] == 0
    assert metrics["average_precision"]["speck"]["by_size"]["medium"]["ap"] is None


def test_the_record_keeps_its_schema_and_its_headline(whole):
    rows, _, metrics, said, _ = whole
    assert any("cannot be calibrated" in line for line in said)  # all specks that were found are hits
    record = records.canonical(
        {
            "run_id": "0" * 64,
            "part": "test",
            "excluded": [],
            "subjects_unknown": True,
            "measures": [one.record() for one in measures.TABLE],
            "methods": methods.texts(SETTINGS),
            **metrics,
        }
    )
    assert records.faults(record, "metrics_detection") == []
    headline = results.headline(Metrics.of(record))
    assert records.faults(records.canonical(headline), "headline_detection") == []
    assert headline["map50"] == record["mean_average_precision"]["ap50"]["value"]
    cases = {"run_id": "0" * 64, "part": "test", "excluded": [], "cases": rows}
    assert records.faults(cases, "cases_detection") == []


def test_calibration_brings_scores_to_shares(whole):
    _, decided, metrics, _, _ = whole
    both = metrics["calibration"]["cell"]
    assert both["after"]["expected_error"]["value"] < both["before"]["expected_error"]["value"]
    assert both["after"]["slope"]["value"] == pytest.approx(1, abs=1e-4)
    assert "cell" in decided.lines


def test_a_line_that_would_turn_scores_round_is_none():
    scores, hits = np.linspace(0.05, 0.95, 40), np.arange(40) < 20
    assert calibrated.fitted(scores, hits) is None
    line = calibrated.fitted(scores, np.random.default_rng(0).random(40) < scores)
    assert line is not None
    assert line.slope > 0
    p = calibrated.probabilities_of(scores, {"cell": Line(2.0, 0.0)}, "cell")
    assert np.allclose(p, scores**2 / (scores**2 + (1 - scores) ** 2))


@pytest.mark.requirement("SRS-BOX-2")
def test_a_label_without_a_box_is_left_out_of_the_mean_and_named():
    reference = [[box(0)], [box(0)]]
    predictions = [Prediction((found(0, 0.9), found(5, 0.8, label="speck")))] * 2
    scores = dict.fromkeys(NAMES, 0.5)
    rows = [
        matching.entry(about(number), boxes, one, scores, 0.5)
        for number, (boxes, one) in enumerate(zip(reference, predictions, strict=True))
    ]
    images = [matching.image(boxes, one, NAMES) for boxes, one in zip(reference, predictions, strict=True)]
    decided, _ = results.decisions(images, NAMES, SETTINGS)
    metrics = results.Summary(rows, reference, predictions, SETTINGS).all(decided, {})
    assert metrics["mean_average_precision"]["ap50"]["value"] == 1
    assert metrics["mean_average_precision"]["absent"] == {"speck": 2}
    assert metrics["average_precision"]["speck"]["ap50"]["value"] is None
    assert metrics["worst_cases"][0]["invented"] == 1


def test_the_page_marks_what_was_missed_and_invented():
    reference = [box(0), box(40)]
    prediction = Prediction((found(0, 0.9), found(90, 0.8)))
    entry = matching.entry({}, reference, prediction, {"cell": 0.5, "speck": 0.5}, 0.5)
    marked = report.marked(entry, reference, prediction)
    assert marked.found == (reference[0],)
    assert marked.missed == (reference[1],)
    assert marked.invented == (prediction.boxes[1],)
    assert report.worst_text(entry) == "cell: 1 of 2 found, 1 invented"


def test_decisions_come_back_from_their_record(whole):
    _, decided, _, _, _ = whole
    assert Decisions.of(records.canonical(decided.record())).record() == records.canonical(decided.record())
