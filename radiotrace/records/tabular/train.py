"""The record 'train_tabular': what fitting models to a table left."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.sections.tabular.train import TrainParams
from radiotrace.records.tabular.feature import Feature, Outcome
from radiotrace.records.training import LearntCases
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import (
    AboveZero,
    Amount,
    Count,
    CountFrom1,
    Exclusion,
    Labels,
    Sha256,
    Share,
    Text,
)

ModelName = Literal["linear", "boosting"]


@dataclass(frozen=True)
class Candidate(Record):
    """A setting that was tried by cross-validation inside the train part.

    Attributes:
        setting: in words.
        loss, loss_error: mean and standard error over folds: log loss in nats, or minus the partial log
            likelihood an event.
        trees: of boosting, how many had the least mean loss; null of a linear model.
        chosen: whether the model has it.
    """

    setting: Text
    loss: float
    loss_error: Amount
    trees: CountFrom1 | None
    chosen: bool


@dataclass(frozen=True)
class Coefficient(Record):
    """A weight of the linear model.

    Attributes:
        name: of the encoded column: a number, a category, or that something is not known.
        per: what one unit of it is: the unit of the feature, or "" of a category.
        coefficient: of one unit: a log odds ratio, or a log hazard ratio; shrunk by the ridge, so that it has
            no interval.
        ratio: its exponential.
        standardised: of one standard deviation of the train part.
    """

    name: Text
    per: str
    coefficient: float
    ratio: AboveZero
    standardised: float


@dataclass(frozen=True)
class FittedModel(Record):
    """A model and how it was chosen.

    Attributes:
        numbers: of which it is made, without those of the encoding and the baseline.
        area_by_folds: concordance (of a binary outcome, the area under the ROC curve) of each fold.
    """

    numbers: CountFrom1
    candidates: Annotated[tuple[Candidate, ...], Rule(minItems=1)]
    area_by_folds: tuple[Share | None, ...]


@dataclass(frozen=True)
class HeldOut(Record):
    """A group of the train part that a model fitted to all others was judged on, with the settings that were
    chosen on all.

    Attributes:
        concordance: of a binary outcome, the area under the ROC curve; null where undefined.
        slope: of calibration, 1 at best; null where undefined.
        ratio: observed over predicted events.
    """

    attribute: Text
    group: Text
    n_cases: Count
    n_events: Count
    concordance: Share | None
    slope: float | None
    ratio: Amount | None
    reason: Text | None


@dataclass(frozen=True)
class Network(Record):
    """What the released model is, in the words of other tasks' records.

    Attributes:
        family: of models.
    """

    name: ModelName
    family: Text


@dataclass(frozen=True)
class TabularRun(Record):
    """The training run: what went in, what was tried, what came out.

    Attributes:
        network: the released model. weights: how many numbers it is made of.
        weights_sha256: of the file that has every model.
        horizon: by which the risk is told, in the unit of time; null of a binary outcome.
        class_counts: word -> rows of the train part.
        missing: feature -> rows of the train part in which it is not known, of those where there are some.
        fill: feature -> what stood in its place, from the train part; a category by its word.
        events_per_parameter: of the train part, a parameter being a candidate column of the linear model.
        models: each that was fitted.
        held_out: each group of the train part that is named under train.held_out_by.
        params: the section train of params.yaml, and the seed.
        selection: how the settings of the model were chosen.
        excluded: cases that people left out before.
    """

    run_id: Sha256
    network: Network
    weights: CountFrom1
    weights_sha256: Sha256
    outcome: Outcome
    horizon: AboveZero | None
    features: Annotated[tuple[Feature, ...], Rule(minItems=1)]
    labels: Labels
    class_counts: Mapping[str, Count]
    missing: Mapping[str, CountFrom1]
    fill: Mapping[str, float | str]
    events_per_parameter: Amount
    models: Mapping[ModelName, FittedModel]
    coefficients: Annotated[tuple[Coefficient, ...], Rule(minItems=1)]
    held_out: tuple[HeldOut, ...]
    params: TrainParams
    selection: Text
    excluded: tuple[Exclusion, ...]
    cases: LearntCases


@dataclass(frozen=True)
class Epochs(Record):
    """No model of a table learns in epochs: none stands here."""

    run_id: Sha256
    epochs: Annotated[tuple[Text, ...], Rule(maxItems=0)]
