"""Slices: every slice of a case as a small PNG, with the outlines of label maps as SVG paths over it.

For the page of one case, where a reader goes through all of them. Plain arrays in, bytes and text out.
"""

import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

LONGEST_EDGE = 256  # pixels; larger slices are drawn smaller, so that a page of many stays small
SHEET = 6  # slices that stand on paper, and where nothing scrolls
COARSER = 1.1  # an axis is scanned along where its spacing is this much that of z
NICE = (1, 2, 5)  # lengths of a scale bar, times a power of ten
RIGHT, LEFT, FRONT, BACK, HEAD, FEET = "R", "L", "A", "P", "S", "I"


@dataclass(frozen=True)
class Plane:
    """How slices across one axis of the canonical LPS grid are shown.

    Attributes:
        name: of the plane.
        left, right, top, bottom: the side of the body that a reader sees there.
        first, last: where the first and the last slice lie.
        head_up: whether rows are turned, because they grow towards the head.
    """

    name: str
    left: str
    right: str
    top: str
    bottom: str
    first: str
    last: str
    head_up: bool


# By the axis across which they are cut: z, y, x.
PLANES = (
    Plane("axial", RIGHT, LEFT, FRONT, BACK, FEET, HEAD, False),
    Plane("coronal", RIGHT, LEFT, HEAD, FEET, FRONT, BACK, True),
    Plane("sagittal", FRONT, BACK, HEAD, FEET, RIGHT, LEFT, True),
)


@dataclass(frozen=True)
class Slice:
    """One slice.

    Attributes:
        number: from 1.
        png: grey, the same bytes every time.
        reference, prediction: an SVG path for each label, in voxels from the top left corner; "" where the
            label is not in the slice.
        on_sheet: whether it stands on paper.
    """

    number: int
    png: bytes
    reference: tuple[str, ...]
    prediction: tuple[str, ...]
    on_sheet: bool


@dataclass(frozen=True)
class Stack:
    """All slices of a case.

    Attributes:
        plane: in which they lie.
        rows, columns: voxels of a slice.
        row_mm, column_mm: edges of a voxel, down and to the right; slice_mm: from one slice to the next.
        window: grey values that are black and white.
        opens_at: index of the slice with the most of reference and prediction.
        slices: from the first to the last.
    """

    plane: Plane
    rows: int
    columns: int
    row_mm: float
    column_mm: float
    slice_mm: float
    window: tuple[float, float]
    opens_at: int
    slices: tuple[Slice, ...]

    @property
    def width_mm(self) -> float:
        """Of a slice."""
        return self.columns * self.column_mm

    @property
    def height_mm(self) -> float:
        """Of a slice."""
        return self.rows * self.row_mm

    @property
    def bar_mm(self) -> float:
        """Length of the scale bar."""
        return scale_bar(self.width_mm)


@dataclass(frozen=True)
class View:
    """One slice by itself, for a page of many cases.

    Attributes:
        plane: in which it lies.
        width_mm, height_mm: of the slice; column_mm, row_mm: edges of a voxel, to the right and down.
        number: of the slice, from 1; slices: how many there are.
        png: grey, the same bytes every time.
        outlines: an SVG path for each label, in voxels from the top left corner; "" where it is not there.
        place: in voxels from there, the middle of the voxel that is shown; None where none is asked for.
    """

    plane: Plane
    width_mm: float
    height_mm: float
    column_mm: float
    row_mm: float
    number: int
    slices: int
    png: bytes
    outlines: tuple[str, ...]
    place: tuple[float, float] | None


