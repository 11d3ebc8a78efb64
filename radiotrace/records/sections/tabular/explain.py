"""Section explain of the params.yaml of a study of tables, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import CountFrom1, Seed


@dataclass(frozen=True)
class ExplainSection(Record):
    """How importance is measured."""

    permutations: CountFrom1
    background: CountFrom1
    grid: Annotated[int, Rule(minimum=2, maximum=100)]


@dataclass(frozen=True)
class ExplainParams(ExplainSection):
    """The section, and the seed."""

    seed: Seed
