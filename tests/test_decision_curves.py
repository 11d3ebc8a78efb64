"""decision_curves: by hand, and what treating all and none come to."""

import numpy as np
import pytest

from radiotrace.statistics import decision_curves, resampling

THRESHOLDS = np.array([0.1, 0.3, 0.5, 0.9])


def drawn(n=200, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    return p, rng.random(n) < p


def test_net_benefit_by_hand():  # at 0.25 odds are 1/3; 2 hits, 1 false alarm of 5
    p, positive = np.array([0.9, 0.3, 0.25, 0.2, 0.1]), np.array([1, 0, 1, 1, 0], bool)
    found = decision_curves.net_benefit(p, positive, np.array([0.25]))
    assert found == pytest.approx([(2 - 1 / 3) / 5])


def test_treating_all_has_nothing_left_at_the_prevalence():  # 62.5 %, as in the official test part
    positive = np.arange(624) < 390
    found = decision_curves.treat_all(positive, np.array([0.3, 0.625, 0.8]))
    assert found == pytest.approx([0.625 - 0.375 * 3 / 7, 0, 0.625 - 0.375 * 4])


def test_a_prevalence_is_that_of_cases_drawn_so():
    p, positive = drawn()
    own = decision_curves.net_benefit(p, positive, THRESHOLDS, prevalence=positive.mean())
    assert own == pytest.approx(decision_curves.net_benefit(p, positive, THRESHOLDS))
    counts = np.where(positive, 1, 3)
    rarer = counts[positive].sum() / counts.sum()
    drawn_so = decision_curves.net_benefit(p, positive, THRESHOLDS, counts)
    assert decision_curves.net_benefit(p, positive, THRESHOLDS, prevalence=rarer) == pytest.approx(drawn_so)


def test_a_curve_has_paired_intervals():
    p, positive = drawn(400)
    plan = resampling.Plan(np.arange(400), seed=0, resamples=500)
    points = decision_curves.curve(p, positive, THRESHOLDS, plan)
    assert points == decision_curves.curve(p, positive, THRESHOLDS, plan)
    for point in points:
        assert point.gain_over_none.value == pytest.approx(point.model)
        assert point.gain_over_all.value == pytest.approx(point.model - point.treat_all)
        low, high = point.gain_over_all.interval.bounds
        assert low < point.gain_over_all.value < high
    # calibrated: of use against both in the middle
    assert points[2].gain_over_all.interval.low > 0
    assert points[2].gain_over_none.interval.low > 0
    assert decision_curves.curve(np.zeros(0), np.zeros(0, bool), THRESHOLDS, plan) == []


def test_a_model_that_knows_nothing_gains_nothing():
    positive = drawn(300)[1]
    plan = resampling.Plan(np.arange(300), 0, 100)
    low, high = decision_curves.curve(np.full(300, 0.5), positive, np.array([0.4, 0.6]), plan)
    assert low.gain_over_all.value == 0  # all are treated
    assert high.gain_over_none.value == 0  # nobody is


def test_the_gain_of_a_second_model_is_paired():
    p, positive = drawn(400)
    noise = np.random.default_rng(1).random(400)
    plan = resampling.Plan(np.arange(400), 0, 500)
    found = decision_curves.gain(noise, p, positive, 0.5, plan)
    benefits = [decision_curves.net_benefit(side, positive, np.array([0.5]))[0] for side in (noise, p)]
    assert found.value == pytest.approx(benefits[1] - benefits[0])
    assert found.interval.low > 0


def test_a_threshold_without_odds_is_a_fault():
    with pytest.raises(ValueError, match=r"thresholds \[0.0, 1.0\], expected above 0 and below 1"):
        decision_curves.net_benefit(*drawn(), np.array([0.0, 1.0]))


def test_net_benefit_by_a_time_without_censoring_is_that_of_its_outcome():
    p, happened = drawn()
    time = np.where(happened, 1.0, 5.0)
    expected = decision_curves.net_benefit(p, happened, THRESHOLDS)
    event = np.ones(len(p), bool)
    assert decision_curves.net_benefit_by(p, time, event, 2.0, THRESHOLDS) == pytest.approx(expected)
    counts = np.random.default_rng(2).integers(0, 3, (len(p), 4))
    drawn_again = decision_curves.net_benefit_by(p, time, event, 2.0, THRESHOLDS, counts)
    assert drawn_again == pytest.approx(decision_curves.net_benefit(p, happened, THRESHOLDS, counts))


def test_net_benefit_by_a_time_by_hand():
    # of four that are acted on one is censored at 1: 2/3 have the event by 3; odds at 0.5 are 1
    p = np.array([0.9, 0.8, 0.7, 0.6, 0.1, 0.1])
    time, event = np.array([1.0, 2.0, 2.5, 9.0, 9.0, 9.0]), np.array([0, 1, 1, 0, 0, 0], bool)
    found = decision_curves.net_benefit_by(p, time, event, 3.0, np.array([0.5, 0.95]))
    assert found == pytest.approx([4 / 6 * (2 / 3 - 1 / 3), 0])


def test_a_curve_by_a_time_has_a_point_for_each_threshold():
    p, happened = drawn(300)
    time, event = np.where(happened, 1.0, 5.0), np.ones(300, bool)
    plan = resampling.Plan(np.arange(300), 0, 200)
    points = decision_curves.curve_by(p, time, event, 2.0, THRESHOLDS, plan)
    others = decision_curves.curve(p, happened, THRESHOLDS, plan)
    assert [row.model for row in points] == pytest.approx([row.model for row in others])
    assert points[2].gain_over_all.interval.low > 0
    assert decision_curves.curve_by(np.zeros(0), np.zeros(0), np.zeros(0, bool), 2.0, THRESHOLDS, plan) == []
