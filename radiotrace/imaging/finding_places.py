"""Where in a case a finding lies, so that a picture can show it. Judges nothing: the checks have found it."""

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from radiotrace.imaging.finding import Finding

Voxel = tuple[int, int, int]


def place(
    finding: Finding, image_zyx: np.ndarray, label_zyx: np.ndarray | None, labels: Mapping[str, str]
) -> Voxel | None:
    """A voxel (z, y, x) that shows what was found; None where a finding is of the case as a whole, or its
    place cannot be told.

    Args:
        image_zyx: the first channel.
        label_zyx: on its grid.
        labels: value -> name. A finding of a label begins with its name.
    """
    if finding.check == "finite":
        return _first(~np.isfinite(image_zyx))
    if finding.check == "empty_slices":
        return _empty_slice(image_zyx)
    if label_zyx is None:
        return None
    for value, name in labels.items():
        if value != "0" and finding.found.startswith(f"{name}: "):
            mask = label_zyx == int(value)
            if finding.check == "label_border":
                return _first(_border(mask.shape) & mask)
            if finding.check == "label_components":
                return _smallest_piece(mask)
    return None


def _first(there_zyx: np.ndarray) -> Voxel | None:
    """The first voxel of a mask."""
    if not there_zyx.any():
        return None
    z, y, x = np.unravel_index(int(np.argmax(there_zyx)), there_zyx.shape)
    return int(z), int(y), int(x)


def _border(shape_zyx: tuple[int, ...]) -> np.ndarray:
    """The outermost voxels along each axis of more than one."""
    border = np.ones(shape_zyx, bool)
    border[tuple(slice(1, -1) if edge > 1 else slice(None) for edge in shape_zyx)] = False
    return border


def _smallest_piece(mask: np.ndarray) -> Voxel | None:
    """Of the smallest of several pieces, the voxel nearest to the middle of its box."""
    pieces, n_pieces = ndimage.label(mask, np.ones((3, 3, 3)))  # pyright: ignore[reportGeneralTypeIssues]
    if n_pieces < 2:
        return None
    smallest = int(np.argmin(np.bincount(pieces.ravel())[1:])) + 1
    voxels = np.argwhere(pieces == smallest)
    middle = (voxels.min(0) + voxels.max(0)) / 2
    z, y, x = voxels[int(np.argmin(((voxels - middle) ** 2).sum(1)))].tolist()
    return z, y, x


def _empty_slice(image_zyx: np.ndarray) -> Voxel | None:
    """The middle of the first slice of one value that lies between others."""
    for axis, edge in enumerate(image_zyx.shape):
        others = tuple({0, 1, 2} - {axis})
        is_empty = np.ptp(image_zyx, axis=others) == 0
        filled = np.flatnonzero(~is_empty)
        if edge < 3 or not len(filled):
            continue
        between = np.flatnonzero(is_empty[filled[0] : filled[-1]])
        if len(between):
            middle = [size // 2 for size in image_zyx.shape]
            middle[axis] = int(filled[0] + between[0])
            z, y, x = middle
            return z, y, x
    return None
