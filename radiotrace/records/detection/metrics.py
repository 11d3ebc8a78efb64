"""The record 'metrics_detection'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from radiotrace.records.estimates import AmountEstimate, Estimate, ShareEstimate, ShareMean, Signed
from radiotrace.records.measure_table import Described
from radiotrace.records.metric_parts import AmountsOfLabels, MeasureRow, OfLabels, SharesOfLabels
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
    """What calibration makes of the logit of a score: slope x logit + intercept."""

    slope: float
    intercept: float


@dataclass(frozen=True)
class ChosenPoint(Record):
    """The score from which a box of a label is shown, and what it came to where it was chosen.

    Attributes:
        score: before calibration.
        sensitivity, precision: on the validation part.
        false_positives: an image.
        n_true: boxes of the reference there.
    """

    score: Share
    rule: Text
    sensitivity: Share | None
    precision: Share | None
    false_positives: Amount
    n_true: Count


@dataclass(frozen=True)
class Decisions(Record):
    """What was decided on the validation part, before the test part was opened.

    Attributes:
        lines: label -> line; {} where no calibration was asked for, or none can be made.
        operating_points: label -> point.
    """

    part: Literal["validation"]
    n_cases: Count
    lines: Mapping[str, Line]
    operating_points: Annotated[Mapping[str, ChosenPoint], Rule(minProperties=1)]


@dataclass(frozen=True)
class MeanPrecision(Record):
    """Means over labels that have a box of the reference.

    Attributes:
        ap: over overlaps .50 to .95, as COCO has it; ap50, ap75: at those overlaps.
        absent: label without a box of the reference -> predictions of it, all of them false.
    """

    ap: ShareEstimate
    ap50: ShareEstimate
    ap75: ShareEstimate
    absent: Mapping[str, Count]


@dataclass(frozen=True)
class SizeRow(Record):
    """Boxes of a size.

    Attributes:
        from_voxels, to_voxels: of the area or volume, both ends inside; null for no limit.
        n_true, n_found: boxes of the reference, and those of them found at the score of the validation part.
        ap: over overlaps .50 to .95; null where there is no box.
    """

    from_voxels: Amount
    to_voxels: Amount | None
    n_true: Count
    n_found: Count
    sensitivity: ShareEstimate
    ap: Share | None


@dataclass(frozen=True)
class Precision(Record):
    """Average precision of a label.

    Attributes:
        n_true, n_predicted: boxes of the reference, and of predictions, at any score.
        recall: share that any prediction finds, over overlaps .50 to .95.
        by_size: name of a size -> row.
    """

    n_true: Count
    n_predicted: Count
    ap: ShareEstimate
    ap50: ShareEstimate
    ap75: ShareEstimate
    recall: ShareEstimate
    by_size: Annotated[Mapping[str, SizeRow], Rule(minProperties=1)]


@dataclass(frozen=True)
class FrocPoint(Record):
    """Sensitivity at so many false positives an image.

    Attributes:
        score: that has it; null where even the highest has more.
    """

    false_positives: AboveZero
    sensitivity: ShareEstimate
    score: Share | None


@dataclass(frozen=True)
class Froc(Record):
    """Sensitivity against false positives an image.

    Attributes:
        overlap: that a hit needs.
        mean_sensitivity: over the points.
    """

    overlap: Share
    points: Annotated[tuple[FrocPoint, ...], Rule(minItems=1)]
    mean_sensitivity: ShareEstimate


@dataclass(frozen=True)
class OperatingPoint(Record):
    """What the score of the validation part comes to on the test part.

    Attributes:
        found, missed: boxes of the reference. invented: shown boxes that are none of it.
        f1: of found, missed and invented boxes of all images.
        false_positives: an image.
    """

    score: Share
    found: Count
    missed: Count
    invented: Count
    sensitivity: ShareEstimate
    precision: ShareEstimate
    f1: ShareEstimate
    false_positives: AmountEstimate


@dataclass(frozen=True)
class Bin(Record):
    """A point of the reliability diagram: as many boxes in each as ties allow."""

    from_: Share
    to: Share
    n: CountFrom1
    mean_probability: Share
    share_hits: Share


@dataclass(frozen=True)
class Calibration(Record):
    """How far scores of boxes are from the share of them that are hits.

    Attributes:
        n_boxes, n_hits: of predictions, at any score.
        expected_error: mean gap of bins; has no interval, as it is above 0 by chance alone.
        in_the_large: logit by which scores are too low in the mean; 0 at best.
        slope: below 1 where scores are too extreme.
    """

    n_boxes: Count
    n_hits: Count
    brier: AmountEstimate
    expected_error: ShareEstimate
    in_the_large: Estimate
    slope: Estimate
    reliability: tuple[Bin, ...]


@dataclass(frozen=True)
class BothCalibrations(Record):
    """Before and after the calibration that was decided on the validation part."""

    before: Calibration
    after: Calibration


@dataclass(frozen=True)
class Subgroup(ShareMean):
    """The F1 of images of a group, by mean, and its gap to the rest.

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
class WorstCase(Record):
    """A case, by its F1 over labels.

    Attributes:
        f1: mean over labels that the case has, or that were shown.
        missed, invented: boxes.
    """

    case_id: CaseId
    f1: Share | None
    missed: Count
    invented: Count


@dataclass(frozen=True)
class Metrics(Record):
    """The test part of a detection in numbers: each with n, undefined cases, and a 95 % interval over
    subjects.

    Attributes:
        subjects_unknown: whether nobody says whose an image is, so that each counts as a subject, and
            intervals may be too narrow.
        average_precision, froc, operating_points, calibration: by label.
        subgroups: attribute -> group.
        worst_cases: smallest F1 first.
        measures: what there is of measures, in the order of the pages; each name is a key of this record.
        of_measure: measure -> label, or the mean of labels.
    """

    RULES: ClassVar = {
        "required": ["f1"],
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
    decisions: Decisions
    mean_average_precision: MeanPrecision
    average_precision: Annotated[Mapping[str, Precision], Rule(minProperties=1)]
    froc: Annotated[Mapping[str, Froc], Rule(minProperties=1)]
    operating_points: Annotated[Mapping[str, OperatingPoint], Rule(minProperties=1)]
    calibration: Annotated[Mapping[str, BothCalibrations], Rule(minProperties=1)]
    subgroups: Mapping[str, Annotated[Mapping[str, Subgroup], Rule(minProperties=1)]]
    worst_cases: Annotated[tuple[WorstCase, ...], Rule(minItems=1)]
    measures: Annotated[tuple[MeasureRow, ...], Rule(minItems=1)]
    of_measure: Annotated[Mapping[str, OfLabels], FURTHER]

    def table(self) -> dict[str, Described]:
        """Name -> row of the table of measures, in its order."""
        return {row.name: Described(**vars(row)) for row in self.measures}
