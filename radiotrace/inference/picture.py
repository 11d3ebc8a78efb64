"""Picture: from an image of one slice to what a classifier takes, and from its logits to probabilities. NumPy
alone, the same for training, evaluation and whoever predicts."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from radiotrace.imaging.channels import Channel
from radiotrace.imaging.image import Image
from radiotrace.inference import intensity
from radiotrace.records.classification.preprocessing import PictureChannel, PicturePreprocessing

Kind = Literal["class", "classes"]


@dataclass(frozen=True)
class PictureRecipe:
    """How a picture is prepared.

    Attributes:
        orientation, spacing_mm: of the canonical image.
        channels: with how each is normalised.
        input_yx: pixels along y and x that it is resized to.
    """

    orientation: str
    spacing_mm: tuple[float, float, float] | None
    channels: tuple[Channel, ...]
    input_yx: tuple[int, int]

    @classmethod
    def of(cls, record: PicturePreprocessing) -> "PictureRecipe":
        """Of the record of a run."""
        channels = tuple(
            Channel(row.name, row.modality, (row.clip_percentiles[0], row.clip_percentiles[1]))
            for row in record.channels
        )
        width, height = record.input_pixels
        return cls(record.orientation, record.spacing_mm, channels, (height, width))

    def record(self) -> PicturePreprocessing:
        """As the record of a run has it."""
        channels = tuple(
            PictureChannel(channel.name, channel.modality, channel.percentiles) for channel in self.channels
        )
        height, width = self.input_yx
        return PicturePreprocessing(self.orientation, self.spacing_mm, channels, (width, height))


def prepared(image: Image, recipe: PictureRecipe) -> np.ndarray:
    """A canonical image of one slice as the network takes it, (c, y, x) float32: each channel clipped and
    brought to mean 0 and SD 1, then resized.

    Raises:
        ValueError: it has several slices.
    """
    if image.values_czyx.shape[1] != 1:
        raise ValueError(f"{image.values_czyx.shape[1]} slices, expected one")
    normal_cyx = intensity.normalise_channels(image.values_czyx, recipe.channels)[:, 0]
    return resized(normal_cyx, recipe.input_yx)


def resized(values_cyx: np.ndarray, size_yx: tuple[int, int]) -> np.ndarray:
    """Each channel on another number of pixels, corners aligned to corners of the outermost pixels; each new
    pixel is a mean of old ones whose weights fall linearly with their distance, over one new pixel where it
    is larger than an old one, else over one old pixel. The same array where the size is the same.

    Source: the bilinear filter of Pillow, which looks at all pixels when it makes a picture smaller.
    """
    if values_cyx.shape[1:] == size_yx:
        return values_cyx
    along_y, along_x = (_weights(old, new) for old, new in zip(values_cyx.shape[1:], size_yx, strict=True))
    return (along_y @ values_cyx.astype(np.float64) @ along_x.T).astype(np.float32)


def _weights(old: int, new: int) -> np.ndarray:
    """(new, old): the share of each old pixel in each new one; rows add up to 1."""
    scale = old / new
    middles = (np.arange(new) + 0.5) * scale - 0.5
    reach = max(scale, 1.0)
    weights = np.maximum(0, 1 - np.abs(np.arange(old) - middles[:, None]) / reach)
    return weights / weights.sum(1, keepdims=True)


def probabilities(logits: np.ndarray, kind: Kind) -> np.ndarray:
    """Of the labels after the first, (n, labels - 1).

    Args:
        logits: (n, labels) where a case has one class, of which the first is none of the others;
            (n, labels - 1) where it may have several.
    """
    values = logits.astype(np.float64)
    if kind == "class":
        odds = np.exp(values - values.max(1, keepdims=True))
        return (odds / odds.sum(1, keepdims=True))[:, 1:]
    small = np.exp(-np.abs(values))  # never overflows
    return np.where(values >= 0, 1, small) / (1 + small)
