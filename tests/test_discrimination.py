"""discrimination, resampling: by definition, against scikit-learn, and what must not change them."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from radiotrace.statistics import discrimination, intervals, resampling, uncertainty


def drawn(n=300, seed=0, ties=True):
    """Scores of n cases and whether they are positive; some scores stand several times."""
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.4
    scores = rng.normal(positive * 1.0, 1)
    return (np.round(scores, 1) if ties else scores), positive


def pairs(scores, positive) -> np.ndarray:
    """1 where a positive case beats a negative one, 1/2 where they tie, (n+, n-)."""
    difference = scores[positive][:, None] - scores[~positive]
    return (difference > 0) + (difference == 0) / 2


@pytest.mark.parametrize("seed", range(5))
def test_auroc_is_the_share_of_pairs_that_are_won(seed):
    scores, positive = drawn(seed=seed)
    found = discrimination.auroc(scores, positive)
    assert found == pytest.approx(pairs(scores, positive).mean())
    assert found == pytest.approx(metrics.roc_auc_score(positive, scores))
    assert found == pytest.approx(uncertainty.auroc(scores, positive))


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_that_of_scikit_learn(seed):
    scores, positive = drawn(seed=seed)
    assert discrimination.auprc(scores, positive) == pytest.approx(
        metrics.average_precision_score(positive, scores)
    )


def test_average_precision_by_hand():  # ranks of the positives 1, 3: (1/1 + 2/3) / 2
    assert discrimination.auprc(np.array([4, 3, 2, 1.0]), np.array([1, 0, 1, 0], bool)) == pytest.approx(
        5 / 6
    )


def test_a_score_that_knows_nothing_has_a_half_and_the_prevalence():
    positive = np.arange(10) < 3
    assert discrimination.auroc(np.zeros(10), positive) == 0.5
    assert discrimination.auprc(np.zeros(10), positive) == pytest.approx(0.3)


def test_points_are_those_of_scikit_learn():
    scores, positive = drawn()
    found = discrimination.roc_curve(scores, positive)
    x, y, thresholds = metrics.roc_curve(positive, scores, drop_intermediate=False)
    assert (found.x, found.y, found.thresholds) == tuple(map(pytest.approx, (x, y, thresholds)))
    assert np.trapezoid(found.y, found.x) == pytest.approx(discrimination.auroc(scores, positive))
    found = discrimination.precision_recall_curve(scores, positive)
    precision, recall, thresholds = metrics.precision_recall_curve(positive, scores)
    # theirs goes up, and ends with a point that no threshold has
    assert found.y[::-1] == pytest.approx(precision[:-1])
    assert found.x[::-1] == pytest.approx(recall[:-1])
    assert found.thresholds[::-1] == pytest.approx(thresholds)


@pytest.mark.parametrize("seed", range(3))
def test_a_monotone_transform_changes_nothing(seed):
    scores, positive = drawn(seed=seed)
    for other in (3 * scores - 7, np.exp(scores), np.arctan(scores)):
        assert discrimination.auroc(other, positive) == discrimination.auroc(scores, positive)
        assert discrimination.auprc(other, positive) == discrimination.auprc(scores, positive)
        assert discrimination.delong(other, positive) == discrimination.delong(scores, positive)


@pytest.mark.parametrize("seed", range(3))
def test_turning_labels_or_scores_gives_one_minus_the_area(seed):
    scores, positive = drawn(seed=seed)
    area, turned = (discrimination.delong(scores, side) for side in (positive, ~positive))
    assert turned.value == pytest.approx(1 - area.value)
    assert turned.variance == pytest.approx(area.variance)
    assert turned.interval.bounds == pytest.approx([1 - end for end in area.interval.bounds[::-1]])
    assert discrimination.auroc(-scores, positive) == pytest.approx(1 - area.value)


def test_the_order_of_cases_changes_nothing():
    scores, positive = drawn()
    order = np.random.default_rng(1).permutation(len(scores))
    assert discrimination.auroc(scores[order], positive[order]) == discrimination.auroc(scores, positive)
    assert discrimination.auprc(scores[order], positive[order]) == discrimination.auprc(scores, positive)


def by_definition(first, second, positive):
    """Covariance of two areas out of all pairs, as DeLong 1988 writes it."""
    one, other = pairs(first, positive), pairs(second, positive)
    with_it = np.cov(one.mean(1), other.mean(1))
    without = np.cov(one.mean(0), other.mean(0))
    return with_it / positive.sum() + without / (~positive).sum()


@pytest.mark.parametrize("seed", range(3))
def test_delong_is_its_definition(seed):
    first, positive = drawn(seed=seed)
    second = np.round(first + np.random.default_rng(seed + 10).normal(0, 0.5, len(first)), 1)
    covariance = by_definition(first, second, positive)
    found = discrimination.delong_paired(first, second, positive)
    assert found.first.variance == pytest.approx(covariance[0, 0])
    assert found.second.variance == pytest.approx(covariance[1, 1])
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert found.error == pytest.approx(error)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(found.difference) / error))
    low, high = found.interval.bounds
    assert (low + high) / 2 == pytest.approx(found.difference)
    assert (high - low) / 2 == pytest.approx(1.959964 * error)


def test_a_pair_turned_around_has_the_same_test():
    first, positive = drawn()
    second = first + np.random.default_rng(3).normal(0, 1, len(first))
    there, back = (discrimination.delong_paired(*two, positive) for two in ((first, second), (second, first)))
    assert there.difference == -back.difference
    assert there.p == pytest.approx(back.p)


def test_the_same_ranks_differ_by_nothing():
    scores, positive = drawn()
    found = discrimination.delong_paired(scores, np.exp(scores), positive)
    assert (found.difference, found.error, found.p) == (0, 0, 1)
    assert found.interval == intervals.none(intervals.NO_VARIANCE)


@pytest.mark.requirement("SRS-CLS-2")
def test_subjects_of_one_case_are_independent_cases():
    scores, positive = drawn()
    apart = discrimination.delong(scores, positive, np.arange(len(scores)))
    assert apart.variance == pytest.approx(discrimination.delong(scores, positive).variance)


@pytest.mark.requirement("SRS-CLS-2")
def test_copies_of_a_case_say_nothing_more():  # only n / (n - 1) of clusters remains
    scores, positive = drawn()
    once = discrimination.delong(scores, positive)
    twice = [np.tile(side, 2) for side in (scores, positive, np.arange(len(scores)))]
    assert discrimination.delong(*twice).variance == pytest.approx(once.variance)
    assert discrimination.delong(*twice[:2]).variance < 0.6 * once.variance


def test_the_interval_covers():
    """1,000 samples of 40 and 60 normal cases a standard deviation apart; the area is Φ(1/√2)."""
    true, rng = stats.norm.cdf(1 / np.sqrt(2)), np.random.default_rng(0)
    positive = np.arange(100) < 40
    covered = 0
    for _ in range(1000):
        low, high = discrimination.delong(rng.normal(positive, 1), positive).interval.bounds
        covered += low <= true <= high
    assert 930 <= covered <= 970


def test_one_class_is_undefined_and_not_a_number():
    for positive in (np.ones(4, bool), np.zeros(4, bool), np.zeros(0, bool)):
        scores = np.arange(len(positive), dtype=float)
        area = discrimination.delong(scores, positive)
        assert (discrimination.auroc(scores, positive), area.value, area.variance) == (None, None, None)
        assert area.interval == intervals.none(intervals.UNDEFINED)
        assert discrimination.roc_curve(scores, positive) is None
        assert discrimination.delong_paired(scores, scores, positive).difference is None
    assert discrimination.auprc(np.ones(4), np.zeros(4, bool)) is None
    assert discrimination.auprc(np.arange(4.0), np.ones(4, bool)) == 1


def test_one_case_of_a_class_has_an_area_and_no_variance():
    area = discrimination.delong(np.array([1, 2, 3.0]), np.array([0, 0, 1], bool))
    assert (area.value, area.variance, area.interval.no_interval) == (1, None, intervals.FRAGILE)
    paired = discrimination.delong_paired(*[np.array([1, 2, 3.0])] * 2, np.array([0, 0, 1], bool))
    assert (paired.difference, paired.error, paired.p) == (0, None, None)


def test_all_told_apart_have_no_interval():
    area = discrimination.delong(np.arange(20.0), np.arange(20) >= 10)
    assert (area.value, area.variance, area.interval.no_interval) == (1, 0, intervals.NO_VARIANCE)


def test_all_faults_of_the_arrays_are_named():
    with pytest.raises(ValueError, match=r"scores \(2,\) and positive \(3,\).*int64.*1 scores are NaN"):
        discrimination.auroc(np.array([1, np.nan]), np.array([0, 1, 1]))


@pytest.mark.parametrize("statistic", [discrimination.areas, discrimination.average_precisions])
def test_counts_are_cases_that_stand_several_times(statistic):
    scores, positive = drawn(50)
    counts = np.random.default_rng(0).integers(0, 3, (50, 4))
    found = statistic(scores, positive, counts)
    assert found.shape == (4,)
    for column, value in zip(counts.T, found, strict=True):
        assert value == pytest.approx(
            float(statistic(np.repeat(scores, column), np.repeat(positive, column)))
        )


def test_a_resample_without_a_class_is_nan():
    counts = np.array([[1, 0, 1], [0, 1, 1]])
    found = discrimination.areas(np.array([1.0, 0.0]), np.array([True, False]), counts)
    assert np.isnan(found).tolist() == [True, True, False]


def test_a_jackknife_comes_near_delong():
    scores, positive = drawn()
    found = resampling.jackknife(
        lambda counts: discrimination.areas(scores, positive, counts), np.arange(len(scores))
    )
    assert found.bounds == pytest.approx(discrimination.delong(scores, positive).interval.bounds, abs=0.002)
    nobody = resampling.jackknife(lambda counts: counts.sum(0), np.zeros(0))
    assert nobody == intervals.none(intervals.UNDEFINED)


def of_pairs(n=200, seed=0):
    """A positive and a negative case of each subject, alike by more than half, and whose they are."""
    rng = np.random.default_rng(seed)
    subjects, positive = np.repeat(np.arange(n), 2), np.tile([True, False], n)
    return np.repeat(rng.normal(0, 1.2, n), 2) + rng.normal(positive * 1.0, 1), positive, subjects


@pytest.mark.requirement("SRS-CLS-2")
def test_subjects_with_cases_of_both_classes_vary_as_their_jackknife_says():
    scores, positive, subjects = of_pairs()
    found = discrimination.delong(scores, positive, subjects)
    whole = resampling.jackknife(lambda counts: discrimination.areas(scores, positive, counts), subjects)
    assert found.interval.bounds == pytest.approx(whole.bounds, abs=0.003)
    # a subject's share in both classes goes: the difference within it is surer than that of strangers
    assert found.variance < 0.8 * discrimination.delong(scores, positive).variance


def test_a_bootstrap_comes_near_delong_and_repeats():
    scores, positive = drawn()
    plan = resampling.Plan(np.arange(300), seed=1, strata=positive)
    found = resampling.bootstrap(lambda counts: discrimination.areas(scores, positive, counts), plan)
    again = resampling.bootstrap(lambda counts: discrimination.areas(scores, positive, counts), plan)
    assert found == again
    assert found.value == pytest.approx(discrimination.auroc(scores, positive))
    assert found.interval.bounds == pytest.approx(
        discrimination.delong(scores, positive).interval.bounds, abs=0.01
    )
    assert (found.n_subjects, found.n_resamples, found.n_undefined) == (300, 2000, 0)


def test_the_size_of_a_block_changes_no_draw(monkeypatch):
    plan = resampling.Plan(np.repeat(np.arange(7), 3), 5, 100, np.repeat([0, 1, 0, 0, 1, 1, 0], 3))
    whole = np.concatenate(list(resampling.counts(plan)), 1)
    monkeypatch.setattr(resampling, "BLOCK", 21 * 13)
    assert len(list(resampling.counts(plan))) == 8
    assert (np.concatenate(list(resampling.counts(plan)), 1) == whole).all()


@pytest.mark.requirement("SRS-CLS-2")
def test_subjects_are_drawn_whole_and_strata_keep_their_size():
    subjects, strata = np.array(list("abbcccd")), np.array([0, 1, 1, 0, 0, 0, 1])
    drawn_counts = np.concatenate(list(resampling.counts(resampling.Plan(subjects, 0, 50, strata))), 1)
    assert (drawn_counts[1] == drawn_counts[2]).all()
    assert (drawn_counts[3] == drawn_counts[5]).all()
    assert (drawn_counts[0] + drawn_counts[3] == 2).all()  # a and c
    assert (drawn_counts[1] + drawn_counts[6] == 2).all()  # b and d
    assert len(np.unique(drawn_counts, axis=1).T) > 3


def test_undefined_resamples_are_counted_and_too_many_leave_no_interval():
    scores, positive = drawn(60)
    positive[:] = np.arange(60) < 1
    found = resampling.bootstrap(
        lambda counts: discrimination.areas(scores, positive, counts), resampling.Plan(np.arange(60), 0)
    )
    assert 0.33 < found.n_undefined / 2000 < 0.40  # (59/60)^60 = 0.365
    assert found.interval.no_interval == f"undefined in {found.n_undefined} of 2000 resamples"
    few = resampling.bootstrap(lambda counts: counts[0] * 1.0, resampling.Plan(np.arange(49), 0))
    assert few.interval.no_interval == "fewer than 50 subjects"


def test_a_subject_in_two_strata_is_a_fault():
    with pytest.raises(ValueError, match="1 cases are in another stratum"):
        next(resampling.counts(resampling.Plan(np.array([1, 1]), 0, 10, np.array([0, 1]))))


def test_strata_of_subjects():
    found = resampling.strata_of(np.array([1, 1, 2, 3]), np.array([False, True, False, True]))
    assert found.tolist() == [True, True, False, True]


def test_a_paired_bootstrap_of_the_same_scores_has_no_width():
    scores, positive = drawn()
    found = resampling.bootstrap(
        lambda counts: (
            discrimination.areas(scores, positive, counts) - discrimination.areas(scores, positive, counts)
        ),
        resampling.Plan(np.arange(300), 0, 50),
    )
    assert (found.value, found.interval.no_interval) == (0, intervals.NO_VARIANCE)
