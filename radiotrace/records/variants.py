"""The record 'variants': the released network in other forms, and what each of them costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.comparison import Row
from radiotrace.records.sections.segmentation.distil import FormName
from radiotrace.records.sections.segmentation.optimize import OptimizeParams, VariantName
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import (
    Amount,
    CaseId,
    Count,
    CountFrom1,
    Exclusion,
    Part,
    RelativePath,
    Sha256,
    Text,
)

Runtime = Literal["ONNX Runtime", "OpenVINO"]
# Of the stage optimize itself, and of the stage distil.
Name = VariantName | FormName


@dataclass(frozen=True)
class StoredFile(Record):
    """A file of a variant.

    Attributes:
        file: path in the folder of this record; of the released network, in the folder of its own.
    """

    file: RelativePath
    sha256: Sha256
    bytes: CountFrom1


@dataclass(frozen=True)
class WorstCase(Record):
    """The case that a variant loses most in.

    Attributes:
        dice_difference: of the mean of its labels, variant minus released network.
    """

    case_id: CaseId
    dice_difference: float


@dataclass(frozen=True)
class Variant(Record):
    """One other form of the network, held against the released one on the same cases.

    Attributes:
        runtime: that runs it.
        files: what it needs; where is_own_file is false, the released network's own file.
        bytes: of all these.
        deflated_bytes: of all these, each deflated by zlib at its highest level.
        dice: label, or mean of labels -> Dice of the released network (a), of the variant (b), and their
            paired difference, b minus a.
        worst: null where no case has a Dice of all labels.
        voxels_different: labelled otherwise than by the released network.
        max_logit_difference: over the windows that were compared.
        expected_dice_loss_change: mean of its absolute change over cases; what flags cases for review.
        flags_changed: cases that are flagged for review by one of both alone; null without a threshold.
        non_inferior: of each label and of their mean, the lower bound of the interval lies above -margin, and
            no case loses a label or gets one that neither the reference nor the released network has; or
            no voxel differs.
        no_verdict: why that cannot be said; null where it can.
        smaller: than the file of the released network, by a hundredth of it at least.
        released: non-inferior and smaller; its files lie beside this record.
    """

    runtime: Runtime
    is_own_file: bool
    files: Annotated[tuple[StoredFile, ...], Rule(minItems=1)]
    bytes: CountFrom1
    deflated_bytes: CountFrom1
    dice: Annotated[Mapping[str, Row], Rule(minProperties=2, required=["mean_of_labels"])]
    worst: WorstCase | None
    voxels_different: Count
    max_logit_difference: Amount
    expected_dice_loss_change: Amount
    flags_changed: Count | None
    non_inferior: bool
    no_verdict: Text | None
    smaller: bool
    released: bool


@dataclass(frozen=True)
class CalibratedOn(Record):
    """What ranges of INT8 were measured on: windows of training cases, normalised and padded as where the
    network predicts.

    Attributes:
        cases: of the train part.
        windows: of all these cases together.
        windows_of_a_case: at most, spread evenly over its image.
    """

    cases: Annotated[tuple[CaseId, ...], Rule(minItems=1, uniqueItems=True)]
    windows: CountFrom1
    windows_of_a_case: CountFrom1


@dataclass(frozen=True)
class Variants(Record):
    """The released network in other forms: how large each is, and by how much it is worse.

    Attributes:
        excluded: cases that people left out.
        reference: the released network, as ONNX Runtime runs it.
        voxels_compared: of all test cases.
        windows_compared: of a case at most, for logits.
        variants: by name.
        not_made: name -> why the network has no such form.
        teacher: label, or mean of labels -> Dice of the narrower network that learnt from labels alone (a),
            of the one that the trained network taught (b), and their paired difference; null where one of
            both is missing.
        how: key of a row of Dice -> how it was made.
        params: the section optimize of params.yaml.
    """

    run_id: Sha256
    part: Part
    excluded: tuple[Exclusion, ...]
    n_cases: CountFrom1
    n_subjects: CountFrom1
    reference: StoredFile
    calibration: CalibratedOn
    voxels_compared: CountFrom1
    windows_compared: CountFrom1
    variants: Annotated[Mapping[Name, Variant], Rule(minProperties=1)]
    not_made: Mapping[FormName, Text]
    teacher: Annotated[Mapping[str, Row], Rule(minProperties=2, required=["mean_of_labels"])] | None
    how: Annotated[Mapping[str, Text], Rule(minProperties=1)]
    params: OptimizeParams
