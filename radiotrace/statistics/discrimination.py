"""Discrimination: how well scores tell cases that have something from cases that do not.

What can be resampled takes `counts`, (n, …), how often each case is drawn, and gives (…), NaN where it is
undefined: so `intervals.interval` (with unit vectors as rows) and `resampling` take it as it is. What is for
a record gives None there. Cases are sorted once, so that everything is O(n log n).
"""

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from radiotrace.statistics import intervals


@dataclass(frozen=True)
class Curve:
    """Points of a ROC curve or of a precision-recall curve, one a distinct score, from the highest.

    Attributes:
        thresholds: (k,), a case counts as positive where its score is at least this. A ROC curve starts at
            infinity, where none does.
        x, y: (k,); ROC: 1 - specificity and sensitivity; precision-recall: recall and precision.
    """

    thresholds: np.ndarray
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Area:
    """An area under a ROC curve.

    Attributes:
        value: None where a class has no case.
        variance: by DeLong; None where a class has fewer than two independent cases.
        interval: logit-transformed, which stays within 0 and 1.
    """

    value: float | None
    variance: float | None
    interval: intervals.Interval
    n_positive: int
    n_negative: int


@dataclass(frozen=True)
class PairedAreas:
    """Two areas under ROC curves of the same cases.

    Attributes:
        difference: second minus first.
        error: standard error of the difference, 0 where both rank all cases alike.
        p: two-sided, that the areas are equal; 1 where the difference is 0 and has no error.
    """

    first: Area
    second: Area
    difference: float | None
    error: float | None
    interval: intervals.Interval
    p: float | None


