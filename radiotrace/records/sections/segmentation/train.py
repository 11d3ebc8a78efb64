"""Section train of the params.yaml of a segmentation, where each value is explained.

The networks that there are stand in whole.py and not here: a further one trains nothing anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from radiotrace.records.network import Kernels, Strides
from radiotrace.records.preprocessing import Edges, Percentiles
from radiotrace.records.typed import LEFT_OUT, Record, Rule
from radiotrace.records.values import AboveZero, Amount, Count, CountFrom1, Seed, Share

NetworkName = Annotated[str, Rule(pattern="^[a-z][a-z0-9_]*$")]
# Name of a channel -> its own.
PercentilesByChannel = Annotated[Mapping[str, Percentiles], Rule(minProperties=2)]
# Whose percentiles, mean and SD an image is normalised by: its own, or those of labelled voxels.
NormaliseBy = Literal["image", "labels"]
NormaliseByChannel = Annotated[Mapping[str, NormaliseBy], Rule(minProperties=2)]
# Which of its voxels its own percentiles, mean and SD are taken over.
NormaliseWithin = Annotated[Literal["image", "foreground"], LEFT_OUT]

Degrees = Annotated[float, Rule(minimum=0, maximum=180)]


@dataclass(frozen=True)
class AugmentationSection(Record):
    """How samples are varied."""

    affine_share: Share
    rotation_degrees: Degrees | tuple[Degrees, Degrees, Degrees]
    scale_min: Annotated[float, Rule(exclusiveMinimum=0, maximum=1)]
    scale_max: Annotated[float, Rule(minimum=1)]
    shift_voxels: Amount
    foreground_share: Share
    intensity: Annotated[float, Rule(minimum=0, maximum=3)]
    mirror_axes: Annotated[tuple[Literal["x", "y", "z"], ...], Rule(uniqueItems=True)]


@dataclass(frozen=True)
class TrainSection(Record):
    """The network, and how it learns."""

    network: NetworkName
    features: Annotated[tuple[Annotated[int, Rule(minimum=4)], ...], Rule(minItems=3, maxItems=7)]
    norm: Literal["instance", "group"]
    upsampling: Literal["transposed", "pixelshuffle"]
    strides: Annotated[tuple[Strides, ...], Rule(minItems=2, maxItems=6)] | None
    kernels: Annotated[tuple[Kernels, ...], Rule(minItems=3, maxItems=7)] | None
    deep_supervision: Count | None
    dropout: Annotated[float, Rule(minimum=0, exclusiveMaximum=1)]
    loss: Literal["dice_ce", "dice_focal", "tversky", "focal_tversky"]
    class_weights: Annotated[tuple[AboveZero, ...], Rule(minItems=2)] | None
    tversky_alpha: Amount
    tversky_beta: Amount
    focal_tversky_gamma: AboveZero
    focal_gamma: Amount
    patch_voxels: Edges
    window_voxels: Edges
    clip_percentiles: Percentiles | PercentilesByChannel
    normalise_by: NormaliseBy | NormaliseByChannel
    normalise_within: NormaliseWithin = field(default="image", kw_only=True)
    epochs: CountFrom1
    patience_epochs: CountFrom1 | None
    zero_epochs: CountFrom1
    batch_size: CountFrom1
    accumulate: CountFrom1
    patches_per_case: CountFrom1
    cache_mb: Amount
    learning_rate: AboveZero
    learning_rate_end: Share
    warm_up: Annotated[float, Rule(minimum=0, maximum=0.5)]
    weight_decay: Amount
    gradient_clip: AboveZero
    gradient_limit: AboveZero
    ema_share: Share
    balance_volumes: bool
    augmentation: AugmentationSection
    numerics: Literal["native", "portable"]
    precision: Literal["bf16", "fp32", "fp16"]
    threads: CountFrom1
    accelerator: Literal["auto", "cpu", "cuda"]
    devices: CountFrom1
    nodes: CountFrom1
    strategy: Literal["auto", "ddp"]
    tensorboard: bool


@dataclass(frozen=True)
class TrainParams(TrainSection):
    """The section, and the seed."""

    seed: Seed
