"""survival_scores: against torchsurv and by definition; calibration of what is true and what is not."""

import warnings

import numpy as np
import pytest
import torch

from radiotrace.statistics import intervals, probabilities, survival, survival_scores
from tests import times

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it takes torch.jit.script, which torch calls deprecated
    from torchsurv.metrics.brier_score import BrierScore
    from torchsurv.stats.ipcw import get_ipcw

HORIZONS = np.array([0.3, 0.6, 1.0, 1.5])


def true_survival(linear, horizons=HORIZONS) -> np.ndarray:
    return np.exp(-np.exp(linear)[:, None] * horizons)


def by_definition(predicted, time, event, horizon) -> float:
    before = times.uncensored_before(time, event)
    lost = np.where(event & (time <= horizon), predicted**2 / before, 0)
    at = times.uncensored(time, event, lambda t: t <= horizon)
    left = np.where(time > horizon, (1 - predicted) ** 2 / at, 0)
    return float((lost + left).mean())


@pytest.mark.requirement("SRS-TIME-1")
@pytest.mark.parametrize("ties", [False, True])
def test_scores_are_their_definition(ties):
    linear, time, event = times.drawn(80, ties=ties)
    predicted = true_survival(linear)
    found = survival_scores.briers(predicted, time, event, HORIZONS)
    for place, horizon in enumerate(HORIZONS):
        assert found[place] == pytest.approx(by_definition(predicted[:, place], time, event, horizon))


@pytest.mark.filterwarnings("ignore")
def test_scores_are_those_of_torchsurv():
    linear, time, event = times.drawn(300)
    predicted = true_survival(linear)
    happened, when, at = (torch.tensor(side) for side in (event, time, HORIZONS))
    score = BrierScore()
    theirs = score(
        torch.tensor(predicted),
        happened,
        when,
        at,
        get_ipcw(happened, when),
        get_ipcw(happened, when, at),
    )
    found = survival_scores.briers(predicted, time, event, HORIZONS)
    assert found == pytest.approx(np.array(theirs), abs=1e-5)
    assert survival_scores.integrated(found, HORIZONS) == pytest.approx(float(score.integral()), abs=1e-5)


def test_uncensored_it_is_a_brier_score():
    linear, time, event = times.drawn(200, censored=False)
    predicted = true_survival(linear)
    found = survival_scores.briers(predicted, time, event, HORIZONS)
    expected = [probabilities.brier(p, time > at) for p, at in zip(predicted.T, HORIZONS, strict=True)]
    assert found == pytest.approx(expected)


def test_the_truth_beats_no_predictors_and_a_turned_one_does_not():
    linear, time, event = times.drawn(1000)
    scores = [
        survival_scores.briers(predicted, time, event, HORIZONS)
        for predicted in (
            true_survival(linear),
            survival_scores.without_predictors(time, event, HORIZONS),
            true_survival(-linear),
        )
    ]
    assert (scores[0] < scores[1]).all()
    assert (scores[1] < scores[2]).all()


def test_counts_are_cases_that_stand_several_times():
    linear, time, event = times.drawn(60, ties=True)
    predicted, counts = true_survival(linear), np.random.default_rng(0).integers(0, 3, (60, 4))
    found = survival_scores.briers(predicted, time, event, HORIZONS, counts)
    for place, column in enumerate(counts.T):
        again = [np.repeat(side, column, 0) for side in (predicted, time, event)]
        assert found[:, place] == pytest.approx(survival_scores.briers(*again, HORIZONS))


@pytest.mark.requirement("SRS-TIME-1")
def test_beyond_what_was_seen_it_is_undefined():
    time, event = np.array([1, 2, 3.0]), np.array([True, True, False])
    predicted = np.full((3, 3), 0.5)
    found = survival_scores.briers(predicted, time, event, np.array([1, 3, 4.0]))
    assert np.isnan(found).tolist() == [False, True, True]
    assert np.isnan(survival_scores.integrated(found, np.array([1, 3, 4.0])))
    assert np.isnan(survival_scores.integrated(found[:1], np.array([1.0])))
    with pytest.raises(ValueError, match="expected to rise"):
        survival_scores.integrated(found, np.array([1, 1, 2.0]))


def test_the_truth_is_calibrated():
    linear, time, event = times.drawn(5000)
    found = survival_scores.at_horizon(true_survival(linear)[:, 2], time, event, 1.0)
    assert found.ratio == pytest.approx(1, abs=0.05)
    assert found.ratio_interval.low < 1 < found.ratio_interval.high
    assert found.slope == pytest.approx(1, abs=3 * found.slope_error)
    assert [row.n for row in found.rows] == [1000] * 5
    inside = [row.interval.low - 0.01 < row.predicted < row.interval.high + 0.01 for row in found.rows]
    assert all(inside)


def test_too_extreme_and_too_high_predictions_are_seen():
    linear, time, event = times.drawn(5000)
    extreme = survival_scores.at_horizon(true_survival(2 * linear)[:, 2], time, event, 1.0)
    assert extreme.slope == pytest.approx(0.5, abs=3 * extreme.slope_error)
    high = survival_scores.at_horizon(true_survival(linear + 0.7)[:, 2], time, event, 1.0)
    assert high.ratio_interval.high < 1
    assert high.slope == pytest.approx(1, abs=3 * high.slope_error)


def test_what_cannot_be_told_is_none():
    time, event = np.array([1, 2, 3.0]), np.zeros(3, bool)
    found = survival_scores.at_horizon(np.array([0.5, 0.6, 0.7]), time, event, 2.5, 1)
    assert (found.observed, found.slope, found.slope_reason) == (0, None, survival.NO_EVENT)
    beyond = survival_scores.at_horizon(np.array([0.5, 0.6, 0.7]), time, event, 4, 1)
    assert (beyond.observed, beyond.ratio, beyond.rows[0].observed) == (None, None, None)
    assert beyond.ratio_interval == intervals.none(survival.NOT_SEEN)
    sure = survival_scores.at_horizon(np.array([1, 0.5, 0.5]), time, ~event, 2.5)
    assert sure.slope_reason == "a predicted survival is 0 or 1"
    assert len(sure.rows) == 2  # equals stay together


def test_a_risk_is_no_survival():
    with pytest.raises(ValueError, match="survival lies outside 0 to 1"):
        survival_scores.briers(np.array([[1.2]]), np.ones(1), np.ones(1, bool), np.ones(1))


def test_pseudo_observations_without_censoring_are_what_happened():
    time, event = np.array([1.0, 2, 3, 4, 5]), np.ones(5, bool)
    found = survival_scores.pseudo_events(time, event, 2.5)
    assert found == pytest.approx([1, 1, 0, 0, 0])


def test_pseudo_observations_have_the_mean_of_kaplan_meier():
    rng = np.random.default_rng(0)
    time, event = rng.exponential(2, 60), rng.random(60) < 0.6
    found = survival_scores.pseudo_events(time, event, 1.5)
    left = survival.kaplan_meier(time, event).at(1.5)
    assert left is not None
    without = [survival.kaplan_meier(np.delete(time, n), np.delete(event, n)).at(1.5) for n in range(60)]
    assert found == pytest.approx(60 * (1 - left) - 59 * (1 - np.array(without, float)))
    assert found.mean() == pytest.approx(1 - left, abs=0.01)


def test_pseudo_observations_beyond_the_last_time_are_undefined():
    assert np.isnan(survival_scores.pseudo_events(np.array([1.0, 2]), np.zeros(2, bool), 3.0)).all()
    assert np.isnan(survival_scores.pseudo_events(np.array([1.0]), np.ones(1, bool), 0.5)).all()
