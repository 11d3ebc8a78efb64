"""Preparation: from an image as it was handed in to the grid that a network sees, and back to its own.

The same in training, where ingest does it to the files of a case, and for whoever predicts. Intensities are
normalised after it (intensity.py). Needs no torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from radiotrace.errors import StageError
from radiotrace.imaging import bias_field, foreground, volumes
from radiotrace.imaging.foreground import Box
from radiotrace.imaging.image import Grid, Image, on
from radiotrace.inference.recipe import Recipe
from radiotrace.records.preprocessing import BiasField


@dataclass(frozen=True)
class Seen:
    """An image as a network sees it, but for its intensities.

    Attributes:
        image: on the canonical grid.
        turned_grid: of the image once it was cut and turned, of its own spacing.
        own_grid: of the part of the image that was handed in which is seen, before it was turned.
        box: of that part; None of the whole.
    """

    image: Image
    turned_grid: Grid
    own_grid: Grid
    box: Box | None

    def back(self, shares: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Shares of the labels, background first, on the whole grid of the image that was handed in.

        Args:
            shares: (z, y, x) on own_grid. Outside of the box everything is background.
        """
        box = self.box
        if box is None:
            return list(shares)
        return [box.spread(share, float(value == 0)) for value, share in enumerate(shares)]

    def labelled(self, label_map: sitk.Image, grid: Grid) -> sitk.Image:
        """A label map of the whole image, of that of its part.

        Args:
            label_map: on own_grid.
            grid: of the image that was handed in.
        """
        if self.box is None:
            return label_map
        return on(self.box.spread(volumes.array_zyx(label_map), 0), grid)


def seen(image: Image, recipe: Recipe) -> Seen:
    """The image cut, turned, without its bias field and resampled, as the recipe says, in this order.

    Raises:
        StageError: no bias field can be estimated.
        VolumeError: resampled, it would be larger than any volume that is read.
    """
    part, box = foreground.cut(image, recipe.crop)
    turned = part.canonical(recipe.orientation, None)
    turned_grid = turned.grid
    if recipe.bias_field is not None:
        turned = _evened(turned, recipe.bias_field)
    if recipe.spacing_mm is not None:
        turned = turned.canonical(recipe.orientation, recipe.spacing_mm)
    return Seen(turned, turned_grid, part.grid, box)


def _evened(image: Image, settings: BiasField) -> Image:
    of_channels, faults = [], []
    for number, channel in enumerate(image.channels):
        volume = image.volume(number)
        if bias_field.is_asked(settings, channel):
            try:
                volume = bias_field.corrected(volume, settings).volume
            except volumes.VolumeError as error:
                faults.append(f"{channel.name or 'the image'}: {error}")
        of_channels.append(volume)
    if faults:
        raise StageError("the image has no bias field that could be divided out", faults)
    return Image.of(of_channels, image.channels)


def of_label_map(label_map: sitk.Image, image: Image, recipe: Recipe) -> sitk.Image:
    """A label map of an image, on the grid that a network sees of it.

    Raises:
        VolumeError: it has other edges than the image, where that is cut.
    """
    box = None if recipe.crop is None else foreground.box(image.values_czyx, recipe.crop.margin_voxels)
    if box is not None:
        if label_map.GetSize() != box.of_voxels:
            raise volumes.VolumeError(f"label map of {label_map.GetSize()}, image of {box.of_voxels} (x y z)")
        label_map = box.cut(label_map)
    return volumes.canonical(label_map, recipe.orientation, recipe.spacing_mm, is_label_map=True)
