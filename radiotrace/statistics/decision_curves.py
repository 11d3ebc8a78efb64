"""Decision curves: whether acting on a probability does more good than acting on all cases, or on none.

The prevalence is that of the cases at hand: where they were sampled by class, so is every net benefit;
`probabilities.shift_priors` mends probabilities, `net_benefit` takes the prevalence that is meant.
"""

from dataclasses import dataclass

import numpy as np

from radiotrace.statistics import resampling
from radiotrace.statistics.operating_points import confusion
from radiotrace.statistics.probabilities import checked_probabilities
from radiotrace.statistics.survival import Groups, checked, flattened


@dataclass(frozen=True)
class Point:
    """Net benefits at one threshold, in true positives a case.

    Attributes:
        model, treat_all: of acting on cases of at least this probability, and on all; acting on none has 0.
        gain_over_all, gain_over_none: paired differences with their bootstrap intervals.
    """

    threshold: float
    model: float
    treat_all: float
    gain_over_all: resampling.Resampled
    gain_over_none: resampling.Resampled


def net_benefit(
    p: np.ndarray,
    positive: np.ndarray,
    thresholds: np.ndarray,
    counts: np.ndarray | None = None,
    prevalence: float | None = None,
) -> np.ndarray:
    """Net benefit TP / n - FP / n x t / (1 - t) of acting on cases with a probability of at least t.

    Args:
        p, positive: (n,), probability in [0, 1] and bool.
        thresholds: (k,), above 0 and below 1.
        counts: (n, …), how often each case is drawn; None for once.
        prevalence: where cases of each class were sampled apart: sensitivity x prevalence - (1 - specificity)
            x (1 - prevalence) x t / (1 - t). None: that of the cases.

    Returns:
        (k, …), NaN without a case, and with a prevalence where a class has none.

    Raises:
        ValueError: a threshold is not between 0 and 1, where it has no odds.

    Source: Vickers & Elkin 2006, doi:10.1177/0272989X06295361; prevalence: Vickers, Van Calster & Steyerberg
    2016, doi:10.1136/bmj.i6.
    """
    p, positive = checked_probabilities(p, positive)
    rows = []
    for threshold in _checked_thresholds(thresholds):
        c = confusion(p, positive, threshold, counts)
        rows.append(_benefit(c.tp, c.fp, c.tp + c.fn, c.fp + c.tn, threshold, prevalence))
    return np.array(rows)


def treat_all(
    positive: np.ndarray,
    thresholds: np.ndarray,
    counts: np.ndarray | None = None,
    prevalence: float | None = None,
) -> np.ndarray:
    """Net benefit of acting on every case, as `net_benefit`; 0 where the threshold is the prevalence."""
    return net_benefit(np.ones(len(positive)), positive, thresholds, counts, prevalence)


def _checked_thresholds(thresholds) -> np.ndarray:
    thresholds = np.asarray(thresholds, float)
    if not ((thresholds > 0) & (thresholds < 1)).all():
        raise ValueError(f"thresholds {thresholds.tolist()}, expected above 0 and below 1")
    return thresholds


def _benefit(tp, fp, n_positive, n_negative, threshold: float, prevalence: float | None) -> np.ndarray:
    odds = threshold / (1 - threshold)
    with np.errstate(invalid="ignore", divide="ignore"):
        if prevalence is None:
            return (tp - fp * odds) / np.asarray(n_positive + n_negative, float)
        hits, alarms = tp / np.asarray(n_positive, float), fp / np.asarray(n_negative, float)
        return hits * prevalence - alarms * (1 - prevalence) * odds


def curve(
    p: np.ndarray,
    positive: np.ndarray,
    thresholds: np.ndarray,
    plan: resampling.Plan,
    prevalence: float | None = None,
) -> list[Point]:
    """A decision curve with paired bootstrap intervals by subject; intervals hold at each threshold, not at
    all of them at once. [] without a case."""
    p, positive = checked_probabilities(p, positive)
    thresholds = _checked_thresholds(thresholds)

    def of_counts(counts):
        model = net_benefit(p, positive, thresholds, counts, prevalence)
        return np.stack([model - treat_all(positive, thresholds, counts, prevalence), model])

    return _points(of_counts, len(p), thresholds, plan)


def _points(of_counts, n: int, thresholds: np.ndarray, plan: resampling.Plan) -> list[Point]:
    """Of counts -> (2, k, …), what is gained over acting on all, and the net benefit."""
    if not n:
        return []
    drawn = resampling.resampled(of_counts, plan)
    whole = of_counts(np.ones(n, int))
    points = []
    for place, threshold in enumerate(thresholds):
        over_all, over_none = (
            resampling.of_values(whole[row, place], drawn[row, place], plan) for row in (0, 1)
        )
        model = float(whole[1, place])
        points.append(Point(float(threshold), model, model - float(whole[0, place]), over_all, over_none))
    return points


def net_benefit_by(
    p: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    horizon: float,
    thresholds: np.ndarray,
    counts: np.ndarray | None = None,
) -> np.ndarray:
    """Net benefit of acting on cases whose risk of an event by a horizon is at least t, where some are
    censored: of those, F have the event, by 1 - Kaplan-Meier among them, and 1 - F do not.

    Args:
        p: (n,), risk in [0, 1]. time, event: (n,), float and bool. horizon: in the unit of time.
        thresholds: (k,), above 0 and below 1. counts: (n, …), how often each case is drawn; None for once.

    Returns:
        (k, …), 0 where no case is acted on; NaN without a case.

    Source: Vickers et al. 2008, doi:10.1186/1472-6947-8-53.
    """
    time, event = checked(time, event)
    p, _ = checked_probabilities(p, event)
    counts = np.ones(len(time), int) if counts is None else np.asarray(counts)
    flat, groups = flattened(counts), Groups(time, event)
    rows = []
    for threshold in _checked_thresholds(thresholds):
        acted_on = flat * (p >= threshold)[:, None]
        left = groups.at(groups.product_limit(acted_on, of_events=True), horizon)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = acted_on.sum(0) / np.asarray(flat.sum(0), float)
        rows.append(share * ((1 - left) - left * threshold / (1 - threshold)))
    return np.array(rows).reshape(len(rows), *counts.shape[1:])


def curve_by(
    p: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    horizon: float,
    thresholds: np.ndarray,
    plan: resampling.Plan,
) -> list[Point]:
    """As `curve`, of the risk of an event by a horizon. [] without a case."""

    def of_counts(counts):
        model = net_benefit_by(p, time, event, horizon, thresholds, counts)
        on_all = net_benefit_by(np.ones(len(time)), time, event, horizon, thresholds, counts)
        return np.stack([model - on_all, model])

    return _points(of_counts, len(time), _checked_thresholds(thresholds), plan)


def gain(
    first: np.ndarray,
    second: np.ndarray,
    positive: np.ndarray,
    threshold: float,
    plan: resampling.Plan,
) -> resampling.Resampled:
    """Net benefit of the second model minus that of the first at one threshold, paired by subject."""

    def of_counts(counts):
        one, other = (net_benefit(p, positive, np.array([threshold]), counts)[0] for p in (first, second))
        return other - one

    return resampling.bootstrap(of_counts, plan)
