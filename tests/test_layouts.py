"""Layouts that `new` converts: which one a folder is, what becomes of its files, what is refused."""

import csv
import gzip
import hashlib
import io
import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image, PngImagePlugin

from radiotrace import __main__
from radiotrace.commands import own_data
from radiotrace.evidence.verify import workflow
from radiotrace.imaging import formats, volumes
from radiotrace.imaging.content import VolumeError
from radiotrace.imaging.layouts import checking, listing, names, pairs, pictures, reading, which, writing
from radiotrace.imaging.layouts.listing import Asked
from radiotrace.inspection import layout, look
from radiotrace.pipeline import params
from radiotrace.pipeline.study import Study
from tests import clones, phantoms

ROOT = Path(__file__).resolve().parent.parent


def write_volume(path: Path, array_zyx: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(phantoms.volume(array_zyx), str(path))


def write_pair(image: Path, label_map: Path, seed: int = 1) -> None:
    labels = phantoms.label_array()
    write_volume(image, phantoms.image_array(labels, seed))
    write_volume(label_map, labels)


def grey(seed: int = 1, size_yx=(18, 22), dtype=np.uint8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, size_yx).astype(dtype)


def disc(size_yx=(18, 22), value: int = 1) -> np.ndarray:
    y, x = np.indices(size_yx)
    return (((y - 8) ** 2 + (x - 9) ** 2 < 20) * value).astype(np.uint8)


def save(path: Path, values: np.ndarray, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, **options)


def encoded(values: np.ndarray, kind: str = "png", mode: str | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(values)
    (picture.convert(mode) if mode else picture).save(buffer, kind, **options)
    return buffer.getvalue()


def checked_of(root: Path, **said):
    asked = Asked(**{"name": "phantoms", **said})
    paths = which.below(root, own_data.HIDDEN)
    seen = which.of(root, paths)
    listed = listing.of(root, paths, seen, asked)
    return seen, listed, checking.of(root, listed, asked), asked


def converted(root: Path, out: Path, **said) -> formats.Dataset:
    """The data set that a folder becomes; its faults are none."""
    _, listed, checked, asked = checked_of(root, **said)
    assert checked.faults == []
    out.mkdir()
    writing.write(root, out, listed, checked, asked)
    return formats.read_declaration(out)


def faults_of(root: Path, **said) -> str:
    return "\n".join(checked_of(root, **said)[2].faults)


def array_of(out: Path, path: str) -> np.ndarray:
    return volumes.array_zyx(volumes.read(out / path))


def sources(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "sources.csv").read_text().splitlines()))


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


