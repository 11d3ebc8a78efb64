"""DICOM as input, further: segmentations and structure sets laid onto images, multi-frame files, transfer
syntaxes and SUV."""

import dataclasses
import zlib

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from radiotrace.errors import StageError
from radiotrace.imaging.child import Child, Limits, Refused
from radiotrace.imaging.dicom import conversion, headers, pixels, structures, suv
from radiotrace.imaging.dicom.conversion import Label, Request
from radiotrace.imaging.image import Grid
from tests import dicoms

READER: list[Child] = []
SHAPE = dicoms.SIZE_XYZ[::-1]
UNIT = Grid((12, 10, 3), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
A, B = Label("a", ("one",)), Label("b", ("two",))


@pytest.fixture(scope="module", autouse=True)
def reader():
    with Child(Limits()) as started:
        READER[:] = [started]
        yield


def convert(files, tmp_path, **others):
    """The record, and the label map of its one case, (z, y, x); None without one."""
    request = Request(**({"name": "phantom", "labels": (A, B)} | others))
    (tmp_path / "out").mkdir(parents=True, exist_ok=True)
    tree = dicoms.write(tmp_path / "tree", files)
    made = conversion.convert(tree, tmp_path / "out", request, READER[0])
    (case,) = made.cases
    if case.label_map is None:
        return made, None
    volumes = [
        sitk.ReadImage(str(tmp_path / "out" / path)) for path in (case.channels[0].image, case.label_map)
    ]
    assert volumes[0].GetDirection() == volumes[1].GetDirection()
    return made, sitk.GetArrayFromImage(volumes[1])


def refused(files, tmp_path, **others) -> str:
    with pytest.raises(StageError) as caught:
        convert(files, tmp_path, **others)
    return str(caught.value)


def masks() -> dict[str, np.ndarray]:
    """Two unequal boxes, (z, y, x), the second in fewer slices."""
    one, two = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    one[1:5, 0:2, 1:4] = True
    two[2:4, 3:5, 2:7] = True
    return {"one": one, "two": two}


def expected() -> np.ndarray:
    return (masks()["one"] + 2 * masks()["two"]).astype(np.uint8)


# Segmentations: written by highdicom


@pytest.mark.requirement("SRS-DATA-10")
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_a_segmentation_comes_out_voxel_for_voxel(kind, tmp_path):
    files = dicoms.slices()
    drawn = masks()
    made, label_map = convert([*files, dicoms.segmentation(files, drawn, kind)], tmp_path)
    np.testing.assert_array_equal(label_map, expected())
    assert [source.voxels for source in made.cases[0].labels] == [24, 20]


def write_deflated(tree, files, data, frames=None):
    """Files with a SEG whose frames are deflated each by itself: pydicom does not write it, so that it is
    written under another transfer syntax of as many letters, which is then replaced.

    Args:
        frames: bytes of each before they are deflated; None for those of the SEG.
    """
    if frames is None:
        of_pixels = data.pixel_array.reshape(int(data.NumberOfFrames), -1)
        is_bits = data.BitsAllocated == 1
        rows = [np.packbits(row, bitorder="little") if is_bits else row.astype("<u1") for row in of_pixels]
        frames = [row.tobytes() for row in rows]
    packed = [zlib.compress(frame, wbits=-zlib.MAX_WBITS) for frame in frames]
    data.PixelData = encapsulate([one + b"\0" * (len(one) % 2) for one in packed])
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    data.file_meta.TransferSyntaxUID = JPEG2000Lossless
    for path in dicoms.write(tree, [*files, data]).iterdir():
        whole = path.read_bytes()
        path.write_bytes(whole.replace(JPEG2000Lossless.encode(), f"{pixels.DEFLATED_FRAMES}\0".encode()))


@pytest.mark.requirement("SRS-DATA-10")
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_deflated_frames_of_a_segmentation_come_out_voxel_for_voxel(kind, tmp_path):
    files = dicoms.slices()
    write_deflated(tmp_path / "tree", files, dicoms.segmentation(files, masks(), kind))
    _, label_map = convert([], tmp_path)
    np.testing.assert_array_equal(label_map, expected())


def test_deflated_frames_are_inflated_no_further_than_the_header_declares(tmp_path):
    files = dicoms.slices()
    data = dicoms.segmentation(files, masks())
    write_deflated(tmp_path / "tree", files, data, [bytes(10**7)] * int(data.NumberOfFrames))
    said = refused([], tmp_path)
    assert "a deflated frame of other than the 5 bytes that its header declares" in said  # 7 x 5 bits


@pytest.mark.requirement("SRS-DATA-10")
def test_segmentations_of_one_uid_that_differ_are_refused_and_named(tmp_path):
    files = dicoms.slices()
    first, second = (dicoms.segmentation(files, {"one": masks()[name]}) for name in ("one", "two"))
    assert first.SOPInstanceUID == second.SOPInstanceUID
    said = refused([*files, first, second], tmp_path, labels=(A,))
    assert "stands in several segmentations or structure sets, which differ" in said
    assert said.count(".dcm") == 3  # of the series, and both


@pytest.mark.requirement("SRS-DATA-10")
def test_the_order_of_the_sources_of_a_segmentation_does_not_matter(tmp_path):
    files = dicoms.slices()
    turned = {name: mask[::-1] for name, mask in masks().items()}
    _, label_map = convert([*files, dicoms.segmentation(files[::-1], turned)], tmp_path)
    np.testing.assert_array_equal(label_map, expected())


def test_several_segments_may_make_one_label(tmp_path):
    files = dicoms.slices()
    both = (Label("both", ("one", "TWO")),)
    _, label_map = convert([*files, dicoms.segmentation(files, masks())], tmp_path, labels=both)
    np.testing.assert_array_equal(label_map, expected() > 0)


@pytest.mark.requirement("SRS-DATA-10")
def test_labels_that_overlap_are_refused_or_the_last_one_lies_on_top(tmp_path):
    files = dicoms.slices()
    drawn = masks()
    drawn["two"][2, 1, 2] = True
    files.append(dicoms.segmentation(files, drawn))
    assert "1 voxels are of several labels" in refused(files, tmp_path / "a")
    _, label_map = convert(files, tmp_path / "b", overlap="last")
    assert label_map[2, 1, 2] == 2


@pytest.mark.parametrize(("fraction", "voxels"), [(0.3, 24), (0.6, 0)])
def test_a_fractional_segmentation_needs_a_threshold(fraction, voxels, tmp_path):
    files = dicoms.slices()
    half = {"one": masks()["one"] * 0.5}
    files.append(dicoms.segmentation(files, half, "FRACTIONAL"))
    assert "choose with --fraction" in refused(files, tmp_path / "a", labels=(A,))
    made, _ = convert(files, tmp_path / "b", labels=(A,), fraction=fraction)
    assert made.cases[0].labels[0].voxels == voxels


@pytest.mark.requirement("SRS-DATA-10")
def test_a_segmentation_beside_the_grid_is_refused(tmp_path):
    files = dicoms.slices()
    drawn = dicoms.segmentation(files, masks())
    for frame in drawn.PerFrameFunctionalGroupsSequence:
        place = frame.PlanePositionSequence[0]
        shifted = np.array(place.ImagePositionPatient, float) + dicoms.directions()[:, 0] * 0.45
        place.ImagePositionPatient = [f"{value:.10g}" for value in shifted]
    assert "a frame lies 0.5 voxels beside the grid" in refused([*files, drawn], tmp_path)


def test_a_segmentation_without_its_images_is_a_fault(tmp_path):
    drawn = dicoms.segmentation(dicoms.slices(), masks())
    other = dicoms.slices(series=2, study=2)
    said = refused([*other, drawn], tmp_path, unlabelled="keep")
    assert "the series that it was drawn on is not in the tree" in said


# Structure sets


@pytest.mark.requirement("SRS-DATA-10")
def test_contours_become_the_voxels_whose_centres_they_enclose(tmp_path):
    files = dicoms.slices()
    square = [(0.5, 0.5), (4.5, 0.5), (4.5, 3.5), (0.5, 3.5)]  # centres 1 to 4 and 1 to 3
    regions = {"one": [dicoms.polygon(z, square) for z in (1, 2)]}
    made, label_map = convert([*files, dicoms.structures(files, regions)], tmp_path, labels=(A,))
    found = np.zeros(SHAPE, np.uint8)
    found[1:3, 1:4, 1:5] = 1
    np.testing.assert_array_equal(label_map, found)
    source = made.cases[0].labels[0]
    assert (source.contours, source.empty_slices) == (2, 0)
    assert source.contours_mm3 == pytest.approx(24 * 0.9 * 1.1 * 1.7)  # 4 x 3 pixels, twice
    assert source.volume_mm3 == pytest.approx(source.contours_mm3)


def drawn(*contours, between="refuse"):
    return structures.mask([("CLOSED_PLANAR", points) for points in contours], UNIT, between)


def box(x0, y0, x1, y1, z=0.0) -> np.ndarray:
    """In mm, on the grid UNIT."""
    return np.array([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], float)


@pytest.mark.requirement("SRS-DATA-10")
def test_an_inner_contour_is_a_hole():  # 8 x 8 less 4 x 4
    made = drawn(box(0.5, 0.5, 8.5, 8.5), box(2.5, 2.5, 6.5, 6.5))
    assert made.voxels_zyx.sum() == 64 - 16
    assert made.contours_mm3 == 2 * (64 - 16)


def test_several_contours_of_a_slice_lie_beside_each_other():
    assert drawn(box(0.5, 0.5, 2.5, 2.5), box(5.5, 5.5, 8.5, 8.5)).voxels_zyx.sum() == 4 + 9


def test_regions_that_share_an_edge_share_no_voxel():  # the edge runs through centres
    left, right = drawn(box(1, 1, 4, 4)), drawn(box(4, 1, 7, 4))
    assert (left.voxels_zyx.sum(), right.voxels_zyx.sum()) == (9, 9)
    assert not (left.voxels_zyx & right.voxels_zyx).any()


def test_a_keyhole_contour_is_a_ring():  # outer and inner border joined by a cut of no width
    outer = [(0.5, 0.5), (8.5, 0.5), (8.5, 8.5), (0.5, 8.5), (0.5, 0.5)]
    inner = [(2.5, 2.5), (2.5, 6.5), (6.5, 6.5), (6.5, 2.5), (2.5, 2.5)]
    ring = np.array([(x, y, 0.0) for x, y in outer + inner])
    assert drawn(ring).voxels_zyx.sum() == 64 - 16


def test_slices_between_contours_without_one_are_counted():
    assert drawn(box(0.5, 0.5, 2.5, 2.5), box(0.5, 0.5, 2.5, 2.5, z=4)).empty_slices == 1


@pytest.mark.requirement("SRS-DATA-10")
@pytest.mark.parametrize(
    ("contours", "reason"),
    [
        ([box(0.5, 0.5, 4.5, 4.5), box(2.5, 2.5, 8.5, 8.5)], "contours overlap in 1 slices"),
        ([box(0.5, 0.5, 4.5, 4.5, z=0.8)], "1 of 1 contours lie between slices"),
        ([box(0.5, 0.5, 4.5, 4.5, z=9)], "1 of 1 contours lie outside the 3 slices"),
        ([box(0.5, 0.5, 40, 4.5)], "1 contours reach out of the image"),
        ([box(0.5, 0.5, 4.5, 4.5)[:2]], "1 of 1 contours are no closed contours"),
        (
            [np.add(box(0, 0, 4, 4), [[0, 0, 0], [0, 0, 0], [0, 0, 2], [0, 0, 2]])],
            "1 of 1 contours do not lie",
        ),
    ],
)
def test_contours_that_say_nothing_certain_are_refused(contours, reason):
    with pytest.raises(ValueError, match=reason):
        drawn(*contours)


def test_contours_between_slices_go_to_the_nearest_where_that_is_asked():
    assert drawn(box(0.5, 0.5, 2.5, 2.5, z=0.8), between="nearest").voxels_zyx[0].sum() == 4
    with pytest.raises(ValueError, match="contours of several planes"):
        drawn(box(0.5, 0.5, 2.5, 2.5, z=0.8), box(0.5, 0.5, 2.5, 2.5), between="nearest")


@pytest.mark.requirement("SRS-DATA-10")
def test_structures_of_another_frame_of_reference_are_refused(tmp_path):
    files = dicoms.slices()
    drawn_on = dicoms.structures(files, {"one": [dicoms.polygon(1, [(0, 0), (3, 0), (3, 3)])]})
    drawn_on.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = dicoms.uid(7, 99)
    assert "another frame of reference" in refused([*files, drawn_on], tmp_path, labels=(A,))


# Multi-frame


def enhanced(n_times: int = 1):
    """One file with the slices of the phantom, last slice first, at several time points."""
    data = dicoms.header(modality="MR")
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = dicoms.uid(3, 1)
    shared, measures, plane, scale = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [dicoms.SPACING_XYZ[1], dicoms.SPACING_XYZ[0]]
    plane.ImageOrientationPatient = [f"{value:.10g}" for value in dicoms.directions().T[:2].ravel()]
    scale.RescaleSlope, scale.RescaleIntercept = 1, -5
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    shared.PixelValueTransformationSequence = [scale]
    data.SharedFunctionalGroupsSequence, data.PerFrameFunctionalGroupsSequence = [shared], []
    frames = []
    for time in range(n_times):
        for z in range(SHAPE[0])[::-1]:
            groups, place, content = Dataset(), Dataset(), Dataset()
            place.ImagePositionPatient = [f"{value:.10g}" for value in dicoms.world(0, 0, z)]
            content.TemporalPositionIndex = time + 1
            groups.PlanePositionSequence, groups.FrameContentSequence = [place], [content]
            data.PerFrameFunctionalGroupsSequence.append(groups)
            frames.append(dicoms.values_zyx()[z] + 1000 * time)
    dicoms.pixels(data, frames[0])
    data.NumberOfFrames = len(frames)
    data.PixelData = np.stack(frames).astype("<i2").tobytes()
    return data


def voxels(made, tmp_path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / made.cases[0].channels[0].image)))


