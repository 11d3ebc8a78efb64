"""archives: a ZIP of images is unpacked; one that leads elsewhere, is damaged or is too large is refused."""

import stat
import zipfile

import pytest

from radiotrace.imaging import archives


def written(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_files_come_out_below_a_new_folder(tmp_path):
    path = written(tmp_path / "a.zip", **{"one.nii": b"1", "folder/two.nii": b"22"})
    archives.unpack(path, tmp_path / "out")
    assert (tmp_path / "out/one.nii").read_bytes() == b"1"
    assert (tmp_path / "out/folder/two.nii").read_bytes() == b"22"


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "C:x", "a\\x"])
def test_names_that_lead_out_are_refused_before_anything_is_written(tmp_path, name):
    path = written(tmp_path / "a.zip", **{"good.nii": b"1", name: b"2"})
    with pytest.raises(archives.Refused, match="a name that leads out of it"):
        archives.unpack(path, tmp_path / "out")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.zip"]


def test_links_are_refused(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(archives.Refused, match="a link"):
        archives.unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_name_of_two_files_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("x", b"2")
    with pytest.raises(archives.Refused, match="stands twice"):
        archives.unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_file_below_a_file_is_refused(tmp_path):
    path = written(tmp_path / "a.zip", **{"x": b"1", "x/y": b"2"})
    with pytest.raises(archives.Refused, match="a file and of a folder"):
        archives.unpack(path, tmp_path / "out")


def test_an_encrypted_member_is_refused(tmp_path):
    path = written(tmp_path / "a.zip", x=b"1" * 100)
    content = bytearray(path.read_bytes())
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(mark) + at] |= archives.ENCRYPTED
    path.write_bytes(content)
    with pytest.raises(archives.Refused, match="is encrypted"):
        archives.unpack(path, tmp_path / "out")


def test_more_than_is_unpacked_is_refused_by_what_it_declares(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "BYTES_MAX", 1000)
    path = written(tmp_path / "a.zip", x=b"0" * 600, y=b"0" * 600)
    with pytest.raises(archives.Refused, match="declares more than 1000 bytes"):
        archives.unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_more_files_than_are_unpacked_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "FILES_MAX", 2)
    path = written(tmp_path / "a.zip", **dict.fromkeys("abc", b""))
    with pytest.raises(archives.Refused, match="holds 3 files, at most 2"):
        archives.unpack(path, tmp_path / "out")


DAMAGE = {
    "cut": lambda content: content[:-30],
    "nothing": lambda content: b"PK\3\4nothing",
    "within": lambda content: content[:60] + b"\xff\xff\xff" + content[63:],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_archive_is_refused(tmp_path, damage):
    path = written(tmp_path / "a.zip", x=bytes(range(256)) * 50)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(archives.Refused, match="no ZIP archive that can be read"):
        archives.unpack(path, tmp_path / "out")
