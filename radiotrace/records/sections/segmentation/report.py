"""Section report of the params.yaml of a segmentation, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import UncertaintyKind

Resolution = Annotated[float, Rule(exclusiveMinimum=0, maximum=20)]


@dataclass(frozen=True)
class PixelsPerMm(Record):
    """Of the pictures of a case."""

    small: Resolution
    large: Resolution


@dataclass(frozen=True)
class ReportParams(Record):
    """What the page shows."""

    uncertainty: UncertaintyKind
    pixels_per_mm: PixelsPerMm
