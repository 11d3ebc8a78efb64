"""Reference: boxes as a data set has them, checked, and brought to the axes of canonical volumes.

Out of data/boxes.csv, or out of the connected parts of label maps. Everything that is wrong is named at once.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from radiotrace.imaging import tables
from radiotrace.imaging.image import Grid
from radiotrace.records.detection.boxes import Box, Corner, LeftOut
from radiotrace.statistics import boxes as geometry

NAME = "boxes.csv"
BYTES_MAX = 2**27
AXES = "xyz"
COLUMNS = ("case_id", "label", *(f"{axis}_{end}" for end in ("low", "high") for axis in AXES))
OF_PICTURES = tuple(column for column in COLUMNS if not column.startswith("z_"))
TWICE = 0.8  # IoU of two boxes of one label above which one thing may be marked twice


def corner(values: Iterable[float]) -> Corner:
    """Three values as a record has them."""
    x, y, z = map(float, values)
    return x, y, z


@dataclass(frozen=True)
class Row:
    """A line of boxes.csv.

    Attributes:
        number: of the box among those of its case, from 1.
        low, high: corners along x, y, z in voxels of the file; voxel i covers i to i + 1.
    """

    case_id: str
    number: int
    label: str
    low: Corner
    high: Corner

    @property
    def place(self) -> str:
        """For people."""
        corners = " ".join(f"{value:g}" for value in (*self.low, *self.high))
        return f"{self.case_id}: box {self.number} ({self.label}, {corners})"


def read(content: bytes, faults: list[str]) -> list[Row]:
    """The lines of boxes.csv.

    Args:
        faults: is added to.
    """
    if len(content) > BYTES_MAX:
        faults.append(f"{NAME}: {len(content)} bytes; at most {BYTES_MAX} are read")
        return []
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        faults.append(f"{NAME}: {error}; expected a table in UTF-8 with commas between")
        return []
    header = tuple(lines[0]) if lines else ()
    if header not in (COLUMNS, OF_PICTURES):
        faults.append(
            f"{NAME}: found the columns {', '.join(header)[:200] or 'nothing'}; expected "
            f"{', '.join(COLUMNS)}, of pictures without z_low and z_high"
        )
        return []
    rows: list[Row] = []
    numbers: dict[str, int] = {}
    for place, cells in enumerate(lines[1:], 2):
        if len(cells) != len(header):
            faults.append(f"{NAME}: line {place}: {len(cells)} cells, expected {len(header)}")
            continue
        of = dict(zip(header, cells, strict=True))
        case_id = of["case_id"]
        numbers[case_id] = numbers.get(case_id, 0) + 1
        broken = [name for name in header[2:] if not tables.NUMBER.fullmatch(of[name])]
        values = {name: float(of[name]) for name in header[2:] if name not in broken}
        broken += [name for name, value in values.items() if not np.isfinite(value)]
        if broken:
            found = ", ".join(f"{name} {of[name][:40]!r}" for name in broken)
            faults.append(f"{case_id[:160]}: box {numbers[case_id]}: {found}, expected numbers")
            continue
        low = corner([values.get(f"{axis}_low", 0.0) for axis in AXES])
        high = corner([values.get(f"{axis}_high", 1.0) for axis in AXES])
        rows.append(Row(case_id, numbers[case_id], of["label"], low, high))
    return rows


@dataclass(frozen=True)
class Place:
    """Where the voxels of a case lie: as it was handed in, and as ingest brought it."""

    file: Grid
    canonical: Grid


def faults_of(
    rows: Sequence[Row],
    places: Mapping[str, Place],
    names: Sequence[str],
    left_out: Sequence[LeftOut],
    beyond_voxels: float,
) -> list[str]:
    """What is wrong with boxes, those that people left out apart.

    Args:
        places: of every case of the data set.
        names: of the labels.
        beyond_voxels: by how much a side may lie outside of the image; it is clipped then.
    """
    faults, gone = [], {(one.case_id, one.box) for one in left_out}
    there = {(row.case_id, row.number) for row in rows}
    faults += [
        f"boxes.left_out: {case_id}: there is no box {number}" for case_id, number in sorted(gone - there)
    ]
    first: dict[tuple, Row] = {}
    for row in rows:
        if (row.case_id, row.number) in gone:
            continue
        if row.case_id not in places:
            faults.append(f"{row.place}: the data set has no such case")
            continue
        if row.label not in names:
            faults.append(f"{row.place}: label {row.label[:60]!r}, expected one of {', '.join(names)}")
        size = places[row.case_id].file.size_voxels
        along = list(zip(AXES, row.low, row.high, size, strict=True))
        flat = [axis for axis, low, high, _ in along if high <= low]
        if flat:
            faults.append(f"{row.place}: no size along {', '.join(flat)}")
        out = [
            f"{axis} {low:g} to {high:g} of 0 to {edge}"
            for axis, low, high, edge in along
            if low < -beyond_voxels or high > edge + beyond_voxels or low >= edge or high <= 0
        ]
        if out and not flat:
            faults.append(f"{row.place}: beyond the image, {', '.join(out)}")
        same = first.setdefault((row.case_id, row.label, row.low, row.high), row)
        if same is not row:
            faults.append(f"{row.place}: stands twice, as box {same.number} already")
    return faults


def canonical(row: Row, place: Place) -> Box:
    """A box along the axes of the canonical volume, clipped to it."""
    low, high = np.array(row.low, float), np.array(row.high, float)
    size = np.array(place.file.size_voxels, float)
    ends = np.stack([np.clip(low, 0, size), np.clip(high, 0, size)])
    to_world = _matrix(place.file)
    world = (ends - 0.5) @ to_world.T + np.array(place.file.origin_mm)
    found = (world - np.array(place.canonical.origin_mm)) @ np.linalg.inv(_matrix(place.canonical)).T + 0.5
    # what is left of rounding: a picture has z from 0 to 1, and a side on the border lies on it
    found = np.round(np.clip(found, 0, np.array(place.canonical.size_voxels, float)), 6)
    lower, upper = found.min(0), found.max(0)
    return Box(row.label, corner(lower), corner(upper))


def _matrix(grid: Grid) -> np.ndarray:
    """From voxels to mm."""
    return np.array(grid.direction).reshape(3, 3) * np.array(grid.spacing_mm)


def of_parts(label_map_zyx: np.ndarray, labels: Mapping[int, str], voxels_min: int) -> list[Box]:
    """The boxes around the connected parts of each label, voxels that touch at a corner included.

    Args:
        labels: value -> name.
        voxels_min: of a part that counts.
    """
    found = []
    for value, name in sorted(labels.items()):
        numbered = np.empty(label_map_zyx.shape, np.int32)
        ndimage.label(label_map_zyx == value, np.ones((3, 3, 3)), numbered)
        sizes = np.bincount(numbered.ravel())
        for number, region in enumerate(ndimage.find_objects(numbered), 1):
            if sizes[number] >= voxels_min:
                low = corner([along.start for along in region[::-1]])
                high = corner([along.stop for along in region[::-1]])
                found.append(Box(name, low, high))
    return found


def overlapping(found: Sequence[Box]) -> int:
    """Pairs of boxes of one label of an image that may be one thing marked twice."""
    count = 0
    for label in {box.label for box in found}:
        corners = np.array([(*box.low_voxels, *box.high_voxels) for box in found if box.label == label])
        count += int(np.triu(geometry.iou(corners, corners) > TWICE, 1).sum())
    return count
