"""Section release of the params.yaml of a segmentation with survival, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, CountFrom1


@dataclass(frozen=True)
class ReleaseParams(Record):
    """The file with both answers, and how close it must come.

    Attributes:
        tolerance: of a log-hazard and of a logit, between ONNX Runtime and torch.
    """

    opset: Annotated[int, Rule(minimum=18)]
    tolerance: AboveZero
    threads: CountFrom1
