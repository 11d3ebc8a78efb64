"""survival: the trial that books show, against statsmodels, and what cannot be told."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.duration import survfunc

from radiotrace.statistics import intervals, survival
from tests import times


@pytest.mark.requirement("SRS-TIME-1")
def test_the_curve_of_the_trial_is_the_published_one():
    # Kalbfleisch & Prentice 2002, Table 1.2; Cox & Oakes 1984, Table 4.1
    weeks, event, placebo = times.leukaemia()
    found = survival.kaplan_meier(weeks[~placebo], event[~placebo])
    published = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    for week, share in published.items():
        assert found.at(week) == pytest.approx(share, abs=5e-4)
    assert found.at(5.9) == 1
    # Klein & Moeschberger 2003, section 4.3: Greenwood's error at 10 weeks is 0.0963
    assert found.variance[found.time == 10][0] ** 0.5 == pytest.approx(0.0963, abs=1e-4)
    assert found.quantile()[0] == 23
    assert survival.kaplan_meier(weeks[placebo], event[placebo]).quantile()[0] == 8


def test_the_log_log_interval_by_hand():  # S^exp(±1.96 σ / (S log S)) at 10 weeks, S .753, σ .0963
    weeks, event, placebo = times.leukaemia()
    low, high = survival.kaplan_meier(weeks[~placebo], event[~placebo]).interval_at(10).bounds
    reach = 1.959964 * 0.0963 / (0.7529 * -np.log(0.7529))
    assert (low, high) == pytest.approx((0.7529 ** np.exp(reach), 0.7529 ** np.exp(-reach)), abs=1e-3)


@pytest.mark.requirement("SRS-TIME-1")
@pytest.mark.parametrize("ties", [False, True])
def test_curve_and_error_are_those_of_statsmodels(ties):
    _, time, event = times.drawn(ties=ties)
    found, theirs = survival.kaplan_meier(time, event), survfunc.SurvfuncRight(time, event)
    kept = np.isin(found.time, theirs.surv_times)
    assert found.survival[kept] == pytest.approx(theirs.surv_prob)
    assert found.variance[kept] ** 0.5 == pytest.approx(theirs.surv_prob_se, nan_ok=True)
    assert found.at_risk[kept] == pytest.approx(theirs.n_risk)


def test_uncensored_it_is_the_share_that_is_left():
    _, time, event = times.drawn(50, censored=False)
    found = survival.kaplan_meier(time, event)
    assert found.survival == pytest.approx([(time > t).mean() for t in found.time])
    assert found.variance[:-1] == pytest.approx((found.survival * (1 - found.survival) / 50)[:-1])


@pytest.mark.requirement("SRS-TIME-1")
def test_what_nobody_saw_is_none():
    found = survival.kaplan_meier(np.array([1, 2, 3.0]), np.array([True, False, False]))
    assert (found.at(3), found.at(3.1)) == (pytest.approx(2 / 3), None)
    assert found.interval_at(4) == intervals.none(survival.NOT_SEEN)
    assert found.interval_at(0.5) == intervals.none(intervals.NO_VARIANCE)
    ended = survival.kaplan_meier(np.array([1, 2.0]), np.array([True, True]))
    assert (ended.at(9), ended.quantile()[0]) == (0, 1)


def test_all_censored_and_nobody():
    censored = survival.kaplan_meier(np.array([1, 2.0]), np.zeros(2, bool))
    assert censored.survival.tolist() == [1, 1]
    assert (censored.quantile(), censored.variance.tolist()) == ((None, None, None), [0, 0])
    assert survival.kaplan_meier(np.zeros(0), np.zeros(0, bool)).at(1) is None


def test_the_test_of_the_trial_is_the_published_one():
    # R, survdiff(Surv(time, cens) ~ treat, gehan): 16.8; observed 9 and 21, expected 19.3 and 10.7
    found = survival.log_rank(*times.leukaemia())
    assert found.statistic == pytest.approx(16.79, abs=0.005)
    assert (found.observed, found.freedom) == ({"False": 9, "True": 21}, 1)
    assert found.expected == pytest.approx({"False": 19.25, "True": 10.75}, abs=0.005)


@pytest.mark.requirement("SRS-TIME-1")
@pytest.mark.parametrize("n_groups", [2, 3, 5])
@pytest.mark.parametrize("ties", [False, True])
def test_groups_are_tested_as_by_statsmodels(n_groups, ties):
    linear, time, event = times.drawn(ties=ties)
    group = (stats.rankdata(linear) * n_groups // 201).astype(int)
    found = survival.log_rank(time, event, group)
    statistic, p = survfunc.survdiff(time, event, group)
    assert (found.statistic, found.p, found.freedom) == (
        pytest.approx(statistic),
        pytest.approx(p),
        n_groups - 1,
    )
    assert sum(found.observed.values()) == pytest.approx(sum(found.expected.values()))


def test_where_no_event_tells_groups_apart_there_is_no_test():
    time, event = np.array([1, 2, 3.0]), np.zeros(3, bool)
    assert survival.log_rank(time, event, np.array(list("aab"))).p is None
    assert survival.log_rank(time, ~event, np.array(list("aaa"))).p is None
    # b has left before anything happens
    early = survival.log_rank(np.array([1, 2, 3, 4.0]), np.array([0, 1, 1, 1], bool), np.array(list("baac")))
    assert (early.freedom, early.expected["b"]) == (1, 0)


def test_the_restricted_mean_is_the_area_below_the_curve():
    weeks, event, placebo = times.leukaemia()
    found = survival.restricted_mean(weeks[~placebo], event[~placebo], 20)
    curve = survival.kaplan_meier(weeks[~placebo], event[~placebo])
    fine = (np.arange(200_000) + 0.5) / 10_000
    steps = np.append(1, curve.survival)[np.searchsorted(curve.time, fine, "right")]
    assert found.mean == pytest.approx(steps.mean() * 20, abs=1e-6)


def test_uncensored_the_restricted_mean_is_a_mean():
    _, time, event = times.drawn(100, censored=False)
    found = survival.restricted_mean(time, event, 1.0)
    cut = np.minimum(time, 1)
    assert found.mean == pytest.approx(cut.mean())
    assert found.variance == pytest.approx(cut.var() / 100)
    assert survival.restricted_mean(time, event, time.max() + 1).mean == pytest.approx(time.mean())


def test_means_are_compared_as_independent_ones():
    weeks, event, placebo = times.leukaemia()
    one, other = (survival.restricted_mean(weeks[side], event[side], 20) for side in (placebo, ~placebo))
    found = survival.restricted_difference(one, other)
    assert found.difference == pytest.approx(other.mean - one.mean)
    z = found.difference / (one.variance + other.variance) ** 0.5
    assert found.p == pytest.approx(2 * stats.norm.sf(z))
    assert found.interval.low > 0
    beyond = survival.restricted_mean(weeks[~placebo], event[~placebo], 36)
    assert (beyond.mean, beyond.interval.no_interval) == (None, survival.NOT_SEEN)
    assert survival.restricted_difference(one, beyond).p is None
    nothing = survival.restricted_mean(weeks, event, 0.5)
    assert (nothing.mean, nothing.variance) == (0.5, 0)


def test_all_faults_of_times_are_named():
    with pytest.raises(ValueError, match=r"event is int64, expected bool; 2 times are below 0 or not finite"):
        survival.kaplan_meier(np.array([-1, np.nan, 2]), np.array([0, 1, 1]))
