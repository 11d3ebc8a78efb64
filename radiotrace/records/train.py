"""The record 'train': what a training run of a segmentation left."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.network import NetworkSpec
from radiotrace.records.preprocessing import Preprocessing
from radiotrace.records.sections.segmentation.train import TrainParams
from radiotrace.records.training import EpochOfAnyTask, InEffect, LearntCases
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import CountFrom1, Exclusion, Labels, Sha256, Share, Text


@dataclass(frozen=True, kw_only=True)
class Epoch(EpochOfAnyTask):
    """An epoch.

    Attributes:
        validation_dice: label -> its mean; null where it is undefined.
    """

    validation_dice: Mapping[str, Share | None]


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
