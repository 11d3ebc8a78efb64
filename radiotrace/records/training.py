"""What the records of training runs of every task have."""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Amount, CaseId, Count, CountFrom1, Sha256, Text


@dataclass(frozen=True)
class Event(Record):
    """A step that went otherwise than most.

    Attributes:
        step: from 1, in its epoch.
        gradient_norm: null where it is not finite.
        cases: that the step learnt from.
    """

    kind: Literal["gradient_spike", "step_left_out"]
    step: CountFrom1
    gradient_norm: float | None
    cases: tuple[CaseId, ...]


@dataclass(frozen=True, kw_only=True)
class EpochOfAnyTask(Record):
    """An epoch, but for what the task was followed by.

    Attributes:
        gradient_norm_median, gradient_norm_max: over the steps; null where none is finite.
        checkpoint_sha256: of the state after it.
    """

    epoch: CountFrom1
    learning_rate: Amount
    train_loss: float
    gradient_norm_median: float | None
    gradient_norm_max: float | None
    steps_clipped: Count
    events: tuple[Event, ...]
    checkpoint_sha256: Sha256


@dataclass(frozen=True)
class LearntCases(Record):
    """The cases that a run learnt from, and those that it was followed on."""

    train: Annotated[tuple[CaseId, ...], Rule(minItems=1, uniqueItems=True)]
    validation: Annotated[tuple[CaseId, ...], Rule(uniqueItems=True)]


@dataclass(frozen=True)
class InEffect(Record):
    """What the machine made of what was asked for."""

    device: Text
    instructions: Text
    number_format: Literal["bf16", "fp16", "fp32"]
