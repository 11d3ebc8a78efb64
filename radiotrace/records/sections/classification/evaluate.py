"""Section evaluate of the params.yaml of a classification, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, Count, CountFrom1, Seed

Least = Annotated[float, Rule(exclusiveMinimum=0, maximum=1)]


@dataclass(frozen=True)
class OperatingSection(Record):
    """How the probability from which a label is called is chosen on the validation part."""

    rule: Literal["youden", "accuracy", "sensitivity", "specificity", "cost"]
    least: Least | None
    cost_ratio: AboveZero | None


@dataclass(frozen=True)
class EvaluateSection(Record):
    """What is measured, and how."""

    operating_point: OperatingSection
    calibration: Literal["platt", "temperature", "none"]
    dropout_passes: Count
    augmentation_passes: Count
    flag_share: Annotated[float, Rule(exclusiveMinimum=0, maximum=1)]
    subgroup_subjects_min: CountFrom1
    bins: Annotated[int, Rule(minimum=2, maximum=50)]
    resamples: Annotated[int, Rule(minimum=100, maximum=100000)]
    threads: CountFrom1


@dataclass(frozen=True)
class EvaluateParams(EvaluateSection):
    """The section, and the seed."""

    seed: Seed
