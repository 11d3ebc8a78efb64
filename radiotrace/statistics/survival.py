"""Times to an event, of which some are censored: how many are left, and whether groups differ.

An event at the time at which another case is censored comes first: that case was still at risk. As elsewhere
`counts`, (n, …), says how often each case is drawn.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from radiotrace.statistics import intervals

NO_EVENT = "no event"
NOT_SEEN = "nobody was followed so long"


def checked(time: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times as float64, and which of them end with the event; the others are censored.

    Raises:
        ValueError: shapes differ, a time is below 0 or not finite, or event is not bool; every fault.
    """
    time, event = np.asarray(time, float), np.asarray(event)
    faults = []
    if time.ndim != 1 or time.shape != event.shape:
        faults.append(f"time {time.shape} and event {event.shape}, expected (n,) twice")
    if event.dtype != bool:
        faults.append(f"event is {event.dtype}, expected bool")
    if n := int((~np.isfinite(time) | (time < 0)).sum()):
        faults.append(f"{n} times are below 0 or not finite")
    if faults:
        raise ValueError("; ".join(faults))
    return time, event


def flattened(counts: np.ndarray) -> np.ndarray:
    """(n, m) of counts (n, …)."""
    return counts.reshape(len(counts), int(np.prod(counts.shape[1:])))


