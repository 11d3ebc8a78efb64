"""Section robustness of the params.yaml of a detection, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import CountFrom1, Seed, Share, Text


@dataclass(frozen=True)
class RobustnessSection(Record):
    """What is done to images, and what must be kept."""

    corruptions: Annotated[tuple[Text, ...], Rule(minItems=1, uniqueItems=True)] | None
    criterion_ap50: Share
    cases: CountFrom1
    threads: CountFrom1


@dataclass(frozen=True)
class RobustnessParams(RobustnessSection):
    """The section, and the seed."""

    seed: Seed
