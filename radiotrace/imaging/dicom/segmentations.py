"""Segmentations: masks from frames of a DICOM SEG, laid onto the grid of the image by place in the world.

Frame by frame: how many a file has, or how far apart they lie, costs no memory.
"""

import numpy as np

from radiotrace.imaging.dicom.headers import Instance, Plane
from radiotrace.imaging.image import Grid

OFF_GRID_MAX = 0.1  # voxels, of the place of any pixel


def mask(
    stored: np.ndarray, instance: Instance, segment: int, grid: Grid, fraction: float | None
) -> np.ndarray:
    """The voxels of one segment.

    Args:
        stored: (frame, row, column), as pixels.stored gives them.
        segment: its number.
        fraction: of fractional segmentations: how much of a pixel must be filled, in (0, 1].

    Returns:
        bool, (z, y, x), on the grid.

    Raises:
        ValueError: with a finding: frames do not lie on the grid, or pixels lie outside it.
    """
    if instance.fraction_max and fraction is None:
        raise ValueError(
            "a fractional segmentation, and nobody has said how much of a voxel must be filled: choose with "
            "--fraction"
        )
    found = np.zeros(grid.size_voxels[::-1], bool)
    outside = 0
    for plane, frame in zip(instance.planes, stored, strict=True):
        if plane.segment not in (0, segment):
            continue
        if plane.segment == 0:  # a label map: pixels say which segment they are of
            filled = frame == segment
        elif instance.fraction_max:
            filled = frame >= max(fraction or 0, 1e-9) * instance.fraction_max
        else:
            filled = frame != 0
        if not filled.any():
            continue
        rows, columns = np.nonzero(filled)
        start, of_column, of_row = _placed(plane, frame.shape, grid)
        voxels = start + np.outer(columns, of_column) + np.outer(rows, of_row)
        inside = ((voxels >= 0) & (voxels < grid.size_voxels)).all(axis=1)
        outside += int((~inside).sum())
        x, y, z = voxels[inside].T
        found[z, y, x] = True
    if outside:
        raise ValueError(f"{outside} pixels lie outside the image, expected all in it")
    return found


def _placed(plane: Plane, shape: tuple, grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where pixel (0, 0) of a frame lies in voxels of the grid, and the steps of one column and one row.

    Raises:
        ValueError: the frame has no place, or a pixel lies more than OFF_GRID_MAX beside a voxel.
    """
    if plane.position_mm is None or plane.orientation is None or plane.spacing_mm is None:
        raise ValueError("a frame does not say where it lies")
    directions = np.array(plane.orientation, float).reshape(2, 3)
    to_voxels = np.linalg.inv(np.array(grid.direction).reshape(3, 3) * np.array(grid.spacing_mm))
    start = to_voxels @ (np.array(plane.position_mm) - np.array(grid.origin_mm))
    of_column = to_voxels @ (directions[0] * plane.spacing_mm[1])
    of_row = to_voxels @ (directions[1] * plane.spacing_mm[0])
    whole = np.rint(start), np.rint(of_column), np.rint(of_row)
    corners = [(0, 0), (shape[1] - 1, 0), (0, shape[0] - 1), (shape[1] - 1, shape[0] - 1)]
    beside = max(
        float(np.abs(start - whole[0] + i * (of_column - whole[1]) + j * (of_row - whole[2])).max())
        for i, j in corners
    )
    if beside > OFF_GRID_MAX:
        raise ValueError(
            f"a frame lies {beside:.3g} voxels beside the grid of the image, expected at most "
            f"{OFF_GRID_MAX}. Resample it onto that grid"
        )
    return whole[0].astype(int), whole[1].astype(int), whole[2].astype(int)
