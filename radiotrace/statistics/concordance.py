"""Concordance: whether cases that have the event earlier have the higher risk, and how near the best it is.

A risk is a number that is higher where the event is expected earlier, such as the linear predictor of a Cox
model; of a predicted time give the negative. The other way round a C-index of .29 is one of .71.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import integrate, stats

from radiotrace.statistics import resampling
from radiotrace.statistics.discrimination import defined
from radiotrace.statistics.survival import Groups, checked, flattened

Kind = Literal["harrell", "uno"]


class Pairs:
    """Comparable pairs of cases, sorted once for any number of resamples.

    A pair is comparable where the one has the event and the other a later time, or the same time and is
    censored; two events at one time are not. Who has fewer of risk is counted bit by bit of the group's
    number: two groups differ in one highest bit, and within cases that share all above it one cumulative sum
    by risk counts all pairs. O(n log n) each, and memory as that of the counts.
    """

    def __init__(self, risk: np.ndarray, time: np.ndarray, event: np.ndarray):
        time, event = checked(time, event)
        risk = np.asarray(risk, float)
        if risk.shape != time.shape or np.isnan(risk).any():
            raise ValueError(
                f"risk {risk.shape} with {np.isnan(risk).sum()} NaN, expected {time.shape} without"
            )
        self.time, self.event, self.groups = time, event, Groups(time, event)
        _, rank = np.unique(risk, return_inverse=True)
        tied = len(np.unique(rank)) < len(rank)
        # equal risks: first those that are later, then those that are earlier; the mean counts them half
        self.passes = [self._levels(rank, sign) for sign in ((1, -1) if tied else (1,))]

    def _levels(self, rank: np.ndarray, sign: int) -> list[tuple]:
        """For each bit: cases by risk within what they share, which of them are later, and of the earlier
        ones with the event their places and where what they share begins."""
        group, levels = self.groups.of_case, []
        for bit in range(int(group.max(initial=0)).bit_length()):
            shared, later = group >> (bit + 1), (group >> bit) & 1
            order = np.lexsort((sign * later, rank, shared))
            in_order = shared[order]
            begins = np.searchsorted(in_order, in_order, "left")
            places = np.flatnonzero((later[order] == 0) & self.event[order])
            levels.append((order, later[order][:, None], places, order[places], begins[places]))
        return levels

    def below(self, counts: np.ndarray) -> np.ndarray:
        """How many later cases have less risk than each case with the event, (n, m), equals half; 0 for
        censored ones."""
        found = np.zeros(counts.shape)
        for levels in self.passes:
            for order, later, places, cases, begins in levels:
                summed = np.concatenate(
                    [np.zeros((1, counts.shape[1]), counts.dtype), np.cumsum(counts[order] * later, 0)]
                )
                found[cases] += summed[places + 1] - summed[begins]
        return found / len(self.passes)

    def later(self, counts: np.ndarray) -> np.ndarray:
        """How many cases are comparable with each case with the event, (n, m)."""
        from_here = np.cumsum(self.groups.sums(counts)[::-1], 0)[::-1]
        after = np.concatenate([from_here, np.zeros((1, counts.shape[1]), from_here.dtype)])[1:]
        return after[self.groups.of_case]

    def weights(self, counts: np.ndarray, kind: Kind, tau: float | None) -> np.ndarray:
        """(n, m), of each case with the event: how often it is drawn, over G² of Uno; 0 for others."""
        kept = self.event if tau is None else self.event & (self.time < tau)
        weights = counts * kept[:, None].astype(float)
        if kind == "harrell":
            return weights
        before, _ = self.groups.still_observed(counts)
        return np.divide(weights, before**2, out=np.zeros_like(weights), where=weights > 0)

    def concordance(self, counts: np.ndarray, kind: Kind = "harrell", tau: float | None = None) -> np.ndarray:
        """(m,), NaN without a comparable pair."""
        weights = self.weights(counts, kind, tau)
        with np.errstate(invalid="ignore", divide="ignore"):
            return (weights * self.below(counts)).sum(0) / (weights * self.later(counts)).sum(0)


def concordances(
    risk: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    counts: np.ndarray | None = None,
    kind: Kind = "harrell",
    tau: float | None = None,
) -> np.ndarray:
    """C-index: the share of comparable pairs in which the case with the earlier event has the higher risk.

    Args:
        risk, time, event: (n,); `Pairs` says which pairs are comparable. Equal risks count half.
        counts: (n, …), how often each case is drawn; None for once.
        kind: "harrell", which rises with the share that is censored; "uno", where each pair is weighted by
            1 / G(t-)², G the Kaplan-Meier estimate of being uncensored in these cases, which does not, where
            censoring depends on nothing.
        tau: only events before it count; Uno's C needs one where G comes near 0.

    Returns:
        (…), NaN without a comparable pair: no event, or all at once.

    Source: Harrell, Lee & Mark 1996, doi:10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4;
    Uno et al. 2011, doi:10.1002/sim.4154.
    """
    pairs = Pairs(risk, time, event)
    counts = np.ones(len(pairs.time), int) if counts is None else np.asarray(counts)
    return pairs.concordance(flattened(counts), kind, tau).reshape(counts.shape[1:])


def c_index(
    risk: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    kind: Kind = "harrell",
    tau: float | None = None,
) -> float | None:
    """As `concordances`, of every case once; None without a comparable pair."""
    return defined(concordances(risk, time, event, None, kind, tau))


def c_index_interval(
    risk: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    plan: resampling.Plan,
    kind: Kind = "harrell",
    tau: float | None = None,
) -> resampling.Resampled:
    """C-index with its bootstrap interval over subjects; G of Uno is made anew in each resample."""
    pairs = Pairs(risk, time, event)
    return resampling.bootstrap(lambda counts: pairs.concordance(counts, kind, tau), plan)


@dataclass(frozen=True)
class Gap:
    """Two risks of the same cases, by the same estimator.

    Attributes:
        first, second: C-index of each. gap: second minus first, paired.
    """

    first: resampling.Resampled
    second: resampling.Resampled
    gap: resampling.Resampled


def gap(
    first: np.ndarray,
    second: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    plan: resampling.Plan,
    kind: Kind = "harrell",
    tau: float | None = None,
) -> Gap:
    """Paired bootstrap of two C-indices, such as of a model and of the true linear predictor.

    Where times were drawn from a known linear predictor, that predictor, scored on the very cases at hand, is
    the best that any model can be expected to reach there: censoring raises Harrell's C, so that a formula
    for uncensored times (`best_normal`) is no bound.

    Args:
        first, second: (n,), two risks of each case: the best possible one first, so that the gap is below 0.
    """
    both = [Pairs(risk, time, event) for risk in (first, second)]

    def of_counts(counts):
        return np.stack([pairs.concordance(counts, kind, tau) for pairs in both])

    drawn = resampling.resampled(of_counts, plan)
    one, other = of_counts(np.ones((len(plan.subjects), 1), int))[:, 0]
    return Gap(
        resampling.of_values(one, drawn[0], plan),
        resampling.of_values(other, drawn[1], plan),
        resampling.of_values(other - one, drawn[1] - drawn[0], plan),
    )


def best_normal(sd: float) -> float:
    """The best C-index where hazards are proportional, nothing is censored and the linear predictor is
    normal: the mean of 1 / (1 + exp(-|d|)), d ~ N(0, 2 sd²), whatever the baseline; 1/2 for an sd of 0.

    Source: from P(T_i < T_j) = 1 / (1 + exp(lp_j - lp_i)) under proportional hazards; Gönen & Heller 2005,
    doi:10.1093/biomet/92.4.965.
    """
    if sd == 0:
        return 0.5

    def weighed(d):
        return 2 * stats.norm.pdf(d, scale=np.sqrt(2) * sd) / (1 + np.exp(-d))

    return float(integrate.quad(weighed, 0, 12 * np.sqrt(2) * sd, epsabs=1e-12)[0])


def time_aurocs(
    risk: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    horizons: np.ndarray,
    counts: np.ndarray | None = None,
) -> np.ndarray:
    """Cumulative/dynamic AUROC: whether cases with an event by a horizon have a higher risk than cases that
    are beyond it, weighted by 1 / G(t-) of the former.

    Cases censored by then are neither; the weights speak for them. Equal risks count half.

    Args:
        risk: (n,), or (n, k), one for each horizon. time, event: (n,). horizons: (k,), in the unit of time.
        counts: (n, …), how often each case is drawn; None for once.

    Returns:
        (k, …), NaN where nobody had the event by a horizon, or nobody is beyond it.

    Source: Uno et al. 2007, doi:10.1198/016214507000000149; Hung & Chiang 2010, doi:10.1002/cjs.10046.
    """
    time, event = checked(time, event)
    counts = np.ones(len(time), int) if counts is None else np.asarray(counts)
    flat = flattened(counts)
    risks = np.asarray(risk, float)
    if risks.ndim == 1:
        risks = np.repeat(risks[:, None], len(horizons), 1)
    if risks.shape != (len(time), len(horizons)) or np.isnan(risks).any():
        raise ValueError(f"risk {risks.shape}, expected {(len(time), len(horizons))} without NaN")
    before, _ = Groups(time, event).still_observed(flat)
    rows = []
    for column, horizon in zip(risks.T, horizons, strict=True):
        ended = (event & (time <= horizon))[:, None]
        weights = np.divide(flat * ended, before, out=np.zeros(flat.shape), where=before > 0)
        rows.append(_weighted_area(column, weights, flat * (time > horizon)[:, None]))
    return np.array(rows).reshape(len(horizons), *counts.shape[1:])


def _weighted_area(risk: np.ndarray, with_it: np.ndarray, without: np.ndarray) -> np.ndarray:
    """Share of the weight of pairs that is won, (m,), of weights (n, m) of cases and controls."""
    if not len(risk):
        return np.full(with_it.shape[1:], np.nan)
    order = np.argsort(risk, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(risk[order]) != 0))
    cases, controls = (np.add.reduceat(side[order], starts, axis=0) for side in (with_it, without))
    below = np.cumsum(controls, 0) - controls
    with np.errstate(invalid="ignore", divide="ignore"):
        return (cases * (below + controls / 2)).sum(0) / (cases.sum(0) * controls.sum(0))
