"""Operating points: what a threshold on a score comes to, and which threshold to take.

A case is called positive where its score is at least the threshold. A threshold is chosen on the validation
part and judged on the test part; one that is picked where it is judged flatters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import special, stats

from radiotrace.statistics import intervals
from radiotrace.statistics.discrimination import checked, defined, tallies

Method = Literal["wilson", "exact"]
RuleName = Literal["youden", "sensitivity", "specificity", "accuracy", "cost"]
# rule -> which threshold, in words; in braces what it is given
RULES: dict[str, str] = {
    "youden": "most sensitivity + specificity; of equals the lowest",
    "sensitivity": "most specificity where sensitivity is {least:g} at least; of equals the lowest",
    "specificity": "most sensitivity where specificity is {least:g} at least; of equals the highest",
    "accuracy": "most cases right; of equals the lowest",
    "cost": "least cost, where a miss costs {ratio:g} false alarms; of equals the lowest",
}


@dataclass(frozen=True)
class Confusion:
    """Cases by what they are and what they are called; numbers, or arrays of resamples."""

    tp: Any
    fp: Any
    fn: Any
    tn: Any


def confusion(
    scores: np.ndarray, positive: np.ndarray, threshold: float, counts: np.ndarray | None = None
) -> Confusion:
    """Cases of each kind.

    Args:
        scores, positive: (n,), float and bool.
        threshold: a case is called positive where its score is at least this.
        counts: (n, …), how often each case is drawn; None for once.
    """
    scores, positive = checked(scores, positive)
    counts = np.ones(len(scores), int) if counts is None else np.asarray(counts)
    called = scores >= threshold
    kinds = (positive & called, ~positive & called, positive & ~called, ~positive & ~called)
    return Confusion(*(counts[kind].sum(0) for kind in kinds))


def _ratio(part, whole) -> np.ndarray:
    """part / whole; NaN for 0 / 0, infinite for another number over 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.divide(np.asarray(part, float), np.asarray(whole, float))


def sensitivity(c: Confusion) -> np.ndarray:
    """TP / (TP + FN); NaN without a positive case."""
    return _ratio(c.tp, c.tp + c.fn)


def specificity(c: Confusion) -> np.ndarray:
    """TN / (TN + FP); NaN without a negative case."""
    return _ratio(c.tn, c.tn + c.fp)


def ppv(c: Confusion) -> np.ndarray:
    """TP / (TP + FP); NaN where no case is called positive. Holds at these cases' prevalence alone."""
    return _ratio(c.tp, c.tp + c.fp)


def npv(c: Confusion) -> np.ndarray:
    """TN / (TN + FN); NaN where every case is called positive. Holds at these cases' prevalence alone."""
    return _ratio(c.tn, c.tn + c.fn)


def f1(c: Confusion) -> np.ndarray:
    """2 TP / (2 TP + FP + FN); NaN where no case is positive and none called so."""
    return _ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn)


def accuracy(c: Confusion) -> np.ndarray:
    """(TP + TN) / n; NaN without a case."""
    return _ratio(c.tp + c.tn, c.tp + c.fp + c.fn + c.tn)


def balanced_accuracy(c: Confusion) -> np.ndarray:
    """Mean of sensitivity and specificity; NaN where a class has no case."""
    return (sensitivity(c) + specificity(c)) / 2


