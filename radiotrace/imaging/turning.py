"""Turning: between an image's own axes and those of an orientation, where no voxel moves in the world."""

import itertools
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from radiotrace.imaging.image import Grid

AXES = ("LR", "PA", "SI")  # letters of each axis of the LPS world


def back(label_map: sitk.Image, grid: Grid) -> sitk.Image:
    """A label map on the grid that it was turned from: each voxel as it is, in the place where it is.

    Args:
        label_map: of voxels that lie where those of the grid lie, its axes in another order or direction.
    """
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(grid.size_voxels)
    resampler.SetOutputSpacing(grid.spacing_mm)
    resampler.SetOutputOrigin(grid.origin_mm)
    resampler.SetOutputDirection(grid.direction)
    resampler.SetInterpolator(sitk.sitkNearestNeighbor)
    resampler.SetUseNearestNeighborExtrapolator(True)
    return resampler.Execute(label_map)


def along(values: Sequence[float], direction: Sequence[float], orientation: str) -> tuple[float, ...]:
    """Values of an image's axes, in the order of the axes that an orientation has.

    Args:
        values: along x, y, z of the image, such as its spacing; without a sign.
        direction: of these axes, row by row, as LPS cosines.
        orientation: three letters that say where x, y, z point to, such as "LPS".
    """
    cosines = np.abs(np.reshape(direction, (3, 3)))
    worlds = [next(number for number, pair in enumerate(AXES) if letter in pair) for letter in orientation]
    order = max(
        itertools.permutations(range(3)),
        key=lambda axes: sum(cosines[world, axis] for world, axis in zip(worlds, axes, strict=True)),
    )
    return tuple(float(values[axis]) for axis in order)
