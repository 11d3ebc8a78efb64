"""probabilities: by hand, against scikit-learn and statsmodels, and where there is nothing to fit."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import special
from sklearn import calibration as theirs
from sklearn import metrics
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from radiotrace.statistics import probabilities


def drawn(n=500, seed=0, slope=1.0, intercept=0.0):
    """Logits, and outcomes that come with the probability of intercept + slope x logit."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(0, 1.5, n)
    return logit, rng.random(n) < special.expit(intercept + slope * logit)


def test_brier_and_log_loss_are_those_of_scikit_learn():
    logit, positive = drawn()
    p = special.expit(logit)
    assert probabilities.brier(p, positive) == pytest.approx(metrics.brier_score_loss(positive, p))
    assert probabilities.log_loss(p, positive) == pytest.approx(metrics.log_loss(positive, p))


def test_losses_by_hand_and_of_resamples():
    p, positive = np.array([0.9, 0.4]), np.array([True, True])
    assert probabilities.brier(p, positive) == pytest.approx((0.01 + 0.36) / 2)
    counts = np.array([[2, 0, 0], [0, 1, 0]])
    assert probabilities.brier(p, positive, counts) == pytest.approx([0.01, 0.36, np.nan], nan_ok=True)
    assert probabilities.log_loss(p, positive, counts)[:2] == pytest.approx(-np.log(p))


def test_a_certain_error_costs_much_and_not_infinitely_much():
    found = probabilities.log_loss(np.array([0.0, 1.0]), np.array([True, False]))
    assert found == pytest.approx(-np.log(1e-15))


@pytest.mark.parametrize(("bins", "strategy"), [("equal width", "uniform"), ("equal mass", "quantile")])
def test_rows_are_those_of_scikit_learn(bins, strategy):
    logit, positive = drawn()
    p = special.expit(logit)
    share, mean = theirs.calibration_curve(positive, p, n_bins=10, strategy=strategy)
    rows = probabilities.reliability(p, positive, 10, bins)
    assert [row.share for row in rows] == pytest.approx(share)
    assert [row.mean for row in rows] == pytest.approx(mean)
    assert sum(row.n for row in rows) == 500


def test_the_error_by_hand():  # bins of .1 .1 (one of two) and of .9 (it is)
    p, positive = np.array([0.1, 0.1, 0.9]), np.array([True, False, True])
    assert probabilities.expected_error(p, positive, 2, "equal width") == pytest.approx((2 * 0.4 + 0.1) / 3)


def test_bins_of_equal_mass_keep_equals_together():
    p = np.repeat([0.2, 0.7], [7, 3])
    rows = probabilities.reliability(p, np.arange(10) < 5, 5, "equal mass")
    assert [(row.n, row.low, row.high) for row in rows] == [(7, 0.2, 0.2), (3, 0.7, 0.7)]


@pytest.mark.parametrize("bins", ["equal width", "equal mass"])
def test_parts_of_a_brier_score_add_up(bins):
    logit, positive = drawn()
    p = special.expit(logit)
    parts = probabilities.decomposition(p, positive, 10, bins)
    assert parts.reliability - parts.resolution + parts.uncertainty + parts.within == pytest.approx(
        parts.brier
    )
    bin_of = probabilities._bin_of(p, 10, bins)
    hidden = 0.0
    for number in np.unique(bin_of):
        inside = bin_of == number
        hidden += inside.mean() * (p[inside].var() - 2 * np.cov(p[inside], positive[inside], ddof=0)[0, 1])
    assert parts.within == pytest.approx(hidden)


def test_a_forecast_of_few_values_hides_nothing():
    p = np.round(special.expit(drawn()[0]), 1)
    parts = probabilities.decomposition(p, drawn()[1], 10, "equal mass")
    exact = probabilities.decomposition(p, drawn()[1], 500, "equal mass")
    assert exact.within == pytest.approx(0, abs=1e-12)
    assert parts.uncertainty == exact.uncertainty


@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (0.5, 0.3), (2, -1)])
def test_line_and_intercept_are_those_of_statsmodels(slope, intercept):
    logit, positive = drawn(slope=slope, intercept=intercept)
    found = probabilities.recalibration(logit, positive)
    line = sm.GLM(positive, sm.add_constant(logit), sm.families.Binomial()).fit()
    assert (found.line.intercept, found.line.slope) == pytest.approx(line.params, rel=1e-6)
    assert (found.line.intercept_error, found.line.slope_error) == pytest.approx(line.bse, rel=1e-6)
    large = sm.GLM(positive, np.ones(len(logit)), sm.families.Binomial(), offset=logit).fit()
    assert found.in_the_large == pytest.approx(large.params[0], rel=1e-6)
    assert found.in_the_large_error == pytest.approx(large.bse[0], rel=1e-6)