def checked(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores as float64, and which cases are positive.

    Raises:
        ValueError: shapes differ, a score is NaN, or positive is not bool: whether 0 or 1 is the disease
            differs between data sets, and nobody but the caller knows.
    """
    scores, positive = np.asarray(scores, float), np.asarray(positive)
    faults = []
    if scores.ndim != 1 or scores.shape != positive.shape:
        faults.append(f"scores {scores.shape} and positive {positive.shape}, expected (n,) twice")
    if positive.dtype != bool:
        faults.append(f"positive is {positive.dtype}, expected bool")
    if np.isnan(scores).any():
        faults.append(f"{np.isnan(scores).sum()} scores are NaN")
    if faults:
        raise ValueError("; ".join(faults))
    return scores, positive


def tallies(
    scores: np.ndarray, positive: np.ndarray, counts: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct scores from the highest, (k,), and how many positive and negative cases have each, (k, …)."""
    scores, positive = checked(scores, positive)
    counts = np.ones(len(scores), int) if counts is None else np.asarray(counts)
    if not len(scores):
        empty = np.zeros((0, *counts.shape[1:]), int)
        return scores, empty, empty
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    drawn = counts[order]
    is_positive = positive[order].reshape(-1, *[1] * (drawn.ndim - 1))
    with_it = np.add.reduceat(drawn * is_positive, starts, axis=0)
    return ordered[starts], with_it, np.add.reduceat(drawn, starts, axis=0) - with_it


def areas(scores: np.ndarray, positive: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """Area under the ROC curve: the chance that a positive case scores above a negative one, ties count half.

    Args:
        scores, positive: (n,), float and bool.
        counts: (n, …), how often each case is drawn; None for once.

    Returns:
        (…), NaN where a class has no case.

    Source: Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747; Mann & Whitney 1947 over n+ n-.
    """
    _, with_it, without = tallies(scores, positive, counts)
    below = without.sum(0) - np.cumsum(without, 0)  # negatives that score less
    won = (with_it * (below + without / 2)).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return won / (with_it.sum(0) * without.sum(0).astype(float))


def auroc(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """As `areas`, of every case once; None where a class has no case."""
    return defined(areas(scores, positive))


def average_precisions(
    scores: np.ndarray, positive: np.ndarray, counts: np.ndarray | None = None
) -> np.ndarray:
    """Area under the precision-recall curve as average precision: Σ (R_i - R_{i-1}) P_i over distinct scores.

    No straight lines between points, which flatter. A score that knows nothing has the prevalence.

    Returns:
        (…), NaN without a positive case; 1 where all are positive.

    Source: Davis & Goadrich 2006, doi:10.1145/1143844.1143874, on why not to interpolate.
    """
    _, with_it, without = tallies(scores, positive, counts)
    hits, called = np.cumsum(with_it, 0), np.cumsum(with_it + without, 0)
    precision = hits / np.maximum(called, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (with_it * precision).sum(0) / np.asarray(with_it.sum(0), float)


def auprc(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """As `average_precisions`, of every case once; None without a positive case."""
    return defined(average_precisions(scores, positive))


def defined(value) -> float | None:
    """A number as records have it: None for NaN."""
    return None if np.isnan(value) else float(value)


def roc_curve(scores: np.ndarray, positive: np.ndarray) -> Curve | None:
    """(1 - specificity, sensitivity) at each distinct score, from (0, 0) to (1, 1); None where a class has
    no case."""
    thresholds, with_it, without = tallies(scores, positive)
    if not with_it.sum() or not without.sum():
        return None
    hits, alarms = np.cumsum(with_it), np.cumsum(without)
    return Curve(
        np.append(np.inf, thresholds), np.append(0.0, alarms / alarms[-1]), np.append(0.0, hits / hits[-1])
    )


def precision_recall_curve(scores: np.ndarray, positive: np.ndarray) -> Curve | None:
    """(recall, precision) at each distinct score; no point at recall 0, where precision is undefined, unless
    the highest score has no positive case. None without a positive case."""
    thresholds, with_it, without = tallies(scores, positive)
    if not with_it.sum():
        return None
    hits = np.cumsum(with_it)
    return Curve(thresholds, hits / hits[-1], hits / np.cumsum(with_it + without))


def delong(scores: np.ndarray, positive: np.ndarray, subjects=None, level: float = intervals.LEVEL) -> Area:
    """Area under the ROC curve with DeLong's variance and its interval on the logit scale.

    With the share of negatives that each positive case beats, V10, and of positives that beat each negative
    one, V01: variance S10 / n+ + S01 / n-, their sample variances. Where subjects have several cases, the
    components are summed by subject, and those of one subject in both classes vary together (Obuchowski); for
    one case a subject both are the same.

    Args:
        scores, positive: (n,), float and bool.
        subjects: (n,), whose each case is; None where all are independent.
        level: of confidence.

    Returns:
        An Area; no interval where the variance is undefined, or 0, as where all cases are told apart.

    Source: DeLong, DeLong & Clarke-Pearson 1988, doi:10.2307/2531595; fast by midranks, Sun & Xu 2014,
    doi:10.1109/LSP.2014.2337313; clusters: Obuchowski 1997, doi:10.2307/2533958; on the logit scale: Pepe
    2003, The statistical evaluation of medical tests, section 5.2.5.
    """
    return _area(*_components([scores], positive, subjects), positive, 0, level)


def delong_paired(
    first: np.ndarray, second: np.ndarray, positive: np.ndarray, subjects=None, level: float = intervals.LEVEL
) -> PairedAreas:
    """Difference of two areas under ROC curves on the same cases, second minus first, with its test.

    Args:
        first, second: (n,), two scores of each case.
        positive, subjects, level: as `delong`.

    Returns:
        PairedAreas; interval and p from the normal distribution of the difference over its standard error.
        difference is None where a class has no case; error, interval and p where one has fewer than two.

    Source: as `delong`.
    """
    values, covariance = _components([first, second], positive, subjects)
    one, other = (_area(values, covariance, positive, row, level) for row in (0, 1))
    if np.isnan(values).any():
        return PairedAreas(one, other, None, None, intervals.none(intervals.UNDEFINED), None)
    difference = float(values[1] - values[0])
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    if np.isnan(variance):
        return PairedAreas(one, other, difference, None, intervals.none(intervals.FRAGILE), None)
    # what is left of equal terms after subtraction is no variance
    error = float(np.sqrt(variance)) if variance > 1e-12 * max(covariance[0, 0], covariance[1, 1]) else 0.0
    if not error:
        same = 1.0 if abs(difference) < intervals.SAME else None
        return PairedAreas(one, other, difference, 0.0, intervals.none(intervals.NO_VARIANCE), same)
    reach = special.ndtri((1 + level) / 2) * error
    interval = intervals.Interval(max(difference - reach, -1.0), min(difference + reach, 1.0))
    p = float(2 * special.ndtr(-abs(difference) / error))
    return PairedAreas(one, other, difference, error, interval, p)


def _components(scores: list, positive: np.ndarray, subjects) -> tuple[np.ndarray, np.ndarray]:
    """Areas of each score, (s,), and their covariance, (s, s); NaN where undefined."""
    pairs = [checked(row, positive) for row in scores]
    positive = pairs[0][1]
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return np.full(len(scores), np.nan), np.full((len(scores), len(scores)), np.nan)
    among_all = np.stack([stats.rankdata(row) for row, _ in pairs])
    beaten = (among_all[:, positive] - [stats.rankdata(row[positive]) for row, _ in pairs]) / n_negative
    beating = (
        1 - (among_all[:, ~positive] - [stats.rankdata(row[~positive]) for row, _ in pairs]) / n_positive
    )
    values = beaten.mean(1)
    index = np.arange(len(positive)) if subjects is None else np.unique(subjects, return_inverse=True)[1]
    if len(index) != len(positive):
        raise ValueError(f"{len(index)} subjects for {len(positive)} cases")
    sums_with, n_with = _by_subject(beaten - values[:, None], index[positive], index.max() + 1)
    sums_without, n_without = _by_subject(beating - values[:, None], index[~positive], index.max() + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = (
            np.divide(n_with, n_with - 1) * (sums_with @ sums_with.T) / n_positive**2
            + np.divide(n_without, n_without - 1) * (sums_without @ sums_without.T) / n_negative**2
        )
    if n_with < 2 or n_without < 2:
        return values, np.full_like(covariance, np.nan)
    together, n = sums_with @ sums_without.T, index.max() + 1
    return values, covariance + n / (n - 1) * (together + together.T) / (n_positive * n_negative)


def _by_subject(components: np.ndarray, index: np.ndarray, n: int) -> tuple[np.ndarray, int]:
    """Sums of each subject, (s, n), and how many subjects have a case here."""
    return np.stack([np.bincount(index, row, n) for row in components]), len(np.unique(index))


def _area(values, covariance, positive, row: int, level: float) -> Area:
    n_positive = int(np.asarray(positive).sum())
    numbers = n_positive, len(positive) - n_positive
    value, variance = defined(values[row]), defined(covariance[row, row])
    if value is None:
        return Area(None, None, intervals.none(intervals.UNDEFINED), *numbers)
    if variance is None:
        return Area(value, None, intervals.none(intervals.FRAGILE), *numbers)
    if variance <= intervals.SAME**2 or not 0 < value < 1:
        return Area(value, variance, intervals.none(intervals.NO_VARIANCE), *numbers)
    centre = special.logit(value)
    reach = special.ndtri((1 + level) / 2) * np.sqrt(variance) / (value * (1 - value))
    low, high = special.expit([centre - reach, centre + reach])
    return Area(value, variance, intervals.Interval(float(low), float(high)), *numbers)
