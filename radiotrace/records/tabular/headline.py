"""The record 'headline_tabular'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.cases import MeasureName
from radiotrace.records.headline import Brief
from radiotrace.records.typed import FURTHER, Record, Rule
from radiotrace.records.values import Amount, CountFrom1, Sha256, Share

OfLabels = Annotated[Mapping[str, Share | None], Rule(minProperties=1)]


@dataclass(frozen=True)
class Headline(Record):
    """The few numbers that `dvc metrics diff` shows; metrics.json has all of them, with n.

    Attributes:
        concordance: of a binary outcome, the area under the ROC curve.
        calibration_ratio: observed over predicted.
        measures: measure -> label -> a measure of the table of metrics.json that is shown where few are.
    """

    run_id: Sha256
    n_cases: CountFrom1
    n_subjects: CountFrom1
    concordance: OfLabels
    auroc: OfLabels
    sensitivity: OfLabels
    specificity: OfLabels
    calibration_slope: Annotated[Mapping[str, float | None], Rule(minProperties=1)]
    calibration_ratio: Annotated[Mapping[str, Amount | None], Rule(minProperties=1)]
    measures: Annotated[Mapping[MeasureName, Annotated[Mapping[str, Brief], Rule(minProperties=1)]], FURTHER]
