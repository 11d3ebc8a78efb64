"""operating_points: by hand, against scikit-learn and statsmodels, thresholds against all candidates."""

import numpy as np
import pytest
from sklearn import metrics
from statsmodels.stats.proportion import proportion_confint

from radiotrace.statistics import intervals
from radiotrace.statistics import operating_points as points


def drawn(n=200, seed=0):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.4
    return np.round(rng.normal(positive * 1.0, 1), 1), positive


# of 100: 40 positive, of whom 30 are called so, and 60 others, of whom 12 are
SCORES = np.repeat([1.0, 0.0, 1.0, 0.0], [30, 10, 12, 48])
POSITIVE = np.repeat([True, True, False, False], [30, 10, 12, 48])


def test_all_measures_by_hand():
    found = points.at(SCORES, POSITIVE, 0.5)
    expected = {
        "sensitivity": 0.75,
        "specificity": 0.8,
        "ppv": 30 / 42,
        "npv": 48 / 58,
        "f1": 60 / 82,
        "accuracy": 0.78,
        "balanced_accuracy": 0.775,
        "matthews": (30 * 48 - 12 * 10) / (42 * 40 * 60 * 58) ** 0.5,
        "likelihood_ratio_positive": 0.75 / 0.2,
        "likelihood_ratio_negative": 0.25 / 0.8,
    }
    assert {name: measure.value for name, measure in found.measures.items()} == pytest.approx(expected)


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.5, 1.2])
def test_measures_are_those_of_scikit_learn(threshold):
    scores, positive = drawn()
    called = scores >= threshold
    found = {name: row.value for name, row in points.at(scores, positive, threshold).measures.items()}
    assert found["matthews"] == pytest.approx(metrics.matthews_corrcoef(positive, called))
    assert found["f1"] == pytest.approx(metrics.f1_score(positive, called))
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(positive, called))
    ratios = metrics.class_likelihood_ratios(positive, called)
    assert found["likelihood_ratio_positive"] == pytest.approx(ratios[0])
    assert found["likelihood_ratio_negative"] == pytest.approx(ratios[1])


@pytest.mark.parametrize(("method", "theirs"), [("wilson", "wilson"), ("exact", "beta")])
@pytest.mark.parametrize(("hits", "units"), [(0, 9), (3, 9), (9, 9), (390, 624)])
def test_shares_have_the_intervals_of_statsmodels(method, theirs, hits, units):
    low, high = proportion_confint(hits, units, method=theirs)
    found = points.share_interval(hits, units, method)
    assert found.bounds == pytest.approx((low if hits else 0, high if hits < units else 1), abs=1e-12)


def test_newcombe_s_example():  # 1998, doi:10.1002/sim.840, Table I, method 3 and 5: 81 of 263
    assert points.share_interval(81, 263).bounds == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert points.share_interval(81, 263, "exact").bounds == pytest.approx((0.2527, 0.3676), abs=1e-4)


def test_the_interval_of_a_likelihood_ratio_by_hand():
    low, high = points.at(SCORES, POSITIVE, 0.5).measures["likelihood_ratio_positive"].interval.bounds
    error = (1 / 30 - 1 / 40 + 1 / 12 - 1 / 60) ** 0.5
    assert (low, high) == pytest.approx((3.75 * np.exp(-1.959964 * error), 3.75 * np.exp(1.959964 * error)))


@pytest.mark.requirement("SRS-CLS-2")
def test_cases_of_one_subject_widen_intervals_and_take_those_of_likelihood_ratios():
    subjects = np.arange(100) // 2
    alone, together = (points.at(SCORES, POSITIVE, 0.5, whose) for whose in (None, subjects))
    for name in points.SHARES:
        one, other = (np.ptp(found.measures[name].interval.bounds) for found in (alone, together))
        assert other > 1.2 * one
    assert together.measures["likelihood_ratio_positive"].interval.no_interval == intervals.NOT_SHOWN
    assert alone.measures == points.at(SCORES, POSITIVE, 0.5, np.arange(100)).measures


def test_what_is_undefined_is_none():
    none_called = points.at(SCORES, POSITIVE, 2).measures
    assert {name for name, row in none_called.items() if row.value is None} == {
        "ppv",
        "matthews",
        "likelihood_ratio_positive",
    }
    assert none_called["ppv"].interval == intervals.none(intervals.UNDEFINED)
    one_class = points.at(SCORES[POSITIVE], POSITIVE[POSITIVE], 0.5).measures
    assert (one_class["sensitivity"].value, one_class["specificity"].value) == (0.75, None)
    nobody = points.at(np.zeros(0), np.zeros(0, bool), 0.5).measures
    assert all(row.value is None and row.interval.no_interval for row in nobody.values())


