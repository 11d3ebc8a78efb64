"""Section report of the params.yaml of a detection, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import CountFrom1


@dataclass(frozen=True)
class ReportParams(Record):
    """What the page shows."""

    worst_cases: CountFrom1
    picture_pixels: Annotated[int, Rule(minimum=64, maximum=2048)]