@pytest.fixture
def table(tmp_path) -> Path:
    """Two images of one person, one of another, in folders of no particular names."""
    root = tmp_path / "table"
    rows = ["case_id,subject_id,site,image,label_map"]
    for number, subject in enumerate(("p1", "p1", "p2")):
        write_pair(root / f"scans/{number}/vol.nii.gz", root / f"drawn/{number}.nii.gz", number)
        rows.append(f"case_{number},{subject},north,scans/{number}/vol.nii.gz,drawn/{number}.nii.gz")
    (root / "cases.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture
def two_folders(tmp_path) -> Path:
    root = tmp_path / "two"
    for number in range(3):
        write_pair(root / f"images/a{number}.nii.gz", root / f"labels/a{number}.nii.gz", number)
    (root / "readme.txt").write_text("of nobody")
    return root


@pytest.fixture
def flat(tmp_path) -> Path:
    """Pictures of colour with alpha, and label maps of 0 and 255."""
    root = tmp_path / "flat"
    for number in range(2):
        values = np.stack([grey(10 * number + channel) for channel in range(4)], -1)
        save(root / f"images/a{number}.png", values)
        save(root / f"masks/a{number}.png", disc(value=255))
    return root


@pytest.mark.requirement("SRS-DATA-12")
def test_a_table_names_files_subjects_and_attributes(table, tmp_path):
    data = converted(table, tmp_path / "out", labels=(("anterior", 1), ("posterior", 2)), modality=("CT",))
    assert data.labels == {"0": "background", "1": "anterior", "2": "posterior"}
    assert [case.case_id for case in data.cases] == ["case_0", "case_1", "case_2"]
    assert data.channels[0].modality == "CT"
    assert (tmp_path / "out/cases.csv").read_text().splitlines()[:2] == [
        "case_id,subject_id,site",
        "case_0,p1,north",
    ]
    whole = formats.read_dataset(tmp_path / "out")  # what ingest reads
    assert [case.subject_id for case in whole.cases] == ["p1", "p1", "p2"]


@pytest.mark.requirement("SRS-DATA-12")
def test_a_volume_of_three_axes_is_copied_byte_for_byte(table, tmp_path):
    converted(table, tmp_path / "out")
    rows = {row["file"]: row for row in sources(tmp_path / "out")}
    row = rows["imagesTr/case_1.nii.gz"]
    assert (row["source"], row["done"]) == ("scans/1/vol.nii.gz", "copied as it is")
    original = (table / "scans/1/vol.nii.gz").read_bytes()
    assert row["sha256"] == hashlib.sha256(original).hexdigest()
    assert (tmp_path / "out/imagesTr/case_1.nii.gz").read_bytes() == original


def test_a_table_of_several_channels_has_a_file_for_each(tmp_path):
    root = tmp_path / "table"
    rows = ["case_id,subject_id,image_T2,image_ADC,label_map"]
    for number in range(2):
        labels = phantoms.label_array()
        for name, array in zip(("t2", "adc"), phantoms.channel_arrays(labels, number), strict=True):
            write_volume(root / f"{name}/{number}.nrrd", array)
        write_volume(root / f"seg/{number}.nii.gz", labels)
        rows.append(f"c{number},p{number},t2/{number}.nrrd,adc/{number}.nrrd,seg/{number}.nii.gz")
    (root / "cases.csv").write_text("\n".join(rows))
    data = converted(root, tmp_path / "out")
    assert [channel.name for channel in data.channels] == ["T2", "ADC"]
    assert data.cases[1].images == ("imagesTr/c1_0000.nii.gz", "imagesTr/c1_0001.nii.gz")
    expected = phantoms.channel_arrays(phantoms.label_array(), 1)[1]
    assert np.array_equal(array_of(tmp_path / "out", "imagesTr/c1_0001.nii.gz"), expected)


@pytest.mark.requirement("SRS-DATA-12")
def test_everything_that_is_wrong_with_a_table_is_said_at_once(table, tmp_path):
    write_volume(table / "drawn/1.nii.gz", phantoms.label_array()[:-1])
    strange = phantoms.label_array()
    strange[0, 0, 0] = 7
    write_volume(table / "drawn/2.nii.gz", strange)
    (table / "out.nii.gz").symlink_to("/etc/hostname")
    (table / "behind").symlink_to(table / "scans")
    with (table / "cases.csv").open("a") as file:
        for name, image in (
            ("Case_0", "scans/9/vol.nii.gz"),
            ("absolute", "/etc/hostname"),
            ("above", "../secret.nii.gz"),
            ("link", "out.nii.gz"),
            ("behind", "behind/0/vol.nii.gz"),
            ("dicom", "a.dcm"),
            ("swapped", "drawn/0.nii.gz"),
        ):
            file.write(f"{name},p3,south,{image},drawn/0.nii.gz\n")
        file.write("empty,p4,south,scans/0/vol.nii.gz,\n")
    (table / "a.dcm").touch()
    said = faults_of(table, labels=(("anterior", 1), ("posterior", 2)))
    for expected in (
        "case_1: label map drawn/1.nii.gz has 18 x 22 x 13 voxels; expected 18 x 22 x 14",
        "case_2: label map drawn/2.nii.gz holds 7; expected 0 1 2. Declare it with --label",
        "Case_0 and case_0: 2 cases with names that differ in capitals only",
        "Case_0: scans/9/vol.nii.gz is missing",
        "absolute: /etc/hostname is an absolute path",
        "above: ../secret.nii.gz leaves the folder",
        "link: out.nii.gz is a link",
        "behind: behind/0/vol.nii.gz is a link, or lies behind one",
        "dicom: a.dcm: a DICOM file",
        "empty: no label_map in cases.csv",
        "swapped: drawn/0.nii.gz is a label map, too; a file has one role",
    ):
        assert expected in said, expected


def test_two_cases_of_one_name_are_refused(table):
    with (table / "cases.csv").open("a") as file:
        file.write("case_0,p3,south,scans/0/vol.nii.gz,drawn/0.nii.gz\n")
    assert "case_0: stands twice in cases.csv" in faults_of(table)


def test_four_axes_become_a_file_for_each_channel(tmp_path):
    root = tmp_path / "msd"
    (root / "imagesTr").mkdir(parents=True)
    labels = phantoms.label_array()
    arrays = phantoms.channel_arrays(labels, 3)
    image = sitk.JoinSeries([phantoms.volume(array) for array in arrays])
    sitk.WriteImage(image, str(root / "imagesTr/a.nii.gz"))
    write_volume(root / "labelsTr/a.nii.gz", labels)
    declared = {
        "name": "two",
        "licence": "CC0",
        "modality": {"0": "T2", "1": "ADC"},
        "labels": {"0": "background", "1": "PZ", "2": "TZ"},
        "training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}],
    }
    (root / "dataset.json").write_text(json.dumps(declared))
    assert checked_of(root)[0].why == "dataset.json has labels, training, and the first image is 18x22x14x2"
    data = converted(root, tmp_path / "out")
    assert (data.identity["name"], data.identity["licence"]) == ("two", "CC0")
    assert [channel.name for channel in data.channels] == ["T2", "ADC"]
    assert data.labels == declared["labels"]
    for number, array in enumerate(arrays):
        made = volumes.read(tmp_path / f"out/imagesTr/a_{number:04d}.nii.gz")
        assert np.array_equal(volumes.array_zyx(made), array)
        assert np.allclose(made.GetSpacing(), phantoms.SPACING_XYZ)
        assert np.allclose(made.GetDirection(), phantoms.rotation(10), atol=1e-6)
        assert np.allclose(made.GetOrigin(), (-31.5, 12.25, 77.0), atol=1e-4)
    assert (tmp_path / "out/cases.draft.csv").is_file()


def test_one_time_point_is_one_channel(tmp_path):
    root = tmp_path / "msd"
    (root / "imagesTr").mkdir(parents=True)
    labels = phantoms.label_array()
    array = phantoms.image_array(labels, 1)
    path = root / "imagesTr/a.nii.gz"
    write_volume(path, array)
    data = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into("<8h", data, 40, 4, 18, 22, 14, 1, 1, 1, 1)  # ITK leaves out an axis of one
    path.write_bytes(gzip.compress(data, mtime=0))
    write_volume(root / "labelsTr/a.nii.gz", labels)
    assert which.size_of_nifti(path) == (18, 22, 14, 1)
    declared = {
        "name": "one",
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "PZ", "2": "TZ"},
        "training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}],
    }
    (root / "dataset.json").write_text(json.dumps(declared))
    assert which.of(root, which.below(root, own_data.HIDDEN)).kind == which.FOUR_D
    data = converted(root, tmp_path / "out")
    assert data.cases[0].images == ("imagesTr/a.nii.gz",)
    assert np.array_equal(array_of(tmp_path / "out", "imagesTr/a.nii.gz"), array)


