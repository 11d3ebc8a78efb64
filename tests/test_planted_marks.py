"""Planted marks: a word in every place of text that a format has is nowhere in what is made of the file.

Searched are all bytes, of compressed files what they hold, and what was printed.
"""

import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image, PngImagePlugin, TiffImagePlugin
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset

from radiotrace.commands import own_data
from radiotrace.errors import StageError
from radiotrace.imaging import formats, headers, volumes
from radiotrace.imaging.child import Child, Limits
from radiotrace.imaging.dicom import conversion
from radiotrace.imaging.dicom.conversion import Request
from radiotrace.imaging.layouts import checking, cleaning, listing, which, writing
from radiotrace.imaging.layouts.listing import Asked
from tests import dicoms, phantoms, pipelines

MARK = "Planted^Mark"
TEXT_VRS = ("LO", "LT", "PN", "SH", "ST", "UC", "UT")
# Where NIfTI-1 has text: from byte, to byte.
NIFTI_TEXT = {
    "data_type": (4, 14),
    "db_name": (14, 32),
    "descrip": (148, 228),
    "aux_file": (228, 252),
    "intent_name": (328, 344),
}


def marked_nifti(volume: sitk.Image, path: Path) -> None:
    """A .nii.gz with the mark in each text of the header, in an extension, and in the header of gzip."""
    import gzip

    plain = path.with_name("plain.nii")
    sitk.WriteImage(volume, str(plain))
    data = bytearray(plain.read_bytes())
    plain.unlink()
    for begin, end in NIFTI_TEXT.values():
        data[begin:end] = MARK.encode()[: end - begin].ljust(end - begin, b"\0")
    extension = struct.pack("<ii", 64, 6) + MARK.encode().ljust(56, b"\0")
    offset = int(struct.unpack_from("<f", data, 108)[0])
    struct.pack_into("<f", data, 108, offset + len(extension))
    data = data[:348] + b"\1\0\0\0" + extension + data[offset:]
    with open(path, "wb") as raw, gzip.GzipFile(MARK, "wb", fileobj=raw, mtime=0) as file:
        file.write(bytes(data))


def marked_text_header(volume: sitk.Image, path: Path) -> None:
    """NRRD with the mark as a value, a comment and the content; MetaImage as Comment, Name and a key."""
    sitk.WriteImage(volume, str(path))
    data = path.read_bytes()
    if path.suffix == ".nrrd":
        more = f"# {MARK}\ncontent: {MARK}\npatient:={MARK}\n".encode()
        first, rest = data.split(b"\n", 1)
        path.write_bytes(first + b"\n" + more + rest)
    else:
        more = f"Comment = {MARK}\nName = {MARK}\nPatientKey = {MARK}\n".encode()
        first, rest = data.split(b"\n", 1)
        path.write_bytes(first + b"\n" + more + rest)


def marked_picture(values: np.ndarray, path: Path) -> None:
    """PNG with text chunks and EXIF, JPEG with a comment and EXIF, TIFF with its texts."""
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = exif[0x9C9B] = MARK  # description, artist, title
    options: dict = {"exif": exif}
    if path.suffix == ".png":
        text = PngImagePlugin.PngInfo()
        text.add_text("Title", MARK)
        text.add_itxt("Author", MARK)
        text.add_text("Zipped", MARK, zip=True)
        options["pnginfo"] = text
    elif path.suffix == ".jpg":
        options["comment"] = MARK
    else:
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        for number in (270, 305, 315, 316):  # description, software, artist, computer
            tags[number] = MARK
        options = {"tiffinfo": tags}
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, **options)


def marked_beside(folder: Path) -> None:
    """Files that belong to no case."""
    (folder / "notes.txt").write_text(MARK)
    (folder / "imagesTr").mkdir(exist_ok=True)
    (folder / "imagesTr/sidecar.json").write_text(f'{{"PatientName": "{MARK}"}}')


def converted(root: Path, out: Path, **said) -> None:
    """What `new` does with a folder of another layout."""
    asked = Asked(name="phantoms", **said)
    paths = which.below(root, own_data.HIDDEN)
    listed = listing.of(root, paths, which.of(root, paths), asked)
    checked = checking.of(root, listed, asked)
    assert checked.faults == []
    out.mkdir()
    writing.write(root, out, listed, checked, asked)


def cleaned(data: Path) -> cleaning.Cleaned:
    """What cleaning says of a folder; that it did not succeed fails the test."""
    try:
        return cleaning.clean(data)
    except StageError as error:
        pytest.fail(str(error))