def matthews(c: Confusion) -> np.ndarray:
    """Correlation of what cases are and are called; NaN where either is one and the same for all.

    Source: Matthews 1975, doi:10.1016/0005-2795(75)90109-9.
    """
    tp, fp, fn, tn = (np.asarray(kind, float) for kind in (c.tp, c.fp, c.fn, c.tn))
    return _ratio(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


def likelihood_ratio_positive(c: Confusion) -> np.ndarray:
    """Sensitivity / (1 - specificity); infinite where no negative case is called positive, NaN where no case
    is or a class is empty."""
    return _ratio(sensitivity(c), _ratio(c.fp, c.fp + c.tn))


def likelihood_ratio_negative(c: Confusion) -> np.ndarray:
    """(1 - sensitivity) / specificity; infinite where every negative case is called positive and a positive
    one is not, NaN where all are or a class is empty."""
    return _ratio(_ratio(c.fn, c.fn + c.tp), specificity(c))


MEASURES: dict[str, Callable[[Confusion], np.ndarray]] = {
    "sensitivity": sensitivity,
    "specificity": specificity,
    "ppv": ppv,
    "npv": npv,
    "f1": f1,
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "matthews": matthews,
    "likelihood_ratio_positive": likelihood_ratio_positive,
    "likelihood_ratio_negative": likelihood_ratio_negative,
}
# measure -> (hits, units) that it is a share of
SHARES: dict[str, Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "sensitivity": lambda positive, called: (positive & called, positive),
    "specificity": lambda positive, called: (~positive & ~called, ~positive),
    "ppv": lambda positive, called: (positive & called, called),
    "npv": lambda positive, called: (~positive & ~called, ~called),
    "accuracy": lambda positive, called: (positive == called, np.ones_like(called)),
}


@dataclass(frozen=True)
class Measured:
    """One measure at a threshold.

    Attributes:
        value: None where undefined or infinite.
        interval: of shares and likelihood ratios; of the others `resampling` makes one.
    """

    value: float | None
    interval: intervals.Interval


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold comes to.

    Attributes:
        measures: name in MEASURES -> Measured.
    """

    threshold: float
    confusion: Confusion
    measures: dict[str, Measured]


def at(
    scores: np.ndarray,
    positive: np.ndarray,
    threshold: float,
    subjects: np.ndarray | None = None,
    method: Method = "wilson",
) -> OperatingPoint:
    """All measures at a threshold, with intervals.

    Args:
        scores, positive: (n,), float and bool.
        subjects: (n,), whose each case is. Where one has several, Wilson's interval is on the number of
            independent cases that they are worth (`intervals.proportion`), whatever the method, and
            likelihood ratios have none. None: all are independent.
        method: "wilson", whose coverage is near its level in the mean, or "exact" (Clopper and Pearson),
            never below it.

    Source: shares: as `share_interval` and `intervals.proportion`; likelihood ratios: log method, Simel,
    Samsa & Matchar 1991, doi:10.1016/0895-4356(91)90128-V.
    """
    scores, positive = checked(scores, positive)
    c = confusion(scores, positive, threshold)
    called = scores >= threshold
    alone = subjects is None or len(np.unique(subjects)) == len(scores)
    measures = {}
    for name, measure in MEASURES.items():
        value = float(measure(c))
        if not np.isfinite(value):
            found = intervals.none(intervals.UNDEFINED)
        elif name in SHARES:
            hits, units = SHARES[name](positive, called)
            found = (
                share_interval(int(hits.sum()), int(units.sum()), method)
                if alone
                else _share_of_subjects(hits, units, np.asarray(subjects))
            )
        elif name.startswith("likelihood_ratio") and alone:
            found = _ratio_interval(value, c, name.endswith("positive"))
        else:
            found = intervals.none(intervals.NOT_SHOWN)
        measures[name] = Measured(value if np.isfinite(value) else None, found)
    return OperatingPoint(float(threshold), c, measures)


def share_interval(
    hits: int, units: int, method: Method = "wilson", level: float = intervals.LEVEL
) -> intervals.Interval:
    """Of a share of independent units; none without a unit.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953; Clopper & Pearson 1934,
    doi:10.1093/biomet/26.4.404; which to take: Brown, Cai & DasGupta 2001, doi:10.1214/ss/1009213286.
    """
    if not units:
        return intervals.none(intervals.UNDEFINED)
    found: Any = stats.binomtest(hits, units).proportion_ci(level, method)
    return intervals.Interval(float(found.low), float(found.high))


def _share_of_subjects(hits: np.ndarray, units: np.ndarray, subjects: np.ndarray) -> intervals.Interval:
    rows = {str(case): (int(hits[case]), int(units[case])) for case in range(len(units))}
    of = intervals.proportion(rows, {str(case): str(subject) for case, subject in enumerate(subjects)})
    return intervals.Interval(of["ci95_low"], of["ci95_high"], of["no_interval"])


def _ratio_interval(value: float, c: Confusion, of_positive: bool) -> intervals.Interval:
    """Log method; none where a ratio is 0, whose logarithm is not there."""
    hit, alarm = (c.tp, c.fp) if of_positive else (c.fn, c.tn)
    if not hit or not alarm:
        return intervals.none(intervals.UNDEFINED)
    error = np.sqrt(1 / hit - 1 / (c.tp + c.fn) + 1 / alarm - 1 / (c.fp + c.tn))
    if not error:
        return intervals.none(intervals.NO_VARIANCE)
    reach = special.ndtri((1 + intervals.LEVEL) / 2) * error
    return intervals.Interval(float(value * np.exp(-reach)), float(value * np.exp(reach)))


@dataclass(frozen=True)
class Rule:
    """How a threshold is chosen.

    Attributes:
        least: the sensitivity or specificity that is asked for, where the rule has one; in (0, 1].
        ratio: what a miss costs in false alarms, of the rule "cost"; above 0.
    """

    name: RuleName
    least: float = np.nan
    ratio: float = np.nan

    def __post_init__(self):
        if self.name not in RULES:
            raise ValueError(f"rule {self.name!r}, expected one of {', '.join(RULES)}")
        if self.name in ("sensitivity", "specificity") and not 0 < self.least <= 1:
            raise ValueError(f"at least {self.least} {self.name}, expected above 0 and at most 1")
        if self.name == "cost" and not 0 < self.ratio < np.inf:
            raise ValueError(f"a miss costs {self.ratio} false alarms, expected a number above 0")

    @property
    def words(self) -> str:
        return RULES[self.name].format(least=self.least, ratio=self.ratio)


@dataclass(frozen=True)
class Chosen:
    """A threshold and what it came to where it was chosen.

    Attributes:
        threshold: a score of the cases; infinite where no case is to be called positive, None where a class
            has no case.
        reason: why there is none.
        n_equal: thresholds that the rule likes as much, this one included.
    """

    threshold: float | None
    rule: str
    sensitivity: float | None
    specificity: float | None
    n_positive: int
    n_negative: int
    n_equal: int
    reason: str | None = None


def choose(scores: np.ndarray, positive: np.ndarray, rule: Rule) -> Chosen:
    """The threshold that a rule takes, on the validation part.

    Candidates are the distinct scores and infinity. All comparisons are of whole numbers of cases, but for
    costs, so that ties are ties; RULES says how they are settled.

    Args:
        scores, positive: (n,), float and bool, of the validation part.

    Source: Youden 1950, doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3; costs: Metz 1978,
    doi:10.1016/S0001-2998(78)80014-2.
    """
    thresholds, with_it, without = tallies(scores, positive)
    n_positive, n_negative = int(with_it.sum()), int(without.sum())
    if not n_positive or not n_negative:
        reason = f"{n_positive} positive and {n_negative} negative cases, expected one of each at least"
        return Chosen(None, rule.words, None, None, n_positive, n_negative, 0, reason)
    thresholds = np.append(np.inf, thresholds)
    tp, fp = np.append(0, np.cumsum(with_it)), np.append(0, np.cumsum(without))
    merit = _merit(rule, tp, fp, n_positive, n_negative)
    best = np.flatnonzero(merit == merit.max())
    place = best[0] if rule.name == "specificity" else best[-1]
    return Chosen(
        float(thresholds[place]),
        rule.words,
        float(tp[place] / n_positive),
        float(1 - fp[place] / n_negative),
        n_positive,
        n_negative,
        len(best),
    )


def _merit(rule: Rule, tp: np.ndarray, fp: np.ndarray, n_positive: int, n_negative: int) -> np.ndarray:
    """What the rule maximises, at each threshold."""
    tn = n_negative - fp
    if rule.name == "youden":
        return tp * n_negative + tn * n_positive
    if rule.name == "accuracy":
        return tp + tn
    if rule.name == "cost":
        return -np.round(rule.ratio * (n_positive - tp) + fp, 9)
    # a share of 0.9 of 10 cases is 9 of them, though 0.9 * 10 need not be
    if rule.name == "sensitivity":
        return np.where(tp >= np.ceil(rule.least * n_positive - 1e-9), tn, -1)
    return np.where(tn >= np.ceil(rule.least * n_negative - 1e-9), tp, -1)


def values(name: str, scores: np.ndarray, positive: np.ndarray, threshold: float) -> Callable:
    """A measure at a threshold as a statistic of counts, for `resampling` and `intervals.interval`; infinite
    ratios are NaN."""

    def of_counts(counts):
        found = MEASURES[name](confusion(scores, positive, threshold, counts))
        return np.where(np.isfinite(found), found, np.nan)

    return of_counts


def measured(name: str, scores: np.ndarray, positive: np.ndarray, threshold: float) -> float | None:
    """One measure at a threshold; None where undefined or infinite."""
    return defined(values(name, scores, positive, threshold)(None))
