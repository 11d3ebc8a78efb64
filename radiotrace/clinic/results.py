"""Results: what was predicted of a series, as DICOM: a segmentation, a report of its volumes, and a picture
that any viewer shows.

The same prediction gives the same bytes, UIDs among them, so that an archive that gets it twice keeps it
once: dates are those of the series, and no UID is drawn. `made` runs in the child (imaging/child.py).
"""

import hashlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import highdicom as hd
import numpy as np
import pydicom
from highdicom import sr
from highdicom.content import AlgorithmIdentificationSequence
from pydicom.config import RAISE
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID
from pydicom.valuerep import validate_value

from radiotrace.imaging.dicom.incoming import Series
from radiotrace.records.sections.segmentation.export import LabelCode, ReleasedLabel

NAME, MAKER = "Radiotrace", "Radiotrace"
# what a label is of which nobody has said a code: SNOMED CT has anatomy and its changes below it
BODY_STRUCTURE = Code("123037004", "SCT", "Body structure")
SERIES_NUMBERS = {"segmentation": 9001, "report": 9002, "capture": 9003}
# Type 2 of patient and study: there, but it may be empty (DICOM PS3.3, C.7.1.1 and C.7.2.1)
TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)
DATES = ("ContentDate", "AcquisitionDate", "SeriesDate", "StudyDate")
TIMES = ("ContentTime", "AcquisitionTime", "SeriesTime", "StudyTime")
NO_DATE, NO_TIME = "19000101", "000000"
DRAWN = "1.2.826.0.1.3680043.10.511.3."  # of UIDs that highdicom draws
OF_NOW = (
    "ContentDate",
    "ContentTime",
    "ContributionDateTime",
    "DateOfSecondaryCapture",
    "InstanceCreationDate",
    "InstanceCreationTime",
    "TimeOfSecondaryCapture",
)


@dataclass(frozen=True)
class Segment:
    """A label.

    Attributes:
        number: from 1, without gaps. value: in the label map.
    """

    number: int
    value: int
    name: str
    volume_mm3: float
    detail: ReleasedLabel

    @property
    def type_code(self) -> Code:
        """Of the structure; where nobody said, of any."""
        return BODY_STRUCTURE if self.detail.code is None else _code(self.detail.code)


@dataclass(frozen=True)
class Order:
    """What was predicted of a series.

    Attributes:
        labels_zyx: on the grid of the series' stack, uint8.
        picture: (rows, columns, 3) uint8.
        model_sha256: of the released file. version: of this software.
        remarks: that whoever sees the objects must know, in a word or two each.
        further: series of other channels, which the report names as evidence, too.
    """

    series: Series
    segments: tuple[Segment, ...]
    labels_zyx: np.ndarray
    picture: np.ndarray
    run_id: str
    model_sha256: str
    version: str
    remarks: tuple[str, ...] = ()
    further: tuple[Series, ...] = ()


@dataclass(frozen=True)
class Object:
    """A file.

    Attributes:
        kind: segmentation, report or capture.
    """

    kind: str
    content: bytes
    sop_instance_uid: str


@dataclass(frozen=True)
class Made:
    """What was made.

    Attributes:
        supplied: attributes that the standard asks for and the series lacks, or has in a form that is not
            allowed -> what stands there instead.
    """

    objects: tuple[Object, ...]
    supplied: dict[str, str]


def ready() -> None:
    """In the child, which imports this module to find this."""


