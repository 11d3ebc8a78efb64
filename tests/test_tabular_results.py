"""Results of a table: entries, decisions and summaries, against arithmetic and other functions."""

from dataclasses import replace

import numpy as np
import pytest

from radiotrace import records
from radiotrace.records.sections.tabular.evaluate import EvaluateParams
from radiotrace.records.tabular.feature import Outcome
from radiotrace.statistics import survival_scores
from radiotrace.statistics.survival import kaplan_meier
from radiotrace.tabular import decisions, entries, measures, model, results
from radiotrace.tabular.measures import Told
from radiotrace.tabular.model import Line
from radiotrace.tabular.table import Rows

BINARY = Outcome("sick", "well", "outcome", "binary", None, None)
IN_TIME = Outcome("sick", "well", "outcome", "survival", "months", "months")
SETTINGS = EvaluateParams(
    calibration="line",
    threshold=None,
    sensitivity_least=None,
    subgroup_subjects_min=10,
    bins=4,
    resamples=100,
    seed=0,
)
N, HORIZON = 160, 12.0


def rows(kind: str, seed: int = 1) -> tuple[Rows, np.ndarray]:
    """Cases and link values that are right about them."""
    rng = np.random.default_rng(seed)
    values = rng.normal(-0.3, 1.2, N)
    names = tuple(f"row_{number:03d}" for number in range(N))
    subjects, x = np.array(names, dtype=object), np.zeros((N, 1), np.float32)
    if kind == "binary":
        return Rows(names, subjects, x, rng.random(N) < model.risks(values, "binary"), None), values
    # log(-log(1 - risk)) by the horizon is the link value where hazards are constant
    happens = rng.exponential(HORIZON / np.exp(values))
    ends = rng.uniform(4, 40, N)
    return Rows(names, subjects, x, happens <= ends, np.minimum(happens, ends)), values


def outcome_of(kind: str) -> Outcome:
    return BINARY if kind == "binary" else IN_TIME


def horizon_of(kind: str) -> float | None:
    return None if kind == "binary" else HORIZON


def told(kind: str, threshold: float = 0.5, line: Line | None = None, seed: int = 1) -> list[dict]:
    """Entries of the record 'cases', of a released model and one beside it that is worse."""
    of, values = rows(kind, seed)
    worse = values + np.random.default_rng(9).normal(0, 2, N)
    decided = {
        "lines": {} if line is None else {"sick": vars(line)},
        "operating_points": {"sick": {"threshold": threshold}},
    }
    about = [
        {"case_id": name, "subject_id": name, "prediction": f"{name}.json", "prediction_sha256": "0" * 64}
        for name in of.case_ids
    ]
    predictions = [
        {entries.LINK_VALUES: {"linear": float(one), "boosting": float(other)}}
        for one, other in zip(values, worse, strict=True)
    ]
    found = entries.entries(about, predictions, of, outcome_of(kind), horizon_of(kind), "linear", decided)
    return records.canonical(found)


def summary(kind: str, **more) -> results.Summary:
    return results.Summary(told(kind), outcome_of(kind), horizon_of(kind), replace(SETTINGS, **more))


# Entries


def test_measures_of_a_case_are_squares_and_logarithms():
    row = measures.row(Told(True, 1.0, 0.8))
    assert row["brier"] == pytest.approx(0.04)
    assert row["log_loss_nats"] == pytest.approx(-np.log(0.8))
    assert measures.row(Told(False, 2.0, 0.8))["brier"] == pytest.approx(1.28)
    assert measures.row(Told(None, 0.0, 0.8)) == {"brier": 0.0, "log_loss_nats": 0.0}


@pytest.mark.requirement("SRS-TIME-1")
def test_who_is_censored_before_the_horizon_weighs_nothing():
    of = Rows(
        ("a", "b", "c", "d"),
        np.array(list("abcd"), dtype=object),
        np.zeros((4, 0), np.float32),
        np.array([True, False, False, True]),
        np.array([2.0, 3.0, 20.0, 15.0]),
    )
    happened, known = entries.known_by(of, 12.0)
    assert happened.tolist() == [True, False, False, False]
    assert known.tolist() == [True, False, True, True]
    # one of three who were left at 3 was lost: 2 of 3 are still followed after
    assert entries.weights(of, 12.0) == pytest.approx([1.0, 0.0, 1.5, 1.5])
    assert entries.weights(of, None).tolist() == [1.0] * 4


