"""Section distil of the params.yaml of a segmentation, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, Amount, CountFrom1, Seed

FormName = Literal["pruned", "sparse", "distilled", "narrow"]
Part = Annotated[float, Rule(exclusiveMinimum=0, exclusiveMaximum=1)]


@dataclass(frozen=True)
class Lesson(Record):
    """How wide a network is, and how long it learns."""

    width: Part
    epochs: CountFrom1
    learning_rate: AboveZero


@dataclass(frozen=True)
class DistilSection(Record):
    """Which smaller networks are trained, and how."""

    forms: Annotated[tuple[FormName, ...], Rule(uniqueItems=True)]
    pruned: Lesson
    narrow: Lesson
    sparsity: Part
    temperature: Annotated[float, Rule(minimum=1)]
    teacher_weight: Amount
    opset: Annotated[int, Rule(minimum=18)]
    threads: CountFrom1


@dataclass(frozen=True)
class DistilParams(DistilSection):
    """The section, and the seed."""

    seed: Seed
