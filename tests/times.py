"""Survival times for tests: drawn from a known hazard, and a published trial."""

import numpy as np

# 6-mercaptopurine against placebo, weeks in remission: Freireich et al. 1963, as in Kalbfleisch & Prentice
TREATED = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
TREATED_EVENT = [True] * 9 + [False] * 12
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


def leukaemia() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weeks, whether remission ended, and whether on placebo."""
    return (
        np.array(TREATED + PLACEBO, float),
        np.array(TREATED_EVENT + [True] * 21),
        np.arange(42) >= 21,
    )


def drawn(n=200, seed=0, sd=0.75, ties=False, censored=True):
    """Linear predictor, time and event under proportional hazards: T = -log U / exp(lp) (Bender 2005)."""
    rng = np.random.default_rng(seed)
    linear = rng.normal(0, sd, n)
    time = -np.log(rng.random(n)) / np.exp(linear)
    until = rng.exponential(2, n) if censored else np.full(n, np.inf)
    observed = np.minimum(time, until)
    if ties:
        observed = np.ceil(observed * 5) / 5
    return linear, observed, time <= until


def uncensored(time, event, until) -> float:
    """Kaplan-Meier estimate of being uncensored after the censorings that `until` takes; who has an event at
    the time of a censoring has left."""
    share = 1.0
    for t in np.unique(time[~event & until(time)]):
        at_risk = (time > t) | ((time == t) & ~event)
        share *= 1 - ((time == t) & ~event).sum() / at_risk.sum()
    return share


def uncensored_before(time, event) -> np.ndarray:
    """Just before each time."""
    return np.array([uncensored(time, event, lambda t, at=at: t < at) for at in time])