@pytest.mark.requirement("SRS-DATA-9")
def test_frames_of_a_multi_frame_file_are_stacked_by_their_places(tmp_path):
    made, _ = convert([enhanced()], tmp_path, labels=(), unlabelled="keep")
    np.testing.assert_array_equal(voxels(made, tmp_path), dicoms.values_zyx() - 5)
    np.testing.assert_allclose(made.cases[0].grid.origin_mm, dicoms.ORIGIN, atol=1e-6)
    np.testing.assert_allclose(made.cases[0].grid.spacing_mm, dicoms.SPACING_XYZ, atol=1e-6)


def test_time_points_of_a_multi_frame_file_are_refused_or_the_first_is_taken(tmp_path):
    asked = {"labels": (), "unlabelled": "keep"}
    assert "3 volumes, told apart by time point" in refused([enhanced(3)], tmp_path / "a", **asked)
    (tmp_path / "b").mkdir()
    made, _ = convert([enhanced(3)], tmp_path / "b", **asked, several="first")
    np.testing.assert_array_equal(voxels(made, tmp_path / "b"), dicoms.values_zyx() - 5)


# Transfer syntaxes


@pytest.mark.parametrize(
    ("syntax", "plugin", "decoder"),
    [
        (RLELossless, "pylibjpeg", "pylibjpeg"),
        (JPEGLSLossless, "pyjpegls", "pyjpegls"),
        (JPEG2000Lossless, "pylibjpeg", "pylibjpeg"),
    ],
)
def test_compressed_pixels_are_those_that_went_in(syntax, plugin, decoder, tmp_path):
    values = np.pad(dicoms.values_zyx(), ((0, 0), (0, 40), (0, 45)))  # JPEG 2000 takes none so small
    files = dicoms.slices(values.astype(np.uint16))
    for data in files:
        data.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
    made, _ = convert(files, tmp_path, labels=(), unlabelled="keep")
    np.testing.assert_array_equal(voxels(made, tmp_path), values)
    assert (made.cases[0].channels[0].decoders, made.cases[0].channels[0].is_lossy) == ((decoder,), False)