def view(
    image_zyx: np.ndarray,
    labelled: tuple[np.ndarray, Sequence[int]] | None,
    spacing_zyx: Sequence[float],
    place_zyx: Sequence[int] | None = None,
) -> View:
    """The slice of a place, in the plane in which the case was scanned; without a place that with the most of
    the labels, and the middle one where there is none.

    Args:
        image_zyx: on the canonical LPS grid; values that are not finite are drawn as 0.
        labelled: label map (z, y, x), and the values in it that are outlined; None of a case without one.
        spacing_zyx: edges of a voxel, in mm.
        place_zyx: a voxel.
    """
    axis = scanned_along(image_zyx.shape, spacing_zyx)
    down, right = (dimension for dimension in range(3) if dimension != axis)
    plane, n_slices = PLANES[axis], image_zyx.shape[axis]
    index, place = n_slices // 2, None
    if labelled is not None and labelled[0].any():
        index = int(np.argmax(np.count_nonzero(labelled[0], axis=(down, right))))
    if place_zyx is not None:
        index, row, column = (int(place_zyx[dimension]) for dimension in (axis, down, right))
        if plane.head_up:
            row = image_zyx.shape[down] - 1 - row
        place = (column + 0.5, row + 0.5)
    # the slice alone, which is all that is copied of a large image
    shown = np.nan_to_num(np.take(image_zyx, index, axis).astype(np.float64), nan=0, posinf=0, neginf=0)
    low, high = (float(value) for value in np.percentile(shown, (1, 99.5)))
    outlines = ()
    if labelled is not None:
        values_yx = _plane(labelled[0], index, axis, plane)
        outlines = tuple(outline(values_yx == value) for value in labelled[1])
    grey = np.clip((shown - low) / max(high - low, 1e-12), 0, 1)
    rows, columns = shown.shape
    return View(
        plane=plane,
        width_mm=columns * float(spacing_zyx[right]),
        height_mm=rows * float(spacing_zyx[down]),
        column_mm=float(spacing_zyx[right]),
        row_mm=float(spacing_zyx[down]),
        number=index + 1,
        slices=n_slices,
        png=_png(grey[::-1] if plane.head_up else grey),
        outlines=outlines,
        place=place,
    )


def stack(
    image_zyx: np.ndarray, outlines: Sequence[tuple[np.ndarray, np.ndarray]], spacing_zyx: Sequence[float]
) -> Stack:
    """Every slice of a case, in the plane in which it was scanned.

    Args:
        image_zyx: on the canonical LPS grid.
        outlines: (reference, prediction) of each label, bool (z, y, x).
        spacing_zyx: edges of a voxel, in mm.
    """
    axis = scanned_along(image_zyx.shape, spacing_zyx)
    across = tuple(dimension for dimension in range(3) if dimension != axis)
    plane = PLANES[axis]
    low, high = (float(value) for value in np.percentile(image_zyx, (1, 99.5)))
    grey = np.clip((image_zyx - low) / max(high - low, 1e-12), 0, 1)
    outlined = np.zeros(image_zyx.shape, bool)
    for reference, prediction in outlines:
        outlined |= reference | prediction
    voxels = outlined.sum(across)
    sheet = on_sheet(voxels)
    slices = []
    for index in range(image_zyx.shape[axis]):
        paths = [
            [outline(_plane(mask, index, axis, plane)) for mask in masks]
            for masks in zip(*outlines, strict=True)
        ]
        reference, prediction = paths if paths else ([], [])
        picture = _png(_plane(grey, index, axis, plane))
        slices.append(Slice(index + 1, picture, tuple(reference), tuple(prediction), index in sheet))
    row_mm, column_mm = (float(spacing_zyx[dimension]) for dimension in across)
    rows, columns = (image_zyx.shape[dimension] for dimension in across)
    opens_at = int(np.argmax(voxels)) if voxels.any() else len(slices) // 2
    return Stack(
        plane=plane,
        rows=rows,
        columns=columns,
        row_mm=row_mm,
        column_mm=column_mm,
        slice_mm=float(spacing_zyx[axis]),
        window=(low, high),
        opens_at=opens_at,
        slices=tuple(slices),
    )


def scanned_along(shape_zyx: Sequence[int], spacing_zyx: Sequence[float]) -> int:
    """The axis across which slices are shown: that of a picture's one slice, else the one whose slices lie
    furthest apart; z where none does."""
    if 1 in shape_zyx:
        return list(shape_zyx).index(1)
    axis = int(np.argmax(spacing_zyx))
    return axis if spacing_zyx[axis] > COARSER * spacing_zyx[0] else 0


