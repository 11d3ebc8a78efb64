"""Cox's proportional hazards: a fit by Newton's method, its baseline, and survival of new cases."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from radiotrace.statistics import intervals
from radiotrace.statistics.survival import NO_EVENT, checked

Ties = Literal["efron", "breslow"]
STEPS, HALVINGS, DONE = 50, 30, 1e-9
DEPENDENT = "predictors are constant or depend on each other"
NO_MAXIMUM = "the likelihood has no maximum: a combination of predictors says who has the event next"


@dataclass(frozen=True)
class Baseline:
    """Cumulative hazard of a case whose linear predictor is 0.

    Attributes:
        time, hazard: (k,), at each distinct event time, cumulative.
    """

    time: np.ndarray
    hazard: np.ndarray

    def at(self, times: np.ndarray) -> np.ndarray:
        """(m,), at any times; 0 before the first event, constant after the last."""
        place = np.searchsorted(self.time, times, "right")
        return np.append(0.0, self.hazard)[place]

    def survival(self, linear_predictor: np.ndarray, times: np.ndarray) -> np.ndarray:
        """exp(-H(t) exp(lp)), (n, m)."""
        return np.exp(-np.exp(np.asarray(linear_predictor, float))[:, None] * self.at(times))


@dataclass(frozen=True)
class Fit:
    """A fitted model.

    Attributes:
        coefficients, errors: (p,), log hazard ratios of one unit of each predictor and their standard errors;
            with a ridge the errors are those of the penalised likelihood, and too small for tests.
        covariance: (p, p).
        centre: (p,), means of the predictors: what the linear predictor is counted from.
        log_likelihood, log_likelihood_null: without the penalty; of the fit and of no predictor.
        baseline: of the case at the centre.
        reason: why there is no fit; all arrays are empty then.
    """

    coefficients: np.ndarray
    errors: np.ndarray
    covariance: np.ndarray
    centre: np.ndarray
    log_likelihood: float | None
    log_likelihood_null: float | None
    baseline: Baseline
    n: int
    n_events: int
    reason: str | None = None

    def linear_predictor(self, x: np.ndarray) -> np.ndarray:
        """(n,), of predictors (n, p); 0 at the centre.

        Raises:
            ValueError: there is no fit.
        """
        if self.reason is not None:
            raise ValueError(f"no fit: {self.reason}")
        return (np.asarray(x, float) - self.centre) @ self.coefficients

    def survival(self, x: np.ndarray, times: np.ndarray) -> np.ndarray:
        """(n, m), chance of no event by each time."""
        return self.baseline.survival(self.linear_predictor(x), times)

    def interval(self, number: int, level: float = intervals.LEVEL) -> intervals.Interval:
        """Wald's interval of a coefficient; its exponential is that of the hazard ratio."""
        if self.reason is not None:
            return intervals.none(self.reason)
        reach = special.ndtri((1 + level) / 2) * self.errors[number]
        centre = self.coefficients[number]
        return intervals.Interval(float(centre - reach), float(centre + reach))

    def p(self, number: int) -> float | None:
        """Of Wald's test that a coefficient is 0, two-sided."""
        if self.reason is not None:
            return None
        return float(2 * special.ndtr(-abs(self.coefficients[number] / self.errors[number])))


