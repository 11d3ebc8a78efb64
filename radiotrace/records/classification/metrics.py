"""The record 'metrics_classification'."""

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
from radiotrace.records.metric_parts import (
    AmountsOfLabels,
    FlagRule,
    FlagShare,
    MeasureRow,
    OfLabels,
    SharesOfLabels,
)
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
    UncertaintyKind,
)


@dataclass(frozen=True)
class Line(Record):
    """What calibration makes of a logit: slope x logit + intercept."""

    slope: float
    intercept: float


@dataclass(frozen=True)
class ChosenPoint(Record):
    """The probability from which a label is called, and what it came to where it was chosen.

    Attributes:
        threshold: of the calibrated probability.
        sensitivity, specificity: on the validation part.
        n_positive, n_negative: cases of it.
    """

    threshold: Share
    rule: Text
    sensitivity: Share | None
    specificity: Share | None
    n_positive: Count
    n_negative: Count


@dataclass(frozen=True)
class Decisions(Record):
    """What was decided on the validation part, before the test part was opened.

    Attributes:
        temperature: of all logits; null where another calibration, or none, was asked for.
        lines: label -> line; {} likewise.
        operating_points: label -> point.
        flag_above: threshold of each kind of uncertainty; null with too few subjects.
        flag_share: of subjects, that are meant to be flagged at most.
    """

    part: Literal["validation"]
    n_cases: Count
    temperature: AboveZero | None
    lines: Mapping[str, Line]
    operating_points: Annotated[Mapping[str, ChosenPoint], Rule(minProperties=1)]
    flag_above: Mapping[UncertaintyKind, Amount | None]
    flag_share: FlagShare
    flag_rule: Mapping[UncertaintyKind, FlagRule]


@dataclass(frozen=True)
class Discrimination(Record):
    """How well probabilities of a label tell cases with it from cases without.

    Attributes:
        auroc: area under the ROC curve. auprc: average precision, which a guess has at the prevalence.
    """

    n_positive: Count
    n_negative: Count
    prevalence: Share
    auroc: ShareEstimate
    auprc: ShareEstimate


@dataclass(frozen=True)
class OperatingPoint(Record):
    """What a threshold comes to on the test part.

    Attributes:
        ppv, npv: hold at the prevalence of these cases alone.
    """

    threshold: Share
    tp: Count
    fp: Count
    fn: Count
    tn: Count
    sensitivity: ShareEstimate
    specificity: ShareEstimate
    ppv: ShareEstimate
    npv: ShareEstimate
    f1: ShareEstimate
    accuracy: ShareEstimate
    balanced_accuracy: ShareEstimate
    matthews: SignedEstimate


@dataclass(frozen=True)
class Bin(Record):
    """A point of the reliability diagram: as many cases in each as ties allow."""

    from_: Share
    to: Share
    n: CountFrom1
    mean_probability: Share
    share_positive: Share
    ci95_low: Share | None
    ci95_high: Share | None


@dataclass(frozen=True)
class Calibration(Record):
    """How far probabilities of a label are from what happens.

    Attributes:
        expected_error: mean gap of bins; has no interval, as it is above 0 by chance alone.
        in_the_large: logit by which probabilities are too low in the mean; 0 at best.
        slope: below 1 where probabilities are too extreme.
        mean_gap: to a smooth curve of what happens.
    """

    brier: AmountEstimate
    log_loss_nats: AmountEstimate
    expected_error: ShareEstimate
    in_the_large: Estimate
    slope: Estimate
    mean_gap: Share | None
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
class Flagging(Record):
    """What a threshold flags, and what of it was told wrongly."""

    flagged: Count
    flagged_share: ShareEstimate
    wrong: Count
    caught: Count
    caught_share: ShareEstimate
    accuracy_kept: Share | None
    flagged_subjects: Count
    n_subjects: Count
    surprise: Share | None


