"""Section boxes of the params.yaml of a detection, where each value is explained."""

from dataclasses import dataclass
from typing import Literal

from radiotrace.records.detection.boxes import LeftOut
from radiotrace.records.typed import Record
from radiotrace.records.values import Amount, CountFrom1


@dataclass(frozen=True)
class BoxesParams(Record):
    """Where boxes come from, and what of them is taken."""

    source: Literal["file", "label_maps"]
    beyond_voxels: Amount
    part_voxels_min: CountFrom1
    left_out: tuple[LeftOut, ...]
