"""The record 'model': what goes with the released file, so that it predicts as it was measured."""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.network import NetworkSpec
from radiotrace.records.preprocessing import Preprocessing
from radiotrace.records.sections.segmentation.export import ExportParams
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import (
    AboveZero,
    Amount,
    CaseId,
    Count,
    CountFrom1,
    Exclusion,
    Labels,
    RelativePath,
    Sha256,
    Text,
)


@dataclass(frozen=True)
class Tensor(Record):
    """An input or output of the file.

    Attributes:
        axes: what each axis is, the outermost first.
    """

    name: Text
    type: Literal["float32"]
    axes: Annotated[tuple[Text, ...], Rule(minItems=5, maxItems=5)]


@dataclass(frozen=True)
class Parity(Record):
    """How far ONNX Runtime is from torch on test cases.

    Attributes:
        tolerance: of a difference of logits.
        voxels_different: of the cases' label maps, which ONNX Runtime labels otherwise than was measured.
    """

    cases: Annotated[tuple[CaseId, ...], Rule(minItems=1, uniqueItems=True)]
    tolerance: AboveZero
    max_logit_difference: Amount
    voxels_compared: CountFrom1
    voxels_different: Count


@dataclass(frozen=True)
class ReleasedModel(Record):
    """Everything that inference needs, beside the ONNX file.

    Attributes:
        sha256: of the file.
        weights_sha256: of the weights that it was made of.
        labels: value -> name.
        modality: null where the data set has none.
        params: the section export of params.yaml.
        excluded: cases that people left out before.
    """

    run_id: Sha256
    notice: Literal["Research software; not for diagnosis."]
    file: RelativePath
    sha256: Sha256
    weights_sha256: Sha256
    format: Literal["onnx"]
    opset: Annotated[int, Rule(minimum=18)]
    network: NetworkSpec
    labels: Labels
    modality: Text | None
    preprocessing: Preprocessing
    input: Tensor
    output: Tensor
    parity: Parity
    params: ExportParams
    excluded: tuple[Exclusion, ...]
