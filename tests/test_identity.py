"""Identity: the manifest is that of `sha256sum`, and every difference is named at once."""

import os
import subprocess

import numpy as np
import pytest

from radiotrace.errors import StageError
from radiotrace.imaging import identity
from tests import phantoms

# `printf one | sha256sum`
SHA256_OF_ONE = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder data/ with three files, seen from its parent, and its manifest."""
    for name in ("one", "two", "sub/three with a space"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text(name.split("/")[-1].split(" ")[0])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.sha256").write_text(identity.manifest("data"))
    return tmp_path


def faults() -> list[str]:
    with pytest.raises(StageError) as error:
        identity.check_manifest("data", "data.sha256")
    return error.value.findings


def test_a_manifest_has_a_line_for_each_file_sorted_by_path(project):
    assert [line[66:] for line in identity.manifest("data").splitlines()] == [
        "data/one",
        "data/sub/three with a space",
        "data/two",
    ]


def test_a_line_of_the_manifest_has_the_digest_of_sha256sum(project):
    assert identity.manifest("data").splitlines()[0] == f"{SHA256_OF_ONE}  data/one"


def test_sha256sum_accepts_the_manifest(project):
    assert subprocess.run(["sha256sum", "--strict", "-c", "data.sha256"], capture_output=True).returncode == 0


def test_sha256sum_finds_what_the_manifest_finds(project):
    (project / "data/two").write_text("2")
    assert subprocess.run(["sha256sum", "--strict", "-c", "data.sha256"], capture_output=True).returncode == 1


@pytest.mark.requirement("SRS-DATA-1")
def test_an_unchanged_folder_agrees_with_its_manifest(project):
    assert identity.check_manifest("data", "data.sha256") is None


@pytest.mark.requirement("SRS-DATA-1")
def test_changed_missing_and_extra_files_are_named_at_once(project):
    (project / "data/one").write_text("1")
    (project / "data/two").unlink()
    (project / "data/sub/four").write_text("four")
    assert [fault.split(",")[0] for fault in faults()] == [
        "data/one: changed",
        "data/two: missing",
        "data/sub/four: not in the manifest",
    ]


def test_a_changed_file_shows_both_digests(project):
    (project / "data/one").write_text("two")
    two = identity.manifest("data").splitlines()[2][:12]
    assert faults() == [f"data/one: changed, SHA-256 found {two}…, expected {SHA256_OF_ONE[:12]}…"]


@pytest.mark.requirement("SRS-DATA-1")
def test_a_renamed_file_is_missing_and_extra(project):
    (project / "data/one").rename(project / "data/ONE")
    assert faults() == ["data/one: missing", "data/ONE: not in the manifest"]


@pytest.mark.requirement("SRS-DATA-1")
def test_swapped_contents_are_two_changes(project):
    (project / "data/one").write_text("two")
    (project / "data/two").write_text("one")
    assert len(faults()) == 2


@pytest.mark.parametrize("make", [True, False], ids=["empty", "missing"])
def test_a_folder_without_files_is_refused(tmp_path, make):
    if make:
        (tmp_path / "data/imagesTr").mkdir(parents=True)
    with pytest.raises(StageError, match=r"^0 files in "):
        identity.manifest(tmp_path / "data")


def test_a_hidden_file_counts(project):
    (project / "data/.DS_Store").write_text("")
    assert faults() == ["data/.DS_Store: not in the manifest"]


def test_a_link_that_points_nowhere_is_named(project):
    (project / "data/four").symlink_to("nowhere")
    with pytest.raises(StageError, match=r"data/four"):
        identity.check_manifest("data", "data.sha256")


@pytest.mark.parametrize("text", ["not a manifest\n", "abc  data/one\n", "{}"])
def test_a_file_that_is_no_manifest_is_named(project, text):
    (project / "data.sha256").write_text(text)
    with pytest.raises(StageError, match=r"data.sha256 is not a manifest"):
        identity.check_manifest("data", "data.sha256")


def test_a_missing_manifest_is_named(project):
    (project / "data.sha256").unlink()
    with pytest.raises(StageError, match=r"data.sha256 is not a manifest"):
        identity.check_manifest("data", "data.sha256")


def test_an_empty_manifest_agrees_with_no_data(project):
    (project / "data.sha256").write_text("")
    assert len(faults()) == 3


# Voxels

VALUES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def digest(array_zyx, **geometry) -> str:
    return identity.voxels_sha256(phantoms.volume(array_zyx, **geometry))


@pytest.mark.parametrize("pixel_type", [np.int16, np.float32, np.float64])
def test_voxels_of_another_pixel_type_are_the_same(pixel_type):
    assert digest(VALUES.astype(pixel_type)) == digest(VALUES)


@pytest.mark.parametrize(
    "geometry",
    [{"origin": (1.0, 2.0, 3.0)}, {"spacing": (1.0, 1.0, 1.0)}, {"direction": (1, 0, 0, 0, 1, 0, 0, 0, 1)}],
    ids=["origin", "spacing", "direction"],
)
def test_voxels_elsewhere_in_the_world_are_the_same(geometry):
    assert digest(VALUES, **geometry) == digest(VALUES)


@pytest.mark.parametrize("shape", [(4, 3, 2), (3, 2, 4), (1, 6, 4)])
def test_the_same_values_in_another_shape_are_other_voxels(shape):
    assert digest(VALUES.reshape(shape)) != digest(VALUES)


def test_one_other_value_makes_other_voxels():
    other = VALUES.astype(np.float32)
    other[1, 2, 3] += 1e-5
    assert digest(other) != digest(VALUES)


def test_minus_zero_is_zero():  # a masked float image holds -0.0 where its uint8 copy holds 0
    assert digest(np.full((2, 3, 4), -0.0, np.float32)) == digest(np.zeros((2, 3, 4), np.uint8))


# Names and changes


@pytest.mark.parametrize("name", ["line\nbreak", "red\x1b[31m", "right\u202eleft"])
def test_a_file_whose_name_no_line_can_hold_is_refused(project, name):
    (project / "data" / name).touch()
    with pytest.raises(StageError) as error:
        identity.manifest("data")
    assert error.value.findings == [f"data/{name}"]
    assert len(str(error.value).splitlines()) == 3


def test_a_file_whose_name_is_not_utf_8_is_refused(project):
    (project / "data" / os.fsdecode(b"\xff.nii")).touch()
    with pytest.raises(StageError, match="1 names of files"):
        identity.manifest("data")


@pytest.mark.requirement("SRS-DATA-1")
def test_bytes_that_were_read_and_are_not_those_of_the_manifest_are_named(project):
    assert identity.check_read("data", "data.sha256", {"one": SHA256_OF_ONE}) is None
    with pytest.raises(StageError) as error:
        identity.check_read(
            "data", "data.sha256", {"one": SHA256_OF_ONE, "two": SHA256_OF_ONE, "new": SHA256_OF_ONE}
        )
    read = f"SHA-256 read {SHA256_OF_ONE[:12]}…"
    assert [finding.split(",")[0] for finding in error.value.findings] == [f"new: {read}", f"two: {read}"]