def test_lossless_jpeg_is_read(tmp_path):
    gdcm = pytest.importorskip("gdcm")
    tree = dicoms.write(tmp_path / "plain", dicoms.slices(dicoms.values_zyx().astype(np.uint16)))
    files = []
    for path in sorted(tree.iterdir()):
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(path))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        files.append(dicoms.read(path))
    assert files[0].file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.70"
    made, _ = convert(files, tmp_path, labels=(), unlabelled="keep")
    np.testing.assert_array_equal(voxels(made, tmp_path), dicoms.values_zyx())
    assert made.cases[0].channels[0].decoders == ("gdcm",)


def test_deflated_files_are_read_and_inflated_no_further_than_a_file_may_be(tmp_path):
    files = dicoms.slices()
    for data in files:
        data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    made, _ = convert(files, tmp_path, labels=(), unlabelled="keep")
    np.testing.assert_array_equal(voxels(made, tmp_path), dicoms.values_zyx())
    path = sorted((tmp_path / "tree").iterdir())[0]
    with pytest.raises(Refused, match="is deflated, and would become more than 100 bytes"):
        headers.dataset(path, Limits(file_bytes=100), with_pixels=False)


def test_frames_that_are_no_jpeg_are_refused_and_the_reader_goes_on(tmp_path):
    files = dicoms.slices()
    for data in files:
        data.file_meta.TransferSyntaxUID = JPEG2000Lossless
        data.PixelData = encapsulate([b"no stream at all"])
        data["PixelData"].is_undefined_length = True
    said = refused(files, tmp_path / "a", labels=(), unlabelled="keep")
    assert "has pixels that cannot be decoded" in said
    assert convert(dicoms.slices(), tmp_path / "b", labels=(), unlabelled="keep")[0].cases