class _Terms:
    """What the partial likelihood is a sum of: a term an event, over those who are at risk then.

    Efron's denominators of d events at one time are S - l / d E, l = 0 … d - 1, with S the sum over all at
    risk and E over those events; Breslow's are S each time.
    """

    def __init__(self, time: np.ndarray, event: np.ndarray, ties: Ties):
        if ties not in ("efron", "breslow"):
            raise ValueError(f"ties {ties!r}, expected 'efron' or 'breslow'")
        self.times, group = np.unique(time[event], return_inverse=True)
        self.event = event
        # how many event times a case is at risk at: the first so many
        self.until = np.searchsorted(self.times, time, "right")
        self.numbers = np.bincount(group, minlength=len(self.times))
        self.group = np.repeat(np.arange(len(self.times)), self.numbers)
        first = np.repeat(np.cumsum(self.numbers) - self.numbers, self.numbers)
        nth = np.arange(len(self.group)) - first
        self.share = nth / self.numbers[self.group] if ties == "efron" else np.zeros(len(nth))

    def _over_risk(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums over those at risk at each event time, and over those with the event then, (k, …)."""
        k = len(self.times)
        leaving, ending = np.zeros((k + 1, *values.shape[1:])), np.zeros((k + 1, *values.shape[1:]))
        np.add.at(leaving, self.until, values)
        np.add.at(ending, self.until[self.event], values[self.event])
        return np.cumsum(leaving[::-1], 0)[::-1][1:], ending[1:]

    def _of_terms(self, values: np.ndarray) -> np.ndarray:
        at_risk, ending = self._over_risk(values)
        share = self.share.reshape(-1, *[1] * (values.ndim - 1))
        return at_risk[self.group] - share * ending[self.group]

    def log_likelihood(self, linear: np.ndarray) -> float:
        """Sums of exponentials as their logarithms, that risks may differ by any factor."""
        at_risk, ending = self.log_sums(linear)
        tied = np.log1p(-self.share * np.exp((ending - at_risk)[self.group]))
        return float(linear[self.event].sum() - (at_risk[self.group] + tied).sum())

    def log_sums(self, linear: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of exp(lp), the logarithm of the sum over those at risk at each event time, and over those with the
        event then, (k,)."""
        k = len(self.times)
        order = np.argsort(-self.until, kind="stable")
        running = np.logaddexp.accumulate(linear[order])
        # the last that is at risk at the first, the second, … event time
        last = np.searchsorted(-self.until[order], -np.arange(1, k + 1), "right") - 1
        mine = linear[self.event]
        number = self.until[self.event] - 1
        ending = np.full(k, -np.inf)
        np.logaddexp.at(ending, number, mine)
        return running[last], ending

    def derivatives(self, x: np.ndarray, linear: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient (p,) and information (p, p), without an array of n p² numbers."""
        weight = np.exp(linear - linear.max())
        denominators = self._of_terms(weight)
        means = self._of_terms(weight[:, None] * x) / denominators[:, None]
        k = len(self.times)
        inverse = np.bincount(self.group, 1 / denominators, k)
        tied = np.bincount(self.group, self.share / denominators, k)
        # what a case has weighed in all terms at which it was at risk
        total = np.append(0.0, np.cumsum(inverse))[self.until]
        total[self.event] -= tied[self.until[self.event] - 1]
        weighed = weight * total
        gradient = x[self.event].sum(0) - means.sum(0)
        return gradient, (x * weighed[:, None]).T @ x - means.T @ means


def fit(x: np.ndarray, time: np.ndarray, event: np.ndarray, ridge: float = 0.0, ties: Ties = "efron") -> Fit:
    """Fits log hazard ratios by the partial likelihood.

    Args:
        x: (n, p), predictors, complete. time, event: (n,), float and bool.
        ridge: ridge / 2 · Σ (β_j s_j)² is taken off the log likelihood, with s_j a predictor's standard
            deviation: so that its unit does not matter. 0 for none.
        ties: of event times.

    Returns:
        A Fit; with a reason and no coefficients where there is no event, where predictors are constant or
        depend on each other and where the likelihood has no maximum, each without a ridge alone (but for no
        event).

    Raises:
        ValueError: shapes differ, a predictor is not finite, or the ridge is below 0.

    Source: Cox 1972; Efron 1977, doi:10.2307/2286217; Breslow 1974, doi:10.2307/2529620; ridge: Verweij & Van
    Houwelingen 1994, doi:10.1002/sim.4780132307.
    """
    time, event = checked(time, event)
    x = np.asarray(x, float)
    if x.ndim != 2 or len(x) != len(time) or not np.isfinite(x).all():
        raise ValueError(
            f"predictors {x.shape} with {(~np.isfinite(x)).sum()} that are not finite, expected "
            f"({len(time)}, p) that are"
        )
    if not ridge >= 0:
        raise ValueError(f"ridge {ridge}, expected 0 at least")
    if not event.any():
        return _no_fit(NO_EVENT, time, event)
    centre, scale = x.mean(0), x.std(0)
    varies = scale > 1e-12 * np.maximum(1.0, np.abs(centre))
    scale = np.where(varies, scale, 1.0)
    standard = (x - centre) / scale * varies
    if not ridge and np.linalg.matrix_rank(standard, tol=1e-8 * np.sqrt(len(x))) < x.shape[1]:
        return _no_fit(DEPENDENT, time, event)
    terms = _Terms(time, event, ties)
    found = _newton(terms, standard, ridge)
    if found is None:
        return _no_fit(NO_MAXIMUM, time, event)
    _, information = terms.derivatives(standard, standard @ found)
    covariance = np.linalg.inv(information + ridge * np.eye(len(found))) / np.outer(scale, scale)
    linear = standard @ found
    return Fit(
        found / scale,
        np.sqrt(np.diag(covariance)),
        covariance,
        centre,
        terms.log_likelihood(linear),
        terms.log_likelihood(np.zeros(len(x))),
        breslow(linear, time, event),
        len(x),
        int(event.sum()),
    )


def _no_fit(reason: str, time: np.ndarray, event: np.ndarray) -> Fit:
    nothing = np.empty(0)
    return Fit(
        nothing,
        nothing,
        np.empty((0, 0)),
        nothing,
        None,
        None,
        Baseline(nothing, nothing),
        len(time),
        int(event.sum()),
        reason,
    )


def _newton(terms: _Terms, x: np.ndarray, ridge: float) -> np.ndarray | None:
    """Coefficients of standardised predictors; None where the steps do not end."""

    def merit(at):
        return terms.log_likelihood(x @ at) - ridge / 2 * at @ at

    found = np.zeros(x.shape[1])
    value = merit(found)
    for _ in range(STEPS):
        with np.errstate(invalid="ignore", divide="ignore"):  # a risk that is e^700 times another
            gradient, information = terms.derivatives(x, x @ found)
        if not np.isfinite(information).all():
            return None
        try:
            step = np.linalg.solve(information + ridge * np.eye(len(found)), gradient - ridge * found)
        except np.linalg.LinAlgError:
            return None
        for _ in range(HALVINGS):
            if merit(found + step) >= value - 1e-12 * max(1.0, abs(value)):
                break
            step = step / 2
        found = found + step
        value = merit(found)
        if np.abs(step).max(initial=0) <= DONE * max(1.0, np.abs(found).max(initial=0)):
            return found
    return None


def breslow(linear_predictor: np.ndarray, time: np.ndarray, event: np.ndarray) -> Baseline:
    """Breslow's cumulative baseline hazard, Σ d / Σ exp(lp) over those at risk, at each event time; of any
    linear predictor, such as a network's. Empty without an event.

    Source: Breslow 1972, discussion of Cox, J. R. Statist. Soc. B 34:216.
    """
    time, event = checked(time, event)
    if not event.any():
        return Baseline(np.empty(0), np.empty(0))
    terms = _Terms(time, event, "breslow")
    at_risk, _ = terms.log_sums(np.asarray(linear_predictor, float))
    return Baseline(terms.times, np.cumsum(terms.numbers * np.exp(-at_risk)))


def partial_log_likelihood(
    linear_predictor: np.ndarray, time: np.ndarray, event: np.ndarray, ties: Ties = "efron"
) -> float | None:
    """Cox's partial log likelihood of any linear predictor; None without an event."""
    time, event = checked(time, event)
    if not event.any():
        return None
    return _Terms(time, event, ties).log_likelihood(np.asarray(linear_predictor, float))