def on_sheet(voxels: np.ndarray) -> set[int]:
    """Indices of the slices that stand for all: spread over those with an outline, over all where none has.

    Args:
        voxels: outlined in each slice.
    """
    chosen = np.flatnonzero(voxels)
    if not chosen.size:
        chosen = np.arange(len(voxels))
    spread = np.linspace(0, len(chosen) - 1, min(SHEET, len(chosen))).round().astype(int)
    return {int(index) for index in chosen[spread]}


def scale_bar(width_mm: float) -> float:
    """The longest nice length that takes no more than a third of a width, both in mm."""
    power = 10.0 ** np.floor(np.log10(width_mm / 3))
    return float(max(step * power for step in NICE if step * power <= width_mm / 3 * (1 + 1e-9)))


def outline(mask: np.ndarray) -> str:
    """The border of a mask as closed SVG paths along the edges of its voxels; "" of an empty one.

    The border of the picture counts. Two voxels that meet at a corner alone are two objects.

    Args:
        mask: bool (rows, columns).
    """
    ends = _edges(mask)
    paths = []
    for start in sorted(ends):
        while ends[start]:
            paths.append(_path(_walk(start, ends)))
    return "".join(paths)


def _edges(mask: np.ndarray) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Corner (x, y) -> corners that an edge leads to, with the mask on the right-hand side."""
    padded = np.pad(mask.astype(bool), 1)
    inside = padded[1:-1, 1:-1]
    # of each side: the neighbour there, and where the edge begins and ends, from the top left corner
    sides = (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),
        (padded[1:-1, 2:], (1, 0), (1, 1)),
        (padded[2:, 1:-1], (1, 1), (0, 1)),
        (padded[1:-1, :-2], (0, 1), (0, 0)),
    )
    ends: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for neighbour, begin, end in sides:
        for y, x in np.argwhere(inside & ~neighbour).tolist():
            ends.setdefault((x + begin[0], y + begin[1]), []).append((x + end[0], y + end[1]))
    return ends


def _walk(
    start: tuple[int, int], ends: dict[tuple[int, int], list[tuple[int, int]]]
) -> list[tuple[int, int]]:
    """One closed border, which takes its edges away."""
    corners, here, heading = [start], start, (1, 0)
    while True:
        # where two voxels meet at a corner, a turn to the right stays with the same one
        turned = (here[0] - heading[1], here[1] + heading[0])
        after = turned if turned in ends[here] else ends[here][0]
        ends[here].remove(after)
        heading, here = (after[0] - here[0], after[1] - here[1]), after
        if here == start:
            return corners
        corners.append(here)


def _path(corners: list[tuple[int, int]]) -> str:
    """A closed path through corners, straight runs as one step."""
    bends = []
    for index, (x, y) in enumerate(corners):
        before, after = corners[index - 1], corners[(index + 1) % len(corners)]
        if (before[0] == after[0] == x) or (before[1] == after[1] == y):
            continue
        bends.append((x, y))
    words = [f"M{bends[0][0]} {bends[0][1]}"]
    for (x, y), (next_x, next_y) in itertools.pairwise(bends):
        words.append(f"h{next_x - x}" if next_y == y else f"v{next_y - y}")
    return "".join(words) + "z"


def _plane(array_zyx: np.ndarray, index: int, axis: int, plane: Plane) -> np.ndarray:
    taken = np.take(array_zyx, index, axis)
    return taken[::-1] if plane.head_up else taken


def _png(grey: np.ndarray) -> bytes:
    """A picture of values from 0 to 1, no longer than LONGEST_EDGE."""
    picture = Image.fromarray(np.round(grey * 255).astype(np.uint8))
    if max(picture.size) > LONGEST_EDGE:
        scale = LONGEST_EDGE / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, "png", optimize=True)
    return buffer.getvalue()