def imported() -> None:
    """What the process that looks for this imports takes more than the limit below."""


def slow() -> None:
    while True:
        pass


def greedy() -> None:
    bytearray(2**40)


def test_what_takes_too_long_or_too_much_memory_is_refused():
    with Child(Limits(seconds=1), imported) as child:
        child.call(len, "abc")
        with pytest.raises(Refused, match="took longer than 1 s"):
            child.call(slow)
    with Child(Limits()) as child, pytest.raises(Refused, match="more memory"):
        child.call(greedy)


def test_lossy_is_said_by_the_syntax_or_the_header():
    plain = headers.Instance("", "image", "", "", "", "", "", "", "", "", "", "1.2.840.10008.1.2.1")
    assert not pixels.is_lossy(plain)
    assert pixels.is_lossy(dataclasses.replace(plain, syntax="1.2.840.10008.1.2.4.50"))
    assert pixels.is_lossy(dataclasses.replace(plain, is_lossy=True))


# SUV: by hand; 70 kg, 350 MBq, one half-life of 2 h from injection to scan: 70000 / (350e6 / 2) = 4e-4


PET = headers.Pet(
    units="BQML",
    decay_correction="START",
    corrected=("DECY", "ATTN", "SCAT"),
    series_date="20240305",
    series_time="120000",
    acquisition_date="20240305",
    acquisition_time="120500.5",
    frame_reference_ms=None,
    duration_ms=None,
    weight_kg=70.0,
    dose_bq=350e6,
    half_life_s=7200.0,
    start_datetime="",
    start_time="100000.00",
    philips_suv=None,
    philips_bqml=None,
)


