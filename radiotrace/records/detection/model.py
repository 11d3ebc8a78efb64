"""The record 'released_detector': model.json, all that who predicts needs beside the graph."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.detection.metrics import ChosenPoint, Line
from radiotrace.records.detection.network import DetectorSpec
from radiotrace.records.detection.preprocessing import ImagePreprocessing
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
class Tensor(Record):
    """What the graph takes, or gives.

    Attributes:
        shape: a name where it is free.
    """

    name: Text
    type: Literal["float32"]
    axes: tuple[Text, ...]
    shape: tuple[Text | int, ...]
    meaning: Text


@dataclass(frozen=True)
class Selection(Record):
    """How boxes are taken out of what the graph gives.

    Attributes:
        score_min: that a box has at least. boxes_max: of a label and an image.
        suppress_overlap: intersection over union with a higher box of its label above which a box is dropped.
    """

    score_min: Share
    boxes_max: CountFrom1
    suppress_overlap: Share


@dataclass(frozen=True)
class Data(Record):
    """What it learnt from."""

    name: Text | None
    licence: Text | None
    root_sha256: Sha256
    train_cases: Count
    validation_cases: Count
    train_boxes: Mapping[str, CountFrom1]
    subjects_unknown: bool


@dataclass(frozen=True)
class Parity(Record):
    """How the graph in ONNX Runtime agrees with the trained network on cases.

    Attributes:
        worst_case: of the largest difference of a score.
        corner_difference_max_voxels: of boxes whose score is at least score_min, in voxels of the input.
        shown_otherwise: boxes that one shows and the other does not, at the scores of the validation part.
    """

    cases: tuple[CaseId, ...]
    worst_case: CaseId
    score_difference_max: Share
    corner_difference_max_voxels: Amount
    shown_otherwise: Count
    score_tolerance: AboveZero
    corner_tolerance_voxels: AboveZero


@dataclass(frozen=True)
class ReleasedDetector(Record):
    """The released detector.

    Attributes:
        steps: what is done to an image, and to what the graph gives, in words, in this order.
        output: scores of each cell. corners: of the box of each cell.
        lines: label -> calibration of scores, which is not in the graph.
        operating_points: label -> score from which a box is shown.
    """

    run_id: Sha256
    notice: Text
    file: Text
    sha256: Sha256
    weights_sha256: Sha256
    network: DetectorSpec
    labels: Labels
    modality: Text | None
    licence: Text | None
    steps: Annotated[tuple[Text, ...], Rule(minItems=1)]
    preprocessing: ImagePreprocessing
    input: Tensor
    output: Tensor
    corners: Tensor
    selection: Selection
    lines: Mapping[str, Line]
    operating_points: Annotated[Mapping[str, ChosenPoint], Rule(minProperties=1)]
    data: Data
    parity: Parity