def test_what_is_fitted_to_its_own_line_is_calibrated():
    logit, positive = drawn(slope=0.4, intercept=1)
    line = probabilities.recalibration(logit, positive).line
    mended = probabilities.recalibration(line.intercept + line.slope * logit, positive)
    assert (mended.in_the_large, mended.line.intercept) == pytest.approx((0, 0), abs=1e-8)
    assert mended.line.slope == pytest.approx(1)


def test_turning_the_labels_turns_the_intercept():
    logit, positive = drawn(slope=0.7, intercept=0.5)
    here, there = probabilities.recalibration(logit, positive), probabilities.recalibration(-logit, ~positive)
    assert there.line.slope == pytest.approx(here.line.slope)
    assert there.line.intercept == pytest.approx(-here.line.intercept)
    assert there.in_the_large == pytest.approx(-here.in_the_large)


@pytest.mark.parametrize(
    ("logit", "positive", "reason", "has_intercept"),
    [
        ([0, 1, 2, 3], [0, 0, 1, 1], probabilities.SEPARATED, True),
        ([0, 1, 1, 2], [0, 0, 1, 1], probabilities.SEPARATED, True),  # but for one place
        ([3, 2, 1, 0], [0, 0, 1, 1], probabilities.SEPARATED, True),
        ([1, 1, 1, 1], [0, 0, 1, 1], probabilities.CONSTANT, True),
        ([0, 1, 2, 3], [1, 1, 1, 1], probabilities.ONE_CLASS, False),
        ([], [], probabilities.ONE_CLASS, False),
        ([0, 1, 2, np.inf], [0, 1, 0, 1], probabilities.INFINITE, False),
    ],
)
def test_where_there_is_no_line_there_is_a_reason(logit, positive, reason, has_intercept):
    found = probabilities.recalibration(np.array(logit, float), np.array(positive, bool))
    assert (found.line.slope, found.line.intercept, found.line.reason) == (None, None, reason)
    assert (found.in_the_large is not None) == has_intercept


def test_overlap_of_one_pair_is_enough():
    found = probabilities.recalibration(np.array([0, 1, 2, 3.0]), np.array([0, 1, 0, 1], bool))
    theirs_ = sm.GLM([0, 1, 0, 1], sm.add_constant(np.arange(4.0)), sm.families.Binomial()).fit(tol=1e-12)
    assert (found.line.intercept, found.line.slope) == pytest.approx(theirs_.params, rel=1e-5)


def test_extreme_logits_still_have_an_intercept():
    """Σ expit(±60 + a) = 3 of 4 at a of about 60: one class is sure, half of the other comes."""
    logit, positive = np.array([60, 60, -60, -60.0]), np.array([1, 1, 1, 0], bool)
    found = probabilities.recalibration(logit, positive)
    assert found.in_the_large == pytest.approx(60)


@pytest.mark.parametrize("share", [0.3, 2 / 3, 0.75])
def test_lowess_is_that_of_statsmodels(share):
    rng = np.random.default_rng(0)
    x = rng.random(200)
    y = (rng.random(200) < x**2).astype(float)
    expected = sm.nonparametric.lowess(y, x, share, it=0, delta=0, return_sorted=False)
    assert probabilities.lowess(x, y, x, share) == pytest.approx(expected, abs=1e-6)


def test_lowess_of_a_line_is_the_line_and_of_one_place_the_mean():
    x = np.array([0, 1, 2, 5, 7.0])
    assert probabilities.lowess(x, 3 - 2 * x, x) == pytest.approx(3 - 2 * x)
    assert probabilities.lowess(np.ones(5), np.arange(5.0), np.ones(1)) == pytest.approx([2])
    x = np.array([0, 1, 1, 1, 1, 1, 1, 2.0])
    assert probabilities.lowess(x, np.arange(8.0), np.ones(1), 0.5) == pytest.approx([3.5])


def test_the_index_is_small_where_calibrated_and_the_gap_where_not():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.1, 0.9, 20_000)
    positive = rng.random(20_000) < p
    assert probabilities.smooth_calibration(p, positive).ici < 0.01
    shifted = probabilities.smooth_calibration(np.clip(p - 0.1, 0, 1), positive)
    assert shifted.ici == pytest.approx(0.1, abs=0.01)
    assert shifted.e50 <= shifted.e90 <= shifted.e_max
    assert probabilities.smooth_calibration(p[:1], positive[:1]) is None


def test_a_temperature_is_found_again():
    logit, positive = drawn(20_000, slope=0.5)
    assert probabilities.fit_temperature(logit, positive) == pytest.approx(2, rel=0.05)
    rows = np.random.default_rng(0).normal(0, 2, (20_000, 3))
    p = special.softmax(rows / 3, axis=1)
    labels = (np.random.default_rng(1).random(20_000)[:, None] > p.cumsum(1)).sum(1)
    temperature = probabilities.fit_temperature(rows, labels)
    assert temperature == pytest.approx(3, rel=0.05)
    assert probabilities.tempered(rows, temperature) == pytest.approx(
        special.softmax(rows / temperature, axis=1)
    )


