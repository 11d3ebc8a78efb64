"""The record 'prediction_detection': the boxes that were found in an image."""

from dataclasses import dataclass

from radiotrace.records.detection.boxes import Corner
from radiotrace.records.typed import Record
from radiotrace.records.values import Share, Text


@dataclass(frozen=True)
class FoundBox(Record):
    """A box, as the record 'boxes' has those of the reference.

    Attributes:
        score: as the network gives it, before calibration.
    """

    label: Text
    score: Share
    low_voxels: Corner
    high_voxels: Corner


@dataclass(frozen=True)
class Prediction(Record):
    """Boxes that were found in an image, from the highest score."""

    boxes: tuple[FoundBox, ...]
