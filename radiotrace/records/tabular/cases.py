"""The record 'cases_tabular'."""

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
)


@dataclass(frozen=True)
class RiskRow(Record):
    """What was told of an event in a case.

    Attributes:
        positive: whether it happened, of an event in time by the horizon; null where the case was censored
            before.
        event, time: whether it was seen, and when, or until when it was not; time null of a binary outcome.
        weight: of the case in what is averaged: 1 of a binary outcome; of an event in time the inverse of the
            chance of being still followed, 0 where positive is null.
        called: whether the risk is at least the threshold of the validation part.
        probability: the risk, after calibration. uncalibrated: before.
        by_model: risk by each model that was fitted, before calibration.
        measures: those of the table of metrics.json.
    """

    positive: bool | None
    event: bool
    time: Amount | None
    weight: Amount
    called: bool
    probability: Share
    uncalibrated: Share
    by_model: Mapping[str, Share]
    measures: Annotated[Mapping[MeasureName, float | None], FURTHER]


@dataclass(frozen=True)
class Case(Record):
    """A test case.

    Attributes:
        prediction: a file in the folder of predictions, with the link value of each model.
        labels: the event -> what was told.
    """

    case_id: CaseId
    subject_id: SubjectId
    prediction: RelativePath
    prediction_sha256: Sha256
    labels: Annotated[Mapping[str, RiskRow], Rule(minProperties=1)]


@dataclass(frozen=True)
class Cases(Record):
    """Each test case: what happened, and what risk was told.

    Attributes:
        excluded: cases that people left out.
    """

    run_id: Sha256
    part: Part
    excluded: tuple[Exclusion, ...]
    cases: Annotated[tuple[Case, ...], Rule(minItems=1)]
