"""Section optimize of the params.yaml of a segmentation, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, CountFrom1

VariantName = Literal["onnx_fp16", "onnx_int8", "openvino", "openvino_fp16", "openvino_int8"]


@dataclass(frozen=True)
class OptimizeParams(Record):
    """Which variants of the released network are made, with what, and how much worse they may be."""

    variants: Annotated[tuple[VariantName, ...], Rule(minItems=1, uniqueItems=True)]
    calibration_cases: CountFrom1
    margin_dice: AboveZero
    threads: CountFrom1