def checked_of_kind(root: Path) -> str:
    return which.of(root, which.below(root, own_data.HIDDEN)).kind


def test_msd_of_three_axes_stays_what_it_was(tmp_path):
    phantoms.write_dataset(tmp_path / "msd", 1)
    assert checked_of_kind(tmp_path / "msd") == which.NATIVE
    phantoms.write_channels(tmp_path / "nnunet", 1)
    assert checked_of_kind(tmp_path / "nnunet") == which.NATIVE


@pytest.mark.requirement("SRS-DATA-12")
def test_two_folders_are_paired_by_name_and_subjects_are_drafted(two_folders, tmp_path):
    seen, _, checked, _ = checked_of(two_folders)
    assert (seen.name, seen.why) == (
        "two folders",
        "3 files in images/ and labels/ have equal names, and there is no dataset.json",
    )
    assert "1 further files belong to no case, and were left behind" in checked.notes
    converted(two_folders, tmp_path / "out")
    assert (tmp_path / "out/cases.draft.csv").read_text().splitlines()[1] == "a0,a0"


def test_two_folders_take_the_subjects_of_a_table_that_names_no_files(two_folders, tmp_path):
    (two_folders / "cases.csv").write_text("case_id,subject_id,sex\na0,p,f\na1,p,f\na2,q,m\n")
    converted(two_folders, tmp_path / "out")
    assert (tmp_path / "out/cases.csv").read_text().splitlines()[1:] == ["a0,p,f", "a1,p,f", "a2,q,m"]
    (two_folders / "cases.csv").write_text("case_id,subject_id\na0,p\na1,p\nb,q\n")
    assert "a2: not in cases.csv, so that its subject is unknown" in faults_of(two_folders)
    assert "b: in cases.csv, but no case of the folder has this name" in faults_of(two_folders)


