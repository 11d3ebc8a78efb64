"""DICOM as input: phantoms whose every voxel has a value and a place of its own, converted and looked up in
the world; each fault refused with its reason; nothing of a header in an output."""

import hashlib
import json
import random
import shlex

import numpy as np
import pytest
import SimpleITK as sitk

from radiotrace import __main__, records
from radiotrace.errors import StageError
from radiotrace.imaging import formats
from radiotrace.imaging.child import Child, Limits
from radiotrace.imaging.dicom import conversion, label_names
from radiotrace.imaging.dicom.conversion import Label, Request
from tests import dicoms

BOX = (slice(1, 4), slice(1, 3), slice(2, 6))  # z, y, x


READER: list[Child] = []  # one process that reads for all tests of this file: to start it takes seconds


@pytest.fixture(scope="module", autouse=True)
def reader():
    with Child(Limits()) as started:
        READER[:] = [started]
        yield


def request(**others) -> Request:
    return Request(**({"name": "phantom", "labels": (), "unlabelled": "keep"} | others))


def converted(tree, tmp_path, **others):
    """The record, and the folder."""
    folder = tmp_path / "out"
    folder.mkdir()
    return conversion.convert(tree, folder, request(**others), READER[0]), folder


def refused(tree, tmp_path, **others) -> str:
    folder = tmp_path / "refused"
    folder.mkdir()
    with pytest.raises(StageError) as caught:
        conversion.convert(tree, folder, request(**others), READER[0])
    return str(caught.value)


def only_image(made, folder) -> sitk.Image:
    (case,) = made.cases
    return sitk.ReadImage(str(folder / case.channels[0].image))


def at(volume: sitk.Image, x, y, z) -> float:
    """The value at the place of a voxel of the phantom, looked up in the world."""
    return volume.GetPixel(volume.TransformPhysicalPointToIndex([float(v) for v in dicoms.world(x, y, z)]))


# Geometry


@pytest.mark.requirement("SRS-DATA-9")
def test_every_voxel_comes_out_where_it_lies_in_the_world(tmp_path):
    made, folder = converted(dicoms.write(tmp_path / "tree", dicoms.slices()), tmp_path)
    volume = only_image(made, folder)
    assert volume.GetSize() == dicoms.SIZE_XYZ
    np.testing.assert_allclose(volume.GetSpacing(), dicoms.SPACING_XYZ, atol=1e-5)
    for x, y, z in ((0, 0, 0), (6, 0, 0), (0, 4, 0), (0, 0, 5), (3, 2, 4)):
        assert at(volume, x, y, z) == x + 10 * y + 100 * z
        found = volume.TransformIndexToPhysicalPoint((x, y, z))
        np.testing.assert_allclose(found, dicoms.world(x, y, z), atol=1e-4)  # NIfTI holds float32


@pytest.mark.requirement("SRS-DATA-11")
def test_slope_and_intercept_of_each_slice_are_applied(tmp_path):
    files = dicoms.slices()
    for z, data in enumerate(files):
        data.RescaleSlope, data.RescaleIntercept = z + 0.5, -1000
    made, folder = converted(dicoms.write(tmp_path / "tree", files), tmp_path)
    volume = only_image(made, folder)
    assert at(volume, 3, 2, 4) == 423 * 4.5 - 1000
    assert volume.GetPixelID() == sitk.sitkFloat32
    assert made.cases[0].channels[0].is_rescaled


@pytest.mark.requirement("SRS-DATA-11")
def test_whole_values_stay_whole(tmp_path):
    files = dicoms.slices()
    for data in files:
        data.RescaleIntercept = -1024
    made, folder = converted(dicoms.write(tmp_path / "tree", files), tmp_path)
    volume = only_image(made, folder)
    assert (volume.GetPixelID(), at(volume, 3, 2, 4)) == (sitk.sitkInt16, 423 - 1024)