def made(order: Order) -> Made:
    """The three files, made of headers of the series and of what was predicted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of highdicom and pydicom, about what sources lack
        supplied: dict[str, str] = {}
        sources = [_header(order.series, path, supplied) for path in order.series.paths]
        segmentation = _segmentation(order, sources)
        further = [_header(series, path, {}) for series in order.further for path in series.paths]
        report = _report(order, sources, segmentation, further)
        capture = _capture(order, sources[0])
        of_kind = {"segmentation": segmentation, "report": report, "capture": capture}
        objects = [_object(order, kind, data, sources[0]) for kind, data in of_kind.items()]
    return Made(tuple(objects), dict(sorted(supplied.items())))


def _header(series: Series, path: str, supplied: dict[str, str]) -> Dataset:
    """The header of a file, with all that the standard asks of what is made of it."""
    header = pydicom.dcmread(series.tree / path, stop_before_pixels=True, force=True)
    for key in TYPE_2:
        if key not in header:
            setattr(header, key, "")
            supplied[key] = "empty"
    for element in list(header):
        if element.VR in ("AS", "DA", "TM", "DS", "IS", "CS", "UI") and not _is_allowed(element):
            if element.keyword in TYPE_2:
                setattr(header, element.keyword, "")
                supplied[element.keyword] = "empty, as its value is not allowed"
            elif element.keyword.startswith("Patient"):
                del header[element.tag]
                supplied[element.keyword] = "left out, as its value is not allowed"
    if not header.get("FrameOfReferenceUID"):
        header.FrameOfReferenceUID = uid_of("frame", header.SeriesInstanceUID)
        supplied["FrameOfReferenceUID"] = str(header.FrameOfReferenceUID)
    if "SharedFunctionalGroupsSequence" not in header and not header.get("SliceThickness"):
        step = f"{series.stack.grid.spacing_mm[2]:.10g}"
        header.SliceThickness = step
        supplied["SliceThickness"] = f"{step}, the distance of slices"
    return header


def _is_allowed(element) -> bool:
    values = element.value if element.VM > 1 else [element.value]
    try:
        for value in values:
            validate_value(element.VR, str(value), RAISE)
    except (ValueError, TypeError):
        return False
    return True


def _segmentation(order: Order, sources: Sequence[Dataset]) -> Dataset:
    """A segment for each label, in the frames of the series."""
    algorithm = AlgorithmIdentificationSequence(
        name=NAME, family=codes.DCM.ArtificialIntelligence, version=order.version, source=MAKER
    )
    described = [
        hd.seg.SegmentDescription(
            segment_number=segment.number,
            segment_label=segment.name[:64],
            segmented_property_category=codes.SCT.AnatomicalStructure,
            segmented_property_type=segment.type_code,
            display_color=hd.color.CIELabColor.from_string(segment.detail.colour),
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=_tracking(order, segment),
            tracking_id=segment.name[:64],
        )
        for segment in order.segments
    ]
    for segment, description in zip(order.segments, described, strict=True):
        if segment.detail.modifier is not None:
            of_type = description.SegmentedPropertyTypeCodeSequence[0]
            modifier = sr.CodedConcept.from_code(_code(segment.detail.modifier))
            of_type.SegmentedPropertyTypeModifierCodeSequence = [modifier]
    return hd.seg.Segmentation(
        source_images=list(sources),
        pixel_array=_frames(order, sources),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=described,
        content_label="PREDICTION",
        content_description=_about(order)[:64],
        series_description=_series_description(order, "segmentation"),
        **_common(order, "segmentation"),
        manufacturer_model_name=NAME,
        software_versions=order.version,
        device_serial_number=order.model_sha256[:16],
    )


def _code(label: LabelCode) -> Code:
    return Code(label.value, label.scheme, label.meaning)


def _frames(order: Order, sources: Sequence[Dataset]) -> np.ndarray:
    """Segment numbers, (frame, row, column), in the order in which the sources have their frames."""
    numbers = np.zeros(256, np.uint8)
    for segment in order.segments:
        numbers[segment.value] = segment.number
    of_planes = numbers[order.labels_zyx]
    if len(sources) > 1 or int(sources[0].get("NumberOfFrames") or 1) == 1:
        return of_planes
    frames = np.zeros((int(sources[0].NumberOfFrames), *of_planes.shape[1:]), np.uint8)
    for plane, frame in zip(order.series.stack.planes, of_planes, strict=True):
        frames[plane.frame] = frame
    return frames


def _report(
    order: Order, sources: Sequence[Dataset], segmentation: Dataset, further: Sequence[Dataset]
) -> Dataset:
    """A Measurement Report (TID 1500) with the volume of each segment.

    Args:
        further: headers of other channels.
    """
    device = sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=uid_of("device", order.model_sha256),
            name=NAME,
            manufacturer_name=MAKER,
            model_name=f"run {order.run_id[:12]}",
        ),
    )
    groups = [
        sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(
                uid=_tracking(order, segment), identifier=segment.name[:64]
            ),
            referenced_segment=sr.ReferencedSegment(
                sop_class_uid=segmentation.SOPClassUID,
                sop_instance_uid=segmentation.SOPInstanceUID,
                segment_number=segment.number,
                source_series=sr.SourceSeriesForSegmentation(sources[0].SeriesInstanceUID),
            ),
            finding_category=codes.SCT.AnatomicalStructure,
            finding_type=segment.type_code,
            algorithm_id=sr.AlgorithmIdentification(name=NAME, version=order.version),
            measurements=[
                sr.Measurement(
                    name=codes.SCT.Volume, value=segment.volume_mm3, unit=codes.UCUM.CubicMillimeter
                )
            ],
        )
        for segment in order.segments
    ]
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=device),
        procedure_reported=Code("363679005", "SCT", "Imaging procedure"),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    return sr.Comprehensive3DSR(
        evidence=[*sources, *further, segmentation],
        content=report,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description=_series_description(order, "volumes"),
        **_common(order, "report"),
    )


def _capture(order: Order, source: Dataset) -> Dataset:
    """The overview as a Secondary Capture."""
    capture = hd.sc.SCImage.from_ref_dataset(
        ref_dataset=source,
        pixel_array=order.picture,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "P"),
        **_common(order, "capture"),
    )
    capture["PatientOrientation"].value = ""  # of three planes, which have no common one
    capture.Laterality = source.get("Laterality") or ""  # Type 2C
    capture.BurnedInAnnotation = "YES"
    capture.SeriesDescription = _series_description(order, "overview")
    capture.ImageComments = _about(order)
    return capture


def _common(order: Order, kind: str) -> dict:
    """What the three classes ask for under one name."""
    return {
        "series_instance_uid": uid_of(kind, "series", order.model_sha256, _series_uid(order)),
        "series_number": SERIES_NUMBERS[kind],
        "sop_instance_uid": uid_of(kind, "object", order.model_sha256, _series_uid(order), _digest(order)),
        "instance_number": 1,
        "manufacturer": MAKER,
    }


def _about(order: Order) -> str:
    said = [*order.remarks, "Research software, not for diagnosis", f"run {order.run_id[:12]}"]
    return "; ".join(said)


def _series_description(order: Order, what: str) -> str:
    """What a viewer shows beside the series, at most 64 characters."""
    return "; ".join([f"{NAME} {what}", *order.remarks])[:64]


def _tracking(order: Order, segment: Segment) -> str:
    return uid_of("tracking", order.model_sha256, _series_uid(order), _digest(order), str(segment.value))


def _series_uid(order: Order) -> str:
    return order.series.instances[0].series


def _digest(order: Order) -> str:
    """Of all that was predicted of which pixels."""
    digest = hashlib.sha256(order.labels_zyx.tobytes() + order.picture.tobytes())
    for series in (order.series, *order.further):
        digest.update(series.sha256.encode())
    return digest.hexdigest()


def uid_of(*parts: str) -> UID:
    """A UID that follows from texts (DICOM PS3.5, B.2, from 128 bits of their SHA-256)."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")


def _object(order: Order, kind: str, data: Dataset, source: Dataset) -> Object:
    """The file of an object, in which nothing is of now or was drawn."""
    _settle(
        data, f"{kind} {data.SOPInstanceUID}", _date(source, DATES, NO_DATE), _date(source, TIMES, NO_TIME)
    )
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return Object(kind, buffer.getvalue(), str(data.SOPInstanceUID))


def _date(source: Dataset, keys: Sequence[str], nothing: str) -> str:
    return next((str(source.get(key)) for key in keys if source.get(key)), nothing)


def _settle(data: Dataset, seed: str, date: str, time: str) -> None:
    """Puts a date of the series in the place of today, and UIDs that follow in the place of drawn ones."""
    of_drawn: dict[str, UID] = {}

    def settled(_: Dataset, element) -> None:
        if element.keyword in OF_NOW:
            element.value = {"DA": date, "TM": time, "DT": date + time}[element.VR]
        elif element.VR == "UI" and str(element.value).startswith(DRAWN):
            drawn = str(element.value)
            element.value = of_drawn.setdefault(drawn, uid_of(seed, str(len(of_drawn))))

    data.walk(settled)
