"""The record 'split'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import CaseId, Count, Exclusion, Labels, Part, Seed, Sha256, SubjectId

Scheme = Literal["hash", "nnunet", "subjects", "given"]


@dataclass(frozen=True)
class Assigned(Record):
    """Where a case went.

    Attributes:
        fold: from 0; null where the scheme gives a case of the test part none.
    """

    subject_id: SubjectId
    part: Part
    fold: Annotated[int, Rule(minimum=0)] | None


@dataclass(frozen=True)
class PartCount(Record):
    """How much a part has."""

    cases: Count
    subjects: Count


@dataclass(frozen=True)
class PartCounts(Record):
    """How much each part has."""

    train: PartCount
    validation: PartCount
    test: PartCount


@dataclass(frozen=True)
class Leakage(Record):
    """What stands in both of two parts.

    Attributes:
        shared_images: hashes of voxels.
    """

    parts: Annotated[tuple[Part, Part], Rule(uniqueItems=True)]
    shared_subjects: tuple[SubjectId, ...]
    shared_images: tuple[Sha256, ...]


@dataclass(frozen=True)
class Split(Record):
    """Part and fold of each case, and the proof that parts share nothing.

    Attributes:
        seed: the one that gave the parts.
        fold: the one that was chosen; null for none.
        unit: what is never parted.
        excluded: cases that people left out before.
        labels: value -> name.
    """

    RULES: ClassVar = {
        "if": {"properties": {"scheme": {"enum": ["hash", "subjects", "given"]}}},
        "then": {
            "properties": {
                "unit": {"const": "subject"},
                "leakage": {
                    "items": {
                        "properties": {"shared_subjects": {"maxItems": 0}, "shared_images": {"maxItems": 0}}
                    }
                },
            }
        },
    }

    scheme: Scheme
    seed: Seed
    fold: Annotated[int, Rule(minimum=0)] | None
    unit: Literal["subject", "case"]
    cases: Annotated[Mapping[CaseId, Assigned], Rule(minProperties=2)]
    counts: PartCounts
    leakage: Annotated[tuple[Leakage, ...], Rule(minItems=3, maxItems=3)]
    excluded: tuple[Exclusion, ...]
    labels: Labels
