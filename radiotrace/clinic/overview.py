"""Overview: a case in three planes with the outlines of its labels and their volumes, as one picture.

The same picture stands on the page of a batch, beside a result, and as a DICOM capture in a viewer.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as Picture
from PIL import ImageColor, ImageDraw, ImageFont

from radiotrace.drawing.slices import PLANES, Plane
from radiotrace.imaging import turning, volumes
from radiotrace.imaging.image import Image, on

PANEL = 300  # pixels, of the longest edge of any plane
MARGIN, LINE, FONT = 8, 19, 14
GROUND, INK, WARNING = (18, 18, 20), (235, 235, 235), (255, 196, 84)
ROWS = 12  # labels in the legend; of more, the rest is counted


@dataclass(frozen=True)
class Row:
    """A label in the legend.

    Attributes:
        colour: "#rrggbb".
    """

    value: int
    name: str
    volume_mm3: float
    colour: str


def picture(image: Image, labels_zyx: np.ndarray, rows: Sequence[Row], lines: Sequence[str]) -> np.ndarray:
    """The overview, (rows, columns, 3) uint8, the same for the same case.

    Each plane is the slice with most of all labels; patient's right is on the left.

    Args:
        image: its first channel is shown.
        labels_zyx: on its grid.
        lines: further ones under the legend, of which those that begin with '!' stand out.
    """
    shown = image.canonical("LPS", None)
    first = shown.values_czyx[0]
    labels = volumes.array_zyx(turning.back(on(labels_zyx, image.grid), shown.grid))
    # of a flat copy of its own, which may be sorted in place: a large image is not copied once more
    limits = np.percentile(first.astype(np.float64).ravel(), (1, 99.5), overwrite_input=True)
    spacing_zyx = shown.grid.spacing_mm[::-1]
    scale = PANEL / max(n * edge for n, edge in zip(first.shape, spacing_zyx, strict=True))
    colours = {row.value: ImageColor.getrgb(row.colour) for row in rows}
    panels = []
    for axis, plane in enumerate(PLANES):
        index = _with_most(labels, axis)
        of_grey, of_labels = (np.take(array, index, axis) for array in (first, labels))
        edges = [edge * scale for dimension, edge in enumerate(spacing_zyx) if dimension != axis]
        panels.append(_panel(_grey(of_grey, *limits), of_labels, colours, plane, edges))
    return np.asarray(_laid_out(panels, rows, lines))


def png(picture_rgb: np.ndarray) -> bytes:
    """A picture as a file, the same bytes every time."""
    buffer = io.BytesIO()
    Picture.fromarray(picture_rgb).save(buffer, "png", optimize=True)
    return buffer.getvalue()


def _with_most(labels: np.ndarray, axis: int) -> int:
    """The slice across an axis with most of all labels; the middle one where there are none."""
    voxels = (labels > 0).sum(tuple(dimension for dimension in range(3) if dimension != axis))
    return int(np.argmax(voxels)) if voxels.any() else len(voxels) // 2


def _grey(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """uint8, black at the low value and white at the high one."""
    share = (values.astype(np.float64) - low) / max(high - low, 1e-12)
    return np.round(np.clip(share, 0, 1) * 255).astype(np.uint8)


def _panel(
    grey: np.ndarray,
    labels: np.ndarray,
    colours: Mapping[int, tuple[int, ...]],
    plane: Plane,
    edges: Sequence[float],
) -> Picture.Image:
    """A plane with outlines, and letters of the sides of the body.

    Args:
        grey, labels: (rows, columns) of the slice.
        colours: of each label.
        edges: of a voxel along rows and columns, in pixels.
    """
    turn = slice(None, None, -1 if plane.head_up else 1)
    cut, of_labels = grey[turn], labels[turn]
    size = [max(1, round(count * edge)) for count, edge in zip(cut.shape, edges, strict=True)]
    rows, columns = (np.arange(n) * cut.shape[k] // n for k, n in enumerate(size))
    shown = np.repeat(cut[rows][:, columns, None], 3, axis=2)
    enlarged = of_labels[rows][:, columns]
    for value in np.unique(enlarged[enlarged > 0]):
        shown[_border(enlarged == value)] = colours[int(value)]
    panel = Picture.fromarray(shown)
    draw, font = ImageDraw.Draw(panel), ImageFont.load_default(FONT)
    middle = (size[1] / 2, size[0] / 2)
    for letter, place, anchor in (
        (plane.left, (2, middle[1]), "lm"),
        (plane.right, (size[1] - 2, middle[1]), "rm"),
        (plane.top, (middle[0], 1), "ma"),
        (plane.bottom, (middle[0], size[0] - 2), "md"),
    ):
        draw.text(place, letter, fill=INK, font=font, anchor=anchor, stroke_width=1, stroke_fill=GROUND)
    return panel


def _border(mask: np.ndarray) -> np.ndarray:
    """Pixels of a mask that touch others, two wide, so that they are seen on any screen."""
    inner = mask
    for _ in range(2):
        padded = np.pad(inner, 1)
        inner = (
            padded[1:-1, 1:-1] & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        )
    return mask & ~inner


def _laid_out(panels: Sequence[Picture.Image], rows: Sequence[Row], lines: Sequence[str]) -> Picture.Image:
    """Planes side by side, under them the legend and further lines."""
    font = ImageFont.load_default(FONT)
    width = max(sum(panel.width for panel in panels) + MARGIN * (len(panels) + 1), 640)
    wrapped = [part for line in lines for part in _wrapped(line, width - 2 * MARGIN, font)]
    listed = list(rows[:ROWS])
    more = [f"and {len(rows) - ROWS} labels more"] if len(rows) > ROWS else []
    top = max(panel.height for panel in panels) + 2 * MARGIN
    height = top + LINE * (len(listed) + len(more) + len(wrapped)) + MARGIN
    whole = Picture.new("RGB", (width, height), GROUND)
    left = MARGIN
    for panel in panels:
        whole.paste(panel, (left, MARGIN))
        left += panel.width + MARGIN
    draw = ImageDraw.Draw(whole)
    for row in listed:
        draw.rectangle((MARGIN, top + 3, MARGIN + 12, top + 15), fill=row.colour)
        draw.text((MARGIN + 20, top), f"{row.name}: {row.volume_mm3:.0f} cubic mm", fill=INK, font=font)
        top += LINE
    for text in (*more, *wrapped):
        draw.text((MARGIN, top), text.lstrip("!"), fill=WARNING if text[0] == "!" else INK, font=font)
        top += LINE
    return whole


def _wrapped(line: str, width: int, font) -> list[str]:
    """A line in as many as it takes; each begins as the first one does."""
    mark = "!" if line.startswith("!") else ""
    parts, words = [], line.lstrip("!").split()
    for word in words:
        if parts and font.getlength(f"{parts[-1]} {word}") <= width:
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    return [f"{mark}{part}" for part in parts]
