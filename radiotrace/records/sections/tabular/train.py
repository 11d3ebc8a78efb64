"""Section train of the params.yaml of a study of tables, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, CountFrom1, Seed, Text

Ridges = Annotated[tuple[AboveZero, ...], Rule(minItems=1, uniqueItems=True)]
Depths = Annotated[tuple[Annotated[int, Rule(minimum=1, maximum=6)], ...], Rule(minItems=1, uniqueItems=True)]


@dataclass(frozen=True)
class BoostingSection(Record):
    """How trees are grown, and among what is chosen."""

    depths: Depths
    trees_max: Annotated[int, Rule(minimum=1, maximum=2000)]
    learning_rate: Annotated[float, Rule(exclusiveMinimum=0, maximum=1)]
    leaf_rows: CountFrom1


@dataclass(frozen=True)
class TrainSection(Record):
    """Which model is released, and what it is chosen among."""

    model: Literal["linear", "boosting"]
    ridges: Ridges
    boosting: BoostingSection
    folds: Annotated[int, Rule(minimum=2, maximum=20)]
    horizon: AboveZero | None
    held_out_by: Annotated[tuple[Text, ...], Rule(uniqueItems=True)]


@dataclass(frozen=True)
class TrainParams(TrainSection):
    """The section, and the seed."""

    seed: Seed
