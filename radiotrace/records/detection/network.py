"""The detector in the records of a run and of a model: everything but its weights. Needs no torch."""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, CountFrom1

Widths = Annotated[tuple[Annotated[int, Rule(minimum=8, multipleOf=8)], ...], Rule(minItems=2, maxItems=6)]
Axes = Literal[2, 3]
CellVoxels = Literal[2, 4, 8]


@dataclass(frozen=True)
class DetectorSpec(Record):
    """A detector, but for its weights.

    Attributes:
        axes: 2 for pictures, 3 for volumes.
        widths: channels of each stage; each halves the resolution.
        blocks: in each stage but the first.
        head_width: channels on the way up and of the heads.
        cell_voxels: edge of a cell, in voxels of the input.
        usual_cells: distance from the middle to a side of a box before anything is learnt, in cells.
        classes: that are told apart.
        name: of its kind.
    """

    axes: Axes
    widths: Widths
    blocks: Annotated[int, Rule(minimum=0, maximum=8)]
    head_width: Annotated[int, Rule(minimum=8, multipleOf=8)]
    cell_voxels: CellVoxels
    usual_cells: AboveZero
    image_channels: CountFrom1
    classes: CountFrom1
    name: Literal["centre_point"] = "centre_point"
