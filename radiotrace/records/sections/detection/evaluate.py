"""Section evaluate of the params.yaml of a detection, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, CountFrom1, Seed

Overlap = Annotated[float, Rule(exclusiveMinimum=0, maximum=1)]


@dataclass(frozen=True)
class OperatingSection(Record):
    """How the score from which a box is shown is chosen on the validation part."""

    rule: Literal["f1", "false_positives", "sensitivity"]
    most: AboveZero | None
    least: Annotated[float, Rule(exclusiveMinimum=0, maximum=1)] | None


@dataclass(frozen=True)
class EvaluateSection(Record):
    """What is measured, and how."""

    score_min: Annotated[float, Rule(exclusiveMinimum=0, exclusiveMaximum=1)]
    boxes_max: CountFrom1
    suppress_overlap: Overlap
    hit_overlap: Overlap
    froc_overlap: Overlap
    false_positives: Annotated[tuple[AboveZero, ...], Rule(minItems=1, uniqueItems=True)]
    size_limits: Annotated[tuple[AboveZero, ...], Rule(uniqueItems=True, maxItems=4)]
    operating_point: OperatingSection
    calibration: Literal["platt", "none"]
    subgroup_subjects_min: CountFrom1
    bins: Annotated[int, Rule(minimum=2, maximum=50)]
    resamples: Annotated[int, Rule(minimum=100, maximum=100000)]
    threads: CountFrom1


@dataclass(frozen=True)
class EvaluateParams(EvaluateSection):
    """The section, and the seed."""

    seed: Seed
