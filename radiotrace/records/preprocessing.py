"""How an image becomes what a network takes, as the records of a run and of a model have it.

inference.recipe makes a Recipe of it, which says the same of one channel and of several.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import CountFrom1, Orientation, SpacingMm

Percentile = Annotated[float, Rule(minimum=0, maximum=100)]
Percentiles = tuple[Percentile, Percentile]
# 1 along z: a slice at a time.
Edge = Annotated[int, Rule(anyOf=[{"const": 1}, {"minimum": 8}])]
Edges = tuple[Edge, Edge, Edge]
# What an edge must be a multiple of; three along x, y, z where they differ.
Multiple = CountFrom1 | tuple[CountFrom1, CountFrom1, CountFrom1]
ChannelName = Annotated[str, Rule(minLength=1, maxLength=64)]
Modality = Literal["MRI", "CT", "other"]


@dataclass(frozen=True)
class Intensities(Record):
    """What a channel has in the labelled voxels of the cases that a network has learnt from.

    Attributes:
        low, high: percentiles, to which every image is clipped.
        mean, sd: after that; every image is shifted and scaled by them.
    """

    low: float
    high: float
    mean: float
    sd: Annotated[float, Rule(exclusiveMinimum=0)]


@dataclass(frozen=True)
class NormalisedChannel(Record):
    """A channel, and how it is normalised: by percentiles, mean and SD of each image, or where intensities
    are there, by these."""

    name: ChannelName
    modality: Modality
    clip_percentiles: Percentiles
    intensities: Intensities | None = None


@dataclass(frozen=True)
class Preprocessing(Record):
    """What is done to an image before a network takes it. Values of three axes are along x, y, z.

    Attributes:
        spacing_mm: of the grid that the network sees; null keeps that of each image.
        clip_percentiles: of the one channel.
        intensities: of the one channel, there where it is normalised by them.
        channels: in the order in which the network takes them, and how each is normalised; there where there
            are several, in the place of clip_percentiles.
        logit_offsets: of each label, background first; there where volumes were balanced.
    """

    RULES: ClassVar = {"oneOf": [{"required": ["clip_percentiles"]}, {"required": ["channels"]}]}

    orientation: Orientation
    spacing_mm: SpacingMm | None
    patch_voxels: Edges
    window_voxels: Edges
    multiple: Multiple
    clip_percentiles: Percentiles | None = None
    intensities: Intensities | None = None
    channels: Annotated[tuple[NormalisedChannel, ...], Rule(minItems=2, maxItems=16)] | None = None
    logit_offsets: Annotated[tuple[float, ...], Rule(minItems=2)] | None = None
