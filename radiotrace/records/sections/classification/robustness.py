"""Section robustness of the params.yaml of a classification, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, CountFrom1, Seed, Share

Corruption = Literal[
    "gaussian_noise",
    "speckle_noise",
    "impulse_noise",
    "shot_noise",
    "blur",
    "pixelation",
    "jpeg",
    "brighter",
    "darker",
    "more_contrast",
    "less_contrast",
    "gamma_up",
    "gamma_down",
    "rotation",
    "shift",
]


@dataclass(frozen=True)
class AdversarialSection(Record):
    """The attacks."""

    cases: CountFrom1
    eps_sd: Annotated[tuple[AboveZero, ...], Rule(minItems=1, uniqueItems=True)]
    steps: CountFrom1


@dataclass(frozen=True)
class RobustnessSection(Record):
    """What is done to pictures, and what must be kept."""

    corruptions: Annotated[tuple[Corruption, ...], Rule(minItems=1, uniqueItems=True)] | None
    criterion_auroc: Share
    adversarial: AdversarialSection
    threads: CountFrom1


@dataclass(frozen=True)
class RobustnessParams(RobustnessSection):
    """The section, and the seed."""

    seed: Seed