def test_labels_and_channels_that_nobody_names_are_to_decide(two_folders, tmp_path):
    _, _, checked, _ = checked_of(two_folders)
    assert checked.labels == {1: "label_1", 2: "label_2"}
    assert checked.channels == ("TO DECIDE",)
    assert ["label_1 (value 1), label_2 (value 2)" in text for text in checked.undecided] == [False, True]


@pytest.mark.requirement("SRS-DATA-12")
def test_values_with_gaps_are_brought_to_consecutive_ones(two_folders, tmp_path):
    for path in (two_folders / "labels").iterdir():
        array = volumes.array_zyx(volumes.read(path))
        write_volume(path, np.choose(array, [0, 4, 9]).astype(np.uint8))
    data = converted(two_folders, tmp_path / "out", labels=(("late", 9), ("early", 4)))
    assert data.labels == {"0": "background", "1": "early", "2": "late"}
    assert np.array_equal(array_of(tmp_path / "out", "labelsTr/a0.nii.gz"), phantoms.label_array())
    said = checked_of(two_folders)[2].notes
    assert "values of label maps were brought from 4 to 1, 9 to 2" in said


@pytest.mark.requirement("SRS-DATA-12")
def test_a_label_that_no_map_holds_is_refused(two_folders):
    said = faults_of(two_folders, labels=(("a", 1), ("b", 2), ("c", 3)))
    assert said == "--label c=3: no label map holds 3; found 1, 2"


@pytest.mark.requirement("SRS-DATA-12")
def test_files_without_partner_and_with_two_are_named(two_folders):
    write_volume(two_folders / "images/alone.nii.gz", phantoms.label_array())
    write_volume(two_folders / "labels/lost.nii.gz", phantoms.label_array())
    write_volume(two_folders / "images/a0.nrrd", phantoms.label_array())
    write_volume(two_folders / "labels/a1.nrrd", phantoms.label_array())
    said = faults_of(two_folders)
    assert "images/alone.nii.gz: no label map has its name" in said
    assert "labels/lost.nii.gz: no image has its name" in said
    assert "a0: images/a0.nii.gz and images/a0.nrrd have one name" in said
    assert "a1: 2 label maps, labels/a1.nii.gz and labels/a1.nrrd; expected one" in said


def test_nnunet_without_its_dataset_json_is_two_folders_of_channels(tmp_path):
    root = tmp_path / "nnunet"
    phantoms.write_channels(root, 2)
    (root / "dataset.json").unlink()
    (root / "cases.csv").unlink()
    data = converted(root, tmp_path / "out", modality=("T2", "ADC"))
    assert [channel.name for channel in data.channels] == ["T2", "ADC"]
    assert data.cases[0].images == ("imagesTr/phantom_00_0000.nii.gz", "imagesTr/phantom_00_0001.nii.gz")


@pytest.mark.requirement("SRS-DATA-12")
def test_bids_has_subjects_sessions_and_derivatives(tmp_path):
    root = tmp_path / "bids"
    for subject, session in (("01", "1"), ("01", "2"), ("02", "1")):
        name = f"sub-{subject}_ses-{session}"
        folder = f"sub-{subject}/ses-{session}/anat"
        write_pair(
            root / f"{folder}/{name}_T1w.nii.gz",
            root / f"derivatives/manual/{folder}/{name}_space-T1w_dseg.nii.gz",
            int(subject + session),
        )
    seen, _, _, _ = checked_of(root)
    assert seen.name == "BIDS"
    converted(root, tmp_path / "out")
    assert (tmp_path / "out/cases.csv").read_text().splitlines() == [
        "case_id,subject_id,session",
        "sub-01_ses-1,sub-01,1",
        "sub-01_ses-2,sub-01,2",
        "sub-02_ses-1,sub-02,1",
    ]


def test_several_images_of_a_bids_subject_are_its_channels_unless_one_is_chosen(tmp_path):
    root = tmp_path / "bids"
    for subject in ("01", "02"):
        for number, suffix in enumerate(("T1w", "FLAIR")):
            write_pair(
                root / f"sub-{subject}/anat/sub-{subject}_{suffix}.nii.gz",
                root / f"derivatives/sub-{subject}_dseg.nii.gz",
                10 * number + int(subject),
            )
    assert checked_of(root)[2].channels == ("FLAIR", "T1w")
    data = converted(root, tmp_path / "out", modality=("T1w",))
    assert [channel.name for channel in data.channels] == ["T1w"]