@pytest.mark.requirement("SRS-DATA-9")
def test_same_files_give_same_bytes_whatever_they_are_called(tmp_path):
    files = [*dicoms.slices(), *dicoms.slices(series=2), *dicoms.slices(study=2, patient="other")]
    first = dicoms.write(tmp_path / "a", files)
    order = list(range(len(files)))
    random.Random(0).shuffle(order)
    second = dicoms.write(tmp_path / "b", files, [f"x{number}/{number:03}" for number in order])
    hashes = []
    for tree in (first, second):
        folder = tmp_path / f"out_{tree.name}"
        folder.mkdir()
        made = conversion.convert(tree, folder, request(), READER[0])
        hashes.append(hashlib.sha256(dicoms.strings(folder)).hexdigest())
    assert len(made.cases) == 3
    assert len({case.subject_id for case in made.cases}) == 2
    assert hashes[0] == hashes[1]


@pytest.mark.requirement("SRS-DATA-9")
def test_a_copy_of_a_file_counts_once(tmp_path):
    files = dicoms.slices()
    tree = dicoms.write(tmp_path / "tree", [*files, files[2]])
    made, _ = converted(tree, tmp_path)
    assert (made.cases[0].channels[0].slices, made.cases[0].channels[0].copies) == (6, 1)


# Faults: each is one change of a sound series


def drop_middle(files):
    del files[2]


def uneven(files):
    files[3].ImagePositionPatient = [float(v) for v in dicoms.world(0, 0, 3.3)]


def twice(files):
    files[3].ImagePositionPatient = files[2].ImagePositionPatient


def tilted(files):
    for z, data in enumerate(files):
        data.ImagePositionPatient = [float(v) for v in dicoms.world(0, z / 3, z)]


def turned(files):
    files[3].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]


def interleaved(files):
    for z, data in enumerate(files):
        data.AcquisitionNumber = 1 + z % 2


def time_points(files):
    more = dicoms.slices()
    for z, data in enumerate(more):
        data.SOPInstanceUID = dicoms.uid(6, 77, z + 1)
        data.TemporalPositionIdentifier = 2
    for data in files:
        data.TemporalPositionIdentifier = 1
    files += more


def differing_copies(files):
    copy = dicoms.slices()[2]
    copy.ImageComments = "another"
    files.append(copy)


def two_patients(files):
    files[0].PatientID = "somebody else"


def nobody(files):
    for data in files:
        data.PatientID = ""


def unplaced(files):
    del files[2].ImagePositionPatient


def appended_type(files):
    for data in files[::2]:
        data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL", "ADD"]


def colour(files):
    for data in files:
        data.PhotometricInterpretation, data.SamplesPerPixel, data.PlanarConfiguration = "RGB", 3, 0


def palette(files):
    for data in files:
        data.PhotometricInterpretation = "PALETTE COLOR"


def inverted_ct(files):
    for data in files:
        data.PhotometricInterpretation = "MONOCHROME1"


def short_pixels(files):
    files[2].PixelData = files[2].PixelData[:20]


def unknown_syntax(files):
    for data in files:
        data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"  # MPEG2
        data.PixelData = dicoms.pydicom.encaps.encapsulate([bytes(data.PixelData)])
        data["PixelData"].is_undefined_length = True


FAULTS = {
    drop_middle: "1 planes are missing: found gaps of 3.4 mm",
    uneven: "gaps are uneven: found 1.19 1.7 2.21 mm",
    twice: "1 of 6 planes lie where another one lies",
    tilted: "the stack is sheared (a tilted gantry): planes slide by 1.833 mm, 12.2 degrees",
    turned: "1 of 6 planes differ from the rest by orientation",
    interleaved: "6 planes of 2 acquisitions interleave",
    time_points: "2 volumes, told apart by time point; expected one",
    differing_copies: "1 SOPInstanceUIDs stand in several files that differ",
    two_patients: "2 PatientIDs in one series",
    nobody: "PatientID is empty",
    unplaced: "1 of 6 planes have no usable ImagePositionPatient",
    appended_type: "3 and 3 planes differ only by words appended to ImageType",
    colour: "PhotometricInterpretation: found RGB with 3 values a pixel",
    palette: "PhotometricInterpretation: found PALETTE COLOR",
    inverted_ct: "MONOCHROME1 in CT, whose values are quantities",
    short_pixels: "has pixels that cannot be decoded",
    unknown_syntax: "transfer syntax 1.2.840.10008.1.2.4.100, which is not read",
}