@dataclass(frozen=True)
class Uncertainty(Record):
    """Whether a kind of uncertainty finds cases that were told wrongly.

    Attributes:
        auroc: of wrong cases. aurc: area under risk and coverage, risk the share that is wrong.
        flag_above, flagging: null without a threshold.
    """

    auroc: ShareEstimate
    aurc: ShareEstimate
    n_wrong: Count
    risk_coverage: tuple[Share, ...]
    flag_above: Share | None
    flagging: Flagging | None


@dataclass(frozen=True)
class SubgroupArea(Record):
    """The area under the ROC curve of a group."""

    n_positive: Count
    n_negative: Count
    auroc: ShareEstimate


@dataclass(frozen=True)
class Subgroup(ShareMean):
    """The share of a group that is told rightly, its gap to the rest, and its areas.

    Attributes:
        insufficient_n: whether it is too small to be compared.
        gap_no_interval: why there is no interval; null where there is.
        also: other names of the same group.
        areas: label -> area.
    """

    insufficient_n: bool
    gap: Signed | None
    p: Share | None
    p_adjusted: Share | None
    gap_simultaneous95_low: Signed | None
    gap_simultaneous95_high: Signed | None
    gap_no_interval: Text | None
    also: Annotated[tuple[Text, ...], Rule(uniqueItems=True)]
    areas: Mapping[str, SubgroupArea]


@dataclass(frozen=True)
class Member(Record):
    """Another run of the ensemble, on the same test part, without calibration and at a half."""

    run_id: Sha256
    weights_sha256: Sha256
    auroc: Mapping[str, Share | None]
    accuracy: Share


@dataclass(frozen=True)
class WorstCase(Record):
    """A case of which the truth was thought least probable.

    Attributes:
        accuracy: share of its labels that are told rightly.
    """

    case_id: CaseId
    accuracy: Share
    truth_probability: Share


@dataclass(frozen=True)
class Metrics(Record):
    """The test part of a classification in numbers: each with n, undefined cases, and a 95 % interval over
    subjects.

    Attributes:
        subjects_unknown: whether nobody says whose a picture is, so that each counts as a subject, and
            intervals may be too narrow.
        members: the run itself first, where there are others.
        confusion: what a case has -> what was told -> cases; where a case has one class.
        at_half: operating points at a probability of a half.
        subgroups: attribute -> group.
        worst_cases: least probable truth first.
        measures: what there is of measures, in the order of the pages; each name is a key of this record.
        of_measure: measure -> label, or the mean of labels.
    """

    RULES: ClassVar = {
        "required": ["accuracy"],
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
    n_cases: CountFrom1
    n_subjects: CountFrom1
    subjects_unknown: bool
    methods: Annotated[Mapping[str, Text], Rule(required=["interval"])]
    members: tuple[Member, ...]
    decisions: Decisions
    discrimination: Annotated[Mapping[str, Discrimination], Rule(minProperties=1)]
    operating_points: Annotated[Mapping[str, OperatingPoint], Rule(minProperties=1)]
    at_half: Annotated[Mapping[str, OperatingPoint], Rule(minProperties=1)]
    confusion: Mapping[str, Mapping[str, Count]]
    calibration: Annotated[Mapping[str, BothCalibrations], Rule(minProperties=1)]
    decision_curve: Annotated[Mapping[str, tuple[BenefitPoint, ...]], Rule(minProperties=1)]
    uncertainty: Mapping[UncertaintyKind, Uncertainty]
    subgroups: Mapping[str, Annotated[Mapping[str, Subgroup], Rule(minProperties=1)]]
    worst_cases: Annotated[tuple[WorstCase, ...], Rule(minItems=1)]
    measures: Annotated[tuple[MeasureRow, ...], Rule(minItems=1)]
    of_measure: Annotated[Mapping[str, OfLabels], FURTHER]

    def table(self) -> dict[str, Described]:
        """Name -> row of the table of measures, in its order."""
        return {row.name: Described(**vars(row)) for row in self.measures}
