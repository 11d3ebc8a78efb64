"""Probabilities of cases: how good they are, how far they are from what happens, and how to mend them.

`calibration` has the sums over voxels of a segmentation; here a case has one probability (or one for each
class), and there are few of them, so that lines and smooth curves say more than bins. What takes no `counts`
is resampled through `intervals.of_rows`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from radiotrace.statistics import calibration, intervals
from radiotrace.statistics.classes import one_hot
from radiotrace.statistics.discrimination import checked
from radiotrace.statistics.operating_points import share_interval

Bins = Literal["equal width", "equal mass"]
SMALLEST = 1e-15  # a probability of 0 that comes true would cost infinitely much
STEPS, HALVINGS, DONE = 200, 30, 1e-10  # of Newton's method
STRIDE = 5.0  # no step is longer: where all probabilities are near 0 or 1, the first would leap out of sight
SHARE = 0.75  # of cases that a local line is fitted to, as R's loess has it
PLACES = 1000  # at which a smooth curve is computed; between them it is straight
SEPARATED = "the logit tells all cases apart"
CONSTANT = "the logit is the same for all cases"
ONE_CLASS = "all cases are of one class"
INFINITE = "a probability is 0 or 1"


def checked_probabilities(p: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `discrimination.checked`.

    Raises:
        ValueError: also where one lies outside 0 to 1, as a logit would.
    """
    p, positive = checked(p, positive)
    if ((p < 0) | (p > 1)).any():
        raise ValueError(f"{((p < 0) | (p > 1)).sum()} probabilities lie outside 0 to 1")
    return p, positive