@pytest.mark.requirement("SRS-DATA-9")
@pytest.mark.parametrize("change", FAULTS, ids=lambda change: change.__name__)
def test_a_fault_is_refused_with_its_reason(change, tmp_path):
    files = dicoms.slices()
    change(files)
    said = refused(dicoms.write(tmp_path / "tree", files), tmp_path)
    assert FAULTS[change] in said
    assert "Secret" not in said


@pytest.mark.requirement("SRS-DATA-9")
def test_all_faults_stand_in_one_message_and_the_good_series_can_be_had(tmp_path):
    first, second, third = dicoms.slices(), dicoms.slices(series=2), dicoms.slices(series=3)
    drop_middle(first)
    tilted(second)
    tree = dicoms.write(tmp_path / "tree", [*first, *second, *third])
    said = refused(tree, tmp_path)
    assert "2 faults in 2 series" in said
    assert "planes are missing" in said
    assert "is sheared" in said
    made, folder = converted(tree, tmp_path, skip_faulty=True)
    assert len(made.cases) == 1
    assert [entry.reason for entry in made.left_out] == ["faulty", "faulty"]
    assert len(list((folder / "imagesTs").iterdir())) == 1


@pytest.mark.requirement("SRS-DATA-9")
def test_time_points_become_cases_of_their_own_where_that_is_asked(tmp_path):
    files = dicoms.slices()
    time_points(files)
    made, _ = converted(dicoms.write(tmp_path / "tree", files), tmp_path, several="each")
    assert [case.channels[0].told_apart_by for case in made.cases] == [("time point",)] * 2
    assert len({case.subject_id for case in made.cases}) == 1


@pytest.mark.requirement("SRS-DATA-9")
def test_interleaved_acquisitions_are_cut_where_that_is_asked(tmp_path):
    files = dicoms.slices()
    interleaved(files)
    made, _ = converted(dicoms.write(tmp_path / "tree", files), tmp_path, several="first")
    assert (made.cases[0].channels[0].slices, made.cases[0].grid.spacing_mm[2]) == (3, pytest.approx(3.4))


@pytest.mark.requirement("SRS-DATA-9")
def test_a_localiser_in_the_series_is_no_slice(tmp_path):
    files = dicoms.slices()
    extra = dicoms.slices(series=1)[0]
    extra.SOPInstanceUID = dicoms.uid(6, 99)
    extra.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    extra.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    made, _ = converted(dicoms.write(tmp_path / "tree", [*files, extra]), tmp_path)
    assert made.cases[0].channels[0].slices == 6


@pytest.mark.requirement("SRS-DATA-11")
def test_monochrome1_is_turned_over(tmp_path):
    values = dicoms.values_zyx().astype(np.uint16)
    files = dicoms.slices(values, modality="MR")
    for data in files:
        data.PhotometricInterpretation = "MONOCHROME1"
        data.BitsStored, data.HighBit = 12, 11
    made, folder = converted(dicoms.write(tmp_path / "tree", files), tmp_path)
    assert at(only_image(made, folder), 3, 2, 4) == 4095 - 423
    assert made.cases[0].channels[0].is_turned_over


def test_bits_above_those_that_are_stored_do_not_count(tmp_path):
    values = dicoms.values_zyx().astype(np.uint16)
    files = dicoms.slices(values | 0xF000)
    for data in files:
        data.BitsStored, data.HighBit = 12, 11
    made, folder = converted(dicoms.write(tmp_path / "tree", files), tmp_path)
    assert at(only_image(made, folder), 3, 2, 4) == 423


@pytest.mark.requirement("SRS-DATA-11")
def test_negative_values_of_12_bits_keep_their_sign(tmp_path):
    values = dicoms.values_zyx() - 500
    files = dicoms.slices((values & 0x0FFF).astype(np.int16))
    for data in files:
        data.BitsStored, data.HighBit = 12, 11
    made, folder = converted(dicoms.write(tmp_path / "tree", files), tmp_path)
    assert at(only_image(made, folder), 3, 2, 4) == 423 - 500


