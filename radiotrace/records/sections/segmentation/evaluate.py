"""Section evaluate of the params.yaml of a segmentation, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Amount, Count, CountFrom1, Seed, Share


@dataclass(frozen=True)
class EvaluateSection(Record):
    """What is measured, and how."""

    surface_tolerance_mm: Amount
    empty_reference: Literal["undefined", "score"]
    object_overlap_min: Annotated[float, Rule(exclusiveMinimum=0, maximum=1)]
    calibration_margin_voxels: Count
    dropout_passes: Count
    augmentation_passes: Count
    poor_dice: Share
    flag_share: Annotated[float, Rule(exclusiveMinimum=0, maximum=1)]
    subgroup_subjects_min: CountFrom1
    threads: CountFrom1


@dataclass(frozen=True)
class EvaluateParams(EvaluateSection):
    """The section, and the seed."""

    seed: Seed
