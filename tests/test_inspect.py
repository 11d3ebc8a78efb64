"""inspect: folders made by code, broken in known ways; what the screen says of them, and what it must not."""

import hashlib
import html.parser
import io
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from radiotrace import __main__
from radiotrace.imaging.child import Limits
from radiotrace.inspection import kinds, layout, look, probe, roles, screen
from radiotrace.inspection.tree import Entry
from tests import dicoms, phantoms

SECRETS = re.compile(r"secret|patient-4711|1950|20240305|101112", re.IGNORECASE)
GIB = 2**30


def inspected(path, capsys, *options) -> list[str]:
    """The lines of the command."""
    assert __main__.main(["inspect", str(path), *options]) == 0
    return capsys.readouterr().out.splitlines()


def section(lines: list[str], name: str) -> str:
    """The text of a section, as one line."""
    start = next(number for number, line in enumerate(lines) if line.startswith(name))
    rest = lines[start + 1 :]
    ended = next((number for number, line in enumerate(rest) if line[:1].strip()), len(rest))
    return " ".join(" ".join(lines[start : start + 1 + ended]).split()).replace("\\ ", "")


def seen_of(path: Path):
    """What is known of one file, read in this process."""
    entry = Entry(path.name, path.stat().st_size)
    return probe.read(str(path.parent), [entry], Limits(), with_dicom=True).seen[0]


def volume(shape_zyx=(14, 22, 18)) -> sitk.Image:
    return phantoms.volume(np.arange(np.prod(shape_zyx), dtype=np.int16).reshape(shape_zyx))


def picture(size=(30, 20), mode="RGB") -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 255, (size[1], size[0], 3)).astype(np.uint8)
    Image.fromarray(noise).convert(mode).save(buffer, "png")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def dicom_tree(tmp_path_factory) -> Path:
    """Three subjects: a sound series and its localiser; one without its third slice, two files of which are
    cut or a copy; one whose folder has the name of its subject."""
    tree = tmp_path_factory.mktemp("dicom")
    dicoms.write(tree / "a", dicoms.slices(study=1, patient=f"{dicoms.PATIENT}1"))
    localiser = dicoms.slices(dicoms.values_zyx()[:1], series=2, study=1, patient=f"{dicoms.PATIENT}1")
    localiser[0].ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    dicoms.write(tree / "a/scout", localiser)
    gap = dicoms.slices(study=2, patient=f"{dicoms.PATIENT}2", modality="MR")
    dicoms.write(tree / "b", [one for number, one in enumerate(gap) if number != 2])
    first = sorted((tree / "b").iterdir())[0]
    shutil.copyfile(first, tree / "b/copy.dcm")
    cut = dicoms.slices(study=4, patient=f"{dicoms.PATIENT}2", modality="MR")[:1]
    dicoms.write(tree / "b/cut", cut, ["cut.dcm"])
    whole = (tree / "b/cut/cut.dcm").read_bytes()
    (tree / "b/cut/cut.dcm").write_bytes(whole[:-40])
    dicoms.write(tree / f"{dicoms.PATIENT}3/20240305", dicoms.slices(study=3, patient=f"{dicoms.PATIENT}3"))
    return tree


def test_words_of_a_header_are_hidden_in_folders_of_volumes_and_on_the_sheet(tmp_path, capsys):
    files = dicoms.slices()
    with dicoms.quiet():
        for data in files:
            data.Modality = "<b>Secret"
    dicoms.write(tmp_path / "data/dicom", files)
    (tmp_path / f"data/{dicoms.PATIENT}").mkdir()
    sitk.WriteImage(volume(), str(tmp_path / f"data/{dicoms.PATIENT}/a.nii.gz"))
    text = "\n".join(inspected(tmp_path / "data", capsys, "--sheet", str(tmp_path / "sheet.html")))
    assert "[name]/" in text
    assert SECRETS.search(text) is None
    page = (tmp_path / "sheet.html").read_text()
    assert "DICOM ?" in page
    assert SECRETS.search(re.sub(r"base64,[^\"]*", "", page)) is None