# Identity


def test_nothing_of_a_header_reaches_the_output(tmp_path):
    files = dicoms.slices()
    mask = np.zeros(dicoms.SIZE_XYZ[::-1], bool)
    mask[BOX] = True
    tree = dicoms.write(tmp_path / "Secret", [*files, dicoms.segmentation(files, {"Secret label": mask})])
    _, folder = converted(tree, tmp_path, labels=(Label("box", ("secret LABEL",)),), unlabelled="leave-out")
    found = dicoms.strings(folder)
    for text in (b"Secret", b"SECRET", b"secret", b"4711", dicoms.UIDS.encode(), b"20240305", b"1950"):
        assert text not in found


def test_a_key_changes_every_name(tmp_path):
    tree = dicoms.write(tmp_path / "tree", dicoms.slices())
    plain, _ = converted(tree, tmp_path)
    (tmp_path / "keyed").mkdir()
    keyed = conversion.convert(tree, tmp_path / "keyed", request(key=b"0123456789abcdef"), READER[0])
    assert plain.cases[0].subject_id != keyed.cases[0].subject_id
    assert plain.cases[0].case_id != keyed.cases[0].case_id
    assert (plain.choices.is_keyed, keyed.choices.is_keyed) == (False, True)


def test_spellings_of_one_patient_are_one_subject_and_an_id_can_be_kept(tmp_path):
    files = [*dicoms.slices(patient="AB 12"), *dicoms.slices(study=2, patient=" ab  12 ")]
    made, _ = converted(dicoms.write(tmp_path / "tree", files), tmp_path)
    assert len({case.subject_id for case in made.cases}) == 1
    kept = conversion.convert(
        dicoms.write(tmp_path / "one", dicoms.slices(patient="AB 12")),
        tmp_path / "out",
        request(subject_rule="keep"),
        READER[0],
    )
    assert kept.cases[0].subject_id == "AB 12"


# The tree


def test_links_are_refused(tmp_path):
    tree = dicoms.write(tmp_path / "tree", dicoms.slices())
    outside = dicoms.write(tmp_path / "outside", dicoms.slices(series=2))
    (tree / "file.dcm").symlink_to(next(outside.iterdir()))
    (tree / "folder").symlink_to(outside)
    said = refused(tree, tmp_path)
    assert "file.dcm: a link, expected a file" in said
    assert "folder: a link, expected a file" in said
    made, _ = converted(tree, tmp_path, skip_faulty=True)
    assert len(made.cases) == 1


def test_what_is_no_dicom_is_counted(tmp_path):
    tree = dicoms.write(tmp_path / "tree", dicoms.slices())
    (tree / "readme.txt").write_text("text")
    (tree / "empty").touch()
    assert converted(tree, tmp_path)[0].not_dicom == 2


def test_a_tree_without_dicom_is_a_fault(tmp_path):
    (tmp_path / "tree").mkdir()
    assert "0 DICOM files" in refused(tmp_path / "tree", tmp_path)


def test_a_header_that_declares_too_many_pixels_is_refused_before_they_are_decoded(tmp_path):
    files = dicoms.slices()
    files[0].Rows = files[0].Columns = 65535
    said = refused(dicoms.write(tmp_path / "tree", files), tmp_path)
    assert "declares 65535 x 65535 pixels in 1 frames" in said


def test_a_file_that_is_too_large_is_refused(tmp_path):
    tree = dicoms.write(tmp_path / "tree", dicoms.slices())
    limits = Limits(file_bytes=1000)
    said = refused(tree, tmp_path, limits=limits)
    assert "bytes, at most 1000 are read" in said


def test_modalities_must_be_chosen_among(tmp_path):
    files = [*dicoms.slices(), *dicoms.slices(series=2, modality="MR")]
    tree = dicoms.write(tmp_path / "tree", files)
    assert "found CT (1 series), MR (1 series), expected one" in refused(tree, tmp_path)
    made, folder = converted(tree, tmp_path, modality="MR")
    assert json.loads((folder / "dataset.json").read_text())["modality"] == {"0": "MRI"}
    assert [entry.reason for entry in made.left_out] == ["other modality"]


