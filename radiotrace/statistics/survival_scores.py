"""Scores of predicted survival: how far the chance of no event by a time is from what happens.

Cases that are censored by a time say nothing of it; those that are seen are weighted by 1 / G, the inverse of
their chance of being uncensored, which holds where censoring depends on nothing.
"""

from dataclasses import dataclass

import numpy as np

from radiotrace.statistics import cox, intervals
from radiotrace.statistics.survival import NOT_SEEN, Groups, checked, flattened, kaplan_meier


def briers(
    survival: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    horizons: np.ndarray,
    counts: np.ndarray | None = None,
) -> np.ndarray:
    """Brier score at each horizon: mean of S² / G(t-) of who had the event by then and (1 - S)² / G(h) of who
    is beyond it.

    Args:
        survival: (n, k), predicted chance of no event by each horizon. time, event: (n,).
        horizons: (k,), in the unit of time.
        counts: (n, …), how often each case is drawn; None for once.

    Returns:
        (k, …), NaN beyond the last time, where G is unknown or 0, and without a case.

    Source: Graf et al. 1999, doi:10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5.
    """
    time, event = checked(time, event)
    survival, horizons = np.asarray(survival, float), np.asarray(horizons, float)
    if survival.shape != (len(time), len(horizons)):
        raise ValueError(f"survival {survival.shape}, expected {(len(time), len(horizons))}")
    if not ((survival >= 0) & (survival <= 1)).all():
        raise ValueError("survival lies outside 0 to 1")
    counts = np.ones(len(time), int) if counts is None else np.asarray(counts)
    flat = flattened(counts)
    groups = Groups(time, event)
    before, after = groups.still_observed(flat)
    rows = []
    for column, horizon in zip(survival.T, horizons, strict=True):
        ended, beyond = (event & (time <= horizon))[:, None], (time > horizon)[:, None]
        here = groups.at(after, float(horizon))
        weights = np.divide(flat * ended, before, out=np.zeros(flat.shape), where=before > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            left = (column[:, None] - 1) ** 2 * flat * beyond
            lost = (column**2)[:, None] * weights
            scores = (lost.sum(0) + np.where(left.sum(0) > 0, left.sum(0) / here, 0.0)) / flat.sum(0)
        seen = (flat * (time >= horizon)[:, None]).sum(0) > 0
        rows.append(np.where(seen & (here > 0), scores, np.nan))
    return np.array(rows).reshape(len(horizons), *counts.shape[1:])


def integrated(values: np.ndarray, horizons: np.ndarray) -> np.ndarray:
    """Mean over time of values at horizons, (k, …) -> (…), by trapezoids; such as the integrated Brier score.
    NaN where any is, and for fewer than two horizons."""
    values, horizons = np.asarray(values, float), np.asarray(horizons, float)
    if len(horizons) < 2:
        return np.full(values.shape[1:], np.nan)
    if not (np.diff(horizons) > 0).all():
        raise ValueError(f"horizons {horizons.tolist()}, expected to rise")
    return np.trapezoid(values, horizons, axis=0) / (horizons[-1] - horizons[0])


def without_predictors(time: np.ndarray, event: np.ndarray, horizons: np.ndarray) -> np.ndarray:
    """What Kaplan-Meier predicts for every case, (n, k): the score to beat, as `briers` takes it. NaN beyond
    the last time, which `briers` refuses."""
    found = kaplan_meier(time, event)
    row = [found.at(float(horizon)) for horizon in horizons]
    return np.tile(np.array(row, float), (len(time), 1))


@dataclass(frozen=True)
class Row:
    """Cases of similar predicted risk at a horizon.

    Attributes:
        predicted: mean predicted risk, 1 - survival.
        observed: 1 - Kaplan-Meier; None where nobody of them was followed so long.
        interval: of observed, log-log.
    """

    n: int
    n_events: int
    predicted: float
    observed: float | None
    interval: intervals.Interval


@dataclass(frozen=True)
class AtHorizon:
    """Calibration of predicted survival at a horizon.

    Attributes:
        rows: from the lowest risk.
        predicted, observed: mean predicted risk, and 1 - Kaplan-Meier of all cases.
        ratio: observed over predicted, 1 at best, with its interval; None where undefined.
        slope, slope_error: of a Cox model on log(-log S), 1 at best, below 1 where predictions are too
            extreme; None where there is no fit, slope_reason says why.
    """

    rows: tuple[Row, ...]
    predicted: float | None
    observed: float | None
    ratio: float | None
    ratio_interval: intervals.Interval
    slope: float | None
    slope_error: float | None
    slope_reason: str | None


def at_horizon(
    survival: np.ndarray, time: np.ndarray, event: np.ndarray, horizon: float, n_groups: int = 5
) -> AtHorizon:
    """Calibration at a horizon: groups of similar risk, all together, and the slope.

    Args:
        survival: (n,), predicted chance of no event by the horizon. Equals stay in one group.
        horizon: in the unit of time; later times are censored there for the slope.

    Source: Austin, Harrell & van Klaveren 2020, doi:10.1002/sim.8570; ratio and slope: McLernon et al. 2023,
    doi:10.7326/M22-0844.
    """
    time, event = checked(time, event)
    survival = np.asarray(survival, float)
    if survival.shape != time.shape or not ((survival >= 0) & (survival <= 1)).all():
        raise ValueError(f"survival {survival.shape}, expected {time.shape} in 0 to 1")
    risk = 1 - survival
    group_of = np.searchsorted(np.sort(risk), risk, "left") * n_groups // max(len(risk), 1)
    rows = []
    for number in np.unique(group_of):
        inside = group_of == number
        seen, interval = _observed(time[inside], event[inside], horizon)
        events = int((event[inside] & (time[inside] <= horizon)).sum())
        rows.append(Row(int(inside.sum()), events, float(risk[inside].mean()), seen, interval))
    observed, interval = _observed(time, event, horizon)
    predicted = float(risk.mean()) if len(risk) else None
    ratio, ratio_interval = None, intervals.none(intervals.UNDEFINED if observed is not None else NOT_SEEN)
    if observed is not None and predicted:
        ratio = observed / predicted
        ratio_interval = interval
        if interval.low is not None and interval.high is not None:
            ratio_interval = intervals.Interval(interval.low / predicted, interval.high / predicted)
    slope, error, reason = _slope(survival, time, event, horizon)
    return AtHorizon(tuple(rows), predicted, observed, ratio, ratio_interval, slope, error, reason)


def _observed(time: np.ndarray, event: np.ndarray, horizon: float) -> tuple[float | None, intervals.Interval]:
    """Share with the event by a horizon, by Kaplan-Meier, and its interval."""
    found = kaplan_meier(time, event)
    left, interval = found.at(horizon), found.interval_at(horizon)
    if left is None or interval.low is None or interval.high is None:
        return None if left is None else 1 - left, interval
    return 1 - left, intervals.Interval(1 - interval.high, 1 - interval.low)


def _slope(
    survival: np.ndarray, time: np.ndarray, event: np.ndarray, horizon: float
) -> tuple[float | None, float | None, str | None]:
    if ((survival <= 0) | (survival >= 1)).any():
        return None, None, "a predicted survival is 0 or 1"
    logged = np.log(-np.log(survival))
    found = cox.fit(logged[:, None], np.minimum(time, horizon), event & (time <= horizon))
    if found.reason is not None:
        return None, None, found.reason
    return float(found.coefficients[0]), float(found.errors[0]), None


def pseudo_events(time: np.ndarray, event: np.ndarray, horizon: float) -> np.ndarray:
    """Pseudo-observation of having had the event by a horizon, (n,): n F - (n - 1) F without the case, F
    being 1 - Kaplan-Meier.

    It stands for 0 or 1 where a case was censored before, is 0 or 1 of every case without censoring, may lie
    outside, and its mean is F: what is smoothed over predicted risks, where censoring depends on nothing.

    Args:
        time, event: (n,), float and bool. horizon: in the unit of time.

    Returns:
        NaN of all where nobody was followed so long, or with fewer than two cases.

    Source: Andersen, Klein & Rosthøj 2003, doi:10.1093/biomet/90.1.15; for calibration Gerds et al. 2014,
    doi:10.1002/sim.6152.
    """
    time, event = checked(time, event)
    n = len(time)
    if n < 2 or kaplan_meier(time, event).at(horizon) is None:
        return np.full(n, np.nan)
    groups = Groups(time, event)
    counts = np.column_stack([np.ones(n, int), np.ones((n, n), int) - np.eye(n, dtype=int)])
    left = groups.at(groups.product_limit(counts, of_events=True), horizon)
    return n * (1 - left[0]) - (n - 1) * (1 - left[1:])
