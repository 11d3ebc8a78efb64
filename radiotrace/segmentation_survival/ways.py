"""Ways to tell survival: the network, and Cox models on what a radiologist would measure of its lesions.

Each is fitted on the train part alone, and gives a risk and chances of no event by any time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from radiotrace.records.segmentation_survival.hazard import Hazard, ToldCase
from radiotrace.segmentation_survival.outcomes import Outcomes
from radiotrace.statistics import cox

CERTAIN = 1e-9  # a chance is no nearer to 0 or 1
NETWORK = "The log-hazard of the network{}"
VOLUME = "A Cox model on the logarithm of the volume of all lesions that the network outlines."
FEATURES = "A Cox model, with a ridge, on measures of the lesions that the network outlines."
ALONE = (
    "A Cox model, with a ridge, on measures of the lesions that a network outlines which learnt nothing else."
)


@dataclass(frozen=True)
class Way:
    """A way to tell survival, fitted.

    Attributes:
        what: it is, in a sentence.
        risk: of each test case, (n,); higher where the event is expected earlier.
        survival: times (k,) -> chance of no event by each, (n, k).
        hazard_ratios: predictor -> of one SD in the train part; None where there are none.
    """

    what: str
    risk: np.ndarray
    survival: Callable[[np.ndarray], np.ndarray]
    hazard_ratios: Mapping[str, float] | None = None


def within(survival: np.ndarray) -> np.ndarray:
    """Chances that are neither 0 nor 1, which no statistic of logarithms could take."""
    return np.clip(survival, CERTAIN, 1 - CERTAIN)


def network(hazard: Hazard, test: Sequence[ToldCase], learnt: Outcomes) -> Way:
    """The network's log-hazard: with Breslow's baseline of the train part, or the intervals that it learnt.

    Args:
        test: what it says of the test cases.
        learnt: outcomes of the train part.
    """
    risk = np.array([told.log_hazard for told in test])
    if hazard.offsets is not None:
        ends, offsets = np.array(hazard.edges), np.array(hazard.offsets)
        return Way(
            NETWORK.format(", with a hazard for each interval of time."),
            risk,
            lambda times: within(of_intervals(risk, offsets, ends, times)),
        )
    of_train = np.array([hazard.cases[case_id].log_hazard for case_id in learnt.case_ids])
    baseline = cox.breslow(of_train, learnt.time, learnt.event)
    return Way(
        NETWORK.format(", with the baseline hazard of the train part after Breslow."),
        risk,
        lambda times: within(baseline.survival(risk, np.asarray(times, float))),
    )


def of_intervals(
    log_hazard: np.ndarray, offsets: np.ndarray, edges: np.ndarray, times: np.ndarray
) -> np.ndarray:
    """Chance of no event by each time, (n, m), of a discrete hazard: Π (1 - h) of the intervals before, and
    of the one that a time lies in as much as its share; as at the last edge beyond it.

    Args:
        log_hazard: (n,). offsets, edges: (k,). times: (m,).
    """
    logits = offsets[None, :] + np.asarray(log_hazard, float)[:, None]
    logged = np.cumsum(-np.logaddexp(0, logits), 1)  # log Π (1 - h) at each edge
    knots, known = np.append(0.0, edges), np.concatenate([np.zeros((len(logits), 1)), logged], 1)
    return np.exp(np.stack([np.interp(times, knots, row) for row in known]))


def table(told: Sequence[ToldCase]) -> tuple[list[str], np.ndarray]:
    """Names and values (n, p) of the measures of lesions that a Cox model takes."""
    labels = sorted(told[0].volume_ml)
    names = [
        "log volume",
        "log SUVmax",
        "log number of lesions",
        *(f"log volume of {name}" for name in labels),
    ]
    rows = [
        [
            sum(one.volume_ml.values()),
            max(one.suvmax or 0.0, 0.0),
            one.components,
            *(one.volume_ml[name] for name in labels),
        ]
        for one in told
    ]
    return names, np.log1p(np.array(rows, float))


def features(
    train: Sequence[ToldCase], test: Sequence[ToldCase], learnt: Outcomes, ridge: float, what: str
) -> Way:
    """A Cox model on `table`.

    Args:
        train: in the order of `learnt`.

    Raises:
        ValueError: there is no fit.
    """
    names, values = table(train)
    return _fitted(names, values, table(test)[1], learnt, ridge, what)


def volume(train: Sequence[ToldCase], test: Sequence[ToldCase], learnt: Outcomes) -> Way:
    """A Cox model on the logarithm of the whole volume."""
    names, values = table(train)
    return _fitted(names[:1], values[:, :1], table(test)[1][:, :1], learnt, 0.0, VOLUME)


def _fitted(
    names: list[str], train: np.ndarray, test: np.ndarray, learnt: Outcomes, ridge: float, what: str
) -> Way:
    fit = cox.fit(train, learnt.time, learnt.event, ridge=ridge)
    if fit.reason is not None:
        raise ValueError(f"no Cox model of {', '.join(names)}: {fit.reason}")
    ratios = np.exp(fit.coefficients * train.std(0))
    return Way(
        what,
        fit.linear_predictor(test),
        lambda times: within(fit.survival(test, np.asarray(times, float))),
        dict(zip(names, map(float, ratios), strict=True)),
    )
