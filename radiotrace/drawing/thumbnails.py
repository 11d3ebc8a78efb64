"""Thumbnails: a case in three planes as one small PNG, for pages with many of them."""

import io

import numpy as np
from PIL import Image, ImageDraw

from radiotrace.drawing.figures import PREDICTION, REFERENCE

GAP = 3  # pixels between planes
BACKGROUND = (0, 0, 0)


def planes(
    image_zyx: np.ndarray, outlines: list[tuple[np.ndarray, np.ndarray]], spacing_zyx, pixels_per_mm: float
) -> bytes:
    """Axial, coronal and sagittal slice with the most of reference and prediction, side by side; patient's
    right on the left.

    Args:
        image_zyx: on the canonical LPS grid.
        outlines: (reference, prediction) of each label, bool (z, y, x): the reference is drawn thick, the
            prediction thin over it.
        spacing_zyx: edges of a voxel, in mm.
        pixels_per_mm: of the picture.

    Returns:
        PNG, the same bytes every time.
    """
    low, high = np.percentile(image_zyx, (1, 99.5))
    grey = np.clip((image_zyx - low) / max(high - low, 1e-12), 0, 1)
    both = np.zeros(image_zyx.shape, bool)
    for reference, prediction in outlines:
        both |= reference | prediction
    pictures = []
    for axis in range(3):
        across = tuple(dimension for dimension in range(3) if dimension != axis)
        index = image_zyx.shape[axis] // 2
        if both.any():
            index = int(np.argmax(both.sum(across)))
        # of a voxel, in pixels: down, right
        edges = [spacing_zyx[dimension] * pixels_per_mm for dimension in across]
        head_up = axis > 0  # z grows towards the head
        picture = _grey(_turned(np.take(grey, index, axis), head_up), edges)
        draw = ImageDraw.Draw(picture)
        for pair in outlines:
            for mask, colour, width in zip(
                pair, (REFERENCE, PREDICTION), (3, 1) if pixels_per_mm < 4 else (5, 2), strict=True
            ):
                for line in borders(_turned(np.take(mask, index, axis), head_up)):
                    draw.line([(x * edges[1], y * edges[0]) for y, x in line], fill=colour, width=width)
        pictures.append(picture)
    return _png(pictures)


def borders(mask: np.ndarray) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The edges between voxels of a mask and others, ((row, column), (row, column)) in voxel corners; the
    border of the picture counts.

    Args:
        mask: bool (rows, columns).
    """
    padded = np.pad(mask, 1)
    down, right = padded[1:] != padded[:-1], padded[:, 1:] != padded[:, :-1]
    return [((int(row), int(column) - 1), (int(row), int(column))) for row, column in np.argwhere(down)] + [
        ((int(row) - 1, int(column)), (int(row), int(column))) for row, column in np.argwhere(right)
    ]


def _turned(plane: np.ndarray, head_up: bool) -> np.ndarray:
    return plane[::-1] if head_up else plane


def _grey(plane: np.ndarray, edges: list[float]) -> Image.Image:
    size = [max(1, round(count * edge)) for count, edge in zip(plane.shape, edges, strict=True)]
    return (
        Image.fromarray(np.round(plane * 255).astype(np.uint8))
        .resize(size[::-1], Image.Resampling.NEAREST)
        .convert("RGB")
    )


def _png(pictures: list[Image.Image]) -> bytes:
    whole = Image.new(
        "RGB",
        (
            sum(picture.width for picture in pictures) + GAP * (len(pictures) - 1),
            max(picture.height for picture in pictures),
        ),
        BACKGROUND,
    )
    left = 0
    for picture in pictures:
        whole.paste(picture, (left, (whole.height - picture.height) // 2))
        left += picture.width + GAP
    buffer = io.BytesIO()
    whole.quantize(64, dither=Image.Dither.NONE).save(buffer, "png", optimize=True)
    return buffer.getvalue()
