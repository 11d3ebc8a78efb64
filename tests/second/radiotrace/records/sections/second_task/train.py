"""Section train of the params.yaml of the second task, where each value is explained."""

from dataclasses import dataclass
from typing import Literal

from radiotrace.records.typed import Record
from radiotrace.records.values import CountFrom1, Seed


@dataclass(frozen=True)
class TrainParams(Record):
    """How the network learns, and the seed."""

    epochs: CountFrom1
    patience_epochs: CountFrom1 | None
    zero_epochs: CountFrom1
    batch_size: CountFrom1
    accumulate: CountFrom1
    samples_per_case: CountFrom1
    cache_mb: float
    learning_rate: float
    learning_rate_end: float
    warm_up: float
    weight_decay: float
    gradient_clip: float
    gradient_limit: float
    ema_share: float
    numerics: Literal["native", "portable"]
    precision: Literal["bf16", "fp32", "fp16"]
    threads: CountFrom1
    accelerator: Literal["auto", "cpu", "cuda"]
    devices: CountFrom1
    nodes: CountFrom1
    strategy: Literal["auto", "ddp"]
    seed: Seed
