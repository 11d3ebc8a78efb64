"""Headers: what a DICOM file says of itself, so far as it is needed to make a volume; nothing else is kept.

Runs in the child (imaging/child.py). Knows of no other file.
"""

import contextlib
import hashlib
import math
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.uid import UID

from radiotrace.imaging.child import Limits, Refused

SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
# modalities whose objects have pixels and are no image of a patient
NO_IMAGES = ("SEG", "RTDOSE", "RTIMAGE", "RWV", "PR", "KO", "SR", "SM", "REG", "M3D", "OT", "DOC")
DEFLATED, EXPLICIT = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
DIRECTORY = "1.2.840.10008.1.3.10"  # DICOMDIR
PIXEL_DATA = 0x7FE00010
HEADER_BYTES = 2**26  # of what stands before the pixels, inflated
PREFIX = b"DICM"
PREAMBLE_BYTES = 128
# Of files without the prefix: the first group of a data set, little or big endian.
GROUPS = (b"\x08\x00", b"\x02\x00", b"\x00\x08", b"\x00\x02")
ENDINGS = (".dcm", ".dicom", ".ima")
FRAMES_MAX = 100_000


@dataclass(frozen=True)
class Plane:
    """A frame, or the only one of a file.

    Attributes:
        path: of its file, relative to the tree.
        frame: from 0.
        position_mm: of the centre of its first pixel, LPS; None where the header has none.
        orientation: directions along which columns and rows are counted (ImageOrientationPatient).
        spacing_mm: between rows, and between columns (PixelSpacing).
        slope, intercept: from stored value to value.
        image_type, echo: tell images of one series apart, always.
        further: (what, value) that may tell them apart where they share places.
        thickness_mm: of the slice.
        segment: that a frame of a segmentation shows; 0 elsewhere.
    """

    path: str
    frame: int
    position_mm: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing_mm: tuple[float, ...] | None
    slope: float
    intercept: float
    image_type: tuple[str, ...]
    echo: str
    further: tuple[tuple[str, str], ...]
    thickness_mm: float | None
    segment: int = 0


@dataclass(frozen=True)
class Pet:
    """What SUV is computed from; texts as the header has them, '' where it does not say."""

    units: str
    decay_correction: str
    corrected: tuple[str, ...]
    series_date: str
    series_time: str
    acquisition_date: str
    acquisition_time: str
    frame_reference_ms: float | None
    duration_ms: float | None
    weight_kg: float | None
    dose_bq: float | None
    half_life_s: float | None
    start_datetime: str
    start_time: str
    philips_suv: float | None
    philips_bqml: float | None


@dataclass(frozen=True)
class Structure:
    """A segment of a SEG, or a region of an RTSTRUCT.

    Attributes:
        name: as the header has it; for choosing, never for an output.
        frame_of_reference: of an RTSTRUCT's region; '' for a segment.
    """

    number: int
    name: str
    frame_of_reference: str = ""


@dataclass(frozen=True)
class Instance:
    """A file.

    Attributes:
        kind: image, segmentation, structures or other.
        bytes_sha256: of the file.
        class_name: of what it is, of the standard's own list.
        structures, refers_to, fraction_max: of a label object: what it has, UIDs of the series that it was
            drawn on, and what a pixel of a fractional segmentation counts as whole; 0 for others.
    """

    path: str
    kind: str
    bytes_sha256: str
    class_name: str
    sop_instance: str
    study: str
    series: str
    frame_of_reference: str
    patient_id: str
    modality: str
    description: str
    syntax: str
    rows: int = 0
    columns: int = 0
    samples: int = 1
    photometric: str = ""
    bits_allocated: int = 0
    bits_stored: int = 0
    high_bit: int = 0
    is_signed: bool = False
    is_lossy: bool = False
    has_table: bool = False
    planes: tuple[Plane, ...] = ()
    pet: Pet | None = None
    structures: tuple[Structure, ...] = ()
    refers_to: tuple[str, ...] = ()
    fraction_max: int = 0


