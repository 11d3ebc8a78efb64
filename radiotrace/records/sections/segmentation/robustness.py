"""Section robustness of the params.yaml of a segmentation, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, CountFrom1, Seed, Share

Corruption = Literal[
    "rician_noise",
    "gaussian_noise",
    "quantum_noise",
    "bias_field",
    "motion",
    "spike",
    "gibbs",
    "rings",
    "blur",
    "low_resolution",
    "gamma",
    "hounsfield_offset",
    "rotation",
    "shift",
    "missing_slices",
]


@dataclass(frozen=True)
class AdversarialSection(Record):
    """The attacks."""

    cases: CountFrom1
    eps_sd: Annotated[tuple[AboveZero, ...], Rule(minItems=1, uniqueItems=True)]
    steps: CountFrom1


@dataclass(frozen=True)
class RobustnessSection(Record):
    """What is done to images, and what must be kept."""

    cases: CountFrom1
    corruptions: Annotated[tuple[Corruption, ...], Rule(minItems=1, uniqueItems=True)] | None
    criterion_dice: Share
    adversarial: AdversarialSection
    threads: CountFrom1


@dataclass(frozen=True)
class RobustnessParams(RobustnessSection):
    """The section, and the seed."""

    seed: Seed
