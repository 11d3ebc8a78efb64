"""cox: the trial that books show, against statsmodels, and where there is nothing to fit."""

import numpy as np
import pytest
from statsmodels.duration.hazard_regression import PHReg

from radiotrace.statistics import cox, intervals, survival
from tests import times


def predictors(n=200, seed=0, ties=True):
    """Three predictors of different units, times of two of them, in steps where ties."""
    rng = np.random.default_rng(seed)
    x = np.stack([rng.normal(50, 10, n), rng.random(n) < 0.3, rng.normal(0, 0.01, n)], 1)
    time = -np.log(rng.random(n)) / np.exp(0.05 * (x[:, 0] - 50) + 0.7 * x[:, 1])
    until = rng.exponential(2, n)
    observed = np.minimum(time, until)
    return x, (np.ceil(observed * 5) / 5 if ties else observed), time <= until


@pytest.mark.parametrize(
    ("ties", "coefficient", "error"),
    # R, coxph(Surv(time, cens) ~ treat, MASS::gehan), and with ties = "breslow"
    [("efron", 1.5721, 0.4124), ("breslow", 1.5092, 0.4096)],
)
def test_the_trial_has_its_published_hazard_ratio(ties, coefficient, error):
    weeks, event, placebo = times.leukaemia()
    found = cox.fit(placebo[:, None], weeks, event, ties=ties)
    assert found.coefficients[0] == pytest.approx(coefficient, abs=5e-5)
    assert found.errors[0] == pytest.approx(error, abs=5e-5)
    low, high = found.interval(0).bounds
    assert (high - low) / 2 == pytest.approx(1.959964 * error, abs=1e-3)
    assert found.p(0) < 0.001


@pytest.mark.requirement("SRS-TIME-1")
@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("rounded", [False, True])
def test_a_fit_is_that_of_statsmodels(ties, rounded):
    x, time, event = predictors(ties=rounded)
    found, theirs = cox.fit(x, time, event, ties=ties), PHReg(time, x, event.astype(int), ties=ties).fit()
    assert found.coefficients == pytest.approx(theirs.params, rel=1e-4)
    assert found.errors == pytest.approx(theirs.bse, rel=1e-4)
    assert found.log_likelihood == pytest.approx(theirs.llf)
    assert found.log_likelihood_null == pytest.approx(theirs.model.loglike(np.zeros(3)))
    assert (found.n, found.n_events) == (200, event.sum())


def test_efron_by_hand():
    """Events of risks a and b at one time, c beyond: log ab / ((a + b + c)(a + b + c - (a + b) / 2))."""
    a, b, c = 2.0, 3.0, 5.0
    found = cox.partial_log_likelihood(np.log([a, b, c]), np.array([1, 1, 2.0]), np.array([1, 1, 0], bool))
    assert found == pytest.approx(np.log(a * b / (10 * 7.5)))
    breslow = cox.partial_log_likelihood(
        np.log([a, b, c]), np.array([1, 1, 2.0]), np.array([1, 1, 0], bool), "breslow"
    )
    assert breslow == pytest.approx(np.log(a * b / 100))


def test_the_unit_and_the_order_change_nothing():
    x, time, event = predictors()
    found = cox.fit(x, time, event, ridge=1)
    order = np.random.default_rng(0).permutation(200)
    again = cox.fit(x[order] * [1, 1, 1000] + 7, time[order], event[order], ridge=1)
    assert again.coefficients * [1, 1, 1000] == pytest.approx(found.coefficients)
    assert again.log_likelihood == pytest.approx(found.log_likelihood)
    at = np.array([0.2, 1.0])
    assert again.survival(x[:3] * [1, 1, 1000] + 7, at) == pytest.approx(found.survival(x[:3], at))


def test_the_gradient_is_0_at_the_fit_and_a_ridge_draws_to_0():
    x, time, event = predictors()
    x = (x - x.mean(0)) / x.std(0)
    plain, drawn = cox.fit(x, time, event), cox.fit(x, time, event, ridge=50)

    def merit(beta, ridge):
        return cox.partial_log_likelihood(x @ beta, time, event) - ridge / 2 * beta @ beta

    for found, ridge in ((plain, 0), (drawn, 50)):
        for step in np.eye(3) * 1e-3:
            at = found.coefficients
            assert merit(at, ridge) > max(merit(at + step, ridge), merit(at - step, ridge))
    assert np.abs(drawn.coefficients).sum() < 0.9 * np.abs(plain.coefficients).sum()


