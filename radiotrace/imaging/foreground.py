"""Foreground: the box of an image to which it is cut, and the way back.

Stages that bring images in and whoever predicts do it alike, on the image's own grid, before anything else.

Source: nnU-Net's cropping to the nonzero region, Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np
import SimpleITK as sitk

from radiotrace.imaging.image import Grid, Image
from radiotrace.records.preprocessing import Crop


@dataclass(frozen=True)
class Box:
    """A part of a grid, along its x, y, z.

    Attributes:
        begin_voxels: its first voxel, from 0; size_voxels: its edges, 1 at least.
        of_voxels: edges of the whole grid.
    """

    begin_voxels: tuple[int, int, int]
    size_voxels: tuple[int, int, int]
    of_voxels: tuple[int, int, int]

    @property
    def part_zyx(self) -> tuple[slice, slice, slice]:
        """Where it lies in an array (z, y, x) of the whole."""
        x, y, z = (
            slice(begin, begin + size)
            for begin, size in zip(self.begin_voxels, self.size_voxels, strict=True)
        )
        return z, y, x

    @property
    def share(self) -> float:
        """Of the voxels of the whole, those that are in it."""
        return prod(self.size_voxels) / prod(self.of_voxels)

    def cut(self, volume: sitk.Image) -> sitk.Image:
        """The part of a volume on the whole grid; no voxel moves in the world.

        Raises:
            ValueError: the volume has other edges than the whole.
        """
        if volume.GetSize() != self.of_voxels:
            raise ValueError(f"volume of {volume.GetSize()} voxels, expected {self.of_voxels} (x y z)")
        return sitk.RegionOfInterest(volume, self.size_voxels, self.begin_voxels)

    def spread(self, part_zyx: np.ndarray, outside: float) -> np.ndarray:
        """The whole (z, y, x), of the type of the part that lies in the box.

        Args:
            outside: the value of every other voxel.
        """
        whole_zyx = np.full(self.of_voxels[::-1], outside, part_zyx.dtype)
        whole_zyx[self.part_zyx] = part_zyx
        return whole_zyx


def box(channels_zyx: Iterable[np.ndarray], margin_voxels: int) -> Box | None:
    """The box of all voxels that are not 0 in any channel, with a margin.

    Args:
        channels_zyx: one at least, of one shape.
        margin_voxels: on each side, as far as the image goes.

    Returns:
        None where every voxel is 0: such an image stays whole.
    """
    there_zyx = nonzero(channels_zyx)
    if not there_zyx.any():
        return None
    begin, end = [], []
    for axis, edge in enumerate(there_zyx.shape):
        others = tuple(other for other in range(3) if other != axis)
        occupied = np.flatnonzero(there_zyx.any(axis=others))
        begin.append(max(int(occupied[0]) - margin_voxels, 0))
        end.append(min(int(occupied[-1]) + 1 + margin_voxels, edge))
    begin_z, begin_y, begin_x = begin
    size_z, size_y, size_x = (last - first for first, last in zip(begin, end, strict=True))
    z, y, x = there_zyx.shape
    return Box((begin_x, begin_y, begin_z), (size_x, size_y, size_z), (x, y, z))


def nonzero(channels_zyx: Iterable[np.ndarray]) -> np.ndarray:
    """Where any channel is not 0, bool (z, y, x)."""
    first, *others = (channel_zyx != 0 for channel_zyx in channels_zyx)
    for there_zyx in others:
        first |= there_zyx
    return first


def filled(channels_zyx: Iterable[np.ndarray]) -> np.ndarray:
    """The foreground, bool (z, y, x): where any channel is not 0, and holes within it, of voxels that meet
    face to face. Of a picture of one slice a hole is one in its plane."""
    from scipy import ndimage  # here, because whoever predicts without a foreground needs no SciPy

    there_zyx = nonzero(channels_zyx)
    thin = [axis for axis, edge in enumerate(there_zyx.shape) if edge == 1]
    within = ndimage.binary_fill_holes(there_zyx.squeeze(tuple(thin)))
    return np.asarray(within).reshape(there_zyx.shape)


def cut(image: Image, crop: Crop | None) -> tuple[Image, Box | None]:
    """An image on the box of its foreground.

    Returns:
        The image and its box; the whole image and None where no cut is asked for, or every voxel is 0.
    """
    found = None if crop is None else box(image.values_czyx, crop.margin_voxels)
    if found is None:
        return image, None
    parts = [found.cut(image.volume(number)) for number in range(len(image.channels))]
    return Image.of(parts, image.channels), found


def own_grid(grid: Grid, found: Box | None) -> Grid:
    """The part of a grid on which an image lies after `cut`."""
    if found is None:
        return grid
    header = sitk.Image(grid.size_voxels, sitk.sitkUInt8)
    header.SetSpacing(grid.spacing_mm)
    header.SetOrigin(grid.origin_mm)
    header.SetDirection(grid.direction)
    return Grid.of(found.cut(header))
