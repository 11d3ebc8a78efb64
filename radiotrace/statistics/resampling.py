"""Bootstrap by subject: for statistics of which no closed interval is at hand, and for paired differences.

`intervals` draws nothing by lot and comes first where it covers (benchmarks/coverage.md says how little a
bootstrap of few subjects does); this is for curves, ranks under censoring and gaps between two models. All
resamples of a block go through a statistic at once, as counts of how often each case is drawn; memory stays
flat. The same seed gives the same draws, whatever the size of a block.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from radiotrace.statistics import intervals

RESAMPLES = 2000
BLOCK = 1 << 21  # numbers in the counts of one block
DEFINED_MIN = 0.95  # share of resamples that must be defined


@dataclass(frozen=True)
class Plan:
    """Whom to draw, and how.

    Attributes:
        subjects: (n,), whose each case is: a subject is drawn with all its cases.
        seed: of the draws.
        resamples: how many.
        strata: (n,), the stratum of each case's subject, such as whether it has a positive case; as many
            subjects of each are drawn as there are. None: one for all.
    """

    subjects: np.ndarray
    seed: int
    resamples: int = RESAMPLES
    strata: np.ndarray | None = None


@dataclass(frozen=True)
class Resampled:
    """A statistic and its percentile interval.

    Attributes:
        value: of all cases; None where undefined.
        n_resamples, n_undefined: drawn, and those of them in which the statistic is undefined; they are left
            out of the interval.
    """

    value: float | None
    interval: intervals.Interval
    n_subjects: int
    n_resamples: int
    n_undefined: int


def strata_of(subjects: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """(n,) bool: whether the subject of a case has any positive case, as `Plan.strata` takes it."""
    _, index = np.unique(subjects, return_inverse=True)
    return np.bincount(index, np.asarray(positive, float))[index] > 0


def counts(plan: Plan) -> Iterator[np.ndarray]:
    """How often each case is drawn in each resample, (n, resamples of a block) integer, block by block.

    Raises:
        ValueError: there is no case, or cases of one subject are in two strata.
    """
    names, index = np.unique(plan.subjects, return_inverse=True)
    if not len(index):
        raise ValueError("a bootstrap of no case")
    stratum_of = _stratum_of_subject(plan, index, len(names))
    members = [np.flatnonzero(stratum_of == stratum) for stratum in range(stratum_of.max() + 1)]
    # a generator for each stratum, read in the order of resamples, so that blocks do not matter
    generators = [np.random.default_rng([plan.seed, stratum]) for stratum in range(len(members))]
    size = max(1, BLOCK // len(index))
    for start in range(0, plan.resamples, size):
        width = min(size, plan.resamples - start)
        drawn = np.zeros((width, len(names)), np.int64)
        for subjects, rng in zip(members, generators, strict=True):
            picks = rng.integers(0, len(subjects), (width, len(subjects)))
            places = picks + len(subjects) * np.arange(width)[:, None]
            drawn[:, subjects] = np.bincount(places.ravel(), minlength=picks.size).reshape(picks.shape)
        yield drawn.T[index]


def _stratum_of_subject(plan: Plan, index: np.ndarray, n: int) -> np.ndarray:
    """(subjects,), the number of each one's stratum."""
    if plan.strata is None:
        return np.zeros(n, int)
    _, of_case = np.unique(plan.strata, return_inverse=True)
    if len(of_case) != len(index):
        raise ValueError(f"{len(of_case)} strata for {len(index)} cases")
    of_subject = np.zeros(n, int)
    of_subject[index] = of_case
    if split := int((of_subject[index] != of_case).sum()):
        raise ValueError(f"{split} cases are in another stratum than others of their subject")
    return of_subject


def resampled(statistic: Callable, plan: Plan) -> np.ndarray:
    """The statistic in each resample, (…, resamples).

    Args:
        statistic: counts (n, m) -> values (…, m), NaN where undefined.
    """
    return np.concatenate([np.asarray(statistic(block), float) for block in counts(plan)], -1)


def bootstrap(
    statistic: Callable, plan: Plan, n_min: int = intervals.N_MIN, level: float = intervals.LEVEL
) -> Resampled:
    """A statistic with its percentile interval over subjects.

    For a paired comparison the statistic is the difference of two, made of the same counts.

    Args:
        statistic: counts (n, m) -> values (m,), NaN where undefined.
        n_min: subjects below which there is no interval.

    Source: Efron & Tibshirani 1993, chapter 13; subjects as units: Field & Welsh 2007,
    doi:10.1111/j.1467-9868.2007.00593.x.
    """
    whole = statistic(np.ones((len(plan.subjects), 1), np.int64))
    return of_values(float(np.asarray(whole).ravel()[0]), resampled(statistic, plan), plan, n_min, level)


def of_values(
    value: float,
    values: np.ndarray,
    plan: Plan,
    n_min: int = intervals.N_MIN,
    level: float = intervals.LEVEL,
) -> Resampled:
    """As `bootstrap`, where the values of the resamples, (m,), are there.

    Returns:
        No interval, with the reason, where the statistic is undefined, for fewer than n_min subjects, where
        more than one resample in twenty is undefined, and where all are alike.
    """
    kept = values[np.isfinite(values)]
    numbers = len(np.unique(plan.subjects)), len(values), len(values) - len(kept)
    if not np.isfinite(value):
        return Resampled(None, intervals.none(intervals.UNDEFINED), *numbers)
    return Resampled(float(value), _interval(kept, numbers, n_min, level), *numbers)


def _interval(
    kept: np.ndarray, numbers: tuple[int, int, int], n_min: int, level: float
) -> intervals.Interval:
    n_subjects, n_resamples, n_undefined = numbers
    if n_subjects < n_min:
        return intervals.none(intervals.too_few(n_min))
    if len(kept) < DEFINED_MIN * n_resamples:
        return intervals.none(f"undefined in {n_undefined} of {n_resamples} resamples")
    if np.ptp(kept) <= intervals.SAME * max(1.0, np.abs(kept).max()):
        return intervals.none(intervals.NO_VARIANCE)
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return intervals.Interval(float(low), float(high))