def is_clean(folder: Path, capsys) -> bool:
    """Whether neither files nor what was printed have the mark, or a part of it."""
    told = capsys.readouterr()
    found = dicoms.strings(folder) + (told.out + told.err).encode()
    return not any(part in found for part in (MARK.encode(), MARK.encode("utf-16-le"), b"Planted", b"Mark"))


def ingested(folder: Path) -> None:
    """Ingest and validate of the data in a folder."""
    pipelines.lay_out(folder)
    assert pipelines.run(folder, "ingest", "validate") == [0, 0]


def write_pairs(root: Path, write, ending: str) -> None:
    """Two folders of volumes with equal names."""
    for kind in ("images", "labels"):
        (root / kind).mkdir(parents=True)
    for number in range(3):
        image, label_map = phantoms.pair(number)
        write(image, root / f"images/a{number}{ending}")
        write(label_map, root / f"labels/a{number}{ending}")


@pytest.mark.requirement("SRS-DATA-6")
def test_the_marks_are_there_and_found_by_the_checks_of_headers(tmp_path):
    write_pairs(tmp_path, marked_nifti, ".nii.gz")
    path = tmp_path / "images/a0.nii.gz"
    decoded, _ = volumes.open_file(path)
    texts = decoded.free_text | headers.analyze_text(path.read_bytes())
    found = {place.split(":")[0] for place in headers.identifying_text(decoded.volume, texts)}
    assert {*NIFTI_TEXT, "extension", "gzip"} <= found
    assert MARK.encode() in dicoms.strings(tmp_path)


@pytest.mark.requirement("SRS-DATA-6")
@pytest.mark.parametrize(
    ("ending", "write"),
    [(".nii.gz", marked_nifti), (".nrrd", marked_text_header), (".mha", marked_text_header)],
)
def test_volumes_of_another_layout_are_cleaned_as_they_are_converted(tmp_path, capsys, ending, write):
    write_pairs(tmp_path / "in", write, ending)
    marked_beside(tmp_path / "in")
    converted(tmp_path / "in", tmp_path / "data", is_cleaned=True)
    phantoms.write_subjects(tmp_path / "data", {f"a{number}": f"S{number}" for number in range(3)})
    assert is_clean(tmp_path / "data", capsys)
    for number in range(3):
        image, label_map = phantoms.pair(number)
        for volume, kind in ((image, "imagesTr"), (label_map, "labelsTr")):
            kept = volumes.read(tmp_path / f"data/{kind}/a{number}.nii.gz")
            assert np.array_equal(volumes.array_zyx(kept), volumes.array_zyx(volume))


@pytest.mark.requirement("SRS-DATA-6")
def test_a_folder_with_dataset_json_is_cleaned_as_it_is_copied(tmp_path, capsys):
    data = tmp_path / "study/data"
    ids = phantoms.write_dataset(data, 10)
    before = {}
    for case_id in ids:
        for kind in ("imagesTr", "labelsTr"):
            path = data / kind / f"{case_id}.nii.gz"
            volume = volumes.read(path)
            before[kind, case_id] = volumes.array_zyx(volume), volume.GetDirection(), volume.GetOrigin()
            marked_nifti(volume, path)
    marked_beside(data)
    done = cleaned(data)
    assert (done.volumes, done.identified, done.left_behind) == (20, 20, 2)
    for (kind, case_id), (array, direction, origin) in before.items():
        kept = volumes.read(data / kind / f"{case_id}.nii.gz")
        assert np.array_equal(volumes.array_zyx(kept), array)
        assert np.allclose(kept.GetDirection() + kept.GetOrigin(), direction + origin, atol=1e-4)
    ingested(tmp_path / "study")
    assert is_clean(tmp_path / "study/data", capsys)
    assert is_clean(tmp_path / "study/build", capsys)


@pytest.mark.requirement("SRS-DATA-6")
def test_a_folder_that_is_not_cleaned_is_refused_without_repeating_the_text(tmp_path, capsys):
    phantoms.write_dataset(tmp_path / "data", 10)
    path = tmp_path / "data/imagesTr/phantom_00.nii.gz"
    marked_nifti(volumes.read(path), path)
    pipelines.lay_out(tmp_path)
    assert pipelines.run(tmp_path, "ingest", "validate") == [0, 1]
    told = capsys.readouterr()
    assert "phantom_00" in told.err
    assert "descrip: a person's name" in told.err
    assert "Planted" not in told.err + told.out
    assert "Planted" not in dicoms.strings(tmp_path / "build").decode("latin-1")


