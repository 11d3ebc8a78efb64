"""The record 'cases_classification'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.cases import MeasureName
from radiotrace.records.typed import FURTHER, Record, Rule
from radiotrace.records.values import (
    Amount,
    CaseId,
    Exclusion,
    Part,
    RelativePath,
    Sha256,
    Share,
    SubjectId,
    Text,
    UncertaintyKind,
)


@dataclass(frozen=True)
class LabelRow(Record):
    """What was told of a label in a case.

    Attributes:
        positive: whether the case has it.
        called: whether it was told, at the threshold of the validation part.
        probability: after calibration. uncalibrated: before.
        measures: those of the table of metrics.json.
    """

    positive: bool
    called: bool
    probability: Share
    uncalibrated: Share
    measures: Annotated[Mapping[MeasureName, float | None], FURTHER]


@dataclass(frozen=True)
class Scores(Record):
    """How unsure the network was of a case.

    Attributes:
        score: entropy of its probabilities as a share of the most that it can be, by mean over labels.
        mutual_information: in nats, of the passes; null of one prediction.
    """

    score: Share
    mutual_information: Amount | None


@dataclass(frozen=True)
class Case(Record):
    """A test case.

    Attributes:
        prediction: a file in the folder of predictions, with logits of every pass.
        reference, told: classes that it has, and that were told; of several () is none.
        labels: name -> what was told.
        flagged: whether it goes to an expert; null without a threshold.
    """

    case_id: CaseId
    subject_id: SubjectId
    prediction: RelativePath
    prediction_sha256: Sha256
    reference: tuple[Text, ...]
    told: tuple[Text, ...]
    labels: Annotated[Mapping[str, LabelRow], Rule(minProperties=1)]
    uncertainty: Mapping[UncertaintyKind, Scores]
    flagged: Mapping[UncertaintyKind, bool | None]


@dataclass(frozen=True)
class Cases(Record):
    """Each test case: what it has, what was told of it, and how unsure the network was.

    Attributes:
        excluded: cases that people left out.
    """

    run_id: Sha256
    part: Part
    excluded: tuple[Exclusion, ...]
    cases: Annotated[tuple[Case, ...], Rule(minItems=1)]
