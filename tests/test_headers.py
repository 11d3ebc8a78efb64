"""Headers: identifying text is found and not repeated; ordinary software leaves no alarm."""

import time

import numpy as np
import pytest
import SimpleITK as sitk

from radiotrace.imaging import content, headers, volumes
from tests import phantoms

NAME, DATE = "a person's name", "a date"
NUMBER, MARK = "a number of six digits or more", "a mark of identity (DOB, MRN, SSN)"
OFFSETS = {"descrip": 148, "aux_file": 228}  # bytes 148-227 and 228-251 of a NIfTI-1 header (nifti1.h)


def with_text(text: str, key: str = "descrip") -> sitk.Image:
    volume = phantoms.volume(phantoms.label_array())
    volume.SetMetaData(key, text)
    return volume


@pytest.mark.requirement("SRS-DATA-6")
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("DOE^JANE", NAME),
        ("Patient: Smith", NAME),
        ("name=smith", NAME),
        ("Mr Smith", NAME),
        ("Mrs. Smith", NAME),
        ("Dr. Jones", NAME),
        ("19800131", DATE),
        ("1980-01-31", DATE),
        ("31.01.1980", DATE),
        ("1/31/1980", DATE),
        ("acquired 2019/12/24", DATE),
        ("123456789", NUMBER),
        ("ID:654321", NUMBER),
        ("DOB 1/2/80", MARK),
        ("mrn A12", MARK),
        ("SSN", MARK),
        ("date of birth", MARK),
    ],
)
def test_identifying_text_is_found(text, kind):
    assert f"descrip: {kind}" in headers.identifying_text(with_text(text))


@pytest.mark.parametrize("text", ["DOE^JANE", "19800131", "123456789", "DOB 1/2/80", "Patient: Smith"])
def test_the_text_itself_is_not_in_the_answer(text):
    assert text not in " ".join(headers.identifying_text(with_text(text)))


def test_several_kinds_in_several_places_are_all_named_and_sorted():
    volume = with_text("DOE^JANE 19800131")
    volume.SetMetaData("aux_file", "123456789")
    assert headers.identifying_text(volume) == [
        f"aux_file: {NUMBER}",
        f"descrip: {DATE}",
        f"descrip: {NUMBER}",
        f"descrip: {NAME}",
    ]


@pytest.mark.requirement("SRS-DATA-6")
@pytest.mark.parametrize(
    "key",
    [
        "aux_file",
        "intent_name",
        "db_name",
        "ITK_FileNotes",
        "Comment",
        "PatientID",
        "0010|0010",
        "patient_birth",
    ],
)
def test_every_place_of_free_text_is_looked_at(key):
    assert headers.identifying_text(with_text("DOE^JANE", key)) == [f"{key}: {NAME}"]


@pytest.mark.parametrize("key", OFFSETS)
def test_text_in_the_bytes_of_a_nifti_header_is_found(tmp_path, key):
    sitk.WriteImage(phantoms.volume(phantoms.label_array()), str(tmp_path / "volume.nii"))
    content = bytearray((tmp_path / "volume.nii").read_bytes())
    content[OFFSETS[key] : OFFSETS[key] + 8] = b"DOE^JANE"
    (tmp_path / "volume.nii").write_bytes(content)
    assert f"{key}: {NAME}" in headers.identifying_text(volumes.read(tmp_path / "volume.nii"))


# What FSL, SPM, FreeSurfer, dcm2niix and ITK write into descrip
@pytest.mark.parametrize(
    "text",
    [
        "5.0.10",
        "none",
        "FSL5.0",
        "6.0.5:9e026117",
        "FSL4.0",
        "spm - realigned",
        "SPM12: 3D to 4D",
        "FreeSurfer May 13 2013",
        "mri_convert",
        "TE=2.9;Time=101530.000",
        "TE=2.9;sec=38000.1250",
        "TE=30;Time=93042.265;phase=1",
        "4D image",
        "NIfTI-1 patient space",
        "MR image",
        "",
    ],
)
def test_what_ordinary_software_writes_is_no_alarm(text):
    assert headers.identifying_text(with_text(text)) == []


@pytest.mark.parametrize("ending", ["nii.gz", "nrrd", "mha"])
def test_a_file_that_itk_wrote_has_no_identifying_text(tmp_path, ending):
    sitk.WriteImage(phantoms.volume(phantoms.label_array()), str(tmp_path / f"volume.{ending}"))
    assert headers.identifying_text(volumes.read(tmp_path / f"volume.{ending}")) == []


# long numbers, but in technical fields
def test_numbers_of_the_geometry_are_not_read_as_identity(tmp_path):
    sitk.WriteImage(
        phantoms.volume(np.ones((3, 4, 5), np.float32), origin=(1234567.0, -7654321.0, 19800131.0)),
        str(tmp_path / "volume.nii"),
    )
    assert headers.identifying_text(volumes.read(tmp_path / "volume.nii")) == []


def test_a_header_without_text_gives_nothing():
    assert headers.identifying_text(phantoms.volume(phantoms.label_array())) == []


@pytest.mark.parametrize(
    "text", ["y" * 10**6, "1." * 5 * 10**5, "name " * 2 * 10**5, " " * 10**6, "19800131" * 10**5 + "^"]
)
def test_a_megabyte_of_anything_is_searched_in_a_second(text):
    begin = time.process_time()
    headers.identifying_text(phantoms.volume(phantoms.label_array()), {"comment": text})
    assert time.process_time() - begin < 1


NRRD, META = (
    "NRRD0004\ntype: uchar\n{}\nencoding: raw\n\n\x00\x01",
    "ObjectType = Image\n{}\nElementDataFile = LOCAL\n\x00\x01",
)


@pytest.mark.requirement("SRS-SEC-1")
@pytest.mark.parametrize(
    ("form", "line"),
    [
        (NRRD, 'space units: "um" "um" "um"'),
        (NRRD, 'units: "mm" "mm" "cm"'),
        (NRRD, 'Space Units: "m" "m" "m"'),
        (META, "DistanceUnits = um"),
        (META, "DistanceUnits = cm"),
    ],
)
def test_lengths_in_another_unit_than_mm_are_refused(form, line):
    with pytest.raises(content.VolumeError, match="expected mm"):
        headers.check_unit(form.format(line).encode())


@pytest.mark.requirement("SRS-SEC-1")
@pytest.mark.parametrize(
    ("form", "line"),
    [
        (NRRD, 'space units: "mm" "mm" "mm"'),
        (NRRD, 'units: "millimeters" "" "???"'),
        (NRRD, "sizes: 1 1 2"),
        (META, "DistanceUnits = mm"),
        (META, "DistanceUnits = ?"),
        (META, "NDims = 3"),
    ],
)
def test_lengths_in_mm_or_in_no_unit_pass(form, line):
    assert headers.check_unit(form.format(line).encode()) is None


def test_what_voxels_look_like_is_no_unit():
    assert headers.check_unit(NRRD.format("sizes: 1 1 2").encode() + b'\nunits: "um"') is None
    assert headers.check_unit(META.format("NDims = 3").encode() + b"\nDistanceUnits = um\n") is None
