"""Image: the channels of a case on one grid. What a network sees begins here.

Readers make it (imaging.parts, commands.monitor); inference and the tasks take it. A label map is no image:
it stays a volume.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from radiotrace.imaging import volumes
from radiotrace.imaging.channels import Channel


@dataclass(frozen=True)
class Grid:
    """Where voxels lie: three values along x, y, z; direction row by row, as LPS cosines."""

    size_voxels: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    origin_mm: tuple[float, ...]
    direction: tuple[float, ...]

    @classmethod
    def of(cls, volume: sitk.Image) -> "Grid":
        return cls.of_record(volumes.grid(volume))

    @classmethod
    def of_record(cls, grid: dict) -> "Grid":
        return cls(**{key: tuple(value) for key, value in grid.items()})

    def record(self) -> dict:
        """As records have it, and as volumes.onto takes it."""
        return {key: list(value) for key, value in vars(self).items()}


@dataclass(frozen=True, eq=False)  # arrays have no equality of their own
class Image:
    """Channels on one grid; a picture has one slice, z == 1.

    Attributes:
        values_czyx: of any real type, finite.
        channels: as many as values has first, in this order.
    """

    values_czyx: np.ndarray
    channels: tuple[Channel, ...]
    grid: Grid

    @classmethod
    def of(cls, of_channels: Sequence[sitk.Image], channels: Sequence[Channel]) -> "Image":
        """The image that volumes form, one for each channel. They lie on the grid of the first.

        Raises:
            VolumeError: a volume has another size than the first.
        """
        first = of_channels[0]
        for volume, channel in zip(of_channels, channels, strict=True):
            if volume.GetSize() != first.GetSize():
                found, expected = (
                    " ".join(map(str, channel_volume.GetSize())) for channel_volume in (volume, first)
                )
                raise volumes.VolumeError(
                    f"channel {channel.name} has {found} voxels, {channels[0].name} {expected}"
                )
        values_czyx = np.stack([volumes.array_zyx(volume) for volume in of_channels])
        return cls(values_czyx, tuple(channels), Grid.of(first))

    def volume(self, channel: int = 0) -> sitk.Image:
        """One channel as a volume."""
        return on(self.values_czyx[channel], self.grid)

    def with_values(self, values_czyx: np.ndarray) -> "Image":
        """Other values of the same channels on the same grid."""
        return Image(values_czyx, self.channels, self.grid)

    def canonical(self, orientation: str, spacing_xyz) -> "Image":
        """As volumes.canonical, each channel by itself."""
        turned = [
            volumes.canonical(self.volume(number), orientation, spacing_xyz, is_label_map=False)
            for number in range(len(self.channels))
        ]
        return Image.of(turned, self.channels)


def on(array_zyx: np.ndarray, grid: Grid) -> sitk.Image:
    """A volume of these voxels.

    Raises:
        ValueError: the array's shape is not that of the grid.
    """
    if array_zyx.shape != grid.size_voxels[::-1]:
        raise ValueError(f"array of {array_zyx.shape} (z y x) on a grid of {grid.size_voxels} (x y z)")
    volume = sitk.GetImageFromArray(array_zyx)
    volume.SetSpacing(grid.spacing_mm)
    volume.SetOrigin(grid.origin_mm)
    volume.SetDirection(grid.direction)
    return volume
