"""The record 'cases'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.typed import FURTHER, Record, Rule
from radiotrace.records.values import (
    Amount,
    CaseId,
    Count,
    Exclusion,
    Part,
    RelativePath,
    Sha256,
    Share,
    SubjectId,
    UncertaintyKind,
)

MeasureName = Annotated[str, Rule(pattern=r"^[a-z][a-z0-9_]*(?!\n)$")]


@dataclass(frozen=True)
class LabelRow(Record):
    """What was measured of a label in a case.

    Attributes:
        measures: dice, facts of the masks, and the measures of the table of metrics.json.
    """

    dice: Share | None
    reference_mm3: Amount
    prediction_mm3: Amount
    reference_components: Count
    objects_found: Count
    objects_false_positive: Count
    measures: Annotated[Mapping[MeasureName, float | None], FURTHER]


@dataclass(frozen=True)
class Scores(Record):
    """How unsure the network was of a case.

    Attributes:
        score: 1 - the Dice that its probabilities expect, by mean over the labels that are predicted.
        entropy: in nats, mean over the voxels that are predicted to be of a label.
        mutual_information: in nats, likewise; null of one prediction.
    """

    score: Share
    entropy: Amount
    mutual_information: Amount | None


@dataclass(frozen=True)
class Case(Record):
    """A test case.

    Attributes:
        prediction: its label map, in the folder of predictions.
        labels: name -> what was measured.
        flagged: whether it goes to an expert; null without a threshold.
    """

    case_id: CaseId
    subject_id: SubjectId
    prediction: RelativePath
    prediction_sha256: Sha256
    labels: Annotated[Mapping[str, LabelRow], Rule(minProperties=1)]
    uncertainty: Mapping[UncertaintyKind, Scores]
    flagged: Mapping[UncertaintyKind, bool | None]


@dataclass(frozen=True)
class Cases(Record):
    """Each test case: everything that is measured of each label, on the grid of the original image, and how
    unsure the network was.

    Attributes:
        excluded: cases that people left out.
    """

    run_id: Sha256
    part: Part
    excluded: tuple[Exclusion, ...]
    cases: Annotated[tuple[Case, ...], Rule(minItems=1)]
