"""The record 'released_risk': model.json, all that who predicts needs beside the graph."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.tabular.feature import Feature, Outcome
from radiotrace.records.tabular.metrics import ChosenThreshold, Line
from radiotrace.records.tabular.train import Network
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, Amount, CaseId, Count, Labels, Sha256, Share, Text


@dataclass(frozen=True)
class Input(Record):
    """What the graph takes: a column for each feature, in their order; NaN for what is not known.

    Attributes:
        shape: n is free.
    """

    name: Text
    type: Literal["float32"]
    axes: tuple[Text, ...]
    shape: tuple[Literal["n"] | int, ...]


@dataclass(frozen=True)
class Output(Record):
    """What the graph gives."""

    name: Text
    type: Literal["float32"]
    axes: tuple[Text, ...]
    meaning: Text


@dataclass(frozen=True)
class Data(Record):
    """What it learnt from."""

    name: Text | None
    licence: Text | None
    root_sha256: Sha256
    train_cases: Count
    validation_cases: Count


@dataclass(frozen=True)
class Parity(Record):
    """How the graph in ONNX Runtime agrees with the fitted model on cases of the test part.

    Attributes:
        worst_case: of the largest difference of a link value.
        unknown_cells: that were tried as not known beside what is so.
        called_otherwise: cases that are called by one and not by the other.
    """

    cases: tuple[CaseId, ...]
    worst_case: CaseId
    link_difference_max: Amount
    probability_difference_max: Share
    unknown_cells: Count
    called_otherwise: Count
    tolerance: AboveZero


@dataclass(frozen=True)
class ReleasedRisk(Record):
    """The released model of a table.

    Attributes:
        features: in the order of the graph's columns, with the range that each may have.
        fill: what stands where a feature is not known; in the graph already.
        output: calibrated risk. link: what it was made of.
        lines: calibration, which is in the graph already.
        operating_points: event -> risk from which it is called.
        steps: what is done to a row, in words.
    """

    run_id: Sha256
    notice: Text
    file: Text
    sha256: Sha256
    weights_sha256: Sha256
    network: Network
    outcome: Outcome
    horizon: AboveZero | None
    features: Annotated[tuple[Feature, ...], Rule(minItems=1)]
    fill: Mapping[str, float | str]
    labels: Labels
    modality: Text | None
    licence: Text | None
    steps: Annotated[tuple[Text, ...], Rule(minItems=1)]
    input: Input
    output: Output
    link: Output
    lines: Mapping[str, Line]
    operating_points: Annotated[Mapping[str, ChosenThreshold], Rule(minProperties=1)]
    data: Data
    parity: Parity
