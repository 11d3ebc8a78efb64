"""Section export of the params.yaml of a detection, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, CountFrom1, Text


@dataclass(frozen=True)
class ExportParams(Record):
    """The released file, and how close it must come."""

    opset: Annotated[int, Rule(minimum=18)]
    licence: Text | None
    score_tolerance: AboveZero
    corner_tolerance_voxels: AboveZero
    threads: CountFrom1
