"""What metrics say of a classification, what corruptions, explanations and the released graph do."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import onnx
import pytest
import torch
from sklearn import metrics as oracle

from radiotrace import records
from radiotrace.classification import (
    charts,
    corruptions,
    explain,
    measures,
    networks,
    onnx_session,
    released,
    report,
    results,
)
from radiotrace.classification.calibrated import Calibrator
from radiotrace.classification.measures import Told
from radiotrace.records.classification.metrics import Line, Metrics
from radiotrace.records.classification.network import ClassifierSpec
from radiotrace.records.sections.classification.evaluate import EvaluateParams, OperatingSection
from tests import class_pictures

SETTINGS = EvaluateParams(
    operating_point=OperatingSection("youden", None, None),
    calibration="platt",
    dropout_passes=0,
    augmentation_passes=0,
    flag_share=0.2,
    subgroup_subjects_min=5,
    bins=5,
    resamples=200,
    threads=1,
    seed=0,
)
THRESHOLD = 0.4


def cases(n: int = 80, kind: str = "class") -> list[dict]:
    """Entries of the record 'cases', of a model that is right more often than not."""
    rng = np.random.default_rng(3)
    found = []
    for number in range(n):
        positive = number % 3 != 0
        p = float(np.clip(rng.normal(0.65 if positive else 0.35, 0.2), 0.01, 0.99))
        row = Told(positive, p >= THRESHOLD, p)
        found.append(
            {
                "case_id": f"case_{number:03d}",
                "subject_id": f"subject_{number:03d}",
                "prediction": f"case_{number:03d}.json",
                "prediction_sha256": "0" * 64,
                "reference": ["shadow" if positive else "clear"],
                "told": ["shadow" if row.called else "clear"],
                "labels": {
                    "shadow": {
                        "positive": positive,
                        "called": row.called,
                        "probability": p,
                        "uncalibrated": p**2,
                        **measures.row(row),
                    }
                },
                "uncertainty": {"prediction": {"score": 1 - 2 * abs(p - 0.5), "mutual_information": None}},
                "flagged": {"prediction": None},
            }
        )
    return found


DECIDED = {
    "part": "validation",
    "n_cases": 20,
    "temperature": None,
    "lines": {"shadow": {"slope": 1.0, "intercept": 0.0}},
    "operating_points": {
        "shadow": {
            "threshold": THRESHOLD,
            "rule": "youden",
            "sensitivity": 0.9,
            "specificity": 0.9,
            "n_positive": 12,
            "n_negative": 8,
        }
    },
    "flag_above": {"prediction": 0.9},
    "flag_share": 0.2,
    "flag_rule": {
        "prediction": {
            "n_subjects": 20,
            "needed": 4,
            "share_expected": 0.19,
            "share_ci95_low": 0.1,
            "share_ci95_high": 0.3,
        }
    },
}


@pytest.fixture(scope="module")
def summary() -> dict:
    half = {f"case_{number:03d}": "old" if number < 40 else "young" for number in range(80)}
    return results.Summary(cases(), SETTINGS).all(DECIDED, {"age": half})


@pytest.fixture(scope="module")
def record(summary) -> Metrics:
    of_it = {
        "run_id": "0" * 64,
        "part": "test",
        "excluded": [{"case_id": "case_999", "reason": "twice"}],
        "subjects_unknown": True,
        "members": [],
        "measures": [one.record() for one in measures.TABLE],
        "methods": {"interval": "as it is"},
    }
    found = records.canonical(of_it | summary)
    assert records.faults(found, "metrics_classification") == []
    return Metrics.of(found)


def told() -> tuple[np.ndarray, np.ndarray]:
    rows = [case["labels"]["shadow"] for case in cases()]
    return np.array([row["probability"] for row in rows]), np.array([row["positive"] for row in rows])


def test_areas_are_those_of_another_implementation(summary):
    p, positive = told()
    row = summary["discrimination"]["shadow"]
    assert row["auroc"]["value"] == pytest.approx(oracle.roc_auc_score(positive, p))
    assert row["auprc"]["value"] == pytest.approx(oracle.average_precision_score(positive, p))
    assert row["auroc"]["ci95_low"] < row["auroc"]["value"] < row["auroc"]["ci95_high"]
    assert (row["n_positive"], row["n_negative"]) == (int(positive.sum()), int((~positive).sum()))


@pytest.mark.parametrize(("key", "threshold"), [("operating_points", THRESHOLD), ("at_half", 0.5)])
def test_operating_points_are_those_of_another_implementation(summary, key, threshold):
    p, positive = told()
    called, row = p >= threshold, summary[key]["shadow"]
    assert row["threshold"] == threshold
    for name, function in {
        "sensitivity": oracle.recall_score,
        "ppv": oracle.precision_score,
        "f1": oracle.f1_score,
        "accuracy": oracle.accuracy_score,
        "balanced_accuracy": oracle.balanced_accuracy_score,
        "matthews": oracle.matthews_corrcoef,
    }.items():
        assert row[name]["value"] == pytest.approx(function(positive, called)), name
        assert row[name]["ci95_low"] <= row[name]["value"] <= row[name]["ci95_high"], name
    assert row["specificity"]["value"] == pytest.approx(oracle.recall_score(~positive, ~called))
    assert row["tp"] + row["fp"] + row["fn"] + row["tn"] == len(p)


def test_means_are_over_cases_and_labels(summary):
    p, positive = told()
    assert summary["brier"]["shadow"]["mean"] == pytest.approx(oracle.brier_score_loss(positive, p))
    assert summary["log_loss_nats"]["shadow"]["mean"] == pytest.approx(oracle.log_loss(positive, p))
    assert summary["accuracy"]["mean_of_labels"]["mean"] == summary["accuracy"]["shadow"]["mean"]


def test_calibration_is_told_before_and_after(summary):
    p, positive = told()
    row = summary["calibration"]["shadow"]
    assert row["after"]["brier"]["value"] == pytest.approx(oracle.brier_score_loss(positive, p))
    assert row["before"]["brier"]["value"] == pytest.approx(oracle.brier_score_loss(positive, p**2))
    assert sum(point["n"] for point in row["after"]["reliability"]) == len(p)


def test_a_table_of_confusion_counts_every_case(summary):
    table = summary["confusion"]
    assert set(table) == {"clear", "shadow"}
    assert sum(count for row in table.values() for count in row.values()) == 80
    assert table["shadow"]["shadow"] == summary["operating_points"]["shadow"]["tp"]
    several = [case | {"told": ["shadow", "fracture"]} for case in cases()]
    assert results.Summary(several, SETTINGS).confusion() == {}


def test_acting_on_a_perfect_model_has_the_net_benefit_of_the_prevalence():
    perfect = [
        case
        | {
            "labels": {
                "shadow": case["labels"]["shadow"] | {"probability": float(case["reference"] == ["shadow"])}
            }
        }
        for case in cases()
    ]
    curve = results.Summary(perfect, SETTINGS).decision_curve("shadow")
    prevalence = np.mean([case["reference"] == ["shadow"] for case in perfect])
    assert [point["model"] for point in curve] == pytest.approx([prevalence] * len(curve))
    assert [point["threshold"] for point in curve][:2] == [0.05, 0.1]


def test_uncertainty_is_judged_by_what_was_told_wrongly(summary):
    row = summary["uncertainty"]["prediction"]
    wrong = np.array([case["told"] != case["reference"] for case in cases()])
    scores = np.array([case["uncertainty"]["prediction"]["score"] for case in cases()])
    assert row["n_wrong"] == wrong.sum()
    assert row["auroc"]["value"] == pytest.approx(oracle.roc_auc_score(wrong, scores))
    flagging = row["flagging"]
    assert flagging["flagged"] == (scores > 0.9).sum()
    assert flagging["caught"] == (wrong & (scores > 0.9)).sum()
    assert flagging["accuracy_kept"] == pytest.approx(1 - wrong[scores <= 0.9].mean())


def test_subgroups_have_areas_and_gaps(summary):
    groups = summary["subgroups"]["age"]
    assert set(groups) == {"old", "young"}
    assert groups["old"]["gap"] == pytest.approx(-groups["young"]["gap"])
    p, positive = told()
    assert groups["old"]["areas"]["shadow"]["auroc"]["value"] == pytest.approx(
        oracle.roc_auc_score(positive[:40], p[:40])
    )


def test_the_worst_case_is_the_one_whose_truth_was_thought_least_probable(summary):
    of_truth = {case["case_id"]: results.truth_probability(case) for case in cases()}
    assert summary["worst_cases"][0]["case_id"] == min(of_truth, key=lambda one: of_truth[one])
    rows = [row["truth_probability"] for row in summary["worst_cases"]]
    assert rows == sorted(rows)
    assert len(rows) == 10


def test_the_same_cases_give_the_same_numbers(summary):
    again = results.Summary(cases(), SETTINGS).all(DECIDED, {})
    assert records.canonical(again["decision_curve"]) == records.canonical(summary["decision_curve"])
    assert again["operating_points"] == summary["operating_points"]


def widths(of: list[dict]) -> dict[str, float]:
    """How wide the interval of each area and of each share at the threshold is, of all and of a group."""
    summed = results.Summary(of, SETTINGS)
    old = {case["case_id"]: "old" for case in of if case["case_id"] < "case_060"}
    areas, point = summed.discrimination("shadow"), summed.operating_point("shadow", THRESHOLD)
    rows = {name: areas[name] for name in ("auroc", "auprc")}
    rows |= {name: point[name] for name in (*results.SHARES, *results.DRAWN)}
    rows["auroc of a group"] = summed.subgroups({"age": old})["age"]["old"]["areas"]["shadow"]["auroc"]
    return {name: row["ci95_high"] - row["ci95_low"] for name, row in rows.items()}


@pytest.mark.requirement("SRS-CLS-2")
def test_a_second_picture_of_each_subject_that_says_the_same_narrows_no_interval():
    once = cases()
    again = [case | {"case_id": f"{case['case_id']}_again"} for case in once]
    alone = widths(once)
    # of as many strangers they would be narrower by 1 / sqrt(2)
    assert widths([*once, *again]) == pytest.approx(alone, rel=0.03)
    strangers = [case | {"subject_id": case["case_id"]} for case in again]
    narrower = widths([*once, *strangers])
    assert all(0.5 * alone[name] < narrower[name] < 0.9 * alone[name] for name in alone)


def test_the_headline_fits_its_schema(record):
    found = records.canonical(results.headline(record))
    assert records.faults(found, "headline_classification") == []
    assert found["auroc"]["shadow"] == record.discrimination["shadow"].auroc.value


# Words and charts


def test_a_threshold_that_does_not_hold_on_the_test_part_is_told(record):
    from radiotrace.records.classification.robustness import Robustness

    found = Robustness("0" * 64, "test", (), 80, 0.9, {}, 0.8, {}, {"blur": 1, "jpeg": 5}, ())
    said = report.findings(record, found, 2)
    assert any("specificity was 0.900 on the validation part" in one for one in said)
    assert any("second severity of blur." in one for one in said)
    assert any("shown to 2 models" in one for one in said)
    assert any("Nobody says whose a picture is" in one for one in said)


def test_the_state_names_what_is_not_met():
    rows = [{"requirement": "A", "verdict": "met"}, {"requirement": "B", "verdict": "missed"}]
    assert report.state({"results": rows}) == ("1 of 2 criteria are not met: B.", False)
    assert report.state({"results": rows[:1]}) == ("All 1 criteria are met.", True)
    assert not report.state({"results": []})[1]


def test_charts_are_the_same_bytes_twice(record):
    p, positive = told()
    of = {"shadow": charts.Told(p, positive)}
    for make in (
        lambda: charts.areas(record, of),
        lambda: charts.reliability(record.calibration),
        lambda: charts.decision_curve(record),
        lambda: charts.risk_coverage(record),
    ):
        content = make()
        assert content == make()
        assert content.startswith(b"<?xml")


# Corruptions and attacks


PICTURE = class_pictures.picture("test", 1, (1,)).astype(np.float32)[None, None]


@pytest.mark.parametrize("name", corruptions.TABLE)
def test_a_corruption_changes_a_picture_more_from_severity_to_severity(name):
    by_severity = []
    for severity in range(1, corruptions.SEVERITIES + 1):
        distances = []
        for number in range(6):
            rng = np.random.default_rng(number)
            changed = corruptions.corrupted(PICTURE, name, severity, rng)
            assert changed.shape == PICTURE.shape
            assert np.isfinite(changed).all()
            distances.append(np.abs(changed - PICTURE).mean())
        by_severity.append(np.mean(distances))
    assert by_severity[0] > 0
    assert by_severity[-1] > 1.5 * by_severity[0]
    assert all(later > 0.9 * earlier for earlier, later in pairwise(by_severity))


def test_a_corruption_follows_from_its_generator():
    one, same, other = (
        corruptions.corrupted(PICTURE, "gaussian_noise", 3, np.random.default_rng(number))
        for number in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


SPEC = ClassifierSpec("resnet", (8, 16), 1, 1, 0.2, 1, 2)


@pytest.mark.parametrize("steps", [1, 5])
def test_an_attack_stays_within_its_limit_and_raises_the_loss(steps):
    network = networks.build(SPEC, 0).eval()
    pixels = np.random.default_rng(0).normal(size=(4, 1, 16, 16)).astype(np.float32)

    def loss(logits):
        return -torch.log_softmax(logits, 1)[:, 0]

    changed = corruptions.attacked(network, pixels, loss, 0.05, steps)
    assert np.abs(changed - pixels).max() <= 0.05 + 1e-6
    with torch.no_grad():
        before, after = (loss(network(torch.from_numpy(one))).mean() for one in (pixels, changed))
    assert after > before


# Explanations


def test_a_map_finds_what_the_score_comes_from():
    """A network that sums the brightness of one place by its first feature."""
    network = networks.build(SPEC, 0).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    network.body = torch.nn.Identity()
    network.head = torch.nn.Linear(1, 2)
    network.dropout = torch.nn.Identity()
    with torch.no_grad():
        network.head.weight.copy_(torch.tensor([[0.0], [1.0]]))
        network.head.bias.zero_()
    pixels = np.zeros((1, 16, 16), np.float32)
    pixels[0, 3:6, 8:11] = 5
    heat = explain.grad_cam(network, pixels, 0, "class")
    assert heat.max() == 1
    assert heat[4, 9] == 1
    assert heat[12, 2] == 0
    whole = explain.log_odds(network, pixels, 0, "class")
    without = explain.log_odds(network, explain.blurred_away(pixels, heat > 0.5), 0, "class")
    assert without < whole


def test_the_top_of_a_flat_map_has_as_many_places():
    assert explain.top(np.zeros((10, 10))).sum() == 20
    assert explain.random_places((10, 10), np.random.default_rng(0)).sum() == 20


def test_a_flat_map_has_no_correlation():
    heat = np.random.default_rng(0).random((8, 8))
    assert explain.correlation(heat, [heat]) == pytest.approx(1)
    assert explain.correlation(np.zeros((8, 8)), [heat]) is None
    assert explain.correlation(heat, [np.zeros((8, 8))]) is None


# The released graph


@pytest.mark.parametrize(
    "calibrator",
    [
        Calibrator("class"),
        Calibrator("class", temperature=2.5),
        Calibrator("class", lines=(Line(0.7, -0.2), Line(1.3, 0.4))),
        Calibrator("classes"),
        Calibrator("classes", lines=(Line(0.7, -0.2), Line(1.3, 0.4), Line(1.0, 0.1))),
    ],
)
def test_the_graph_gives_calibrated_probabilities_of_any_number_of_pictures(calibrator):
    network = networks.build(replace(SPEC, outputs=3), 0).eval()
    content = released.graph(network, calibrator, (1, 16, 16), 20)
    assert content == released.graph(network, calibrator, (1, 16, 16), 20)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    run = onnx_session.session(content, 1)
    for n in (1, 5):
        pixels = np.random.default_rng(n).normal(size=(n, 1, 16, 16)).astype(np.float32)
        with torch.no_grad():
            logits = network(torch.from_numpy(pixels)).numpy()
        found = run(pixels)
        assert np.allclose(found["logits"], logits, atol=1e-4)
        assert np.allclose(found["probabilities"], calibrator(logits), atol=1e-4)
