"""How a picture becomes what a classifier takes: in the records of a run and of a model."""

from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.preprocessing import Percentiles
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Orientation, SpacingMm, Text

Pixels = Annotated[int, Rule(minimum=8, maximum=4096)]


@dataclass(frozen=True)
class PictureChannel(Record):
    """A channel of the picture.

    Attributes:
        name: null where nobody says.
        clip_percentiles: of the picture itself, to which its intensities are clipped before they are brought
            to mean 0 and SD 1.
    """

    name: Text | None
    modality: Text
    clip_percentiles: Percentiles


@dataclass(frozen=True)
class PicturePreprocessing(Record):
    """What is done to a picture, in this order.

    Attributes:
        orientation, spacing_mm: as ingest brought it; spacing null keeps that of the file.
        input_pixels: along x and y, to which it is resized, after it was normalised.
    """

    orientation: Orientation
    spacing_mm: SpacingMm | None
    channels: Annotated[tuple[PictureChannel, ...], Rule(minItems=1)]
    input_pixels: tuple[Pixels, Pixels]
