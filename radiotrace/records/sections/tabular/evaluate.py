"""Section evaluate of the params.yaml of a study of tables, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import CountFrom1, Seed, Share

Threshold = Annotated[float, Rule(exclusiveMinimum=0, exclusiveMaximum=1)]


@dataclass(frozen=True)
class EvaluateSection(Record):
    """What is measured, and how."""

    calibration: Literal["line", "none"]
    threshold: Threshold | None
    sensitivity_least: Share | None
    subgroup_subjects_min: CountFrom1
    bins: Annotated[int, Rule(minimum=2, maximum=50)]
    resamples: Annotated[int, Rule(minimum=100, maximum=100000)]


@dataclass(frozen=True)
class EvaluateParams(EvaluateSection):
    """The section, and the seed."""

    seed: Seed