def test_two_classes_have_the_temperature_of_their_difference():
    logit, positive = drawn(slope=0.6)
    both = np.stack([np.zeros_like(logit), logit], 1)
    one, other = probabilities.fit_temperature(logit, positive), probabilities.fit_temperature(both, positive)
    assert one == other
    assert probabilities.tempered(both, one)[:, 1] == pytest.approx(probabilities.tempered(logit, one))


class Scorer(LogisticRegression):
    """What scikit-learn takes for a classifier whose decision function is what it is given."""

    def __init__(self, n_classes):
        super().__init__()
        self.n_classes, self.classes_ = n_classes, np.arange(n_classes)
        self.coef_, self.intercept_ = np.zeros((1, 1)), np.zeros(1)

    def decision_function(self, x):
        return x[:, 0] if self.n_classes == 2 else x


def platt_of_scikit_learn(scores, labels, n_classes):
    x = scores[:, None] if scores.ndim == 1 else scores
    scorer = FrozenEstimator(Scorer(n_classes))
    return theirs.CalibratedClassifierCV(scorer, ensemble=False).fit(x, labels).predict_proba(x)


def test_platt_is_that_of_scikit_learn():
    logit, positive = drawn(300, slope=0.5, intercept=0.4)
    ours = probabilities.fit_platt(logit, positive)(logit)
    assert ours == pytest.approx(platt_of_scikit_learn(logit, positive.astype(int), 2)[:, 1], abs=1e-4)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    rows = rng.normal(np.eye(3)[labels] * 2, 1)
    ours = probabilities.fit_platt(rows, labels)(rows)
    assert ours == pytest.approx(platt_of_scikit_learn(rows, labels, 3), abs=1e-4)
    assert ours.sum(1) == pytest.approx(np.ones(300))


def test_platt_has_a_line_where_classes_are_apart_and_none_for_a_class_without_a_case():
    line = probabilities.fit_platt(np.arange(6.0), np.arange(6) > 2).lines[0]
    assert np.isfinite(line.slope)
    assert line.slope > 0
    # the targets are 4/5 and 1/5: they are met in the mean
    fitted = probabilities.fit_platt(np.arange(6.0), np.arange(6) > 2)(np.arange(6.0))
    assert fitted.sum() == pytest.approx(3 * 0.8 + 3 * 0.2)
    empty = probabilities.fit_platt(np.random.default_rng(0).normal(size=(9, 3)), np.repeat([0, 1], [5, 4]))
    assert empty.lines[2].reason == probabilities.ONE_CLASS
    with pytest.raises(ValueError, match="no line: all cases are of one class"):
        empty(np.zeros((2, 3)))


def test_priors_by_hand_and_back():  # odds 1 at a prevalence of 1/2 are 1/9 at 1/10
    assert probabilities.shift_priors(np.array([0.5]), 0.5, 0.1) == pytest.approx([0.1])
    p = np.array([0.0, 0.2, 0.9, 1.0])
    there = probabilities.shift_priors(p, 0.74, 0.625)
    assert probabilities.shift_priors(there, 0.625, 0.74) == pytest.approx(p)
    both = np.stack([1 - p, p], 1)
    assert probabilities.shift_priors(both, [0.26, 0.74], [0.375, 0.625])[:, 1] == pytest.approx(there)
    with pytest.raises(ValueError, match="prevalence after is 1"):
        probabilities.shift_priors(p, 0.5, 1.0)


def test_shifted_priors_mend_what_another_prevalence_broke():
    rng = np.random.default_rng(0)
    positive = rng.random(20_000) < 0.2
    x = rng.normal(positive * 1.0, 1)
    logit_at_half = x - 0.5  # log likelihood ratio of two normal classes
    shifted = probabilities.shift_priors(special.expit(logit_at_half), 0.5, 0.2)
    found = probabilities.recalibration(probabilities.logits(shifted), positive)
    assert found.in_the_large == pytest.approx(0, abs=0.05)
    assert probabilities.recalibration(logit_at_half, positive).in_the_large < -1


def test_nobody_is_undefined():
    empty = np.zeros(0), np.zeros(0, bool)
    assert np.isnan(probabilities.brier(*empty))
    assert probabilities.expected_error(*empty) is None
    assert probabilities.decomposition(*empty) is None
    assert probabilities.reliability(*empty) == []


def test_a_logit_is_no_probability():
    with pytest.raises(ValueError, match="1 probabilities lie outside 0 to 1"):
        probabilities.brier(np.array([0.5, 1.2]), np.array([True, False]))
