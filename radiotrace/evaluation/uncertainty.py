"""Uncertainty: where several predictions of one case disagree, and whether that tells which cases are bad."""
import numpy as np
from scipy import special, stats


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
        return entropy(self.mean)

    @property
    def mutual_information(self) -> np.ndarray:
        """Entropy of the mean minus mean entropy, (z, y, x), in nats, 0 at least: what predictions disagree about.

        Source: Houlsby et al. 2011, arXiv:1112.5745; Gal et al. 2017, arXiv:1703.02910.
        """
        return np.maximum(self.entropy - self._entropy, 0)


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Shannon entropy over the first axis, in nats: 0 where one label is certain, log(labels) where all are alike."""
    return special.entr(probabilities).sum(0)


def case_score(uncertainty: np.ndarray, region: np.ndarray) -> float:
    """One number for a case: the mean over a region; 0 where it is empty, for nothing was found there to be unsure of."""
    return float(uncertainty[region].mean()) if region.any() else 0.0


def risk_coverage(scores: np.ndarray, risks: np.ndarray) -> np.ndarray:
    """Mean risk of the cases that are kept when the most uncertain are set aside, (n,): of the surest case, of the two surest, … of all.

    Args:
        scores: (n,), uncertainty of each case. Cases of one score are kept or set aside together: each gets their mean risk.
        risks: (n,), what went wrong, such as 1 - Dice.

    Source: El-Yaniv and Wiener 2010, JMLR 11:1605; Geifman and El-Yaniv 2017, arXiv:1705.08500.
    """
    _, group = np.unique(scores, return_inverse=True)
    mean_of_group = np.bincount(group, risks) / np.bincount(group)
    return np.cumsum(mean_of_group[np.sort(group)]) / np.arange(1, len(risks) + 1)


def aurc(scores: np.ndarray, risks: np.ndarray) -> float:
    """Mean of the risk-coverage curve: least where the scores rank as the risks do, the mean risk where they know nothing; NaN for no case."""
    return float(risk_coverage(scores, risks).mean()) if len(risks) else np.nan


def spearman(scores: np.ndarray, dice: np.ndarray) -> float:
    """Rank correlation of score and Dice, -1 at best; NaN for fewer than two cases or where either does not vary."""
    if len(dice) < 2 or not np.ptp(scores) > 0 < np.ptp(dice):
        return np.nan
    return float(np.corrcoef(stats.rankdata(scores), stats.rankdata(dice))[0, 1])


def auroc(scores: np.ndarray, poor: np.ndarray) -> float:
    """Chance that a poor case scores above one that is not, ties count half; NaN without a poor case or without another.

    Args:
        scores, poor: (n,), float and bool.
    """
    among, others = int(poor.sum()), int((~poor).sum())
    if not among or not others:
        return np.nan
    return float((stats.rankdata(scores)[poor].sum() - among * (among + 1) / 2) / (among * others))


def threshold(scores: np.ndarray, share: float) -> float:
    """The score above which a case goes to an expert, so that at most this share of the cases at hand does.

    Args:
        scores: (n,), of the validation part, one case at least.
    """
    kept = int(share * len(scores) + 1e-9)  # 0.29 * 100 is a little below 29
    return float(np.sort(scores)[::-1][min(kept, len(scores) - 1)])


def flagging(scores: np.ndarray, dice: np.ndarray, limit: float, poor_below: float) -> dict[str, float | int | None]:
    """What sending cases above a limit to an expert would have caught, and what it would have cost.

    Returns:
        flagged: cases above the limit; flagged_share of all; poor: cases below poor_below; caught: poor ones among the flagged;
        mean_dice_kept: of the others. None where there is nothing to take a share or a mean of.
    """
    flagged, poor = scores > limit, dice < poor_below
    return {"flagged": int(flagged.sum()), "flagged_share": float(flagged.mean()) if len(dice) else None, "poor": int(poor.sum()),
            "caught": int((flagged & poor).sum()), "mean_dice_kept": float(dice[~flagged].mean()) if (~flagged).any() else None}
