"""The record 'boxes': which things the reference says that each image shows, and where."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import CaseId, Count, CountFrom1, Sha256, Text

Corner = tuple[float, float, float]


@dataclass(frozen=True)
class Box(Record):
    """A box, along the axes of the canonical volume.

    Attributes:
        low_voxels, high_voxels: corners along x, y, z; voxel i covers i to i + 1, so that a picture has z
            from 0 to 1.
    """

    label: Text
    low_voxels: Corner
    high_voxels: Corner


@dataclass(frozen=True)
class LeftOut(Record):
    """A box that people left out.

    Attributes:
        box: its number among those of its case, from 1.
    """

    case_id: CaseId
    box: CountFrom1
    reason: Text


@dataclass(frozen=True)
class Boxes(Record):
    """The reference: every box of every case, checked.

    Attributes:
        source: of the boxes: data/boxes.csv, or the connected parts of label maps.
        file_sha256: of data/boxes.csv; null of label maps.
        counts: label -> boxes.
        empty: cases without a box.
        overlapping: pairs of boxes of one label in one image of which the intersection is more than four
            fifths of the union: is one thing marked twice?
        cases: case_id -> its boxes, in the order of the file.
    """

    source: Literal["file", "label_maps"]
    file_sha256: Sha256 | None
    counts: Annotated[Mapping[str, Count], Rule(minProperties=1)]
    empty: Count
    overlapping: Count
    left_out: tuple[LeftOut, ...]
    cases: Annotated[Mapping[str, tuple[Box, ...]], Rule(minProperties=1)]
