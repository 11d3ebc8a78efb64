"""Section split of params.yaml, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.split import Scheme
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Seed, Share


@dataclass(frozen=True)
class Fractions(Record):
    """Share of each part."""

    train: Share
    validation: Share
    test: Share


@dataclass(frozen=True)
class SplitSection(Record):
    """How subjects are given to parts."""

    scheme: Scheme
    fractions: Fractions
    folds: Annotated[int, Rule(minimum=2)]
    fold: Annotated[int, Rule(minimum=0)] | None
    parts_seed: Seed | None


@dataclass(frozen=True)
class SplitParams(SplitSection):
    """The section, and the seed."""

    seed: Seed
