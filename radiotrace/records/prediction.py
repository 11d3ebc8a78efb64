"""The record 'predicted_image': what a released model said of one image, and what it is held against."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.dataset import FileGrid
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Amount, Count, CountFrom1, RelativePath, Sha256, Share, Text

Uid = Annotated[str, Rule(pattern=r"^[0-9][0-9.]{0,63}$")]


@dataclass(frozen=True)
class PredictedVariant(Record):
    """A variant of the model's network.

    Attributes:
        sha256: over the hashes of its files. record_sha256: of variants.json.
    """

    name: Text
    sha256: Sha256
    record_sha256: Sha256


@dataclass(frozen=True)
class PredictedBy(Record):
    """The model.

    Attributes:
        sha256: of model.onnx. record_sha256: of model.json.
        variant: that predicted in its place; not there where the model itself did.
    """

    run_id: Sha256
    sha256: Sha256
    record_sha256: Sha256
    variant: PredictedVariant | None = None


@dataclass(frozen=True)
class Input(Record):
    """A channel of the image.

    Attributes:
        channel: its name; null where it has none.
        sha256: of its file; of a series, over the hashes of its files, sorted, each on a line.
        files: 1, or those of a series.
    """

    channel: Text | None
    sha256: Sha256
    files: CountFrom1


@dataclass(frozen=True)
class PredictedLabel(Record):
    """How much of a label there is.

    Attributes:
        volume_mm3: its voxels, as they add up on the image's own grid.
    """

    value: CountFrom1
    name: Text
    voxels: Count
    volume_mm3: Amount


@dataclass(frozen=True)
class Review(Record):
    """Whether a person shall look at the case before anything else.

    Attributes:
        expected_dice_loss: how unsure the network is of its labels.
        above: larger values are flagged; null where the model has no threshold.
        is_flagged: null where nobody can say.
    """

    expected_dice_loss: Share
    above: Amount | None
    is_flagged: bool | None


@dataclass(frozen=True)
class Contract(Record):
    """Whether the image is one that the model was made for.

    Attributes:
        faults: where it is not; with any, there is a prediction only because somebody forced it.
        not_known: what nobody could say of it.
    """

    faults: tuple[Text, ...]
    is_forced: bool
    not_known: tuple[Text, ...]


@dataclass(frozen=True)
class Written(Record):
    """A file beside this record."""

    file: RelativePath
    sha256: Sha256


@dataclass(frozen=True)
class DicomObject(Record):
    """A DICOM file beside this record."""

    kind: Literal["segmentation", "report", "capture"]
    file: RelativePath
    sha256: Sha256
    sop_instance_uid: Uid


@dataclass(frozen=True)
class OfDicom(Record):
    """The series that was read, and what was made for it.

    Attributes:
        series_uid: of the series to which the objects refer.
        supplied: attributes that the standard asks for and the series lacks, and what stands there instead.
        channels: name of each channel -> SeriesInstanceUID; there where the model takes several.
    """

    study_uid: Uid
    series_uid: Uid
    objects: tuple[DicomObject, ...]
    supplied: Mapping[str, str]
    channels: Mapping[str, Uid] | None = None


@dataclass(frozen=True)
class Prediction(Record):
    """What a released model said of one image.

    Attributes:
        modality: as whoever handed it in, or its header, calls it; null where nobody said.
        grid: of the image, and of the label map.
        warnings: where the header leaves a doubt about the volume's place.
        software: name -> version of what computed it.
        dicom: there where the image is a series.
    """

    notice: Literal["Research software; not for diagnosis."]
    case_id: Text
    model: PredictedBy
    inputs: Annotated[tuple[Input, ...], Rule(minItems=1)]
    modality: Text | None
    grid: FileGrid
    contract: Contract
    labels: Annotated[tuple[PredictedLabel, ...], Rule(minItems=1)]
    review: Review
    label_map: Written
    overview: Written
    warnings: tuple[Text, ...]
    software: Mapping[str, str]
    dicom: OfDicom | None = None