@pytest.fixture(scope="module")
def dicom_screen(dicom_tree) -> list[str]:
    found = look.at(dicom_tree)
    return screen.lines(found, layout.of(found, str(dicom_tree)))


def test_dicom_is_told_by_subjects_studies_and_series(dicom_screen):
    assert section(dicom_screen, "Subjects") == "Subjects 3 by PatientID"
    said = section(dicom_screen, "DICOM")
    assert "4 studies, 5 series of images: CT 3 series of 1-6 slices, MR 2 series of 1-5 slices" in said
    # SIZE_XYZ and SPACING_XYZ of tests/dicoms.py; the description "Secret words" has 12 letters
    assert re.search(r"CT +12 +7 x 5 x 6 +0.9 x 1.1 x 1.7 +sound", "\n".join(dicom_screen))


def test_dicom_has_its_faults_named_with_the_series(dicom_screen):
    said = section(dicom_screen, "Problems")
    assert "1 planes are missing: found gaps of 3.4 mm" in said  # 2 x 1.7
    assert "the same bytes as another file: b/00_0.dcm = b/copy.dcm" in said
    assert "cut: " in said
    assert "b/cut/cut.dcm" in said


def test_dicom_goes_on_with_from_dicom(dicom_tree, dicom_screen):
    said = section(dicom_screen, "Next")
    assert said.startswith(
        f"Next python -m radiotrace from-dicom {dicom_tree} --out FOLDER --name NAME --modality CT "
        "--unlabelled keep"
    )
    assert "--skip-faulty" in said


def test_nothing_that_identifies_anybody_is_printed_not_even_from_a_path(dicom_tree, dicom_screen):
    text = "\n".join(dicom_screen).replace(str(dicom_tree), "")
    assert SECRETS.search(text) is None
    assert "[name 1]" in text  # capitals are sorted before small letters


def test_a_series_of_two_orientations_is_told(tmp_path):
    files = dicoms.slices()
    for number, data in enumerate(files[:3]):
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.ImagePositionPatient = [0, 0, 2 * number]
    dicoms.write(tmp_path, files)
    found = look.at(tmp_path)
    assert [one.volumes for one in found.series] == [2]
    assert "2 volumes" in "\n".join(screen.lines(found, layout.of(found, "x")))


def test_a_uid_in_files_that_differ_is_told(tmp_path):
    files = dicoms.slices()
    dicoms.write(tmp_path / "a", files)
    files[0].Rows, files[0].PixelData = 4, files[0].PixelData[: 4 * 7 * 2]
    dicoms.write(tmp_path / "b", files[:1], ["other.dcm"])
    assert look.at(tmp_path).repeated == ["a/00_0.dcm", "b/other.dcm"]


def test_labels_drawn_on_series_are_counted(tmp_path):
    files = dicoms.slices()
    dicoms.write(tmp_path, files)
    mask = np.zeros(dicoms.SIZE_XYZ[::-1], np.uint8)
    mask[1:4, 1:3, 2:6] = 1
    dicoms.write(tmp_path / "seg", [dicoms.segmentation(files, {"Secret organ": mask})])
    found = look.at(tmp_path)
    lines = screen.lines(found, layout.of(found, "TREE"))
    assert "1 SEG with 1 segments; 1 drawn on series that are here" in section(lines, "DICOM")
    said = section(lines, "Next")
    assert said.startswith("Next python -m radiotrace from-dicom TREE --out FOLDER --name NAME It lists")
    assert "--label NAME=DICOM" in said
    assert SECRETS.search("\n".join(lines)) is None


def test_without_pydicom_files_are_recognised_and_it_says_how_to_install_it(dicom_tree, capsys, monkeypatch):
    monkeypatch.setattr(look, "has_pydicom", lambda: False)
    lines = inspected(dicom_tree, capsys)
    assert "20 DICOM" in section(lines, "Files")
    assert "pip install -r requirements/dicom.txt" in section(lines, "Next")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