def read(root: str, path: str, limits: Limits) -> Instance | None:
    """The header of a file of the tree; None where it is no DICOM file.

    Raises:
        Refused: it is one, and cannot be used.
    """
    place = Path(root) / path
    size = place.stat().st_size
    with open(place, "rb") as file:
        first = file.read(PREAMBLE_BYTES + len(PREFIX))
    is_prefixed = first[PREAMBLE_BYTES:] == PREFIX
    if not is_prefixed and not (first[:2] in GROUPS and place.suffix.lower() in (*ENDINGS, "")):
        return None
    if size > limits.file_bytes:
        raise Refused(f"has {size} bytes, at most {limits.file_bytes} are read")
    header = dataset(place, limits, with_pixels=False)
    if "SOPClassUID" not in header:
        if is_prefixed and header.file_meta.get("MediaStorageSOPClassUID") != DIRECTORY:
            raise Refused("begins as DICOM and has no SOPClassUID: it is cut, or damaged")
        return None  # a DICOMDIR, or no DICOM after all
    with open(place, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return described(header, path, digest, limits)


def dataset(place: Path, limits: Limits, with_pixels: bool) -> FileDataset:
    """The data set of a file; one that was deflated is inflated first, and no further than a file may be.

    Raises:
        Refused: it would become larger.
    """
    with open(place, "rb") as file:
        is_prefixed = file.read(PREAMBLE_BYTES + len(PREFIX))[PREAMBLE_BYTES:] == PREFIX
    meta = FileMetaDataset(read_file_meta_info(place)) if is_prefixed else FileMetaDataset()
    if meta.get("TransferSyntaxUID") != DEFLATED:
        found = pydicom.dcmread(place, stop_before_pixels=not with_pixels, force=not is_prefixed)
        if "TransferSyntaxUID" not in found.file_meta:
            found.file_meta.TransferSyntaxUID = UID(IMPLICIT if found.original_encoding[0] else EXPLICIT)
        return found
    data = place.read_bytes()
    start = PREAMBLE_BYTES + len(PREFIX) + 12 + meta.FileMetaInformationGroupLength
    most = limits.file_bytes if with_pixels else min(limits.file_bytes, HEADER_BYTES)
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = BytesIO(engine.decompress(data[start:], most))
    stopped_at: list[int] = []

    def is_at_pixels(tag, *_) -> bool:
        if tag == PIXEL_DATA and not with_pixels:
            stopped_at.append(tag)
        return bool(stopped_at)

    is_whole = not engine.unconsumed_tail
    if not is_whole and with_pixels:
        raise Refused(f"is deflated, and would become more than {most} bytes")
    whole = read_dataset(inflated, is_implicit_VR=False, is_little_endian=True, stop_when=is_at_pixels)
    if not is_whole and not stopped_at:
        raise Refused(f"is deflated, and would become more than {most} bytes")
    meta.TransferSyntaxUID = UID(EXPLICIT)
    return FileDataset("", whole, file_meta=meta, is_implicit_VR=False, is_little_endian=True)


def described(header: FileDataset, path: str, digest: str, limits: Limits) -> Instance:
    """What a data set says, so far as it is kept.

    Args:
        digest: SHA-256 of the file; "" where nobody asks for it.

    Raises:
        Refused: it cannot be used.
    """
    sop_class = UID(header.SOPClassUID)
    modality = _text(header, "Modality")
    kind = "other"
    if sop_class in SEGMENTATIONS:
        kind = "segmentation"
    elif sop_class == STRUCTURES:
        kind = "structures"
    elif "Rows" in header and modality not in NO_IMAGES:
        kind = "image"
    common: dict[str, Any] = {
        "path": path,
        "kind": kind,
        "bytes_sha256": digest,
        "class_name": sop_class.name if sop_class.name != sop_class else "of a class that is not known",
        "sop_instance": _text(header, "SOPInstanceUID"),
        "study": _text(header, "StudyInstanceUID"),
        "series": _text(header, "SeriesInstanceUID"),
        "frame_of_reference": _text(header, "FrameOfReferenceUID"),
        "patient_id": _text(header, "PatientID"),
        "modality": modality,
        "description": _text(header, "SeriesDescription"),
        "syntax": str(header.file_meta.TransferSyntaxUID),
    }
    if kind == "other":
        if "Rows" not in header and sop_class.name.endswith("Image Storage"):
            raise Refused(f"is of {sop_class.name} and has no Rows: it is cut, or damaged")
        return Instance(**common)
    if missing := [name for name in ("sop_instance", "series") if not common[name]]:
        raise Refused(f"has no {' and no '.join(missing)}")
    if kind == "structures":
        return Instance(**common, structures=_regions(header), refers_to=_series_of_structures(header))
    own: dict[str, Any] = {}
    if kind == "segmentation":
        own = {
            "structures": tuple(
                Structure(int(item.SegmentNumber), _text(item, "SegmentLabel"))
                for item in header.get("SegmentSequence") or []
            ),
            "refers_to": tuple(
                sorted(
                    {
                        _text(item, "SeriesInstanceUID")
                        for item in header.get("ReferencedSeriesSequence") or []
                    }
                )
            ),
            "fraction_max": int(header.get("MaximumFractionalValue") or 0)
            if _text(header, "SegmentationType") == "FRACTIONAL"
            else 0,
        }
    elif modality == "PT":
        own["pet"] = _pet(header)
    return Instance(**common, **_pixels(header, limits), planes=_planes(header, path), **own)


def _pixels(header: Dataset, limits: Limits) -> dict[str, Any]:
    """How pixels are stored; refused where they would be more than is ever decoded."""
    numbers = {
        name: int(header.get(key) or default)
        for name, key, default in (
            ("rows", "Rows", 0),
            ("columns", "Columns", 0),
            ("samples", "SamplesPerPixel", 1),
            ("bits_allocated", "BitsAllocated", 0),
            ("bits_stored", "BitsStored", 0),
            ("high_bit", "HighBit", 0),
        )
    }
    frames = int(header.get("NumberOfFrames") or 1)
    if min(numbers["rows"], numbers["columns"], frames, numbers["bits_allocated"]) < 1:
        raise Refused("has no pixels: Rows, Columns, NumberOfFrames or BitsAllocated is 0 or missing")
    needed = numbers["rows"] * numbers["columns"] * numbers["samples"] * frames
    needed *= max(numbers["bits_allocated"] // 8, 1)
    if needed > limits.pixel_bytes or frames > FRAMES_MAX:
        raise Refused(
            f"declares {numbers['columns']} x {numbers['rows']} pixels in {frames} frames, {needed} bytes; "
            f"at most {limits.pixel_bytes} bytes and {FRAMES_MAX} frames are decoded"
        )
    return numbers | {
        "photometric": _text(header, "PhotometricInterpretation"),
        "is_signed": int(header.get("PixelRepresentation") or 0) == 1,
        "is_lossy": _text(header, "LossyImageCompression") == "01",
        "has_table": "ModalityLUTSequence" in header,
    }


def _planes(header: Dataset, path: str) -> tuple[Plane, ...]:
    n_frames = int(header.get("NumberOfFrames") or 1)
    each = header.get("PerFrameFunctionalGroupsSequence")
    if not each:
        plane = _plane(header, path, 0, lambda _, key: header.get(key), ())
        return tuple(
            plane if n_frames == 1 else _plane(header, path, frame, _nothing, ()) for frame in range(n_frames)
        )
    if len(each) != n_frames:
        raise Refused(f"has {n_frames} frames, and says where {len(each)} of them lie")
    shared = (header.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    names = [_dimension(item) for item in header.get("DimensionIndexSequence") or []]

    def of(groups: Dataset) -> Callable[[str, str], Any]:
        def value(sequence: str, key: str) -> Any:
            for place in (groups, shared):
                if found := place.get(sequence):
                    return found[0].get(key)
            return header.get(key)

        return value

    return tuple(_plane(header, path, frame, of(groups), tuple(names)) for frame, groups in enumerate(each))


def _nothing(_sequence: str, _key: str) -> None:
    """Of frames that no functional group places."""


def _dimension(item: Dataset) -> str:
    """A dimension's name, for the choice among frames that share a place; '' for that of the place itself."""
    keyword = keyword_for_tag(item.get("DimensionIndexPointer", 0))
    of_place = ("ImagePositionPatient", "InStackPositionNumber", "PlanePositionSequence", "SliceLocation")
    return "" if keyword in of_place else keyword or "a private dimension"


def _plane(header: Dataset, path: str, frame: int, value: Callable, dimensions: tuple[str, ...]) -> Plane:
    content = "FrameContentSequence"
    diffusion = _floats(value("MRDiffusionSequence", "DiffusionBValue"), 1)
    gradient = header.get("DiffusionGradientOrientation")
    further = {
        "b-value": diffusion[0] if diffusion else header.get("DiffusionBValue"),
        "gradient": _gradient(value) or gradient,
        "time point": value(content, "TemporalPositionIndex") or header.get("TemporalPositionIdentifier"),
        "trigger": value("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime")
        or header.get("TriggerTime"),
        "stack": value(content, "StackID"),
        "acquisition": header.get("AcquisitionNumber") or value(content, "FrameAcquisitionNumber"),
        "acquisition time": header.get("AcquisitionTime") or value(content, "FrameAcquisitionDateTime"),
    }
    indices = value(content, "DimensionIndexValues")
    indices = [indices] if isinstance(indices, int) else indices or []
    for name, index in zip(dimensions, indices, strict=False):
        if name:
            further[name] = index
    segment = value("SegmentIdentificationSequence", "ReferencedSegmentNumber")
    image_type = value("MRImageFrameTypeSequence", "FrameType") or header.get("ImageType") or ()
    echo = value("MREchoSequence", "EffectiveEchoTime") or header.get("EchoTime")
    slope = _floats(value("PixelValueTransformationSequence", "RescaleSlope"), 1)
    intercept = _floats(value("PixelValueTransformationSequence", "RescaleIntercept"), 1)
    thickness = _floats(value("PixelMeasuresSequence", "SliceThickness"), 1)
    return Plane(
        path=path,
        frame=frame,
        position_mm=_floats(value("PlanePositionSequence", "ImagePositionPatient"), 3),
        orientation=_floats(value("PlaneOrientationSequence", "ImageOrientationPatient"), 6),
        spacing_mm=_floats(value("PixelMeasuresSequence", "PixelSpacing"), 2),
        slope=slope[0] if slope else 1.0,
        intercept=intercept[0] if intercept else 0.0,
        image_type=(image_type,) if isinstance(image_type, str) else tuple(map(str, image_type)),
        echo="" if echo is None else f"{float(echo):.6g}",
        further=tuple((name, str(item)) for name, item in further.items() if item not in (None, "")),
        thickness_mm=thickness[0] if thickness else None,
        segment=int(segment or 0),
    )


def _gradient(value: Callable) -> str | None:
    """The direction of a diffusion gradient of an enhanced file."""
    found = value("MRDiffusionSequence", "DiffusionGradientDirectionSequence")
    return str(found[0].get("DiffusionGradientOrientation")) if found else None


def _pet(header: Dataset) -> Pet:
    given = (header.get("RadiopharmaceuticalInformationSequence") or [Dataset()])[0]
    philips = None
    with contextlib.suppress(KeyError):
        philips = header.private_block(0x7053, "Philips PET Private Group")

    def private(element: int) -> float | None:
        found = _floats(philips[element].value, 1) if philips and element in philips else None
        return found[0] if found else None

    def number(source: Dataset, key: str) -> float | None:
        found = _floats(source.get(key), 1)
        return found[0] if found else None

    return Pet(
        units=_text(header, "Units"),
        decay_correction=_text(header, "DecayCorrection"),
        corrected=tuple(map(str, header.get("CorrectedImage") or ())),
        series_date=_text(header, "SeriesDate"),
        series_time=_text(header, "SeriesTime"),
        acquisition_date=_text(header, "AcquisitionDate"),
        acquisition_time=_text(header, "AcquisitionTime"),
        frame_reference_ms=number(header, "FrameReferenceTime"),
        duration_ms=number(header, "ActualFrameDuration"),
        weight_kg=number(header, "PatientWeight"),
        dose_bq=number(given, "RadionuclideTotalDose"),
        half_life_s=number(given, "RadionuclideHalfLife"),
        start_datetime=_text(given, "RadiopharmaceuticalStartDateTime"),
        start_time=_text(given, "RadiopharmaceuticalStartTime"),
        philips_suv=private(0x00),
        philips_bqml=private(0x09),
    )


def _regions(header: Dataset) -> tuple[Structure, ...]:
    return tuple(
        Structure(int(item.ROINumber), _text(item, "ROIName"), _text(item, "ReferencedFrameOfReferenceUID"))
        for item in header.get("StructureSetROISequence") or []
    )


def _series_of_structures(header: Dataset) -> tuple[str, ...]:
    """UIDs of the series that an RTSTRUCT was drawn on, sorted."""
    found = {
        _text(series, "SeriesInstanceUID")
        for frame in header.get("ReferencedFrameOfReferenceSequence") or []
        for study in frame.get("RTReferencedStudySequence") or []
        for series in study.get("RTReferencedSeriesSequence") or []
    }
    return tuple(sorted(found - {""}))


def _text(header: Dataset, key: str) -> str:
    value = header.get(key)
    return "" if value is None else str(value).strip().strip("\0").strip()


def _floats(value: Any, count: int) -> tuple[float, ...] | None:
    """Finite numbers, as many as are wanted; None where the header has others or none."""
    if value is None or value == "":
        return None
    if isinstance(value, bytes):  # a private element of an implicit file
        value = value.decode("ascii", "replace").strip(" \0")
    values = [value] if isinstance(value, (str, int, float)) else list(value)
    try:
        numbers = tuple(float(item) for item in values)
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def files_below(tree: Path) -> tuple[list[str], list[str]]:
    """Paths of the files in a tree, relative and sorted, and faults: links, and what is neither file nor
    folder or cannot be read."""
    paths, faults = [], []
    for folder, folders, files in os.walk(tree, onerror=lambda error: faults.append(str(error))):
        for name in sorted({*folders, *files}):
            place = Path(folder) / name
            relative = place.relative_to(tree).as_posix()
            if place.is_symlink():
                faults.append(f"{relative}: a link, expected a file; copy what it leads to")
                folders[:] = [kept for kept in folders if kept != name]
            elif place.is_file():
                if os.access(place, os.R_OK):
                    paths.append(relative)
                else:
                    faults.append(f"{relative}: cannot be read by this user")
            elif not place.is_dir():
                faults.append(f"{relative}: neither file nor folder")
    return sorted(paths), sorted(faults)
