"""Section explain of the params.yaml of a segmentation, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Amount, Count, CountFrom1, Seed, Text


@dataclass(frozen=True)
class ExplainSection(Record):
    """What is explained, and how."""

    labels: Annotated[tuple[Text, ...], Rule(minItems=1, uniqueItems=True)] | None
    level: Count
    near_mm: Amount
    repetitions: CountFrom1
    threads: CountFrom1


@dataclass(frozen=True)
class ExplainParams(ExplainSection):
    """The section, and the seed."""

    seed: Seed
