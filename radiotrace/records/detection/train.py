"""The record 'train_detection': what a training run of a detection left."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.detection.network import DetectorSpec
from radiotrace.records.detection.preprocessing import ImagePreprocessing
from radiotrace.records.sections.detection.train import TrainParams
from radiotrace.records.training import EpochOfAnyTask, InEffect, LearntCases
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import CountFrom1, Exclusion, Labels, Sha256, Share, Text


@dataclass(frozen=True, kw_only=True)
class Epoch(EpochOfAnyTask):
    """An epoch.

    Attributes:
        validation_ap50: label -> average precision at an overlap of a half; null where it is undefined.
    """

    validation_ap50: Mapping[str, Share | None]


@dataclass(frozen=True)
class Epochs(Record):
    """Every epoch of the training run."""

    run_id: Sha256
    epochs: Annotated[tuple[Epoch, ...], Rule(minItems=1)]


@dataclass(frozen=True)
class DetectionRun(Record):
    """The training run: what went in, every epoch, what came out.

    Attributes:
        weights: their number.
        labels: value -> name; 0 is none of them.
        box_counts: label -> boxes of the train part.
        params: the section train of params.yaml, and the seed.
        selection: which weights became the model.
        excluded: cases that people left out before.
    """

    run_id: Sha256
    network: DetectorSpec
    weights: CountFrom1
    weights_sha256: Sha256
    preprocessing: ImagePreprocessing
    labels: Labels
    box_counts: Mapping[str, CountFrom1]
    params: TrainParams
    history: Annotated[tuple[Epoch, ...], Rule(minItems=1)]
    selection: Text
    stopped_early: bool
    excluded: tuple[Exclusion, ...]
    cases: LearntCases
    in_effect: InEffect
