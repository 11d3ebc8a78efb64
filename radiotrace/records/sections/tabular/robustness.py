"""Section robustness of the params.yaml of a study of tables, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, CountFrom1, Seed, Share

Shares = Annotated[tuple[Annotated[float, Rule(exclusiveMinimum=0, maximum=1)], ...], Rule(minItems=1)]


@dataclass(frozen=True)
class RobustnessSection(Record):
    """What is done to rows, how often, and what must be left."""

    noise_sd: Annotated[tuple[AboveZero, ...], Rule(minItems=1)]
    missing_share: Shares
    mistaken_share: Shares
    repeats: CountFrom1
    criterion: Share


@dataclass(frozen=True)
class RobustnessParams(RobustnessSection):
    """The section, and the seed."""

    seed: Seed
