"""Section validate of params.yaml, where each value is explained."""

from dataclasses import dataclass

from radiotrace.records.typed import Record
from radiotrace.records.values import AboveZero, Amount, CountFrom1, Exclusion


@dataclass(frozen=True)
class ValidateParams(Record):
    """What a case must keep to, and who is left out."""

    size_voxels_min: CountFrom1
    size_voxels_max: CountFrom1
    spacing_mm_min: AboveZero
    spacing_mm_max: AboveZero
    grid_tolerance_mm: Amount
    grid_tolerance_direction: Amount
    every_label: bool
    label_components_max: CountFrom1
    outlier_mad: AboveZero
    exclude: tuple[Exclusion, ...]
