"""The record 'released_classifier': model.json, all that who predicts needs beside the graph."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.classification.metrics import ChosenPoint, Line
from radiotrace.records.classification.network import ClassifierSpec
from radiotrace.records.classification.preprocessing import PicturePreprocessing
from radiotrace.records.classification.train import TargetColumn
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import (
    AboveZero,
    Amount,
    CaseId,
    Count,
    CountFrom1,
    Labels,
    Sha256,
    Share,
    Text,
)


@dataclass(frozen=True)
class Input(Record):
    """What the graph takes.

    Attributes:
        shape: n is free.
    """

    name: Text
    type: Literal["float32"]
    axes: tuple[Text, ...]
    shape: tuple[Literal["n"] | int, ...]


@dataclass(frozen=True)
class Output(Record):
    """What the graph gives."""

    name: Text
    type: Literal["float32"]
    axes: tuple[Text, ...]
    meaning: Text


@dataclass(frozen=True)
class EdgesPixels(Record):
    """How large the pictures are that it has learnt from, as they came.

    Attributes:
        shorter_min, shorter_max: of the shorter edge of each. longer_min, longer_max: of the longer one.
    """

    shorter_min: CountFrom1
    shorter_max: CountFrom1
    longer_min: CountFrom1
    longer_max: CountFrom1


@dataclass(frozen=True)
class Data(Record):
    """What it learnt from."""

    name: Text | None
    licence: Text | None
    root_sha256: Sha256
    train_cases: Count
    validation_cases: Count
    subjects_unknown: bool


@dataclass(frozen=True)
class Parity(Record):
    """How the graph in ONNX Runtime agrees with the trained network on cases.

    Attributes:
        worst_case: of the largest difference of a logit.
        called_otherwise: labels of cases that are called by one and not by the other.
    """

    cases: tuple[CaseId, ...]
    worst_case: CaseId
    logit_difference_max: Amount
    probability_difference_max: Share
    called_otherwise: Count
    tolerance: AboveZero


@dataclass(frozen=True)
class ReleasedClassifier(Record):
    """The released classifier.

    Attributes:
        steps: what is done to a picture, in words, in this order.
        output: calibrated probabilities. logits: what they were made of.
        temperature, lines: calibration, which is in the graph already.
        operating_points: label -> probability from which it is called.
        review_above: uncertainty of the prediction above which a person should look; null without one.
        edges_pixels: a picture of which an edge lies beyond twice these is refused by predict.
    """

    run_id: Sha256
    notice: Text
    file: Text
    sha256: Sha256
    weights_sha256: Sha256
    network: ClassifierSpec
    target: TargetColumn
    labels: Labels
    modality: Text | None
    licence: Text | None
    steps: Annotated[tuple[Text, ...], Rule(minItems=1)]
    preprocessing: PicturePreprocessing
    input: Input
    output: Output
    logits: Output
    temperature: AboveZero | None
    lines: Mapping[str, Line]
    operating_points: Annotated[Mapping[str, ChosenPoint], Rule(minProperties=1)]
    review_above: Share | None
    edges_pixels: EdgesPixels
    data: Data
    parity: Parity