# The command


def test_the_command_writes_a_folder_that_formats_read(tmp_path, capsys):
    files = dicoms.slices()
    mask = np.zeros(dicoms.SIZE_XYZ[::-1], bool)
    mask[BOX] = True
    tree = dicoms.write(tmp_path / "tree", [*files, dicoms.segmentation(files, {"Liver": mask})])
    out = tmp_path / "out"
    options = [str(tree), "--out", str(out), "--name", "phantom", "--label", "liver"]
    assert __main__.main(["from-dicom", *options]) == 0
    assert f"{out}: 1 images of 1 subjects, 1 with a label map" in capsys.readouterr().out
    dataset = formats.read_dataset(out)
    assert dataset.labels == {"0": "background", "1": "liver"}
    record = records.read(out / "conversion.json", "conversion")
    assert record["cases"][0]["case_id"] == dataset.cases[0].case_id


def test_the_command_leaves_nothing_behind_where_it_fails(tmp_path, capsys):
    files = dicoms.slices()
    drop_middle(files)
    tree = dicoms.write(tmp_path / "tree", files)
    options = ["--out", str(tmp_path / "out"), "--name", "phantom", "--unlabelled", "keep"]
    assert __main__.main(["from-dicom", str(tree), *options]) == 1
    assert "planes are missing" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_the_command_names_all_that_is_wrong_with_its_options(tmp_path, capsys):
    (tmp_path / "tree").mkdir()
    (tmp_path / "key").write_text("short")
    options = [str(tmp_path / "gone"), "--out", str(tmp_path), "--name", "", "--key", str(tmp_path / "key")]
    options += ["--label", "$", "--label", "a=x", "--label", "A=x", "--fraction", "2", "--description", "("]
    assert __main__.main(["from-dicom", *options, "--max-seconds", "0"]) == 1
    said = capsys.readouterr().err
    for part in (
        "TREE",
        "--out",
        "--name",
        "--key",
        "--label",
        "--fraction",
        "--description",
        "--max-seconds",
    ):
        assert part in said
    assert "stands in two labels" in said


def test_without_labels_the_names_in_the_tree_are_listed(tmp_path):
    files = dicoms.slices()
    mask = np.ones(dicoms.SIZE_XYZ[::-1], bool)
    tree = dicoms.write(tmp_path / "tree", [*files, dicoms.segmentation(files, {"Liver": mask})])
    said = refused(tree, tmp_path, unlabelled="leave-out")
    assert "'Liver': in 1 object (SEG or RTSTRUCT), drawn on CT" in said
    assert "such as --label NAME=Liver;" in said


def test_a_label_that_is_not_in_the_tree_is_said_with_those_that_are(tmp_path):
    files = dicoms.slices()
    mask = np.ones(dicoms.SIZE_XYZ[::-1], bool)
    tree = dicoms.write(tmp_path / "tree", [*files, dicoms.segmentation(files, {"Neoplasm, Primary": mask})])
    said = refused(tree, tmp_path, labels=(Label("lesion", ("Neoplasm", "Tumour")),))
    assert "--label lesion: no segment and no region is called 'Neoplasm' or 'Tumour'" in said
    assert """--label 'NAME="Neoplasm, Primary"'""" in said


@pytest.mark.parametrize(
    ("given", "name", "sources"),
    [
        ("liver", "liver", ("liver",)),
        ("liver=Liver,LIVER,Hepar", "liver", ("Liver", "Hepar")),  # two spellings of one name are one
        ('lesion="Neoplasm, Primary", Cyst', "lesion", ("Neoplasm, Primary", "Cyst")),
        ("head, left", "head, left", ("head, left",)),
    ],
)
def test_a_label_names_its_sources_as_csv_does(given, name, sources):
    assert label_names.parsed(given) == (name, sources)


def test_the_option_that_is_shown_chooses_the_source():
    for source in ("Liver", "Neoplasm, Primary", 'the "large" one'):
        _, text = shlex.split(label_names.option(source))
        assert label_names.parsed(text) == ("NAME", (source,))
