"""The record 'cases_detection'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.cases import MeasureName
from radiotrace.records.typed import FURTHER, Record, Rule
from radiotrace.records.values import (
    CaseId,
    Count,
    CountFrom1,
    Exclusion,
    Part,
    RelativePath,
    Sha256,
    SubjectId,
)


@dataclass(frozen=True)
class LabelRow(Record):
    """What was found of a label in a case, at the score of the validation part.

    Attributes:
        n_true, n_shown: boxes of the reference, and boxes that were shown.
        found: of the reference, those that a box was matched with.
        missed: numbers of boxes of the reference that none was matched with, from 1, in the record 'boxes'.
        invented: numbers of shown boxes that are none of the reference, from 1, in the file of predictions.
        measures: those of the table of metrics.json.
    """

    n_true: Count
    n_shown: Count
    found: Count
    missed: tuple[CountFrom1, ...]
    invented: tuple[CountFrom1, ...]
    measures: Annotated[Mapping[MeasureName, float | None], FURTHER]


@dataclass(frozen=True)
class Case(Record):
    """A test case.

    Attributes:
        prediction: a file in the folder of predictions, with every box and its score.
        labels: name -> what was found.
    """

    case_id: CaseId
    subject_id: SubjectId
    prediction: RelativePath
    prediction_sha256: Sha256
    labels: Annotated[Mapping[str, LabelRow], Rule(minProperties=1)]


@dataclass(frozen=True)
class Cases(Record):
    """Each test case: what of it was found, missed and invented.

    Attributes:
        excluded: cases that people left out.
    """

    run_id: Sha256
    part: Part
    excluded: tuple[Exclusion, ...]
    cases: Annotated[tuple[Case, ...], Rule(minItems=1)]
