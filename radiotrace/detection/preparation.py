"""Preparation: from a canonical image to what a detector takes, and corners of boxes from one to the other.
NumPy alone, the same for training, evaluation and whoever predicts."""

from dataclasses import dataclass

import numpy as np

from radiotrace.imaging.channels import Channel
from radiotrace.imaging.image import Image
from radiotrace.inference import intensity
from radiotrace.records.detection.preprocessing import ImageChannel, ImagePreprocessing


@dataclass(frozen=True)
class ImageRecipe:
    """How an image is prepared.

    Attributes:
        orientation, spacing_mm: of the canonical image.
        channels: with how each is normalised.
        shrink_zyx: how many voxels become one; the last two alone count for pictures.
        multiple: of which sides of the input are multiples.
        axes: 2 for pictures, 3 for volumes.
    """

    orientation: str
    spacing_mm: tuple[float, float, float] | None
    channels: tuple[Channel, ...]
    shrink_zyx: tuple[int, int, int]
    multiple: int
    axes: int

    @classmethod
    def of(cls, record: ImagePreprocessing, axes: int) -> "ImageRecipe":
        """Of the record of a run."""
        channels = tuple(Channel(row.name, row.modality, row.clip_percentiles) for row in record.channels)
        x, y, z = record.shrink
        return cls(record.orientation, record.spacing_mm, channels, (z, y, x), record.multiple, axes)

    def record(self) -> ImagePreprocessing:
        """As the record of a run has it."""
        channels = tuple(
            ImageChannel(channel.name, channel.modality, channel.percentiles) for channel in self.channels
        )
        z, y, x = self.shrink_zyx
        return ImagePreprocessing(self.orientation, self.spacing_mm, channels, (x, y, z), self.multiple)

    @property
    def shrink(self) -> np.ndarray:
        """Along the axes of the input."""
        return np.array(self.shrink_zyx[-self.axes :])


def prepared(image: Image, recipe: ImageRecipe) -> np.ndarray:
    """A canonical image as the network takes it, (c, y, x) or (c, z, y, x) float32: each channel clipped and
    brought to mean 0 and SD 1, then shrunk, then continued at its upper ends by its last voxels.

    Raises:
        ValueError: a picture is asked for and there are several slices.
    """
    values = intensity.normalise_channels(image.values_czyx, recipe.channels)
    if recipe.axes == 2:
        if values.shape[1] != 1:
            raise ValueError(f"{values.shape[1]} slices, expected one")
        values = values[:, 0]
    for axis, factor in enumerate(recipe.shrink, 1):
        values = _continued(values, axis, int(factor))
        shape = (*values.shape[:axis], values.shape[axis] // factor, factor, *values.shape[axis + 1 :])
        values = values.reshape(shape).mean(axis + 1, dtype=np.float64).astype(np.float32)
    for axis in range(1, values.ndim):
        values = _continued(values, axis, recipe.multiple)
    return np.ascontiguousarray(values)


def _continued(values: np.ndarray, axis: int, multiple: int) -> np.ndarray:
    missing = -values.shape[axis] % multiple
    if not missing:
        return values
    widths = [(0, missing if place == axis else 0) for place in range(values.ndim)]
    return np.pad(values, widths, mode="edge")


def to_input(low_xyz: np.ndarray, high_xyz: np.ndarray, recipe: ImageRecipe) -> np.ndarray:
    """Corners in voxels of the canonical volume, (n, 3) each, as boxes of the input, (n, 2 * axes)."""
    corners = [ends[:, : recipe.axes][:, ::-1] / recipe.shrink for ends in (low_xyz, high_xyz)]
    return np.concatenate(corners, 1)


def to_canonical(
    corners: np.ndarray, size_xyz: tuple[int, ...], recipe: ImageRecipe
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of the input as corners in voxels of the canonical volume, (n, 3) each, clipped to it; of a
    picture z is 0 to 1."""
    ends = []
    for place in range(2):
        along = corners[:, place * recipe.axes : (place + 1) * recipe.axes] * recipe.shrink
        whole = np.full((len(corners), 3), float(place))
        whole[:, : recipe.axes] = np.clip(along[:, ::-1], 0, np.array(size_xyz[: recipe.axes]))
        ends.append(whole)
    return ends[0], ends[1]
