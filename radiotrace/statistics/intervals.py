"""Statistics over cases that are grouped in subjects: summaries, and intervals that cover or are not there.

No interval is drawn by lot: each is a closed form of the values that the statistic takes when one subject is
left out, so that every digit stands. benchmarks/coverage.md says how often each kind covers; where it does
not, there is none, and a reason.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special, stats

LEVEL = 0.95
N_MIN = 10  # subjects below which no interval of ours covers
SAME = 1e-12  # relative spread below which subjects do not differ
UNDEFINED, NO_VARIANCE, FRAGILE = "undefined", "no variance", "undefined without a subject"
NOT_SHOWN = "not shown to cover"  # no method here covers for this statistic


def too_few(n_min: int) -> str:
    """The reason for no interval below so many subjects."""
    return f"fewer than {n_min} subjects"


@dataclass(frozen=True)
class Scale:
    """A scale on which a statistic scatters evenly; an interval is made there and brought back."""

    there: Callable
    back: Callable


PLAIN = Scale(lambda value: value, lambda value: value)
FISHER = Scale(np.arctanh, np.tanh)  # of correlations
LOG = Scale(np.log, np.exp)  # of spreads
LOGIT = Scale(special.logit, special.expit)  # of shares and areas under curves


@dataclass(frozen=True)
class Interval:
    """A confidence interval, or why there is none.

    Attributes:
        low, high: both None where there is no interval.
        no_interval: the reason; None where there is an interval.
    """

    low: float | None
    high: float | None
    no_interval: str | None = None

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        return self.low, self.high

    def record(self) -> dict:
        """As records have it."""
        return {"ci95_low": self.low, "ci95_high": self.high, "no_interval": self.no_interval}


def none(reason: str) -> Interval:
    """No interval."""
    return Interval(None, None, reason)


@dataclass(frozen=True)
class Rule:
    """How the interval of a statistic is made.

    Attributes:
        scale: where it is made.
        n_min: subjects that it takes, on the smallest stratum; None where no number is enough.
        n_all: subjects that it takes in all strata together.
        lowest, highest: values that the statistic can take; an interval goes no further.
        level: of confidence.
        ranks: whether the statistic is one of ranks, whose jackknife errs on the wide side: the normal
            quantile, and no skewness.
    """

    scale: Scale = PLAIN
    n_min: int | None = N_MIN
    n_all: int = 0
    lowest: float = -np.inf
    highest: float = np.inf
    level: float = LEVEL
    ranks: bool = False


MEAN = Rule()
SHARE = Rule(lowest=0, highest=1)
AMOUNT = Rule(lowest=0)
# of what most cases have none, such as false positives: with fewer subjects it covers too often
COUNT = Rule(lowest=0, n_min=30)
CORRELATION = Rule(FISHER)
RANK_CORRELATION = Rule(FISHER, ranks=True)
# under a ROC curve; strata are the subjects with and without a poor case
AREA = Rule(LOGIT, n_all=30, ranks=True)
UNCOVERED = Rule(n_min=None)


def summary(values: dict[str, float | None], subject_of: dict[str, str], rule: Rule = MEAN) -> dict:
    """Mean with its confidence interval, median, SD, extremes and worst case.

    Args:
        values: case -> value; None where undefined, which is counted and left out.
        subject_of: case -> subject.
        rule: of the mean's interval.

    Returns:
        A flat dict. Everything but the counts is None when no value is defined; sd is None for one case; the
        interval where no_interval says why.
    """
    defined = {case: value for case, value in values.items() if value is not None}
    array = np.array(list(defined.values()), float)
    described = {
        "n_cases": len(defined),
        "n_subjects": len({subject_of[case] for case in defined}),
        "n_undefined": len(values) - len(defined),
        "mean": None,
        **mean_interval(defined, subject_of, rule).record(),
        "median": None,
        "sd": None,
        "min": None,
        "max": None,
    }
    if defined:
        described |= {
            "mean": array.mean(),
            "median": np.median(array),
            "min": array.min(),
            "max": array.max(),
            "sd": array.std(ddof=1) if len(array) > 1 else None,
        }
    return {
        key: float(value) if isinstance(value, np.floating) else value for key, value in described.items()
    }


def mean_interval(values: dict[str, float], subject_of: dict[str, str], rule: Rule = MEAN) -> Interval:
    """Confidence interval of the mean over cases; see `interval`.

    Args:
        values: case -> value.
        subject_of: case -> subject.
    """
    if not values:
        return none(UNDEFINED)
    centre = float(np.mean(list(values.values())))  # 10^9 and its neighbours lose digits when squared
    sums = by_subject({case: (value - centre, 1.0) for case, value in values.items()}, subject_of)
    return interval(sums, lambda total: centre + total[0] / total[1], rule)


def by_subject(rows: dict[str, tuple], subject_of: dict[str, str]) -> np.ndarray:
    """What the cases of each subject add up to, (k, subjects), subjects sorted.

    Args:
        rows: case -> k numbers.
    """
    sums: defaultdict[str, Any] = defaultdict(lambda: 0.0)
    for case, row in rows.items():
        sums[subject_of[case]] = sums[subject_of[case]] + np.asarray(row, float)
    return np.stack([sums[subject] for subject in sorted(sums)], 1) if sums else np.empty((0, 0))


def interval(
    sums: np.ndarray, statistic: Callable, rule: Rule = MEAN, strata=None, n_subjects: int | None = None
) -> Interval:
    """Confidence interval over subjects: both sides of a head are not independent.

    What each subject contributes is the jackknife's: the statistic without it. From these come a standard
    error and a skewness, and two intervals: Student's, and that of Hall's transformation, which mends the
    skewness but is too narrow where a sample shows less of it than there is, or where tails are heavy on both
    sides. The interval reaches as far as the wider of both, on either side: each alone covers less than 93 %
    for some measure of 10 to 35 subjects (benchmarks/coverage.md).

    Args:
        sums: (k, subjects), what each subject adds to k totals.
        statistic: totals (k, …) -> values (…).
        strata: (subjects,), the group of each where the statistic compares groups; Welch's degrees of
            freedom. A subject that is alone in its stratum goes to the largest. None: one for all.
        n_subjects: that the statistic stands on, where that is fewer than the smallest stratum says.

    Returns:
        An interval; none, with the reason, for fewer subjects than the rule takes, where subjects do not
        differ, and where the statistic is undefined when one of them is left out.

    Source: Tukey 1958 (abstract, Ann. Math. Statist. 29:614); Hall 1992, J. R. Statist. Soc. B 54:221; Welch
    1947, doi:10.1093/biomet/34.1-2.28; Efron & Tibshirani 1993, chapter 11.
    """
    n = sums.shape[1] if sums.size else 0
    if rule.n_min is None:
        return none(NOT_SHOWN)
    strata = _strata(n, strata)
    if min(np.bincount(strata, minlength=1).min() if n_subjects is None else n_subjects, n) < max(
        rule.n_min, 3
    ):
        where = "" if strata.max(initial=0) == 0 or n_subjects is not None else " in a group that is compared"
        return none(f"{too_few(rule.n_min)}{where}")
    if n < rule.n_all:
        return none(too_few(rule.n_all))
    totals = sums.sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.append(statistic(totals - sums), statistic(totals))
    if not np.isfinite(values).all():
        return none(FRAGILE)
    if np.ptp(values) <= SAME * max(1.0, np.abs(values).max()):
        return none(NO_VARIANCE)
    with np.errstate(divide="ignore"):
        *without, value = rule.scale.there(values)
    if not np.isfinite([*without, value]).all():  # a correlation of 1 without one subject
        return none(FRAGILE)
    ends = rule.scale.back(np.array(_ends(value, np.array(without), strata, rule)))
    low, high = np.clip(ends, rule.lowest, rule.highest)
    return Interval(float(low), float(high))


def _strata(n: int, strata) -> np.ndarray:
    """Stratum of each subject as 0, 1, …; nobody is alone in one."""
    if strata is None:
        return np.zeros(n, int)
    _, index, sizes = np.unique(strata, return_inverse=True, return_counts=True)
    together = np.where(sizes[index] == 1, sizes.argmax(), index)
    return np.unique(together, return_inverse=True)[1]


def _ends(value: float, without: np.ndarray, strata: np.ndarray, rule: Rule) -> tuple[float, float]:
    """The two ends from a statistic and its values without each subject."""
    n = len(without)
    share = (n - 1) * (without.mean() - without)  # of a mean: the subject's distance from it
    error = np.sqrt((share**2).sum() / (n - 1) / n)
    if rule.ranks:
        reach = special.ndtri((1 + rule.level) / 2) * error
        return value - reach, value + reach
    squares = np.bincount(strata, share**2)
    freedom = squares.sum() ** 2 / (squares**2 / (np.bincount(strata) - 1)).sum()
    t = special.stdtrit(freedom, (1 + rule.level) / 2)  # stats.t.ppf and stats.skew, at a tenth of their time
    skewness = (share**3).mean() / (share**2).mean() ** 1.5 * np.sqrt(n * (n - 1)) / (n - 2)
    upper, lower = (_unskewed(sign * t / np.sqrt(n), skewness, n) * np.sqrt(n) for sign in (1, -1))
    return value - max(t, upper) * error, value + max(t, -lower) * error


def _unskewed(w: float, skewness: float, n: int) -> float:
    """Inverse of Hall's x + γ x² / 3 + γ² x³ / 27 + γ / 6n, which takes the skewness from a studentised
    mean."""
    centred = w - skewness / (6 * n)
    return centred if abs(skewness) < 1e-9 else 3 * (np.cbrt(1 + skewness * centred) - 1) / skewness


def estimate(
    rows: dict[str, tuple],
    statistic: Callable,
    subject_of: dict[str, str],
    n_undefined: int = 0,
    rule: Rule = MEAN,
    stratum_of: dict[str, str] | None = None,
) -> dict:
    """A number that is made of all cases together, with its interval over subjects.

    Args:
        rows: case -> k numbers, of which the totals decide the statistic.
        statistic: totals (k, …) -> values (…), NaN where undefined.
        n_undefined: cases that could not be counted.
        rule: of the interval.
        stratum_of: subject -> stratum, as `interval` takes it.

    Returns:
        n_cases, n_subjects, n_undefined, value, ci95_low, ci95_high, no_interval; value None where undefined.
    """
    sums = by_subject(rows, subject_of)
    value = float(statistic(sums.sum(1))) if rows else np.nan
    strata = (
        [stratum_of[subject] for subject in sorted({subject_of[case] for case in rows})]
        if stratum_of
        else None
    )
    bounds = interval(sums, statistic, rule, strata) if np.isfinite(value) else none(UNDEFINED)
    return {
        "n_cases": len(rows),
        "n_subjects": len({subject_of[case] for case in rows}),
        "n_undefined": n_undefined,
        "value": value if np.isfinite(value) else None,
        **bounds.record(),
    }


def of_rows(statistic: Callable) -> Callable:
    """A statistic of rows, for `estimate`, where it is no function of totals, such as a rank correlation.

    Args:
        statistic: indices of rows, some of them several times or not at all -> float, NaN where undefined.

    Returns:
        counts (n, …) of how often each row is drawn -> values (…); give `estimate` the unit vectors as rows.
    """

    def of_counts(counts):
        columns = np.rint(counts).astype(int).reshape(len(counts), -1).T
        return np.array([statistic(np.repeat(np.arange(len(counts)), column)) for column in columns]).reshape(
            np.shape(counts)[1:]
        )

    return of_counts


def proportion(
    hits: dict[str, tuple[int, int]], subject_of: dict[str, str], n_undefined: int = 0, rule: Rule = MEAN
) -> dict:
    """A share with Wilson's interval on the number of independent units that the cases are worth.

    A subject's units are alike, so that they are worth less than their number: it is divided by the design
    effect, which is taken from the scatter between subjects, at least 1 and at most that of subjects whose
    units are all alike. Where all units are hits, or none, nothing scatters, and it is the latter; so 35 of
    35 says no more than that many subjects can.

    Args:
        hits: case -> (hits, units); a case without a unit says nothing and is not counted.
        subject_of: case -> subject.

    Returns:
        As `estimate`. There is no interval below rule.n_min subjects with a unit.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953; Korn & Graubard 1998, Survey Methodology 24:193;
    Brown, Cai & DasGupta 2001, doi:10.1214/ss/1009213286, on how coverage swings around 95 % where units are
    counted.
    """
    counted = {case: row for case, row in hits.items() if row[1] > 0}
    about = {
        "n_cases": len(counted),
        "n_subjects": len({subject_of[case] for case in counted}),
        "n_undefined": n_undefined,
    }
    if not counted:
        return {**about, "value": None, **none(UNDEFINED).record()}
    successes, units = by_subject(counted, subject_of)
    value = float(successes.sum() / units.sum())
    if rule.n_min is None:
        raise ValueError("an interval of a proportion needs to know how many subjects it takes")
    bounds = none(too_few(rule.n_min)) if len(units) < rule.n_min else _wilson(value, successes, units, rule)
    return {**about, "value": value, **bounds.record()}


def _wilson(value: float, successes: np.ndarray, units: np.ndarray, rule: Rule) -> Interval:
    """Args: successes, units: (subjects,), of each."""
    n, total = len(units), units.sum()
    worst = (units**2).sum() / total
    effect = worst
    if 0 < value < 1:
        between = n / (n - 1) * ((successes - value * units) ** 2).sum() / total**2
        effect = np.clip(between / (value * (1 - value) / total), 1, max(worst, 1))
    size, z = total / effect, special.ndtri((1 + rule.level) / 2)
    middle = (value + z**2 / 2 / size) / (1 + z**2 / size)
    reach = z / (1 + z**2 / size) * np.sqrt(value * (1 - value) / size + z**2 / 4 / size**2)
    # At 0 and 1 the near end is the value itself, but for the last digit.
    return Interval(
        float(max(middle - reach, 0)) if value > 0 else 0.0,
        float(min(middle + reach, 1)) if value < 1 else 1.0,
    )


def median(values: np.ndarray) -> dict[str, float | None]:
    """Median of independent values with its 95 % interval, which lies between order statistics.

    Returns:
        median; ci95_low, ci95_high. None where undefined: all for no values, the interval for fewer than
        N_MIN and for values of which so many are equal that it has no width.

    Source: Hettmansperger & Sheather 1986, doi:10.1016/0167-7152(86)90021-0: between the two neighbouring
    exact intervals, of which one covers too often and the other too rarely.
    """
    n = len(values)
    if not n:
        return {"median": None, "ci95_low": None, "ci95_high": None}
    about = {"median": float(np.median(values)), "ci95_low": None, "ci95_high": None}
    if n < N_MIN:
        return about
    ordered = np.sort(values)
    # the largest k whose interval, k-th to k-th last, covers enough
    depth = int(stats.binom.ppf((1 - LEVEL) / 2, n, 0.5))
    wide, narrow = (1 - 2 * stats.binom.cdf(k - 1, n, 0.5) for k in (depth, depth + 1))
    inward = (wide - LEVEL) / (wide - narrow)
    weight = (n - depth) * inward / (depth + (n - 2 * depth) * inward)
    low, high = ((1 - weight) * side[depth - 1] + weight * side[depth] for side in (ordered, ordered[::-1]))
    return about | ({"ci95_low": float(low), "ci95_high": float(high)} if low < high else {})