def test_a_label_map_beside_its_image_is_told_by_the_end_of_its_name(tmp_path):
    root = tmp_path / "beside"
    for name in ("a", "b"):
        write_pair(root / f"{name}.nii.gz", root / f"{name}_seg.nii.gz", ord(name))
    seen, listed, _, _ = checked_of(root)
    assert seen.kind == which.SUFFIXES
    assert [(source.images, source.label_map) for source in listed.sources] == [
        (("a.nii.gz",), "a_seg.nii.gz"),
        (("b.nii.gz",), "b_seg.nii.gz"),
    ]


def test_masks_with_a_word_at_the_end_belong_to_images_without(tmp_path):
    found = pairs.by_folders(["images/x1.png", "masks/x1_mask.png", "images/y.jpg", "masks/y.png"])
    assert {case_id: pair.label_maps for case_id, pair in found.by_case.items()} == {
        "x1": ["masks/x1_mask.png"],
        "y": ["masks/y.png"],
    }


def test_names_of_bids_are_read_by_their_entities():
    name = names.bids("x/sub-01_ses-2_run-1_space-T1w_desc-brain_dseg.nii.gz")
    assert name is not None
    assert (name.case_id, name.subject, name.suffix) == ("sub-01_ses-2_run-1", "sub-01", "dseg")
    assert names.bids("patient001_ED.nii.gz") is None


def test_pictures_of_colour_become_three_channels_of_one_slice(flat, tmp_path):
    data = converted(flat, tmp_path / "out", labels=(("nucleus", 1),), pixel_mm=(0.5, 0.25))
    assert [channel.name for channel in data.channels] == ["red", "green", "blue"]
    blue = volumes.read(tmp_path / "out/imagesTr/a1_0002.nii.gz")
    assert np.array_equal(volumes.array_zyx(blue), grey(12)[None])
    assert blue.GetSize() == (22, 18, 1)
    assert blue.GetSpacing() == (0.5, 0.25, 1.0)
    assert np.array_equal(array_of(tmp_path / "out", "labelsTr/a1.nii.gz"), disc()[None])
    notes = checked_of(flat)[2].notes
    assert "2 files: alpha dropped" in notes
    assert "values of label maps were brought from 255 to 1" in notes


def test_size_of_a_pixel_comes_from_tags_and_else_is_to_decide(flat, tmp_path):
    assert any(
        "2 pictures do not say, and 1 mm was written" in text for text in checked_of(flat)[2].undecided
    )
    for path in (flat / "images").iterdir():
        save(path, grey(int(path.stem[1])), dpi=(254, 127))  # 25.4 / 254 and 25.4 / 127 mm
    converted(flat, tmp_path / "out")
    image = volumes.read(tmp_path / "out/imagesTr/a0.nii.gz")
    assert image.GetSpacing() == pytest.approx((0.1, 0.2, 1.0), rel=1e-4)
    label_map = volumes.read(tmp_path / "out/labelsTr/a0.nii.gz")  # whose own tags say nothing
    assert label_map.GetSpacing() == image.GetSpacing()
    assert any("tags of 2 pictures say" in text for text in checked_of(flat)[2].undecided)


def test_resolution_of_a_screen_says_nothing():
    assert pictures.decoded(encoded(grey(), dpi=(72, 72)), "a.png").pixel_mm is None
    assert pictures.decoded(encoded(grey(), "tiff", dpi=(300, 300)), "a.tif").pixel_mm == pytest.approx(
        (25.4 / 300, 25.4 / 300)
    )


def test_grey_among_pictures_of_colour_is_repeated_and_said(flat, tmp_path):
    save(flat / "images/a0.png", grey(7))
    converted(flat, tmp_path / "out")
    for number in range(3):
        assert np.array_equal(array_of(tmp_path / "out", f"imagesTr/a0_{number:04d}.nii.gz"), grey(7)[None])
    assert any("1 pictures are grey, 1 of colour" in note for note in checked_of(flat)[2].notes)


