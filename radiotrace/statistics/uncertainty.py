"""Uncertainty: where several predictions of one case disagree, and whether that tells which cases are bad."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

SCORE = "expected_dice_loss"  # what a case is flagged by, as a feature of a single prediction is called


class Passes:
    """Predictions of one case, added one at a time; memory does not grow with their number.

    Attributes:
        number: of predictions so far.
        mean: (labels, z, y, x), their mean probabilities.
    """

    def __init__(self):
        self.number, self.mean, self._entropy = 0, 0.0, 0.0

    def add(self, probabilities: np.ndarray) -> None:
        """One more, (labels, z, y, x), which sums to 1 over the labels."""
        self.number += 1
        self.mean = self.mean + (probabilities - self.mean) / self.number
        self._entropy = self._entropy + (entropy(probabilities) - self._entropy) / self.number

    @property
    def entropy(self) -> np.ndarray:
        """Entropy of the mean, (z, y, x), in nats: all that is uncertain."""
        return entropy(np.asarray(self.mean))

    @property
    def mutual_information(self) -> np.ndarray:
        """Entropy of the mean minus mean entropy, (z, y, x), in nats, 0 at least: what predictions disagree
        about.

        Source: Houlsby et al. 2011, arXiv:1112.5745; Gal et al. 2017, arXiv:1703.02910.
        """
        return np.maximum(self.entropy - self._entropy, 0)


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Shannon entropy over the first axis, in nats: 0 where one label is certain, log(labels) where all
    are alike."""
    return special.entr(probabilities).sum(0)


def mean_inside(uncertainty: np.ndarray, region: np.ndarray) -> float:
    """The mean of a map over a region; 0 where it is empty, for nothing was found there to be unsure of."""
    return float(uncertainty[region].mean()) if region.any() else 0.0


def expected_dice_loss(probabilities: np.ndarray, predicted: np.ndarray) -> float:
    """One number for a case: 1 - the Dice that the probabilities expect of the prediction, by mean over the
    labels that are predicted.

    Entropy counts how much of the border is unsure, of which a large organ has more than a small one; this
    asks how much that matters to the overlap.

    Args:
        probabilities: (labels, z, y, x), which sum to 1 over the labels; the background comes first.
        predicted: label of each voxel, (z, y, x) integer.

    Returns:
        In [0, 1]; 0 where no label is predicted, for nothing was found there to be unsure of.

    Source: 1 - the soft Dice confidence of Borges et al. 2024, arXiv:2402.10665, label by label.
    """
    losses = []
    for label, probability in enumerate(probabilities[1:], 1):
        mask = predicted == label
        if mask.any():
            inside, whole = probability[mask].sum(dtype=np.float64), probability.sum(dtype=np.float64)
            losses.append(1 - 2 * inside / (whole + mask.sum()))
    return float(np.clip(np.mean(losses), 0, 1)) if losses else 0.0


def risk_coverage(scores: np.ndarray, risks: np.ndarray) -> np.ndarray:
    """Mean risk of the cases that are kept when the most uncertain are set aside, (n,): of the surest case,
    of the two surest, … of all.

    Args:
        scores: (n,), uncertainty of each case. Cases of one score are kept or set aside together: each gets
            their mean risk.
        risks: (n,), what went wrong, such as 1 - Dice.

    Source: El-Yaniv and Wiener 2010, JMLR 11:1605; Geifman and El-Yaniv 2017, arXiv:1705.08500.
    """
    _, group = np.unique(scores, return_inverse=True)
    mean_of_group = np.bincount(group, risks) / np.bincount(group)
    return np.cumsum(mean_of_group[np.sort(group)]) / np.arange(1, len(risks) + 1)


def aurc(scores: np.ndarray, risks: np.ndarray) -> float:
    """Mean of the risk-coverage curve: least where the scores rank as the risks do, the mean risk where
    they know nothing; NaN for no case."""
    return float(risk_coverage(scores, risks).mean()) if len(risks) else np.nan


def spearman(scores: np.ndarray, dice: np.ndarray) -> float:
    """Rank correlation of score and Dice, -1 at best; NaN for fewer than two cases or where either does
    not vary."""
    if len(dice) < 2 or not np.ptp(scores) > 0 < np.ptp(dice):
        return np.nan
    return float(np.corrcoef(stats.rankdata(scores), stats.rankdata(dice))[0, 1])


