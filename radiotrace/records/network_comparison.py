"""The record 'network_comparison', and lines of the ledger 'network_timings'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.comparison import Row, Run
from radiotrace.records.measure_table import Better
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import AboveZero, Amount, Count, CountFrom1, Sha256, Share, Text

Labels = Rule(minProperties=1)


@dataclass(frozen=True)
class NetworkTiming(Record):
    """A line of a ledger of times: the released network of a run was timed on some machine.

    People measure it and git keeps it: a clock decides no output of a stage.

    Attributes:
        model_sha256: of the ONNX file.
        version: of ONNX Runtime.
        threads: that it was given.
        runs: each a process of its own; networks took turns.
        median_ms: of a case, from the image in memory to what is told of it: over runs, then over cases.
            p95_ms: of all of them.
        processor_ms: of a case, of all threads together, by mean.
        machine: its processor, cores, and how many processes ran beside.
    """

    run_id: Sha256
    model_sha256: Sha256
    version: Text
    threads: CountFrom1
    cases: CountFrom1
    runs: CountFrom1
    median_ms: AboveZero
    p95_ms: AboveZero
    processor_ms: AboveZero
    machine: Text


@dataclass(frozen=True)
class Rate(Record):
    """A share with its 95 % interval over subjects.

    Attributes:
        value: null where it is undefined.
        no_interval: why there is none; null where there is.
    """

    value: Share | None
    ci95_low: Share | None
    ci95_high: Share | None
    no_interval: Text | None
    n_cases: Count
    n_subjects: Count


@dataclass(frozen=True)
class Reliability(Record):
    """What of a label is found, and what is called it wrongly; `how` says over what.

    Attributes:
        false_negative_rate: 1 - sensitivity. false_positive_rate: 1 - specificity.
    """

    sensitivity: Rate
    specificity: Rate
    false_negative_rate: Rate
    false_positive_rate: Rate


@dataclass(frozen=True)
class Accuracy(Record):
    """Mean of the measure over cases, with its 95 % interval over subjects."""

    mean: float | None
    ci95_low: float | None
    ci95_high: float | None
    no_interval: Text | None
    n_cases: Count
    n_subjects: Count


@dataclass(frozen=True)
class Cost(Record):
    """What a network takes.

    Attributes:
        file_bytes: of the ONNX file. weights: numbers in it that training found.
        multiplications: multiply-accumulates of convolutions and matrix products in one pass.
        pass_shape: of its input: case, channels, then z, y, x of a volume or y, x of a picture.
    """

    file_bytes: CountFrom1
    weights: CountFrom1
    multiplications: CountFrom1
    pass_shape: Annotated[tuple[CountFrom1, ...], Rule(minItems=4, maxItems=5)]


@dataclass(frozen=True)
class Network(Record):
    """A network that was compared.

    Attributes:
        dimensions: 2 where it sees a slice or a picture at a time.
        accuracy: label, or mean of labels -> the measure.
        against: label, or mean of labels -> paired differences, this minus the reference; null of the
            reference.
        reliability: label -> rates.
        timing: null where nobody has timed this very file.
        energy_j: of a case, an estimate: processor time by the watts that were stated; null without either.
    """

    run: Run
    network: Text
    dimensions: Literal[2, 3]
    accuracy: Annotated[Mapping[str, Accuracy], Labels]
    against: Annotated[Mapping[str, Row], Labels] | None
    reliability: Annotated[Mapping[str, Reliability], Labels]
    cost: Cost
    timing: NetworkTiming | None
    energy_j: Amount | None


@dataclass(frozen=True)
class NetworkComparison(Record):
    """Networks of one study, on the same test cases; the first is what the others are held against.

    Attributes:
        heading: title and unit of the metric.
        margin: by how much a network may be worse, in the metric's unit.
        watts: of a core that computes, as it was stated; null where nobody did.
        how: key -> how it was made.
    """

    metric: Text
    heading: Text
    better: Better
    margin: Amount
    watts: AboveZero | None
    networks: Annotated[tuple[Network, ...], Rule(minItems=2)]
    how: Annotated[Mapping[str, Text], Rule(minProperties=1)]