class Groups:
    """Cases of one time and one outcome together, by time, events before censorings.

    Attributes:
        of_case: (n,), the group of each case. time, event: (g,), of each group.
    """

    def __init__(self, time: np.ndarray, event: np.ndarray):
        time, event = checked(time, event)
        order = np.lexsort((~event, time))
        new = np.ones(len(time), bool)
        new[1:] = (np.diff(time[order]) != 0) | (np.diff(event[order].astype(int)) != 0)
        self.of_case = np.empty(len(time), int)
        self.of_case[order] = np.cumsum(new) - 1
        self._order, self._starts = order, np.flatnonzero(new)
        self.time, self.event = time[order][self._starts], event[order][self._starts]

    def sums(self, counts: np.ndarray) -> np.ndarray:
        """(g, …), of (n, …)."""
        if not len(self.time):
            return np.zeros((0, *counts.shape[1:]))
        return np.add.reduceat(counts[self._order], self._starts, axis=0)

    def product_limit(self, counts: np.ndarray, of_events: bool) -> np.ndarray:
        """Share that is left after each group, (g, …), of events or of censorings; nobody at risk leaves it
        as it is."""
        here = self.sums(counts)
        at_risk = np.cumsum(here[::-1], 0)[::-1]
        ends = (self.event == of_events).reshape(-1, *[1] * (here.ndim - 1))
        with np.errstate(invalid="ignore", divide="ignore"):
            kept = np.where(ends & (at_risk > 0), 1 - here / at_risk, 1.0)
        return np.cumprod(kept, 0)

    def still_observed(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Kaplan-Meier estimate G of being uncensored: just before each case's time, (n, …), and after each
        group, (g, …)."""
        after = self.product_limit(counts, of_events=False)
        before = np.concatenate([np.ones((1, *after.shape[1:])), after])[:-1]
        return before[self.of_case], after

    def at(self, values: np.ndarray, time: float) -> np.ndarray:
        """Of values after each group, (g, …), those at a time; 1 before the first."""
        place = np.searchsorted(self.time, time, "right")
        return values[place - 1] if place else np.ones(values.shape[1:])


@dataclass(frozen=True)
class KaplanMeier:
    """Estimate of the share without an event, at each distinct time, from the earliest.

    Attributes:
        time, at_risk, events, censored: (k,).
        survival: (k,), after each time; 1 before the first.
        variance: (k,), Greenwood's, of the survival; 0 before an event, NaN once nobody is left.
        low, high: (k,), log-log interval; NaN where survival is 1 or 0, of which it knows nothing.
    """

    time: np.ndarray
    at_risk: np.ndarray
    events: np.ndarray
    censored: np.ndarray
    survival: np.ndarray
    variance: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def at(self, time: float) -> float | None:
        """Survival at a time; None beyond the last one where somebody is left, whose end nobody saw."""
        place = np.searchsorted(self.time, time, "right")
        if not len(self.time) or (time > self.time[-1] and self.survival[-1] > 0):
            return None
        return float(self.survival[place - 1]) if place else 1.0

    def interval_at(self, time: float) -> intervals.Interval:
        """Log-log interval of survival at a time, or why there is none."""
        if self.at(time) is None:
            return intervals.none(NOT_SEEN)
        place = np.searchsorted(self.time, time, "right") - 1
        if place < 0 or np.isnan(self.low[place]):
            return intervals.none(intervals.NO_VARIANCE)
        return intervals.Interval(float(self.low[place]), float(self.high[place]))

    def quantile(self, share: float = 0.5) -> tuple[float | None, float | None, float | None]:
        """Time by which a share has had the event, and the ends of its interval, at which the ends of the
        survival's interval come down to 1 - share; None for what does not come down to it.

        Source: Brookmeyer & Crowley 1982, doi:10.2307/2530286.
        """
        # 1 - 1/2 is not always what is left after half of the events
        left = 1 - share + 1e-9
        low, high = self.low, self.high
        bands = (self.survival, np.where(self.survival == 0, 0, low), np.where(self.survival == 0, 0, high))
        ends = []
        for band in bands:
            below = np.flatnonzero(band <= left)
            ends.append(float(self.time[below[0]]) if len(below) else None)
        return ends[0], ends[1], ends[2]


def kaplan_meier(time: np.ndarray, event: np.ndarray, level: float = intervals.LEVEL) -> KaplanMeier:
    """Product-limit estimate Π (1 - d / n) over event times, with Greenwood's variance S² Σ d / (n (n - d))
    and the interval S^exp(±z σ / log S) on the log-log scale, which stays within 0 and 1.

    Args:
        time, event: (n,), float and bool. All censored: survival 1 throughout. Empty: empty arrays.

    Source: Kaplan & Meier 1958, doi:10.2307/2281868; Greenwood 1926; Kalbfleisch & Prentice 2002, section
    1.4.
    """
    time, event = checked(time, event)
    times, index = np.unique(time, return_inverse=True)
    events, all_here = np.bincount(index[event], minlength=len(times)), np.bincount(index)
    at_risk = np.cumsum(all_here[::-1])[::-1]
    survival = np.cumprod(1 - events / at_risk)
    with np.errstate(invalid="ignore", divide="ignore"):
        summed = np.cumsum(np.where(events > 0, events / (at_risk * (at_risk - events).astype(float)), 0))
        variance = survival**2 * summed
        reach = special.ndtri((1 + level) / 2) * np.sqrt(summed) / np.abs(np.log(survival))
        within = (survival > 0) & (survival < 1)
        low, high = (np.where(within, survival ** np.exp(sign * reach), np.nan) for sign in (1, -1))
    return KaplanMeier(times, at_risk, events, all_here - events, survival, variance, low, high)


@dataclass(frozen=True)
class LogRank:
    """Whether groups have one hazard.

    Attributes:
        statistic, p: chi-squared over freedom degrees; None where no event could tell groups apart.
        observed, expected: group -> events.
    """

    statistic: float | None
    freedom: int
    p: float | None
    observed: dict[str, int]
    expected: dict[str, float]


def log_rank(time: np.ndarray, event: np.ndarray, group: np.ndarray) -> LogRank:
    """Log-rank test of any number of groups: observed minus expected events with their hypergeometric
    covariance; a group that is never at risk at an event takes no degree of freedom.

    Args:
        time, event: (n,), float and bool. group: (n,), the name of each case's group.

    Source: Mantel 1966; Peto & Peto 1972, doi:10.2307/2344317; Kalbfleisch & Prentice 2002, section 1.5.
    """
    time, event = checked(time, event)
    names, of_case = np.unique(np.asarray(group).astype(str), return_inverse=True)
    times = np.unique(time[event])
    # at risk at an event time: all whose time is that or later
    last = np.searchsorted(times, time, "right")
    shape = (len(names), len(times) + 1)
    leaving = np.zeros(shape)
    np.add.at(leaving, (of_case, last), 1)
    at_risk = np.cumsum(leaving[:, ::-1], 1)[:, ::-1][:, 1:]
    ending = np.zeros(shape)
    np.add.at(ending, (of_case[event], last[event]), 1)
    ending = ending[:, 1:]
    n, d = at_risk.sum(0), ending.sum(0)
    expected = at_risk * d / n
    factor = np.where(n > 1, d * (n - d) / np.maximum(n - 1, 1) / n**2, 0)
    covariance = np.diag((factor * at_risk * n).sum(1)) - (factor * at_risk) @ at_risk.T
    away = (ending - expected).sum(1)
    freedom = int(np.linalg.matrix_rank(covariance, tol=1e-9 * max(np.trace(covariance), 1e-300)))
    statistic = float(away @ np.linalg.pinv(covariance, rcond=1e-9) @ away) if freedom else None
    return LogRank(
        statistic,
        freedom,
        None if statistic is None else float(stats.chi2.sf(statistic, freedom)),
        {str(name): int(row.sum()) for name, row in zip(names, ending, strict=True)},
        {str(name): float(row.sum()) for name, row in zip(names, expected, strict=True)},
    )


@dataclass(frozen=True)
class Restricted:
    """Mean time without an event until a limit, in the unit of time.

    Attributes:
        mean: None where nobody was followed to the limit.
        variance: by Greenwood's formula; 0 where nobody had an event before the limit.
    """

    mean: float | None
    variance: float | None
    interval: intervals.Interval


def restricted_mean(
    time: np.ndarray, event: np.ndarray, limit: float, level: float = intervals.LEVEL
) -> Restricted:
    """Restricted mean survival time: area under the Kaplan-Meier curve up to a limit.

    Variance Σ A² d / (n (n - d)), A the area from an event time to the limit.

    Source: Royston & Parmar 2013, doi:10.1186/1471-2288-13-152; Klein & Moeschberger 2003, section 4.5.
    """
    found = kaplan_meier(time, event)
    if found.at(limit) is None:
        return Restricted(None, None, intervals.none(NOT_SEEN))
    before = found.time < limit
    edges = np.concatenate([[0.0], found.time[before], [limit]])
    steps = np.diff(edges) * np.append(1.0, found.survival[before])
    after = np.cumsum(steps[::-1])[::-1][1:]  # area from each time on
    n, d = found.at_risk[before].astype(float), found.events[before]
    # where all that are left end at once no area is left either
    terms = np.divide(after**2 * d, n * (n - d), out=np.zeros_like(after), where=n > d)
    mean, variance = float(steps.sum()), float(terms.sum())
    if not variance:
        return Restricted(mean, variance, intervals.none(intervals.NO_VARIANCE))
    reach = special.ndtri((1 + level) / 2) * np.sqrt(variance)
    return Restricted(mean, variance, intervals.Interval(max(mean - reach, 0.0), min(mean + reach, limit)))


@dataclass(frozen=True)
class RestrictedDifference:
    """Second minus first restricted mean; p two-sided; all None where a mean is."""

    difference: float | None
    interval: intervals.Interval
    p: float | None


def restricted_difference(
    first: Restricted, second: Restricted, level: float = intervals.LEVEL
) -> RestrictedDifference:
    """Of two groups that are independent."""
    if first.mean is None or second.mean is None or first.variance is None or second.variance is None:
        return RestrictedDifference(None, intervals.none(NOT_SEEN), None)
    difference, error = second.mean - first.mean, float(np.sqrt(first.variance + second.variance))
    if not error:
        return RestrictedDifference(difference, intervals.none(intervals.NO_VARIANCE), None)
    reach = special.ndtri((1 + level) / 2) * error
    p = float(2 * special.ndtr(-abs(difference) / error))
    return RestrictedDifference(difference, intervals.Interval(difference - reach, difference + reach), p)
