"""The record 'survival': what a network says of survival in the test part, against what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.estimates import AmountEstimate, ShareEstimate, SignedEstimate
from radiotrace.records.segmentation_survival.hazard import ToldCase
from radiotrace.records.typed import Record, Rule
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
    SubjectId,
    Text,
)


@dataclass(frozen=True)
class JudgedCase(Record):
    """A test case.

    Attributes:
        time, event: what came of it.
        told: by the network; alone: by the one that learnt the outlines alone.
        reference: of the label map that people drew; its log-hazard, of which there is none, is 0.
        survival: chance of no event by each horizon.
        risk_group: from 0, the lowest risk.
        dice: label -> of the network and of the one that learnt the outlines alone.
    """

    case_id: CaseId
    subject_id: SubjectId
    time: AboveZero
    event: bool
    told: ToldCase
    alone: ToldCase | None
    reference: ToldCase
    survival: Annotated[tuple[Share, ...], Rule(minItems=2)]
    risk_group: Count
    dice: Annotated[Mapping[str, tuple[Share | None, Share | None]], Rule(minProperties=1)]


@dataclass(frozen=True)
class CIndex(Record):
    """Share of comparable pairs in which who has the event earlier has the higher risk.

    Attributes:
        uno: weighted against censoring, of events before the last horizon.
    """

    harrell: ShareEstimate
    uno: ShareEstimate


@dataclass(frozen=True)
class CalibrationRow(Record):
    """Cases of similar risk at a horizon: mean predicted risk, and 1 - Kaplan-Meier."""

    n: Count
    n_events: Count
    predicted: Share
    observed: Share | None
    ci95_low: Share | None
    ci95_high: Share | None
    no_interval: Text | None


@dataclass(frozen=True)
class CalibrationAt(Record):
    """Calibration at a horizon.

    Attributes:
        ratio: observed over predicted risk of all.
        slope: of log(-log S), below 1 where predictions are too extreme; null where there is no fit, which
            slope_reason explains.
    """

    horizon: AboveZero
    rows: Annotated[tuple[CalibrationRow, ...], Rule(minItems=1)]
    predicted: Share | None
    observed: Share | None
    ratio: AmountEstimate
    slope: float | None
    slope_error: Amount | None
    slope_reason: Text | None


@dataclass(frozen=True)
class Scores(Record):
    """How good one way to tell survival is, in the test part.

    Attributes:
        what: it is, in a sentence.
        auroc: of events by each horizon, as the record has them; null where there is none.
        mean_auroc: over the horizons.
        integrated_brier: over the horizons, divided by their span.
        hazard_ratios: predictor -> of one standard deviation in the train part; of a Cox model.
    """

    what: Text
    c_index: CIndex
    auroc: Annotated[tuple[Share | None, ...], Rule(minItems=1)]
    mean_auroc: ShareEstimate
    integrated_brier: ShareEstimate
    calibration: Annotated[tuple[CalibrationAt, ...], Rule(minItems=1)]
    hazard_ratios: Annotated[Mapping[str, AboveZero], Rule(minProperties=1)] | None


@dataclass(frozen=True)
class Against(Record):
    """The network minus another way, of the same cases.

    Attributes:
        c_index: Harrell's. integrated_brier: below 0 where the network is better.
    """

    c_index: SignedEstimate
    integrated_brier: SignedEstimate


@dataclass(frozen=True)
class OtherWays(Record):
    """The same survival told in other ways.

    Attributes:
        volume: a Cox model on the volume of what the network outlines.
        features: a Cox model on several measures of it.
        alone: such a model on what the network outlines that learnt the outlines alone; null where none was
            trained.
    """

    volume: Scores
    features: Scores
    alone: Scores | None


@dataclass(frozen=True)
class Comparisons(Record):
    """The network minus each of the other ways, paired."""

    volume: Against
    features: Against
    alone: Against | None


@dataclass(frozen=True)
class Curve(Record):
    """Kaplan-Meier of a risk group.

    Attributes:
        above: lowest log-hazard of the group, from the train part; null of the first.
        time, survival, at_risk: at each distinct time.
    """

    above: float | None
    n: Count
    n_events: Count
    median: Amount | None
    time: tuple[Amount, ...]
    survival: tuple[Share, ...]
    at_risk: tuple[Count, ...]


@dataclass(frozen=True)
class LogRank(Record):
    """Whether the groups differ; null where nobody had the event."""

    statistic: Amount | None
    degrees_of_freedom: Count
    p: Share | None


@dataclass(frozen=True)
class RiskGroups(Record):
    """Subjects by their risk, cut at quantiles of the train part."""

    curves: Annotated[tuple[Curve, ...], Rule(minItems=2)]
    log_rank: LogRank


@dataclass(frozen=True)
class Sharing(Record):
    """What learning both is worth: the network minus the one that learnt the outlines alone, paired.

    Attributes:
        dice: label -> its mean difference; mean_of_labels among them.
    """

    dice: Annotated[Mapping[str, SignedEstimate], Rule(minProperties=1)]


@dataclass(frozen=True)
class Agreement(Record):
    """Of the network's outlines and the reference.

    Attributes:
        bias, sd, limit_low, limit_high: prediction minus reference, and limits of agreement.
    """

    n: Count
    bias: float | None
    sd: Amount | None
    limit_low: float | None
    limit_high: float | None
    concordance: SignedEstimate


@dataclass(frozen=True)
class Burden(Record):
    """Total volume of lesions in mL, and their highest value of the first channel where both have lesions."""

    volume_ml: Agreement
    suvmax: Agreement


@dataclass(frozen=True)
class Changed(Record):
    """What a change of the image does to the log-hazard.

    Attributes:
        kind: scale multiplies the first channel; noise adds white noise, in its normalised SD.
        shift: mean of the change; shift_absolute: of its size, in log-hazard.
        c_index: Harrell's, of the changed images.
    """

    kind: Literal["scale", "noise"]
    amount: float
    shift: float
    shift_absolute: Amount
    c_index: Share | None


@dataclass(frozen=True)
class Subgroup(Record):
    """Subjects with one value of an attribute.

    Attributes:
        c_index: Harrell's, among them alone.
    """

    n: CountFrom1
    n_events: Count
    insufficient_n: bool
    c_index: ShareEstimate


@dataclass(frozen=True)
class Survival(Record):
    """Survival in the test part.

    Attributes:
        unit: of times.
        follow_up: median, by reverse Kaplan-Meier; null where nobody was censored so long.
        network: how well it tells survival; others: how well other ways do.
        brier_without: integrated Brier score of the Kaplan-Meier curve of all, which knows nothing of a case.
        burden_weights: weight of each thing that the head sees of the lesions -> log-hazard of one unit.
    """

    run_id: Sha256
    part: Part
    excluded: tuple[Exclusion, ...]
    n_cases: CountFrom1
    n_subjects: CountFrom1
    n_events: Count
    time: Text
    event: Text
    unit: str
    follow_up: Amount | None
    horizons: Annotated[tuple[AboveZero, ...], Rule(minItems=2)]
    methods: Annotated[Mapping[str, Text], Rule(minProperties=1)]
    network: Scores
    others: OtherWays
    comparisons: Comparisons
    brier_without: Share | None
    risk_groups: RiskGroups
    sharing: Sharing | None
    burden: Burden
    robustness: tuple[Changed, ...]
    subgroups: Mapping[str, Annotated[Mapping[str, Subgroup], Rule(minProperties=1)]]
    burden_weights: Annotated[Mapping[str, float], Rule(minProperties=1)]
    cases: Annotated[tuple[JudgedCase, ...], Rule(minItems=1)]
