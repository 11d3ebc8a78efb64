"""Section train of the params.yaml of a classification, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.classification.network import Name, Widths
from radiotrace.records.classification.preprocessing import Pixels
from radiotrace.records.preprocessing import Percentiles
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, Amount, CountFrom1, Seed, Share


@dataclass(frozen=True)
class AugmentationSection(Record):
    """How pictures are varied."""

    rotation_degrees: Annotated[float, Rule(minimum=0, maximum=180)]
    scale: Annotated[float, Rule(minimum=0, maximum=1)]
    shift_share: Annotated[float, Rule(minimum=0, maximum=0.5)]
    mirror: Annotated[tuple[Literal["x", "y"], ...], Rule(uniqueItems=True)]
    intensity: Annotated[float, Rule(minimum=0, maximum=3)]


@dataclass(frozen=True)
class TrainSection(Record):
    """The network, and how it learns."""

    network: Name
    widths: Widths
    blocks: Annotated[int, Rule(minimum=1, maximum=32)]
    enlarge: Annotated[int, Rule(minimum=1, maximum=8)]
    dropout: Annotated[float, Rule(minimum=0, exclusiveMaximum=1)]
    input_pixels: tuple[Pixels, Pixels]
    clip_percentiles: Percentiles
    loss: Literal["cross_entropy", "focal"]
    focal_gamma: Amount
    label_smoothing: Annotated[float, Rule(minimum=0, exclusiveMaximum=0.5)]
    sampling_power: Share
    weight_power: Share
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
