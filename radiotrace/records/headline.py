"""The record 'headline'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.cases import MeasureName
from radiotrace.records.estimates import Signed
from radiotrace.records.typed import FURTHER, Record, Rule
from radiotrace.records.values import Amount, Count, CountFrom1, Sha256, Share, UncertaintyKind


@dataclass(frozen=True)
class Brief(Record):
    """What few numbers say of a measure."""

    mean: float | None
    ci95_low: float | None
    ci95_high: float | None
    n_undefined: Count


@dataclass(frozen=True)
class BriefCalibration(Record):
    """Errors of calibration, as metrics.json has them."""

    expected_error: Share | None
    brier: Amount | None
    negative_log_likelihood_nats: Amount | None
    expected_error_of_case: Share | None
    expected_error_inside: Share | None


@dataclass(frozen=True)
class BeforeAndAfter(Record):
    """Calibration without and with the temperature.

    Attributes:
        after: not there without a temperature.
    """

    before: BriefCalibration
    after: BriefCalibration | None = None


@dataclass(frozen=True)
class BriefUncertainty(Record):
    """Whether an uncertainty finds poor cases, as metrics.json has it."""

    aurc: Share | None
    spearman: Signed | None
    auroc: Share | None


@dataclass(frozen=True)
class Headline(Record):
    """The few numbers that `dvc metrics diff` shows; metrics.json has all of them, with n.

    Attributes:
        volume_concordance, volume_slope: label -> value.
        subgroup_gap_dice: attribute -> group -> gap.
        measures: measure -> label -> a measure of the table of metrics.json that is shown where few are.
    """

    run_id: Sha256
    n_cases: CountFrom1
    n_subjects: CountFrom1
    volume_concordance: Annotated[Mapping[str, Signed | None], Rule(minProperties=1)]
    calibration: BeforeAndAfter
    uncertainty: Mapping[UncertaintyKind, BriefUncertainty]
    subgroup_gap_dice: Mapping[str, Annotated[Mapping[str, Signed | None], Rule(minProperties=1)]]
    volume_slope: Annotated[Mapping[str, float | None], Rule(minProperties=1)]
    measures: Annotated[Mapping[MeasureName, Annotated[Mapping[str, Brief], Rule(minProperties=1)]], FURTHER]