def test_the_mean_of_the_brier_score_is_that_of_graf():
    of, values = rows("survival")
    assert of.time is not None
    risk = model.risks(values, "survival")
    expected = survival_scores.briers((1 - risk)[:, None], of.time, of.positive, np.array([HORIZON]))
    mean = np.mean([case["labels"]["sick"]["brier"] for case in told("survival")])
    assert mean == pytest.approx(expected[0], rel=1e-6)


def test_calibration_and_threshold_change_what_is_told():
    before, after = told("binary"), told("binary", 0.3, Line(2.0, 0.5))
    first, second = (cases[0]["labels"]["sick"] for cases in (before, after))
    assert second["uncalibrated"] == first["uncalibrated"] == first["probability"]
    expected = model.risks(model.linked(np.array(first["uncalibrated"]), "binary"), "binary", Line(2.0, 0.5))
    assert second["probability"] == pytest.approx(float(expected), rel=1e-6)
    assert all(
        case["labels"]["sick"]["called"] == (case["labels"]["sick"]["probability"] >= 0.3) for case in after
    )


# Decisions


@pytest.mark.parametrize("kind", ["binary", "survival"])
def test_a_line_mends_values_that_are_too_extreme_and_shifted(kind):
    of, values = rows(kind)
    found, reason = decisions.line(2 * values + 1, of, horizon_of(kind))
    assert reason is None
    assert found is not None
    assert found.slope == pytest.approx(0.5, abs=0.15)
    mended = found.intercept + found.slope * (2 * values + 1)
    assert np.abs(mended - values).mean() < 0.4


def test_too_few_events_calibrate_nothing():
    of, values = rows("binary")
    found, reason = decisions.line(values, replace(of, positive=np.arange(N) < 5), None)
    assert found is None
    assert reason is not None
    assert reason.startswith("5 cases with the event and 155 without")


def test_a_shift_gives_the_share_that_was_observed():
    _, values = rows("survival")
    for share in (0.1, 0.5, 0.9):
        shifted = values + decisions.shift(values, share)
        assert model.risks(shifted, "survival").mean() == pytest.approx(share)
    with pytest.raises(ValueError, match="expected above 0 and below 1"):
        decisions.shift(values, 1.0)


def test_a_threshold_is_given_or_chosen_for_a_sensitivity():
    of, values = rows("binary")
    risk = model.risks(values, "binary")
    given = decisions.threshold(risk, of, None, replace(SETTINGS, threshold=0.2))
    assert given["threshold"] == 0.2
    held = decisions.threshold(risk, of, None, replace(SETTINGS, sensitivity_least=0.95))
    assert held["sensitivity"] >= 0.95
    assert held["sensitivity"] == np.mean(risk[of.positive] >= held["threshold"])


# Summaries


@pytest.mark.parametrize("kind", ["binary", "survival"])
def test_risks_that_are_right_are_calibrated(kind):
    found = summary(kind).calibration(summary(kind).of.risk, 0.5)
    for key, best in (("slope", 1), ("ratio", 1), ("in_the_large", 0)):
        assert found[key]["ci95_low"] < best < found[key]["ci95_high"], key
    assert found["expected_error"]["value"] < 0.08
    assert found["scaled_brier"]["value"] > 0.1


def test_risks_that_are_twice_too_extreme_have_a_slope_of_a_half():
    of, values = rows("binary")
    summed = summary("binary")
    found = summed.calibration(model.risks(2 * values, "binary"), 0.5)
    assert found["slope"]["value"] == pytest.approx(0.5, abs=0.12)
    assert found["expected_error"]["value"] > 0.05
    assert of.positive.any()


