"""The measures of a label of a picture: the one table from which cases, metrics, report, methods, model card
and bills are filled.

To add a measure, add its entry here, then run 'make deps', so that criteria may name it. What needs all cases
at once, such as the area under a ROC curve, stands in results.py.
"""

import math
from dataclasses import dataclass
from typing import cast

from radiotrace.statistics import measure
from radiotrace.statistics.measure import Measure

SMALLEST = 1e-12  # probability of what happened, below which a loss counts no more


@dataclass(frozen=True)
class Told:
    """One label of one case.

    Attributes:
        positive: whether the case has it. called: whether it was told.
        probability: that it has, after calibration.
    """

    positive: bool
    called: bool
    probability: float

    @property
    def of_truth(self) -> float:
        """The probability of what is."""
        return self.probability if self.positive else 1 - self.probability


TABLE = measure.table(
    Measure(
        name="accuracy",
        title="Accuracy",
        digits=3,
        better="larger",
        kind="share",
        headline=True,
        can_be_undefined=False,
        definition="whether the label is told where it is, and not told where it is not, at the threshold of "
        "the validation part; its mean is the share of cases, which depends on the prevalence",
        of=lambda told: float(told.positive == told.called),
    ),
    Measure(
        name="brier",
        title="Brier score",
        digits=4,
        better="smaller",
        kind="share",
        headline=True,
        can_be_undefined=False,
        definition="square of the calibrated probability minus 1 where the label is, minus 0 where it is not",
        source="Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2",
        of=lambda told: (told.probability - told.positive) ** 2,
    ),
    Measure(
        name="log_loss_nats",
        title="Log loss",
        unit="nats",
        digits=4,
        better="smaller",
        kind="amount",
        can_be_undefined=False,
        definition="-log of the calibrated probability of what is, at least 1e-12",
        of=lambda told: -math.log(max(told.of_truth, SMALLEST)),
    ),
)


def row(told: Told) -> dict[str, float]:
    """Name of each measure -> its value; none of them can be undefined."""
    return {one.name: cast(float, one.of(told)) for one in TABLE}
