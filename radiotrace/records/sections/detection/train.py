"""Section train of the params.yaml of a detection, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.detection.network import CellVoxels, Widths
from radiotrace.records.detection.preprocessing import Shrinks
from radiotrace.records.preprocessing import Percentiles
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, Amount, CountFrom1, Seed, Share

Edge = Annotated[int, Rule(minimum=8)]
Logarithm = Annotated[float, Rule(minimum=0, maximum=1)]


@dataclass(frozen=True)
class AugmentationSection(Record):
    """How images and their boxes are varied."""

    scale: Logarithm
    stretch: Logarithm
    mirror: Annotated[tuple[Literal["x", "y", "z"], ...], Rule(uniqueItems=True)]
    turn: bool
    intensity: Annotated[float, Rule(minimum=0, maximum=3)]
    colour: Annotated[float, Rule(minimum=0, maximum=3)]


@dataclass(frozen=True)
class TrainSection(Record):
    """The network, and how it learns."""

    widths: Widths
    blocks: Annotated[int, Rule(minimum=0, maximum=8)]
    head_width: Annotated[int, Rule(minimum=8, multipleOf=8)]
    cell_voxels: CellVoxels
    usual_cells: AboveZero
    shrink: Shrinks
    crop_voxels: Annotated[tuple[Edge, ...], Rule(minItems=2, maxItems=3)]
    clip_percentiles: Percentiles
    box_weight: Amount
    epochs: CountFrom1
    patience_epochs: CountFrom1 | None
    zero_epochs: CountFrom1
    batch_size: CountFrom1
    accumulate: CountFrom1
    samples_per_case: CountFrom1
    cache_mb: Amount
    learning_rate: AboveZero
    learning_rate_end: Share
    warm_up: Annotated[float, Rule(minimum=0, maximum=0.5)]
    weight_decay: Amount
    gradient_clip: AboveZero
    gradient_limit: AboveZero
    ema_share: Share
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