def _mean(losses: np.ndarray, counts: np.ndarray | None) -> np.ndarray:
    counts = np.ones(len(losses)) if counts is None else np.asarray(counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.tensordot(losses, counts, (0, 0)) / np.asarray(counts.sum(0), float)


def brier(p: np.ndarray, positive: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """Mean of (p - y)², of one class; half of the sum over two classes.

    Args:
        p, positive: (n,), probability in [0, 1] and bool.
        counts: (n, …), how often each case is drawn; None for once.

    Returns:
        (…), NaN without a case.

    Source: Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    p, positive = checked_probabilities(p, positive)
    return _mean((p - positive) ** 2, counts)


def log_loss(p: np.ndarray, positive: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """Mean of -log of the probability of what happened, in nats; each at least SMALLEST.

    Returns:
        (…), NaN without a case.
    """
    p, positive = checked_probabilities(p, positive)
    return _mean(-np.log(np.maximum(np.where(positive, p, 1 - p), SMALLEST)), counts)


def class_brier(p: np.ndarray, labels: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """Mean over cases of Σ (p - y)² over the classes: of two classes it is twice `brier`.

    Args:
        p: (n, classes), which sum to 1. labels: (n,), the number of each case's class.
        counts: (n, …), how often each case is drawn; None for once.

    Returns:
        (…), NaN without a case.

    Raises:
        ValueError: a probability lies outside 0 to 1, a row does not sum to 1, or a label is no class.

    Source: as `brier`.
    """
    p, truth = _checked_classes(p, labels)
    return _mean(((p - truth) ** 2).sum(1), counts)


def class_log_loss(p: np.ndarray, labels: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """Mean of -log of the probability of the class that it was, in nats; each at least SMALLEST. Else as
    `class_brier`."""
    p, truth = _checked_classes(p, labels)
    return _mean(-np.log(np.maximum(p[truth], SMALLEST)), counts)


def top(p: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probability of the class that is called, (n,), and whether it is right, (n,) bool, as `expected_error`
    and `reliability` take them; of equals the first class is called."""
    p, truth = _checked_classes(p, labels)
    called = p.argmax(1)
    cases = np.arange(len(p))
    return p[cases, called], truth[cases, called]


def _checked_classes(p: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities as float64, and what is true, both (n, classes)."""
    p, labels = np.asarray(p, float), np.asarray(labels)
    if p.ndim != 2 or labels.shape != p.shape[:1]:
        raise ValueError(f"probabilities {p.shape} and labels {labels.shape}, expected (n, classes) and (n,)")
    if not ((p >= 0) & (p <= 1)).all() or not np.allclose(p.sum(1), 1, atol=1e-5):
        raise ValueError("probabilities lie outside 0 to 1, or those of a case do not sum to 1")
    return p, one_hot(labels, p.shape[1])


@dataclass(frozen=True)
class Row:
    """A bin of a reliability diagram.

    Attributes:
        low, high: its ends; of bins of equal mass the least and the largest probability in it.
        mean: of the probabilities.
        share: of cases that are positive, with its interval (Wilson; cases are independent).
    """

    low: float
    high: float
    n: int
    mean: float
    share: float
    interval: intervals.Interval


def _bin_of(p: np.ndarray, n_bins: int, bins: Bins) -> np.ndarray:
    """Number of each case's bin. Of equal mass: cases of one probability stay together."""
    if bins == "equal width":
        return np.minimum((p * n_bins).astype(int), n_bins - 1)
    if bins != "equal mass":
        raise ValueError(f"bins of {bins!r}, expected 'equal width' or 'equal mass'")
    first = np.searchsorted(np.sort(p), p, "left")
    return first * n_bins // max(len(p), 1)


def reliability(
    p: np.ndarray, positive: np.ndarray, n_bins: int = 10, bins: Bins = "equal mass"
) -> list[Row]:
    """Rows of a reliability diagram, from the lowest probability; bins without a case have none.

    Args:
        bins: "equal width", [0, 1/n), … with 1 in the last; or "equal mass", as many cases in each as ties
            allow: a case goes where the first of its probability goes.
    """
    p, positive = checked_probabilities(p, positive)
    bin_of = _bin_of(p, n_bins, bins)
    rows = []
    for number in np.unique(bin_of):
        inside = bin_of == number
        ends = (
            (number / n_bins, (number + 1) / n_bins)
            if bins == "equal width"
            else (p[inside].min(), p[inside].max())
        )
        n, hits = int(inside.sum()), int(positive[inside].sum())
        low, high = map(float, ends)
        rows.append(Row(low, high, n, float(p[inside].mean()), hits / n, share_interval(hits, n)))
    return rows


def expected_error(
    p: np.ndarray, positive: np.ndarray, n_bins: int = 10, bins: Bins = "equal mass"
) -> float | None:
    """Expected calibration error: mean over cases of |mean probability - share positive| of their bin.

    It depends on the bins, and is above 0 by chance alone where there are few cases; say both. None without
    a case.

    Source: Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602; equal mass: Nguyen & O'Connor 2015,
    arXiv:1508.05154; its bias: Roelofs et al. 2022, arXiv:2012.08668.
    """
    rows = reliability(p, positive, n_bins, bins)
    if not rows:
        return None
    return float(sum(row.n * abs(row.mean - row.share) for row in rows) / len(p))


@dataclass(frozen=True)
class Decomposition:
    """Parts of a Brier score: reliability - resolution + uncertainty + within = brier.

    Attributes:
        reliability: mean squared gap of bins, 0 where calibrated. resolution: how far the bins' shares lie
            from the prevalence. uncertainty: of the prevalence alone. within: what bins hide, variance of
            probabilities within them minus twice their covariance with what happens; 0 where all cases of a
            bin have one probability.
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float


def decomposition(
    p: np.ndarray, positive: np.ndarray, n_bins: int = 10, bins: Bins = "equal mass"
) -> Decomposition | None:
    """Parts of the Brier score over bins; None without a case.

    Source: Murphy 1973, doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2; what is within bins: Stephenson,
    Coelho & Jolliffe 2008, doi:10.1175/2007WAF2006116.1.
    """
    p, positive = checked_probabilities(p, positive)
    if not len(p):
        return None
    rows = reliability(p, positive, n_bins, bins)
    n, mean, share = (np.array([getattr(row, name) for row in rows]) for name in ("n", "mean", "share"))
    prevalence, score = positive.mean(), float(brier(p, positive))
    unreliable = float((n * (mean - share) ** 2).sum() / len(p))
    resolved = float((n * (share - prevalence) ** 2).sum() / len(p))
    uncertain = float(prevalence * (1 - prevalence))
    return Decomposition(score, unreliable, resolved, uncertain, score - (unreliable - resolved + uncertain))


@dataclass(frozen=True)
class Line:
    """Logistic recalibration: logit P(positive) = intercept + slope x logit.

    Attributes:
        intercept, slope: None where they are undefined, reason says why.
        *_error: standard errors from the information matrix; cases are independent.
    """

    intercept: float | None
    slope: float | None
    intercept_error: float | None
    slope_error: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Recalibration:
    """Attributes:
    in_the_large: intercept where the slope is held at 1: below 0 where probabilities are too high in the
        mean, 0 at best. in_the_large_error: its standard error.
    line: both free; a slope below 1 where probabilities are too extreme, 1 at best.
    """

    in_the_large: float | None
    in_the_large_error: float | None
    line: Line


def logits(p: np.ndarray) -> np.ndarray:
    """log p / (1 - p); infinite at 0 and 1, which `recalibration` does not take."""
    with np.errstate(divide="ignore"):
        return special.logit(np.asarray(p, float))


def recalibration(logit: np.ndarray, positive: np.ndarray) -> Recalibration:
    """Calibration in the large, intercept and slope, by Newton's method.

    Args:
        logit: (n,), of the predicted probabilities.
        positive: (n,) bool.

    Returns:
        None, with the reason, where the likelihood has no maximum: one class only; a logit that tells all
        cases apart, equal ones at the border included (separation); a logit that is the same for all (of
        the line alone); a probability of 0 or 1.

    Source: Cox 1958, doi:10.2307/2333203; Van Calster et al. 2019, doi:10.1186/s12916-019-1466-7; existence:
    Albert & Anderson 1984, doi:10.1093/biomet/71.1.1.
    """
    logit, positive = checked(logit, positive)
    if not np.isfinite(logit).all():
        return Recalibration(None, None, Line(None, None, None, None, INFINITE))
    if positive.all() or not positive.any():
        return Recalibration(None, None, Line(None, None, None, None, ONE_CLASS))
    ones = np.ones((1, len(logit)))
    (large,), (large_error,) = _newton(ones, logit, positive.astype(float))
    return Recalibration(float(large), float(large_error), _line(logit, positive, positive.astype(float)))


def _line(logit: np.ndarray, positive: np.ndarray, target: np.ndarray) -> Line:
    """Args: target: (n,), what is fitted; that of `platt` is not 0 or 1, and always has a maximum."""
    if np.ptp(logit) <= 1e-12 * max(1.0, np.abs(logit).max()):
        return Line(None, None, None, None, CONSTANT)
    with_it, without = logit[positive], logit[~positive]
    apart = without.max() <= with_it.min() or with_it.max() <= without.min()
    if apart and set(np.unique(target)) <= {0.0, 1.0}:
        return Line(None, None, None, None, SEPARATED)
    # standardised, that the step is the same whatever the unit of a score
    centre, scale = logit.mean(), logit.std()
    design = np.stack([np.ones_like(logit), (logit - centre) / scale])
    (intercept, slope), _ = _newton(design, np.zeros_like(logit), target)
    back = np.array([[1, -centre / scale], [0, 1 / scale]])
    covariance = back @ np.linalg.inv(_information(design, design.T @ [intercept, slope])) @ back.T
    intercept, slope = back @ [intercept, slope]
    errors = np.sqrt(np.diag(covariance))
    return Line(float(intercept), float(slope), float(errors[0]), float(errors[1]))


def _information(design: np.ndarray, linear: np.ndarray) -> np.ndarray:
    p = special.expit(linear)
    return (design * (p * (1 - p))) @ design.T


def _newton(design: np.ndarray, offset: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of a logistic regression, (k,), and their standard errors; a step that makes the
    likelihood worse is halved.

    Args:
        design: (k, n). offset: (n,). target: (n,) in [0, 1].
    """

    def loss(at):
        linear = offset + design.T @ at
        return float((np.logaddexp(0, linear) - target * linear).sum())

    found = np.zeros(len(design))
    for _ in range(STEPS):
        linear = offset + design.T @ found
        curvature = _information(design, linear) + 1e-12 * np.eye(len(design))
        step = np.linalg.solve(curvature, design @ (target - special.expit(linear)))
        step = step * min(1.0, STRIDE / max(np.abs(step).max(), 1e-300))
        for _ in range(HALVINGS):
            if loss(found + step) <= loss(found) + 1e-12:
                break
            step = step / 2
        found = found + step
        if np.abs(step).max() <= DONE * max(1.0, np.abs(found).max()):
            break
    error = np.sqrt(np.diag(np.linalg.inv(_information(design, offset + design.T @ found))))
    return found, error


def lowess(x: np.ndarray, y: np.ndarray, at: np.ndarray, share: float = SHARE) -> np.ndarray:
    """Local straight lines, (m,): at each place a line through the nearest share of points, by weighted least
    squares with tricube weights; no robust repetition, which would throw away the rarer of 0 and 1.

    Args:
        x, y: (n,). at: (m,).
        share: of points that a line is fitted to, at least two of them.

    Returns:
        The mean of all points at a place where its whole share lies there; the weighted mean where those of
        weight have one x.

    Source: Cleveland 1979, doi:10.1080/01621459.1979.10481038, step 1 without the robust iterations.
    """
    order = np.argsort(x, kind="stable")
    x, y, at = np.asarray(x, float)[order], np.asarray(y, float)[order], np.asarray(at, float)
    n = len(x)
    k = min(max(int(share * n + 1e-10), 2), n)
    windows_x, windows_y = (np.lib.stride_tricks.sliding_window_view(side, k) for side in (x, y))
    starts = _nearest(x, at, k)
    found = np.empty(len(at))
    size = max(1, (1 << 20) // k)  # memory stays flat
    for begin in range(0, len(at), size):
        rows = slice(begin, begin + size)
        distance = windows_x[starts[rows]] - at[rows, None]
        values = windows_y[starts[rows]]
        radius = np.abs(distance).max(1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            near = np.where(radius > 0, np.abs(distance) / radius, 0.0)
        weight = np.clip(1 - near**3, 0, None) ** 3
        total = weight.sum(1)
        mean_x, mean_y = (weight * distance).sum(1) / total, (weight * values).sum(1) / total
        spread = (weight * (distance - mean_x[:, None]) ** 2).sum(1)
        product = (weight * (distance - mean_x[:, None]) * values).sum(1)
        steep = np.divide(
            product, spread, out=np.zeros_like(total), where=spread > 1e-12 * total * radius[:, 0] ** 2
        )
        found[rows] = mean_y - steep * mean_x
        alone = np.flatnonzero(radius[:, 0] == 0)
        found[begin + alone] = _means_at(x, y, at[begin + alone])
    return found


def _means_at(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Mean of y where sorted x is at a place, which it is."""
    first, last = np.searchsorted(x, at, "left"), np.searchsorted(x, at, "right")
    sums = np.append(0.0, np.cumsum(y))
    return (sums[last] - sums[first]) / (last - first)


def _nearest(x: np.ndarray, at: np.ndarray, k: int) -> np.ndarray:
    """Where the window of the k nearest of sorted x starts, for each place."""
    low, high = np.zeros(len(at), int), np.full(len(at), len(x) - k)
    # the first start from which moving on would not come nearer: at - x[start] <= x[start + k] - at
    while (low < high).any():
        middle = (low + high) // 2
        moves = (low < high) & (at - x[middle] > x[np.minimum(middle + k, len(x) - 1)] - at)
        low, high = np.where(moves, middle + 1, low), np.where(moves | (low >= high), high, middle)
    return low


@dataclass(frozen=True)
class Smooth:
    """How far probabilities lie from a smooth curve of what happens.

    Attributes:
        ici: mean distance (integrated calibration index); e50, e90, e_max: its median, 90th percentile and
            maximum.
        p, observed: (k,), the curve.
    """

    ici: float
    e50: float
    e90: float
    e_max: float
    p: np.ndarray
    observed: np.ndarray


def smooth_calibration(p: np.ndarray, positive: np.ndarray, share: float = SHARE) -> Smooth | None:
    """Integrated calibration index by `lowess`, whose curve is cut at 0 and 1; None for fewer than two cases.

    Of more than PLACES distinct probabilities the curve is computed at that many, evenly by rank, and is
    straight between them.

    Source: Austin & Steyerberg 2019, doi:10.1002/sim.8281.
    """
    p, positive = checked_probabilities(p, positive)
    return smooth_calibration_of(p, positive.astype(float), share)


def smooth_calibration_of(p: np.ndarray, outcome: np.ndarray, share: float = SHARE) -> Smooth | None:
    """As `smooth_calibration`, of any outcome whose mean is what the probability should be, (n,) float, such
    as pseudo-observations of an event by a time (`survival_scores.pseudo_events`)."""
    if len(p) < 2:
        return None
    places = np.unique(p)
    if len(places) > PLACES:
        places = places[np.linspace(0, len(places) - 1, PLACES).round().astype(int)]
    observed = np.clip(lowess(p, outcome, places, share), 0, 1)
    distance = np.abs(p - np.interp(p, places, observed))
    e50, e90 = map(float, np.quantile(distance, (0.5, 0.9)))
    return Smooth(float(distance.mean()), e50, e90, float(distance.max()), places, observed)


def fit_temperature(logit: np.ndarray, labels: np.ndarray) -> float:
    """The temperature of least log loss on the validation part; `calibration.fit_temperature` says of what
    limits.

    Args:
        logit: (n,) with labels bool, or (n, classes) with labels the number of the class.
    """
    if logit.ndim == 1:
        logit, positive = checked(logit, labels)
        return calibration.fit_temperature([(np.stack([np.zeros_like(logit), logit]), positive)])
    return calibration.fit_temperature([(logit.T, labels)])


def tempered(logit: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities of logits over a temperature, of their shape."""
    if logit.ndim == 1:
        return special.expit(logit / temperature)
    return special.softmax(logit / temperature, axis=1)


@dataclass(frozen=True)
class Platt:
    """Lines that turn scores into logits, one a class; one alone where there are two classes."""

    lines: tuple[Line, ...]

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities of the shape of the scores; of several classes each by itself, then divided by their
        sum.

        Raises:
            ValueError: a line is undefined, or there are not as many as classes.
        """
        if missing := [line.reason for line in self.lines if line.slope is None]:
            raise ValueError(f"no line: {'; '.join(map(str, missing))}")
        columns = scores[:, None] if scores.ndim == 1 else scores
        if columns.shape[1] != len(self.lines):
            raise ValueError(f"{columns.shape[1]} classes, expected {len(self.lines)}")
        intercepts, slopes = (
            np.array([getattr(line, name) for line in self.lines], float) for name in ("intercept", "slope")
        )
        p = special.expit(intercepts + slopes * columns)
        return p[:, 0] if scores.ndim == 1 else p / p.sum(1, keepdims=True)


def fit_platt(scores: np.ndarray, labels: np.ndarray) -> Platt:
    """Platt scaling on the validation part: a logistic line for each class against all others.

    Its targets are (n+ + 1) / (n+ + 2) and 1 / (n- + 2) in place of 1 and 0, so that separated classes have a
    line as well; a constant score and a class without a case have none.

    Args:
        scores: (n,) with labels bool, or (n, classes) with labels the number of the class.

    Source: Platt 1999, Advances in large margin classifiers, 61; stable: Lin, Lin & Weng 2007,
    doi:10.1007/s10994-007-5018-6; several classes: Zadrozny & Elkan 2002, doi:10.1145/775047.775151.
    """
    if scores.ndim == 1:
        return Platt((_platt_line(*checked(scores, labels)),))
    return Platt(
        tuple(_platt_line(*checked(column, labels == number)) for number, column in enumerate(scores.T))
    )


def _platt_line(scores: np.ndarray, positive: np.ndarray) -> Line:
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return Line(None, None, None, None, ONE_CLASS)
    target = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    return _line(scores, positive, target)


def shift_priors(p: np.ndarray, before, after) -> np.ndarray:
    """Probabilities where classes come as often as elsewhere, and look alike: p'_k ~ p_k after_k / before_k.

    Args:
        p: (n,) of the positive class with before and after its prevalence, or (n, classes) with (classes,).
        before, after: where the probabilities were calibrated, and where they are to be; in (0, 1).

    Raises:
        ValueError: a prevalence is not between 0 and 1.

    Source: Saerens, Latinne & Decaestecker 2002, doi:10.1162/089976602753284446, equation 2.4.
    """
    before, after = np.asarray(before, float), np.asarray(after, float)
    for name, share in (("before", before), ("after", after)):
        if not ((share > 0) & (share < 1)).all():
            raise ValueError(f"prevalence {name} is {share}, expected between 0 and 1")
    if p.ndim == 1:
        odds = after / before * (1 - before) / (1 - after)
        return odds * p / (odds * p + 1 - p)
    weighted = p * after / before
    return weighted / weighted.sum(1, keepdims=True)
