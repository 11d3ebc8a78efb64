"""The record 'findings'."""

from dataclasses import dataclass
from typing import Literal

from radiotrace.records.typed import Record
from radiotrace.records.values import CaseId, Count, CountFrom1, Exclusion, Text

# checks that need voxels: their findings cannot be made again from records
OF_VOXELS = (
    "clipped",
    "empty_slices",
    "label_border",
    "label_components",
    "label_order",
    "mirrored",
    "near_duplicate",
    "repeated_slices",
)


@dataclass(frozen=True)
class Passed(Record):
    """What was found and let pass.

    Attributes:
        case_id: null where it is of the set as a whole.
        check: its name.
    """

    case_id: CaseId | None
    check: Text
    found: Text
    expected: Text
    severity: Literal["warning"]


@dataclass(frozen=True)
class Findings(Record):
    """What validate found in the cases that it let pass; errors stop it, so their count is 0.

    Attributes:
        excluded: cases that people left out.
    """

    cases_checked: CountFrom1
    errors: Literal[0]
    warnings: Count
    excluded: tuple[Exclusion, ...]
    findings: tuple[Passed, ...]