def auroc(scores: np.ndarray, poor: np.ndarray) -> float:
    """Chance that a poor case scores above one that is not, ties count half; NaN without a poor case or
    without another.

    Args:
        scores, poor: (n,), float and bool.
    """
    among, others = int(poor.sum()), int((~poor).sum())
    if not among or not others:
        return np.nan
    return float((stats.rankdata(scores)[poor].sum() - among * (among + 1) / 2) / (among * others))


@dataclass(frozen=True)
class Threshold:
    """The score above which a subject goes to an expert, and how well that is known.

    Attributes:
        above: the score; None where too few subjects were there for the share that was asked for.
        n_subjects: that it was set on. needed: the fewest on which it can be set.
        share_expected: of new subjects above it, the mean over all calibration sets of that many; at most the
            share asked for.
        share_ci95_low, share_ci95_high: where that share lies for 95 % of calibration sets.
    """

    above: float | None
    n_subjects: int
    needed: int
    share_expected: float | None
    share_ci95_low: float | None
    share_ci95_high: float | None


def threshold(scores: dict[str, float], subject_of: dict[str, str], share: float) -> Threshold:
    """Split-conformal threshold by subject: a subject is above it where one of its cases is.

    Of K subjects the k-th smallest score is taken, k = ceil((1 - share)(K + 1)). Where those and a new
    subject are drawn alike, the new one lies above with a chance of at most (K + 1 - k) / (K + 1) <= share,
    whatever the scores' distribution. That is a mean over calibration sets: of one set, the share above is a
    draw from Beta(K + 1 - k, k).

    Args:
        scores: case -> score, of the validation part.
        subject_of: case -> subject; the cases of one are not independent, and its highest score stands for
            it.
        share: of subjects that may lie above, in (0, 1].

    Source: Vovk et al. 2005, doi:10.1007/b106715; Vovk 2012, arXiv:1209.2673, for one set.
    """
    highest = {}
    for case, score in scores.items():
        highest[subject_of[case]] = max(score, highest.get(subject_of[case], -np.inf))
    number = len(highest)
    needed = math.ceil(1 / share - 1 - 1e-9)
    rank = max(math.ceil((1 - share) * (number + 1) - 1e-9), 1)  # 0.9 * 20 is a little above 18
    if not number or rank > number:
        return Threshold(None, number, max(needed, 1), None, None, None)
    above = number + 1 - rank
    low, high = stats.beta.ppf((0.025, 0.975), above, rank)
    return Threshold(
        float(sorted(highest.values())[rank - 1]),
        number,
        max(needed, 1),
        above / (number + 1),
        float(low),
        float(high),
    )


def surprise(flagged: int, n_subjects: int, threshold: Threshold) -> float | None:
    """Chance that so many new subjects or more lie above a threshold, had they been drawn like those that it
    was set on.

    Args:
        flagged, n_subjects: of them, those that lie above it, and all.

    Returns:
        A share, small where the new ones are unlike the old ones or the old ones unlike what they were drawn
        from; None where there is no threshold. Beta-binomial.
    """
    if threshold.above is None or threshold.share_expected is None or not n_subjects:
        return None
    above = round(threshold.share_expected * (threshold.n_subjects + 1))
    return float(stats.betabinom.sf(flagged - 1, n_subjects, above, threshold.n_subjects + 1 - above))


def flagging(
    scores: np.ndarray, dice: np.ndarray, limit: float, poor_below: float
) -> dict[str, float | int | None]:
    """What sending cases above a limit to an expert would have caught, and what it would have cost.

    Returns:
        flagged: cases above the limit; poor: cases below poor_below; caught: poor ones among the flagged;
            mean_dice_kept: of the others, None where there are none.
    """
    flagged, poor = scores > limit, dice < poor_below
    return {
        "flagged": int(flagged.sum()),
        "poor": int(poor.sum()),
        "caught": int((flagged & poor).sum()),
        "mean_dice_kept": float(dice[~flagged].mean()) if (~flagged).any() else None,
    }