@pytest.mark.requirement("SRS-DATA-6")
@pytest.mark.parametrize(("image", "label_map"), [(".png", ".png"), (".jpg", ".png"), (".tif", ".tif")])
def test_pictures_leave_their_texts_behind(tmp_path, capsys, image, label_map):
    rng = np.random.default_rng(0)
    for number in range(3):
        values = rng.integers(0, 255, (20, 24, 3)).astype(np.uint8)
        labels = np.zeros((20, 24), np.uint8)
        labels[4:9, 5:12] = 255
        marked_picture(values, tmp_path / f"in/images/a{number}{image}")
        marked_picture(labels, tmp_path / f"in/labels/a{number}{label_map}")
    marked_beside(tmp_path / "in")
    assert not is_clean(tmp_path / "in", capsys)
    converted(tmp_path / "in", tmp_path / "data")
    assert is_clean(tmp_path / "data", capsys)


@pytest.mark.requirement("SRS-DATA-6")
def test_arrays_leave_other_arrays_behind(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    images = np.random.default_rng(0).integers(0, 255, (3, 20, 24)).astype(np.uint8)
    names = np.array([MARK] * 3)
    np.savez(
        tmp_path / "in/set.npz", train_images=images, train_masks=(images > 200).astype(np.uint8), names=names
    )
    converted(tmp_path / "in", tmp_path / "data")
    assert is_clean(tmp_path / "data", capsys)


@pytest.mark.requirement("SRS-DATA-6")
def test_no_text_of_any_element_of_dicom_comes_along(tmp_path, capsys):
    files = dicoms.slices()
    inner = Dataset()
    for tag, (vr, _, _, retired, keyword) in sorted(DicomDictionary.items()):
        if (
            vr in TEXT_VRS and keyword and not retired and tag >> 16 > 2
        ):  # neither of commands nor of the file
            setattr(inner, keyword, MARK)
    for data in files:
        for element in inner:
            data.add(element)
        data.PatientBirthDate = data.ContentDate = "19500102"
        data.RequestAttributesSequence = pydicom.Sequence([inner])
        block = data.private_block(0x0011, MARK, create=True)
        block.add_new(0x01, "LO", MARK)
        data.add_new(0x60000010, "US", 4)
        data.add_new(0x60000022, "LO", MARK)
    tree = dicoms.write(tmp_path / "tree", files)
    (tmp_path / "out").mkdir()
    with Child(Limits()) as reader:
        made = conversion.convert(
            tree, tmp_path / "out", Request(name="phantom", labels=(), unlabelled="keep"), reader
        )
    assert len(made.cases) == 1
    assert len(inner) > 300
    (tmp_path / "out/record.txt").write_text(repr(made))
    assert is_clean(tmp_path / "out", capsys)
    assert b"1950" not in dicoms.strings(tmp_path / "out")


@pytest.mark.requirement("SRS-DATA-6")
@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("DOB", "zq7", "column 'DOB' is called as what says who a person is"),
        ("patient_name", "zq7", "column 'patient_name' is called"),
        ("scan", "2020-03-04", "column 'scan': 10 cells hold a date"),
        ("scan", "20200304", "column 'scan': 10 cells hold a date"),
        ("reader", MARK, "column 'reader': 10 cells hold a person's name"),
        ("contact", "planted@mark.org", "column 'contact': 10 cells hold an e-mail address"),
    ],
)
def test_a_table_that_says_who_somebody_is_is_refused_without_repeating_it(tmp_path, column, cell, expected):
    phantoms.write_dataset(tmp_path, 10)
    first, *lines = (tmp_path / "cases.csv").read_text().splitlines()
    (tmp_path / "cases.csv").write_text(
        "\n".join([f"{first},{column}", *(f"{line},{cell}" for line in lines)])
    )
    with pytest.raises(StageError) as caught:
        formats.read_dataset(tmp_path)
    assert expected in str(caught.value)
    assert cell not in str(caught.value)


@pytest.mark.parametrize("column", ["age", "sex", "site", "scanner_name", "year", "filename"])
def test_what_cases_are_compared_by_passes(tmp_path, column):
    phantoms.write_dataset(tmp_path, 10)
    text = (tmp_path / "cases.csv").read_text().replace("site", column)
    (tmp_path / "cases.csv").write_text(text)
    assert len(formats.read_dataset(tmp_path).cases) == 10


def test_ids_that_look_like_dates_are_said_and_stop_nothing(tmp_path):
    phantoms.write_dataset(tmp_path, 10)
    text = (tmp_path / "cases.csv").read_text().replace("subject_02", "s-20200304")
    (tmp_path / "cases.csv").write_text(text)
    (note,) = formats.read_dataset(tmp_path).notes
    assert note.startswith("1 of 10 cases have a subject_id that holds a date")
    assert "20200304" not in note
