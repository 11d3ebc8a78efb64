"""The record 'metrics_tabular'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from radiotrace.records.estimates import (
    AmountEstimate,
    Estimate,
    ShareEstimate,
    ShareMean,
    Signed,
    SignedEstimate,
)
from radiotrace.records.measure_table import Described
from radiotrace.records.metric_parts import AmountsOfLabels, MeasureRow, OfLabels, SharesOfLabels
from radiotrace.records.tabular.feature import Outcome
from radiotrace.records.tabular.train import ModelName
from radiotrace.records.typed import FURTHER, Record, Rule
from radiotrace.records.values import (
    AboveZero,
    Amount,
    CaseId,
    Count,
    CountFrom1,
    Exclusion,
    Part,
    Sha256,
    Share,
    Text,
)


@dataclass(frozen=True)
class Line(Record):
    """What calibration makes of a link value: intercept + slope x value."""

    slope: float
    intercept: float


@dataclass(frozen=True)
class ChosenThreshold(Record):
    """The risk from which a case is called, and how it was come by.

    Attributes:
        sensitivity, specificity: on the validation part; null where undefined.
    """

    threshold: Share
    rule: Text
    sensitivity: Share | None
    specificity: Share | None


@dataclass(frozen=True)
class Decisions(Record):
    """What was decided on the validation part, before the test part was opened.

    Attributes:
        lines: event -> calibration; {} where none was asked for, or the part was too small for it.
        lines_reason: why there is none; null where there is.
        operating_points: event -> threshold.
        prevalence: event -> share of the train part that has it, by the horizon where there is one: what a
            model without features would tell.
    """

    part: Literal["validation"]
    n_cases: Count
    n_events: Count
    lines: Mapping[str, Line]
    lines_reason: Text | None
    operating_points: Annotated[Mapping[str, ChosenThreshold], Rule(minProperties=1)]
    prevalence: Annotated[Mapping[str, Share], Rule(minProperties=1)]


@dataclass(frozen=True)
class Discrimination(Record):
    """How well risks rank cases.

    Attributes:
        n_positive, n_negative: by the horizon where there is one. n_unknown: censored before.
        concordance: Harrell's; of a binary outcome, where it is the same, the area under the ROC curve.
        auroc: area under the ROC curve, of an event in time by the horizon, cases weighted.
        uno: Uno's concordance up to the horizon; null of a binary outcome.
        auprc: average precision; null of an event in time.
    """

    n_positive: Count
    n_negative: Count
    n_unknown: Count
    prevalence: Share | None
    concordance: ShareEstimate
    auroc: ShareEstimate
    uno: ShareEstimate | None
    auprc: ShareEstimate | None


@dataclass(frozen=True)
class OperatingPoint(Record):
    """What a threshold comes to; of an event in time by the horizon, cases weighted.

    Attributes:
        called: share of cases whose risk is at least the threshold.
        ppv, npv: hold at the prevalence of these cases alone.
    """

    threshold: Share
    called: ShareEstimate
    sensitivity: ShareEstimate
    specificity: ShareEstimate
    ppv: ShareEstimate
    npv: ShareEstimate


@dataclass(frozen=True)
class Bin(Record):
    """Cases of similar risk.

    Attributes:
        mean_probability: mean risk.
        share_positive: that had the event, by Kaplan-Meier where there is a horizon; null where nobody of
            them was followed so long.
    """

    n: CountFrom1
    mean_probability: Share
    share_positive: Share | None
    ci95_low: Share | None
    ci95_high: Share | None


@dataclass(frozen=True)
class CurvePoint(Record):
    """A point of the smooth curve of what happens at a risk."""

    risk: Share
    observed: float


@dataclass(frozen=True)
class Calibration(Record):
    """How far risks are from what happens.

    Attributes:
        brier: mean square of the difference, cases weighted. scaled_brier: 1 minus its ratio to that of a
            model without features; 0 for no better.
        ratio: observed over predicted events; 1 at best.
        in_the_large: what a logit, or the log cumulative hazard, is too low by, in the mean; 0 at best.
        slope: below 1 where risks are too extreme.
        expected_error: mean gap to a smooth curve of what happens (ICI); median_error and largest_error
            (E50, Emax) likewise. In the place of the Hosmer-Lemeshow test, which hangs on its groups.
        curve: points of the smooth curve, rising in risk.
    """

    brier: AmountEstimate
    scaled_brier: Estimate
    ratio: AmountEstimate
    in_the_large: Estimate
    slope: Estimate
    expected_error: AmountEstimate
    median_error: Amount | None
    largest_error: Amount | None
    curve: tuple[CurvePoint, ...]
    reliability: Annotated[tuple[Bin, ...], Rule(minItems=1)]


@dataclass(frozen=True)
class BothCalibrations(Record):
    """Before and after the calibration that was decided on the validation part."""

    before: Calibration
    after: Calibration


@dataclass(frozen=True)
class BenefitPoint(Record):
    """Net benefit at a threshold, in true positives a case; acting on none has 0.

    over_all, over_none: ends of the interval of what it gains over acting on all, and on none.
    """

    threshold: Share
    model: float
    treat_all: float
    over_all_low: float | None
    over_all_high: float | None
    over_none_low: float | None
    over_none_high: float | None


@dataclass(frozen=True)
class Compared(Record):
    """A model that was fitted beside, on the same cases, before calibration.

    Attributes:
        gap: its concordance minus that of the released model, paired.
    """

    concordance: ShareEstimate
    gap: SignedEstimate
    brier: AmountEstimate


@dataclass(frozen=True)
class Subgroup(ShareMean):
    """The error of a group: mean square of outcome minus risk over cases whose outcome is known; and its gap
    to the rest.

    Attributes:
        insufficient_n: whether it is too small to be compared.
        gap_no_interval: why there is no interval; null where there is.
        also: other names of the same group.
    """

    insufficient_n: bool
    gap: Signed | None
    p: Share | None
    p_adjusted: Share | None
    gap_simultaneous95_low: Signed | None
    gap_simultaneous95_high: Signed | None
    gap_no_interval: Text | None
    also: Annotated[tuple[Text, ...], Rule(uniqueItems=True)]


@dataclass(frozen=True)
class GroupPerformance(Record):
    """What a model comes to in one group.

    Attributes:
        n_events: by the horizon where there is one.
        ratio: observed over predicted.
    """

    n_cases: Count
    n_events: Count
    concordance: ShareEstimate
    called: ShareEstimate
    sensitivity: ShareEstimate
    specificity: ShareEstimate
    ratio: AmountEstimate


@dataclass(frozen=True)
class Fairness(Record):
    """How far groups of an attribute are apart: largest minus smallest over groups that are large enough.

    Attributes:
        compared: those groups.
        demographic_parity: of the share that is called. equal_opportunity: of sensitivity.
        equalised_odds: of sensitivity or of 1 - specificity, whichever is the larger.
        calibration: of observed over predicted, on the scale of its logarithm. concordance: of concordance.
            Each is 0 at best, and above it by chance alone; so is its interval.
    """

    groups: Annotated[Mapping[str, GroupPerformance], Rule(minProperties=1)]
    compared: tuple[Text, ...]
    demographic_parity: AmountEstimate
    equal_opportunity: AmountEstimate
    equalised_odds: AmountEstimate
    calibration: AmountEstimate
    concordance: AmountEstimate


@dataclass(frozen=True)
class WorstCase(Record):
    """A case whose risk was furthest from what happened."""

    case_id: CaseId
    brier: Amount
    probability: Share


@dataclass(frozen=True)
class Characteristic(Record):
    """A feature in a part of the split: how often it is known, and what it is like.

    Attributes:
        median, quarter, three_quarters: of a number that is known; null of a category.
        shares: category -> share of those that are known; {} of a number.
    """

    n_cases: Count
    n_missing: Count
    median: float | None
    quarter: float | None
    three_quarters: float | None
    shares: Mapping[str, Share]


@dataclass(frozen=True)
class FollowUp(Record):
    """The outcome in a part of the split.

    Attributes:
        median_follow_up: by Kaplan-Meier of being followed; null of a binary outcome and where it is not
            reached.
    """

    n_cases: Count
    n_events: Count
    median_follow_up: Amount | None


@dataclass(frozen=True)
class Metrics(Record):
    """The test part of a study of a table in numbers: each with n, undefined cases, and a 95 % interval over
    subjects.

    Attributes:
        horizon: by which the risk is told; null of a binary outcome.
        model: the released one.
        comparison: event -> model that was fitted beside -> what it comes to.
        subgroups: attribute -> group.
        fairness: attribute -> its groups, and how far they are apart.
        characteristics: part -> feature; outcomes: part -> outcome.
        worst_cases: largest error first.
        measures: what there is of measures, in the order of the pages; each name is a key of this record.
        of_measure: measure -> label, or the mean of labels.
    """

    RULES: ClassVar = {
        "required": ["brier"],
        "tabled": {
            "table": "measures",
            "kinds": {
                "share": SharesOfLabels,
                "amount": AmountsOfLabels,
                "count": AmountsOfLabels,
                "signed": OfLabels,
            },
        },
    }

    run_id: Sha256
    part: Part
    excluded: tuple[Exclusion, ...]
    outcome: Outcome
    horizon: AboveZero | None
    model: ModelName
    n_cases: CountFrom1
    n_subjects: CountFrom1
    methods: Annotated[Mapping[str, Text], Rule(required=["interval"])]
    decisions: Decisions
    discrimination: Annotated[Mapping[str, Discrimination], Rule(minProperties=1)]
    operating_points: Annotated[Mapping[str, OperatingPoint], Rule(minProperties=1)]
    calibration: Annotated[Mapping[str, BothCalibrations], Rule(minProperties=1)]
    decision_curve: Annotated[Mapping[str, tuple[BenefitPoint, ...]], Rule(minProperties=1)]
    comparison: Annotated[Mapping[str, Mapping[str, Compared]], Rule(minProperties=1)]
    subgroups: Mapping[str, Annotated[Mapping[str, Subgroup], Rule(minProperties=1)]]
    fairness: Mapping[str, Fairness]
    characteristics: Annotated[Mapping[Part, Mapping[str, Characteristic]], Rule(minProperties=1)]
    outcomes: Annotated[Mapping[Part, FollowUp], Rule(minProperties=1)]
    worst_cases: Annotated[tuple[WorstCase, ...], Rule(minItems=1)]
    measures: Annotated[tuple[MeasureRow, ...], Rule(minItems=1)]
    of_measure: Annotated[Mapping[str, OfLabels], FURTHER]

    def table(self) -> dict[str, Described]:
        """Name -> row of the table of measures, in its order."""
        return {row.name: Described(**vars(row)) for row in self.measures}
