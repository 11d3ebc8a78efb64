"""Section export of the params.yaml of a segmentation, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, CountFrom1


@dataclass(frozen=True)
class ExportParams(Record):
    """The released file, and how close it must come."""

    opset: Annotated[int, Rule(minimum=18)]
    parity_cases: CountFrom1
    parity_tolerance: AboveZero
    threads: CountFrom1