def test_three_equal_colours_are_one_grey(flat, tmp_path):
    for path in (flat / "images").iterdir():
        save(path, np.stack([grey(int(path.stem[1]))] * 3, -1))
    data = converted(flat, tmp_path / "out")
    assert [channel.name for channel in data.channels] == ["grey"]
    assert np.array_equal(array_of(tmp_path / "out", "imagesTr/a1.nii.gz"), grey(1)[None])


def test_colours_are_brought_to_grey_where_that_is_asked_for(flat, tmp_path):
    save(flat / "images/a0.png", np.full((18, 22, 3), (10, 20, 30), np.uint8))
    data = converted(flat, tmp_path / "out", is_grey=True)
    assert [channel.name for channel in data.channels] == ["grey"]
    made = array_of(tmp_path / "out", "imagesTr/a0.nii.gz")
    assert (made.dtype, set(made.ravel().tolist())) == (np.uint8, {18})  # 2.99 + 11.74 + 3.42 = 18.15


@pytest.mark.requirement("SRS-DATA-12")
@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (grey(), "png"),
        (grey(dtype=np.uint16), "png"),
        (grey(), "tiff"),
        (grey(dtype=np.uint16), "tiff"),
        (np.stack([grey(1), grey(2), grey(3)], -1), "png"),
        (np.stack([grey(1), grey(2), grey(3)], -1), "tiff"),
    ],
)
def test_values_of_pictures_come_back_as_they_were(values, kind):
    made = np.stack(pictures.decoded(encoded(values, kind), f"a.{kind}").channels_yx, -1)
    assert made.dtype == values.dtype
    assert np.array_equal(made, values.reshape(made.shape))


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_colours_of_sixteen_bits_keep_all_of_them(tmp_path, ending):
    values = np.stack([grey(seed, dtype=np.uint16) for seed in range(3)], -1)
    path = tmp_path / f"a{ending}"
    sitk.WriteImage(sitk.GetImageFromArray(values, isVector=True), str(path))
    made = np.stack(pictures.decoded(path.read_bytes(), path.name).channels_yx, -1)
    assert np.array_equal(made, values)


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (encoded(grey(), mode="P"), "a.png", "a palette: its values are numbers of colours"),
        (encoded(np.stack([grey()] * 3, -1), "jpeg", mode="CMYK"), "a.jpg", "CMYK, colours of print"),
        (encoded(np.float32(grey()), "tiff"), "a.tif", "values of 32 bits with a point"),
        (encoded(grey())[:-30], "a.png", "damaged"),
        (encoded(grey(), "jpeg"), "a.png", "a JPEG picture"),
        (b"", "a.png", "damaged"),
    ],
)
def test_pictures_that_are_refused_say_why(data, name, expected):
    with pytest.raises(VolumeError, match=expected):
        pictures.decoded(data, name)


def test_pictures_of_several_pages_turned_or_too_large_are_refused(monkeypatch):
    pages = [Image.fromarray(grey(number)) for number in range(2)]
    buffer = io.BytesIO()
    pages[0].save(buffer, "tiff", save_all=True, append_images=pages[1:])
    with pytest.raises(VolumeError, match="2 pages; expected one"):
        pictures.decoded(buffer.getvalue(), "a.tif")
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = 6
    with pytest.raises(VolumeError, match="EXIF orientation 6"):
        pictures.decoded(encoded(grey(), "jpeg", exif=exif), "a.jpg")
    monkeypatch.setattr(pictures, "PIXELS_MAX", 100)
    with pytest.raises(VolumeError, match="22 x 18 pixels; at most 100"):
        pictures.decoded(encoded(grey()), "a.png")


def test_a_text_in_a_png_that_inflates_without_end_is_refused():
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * (PngImagePlugin.MAX_TEXT_CHUNK + 1), zip=True)
    with pytest.raises(VolumeError, match="damaged"):
        pictures.decoded(encoded(grey(), pnginfo=text), "a.png")


def test_a_label_map_as_jpeg_or_of_colours_is_refused(flat):
    save(flat / "masks/a1.png", np.stack([disc(), disc(value=2), disc()], -1))
    (flat / "masks/a0.png").unlink()
    save(flat / "masks/a0.jpg", disc(value=255))
    said = faults_of(flat)
    assert "a0: label map masks/a0.jpg is a JPEG, whose values are not exact" in said
    assert "a1: label map masks/a1.png has colours that differ" in said


