"""Section export of the params.yaml of a study of tables, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, Text


@dataclass(frozen=True)
class ExportParams(Record):
    """The released file, and how close it must come."""

    opset: Annotated[int, Rule(minimum=18)]
    licence: Text | None
    parity_tolerance: AboveZero