def test_shape_and_spacing_are_those_that_itk_wrote(tmp_path, name):
    sitk.WriteImage(volume(), str(tmp_path / name))
    seen = seen_of(tmp_path / name)
    assert seen.problems == ()
    assert seen.shapes[0].size == phantoms.SIZE_XYZ
    assert seen.shapes[0].spacing_mm == pytest.approx(phantoms.SPACING_XYZ)
    assert seen.shapes[0].values == "int16"


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mha", "a.nrrd"])
def test_a_volume_that_is_cut_is_told(tmp_path, name):
    sitk.WriteImage(volume(), str(tmp_path / name), useCompression=name.endswith("gz"))
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) * 2 // 3])
    assert seen_of(tmp_path / name).problems[0].startswith("cut")


def test_a_volume_of_four_axes_is_told(tmp_path):
    sitk.WriteImage(sitk.JoinSeries([volume()] * 3), str(tmp_path / "a.nii.gz"))
    assert seen_of(tmp_path / "a.nii.gz").shapes[0].size == (*phantoms.SIZE_XYZ, 3)


@pytest.mark.parametrize(
    ("at", "data", "expected"),
    [
        (40, b"\x09\0", "the header declares 9 axes, expected 1 to 7"),
        (42, b"\0\0", "the header declares a size of 0 x 22 x 14"),
        (42, b"\xff\x7f\xff\x7f\xff\x7f", "more than is ever read"),  # 32767 along each axis
        (80, np.float32(4000).tobytes(), "which is hardly true"),
        (80, np.float32(np.nan).tobytes(), "each must be above 0"),
        (123, b"\x01", "lengths in metres, expected mm"),
    ],
)
def test_a_nifti_header_that_lies_is_told(tmp_path, at, data, expected):
    path = tmp_path / "a.nii"
    sitk.WriteImage(volume(), str(path))
    raw = bytearray(path.read_bytes())
    raw[at : at + len(data)] = data
    path.write_bytes(raw)
    assert any(expected in problem for problem in seen_of(path).problems)


@pytest.mark.parametrize(
    ("name", "data", "kind", "problem"),
    [
        ("a.png", picture(), kinds.PNG, ""),
        ("a.png", picture()[:-20], kinds.PNG, "cut: it has no end"),
        ("a.png", b"\x89PNG\r\n\x1a\n", kinds.PNG, "cannot be read"),
        ("a.nii.gz", b"", kinds.EMPTY, "is empty"),
        ("a.nii.gz", b"version https://git-lfs.github.com/spec/v1\n", kinds.POINTER, "Git LFS"),
        ("a.nii.gz", b"<!DOCTYPE html><html>", kinds.PAGE, "web page"),
        ("a.nii.gz", b"\x1f\x8bgarbage", kinds.NIFTI, "damaged"),
        ("a.nrrd", b"NRRD0004\ntype: short\n", kinds.NRRD, "no sizes"),
        ("a.npz", b"PK\3\4garbage", kinds.NPZ, "cannot be read"),
        ("a.dcm", b"not DICOM at all", kinds.DICOM, ""),
        ("a.unknown", b"text", kinds.OTHER, ""),
    ],
)
def test_each_kind_is_recognised_and_its_damage_told(tmp_path, name, data, kind, problem):
    (tmp_path / name).write_bytes(data)
    seen = seen_of(tmp_path / name)
    assert seen.kind == kind
    assert problem in "; ".join(seen.problems)
    assert bool(problem) <= bool(seen.problems)


def test_arrays_that_would_be_unpickled_are_told_and_never_are(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 5, 7), np.uint8))
    np.savez(tmp_path / "b.npz", images=np.array([{}], dtype=object))
    assert seen_of(tmp_path / "a.npz").shapes[0].size == (3, 5, 7)
    assert "pickled" in seen_of(tmp_path / "b.npz").problems[0]


