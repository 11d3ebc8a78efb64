"""The record 'train_classification': what a training run of a classification left."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.classification.network import ClassifierSpec
from radiotrace.records.classification.preprocessing import PicturePreprocessing
from radiotrace.records.sections.classification.train import TrainParams
from radiotrace.records.training import EpochOfAnyTask, InEffect, LearntCases
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import CountFrom1, Exclusion, Labels, Sha256, Share, Text

Kind = Literal["class", "classes"]


@dataclass(frozen=True, kw_only=True)
class Epoch(EpochOfAnyTask):
    """An epoch.

    Attributes:
        validation_auroc: label -> area under the ROC curve; null where it is undefined.
    """

    validation_auroc: Mapping[str, Share | None]


@dataclass(frozen=True)
class Epochs(Record):
    """Every epoch of the training run."""

    run_id: Sha256
    epochs: Annotated[tuple[Epoch, ...], Rule(minItems=1)]


@dataclass(frozen=True)
class TargetColumn(Record):
    """What was learnt.

    Attributes:
        column: of cases.csv.
        kind: class where a case has one, of which the first is none of the others; classes where it may have
            several.
    """

    column: Text
    kind: Kind


@dataclass(frozen=True)
class ClassificationRun(Record):
    """The training run: what went in, every epoch, what came out.

    Attributes:
        weights: their number.
        labels: value -> name.
        class_counts: label -> cases of the train part that have it.
        repeats: label -> how often a case of it was drawn in an epoch.
        params: the section train of params.yaml, and the seed.
        selection: which weights became the model.
        excluded: cases that people left out before.
    """

    run_id: Sha256
    network: ClassifierSpec
    weights: CountFrom1
    weights_sha256: Sha256
    preprocessing: PicturePreprocessing
    target: TargetColumn
    labels: Labels
    class_counts: Mapping[str, CountFrom1]
    repeats: Mapping[str, CountFrom1]
    params: TrainParams
    history: Annotated[tuple[Epoch, ...], Rule(minItems=1)]
    selection: Text
    stopped_early: bool
    excluded: tuple[Exclusion, ...]
    cases: LearntCases
    in_effect: InEffect
