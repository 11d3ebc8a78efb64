"""Phantoms as DICOM: files of a small oblique, anisotropic volume off the origin, made by code.

Writing is pydicom's and highdicom's; what is read back is compared in the world, at points whose place
follows from the definition of ImagePositionPatient (DICOM PS3.3, C.7.6.2.1.1).
"""

import contextlib
import warnings
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

CT, MR, PT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.128"
SIZE_XYZ = (7, 5, 6)
SPACING_XYZ = (0.9, 1.1, 1.7)
ORIGIN = np.array([-31.5, 12.25, 77.0])
UIDS = "1.2.826.0.1.3680043.8.498."
PATIENT = "Secret^Patient-4711"


def directions() -> np.ndarray:
    """Columns: along x, y, z of the volume, turned about two axes, as LPS."""
    a, b = np.deg2rad(10), np.deg2rad(25)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return about_z @ about_x


def world(x: float, y: float, z: float, spacing_xyz=SPACING_XYZ) -> np.ndarray:
    """Where the centre of voxel (x, y, z) of the phantom lies, mm, LPS."""
    return ORIGIN + directions() @ (np.array([x, y, z]) * spacing_xyz)


def values_zyx() -> np.ndarray:
    """Each voxel has a value of its own: x + 10 y + 100 z."""
    z, y, x = np.indices(SIZE_XYZ[::-1])
    return (x + 10 * y + 100 * z).astype(np.int16)


def uid(*parts) -> str:
    return UIDS + ".".join(str(part) for part in parts)


def header(series: int = 1, study: int = 1, patient: str = PATIENT, modality: str = "CT") -> FileDataset:
    """What all files of a series have."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID = {"CT": CT, "MR": MR, "PT": PT}[modality]
    meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.Modality = modality
    data.PatientID, data.PatientName = patient, "Secret^Name"
    data.PatientBirthDate, data.PatientSex = "19500102", "F"
    data.StudyInstanceUID, data.SeriesInstanceUID = uid(9, study), uid(8, study, series)
    data.FrameOfReferenceUID = uid(7, study)
    data.StudyDate = data.SeriesDate = "20240305"
    data.StudyTime = data.SeriesTime = "101112"
    data.StudyID, data.AccessionNumber, data.SeriesNumber = "Secret", "Secret", series
    data.SeriesDescription, data.InstitutionName = "Secret words", "Secret hospital"
    data.Manufacturer, data.ReferringPhysicianName = "Secret", "Secret"
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    return data


def pixels(data: Dataset, frame: np.ndarray) -> None:
    """One frame, (row, column), of 16 bits."""
    data.Rows, data.Columns = frame.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelRepresentation = 1 if frame.dtype.kind == "i" else 0
    data.PixelData = frame.astype(frame.dtype.newbyteorder("<")).tobytes()


def slices(values: np.ndarray | None = None, spacing_xyz=SPACING_XYZ, **of_series) -> list[FileDataset]:
    """A file for each slice of the phantom; InstanceNumber runs against their places."""
    values = values_zyx() if values is None else values
    made = []
    for z, frame in enumerate(values):
        data = header(**of_series)
        study = data.StudyInstanceUID.split(".")[-1]
        data.SOPInstanceUID = uid(6, study, data.SeriesNumber, z + 1)
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.InstanceNumber = len(values) - z
        data.ImagePositionPatient = [f"{value:.10g}" for value in world(0, 0, z, spacing_xyz)]
        data.ImageOrientationPatient = [f"{value:.10g}" for value in directions().T[:2].ravel()]
        data.PixelSpacing = [spacing_xyz[1], spacing_xyz[0]]
        data.SliceThickness = spacing_xyz[2]
        data.RescaleSlope, data.RescaleIntercept = 1, 0
        pixels(data, frame)
        made.append(data)
    return made


def write(folder, files: list[FileDataset], names=None) -> Path:
    """Files below a folder, by default in an order that is not theirs."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(files):
        name = names[number] if names else f"{(number * 7) % 11:02}_{number}.dcm"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data.save_as(path, enforce_file_format=True)
    return folder


@contextlib.contextmanager
def quiet():
    """highdicom and pydicom warn of what phantoms lack."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def segmentation(sources: list[FileDataset], masks: dict[str, np.ndarray], kind: str = "BINARY"):
    """A DICOM SEG of masks, (z, y, x), by highdicom, in the order of the sources."""
    import highdicom as hd
    from pydicom.sr.codedict import codes

    with quiet():
        described = [
            hd.seg.SegmentDescription(
                segment_number=number,
                segment_label=name,
                segmented_property_category=codes.SCT.Organ,
                segmented_property_type=codes.SCT.Liver,
                algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
            )
            for number, name in enumerate(masks, 1)
        ]
        return hd.seg.Segmentation(
            source_images=sources,
            pixel_array=np.stack(list(masks.values()), axis=-1),
            segmentation_type=kind,
            segment_descriptions=described,
            series_instance_uid=uid(5, 1, _study(sources)),
            series_number=50,
            sop_instance_uid=uid(5, 2, _study(sources)),
            instance_number=1,
            manufacturer="Secret",
            manufacturer_model_name="Secret",
            software_versions="1",
            device_serial_number="Secret",
            omit_empty_frames=True,
        )


def _study(sources: list[FileDataset]) -> str:
    """The number of the study of a series, so that objects of several studies are not one."""
    return sources[0].StudyInstanceUID.split(".")[-1]


def structures(
    sources: list[FileDataset], regions: dict[str, list[np.ndarray]], spacing_xyz=SPACING_XYZ
) -> FileDataset:
    """An RTSTRUCT of contours, each (n, 3) in voxels x, y, z of the phantom."""
    data = header(series=60, study=int(_study(sources)), patient=sources[0].PatientID)
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid(4, _study(sources))
    data.Modality = "RTSTRUCT"
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = sources[0].SeriesInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID = sources[0].FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    data.ReferencedFrameOfReferenceSequence = [frame]
    data.StructureSetROISequence, data.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(regions.items(), 1):
        region, drawn = Dataset(), Dataset()
        region.ROINumber, region.ROIName = number, name
        region.ReferencedFrameOfReferenceUID = sources[0].FrameOfReferenceUID
        data.StructureSetROISequence.append(region)
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = []
        for points in contours:
            contour = Dataset()
            contour.ContourGeometricType = "CLOSED_PLANAR"
            contour.NumberOfContourPoints = len(points)
            contour.ContourData = [
                f"{value:.10g}" for point in points for value in world(*point, spacing_xyz)
            ]
            drawn.ContourSequence.append(contour)
        data.ROIContourSequence.append(drawn)
    return data


def polygon(z: float, corners_xy) -> np.ndarray:
    """A contour in a slice, by its corners in voxels."""
    return np.array([(x, y, z) for x, y in corners_xy], float)


def strings(folder) -> bytes:
    """All bytes below a folder, of compressed files what they hold."""
    import gzip

    found = b""
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            found += gzip.decompress(data) if path.suffix == ".gz" else data
            found += path.name.encode()
    return found


read = pydicom.dcmread