def factor(**changes) -> suv.Factor:
    return suv.of_series([dataclasses.replace(PET, **changes)])


@pytest.mark.requirement("SRS-DATA-11")
def test_suv_is_by_weight_and_dose_that_is_left_at_the_time_of_the_series():
    assert factor().factor == pytest.approx(4e-4, rel=1e-12)
    assert factor().decayed_to == "series"


@pytest.mark.requirement("SRS-DATA-11")
@pytest.mark.parametrize(
    ("changes", "value", "decayed_to"),
    [
        ({"decay_correction": "ADMIN"}, 2e-4, "injection"),
        ({"units": "GML", "weight_kg": None}, 1.0, "none"),
        ({"units": "CNTS", "philips_suv": 0.25}, 0.25, "none"),
        ({"units": "CNTS", "philips_bqml": 10.0}, 4e-3, "series"),
        ({"philips_suv": 0.25}, 4e-4, "series"),
        ({"start_datetime": "20240305100000"}, 4e-4, "series"),
        ({"series_time": "150000", "acquisition_time": "120000"}, 4e-4, "acquisition"),
    ],
)
def test_suv_by_what_the_header_says(changes, value, decayed_to):
    found = factor(**changes)
    assert (found.factor, found.decayed_to) == (pytest.approx(value, rel=1e-12), decayed_to)


