"""The record 'dataset': what ingest found, of the data set and in each file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, TypeVar

from radiotrace.records.preprocessing import BiasField, ChannelName, Crop, Modality
from radiotrace.records.typed import LEFT_OUT, Record, Rule
from radiotrace.records.values import (
    AboveZero,
    CaseId,
    Count,
    CountFrom1,
    Labels,
    Orientation,
    Part,
    RelativePath,
    Sha256,
    Share,
    SpacingMm,
    SubjectId,
    Text,
)

Value = TypeVar("Value")
Cosine = Annotated[float, Rule(minimum=-1.0001, maximum=1.0001)]


@dataclass(frozen=True)
class DeclaredChannel(Record):
    """A channel, as the data set declares it."""

    name: ChannelName
    modality: Modality


@dataclass(frozen=True)
class Column(Record):
    """A column of cases.csv that is more than an attribute, as the data set declares it.

    Attributes:
        role: what a model is to tell, what it is told, or the part that the data set itself gives a case.
        kind: class: the name of one label; classes: names of none, one or several; number; category: a word
            of `categories`.
        unit: of a number; "" where it has none.
        minimum, maximum: what a number may be.
        categories: in their order.
        attribute: whether cases are grouped by it, too.
    """

    role: Literal["target", "feature", "part"]
    kind: Literal["class", "classes", "number", "category"]
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    categories: Annotated[tuple[Text, ...], Rule(minItems=2, uniqueItems=True)] | None = None
    attribute: Annotated[bool, LEFT_OUT] = False


@dataclass(frozen=True)
class Identity(Record):
    """The data set, but for its cases.

    Attributes:
        labels: value -> name.
        channels: of every image, in their order; there where there are several, else modality says all.
        columns: those of cases.csv that are more than attributes; there where there are such.
        published_cases: part -> label -> how many the publication of the data set says that there are.
        subjects_unknown: there where nobody says whose an image is, so that each case counts as a subject.
    """

    name: Text | None
    version: Text | None
    licence: Text | None
    citation: Text | None
    description: Text | None
    modality: Text | None
    labels: Labels
    cases: CountFrom1
    subjects: CountFrom1
    root_sha256: Sha256
    channels: Annotated[tuple[DeclaredChannel, ...], Rule(minItems=2, maxItems=16)] | None = None
    columns: Annotated[Mapping[str, Column], Rule(minProperties=1)] | None = None
    published_cases: Mapping[Part, Mapping[str, Count]] | None = None
    subjects_unknown: Annotated[bool, Rule(const=True), LEFT_OUT] = False


@dataclass(frozen=True)
class CanonicalGrid(Record):
    """What every volume was brought to.

    Attributes:
        spacing_mm: null keeps that of each file.
        crop, bias_field: there where images were cut, and their brightness evened out.
    """

    orientation: Orientation
    spacing_mm: SpacingMm | None
    crop: Crop | None = None
    bias_field: BiasField | None = None


@dataclass(frozen=True)
class FileGrid(Record):
    """Where the voxels of a file lie, as it was handed in: values along x, y, z; direction row by row, as LPS
    cosines."""

    size_voxels: tuple[CountFrom1, CountFrom1, CountFrom1]
    spacing_mm: SpacingMm
    origin_mm: tuple[float, float, float]
    direction: tuple[Cosine, Cosine, Cosine, Cosine, Cosine, Cosine, Cosine, Cosine, Cosine]


@dataclass(frozen=True)
class Intensity(Record):
    """Intensities of the finite voxels of an image; null where it has none."""

    min: float | None
    p0_5: float | None
    median: float | None
    p99_5: float | None
    max: float | None
    mean: float | None
    sd: float | None


def _known(*names: str) -> dict:
    return {name: {"not": {"type": "null"}} for name in names}


@dataclass(frozen=True, kw_only=True)
class SourceFile(Record):
    """What was found in a file; null where a fault hides it.

    Attributes:
        fault: why it cannot be read.
        volume: the canonical one that was made of it, under build/ingest/volumes.
        voxels_sha256: of the canonical volume.
        warnings: where the header leaves a doubt about the volume's place; not there where it leaves none.
    """

    RULES: ClassVar = {
        "if": {"properties": {"fault": {"type": "null"}}},
        "then": {
            "properties": _known(
                "grid", "pixel_type", "volume", "volume_sha256", "voxels_sha256", "non_finite_voxels"
            )
        },
    }

    path: RelativePath
    sha256: Sha256
    fault: Text | None
    grid: FileGrid | None
    pixel_type: Text | None
    volume: RelativePath | None
    volume_sha256: Sha256 | None
    voxels_sha256: Sha256 | None
    non_finite_voxels: Count | None
    identifying_text: tuple[Text, ...]
    warnings: Annotated[tuple[Text, ...], Rule(minItems=1)] | None = None


@dataclass(frozen=True)
class DividedOut(Record):
    """The bias field that the canonical volume of a channel was divided by.

    Attributes:
        every: along x, y, z of the volume, of how many voxels one was taken to estimate it.
        mask_voxels: of these, where it was estimated.
        least, most: of the field over the whole volume.
    """

    every: tuple[CountFrom1, CountFrom1, CountFrom1]
    mask_voxels: CountFrom1
    least: AboveZero
    most: AboveZero


@dataclass(frozen=True, kw_only=True)
class ImageFile(SourceFile):
    """What was found in the file of a channel.

    Attributes:
        intensity: of the canonical volume.
        bias_field: there where one was divided out.
    """

    intensity: Intensity | None
    bias_field: DividedOut | None = None


@dataclass(frozen=True, kw_only=True)
class LabelMapFile(SourceFile):
    """What was found in the file of a label map.

    Attributes:
        label_volumes_mm3: of each value that occurs, background left out.
    """

    label_volumes_mm3: Mapping[str, AboveZero] | None


@dataclass(frozen=True)
class CutTo(Record):
    """The box of its foreground to which a case was cut, along x, y, z of its files.

    Attributes:
        begin_voxels: its first voxel, from 0; size_voxels: its edges.
        kept_share: of all voxels.
        labelled_voxels_outside: of the label map, which are lost; there where there is one on the same grid.
    """

    begin_voxels: tuple[Count, Count, Count]
    size_voxels: tuple[CountFrom1, CountFrom1, CountFrom1]
    kept_share: Share
    labelled_voxels_outside: Count | None = None


@dataclass(frozen=True)
class Case(Record):
    """A case.

    Attributes:
        attributes: column of cases.csv -> group.
        image: its first channel.
        label_map: not there where a column of cases.csv is what a model is to tell.
        further_channels: of the image, after the first; there where the data set has several.
        values: declared column of cases.csv -> what stands there; a column that is not known has no entry.
        cut_to: there where the images were cut.
    """

    case_id: CaseId
    subject_id: SubjectId
    attributes: Mapping[str, Text]
    image: ImageFile
    label_map: LabelMapFile | None = None
    further_channels: Annotated[tuple[ImageFile, ...], Rule(minItems=1, maxItems=15)] | None = None
    values: Mapping[str, float | str | tuple[Text, ...]] | None = None
    cut_to: CutTo | None = None

    @property
    def images(self) -> tuple[ImageFile, ...]:
        """The file of each channel, the first one first."""
        return (self.image, *(self.further_channels or ()))

    @property
    def sources(self) -> tuple[SourceFile, ...]:
        """Each file: the channels of the image, then the label map where there is one."""
        return (*self.images, *((self.label_map,) if self.label_map is not None else ()))


@dataclass(frozen=True)
class Dataset(Record):
    """The data set as ingest found it: identity, and each case with its files, grids and contents."""

    dataset: Identity
    canonical: CanonicalGrid
    cases: Annotated[tuple[Case, ...], Rule(minItems=1)]


def known(value: Value | None) -> Value:
    """What was found in a file that has no fault, of which the schema says that it is there."""
    if value is None:
        raise ValueError("null in the record of a file without fault")
    return value


def file_hashes(cases: Iterable[Case]) -> dict[str, str]:
    """Path -> SHA-256 of every file of these cases."""
    return {source.path: source.sha256 for case in cases for source in case.sources}
