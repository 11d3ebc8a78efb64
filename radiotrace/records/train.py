"""The record 'train': what a training run of a segmentation left."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.network import NetworkSpec
from radiotrace.records.preprocessing import Preprocessing
from radiotrace.records.sections.segmentation.train import TrainParams
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import (
    Amount,
    CaseId,
    Count,
    CountFrom1,
    Exclusion,
    Labels,
    Sha256,
    Share,
    Text,
)


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


@dataclass(frozen=True)
class Epoch(Record):
    """An epoch.

    Attributes:
        validation_dice: label -> its mean; null where it is undefined.
        gradient_norm_median, gradient_norm_max: over the steps; null where none is finite.
        checkpoint_sha256: of the state after it.
    """

    epoch: CountFrom1
    learning_rate: Amount
    train_loss: float
    validation_dice: Mapping[str, Share | None]
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


@dataclass(frozen=True)
class TrainingRun(Record):
    """The training run: what went in, every epoch, what came out.

    Attributes:
        weights: their number.
        labels: value -> name.
        params: the section train of params.yaml, and the seed.
        selection: which weights became the model.
        excluded: cases that people left out before.
        in_effect: not there in records of older versions.
    """

    run_id: Sha256
    network: NetworkSpec
    weights: CountFrom1
    weights_sha256: Sha256
    preprocessing: Preprocessing
    labels: Labels
    params: TrainParams
    history: Annotated[tuple[Epoch, ...], Rule(minItems=1)]
    selection: Text
    stopped_early: bool
    excluded: tuple[Exclusion, ...]
    cases: LearntCases
    in_effect: InEffect | None = None
