"""Section explain of the params.yaml of a detection, where each value is explained."""

from dataclasses import dataclass

from radiotrace.records.typed import Record
from radiotrace.records.values import CountFrom1, Seed


@dataclass(frozen=True)
class ExplainSection(Record):
    """What is explained, and how."""

    cases: CountFrom1
    boxes: CountFrom1
    repetitions: CountFrom1
    pictures_in_chart: bool
    threads: CountFrom1


@dataclass(frozen=True)
class ExplainParams(ExplainSection):
    """The section, and the seed."""

    seed: Seed
