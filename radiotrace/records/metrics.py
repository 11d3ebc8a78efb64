"""The record 'metrics'."""

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
class Member(Record):
    """Another run of the ensemble."""

    run_id: Sha256
    weights_sha256: Sha256


@dataclass(frozen=True)
class Decisions(Record):
    """What was decided on the validation part, before the test part was opened.

    Attributes:
        n_cases_ensemble: cases that no member has learnt from; null without members.
        flag_above: threshold of each kind; null with too few subjects.
        flag_share: of subjects, that are meant to be flagged at most.
    """

    part: Literal["validation"]
    n_cases: Count
    n_cases_ensemble: Count | None
    temperature: AboveZero | None
    flag_above: Mapping[UncertaintyKind, Amount | None]
    flag_share: FlagShare
    flag_rule: Mapping[UncertaintyKind, FlagRule]


@dataclass(frozen=True)
class Limits(Record):
    """Bias and limits of agreement, after Bland and Altman."""

    bias: float | None
    sd: Amount | None
    limit_low: float | None
    limit_high: float | None


@dataclass(frozen=True)
class VolumeAgreement(Record):
    """How volumes of a label agree.

    Attributes:
        slope: of the error against the size.
    """

    bland_altman_mm3: Limits
    concordance: SignedEstimate
    slope: Estimate


@dataclass(frozen=True)
class Detection(Record):
    """What of a label is found, and what is made up."""

    n_objects: Count
    n_found: Count
    n_false_positive: Count
    sensitivity: ShareEstimate
    false_positives_per_case: AmountEstimate
    n_cases_with: Count
    n_cases_without: Count
    case_sensitivity: ShareEstimate
    case_specificity: ShareEstimate


@dataclass(frozen=True)
class Bin(Record):
    """A bar of the reliability diagram."""

    from_: Share
    to: Share
    n_voxels: Count
    mean_probability: Share | None
    share_right: Share | None


@dataclass(frozen=True)
class Calibration(Record):
    """Errors of calibration.

    Attributes:
        n_voxels_inside: those of a label, by reference or prediction.
        expected_error: pooled over all voxels that count.
        expected_error_of_case: mean over cases.
        expected_error_inside: pooled over the voxels inside.
    """

    n_voxels: Count
    expected_error: ShareEstimate
    expected_error_of_label: Annotated[Mapping[str, ShareEstimate], Rule(minProperties=1)]
    brier: AmountEstimate
    negative_log_likelihood_nats: AmountEstimate
    reliability: Annotated[tuple[Bin, ...], Rule(minItems=1)]
    n_voxels_inside: Count
    expected_error_of_case: ShareEstimate
    expected_error_inside: ShareEstimate


@dataclass(frozen=True)
class BothCalibrations(Record):
    """Without and with the temperature.

    Attributes:
        after: null without a temperature.
    """

    before: Calibration
    after: Calibration | None


@dataclass(frozen=True)
class Flagging(Record):
    """What a threshold flags.

    Attributes:
        poor: cases that are.
        caught: poor cases that are flagged.
        surprise: chance of so many flagged subjects where the aim holds.
    """

    flagged: Count
    flagged_share: ShareEstimate
    poor: Count
    caught: Count
    mean_dice_kept: Share | None
    caught_share: ShareEstimate
    flagged_subjects: Count
    n_subjects: Count
    surprise: Share | None


@dataclass(frozen=True)
class Uncertainty(Record):
    """Whether a kind of uncertainty finds poor cases.

    Attributes:
        aurc_best: of scores that know the Dice.
        aurc_random: of scores that know nothing.
        auroc: of poor cases.
        spearman: with the Dice.
        flag_above, flagging: null without a threshold.
        mutual_information_nats: null of one prediction.
    """

    aurc: ShareEstimate
    aurc_best: ShareEstimate
    aurc_random: ShareEstimate
    auroc: ShareEstimate
    spearman: SignedEstimate
    poor_below_dice: Share
    n_poor: Count
    risk_coverage: tuple[Share, ...]
    flag_above: Share | None
    flagging: Flagging | None
    score: ShareEstimate
    entropy_nats: AmountEstimate
    mutual_information_nats: AmountEstimate | None


@dataclass(frozen=True)
class Subgroup(ShareMean):
    """The mean Dice of a group, and its gap to the rest.

    Attributes:
        gap_no_interval: why there is no interval; null where there is.
        insufficient_n: whether it is too small to be compared.
        p_adjusted: for all comparisons.
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
class WorstCase(Record):
    """A case of low Dice."""

    case_id: CaseId
    dice: Share | None


@dataclass(frozen=True)
class Metrics(Record):
    """The test part in numbers: each with n, undefined cases, and a 95 % interval over subjects.

    Attributes:
        excluded: cases that people left out.
        methods: key of the record -> how it was made.
        members: of the ensemble, beside the run itself.
        volume_agreement, detection: by label.
        subgroups: attribute -> group.
        worst_cases: lowest Dice first.
        measures: what there is of measures, in the order of the pages; each name is a key of this record.
        of_measure: measure -> label, or the mean of labels.
    """

    RULES: ClassVar = {
        "required": ["dice"],
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
    surface_tolerance_mm: Amount
    methods: Annotated[Mapping[str, Text], Rule(required=["interval"])]
    members: tuple[Member, ...]
    decisions: Decisions
    volume_agreement: Annotated[Mapping[str, VolumeAgreement], Rule(minProperties=1)]
    detection: Annotated[Mapping[str, Detection], Rule(minProperties=1)]
    calibration: BothCalibrations
    uncertainty: Mapping[UncertaintyKind, Uncertainty]
    subgroups: Mapping[str, Annotated[Mapping[str, Subgroup], Rule(minProperties=1)]]
    worst_cases: Annotated[tuple[WorstCase, ...], Rule(minItems=1)]
    measures: Annotated[tuple[MeasureRow, ...], Rule(minItems=1)]
    of_measure: Annotated[Mapping[str, OfLabels], FURTHER]

    def table(self) -> dict[str, Described]:
        """Name -> row of the table of measures, in its order."""
        return {row.name: Described(**vars(row)) for row in self.measures}
