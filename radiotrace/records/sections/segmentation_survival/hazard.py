"""Section hazard of the params.yaml of a segmentation with survival, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, Amount, Seed, Text


@dataclass(frozen=True)
class HazardSection(Record):
    """What survival is, and how it is learnt.

    Attributes:
        time, event: names of columns of cases.csv.
        weight: of the loss of survival, beside 1 for the outlines.
        refit_ridge: with which the last layer is fitted anew to the train part after training; null: not.
        alone: whether a second network learns the outlines alone.
    """

    time: Text
    event: Text
    loss: Literal["cox", "discrete"]
    weight: Amount
    refit_ridge: AboveZero | None
    alone: bool


@dataclass(frozen=True)
class HazardParams(HazardSection):
    """The section, and the seed."""

    seed: Seed


Horizon = Annotated[float, Rule(exclusiveMinimum=0)]
