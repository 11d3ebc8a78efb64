"""The measures of the risk of an event in a case: the one table from which cases, metrics, report, methods,
model card and bills are filled.

To add a measure, add its entry here, then run 'make deps', so that criteria may name it. What needs all cases
at once, such as concordance, stands in results.py.
"""

import math
from dataclasses import dataclass

from radiotrace.statistics import measure
from radiotrace.statistics.measure import Measure

SMALLEST = 1e-12  # probability of what happened, below which a loss counts no more


@dataclass(frozen=True)
class Told:
    """The risk of one case.

    Attributes:
        positive: whether the event happened, by the horizon where there is one; None where the case was
            censored before.
        weight: of the case in a mean; 0 where positive is None.
        probability: the risk, after calibration.
    """

    positive: bool | None
    weight: float
    probability: float


def _brier(told: Told) -> float:
    return 0.0 if told.positive is None else told.weight * (told.probability - told.positive) ** 2


def _log_loss(told: Told) -> float:
    if told.positive is None:
        return 0.0
    of_truth = told.probability if told.positive else 1 - told.probability
    return -told.weight * math.log(max(of_truth, SMALLEST))


WEIGHTED = (
    "; of an event in time by the horizon, times the inverse of the chance of being still followed, and 0 of "
    "a case that was censored before, so that the mean is as if all had been followed"
)

TABLE = measure.table(
    Measure(
        name="brier",
        title="Brier score",
        digits=4,
        better="smaller",
        kind="amount",
        headline=True,
        can_be_undefined=False,
        definition="square of the risk minus 1 where the event happened, minus 0 where it did not" + WEIGHTED,
        source="Brier 1950; Graf et al. 1999, doi:10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-"
        "SIM274>3.0.CO;2-5",
        of=_brier,
    ),
    Measure(
        name="log_loss_nats",
        title="Log loss",
        unit="nats",
        digits=4,
        better="smaller",
        kind="amount",
        can_be_undefined=False,
        definition="-log of the risk told of what happened, at least 1e-12" + WEIGHTED,
        of=_log_loss,
    ),
)


def row(told: Told) -> dict[str, float]:
    """Name of each measure -> its value."""
    return {one.name: float(one.of(told) or 0.0) for one in TABLE}