@pytest.mark.parametrize("kind", ["binary", "survival"])
def test_a_model_that_is_worse_is_found_to_be(kind):
    found = summary(kind).comparison("linear")
    assert set(found) == {"boosting"}
    assert found["boosting"]["gap"]["ci95_high"] < 0
    expected = summary(kind).discrimination()["concordance"]["value"]
    assert found["boosting"]["concordance"]["value"] == pytest.approx(
        expected + found["boosting"]["gap"]["value"], abs=1e-6
    )


def test_shares_at_a_threshold_are_counted():
    summed = summary("binary")
    point, of = summed.operating_point(0.5), summed.of
    called = of.risk >= 0.5
    assert point["sensitivity"]["value"] == called[of.positive].mean()
    assert point["npv"]["value"] == (~of.positive[~called]).mean()
    assert point["called"]["value"] == called.mean()
    assert point["specificity"]["ci95_low"] < point["specificity"]["value"]


def test_shares_of_survival_are_near_those_without_censoring():
    """Of all cases, had they been followed."""
    rng = np.random.default_rng(1)
    values = rng.normal(-0.3, 1.2, N)
    happens = rng.exponential(HORIZON / np.exp(values)) <= HORIZON
    called = model.risks(values, "survival") >= 0.5
    point = summary("survival").operating_point(0.5)
    for key, expected in (
        ("sensitivity", called[happens].mean()),
        ("specificity", (~called[~happens]).mean()),
    ):
        assert point[key]["value"] == pytest.approx(expected, abs=0.08)
        assert point[key]["ci95_low"] < expected < point[key]["ci95_high"]


@pytest.mark.parametrize("kind", ["binary", "survival"])
def test_net_benefit_of_acting_on_all_is_that_of_the_prevalence(kind):
    summed = summary(kind)
    point = next(row for row in summed.decision_curve() if row["threshold"] == 0.5)
    of = summed.of
    share = of.positive.mean()
    if of.time is not None:
        left = kaplan_meier(of.time, of.event).at(HORIZON)
        assert left is not None
        share = 1 - left
    assert point["treat_all"] == pytest.approx(2 * share - 1)
    assert point["model"] > max(point["treat_all"], 0)


def test_groups_are_apart_by_their_largest_difference():
    summed = summary("binary")
    of = summed.of
    group_of = {case: "AB"[place % 2] for place, case in enumerate(of.case_ids)}
    found = summed.fairness(group_of, 0.5)
    inside = np.arange(N) % 2 == 0
    called = of.risk >= 0.5
    assert found["compared"] == ["A", "B"]
    expected = abs(called[inside].mean() - called[~inside].mean())
    assert found["demographic_parity"]["value"] == pytest.approx(expected)
    sensitivities = [called[side & of.positive].mean() for side in (inside, ~inside)]
    assert found["equal_opportunity"]["value"] == pytest.approx(abs(np.diff(sensitivities)[0]))
    alarms = [called[side & ~of.positive].mean() for side in (inside, ~inside)]
    assert found["equalised_odds"]["value"] == pytest.approx(
        max(abs(np.diff(sensitivities)[0]), abs(np.diff(alarms)[0]))
    )
    ratios = [of.positive[side].sum() / of.risk[side].sum() for side in (inside, ~inside)]
    assert found["calibration"]["value"] == pytest.approx(abs(np.log(ratios[0] / ratios[1])))


def test_a_group_that_is_too_small_is_told_and_not_compared():
    summed = summary("binary")
    group_of = {case: "few" if place < 5 else "many" for place, case in enumerate(summed.of.case_ids)}
    found = summed.fairness(group_of, 0.5)
    assert found["groups"]["few"]["n_cases"] == 5
    assert found["compared"] == ["many"]
    assert found["demographic_parity"]["value"] is None


@pytest.mark.parametrize("kind", ["binary", "survival"])
def test_the_same_cases_give_the_same_summary(kind):
    decided = {
        "operating_points": {"sick": {"threshold": 0.5}},
        "prevalence": {"sick": 0.5},
        "lines": {},
    }
    groups = {"site": {f"row_{number:03d}": "AB"[number % 2] for number in range(N)}}
    one, other = (
        records.dumps(records.canonical(summary(kind).all(decided, "linear", groups))) for _ in range(2)
    )
    assert one == other
