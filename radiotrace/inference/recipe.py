"""The recipe: how an image becomes what a network takes, and back.

Needs neither torch nor images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from radiotrace.imaging.channels import Channel, named, normalised
from radiotrace.records.preprocessing import BiasField, Crop, NormalisedChannel, Preprocessing
from radiotrace.records.typed import picked


@dataclass(frozen=True)
class Recipe:
    """How an image becomes what a network takes, and back.

    Travels in the record of the run to every place that predicts. Three values are along x, y, z, as there.

    Attributes:
        orientation: three letters that say where x, y, z point to, such as "LPS".
        spacing_mm: of the grid that the network sees; None keeps that of each image.
        channels: of every image, in the order in which the network takes them, and how each is normalised.
        patch_voxels: edges of what the network was trained on, and the least that goes through it; 1 along z
            where it takes a slice at a time.
        window_voxels: largest edges that go through it in one pass.
        multiple: what every edge but that of one slice must be a multiple of; three numbers along x, y, z
            where they differ.
        logit_offsets: of each label, background first, that balance volumes; None where the run had none.
        crop, bias_field: done to each image before it is resampled; None where they are not.
    """

    orientation: str
    spacing_mm: tuple[float, float, float] | None
    channels: tuple[Channel, ...]
    patch_voxels: tuple[int, int, int]
    window_voxels: tuple[int, int, int]
    multiple: int | tuple[int, int, int]
    logit_offsets: tuple[float, ...] | None = None
    crop: Crop | None = None
    bias_field: BiasField | None = None

    @property
    def multiple_zyx(self) -> tuple[int, int, int]:
        """What each edge must be a multiple of, z, y, x."""
        if isinstance(self.multiple, int):
            return self.multiple, self.multiple, self.multiple
        x, y, z = self.multiple
        return z, y, x

    @classmethod
    def of(cls, preprocessing: Preprocessing) -> "Recipe":
        """Of the record of a run or of a model.

        Of one channel it has clip_percentiles in the place of channels, and does not say its name.
        """
        if preprocessing.channels is None:
            channels = normalised(
                (named(None),),
                preprocessing.clip_percentiles,
                [preprocessing.intensities],
                preprocessing.within,
            )
        else:
            channels = tuple(Channel(**vars(row)) for row in preprocessing.channels)
        return picked(cls, preprocessing, channels=channels)

    def preprocessing(self) -> Preprocessing:
        """As records have it: with clip_percentiles in the place of one channel."""
        nothing = {"clip_percentiles": None, "intensities": None, "channels": None, "within": None}
        channel_fields = nothing | of_channels(self.channels)
        return picked(Preprocessing, self, **channel_fields)


def multiple_of(zyx: tuple[int, int, int]) -> int | tuple[int, int, int]:
    """As a recipe has it, of what each edge must be a multiple of, z, y, x."""
    z, y, x = zyx
    return z if x == y == z else (x, y, z)


def of_channels(channels: Sequence[Channel]) -> dict[str, Any]:
    """The fields of Preprocessing that say something of channels: of one, how it is normalised and not what
    it is."""
    if len(channels) == 1:
        only = channels[0]
        return {
            "clip_percentiles": only.percentiles,
            "intensities": only.intensities,
            "within": only.within,
        }
    return {"channels": tuple(NormalisedChannel(**vars(channel)) for channel in channels)}