def test_an_infinite_ratio_is_none():
    found = points.at(np.array([1, 1, 0.0]), np.array([1, 1, 0], bool), 0.5).measures
    assert found["likelihood_ratio_positive"].value is None
    assert found["likelihood_ratio_negative"].value == 0
    assert found["likelihood_ratio_negative"].interval == intervals.none(intervals.UNDEFINED)


def test_resampled_measures_are_those_of_repeated_cases():
    scores, positive = drawn(60)
    counts = np.random.default_rng(0).integers(0, 3, (60, 3))
    for name in points.MEASURES:
        found = points.values(name, scores, positive, 0.5)(counts)
        for column, value in zip(counts.T, found, strict=True):
            again = points.measured(name, np.repeat(scores, column), np.repeat(positive, column), 0.5)
            assert value == pytest.approx(again)


def candidates(scores, positive):
    """Threshold, sensitivity and specificity of every candidate, from the lowest."""
    rows = [(t, (scores[positive] >= t).mean(), (scores[~positive] < t).mean()) for t in np.unique(scores)]
    return np.array([*rows, (np.inf, 0.0, 1.0)])


@pytest.mark.parametrize("seed", range(5))
def test_thresholds_are_the_best_of_all_candidates(seed):
    scores, positive = drawn(seed=seed)
    t, sensitivity, specificity = candidates(scores, positive).T
    share = positive.mean()
    merits = {
        points.Rule("youden"): sensitivity + specificity,
        points.Rule("accuracy"): sensitivity * share + specificity * (1 - share),
        points.Rule("sensitivity", least=0.9): np.where(sensitivity >= 0.9, specificity, -1),
        points.Rule("specificity", least=0.9): np.where(specificity >= 0.9, sensitivity, -1),
        points.Rule("cost", ratio=3): -(3 * share * (1 - sensitivity) + (1 - share) * (1 - specificity)),
    }
    for rule, merit in merits.items():
        best = np.flatnonzero(merit >= merit.max() - 1e-9)
        found = points.choose(scores, positive, rule)
        place = best[-1] if rule.name == "specificity" else best[0]
        assert (found.threshold, found.n_equal) == (t[place], len(best)), rule
        assert (found.sensitivity, found.specificity) == pytest.approx(
            (sensitivity[place], specificity[place])
        )
        again = points.at(scores, positive, found.threshold).measures
        assert again["sensitivity"].value == pytest.approx(found.sensitivity)
        assert again["specificity"].value == pytest.approx(found.specificity)


def test_ties_are_settled_as_the_rule_says():
    # 3: 1/2 and 1; 2: 1/2 and 1/2; 1: 1 and 1/2; 0: 1 and 0
    scores, positive = np.array([3, 2, 1, 0.0]), np.array([1, 0, 1, 0], bool)
    youden = points.choose(scores, positive, points.Rule("youden"))
    assert (youden.threshold, youden.n_equal) == (1, 2)
    specific = points.choose(scores, positive, points.Rule("specificity", least=0.5))
    assert (specific.threshold, specific.sensitivity) == (1, 1)
    # a share of 0.7 of ten is seven, though 0.7 * 10 is more in floating point
    ten = np.arange(20.0), np.arange(20) >= 10
    assert points.choose(ten[0][::-1], ten[1], points.Rule("sensitivity", least=0.7)).sensitivity >= 0.7
    highest = points.choose(np.zeros(4), positive, points.Rule("specificity", least=1))
    assert (highest.threshold, highest.sensitivity, highest.specificity) == (np.inf, 0, 1)


def test_a_dearer_miss_lowers_the_threshold():
    scores, positive = drawn()
    found = [
        points.choose(scores, positive, points.Rule("cost", ratio=ratio)).threshold for ratio in (0.2, 1, 5)
    ]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 3
    assert found[1] == points.choose(scores, positive, points.Rule("accuracy")).threshold


def test_one_class_has_no_threshold_and_a_reason():
    found = points.choose(np.arange(3.0), np.ones(3, bool), points.Rule("youden"))
    assert (found.threshold, found.reason) == (
        None,
        "3 positive and 0 negative cases, expected one of each at least",
    )


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [(("best",), "rule 'best'"), (("sensitivity",), "at least nan"), (("cost",), "a miss costs nan")],
)
def test_a_rule_that_lacks_its_number_is_a_fault(arguments, fault):
    with pytest.raises(ValueError, match=fault):
        points.Rule(*arguments)
