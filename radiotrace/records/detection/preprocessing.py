"""How an image becomes what a detector takes: in the records of a run and of a model."""

from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.preprocessing import Percentiles
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import CountFrom1, Orientation, SpacingMm, Text

Shrink = Annotated[int, Rule(minimum=1, maximum=16)]
Shrinks = tuple[Shrink, Shrink, Shrink]


@dataclass(frozen=True)
class ImageChannel(Record):
    """A channel of the image.

    Attributes:
        name: null where nobody says.
        clip_percentiles: of the image itself, to which its intensities are clipped before they are brought to
            mean 0 and SD 1.
    """

    name: Text | None
    modality: Text
    clip_percentiles: Percentiles


@dataclass(frozen=True)
class ImagePreprocessing(Record):
    """What is done to an image, in this order.

    Attributes:
        orientation, spacing_mm: as ingest brought it; spacing null keeps that of the file.
        shrink: along x, y, z: how many voxels, after they were normalised, become one, by their mean.
        multiple: sides of the input are brought to multiples of it by repeating the last voxels.
    """

    orientation: Orientation
    spacing_mm: SpacingMm | None
    channels: Annotated[tuple[ImageChannel, ...], Rule(minItems=1)]
    shrink: Shrinks
    multiple: CountFrom1