def test_a_picture_that_stands_twice_with_different_label_maps_is_named(flat):
    shutil.copy(flat / "images/a0.png", flat / "images/a1.png")
    assert "twice" in " ".join(checked_of(flat)[2].notes)
    save(flat / "masks/a1.png", disc().T.copy().reshape(18, 22) * 255)
    assert "a1: the image is that of a0, and its label map or class is another one" in faults_of(flat)


def test_masks_that_count_objects_are_refused(flat):
    save(flat / "masks/a0.png", np.arange(18 * 22, dtype=np.uint16).reshape(18, 22))
    assert "Do they count objects?" in faults_of(flat)


def test_pictures_and_volumes_are_not_mixed(flat):
    write_pair(flat / "images/v.nii.gz", flat / "masks/v.nii.gz")
    assert "2 cases are pictures and 1 volumes" in faults_of(flat)


def test_classes_of_medmnist_are_refused_as_another_task(tmp_path):
    images = np.zeros((4, 28, 28), np.uint8)
    arrays = {f"{part}_images": images for part in ("train", "val", "test")}
    arrays |= {f"{part}_labels": np.zeros((4, 1), np.uint8) for part in ("train", "val", "test")}
    np.savez(tmp_path / "m.npz", **arrays)
    said = (
        "m.npz: train_labels, val_labels, test_labels have a class for each image, 4 in train_labels. To tell"
    )
    assert faults_of(tmp_path).startswith(f"{said} classes is another task, --task classification")
    seen = layout.of(look.at(tmp_path), str(tmp_path))
    assert seen.problems[0].startswith(said)
    assert not any("python -m" in step for step in seen.steps)


def test_masks_beside_the_images_of_medmnist_are_converted(tmp_path):
    root = tmp_path / "arrays"
    root.mkdir()
    images = np.stack([grey(number) for number in range(5)])
    masks = np.stack([disc()] * 5)
    np.savez_compressed(
        root / "m.npz",
        train_images=images[:3],
        train_masks=masks[:3],
        test_images=images[3:],
        test_masks=masks[3:],
    )
    data = converted(root, tmp_path / "out", labels=(("disc", 1),))
    assert [case.case_id for case in data.cases] == [
        "test_00000",
        "test_00001",
        "train_00000",
        "train_00001",
        "train_00002",
    ]
    assert np.array_equal(array_of(tmp_path / "out", "imagesTr/train_00002.nii.gz"), images[2][None])
    assert (tmp_path / "out/cases.draft.csv").read_text().splitlines()[1] == "test_00000,test_00000,test"


def test_arrays_that_would_be_unpickled_or_are_too_large_are_refused(tmp_path, monkeypatch):
    np.savez(tmp_path / "m.npz", train_images=np.array([{}], dtype=object))
    assert "pickled objects" in faults_of(tmp_path)
    np.savez(tmp_path / "m.npz", train_images=np.zeros((2, 8, 8)), train_masks=np.zeros((2, 8, 8)))
    monkeypatch.setattr(reading, "ARRAY_BYTES_MAX", 100)  # in this process
    with pytest.raises(VolumeError, match="train_images takes 1024 bytes; at most 100 are read"):
        reading.Array(tmp_path / "m.npz", "train_images")
    (tmp_path / "m.npz").write_bytes(b"PK\3\4garbage")
    assert "no file of arrays can be read" in faults_of(tmp_path)


def test_an_image_of_an_array_is_the_one_that_is_asked_for_in_any_order(tmp_path):
    images = np.arange(5 * 6 * 7, dtype=">u2").reshape(5, 6, 7)
    np.savez_compressed(tmp_path / "m.npz", train_images=images)
    read = reading.Array(tmp_path / "m.npz", "train_images")
    for number in (0, 3, 1, 1, 4):
        assert np.array_equal(read[number][1], images[number])


@pytest.mark.requirement("SRS-DATA-12")
@pytest.mark.parametrize("name", ["table", "two_folders", "flat"])
def test_a_folder_becomes_the_same_bytes_twice(name, tmp_path, request):
    root = request.getfixturevalue(name)
    converted(root, tmp_path / "one")
    converted(root, tmp_path / "other")
    assert digests(tmp_path / "one") == digests(tmp_path / "other")
    assert len(digests(tmp_path / "one")) > 5