@pytest.fixture
def hostile(tmp_path) -> Path:
    """Whatever else may lie in a folder."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    os.mkfifo(folder / "pipe.dcm")
    (folder / "out").symlink_to("/etc")
    (folder / "loop").symlink_to("loop")
    (folder / "\x1b[31mred\n.nii").write_bytes(b"\x5c\1\0\0")
    (folder / os.fsdecode(b"\xff\xfe.png")).write_bytes(picture()[:40])
    (folder / ("long" * 50)).write_bytes(b"x")
    (folder / "dataset.json").write_text("[" * 100_000)
    nested = b"\0" * 128 + b"DICM" + b"\x08\0\x15\x11\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff" * 20_000
    (folder / "nested.dcm").write_bytes(nested)
    (folder / "large.dcm").write_bytes(
        b"\0" * 128 + b"DICM" + b"\x09\0\1\0OB\0\0\xff\xff\xff\xf0" + b"\0" * 60
    )
    return folder


def test_what_is_hostile_is_a_line_of_problems(hostile, capsys):
    lines = inspected(hostile, capsys)
    said = section(lines, "Problems")
    assert "neither file nor folder: pipe.dcm" in said
    assert "a link that leads out of the folder; it is not followed: loop, out" in said
    assert "nested.dcm" in said
    assert "\\x1b[31mred\\n.nii" in said
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) <= 100 + len(str(hostile))


def test_a_file_that_takes_too_long_does_not_hold_up_the_others(tmp_path):
    items = b"\x08\0\x15\x11\xff\xff\xff\xff" + b"\xfe\xff\0\xe0\0\0\0\0" * 400_000
    meta = dicoms.slices()[0]
    dicoms.write(tmp_path, [meta], ["good.dcm"])
    whole = (tmp_path / "good.dcm").read_bytes()
    at = whole.index(b"\x08\0\x16\0UI")
    implicit = whole[:at].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0")
    (tmp_path / "slow.dcm").write_bytes(implicit + items)
    found = look.at(tmp_path, Limits(seconds=1))
    assert {one.path: one.problems for one in found.seen} == {
        "good.dcm": (),
        "slow.dcm": ("took longer than 1 s to read",),
    }


def test_a_folder_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    (tmp_path / "a.txt").write_text("a")
    scan = os.scandir

    def scandir(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert look.at(tmp_path).tree.problems == [("closed/", "cannot be read by this user")]


def test_msd_goes_on_with_new(tmp_path, capsys):
    phantoms.write_dataset(tmp_path, 4)
    lines = inspected(tmp_path, capsys)
    assert section(lines, "Layout").startswith(
        "Layout Medical Segmentation Decathlon: dataset.json has labels,"
    )
    assert section(lines, "Next").startswith(f"Next python -m radiotrace new NAME --data {tmp_path}")
    assert "4 label maps by their names; 4 bear the name of an image" in section(lines, "Volumes")


def test_a_faulty_dataset_json_has_its_faults_named(tmp_path, capsys):
    phantoms.write_dataset(tmp_path, 4)
    first = next((tmp_path / "labelsTr").iterdir())
    first.unlink()
    lines = inspected(tmp_path, capsys)
    assert f"labelsTr/{first.name} is missing" in section(lines, "Problems")
    assert "Correct what is told of it above" in section(lines, "Next")


def test_nnunet_is_told_from_msd_and_lies_deeper(tmp_path, capsys):
    folder = tmp_path / "Dataset001"
    (folder / "imagesTr").mkdir(parents=True)
    (folder / "labelsTr").mkdir()
    for number in "01":
        for channel in ("0000", "0001"):
            sitk.WriteImage(volume(), str(folder / f"imagesTr/c{number}_{channel}.nii.gz"))
        sitk.WriteImage(sitk.Cast(volume() > 9, sitk.sitkUInt8), str(folder / f"labelsTr/c{number}.nii.gz"))
    declared = {"channel_names": {"0": "T2", "1": "ADC"}, "labels": {"background": 0, "lesion": 1}}
    (folder / "dataset.json").write_text(json.dumps(declared | {"name": "x", "file_ending": ".nii.gz"}))
    lines = inspected(tmp_path, capsys)
    assert section(lines, "Layout").startswith("Layout nnU-Net: Dataset001/dataset.json has channel_names")
    assert f"--data {folder}" in section(lines, "Next")


def test_bids_is_told_with_its_subjects_and_has_no_command_of_its_own(tmp_path, capsys):
    for subject in ("01", "02"):
        (tmp_path / f"sub-{subject}/anat").mkdir(parents=True)
        sitk.WriteImage(volume(), str(tmp_path / f"sub-{subject}/anat/sub-{subject}_T1w.nii.gz"))
    lines = inspected(tmp_path, capsys)
    assert section(lines, "Layout") == "Layout BIDS: names begin with sub-"
    assert section(lines, "Subjects") == "Subjects 2, by names or cases.csv"
    assert "sub-#/anat/ *_T1w" in section(lines, "Volumes")
    assert "imagesTr/ and labelsTr/" in section(lines, "Next")


def test_pictures_are_told_to_be_converted(tmp_path, capsys):
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(picture((30 + number, 20)))
    lines = inspected(tmp_path, capsys)
    assert "30-32 x 20" in section(lines, "Pictures")
    assert "RGB" in section(lines, "Pictures")
    assert ".png" in section(lines, "Next")


def test_an_empty_folder_is_one_message(tmp_path, capsys):
    assert __main__.main(["inspect", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"radiotrace: 0 files in {tmp_path}\n"


def test_one_file_may_be_asked_for(tmp_path, capsys):
    sitk.WriteImage(volume(), str(tmp_path / "a.nii.gz"))
    (tmp_path / "b.nii.gz").write_bytes(b"")
    lines = inspected(tmp_path / "a.nii.gz", capsys)
    assert "1 file in" in section(lines, "Files")
    assert "18 x 22 x 14" in section(lines, "Volumes")


def test_it_says_the_same_twice_and_changes_nothing(dicom_tree, dicom_screen):
    def hashes():
        files = sorted(path for path in dicom_tree.rglob("*") if path.is_file())
        return [(path, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]

    before = hashes()
    found = look.at(dicom_tree)
    assert screen.lines(found, layout.of(found, str(dicom_tree))) == dicom_screen
    assert hashes() == before


def test_the_sheet_has_a_tile_for_each_case_and_no_name(dicom_tree, tmp_path, capsys):
    lines = inspected(dicom_tree, capsys, "--sheet", str(tmp_path / "sheet.html"))
    assert any(line.endswith("sheet.html: 5 of 5 cases; 1 could not be decoded") for line in lines)
    text = (tmp_path / "sheet.html").read_text()
    assert text.count("<figure>") == 5
    assert "7 × 5 × 6, 0.9 × 1.1 × 1.7 mm" in text
    bare = re.sub(r"base64,[^\"]*", "", text)
    assert SECRETS.search(bare) is None
    assert dicom_tree.name not in bare
    html.parser.HTMLParser().feed(text)


def test_tiles_are_as_wide_and_high_as_the_case_in_mm(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    flat = sitk.GetImageFromArray(np.arange(2 * 40 * 20, dtype=np.int16).reshape(2, 40, 20))
    flat.SetSpacing((1.0, 1.5, 5.0))  # 20 x 60 mm
    sitk.WriteImage(flat, str(tmp_path / "data/a.nii.gz"))
    inspected(tmp_path / "data", capsys, "--sheet", str(tmp_path / "sheet.png"))
    drawn = np.asarray(Image.open(tmp_path / "sheet.png").convert("L"))[8:168, 8:168] != 24
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    assert (len(rows), len(columns)) == (160, 53)  # 160 x 20 / 60


@pytest.mark.parametrize("name", ["data/sheet.png", "sheet.jpg", "none/sheet.png"])
def test_a_sheet_is_refused_where_it_would_do_harm(tmp_path, capsys, name):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.txt").write_text("a")
    assert __main__.main(["inspect", str(tmp_path / "data"), "--sheet", str(tmp_path / name)]) == 1
    assert "--sheet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "is_label"),
    [
        ("labelsTr/a.nii.gz", True),
        ("a/b_seg.nii.gz", True),
        ("sub-1/masks/1.png", True),
        ("images/gta.png", False),
        ("imagesTr/segovia.nii.gz", False),
    ],
)
def test_label_maps_are_told_by_words_of_their_paths(path, is_label):
    assert roles.is_label(path) is is_label
