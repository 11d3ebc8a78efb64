"""uncertainty: entropies by hand, and scores that know, do not know, and mislead."""

import numpy as np
import pytest
from scipy import stats

from radiotrace.statistics import uncertainty

LOG2 = np.log(2)


def passes(*predictions) -> uncertainty.Passes:
    """Predictions of one voxel."""
    found = uncertainty.Passes()
    for one in predictions:
        found.add(np.array(one, float)[:, None, None, None])
    return found


def test_predictions_that_agree_share_no_information():
    found = passes([0.5, 0.5], [0.5, 0.5])
    assert found.entropy.item() == pytest.approx(LOG2)
    assert found.mutual_information.item() == pytest.approx(0, abs=1e-12)


def test_sure_predictions_that_disagree_are_all_mutual_information():
    found = passes([1, 0], [0, 1])
    assert found.entropy.item() == found.mutual_information.item() == pytest.approx(LOG2)


# means .5 .5: log 2, minus the entropy of .9 .1
def test_in_between_by_hand():
    assert passes([0.9, 0.1], [0.1, 0.9]).mutual_information.item() == pytest.approx(
        LOG2 + 0.9 * np.log(0.9) + 0.1 * np.log(0.1)
    )


def test_the_mean_is_of_all_passes():
    found = passes([0.9, 0.1], [0.6, 0.4], [0.3, 0.7])
    assert found.mean.ravel() == pytest.approx([0.6, 0.4])
    assert found.number == 3


@pytest.mark.parametrize("labels", [2, 3, 7])
def test_entropy_has_its_maximum_where_all_labels_are_alike(labels):
    assert uncertainty.entropy(np.full((labels, 1), 1 / labels)).item() == pytest.approx(np.log(labels))


def test_certainty_has_no_entropy():
    assert uncertainty.entropy(np.array([[1.0], [0.0]])).item() == 0


def test_a_map_has_its_mean_over_the_region():
    maps, region = np.array([1.0, 3.0, 100.0]), np.array([True, True, False])
    assert uncertainty.mean_inside(maps, region) == 2
    assert uncertainty.mean_inside(maps, np.zeros(3, bool)) == 0


# label 1: 2 * (0.9 + 0.6) / (0.9 + 0.6 + 0.2 + 2); label 2: 2 * 0.8 / (0.8 + 0.1 + 1)
def test_the_score_is_one_minus_the_dice_that_probabilities_expect():
    of_1, of_2 = [0.9, 0.6, 0.2, 0.0], [0.0, 0.1, 0.0, 0.8]
    background = [1 - one - other for one, other in zip(of_1, of_2, strict=True)]
    found = uncertainty.expected_dice_loss(np.array([background, of_1, of_2]), np.array([1, 1, 0, 2]))
    assert found == pytest.approx(1 - (3 / 3.7 + 1.6 / 1.9) / 2)


def test_a_label_that_is_not_predicted_does_not_count():
    shares = np.array([[0.4, 0.6], [0.6, 0.1], [0.0, 0.3]])
    assert uncertainty.expected_dice_loss(shares, np.array([1, 0])) == pytest.approx(1 - 1.2 / 1.7)
    assert uncertainty.expected_dice_loss(shares, np.array([0, 0])) == 0


def test_one_who_is_sure_expects_no_loss():
    shares = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    assert uncertainty.expected_dice_loss(shares, np.array([0, 1, 1])) == 0


DICE = np.array([0.9, 0.5, 0.8, 0.7])


@pytest.mark.requirement("SRS-UNC-1")
def test_the_curve_by_hand():  # surest first: risks .1, .2, .5, .3
    found = uncertainty.risk_coverage(np.array([1, 3, 2, 4]), 1 - DICE)
    assert found == pytest.approx([0.1, 0.15, 0.8 / 3, 1.1 / 4])


def test_scores_that_are_equal_keep_no_order():  # whatever stands first in the list
    found = uncertainty.risk_coverage(np.zeros(4), 1 - DICE)
    assert found == pytest.approx(np.full(4, 1.1 / 4))


@pytest.mark.requirement("SRS-UNC-1")
def test_a_score_that_knows_is_best_and_one_that_is_upside_down_is_worst():
    risks, poor = 1 - DICE, DICE < 0.6
    assert uncertainty.aurc(risks, risks) == pytest.approx((0.1 + 0.15 + 0.2 + 0.275) / 4)
    assert uncertainty.aurc(risks, risks) < risks.mean() < uncertainty.aurc(-risks, risks)
    assert [uncertainty.spearman(sign * DICE, DICE) for sign in (-1, 1)] == pytest.approx([-1, 1])
    assert [uncertainty.auroc(sign * DICE, poor) for sign in (-1, 1)] == [1, 0]


def test_a_score_that_knows_nothing_is_as_good_as_chance():
    assert uncertainty.aurc(np.zeros(4), 1 - DICE) == pytest.approx((1 - DICE).mean())
    assert np.isnan(uncertainty.spearman(np.zeros(4), DICE))
    assert uncertainty.auroc(np.zeros(4), DICE < 0.75) == 0.5