@pytest.mark.parametrize("name", ["table", "two_folders", "flat"])
def test_inspect_names_new_with_its_options_and_both_agree(name, request):
    root = request.getfixturevalue(name)
    seen = layout.of(look.at(root), str(root))
    expected = which.of(root, which.below(root, own_data.HIDDEN))
    assert (seen.name, seen.why) == (expected.name, expected.why)
    last = "--pixel-mm MM" if name == "flat" else "--modality NAME"
    assert seen.steps[0] == f"python -m radiotrace new NAME --data {root} --label NAME=VALUE {last}"


def test_inspect_names_new_for_four_axes(tmp_path):
    (tmp_path / "imagesTr").mkdir()
    image = sitk.JoinSeries([phantoms.volume(phantoms.label_array())] * 2)
    sitk.WriteImage(image, str(tmp_path / "imagesTr/a.nii.gz"))
    declared = {"training": [{"image": "imagesTr/a.nii.gz", "label": "labelsTr/a.nii.gz"}]}
    (tmp_path / "dataset.json").write_text(json.dumps(declared))
    seen = layout.of(look.at(tmp_path), str(tmp_path))
    assert seen.name == "Medical Segmentation Decathlon, 4-D images"
    assert seen.problems == ("a: labelsTr/a.nii.gz is missing",)
    write_volume(tmp_path / "labelsTr/a.nii.gz", phantoms.label_array())
    seen = layout.of(look.at(tmp_path), str(tmp_path))
    assert seen.steps[0] == f"python -m radiotrace new NAME --data {tmp_path}"


def test_no_stage_reaches_the_layouts():
    text = (ROOT / "dvc.yaml").read_text()
    assert "radiotrace/imaging/layouts" not in text
    assert not any("layouts" in str(deps) for deps in workflow.expected(Study(ROOT)))


@pytest.fixture
def repository(tmp_path_factory, monkeypatch):
    """What the command reads of a clone."""
    root = clones.sources(tmp_path_factory.mktemp("clone"))
    monkeypatch.chdir(root)
    return root


def test_new_converts_and_says_which_layout_it_saw(repository, flat, capsys):
    command = ["new", "nuclei", "--data", str(flat), "--label", "nucleus=1", "--name", "Nuclei"]
    assert __main__.main([*command, "--licence", "CC0-1.0", "--pixel-mm", "0.5"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Layout: two folders: 2 files in images/ and masks/ have equal names")
    assert "2 files: alpha dropped" in said
    assert "studies/nuclei/: 2 cases, labels background, nucleus" in said
    folder = repository / "studies/nuclei"
    assert sorted(path.name for path in (folder / "data").iterdir()) == [
        "cases.draft.csv",
        "dataset.json",
        "imagesTr",
        "labelsTr",
        "sources.csv",
    ]
    card = params.load_yaml(folder / "design/dataset_card.yaml")["dataset"]
    assert (card["name"], card["licence"], card["modality"]) == ("Nuclei", "CC0-1.0", "red, green, blue")
    assert workflow.check(Study(repository, "studies/nuclei")).faults == []


def test_new_says_faults_of_options_and_of_files_at_once_and_makes_nothing(repository, flat, capsys):
    (flat / "masks/a1.png").unlink()
    words = ["--label", "nucleus", "--label", "background=1", "--modality", "a,$", "--pixel-mm", "0"]
    assert __main__.main(["new", "Nuclei", "--data", str(flat), *words]) == 1
    said = capsys.readouterr().err
    for expected in (
        "NAME: found 'Nuclei'",
        "--label: found 'nucleus', expected NAME=VALUE",
        "--label: found the name 'background'",
        "--modality: found '$'",
        "--pixel-mm: found '0'",
        "images/a1.png: no label map has its name",
    ):
        assert expected in said, expected
    assert not (repository / "studies").exists()


def test_options_beside_a_dataset_json_are_refused(repository, tmp_path, capsys):
    phantoms.write_dataset(tmp_path / "msd", 2)
    assert __main__.main(["new", "a", "--data", str(tmp_path / "msd"), "--label", "x=1"]) == 1
    assert "--label: is for data without a dataset.json" in capsys.readouterr().err


def test_a_folder_of_no_layout_says_which_ones_there_are(repository, tmp_path, capsys):
    save(tmp_path / "some/a.png", grey())
    assert __main__.main(["new", "a", "--data", str(tmp_path / "some")]) == 1
    said = capsys.readouterr().err
    assert "dataset.json is missing" in said
    assert "images/ and labels/ with files of equal names" in said
