"""The record 'released_model': what goes with the released file, so that it predicts as it was measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.network import NetworkSpec
from radiotrace.records.preprocessing import Preprocessing
from radiotrace.records.sections.segmentation.export import ExportParams, ReleasedLabel
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import (
    AboveZero,
    Amount,
    CaseId,
    Count,
    CountFrom1,
    Exclusion,
    Labels,
    LabelValue,
    RelativePath,
    Sha256,
    Share,
    SpacingMm,
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
        worst_case: where a logit differs most.
        voxels_different: of the cases' label maps, which ONNX Runtime labels otherwise than was measured.
        dice_change_at_most: of the mean over cases and labels, whatever the reference is: twice the Jaccard
            distance of both label maps.
    """

    cases: Annotated[tuple[CaseId, ...], Rule(minItems=1, uniqueItems=True)]
    tolerance: AboveZero
    max_logit_difference: Amount
    worst_case: CaseId
    voxels_compared: CountFrom1
    voxels_different: Count
    dice_change_at_most: Amount


@dataclass(frozen=True)
class Golden(Record):
    """A case of the test part with what the file makes of it, for a trial on another machine.

    Attributes:
        images: files of its channels, in their order; paths in the folder of the model.
        voxels: value -> how many, background among them.
    """

    case_id: CaseId
    images: Annotated[tuple[RelativePath, ...], Rule(minItems=1)]
    label_map: RelativePath
    voxels: Annotated[Mapping[LabelValue, Count], Rule(minProperties=1)]
    expected_dice_loss: Share


@dataclass(frozen=True)
class Inference(Record):
    """How an image becomes a label map, for who has this record and the file and nothing else.

    Attributes:
        steps: in their order, in words; names in them are keys of this record.
        padding_value: around a normalised image that is smaller than a window.
        window_overlap: share of an edge.
        window_sigma: of a window's weight, as a share of its edge.
        window_weight_min: no voxel of a window counts less.
        spacing_factor, size_factor: how far beyond learnt_from an image may lie.
    """

    format_version: Literal[2]
    steps: Annotated[tuple[Text, ...], Rule(minItems=1)]
    padding_value: float
    window_overlap: Annotated[float, Rule(minimum=0, exclusiveMaximum=1)]
    window_sigma: AboveZero
    window_weight_min: Share
    spacing_factor: Annotated[float, Rule(minimum=1)]
    size_factor: Annotated[float, Rule(minimum=1)]


@dataclass(frozen=True)
class Extremes(Record):
    """The least and the most among the cases, along x, y, z of the model's orientation."""

    low: SpacingMm
    high: SpacingMm


@dataclass(frozen=True)
class IntensityRange(Record):
    """Where the intensities of a channel lie: the least 0.5th percentile of an image, and the greatest
    99.5th; null where no image has one."""

    low: float | None
    high: float | None


@dataclass(frozen=True)
class LearntFrom(Record):
    """The images of the train and the validation part: what a new one is held against.

    Attributes:
        data_root_sha256: of the whole data set.
        intensity: of each channel, in their order.
    """

    data_root_sha256: Sha256
    cases: CountFrom1
    subjects: CountFrom1
    spacing_mm: Extremes
    size_mm: Extremes
    intensity: Annotated[tuple[IntensityRange, ...], Rule(minItems=1)]


@dataclass(frozen=True)
class ReleasedModel(Record):
    """Everything that inference needs, beside the ONNX file.

    Attributes:
        sha256: of the file.
        files: further ones of the folder -> their SHA-256.
        weights_sha256: of the weights that it was made of.
        learnt_from: null of a model that was made elsewhere: nobody here knows.
        tried_on: of such a model, the cases of the validation and the test part, in the place of learnt_from.
        unknown: of such a model, what nobody here knows of how it was made.
        labels: value -> name.
        label_details: value -> what a label is to others, background left out.
        licence: of the folder; null where nobody said. data_licence: of what it learnt from.
        modality: null where the data set has none.
        logit_offsets_in_file: of each label, which the file has added to the logits that it gives; null where
            there are none. Nobody adds them again.
        temperature: that logits are divided by where their softmax is to be a chance; null where none was
            fitted. It changes no label.
        review_above: a case whose expected Dice loss is larger goes to an expert; null where there was no
            threshold.
        params: the section export of params.yaml.
        golden: to try the folder with.
        excluded: cases that people left out before.
    """

    run_id: Sha256
    notice: Literal["Research software; not for diagnosis."]
    licence: Text | None
    data_licence: Text | None
    file: RelativePath
    sha256: Sha256
    files: Mapping[RelativePath, Sha256]
    weights_sha256: Sha256
    format: Literal["onnx"]
    opset: Annotated[int, Rule(minimum=17)]
    network: NetworkSpec
    labels: Labels
    label_details: Annotated[Mapping[LabelValue, ReleasedLabel], Rule(minProperties=1)]
    modality: Text | None
    preprocessing: Preprocessing
    inference: Inference
    learnt_from: LearntFrom | None
    logit_offsets_in_file: tuple[float, ...] | None
    temperature: AboveZero | None
    review_above: Amount | None
    input: Tensor
    output: Tensor
    parity: Parity
    golden: tuple[Golden, ...]
    params: ExportParams
    excluded: tuple[Exclusion, ...]
    tried_on: LearntFrom | None = None
    unknown: tuple[Text, ...] | None = None

    @property
    def images(self) -> LearntFrom:
        """What the images are that a new one is held against."""
        of_images = self.learnt_from or self.tried_on
        if of_images is None:
            raise ValueError("neither learnt_from nor tried_on is there")
        return of_images