@pytest.mark.requirement("SRS-UNC-1")
def test_rank_statistics_are_scipy_s():
    rng = np.random.default_rng(0)
    scores, dice = rng.integers(0, 9, 30).astype(float), rng.integers(0, 9, 30) / 9
    assert uncertainty.spearman(scores, dice) == pytest.approx(stats.spearmanr(scores, dice).statistic)
    poor = dice < 0.4
    assert uncertainty.auroc(scores, poor) == pytest.approx(
        stats.mannwhitneyu(scores[poor], scores[~poor]).statistic / (poor.sum() * (~poor).sum())
    )


@pytest.mark.parametrize("poor", [np.zeros(4, bool), np.ones(4, bool)], ids=["none is poor", "all are"])
def test_without_poor_cases_or_without_others_there_is_nothing_to_tell_apart(poor):
    assert np.isnan(uncertainty.auroc(-DICE, poor))


def test_no_cases_are_undefined():
    nothing = np.array([])
    assert np.isnan(
        [
            uncertainty.aurc(nothing, nothing),
            uncertainty.spearman(nothing, nothing),
            uncertainty.auroc(nothing, nothing > 0),
        ]
    ).all()


def of_subjects(scores, subject_of=None, share=0.1) -> uncertainty.Threshold:
    """The threshold of scores, of a subject each or of those given."""
    cases = [str(number) for number in range(len(scores))]
    return uncertainty.threshold(
        dict(zip(cases, scores, strict=True)), dict(zip(cases, subject_of or cases, strict=True)), share
    )


@pytest.mark.parametrize(
    ("n", "share", "above"),
    [  # ceil((1 - share)(n + 1)) of 0, 1, …, n - 1
        (19, 0.1, 17),
        (17, 0.1, 16),
        (9, 0.1, 8),
        (8, 0.1, None),
        (3, 0.25, 2),
        (2, 0.25, None),
        (4, 1.0, 0),
        (0, 0.5, None),
    ],
)
def test_the_threshold_is_the_split_conformal_quantile(n, share, above):
    assert of_subjects(np.arange(float(n)), share=share).above == above


@pytest.mark.parametrize(("n", "needed"), [(8, 9), (30, 9)])
def test_a_threshold_says_how_many_subjects_it_takes(n, needed):  # 1 / (9 + 1) is 10 %
    assert of_subjects(np.arange(float(n))).needed == needed


@pytest.mark.requirement("SRS-CAL-1")
@pytest.mark.parametrize("n", [9, 17, 25, 40])
# the guarantee, on skewed scores, 4,000 times
def test_of_new_subjects_no_more_than_the_aim_lies_above_on_average(n):
    rng = np.random.default_rng(n)
    shares = []
    for _ in range(4000):
        found = of_subjects(rng.lognormal(size=n))
        shares.append(1 - stats.lognorm.cdf(found.above, 1))
    assert np.mean(shares) == pytest.approx(found.share_expected, abs=0.005)
    assert found.share_expected <= 0.1
    inside = [found.share_ci95_low <= share <= found.share_ci95_high for share in shares]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


@pytest.mark.requirement("SRS-CAL-1")
# 20 images of 8 subjects do not suffice
def test_a_threshold_counts_subjects_and_not_their_images():
    found = of_subjects(np.arange(20.0), [f"s{number % 8}" for number in range(20)])
    assert (found.above, found.n_subjects, found.needed) == (None, 8, 9)


def test_the_highest_image_stands_for_its_subject():
    assert of_subjects([1, 5, 2, 3], ["a", "a", "b", "c"], share=0.5).above == 3  # of 2, 3, 5 the second


def test_a_share_that_the_guarantee_makes_likely_is_no_surprise_and_a_third_is():
    found = of_subjects(np.arange(17.0))  # above: 1 of 18 expected
    assert uncertainty.surprise(0, 35, found) == 1
    assert uncertainty.surprise(1, 35, found) > 0.6
    assert uncertainty.surprise(11, 35, found) == pytest.approx(stats.betabinom.sf(10, 35, 1, 17))
    assert uncertainty.surprise(11, 35, found) < 0.01


def test_without_a_threshold_nothing_surprises():
    assert uncertainty.surprise(3, 9, of_subjects([1.0])) is None


@pytest.mark.requirement("SRS-UNC-1")
def test_what_flagging_catches_and_costs():
    found = uncertainty.flagging(np.array([1, 9, 8, 2]), DICE, 5, 0.75)
    assert found == {"flagged": 2, "poor": 2, "caught": 1, "mean_dice_kept": pytest.approx(0.8)}


def test_flagging_everything_keeps_nothing():
    assert uncertainty.flagging(np.ones(4), DICE, 0, 0.75)["mean_dice_kept"] is None