def test_baseline_is_that_of_statsmodels():
    x, time, event = predictors(ties=False)
    found, theirs = cox.fit(x, time, event), PHReg(time, x, event.astype(int)).fit()
    their_times, their_hazard, _ = theirs.baseline_cumulative_hazard[0]
    ours = found.baseline.at(their_times) * np.exp(-(found.centre @ found.coefficients))
    # theirs counts an event from the next one on
    assert ours[:-1] == pytest.approx(their_hazard[1:], rel=1e-4)
    assert their_hazard[0] == 0


def test_without_predictors_the_baseline_is_nelson_aalen():
    weeks, event, placebo = times.leukaemia()
    found = cox.breslow(np.zeros(21), weeks[placebo], event[placebo])
    curve = survival.kaplan_meier(weeks[placebo], event[placebo])
    assert found.hazard == pytest.approx(np.cumsum(curve.events / curve.at_risk))
    assert found.at(np.array([0.5, 1, 99])) == pytest.approx([0, 2 / 21, found.hazard[-1]])


def test_predicted_survival_is_near_the_true_one():
    linear, time, event = times.drawn(5000)
    found = cox.fit(linear[:, None], time, event)
    assert found.coefficients[0] == pytest.approx(1, abs=3 * found.errors[0])
    places = np.array([-1, 0, 1.0])
    at = np.array([0.5, 1.0])
    true = np.exp(-np.exp(places)[:, None] * at)
    assert found.survival(places[:, None], at) == pytest.approx(true, abs=0.03)


def test_the_score_test_of_no_effect_is_the_log_rank_test():
    """U² / I at 0 with Breslow's ties, but for the ties' (n - d) / (n - 1): without ties both are one."""
    _, time, event = times.drawn(100)
    group = np.arange(100) % 2
    x = (group - group.mean())[:, None]
    terms = cox._Terms(time, event, "breslow")
    gradient, information = terms.derivatives(x, np.zeros(100))
    statistic = gradient[0] ** 2 / information[0, 0]
    assert statistic == pytest.approx(survival.log_rank(time, event, group).statistic)


@pytest.mark.parametrize(
    ("x", "event", "reason"),
    [
        ([[1], [2], [3], [4]], [0, 0, 0, 0], survival.NO_EVENT),
        ([[1], [1], [1], [1]], [1, 1, 1, 1], cox.DEPENDENT),
        ([[1, 2], [3, 6], [2, 4], [5, 10]], [1, 1, 1, 1], cox.DEPENDENT),
        ([[4], [3], [2], [1]], [1, 1, 1, 1], cox.NO_MAXIMUM),
    ],
)
def test_where_there_is_no_fit_there_is_a_reason(x, event, reason):
    found = cox.fit(np.array(x, float), np.arange(1, 5.0), np.array(event, bool))
    assert (found.reason, found.log_likelihood, len(found.coefficients)) == (reason, None, 0)
    assert (found.interval(0), found.p(0)) == (intervals.none(reason), None)
    with pytest.raises(ValueError, match="no fit"):
        found.survival(np.array(x, float), np.ones(1))


def test_a_ridge_has_a_fit_where_nothing_else_has():
    order = cox.fit(np.array([[4], [3], [2], [1.0]]), np.arange(1, 5.0), np.ones(4, bool), ridge=0.1)
    assert order.reason is None
    assert order.coefficients[0] > 0
    constant = cox.fit(np.ones((4, 1)), np.arange(1, 5.0), np.ones(4, bool), ridge=0.1)
    assert constant.coefficients[0] == 0


def test_extreme_risks_stay_finite():
    linear = np.array([1000, -1000, 0.0])
    assert np.isfinite(cox.partial_log_likelihood(linear, np.arange(1, 4.0), np.ones(3, bool)))


def test_no_event_has_no_likelihood_and_no_baseline():
    assert cox.partial_log_likelihood(np.zeros(2), np.ones(2), np.zeros(2, bool)) is None
    assert cox.breslow(np.zeros(2), np.ones(2), np.zeros(2, bool)).survival(np.zeros(1), np.ones(1)) == [[1]]


def test_faults_name_what_was_found():
    with pytest.raises(ValueError, match=r"predictors \(2, 1\) with 1 that are not finite"):
        cox.fit(np.array([[1], [np.nan]]), np.ones(2), np.ones(2, bool))
    with pytest.raises(ValueError, match="ridge -1"):
        cox.fit(np.ones((2, 1)), np.ones(2), np.ones(2, bool), ridge=-1)
    with pytest.raises(ValueError, match="ties 'exact'"):
        cox.fit(np.array([[1], [2.0]]), np.ones(2), np.ones(2, bool), ties="exact")
