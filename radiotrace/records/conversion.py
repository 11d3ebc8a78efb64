"""The record 'conversion': what from-dicom made of a tree of DICOM files, and what it left out, and why.

It has no text, no UID and no date of any header, and no path of the tree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.dataset import FileGrid
from radiotrace.records.typed import LEFT_OUT, Record, Rule
from radiotrace.records.values import (
    AboveZero,
    Amount,
    CaseId,
    Count,
    CountFrom1,
    LabelValue,
    RelativePath,
    Sha256,
    Share,
    SubjectId,
    Text,
)

# Of a series: the first digits of the hash of its UID.
SeriesName = Annotated[str, Rule(pattern="^[0-9a-f]{12}$")]


@dataclass(frozen=True)
class ChannelChoice(Record):
    """Which series of a study are a channel.

    Attributes:
        modality: that they have, as DICOM has it; missing where any may be.
        is_chosen_by_description: whether their description fits a pattern.
    """

    name: Text
    is_chosen_by_description: bool
    modality: Text | None = None


@dataclass(frozen=True)
class Choices(Record):
    """What was asked for.

    Attributes:
        subject_rule: how a subject is named after its PatientID.
        is_keyed: whether names are hashes under a secret key, else anyone can try which id gives which name.
        modality: of the images, as DICOM has it; of several channels theirs, with commas between.
        is_chosen_by_description: whether only series were taken whose description fits a pattern.
        several: what was done with series of several volumes.
        unlabelled: what was done with images without a label map.
        overlap: what was done where labels overlap.
        between_slices: what was done with contours between slices.
        fraction: of a voxel that must be filled, of fractional segmentations.
        suv: the kind of SUV that PET was turned to.
        labels: value -> name, of those that were asked for.
        skips_faulty: whether series with faults were left out, where otherwise nothing is written.
        channels: of a case, in their order; missing where a case has one.
        grid: name of the channel onto whose grid the others were brought.
    """

    subject_rule: Literal["hash", "keep"]
    is_keyed: bool
    modality: Text
    is_chosen_by_description: bool
    several: Literal["refuse", "first", "each"]
    unlabelled: Literal["leave-out", "keep"]
    overlap: Literal["refuse", "last"]
    between_slices: Literal["refuse", "nearest"]
    labels: Annotated[Mapping[LabelValue, Text], Rule(required=["0"])]
    skips_faulty: bool
    fraction: Annotated[float, Rule(exclusiveMinimum=0, maximum=1)] | None = None
    suv: Literal["bw"] | None = None
    channels: Annotated[tuple[ChannelChoice, ...], LEFT_OUT] = ()
    grid: Text | None = None


@dataclass(frozen=True)
class Suv(Record):
    """What PET values were multiplied by, and how that came about.

    Attributes:
        factor: g/mL for one unit of the file.
        units: of the file.
        decayed_to: the time that its activities stand for; none where the file has SUV.
        is_next_day: whether midnight lies between injection and scan.
    """

    factor: AboveZero
    units: Literal["BQML", "CNTS", "GML"]
    decayed_to: Literal["series", "acquisition", "injection", "none"]
    is_next_day: bool


@dataclass(frozen=True)
class LabelSource(Record):
    """A label of a case, and where it comes from.

    Attributes:
        pixels_sha256: of the segmentation's frames, or of the contours.
        voxels: of the label before overlaps were decided.
        contours: of an RTSTRUCT.
        contours_mm3: what they enclose, to be held against the volume of the voxels.
        empty_slices: between the first and the last contour, which have none.
    """

    kind: Literal["SEG", "RTSTRUCT"]
    value: CountFrom1
    pixels_sha256: Sha256
    voxels: Count
    volume_mm3: Amount
    contours: Count | None = None
    contours_mm3: Amount | None = None
    empty_slices: Count | None = None


@dataclass(frozen=True)
class Resampled(Record):
    """How a channel got onto the grid of another one.

    Attributes:
        grid: of its own series, on which it was until then.
        interpolation: between the centres of voxels, in the world.
        outside_value: of voxels that lie outside its own volume: the smallest value that it has.
        outside_share: of the voxels of the case, how many those are.
    """

    grid: FileGrid
    interpolation: Literal["linear"]
    outside_value: float
    outside_share: Share


@dataclass(frozen=True)
class ConvertedChannel(Record):
    """A volume that was written, of one series.

    Attributes:
        series: name of its series.
        slices: planes that it is stacked of.
        pixels_sha256: of the SHA-256 of the stored pixels of each plane, in order.
        gap_deviation: largest difference of a gap between planes from the step, as a share of it.
        told_apart_by: what tells it from other volumes of its series.
        copies: files of its series that were there more than once.
        decoders: that made pixels of its files, sorted.
        is_lossy: whether a compression has changed its pixels.
        is_rescaled: whether a slope or an intercept was applied.
        is_turned_over: whether it was MONOCHROME1.
        channel: its name; missing where a case has one channel.
        resampled: how it got onto the grid of the case; missing where it lies there by itself.
    """

    series: SeriesName
    image: RelativePath
    slices: CountFrom1
    pixels_sha256: Sha256
    gap_deviation: Share
    told_apart_by: tuple[Text, ...]
    copies: Count
    decoders: Annotated[tuple[Text, ...], Rule(minItems=1)]
    is_lossy: bool
    is_rescaled: bool
    is_turned_over: bool
    suv: Suv | None = None
    channel: Text | None = None
    resampled: Resampled | None = None


@dataclass(frozen=True)
class ConvertedCase(Record):
    """A case that was written.

    Attributes:
        grid: of all its files.
        channels: the volume of each, in their order.
    """

    case_id: CaseId
    subject_id: SubjectId
    grid: FileGrid
    channels: Annotated[tuple[ConvertedChannel, ...], Rule(minItems=1)]
    labels: tuple[LabelSource, ...]
    label_map: RelativePath | None = None


@dataclass(frozen=True)
class LeftOut(Record):
    """A series that was not written, or files that belong to none.

    Attributes:
        series: its name; null for files that cannot be read.
        reason: what kind of reason it is.
        findings: of faults, what was found and what was expected.
    """

    series: SeriesName | None
    files: CountFrom1
    reason: Literal[
        "faulty",
        "unlabelled",
        "other modality",
        "other description",
        "of no channel",
        "localiser",
        "not first",
    ]
    findings: tuple[Text, ...]


@dataclass(frozen=True)
class Conversion(Record):
    """What from-dicom made of a tree of DICOM files.

    Attributes:
        software: package -> version, of those that read pixels and headers.
        not_dicom: files of the tree that are no DICOM.
        passed_over: kind of object -> files, of DICOM that is neither image nor label.
    """

    choices: Choices
    software: Mapping[str, Text]
    cases: Annotated[tuple[ConvertedCase, ...], Rule(minItems=1)]
    left_out: tuple[LeftOut, ...]
    not_dicom: Count
    passed_over: Mapping[str, CountFrom1]