@pytest.mark.requirement("SRS-DATA-11")
def test_suv_over_midnight_adds_a_day():
    found = factor(start_time="233000", series_time="013000", acquisition_time="013000")
    assert (found.factor, found.is_next_day) == (pytest.approx(4e-4, rel=1e-12), True)


@pytest.mark.requirement("SRS-DATA-11")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"units": "PROPCPS"}, "Units: found PROPCPS, expected BQML"),
        ({"units": "CNTS"}, "CNTS without the factors of Philips"),
        ({"decay_correction": "NONE"}, "DecayCorrection: found NONE"),
        ({"corrected": ("DECY",)}, "CorrectedImage: ATTN is missing"),
        ({"weight_kg": 0.0, "dose_bq": None}, "PatientWeight: found none or 0; RadionuclideTotalDose"),
        ({"start_time": ""}, "RadiopharmaceuticalStartTime: found none that is a time"),
        ({"start_time": "130000"}, "found 23 h from injection to scan"),
    ],
)
def test_suv_is_refused_where_it_would_be_a_guess(changes, reason):
    with pytest.raises(ValueError, match=reason):
        factor(**changes)


@pytest.mark.requirement("SRS-DATA-11")
def test_pet_is_written_as_suv(tmp_path):
    files = dicoms.slices(modality="PT")
    for z, data in enumerate(files):
        data.Units, data.DecayCorrection, data.CorrectedImage = "BQML", "START", ["DECY", "ATTN"]
        data.SeriesTime, data.AcquisitionTime, data.PatientWeight = "120000", f"1205{z:02}", 70
        given = Dataset()
        given.RadionuclideTotalDose, given.RadionuclideHalfLife = 350e6, 7200
        given.RadiopharmaceuticalStartTime = "100000"
        data.RadiopharmaceuticalInformationSequence = [given]
        data.RescaleSlope = z + 1
    made, _ = convert(files, tmp_path, labels=(), unlabelled="keep", suv="bw")
    found = voxels(made, tmp_path)
    assert found[4, 2, 3] == pytest.approx(423 * 5 * 4e-4, rel=1e-6)
