"""How an image becomes what a network takes, as the records of a run and of a model have it.

inference.recipe makes a Recipe of it, which says the same of one channel and of several.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, Count, CountFrom1, Orientation, SpacingMm

Percentile = Annotated[float, Rule(minimum=0, maximum=100)]
Percentiles = tuple[Percentile, Percentile]
# 1 along z: a slice at a time.
Edge = Annotated[int, Rule(anyOf=[{"const": 1}, {"minimum": 8}])]
Edges = tuple[Edge, Edge, Edge]
# What an edge must be a multiple of; three along x, y, z where they differ.
Multiple = CountFrom1 | tuple[CountFrom1, CountFrom1, CountFrom1]
ChannelName = Annotated[str, Rule(minLength=1, maxLength=64)]
Modality = Literal["MRI", "CT", "other"]
# Whose voxels percentiles, mean and SD of an image are taken over, where not over all.
Within = Literal["foreground"]


@dataclass(frozen=True)
class Crop(Record):
    """That an image is cut to the box of its foreground before anything else is done to it.

    Attributes:
        foreground: nonzero: the voxels that are not 0 in any channel.
        margin_voxels: of the image's own grid, which stay around the box on each side, as far as the image
            goes.
    """

    foreground: Literal["nonzero"]
    margin_voxels: Count


@dataclass(frozen=True)
class BiasField(Record):
    """That the slow change of brightness across an MRI, which its coils leave, is estimated and divided out,
    before an image is resampled.

    Attributes:
        method: n4: of Tustison et al. 2010, as ITK has it.
        mask: where it is estimated: otsu: above Otsu's threshold; nonzero: where a voxel is not 0.
        shrink_mm: it is estimated on every so many-th voxel, so that their spacing is at most this.
        iterations: at each level, the coarsest first; each level halves the distance of the control points.
        channels: names of those that it is done to; left out: to all.
    """

    method: Literal["n4"]
    mask: Literal["otsu", "nonzero"]
    shrink_mm: AboveZero
    iterations: Annotated[tuple[CountFrom1, ...], Rule(minItems=1, maxItems=6)]
    channels: Annotated[tuple[ChannelName, ...], Rule(minItems=1, uniqueItems=True)] | None = None


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
    """A channel, and how it is normalised: by percentiles, mean and SD of each image, over its foreground
    alone where within says so; or where intensities are there, by these."""

    name: ChannelName
    modality: Modality
    clip_percentiles: Percentiles
    intensities: Intensities | None = None
    within: Within | None = None


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
        crop, bias_field: done to each image before it is resampled; there where they are done.
        within: of the one channel.
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
    crop: Crop | None = None
    bias_field: BiasField | None = None
    within: Within | None = None
