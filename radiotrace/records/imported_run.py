"""The record 'imported_run': a model that was made elsewhere and admitted, in the place of 'train'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.contract import ModelContract
from radiotrace.records.network import NetworkSpec
from radiotrace.records.preprocessing import Preprocessing
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Amount, CaseId, Count, CountFrom1, Exclusion, Labels, Sha256, Text

# What may be not possible of a foreign network.
Analysis = Literal["dropout", "adversarial", "explain", "embedding", "certainty"]
Kind = Literal["onnx", "pt2", "monai_bundle"]


@dataclass(frozen=True)
class Source(Record):
    """What was brought, as `import-model` found it; stands in imported/source.json, too.

    Attributes:
        kind: of the file.
        sha256: of the file that was brought; of a bundle, of its weights.
        files: path below a bundle -> SHA-256 of each file that was read of it.
        onnx_sha256: of imported/model.onnx: the file itself, or what was made of it.
        contract_sha256: of imported/contract.yaml.
        converter: what made ONNX of it, with versions; null where it was ONNX already.
    """

    kind: Kind
    sha256: Sha256
    files: Mapping[str, Sha256]
    onnx_sha256: Sha256
    contract_sha256: Sha256
    converter: Text | None


@dataclass(frozen=True)
class FileSeen(Record):
    """What the ONNX file says of itself.

    Attributes:
        producer: as it says; empty where it does not.
        opset: of the standard operators.
        operators: name -> how many nodes.
    """

    producer: str
    opset: CountFrom1
    nodes: CountFrom1
    operators: Annotated[Mapping[str, CountFrom1], Rule(minProperties=1)]


@dataclass(frozen=True)
class AdmissionParity(Record):
    """How far the form that this project computes with is from the file that was brought, both in ONNX
    Runtime, each in its own layout: on windows of validation cases, of test cases where there are none, and
    of noise.

    Attributes:
        max_probability_difference: the largest of any voxel and label, after the activation.
        labels_different: voxels that get another label where the file's own choice is clear.
    """

    windows: CountFrom1
    voxels: CountFrom1
    max_probability_difference: Amount
    labels_different: Count


@dataclass(frozen=True)
class TriedCases(Record):
    """The cases of the study that the model is tried on; what it has learnt from nobody here knows."""

    validation: Annotated[tuple[CaseId, ...], Rule(uniqueItems=True)]
    test: Annotated[tuple[CaseId, ...], Rule(minItems=1, uniqueItems=True)]


@dataclass(frozen=True)
class ImportedParams(Record):
    """The section train of the params.yaml of a study with an imported model: how it computes."""

    network: Literal["imported"]
    numerics: Literal["native", "portable"]
    precision: Literal["fp32"]
    threads: CountFrom1


@dataclass(frozen=True)
class ImportedRun(Record):
    """A model that was made elsewhere: where it comes from, what it takes and gives, what is not known of it.

    Attributes:
        network: its levels, as its file has them; features are the channels of each.
        weights: how many numbers its file holds.
        weights_sha256: of the form that this project computes with.
        unknown: what nobody here knows of its training, in sentences.
        not_possible: analysis -> why it cannot be made of this model.
        selection: how it became the model.
        tried: cases that it is tried on here.
    """

    run_id: Sha256
    network: NetworkSpec
    weights: Count
    weights_sha256: Sha256
    preprocessing: Preprocessing
    labels: Labels
    params: ImportedParams
    contract: ModelContract
    source: Source
    file: FileSeen
    parity: AdmissionParity
    unknown: Annotated[tuple[Text, ...], Rule(minItems=1)]
    not_possible: Mapping[Analysis, Text]
    selection: Text
    tried: TriedCases
    excluded: tuple[Exclusion, ...]
