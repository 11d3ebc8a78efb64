"""download: public data sets from servers of this machine that speak as theirs do, and as they should not.

What is behind the addresses of the catalogue is asked by nobody here: no test opens a connection elsewhere.
"""

import datetime
import hashlib
import importlib.util
import io
import ipaddress
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from radiotrace import records
from radiotrace.__main__ import main
from radiotrace.commands import download as command
from radiotrace.download import bring, buckets, catalogue, http, unpacking
from radiotrace.download.errand import Request
from radiotrace.download.folder import Folder
from radiotrace.errors import StageError
from radiotrace.records.download_catalogue import (
    BucketSeries,
    DataSet,
    Lookalike,
    NbiaCollection,
    PlainFile,
    RepositoryRecord,
)
from tests import servers
from tests.servers import Resource, md5

ROOT = Path(__file__).resolve().parent.parent
CONTENT = bytes(range(256)) * 4000  # 1 MB, of several pieces
PATIENCE = http.Patience(timeout_s=0.5, attempts=3, pause_s=0)
HOST = "https://data.example.org"
SERIES = ("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222")
NBIA = "/nbia-api/services/v1/"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    servers.no_network(monkeypatch)


@pytest.fixture
def server():
    made = servers.Server()
    yield made
    made.close()


@pytest.fixture
def into(tmp_path):
    return Folder(tmp_path / "set")


def data_set(name="set", **fields):
    fields = {"licence": "CC BY 4.0", "hosts": ("data.example.org",), "bytes_max": 10**8} | fields
    return DataSet(name, "A set", "tests", "Nobody 2026", f"{HOST}/about", "inspect", **fields)


def of_file(content=CONTENT, **fields):
    return data_set(files=(PlainFile("a.npz", f"{HOST}/files/a.npz?download=1", md5(content), **fields),))


def brought(one, server, into, patience=PATIENCE, **asked):
    return bring.bring(one, Request(base_url=server.url, **asked), into, patience)


def refusal(one, server, into, **asked):
    with pytest.raises(StageError) as caught:
        brought(one, server, into, **asked)
    return str(caught.value)


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# One file


def test_a_file_comes_with_its_licence_and_its_hash(server, into):
    server.resources["/files/a.npz"] = CONTENT
    made = brought(of_file(), server, into)
    assert files_in(into.path) == ["LICENCE.txt", "data/a.npz", "download.json", "files.sha256"]
    assert (into.data / "a.npz").read_bytes() == CONTENT
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    assert (into.path / "files.sha256").read_text() == f"{sha256}  a.npz\n"
    assert "Licence: CC BY 4.0\n" in (into.path / "LICENCE.txt").read_text()
    assert made.is_new
    assert made.record.held_against.list == 1
    assert server.asked == [("/files/a.npz?download=1", None)]


def test_the_same_download_leaves_the_same_bytes(server, into, tmp_path):
    server.resources["/files/a.npz"] = CONTENT
    other = Folder(tmp_path / "other")
    for folder in (into, other):
        brought(of_file(), server, folder)
    for name in files_in(into.path):
        assert (into.path / name).read_bytes() == (other.path / name).read_bytes()


def test_a_second_run_asks_for_nothing(server, into):
    server.resources["/files/a.npz"] = CONTENT
    brought(of_file(), server, into)
    server.asked.clear()
    assert not brought(of_file(), server, into).is_new
    assert server.asked == []


def test_a_file_that_was_changed_is_brought_again(server, into, capsys):
    server.resources["/files/a.npz"] = CONTENT
    brought(of_file(), server, into)
    (into.data / "a.npz").write_bytes(b"other")
    assert brought(of_file(), server, into).is_new
    assert (into.data / "a.npz").read_bytes() == CONTENT
    assert "1 files are missing, or not as they came:\n  a.npz\n" in capsys.readouterr().err


def test_a_wrong_hash_leaves_no_file_and_says_both(server, into):
    server.resources["/files/a.npz"] = b"another file"
    said = refusal(of_file(), server, into)
    assert f"a.npz: found MD5 {md5(b'another file')}, expected {md5(CONTENT)}\n" in said
    assert not into.path.exists()


def test_a_file_that_is_known_to_circulate_is_named(server, into):
    lookalikes = (Lookalike(md5(b"damaged"), "a damaged copy: 388 of 1,214"),)
    server.resources["/files/a.npz"] = b"damaged"
    assert "; it is a damaged copy: 388 of 1,214" in refusal(of_file(lookalikes=lookalikes), server, into)


def test_a_file_that_lies_there_and_is_another_one_is_named_and_replaced(server, into, capsys):
    into.data.mkdir(parents=True)
    (into.data / "a.npz").write_bytes(b"damaged")
    server.resources["/files/a.npz"] = CONTENT
    brought(of_file(lookalikes=(Lookalike(md5(b"damaged"), "a damaged copy"),)), server, into)
    assert "what lies there is another file, and is replaced" in capsys.readouterr().err
    assert (into.data / "a.npz").read_bytes() == CONTENT


def test_a_file_that_people_put_there_and_that_holds_is_not_asked_for(server, into):
    into.data.mkdir(parents=True)
    (into.data / "a.npz").write_bytes(CONTENT)
    brought(of_file(), server, into)
    assert server.asked == []


def test_a_short_body_is_gone_on_with(server, into):
    server.resources["/files/a.npz"] = Resource(CONTENT, cut=[300_000, 300_000])
    brought(of_file(), server, into)
    assert [asked for _, asked in server.asked] == [None, "bytes=300000-", "bytes=600000-"]
    assert (into.data / "a.npz").read_bytes() == CONTENT


def test_a_body_that_is_short_each_time_ends(server, into):
    server.resources["/files/a.npz"] = Resource(CONTENT, cut=[100] * 9, ranges=False)
    said = refusal(of_file(), server, into)
    assert said.endswith("what came stays, and is gone on with when it is run again")
    assert len(server.asked) == 3
    assert not into.data.exists()


def test_where_range_is_ignored_it_begins_again(server, into):
    server.resources["/files/a.npz"] = Resource(CONTENT, cut=[300_000], ranges=False)
    brought(of_file(), server, into)
    assert [asked for _, asked in server.asked] == [None, "bytes=300000-"]
    assert (into.data / "a.npz").read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_not_glued_together(server, into):
    newer = CONTENT[::-1]
    server.resources["/files/a.npz"] = Resource(CONTENT, cut=[300_000] * 9)
    with pytest.raises(StageError, match="what came stays"):
        brought(of_file(newer), server, into, http.Patience(0.5, 1, 0))
    server.resources["/files/a.npz"] = newer  # with another ETag, so that If-Range does not fit
    brought(of_file(newer), server, into)
    assert (into.data / "a.npz").read_bytes() == newer


def test_without_hash_and_without_version_nothing_is_resumed(server, into):
    one = data_set(files=(PlainFile("a.npz", f"{HOST}/files/a.npz"),))
    server.resources["/files/a.npz"] = Resource(CONTENT, cut=[300_000], etag=False)
    brought(one, server, into)
    assert [asked for _, asked in server.asked] == [None, None]


def test_a_file_that_is_gone_is_said_at_once(server, into):
    said = refusal(of_file(), server, into)
    assert "answers 404 to /files/a.npz (there is no such file; has it moved?)" in said
    assert len(server.asked) == 1
    assert not into.path.exists()


def test_a_busy_server_is_asked_again(server, into):
    server.resources["/files/a.npz"] = Resource(CONTENT, statuses=[503, 429])
    brought(of_file(), server, into)
    assert len(server.asked) == 3


def test_a_busy_server_says_how_long_to_wait(server, into):
    server.resources["/files/a.npz"] = Resource(CONTENT, statuses=[503], headers={"Retry-After": "7"})
    waited = []
    client = http.Client(frozenset({server.url.removeprefix("http://")}), PATIENCE, waited.append)
    client.fetch(http.Wanted(f"{server.url}/files/a.npz", "a.npz", 10**8), into.path / "a.npz")
    assert waited == [7]


def test_a_stall_ends_after_the_timeout(server, into):
    server.resources["/files/a.npz"] = Resource(CONTENT, stall_s=5)
    started = time.monotonic()
    with pytest.raises(StageError, match=r"said nothing for 0\.2 s"):
        brought(of_file(), server, into, http.Patience(timeout_s=0.2, attempts=2, pause_s=0))
    assert time.monotonic() - started < 3


def test_a_redirect_to_a_host_that_is_not_listed_is_refused(server, into):
    other = servers.Server()
    other.resources["/a.npz"] = CONTENT
    server.resources["/files/a.npz"] = Resource(b"", [302], headers={"Location": f"{other.url}/a.npz"})
    said = refusal(of_file(), server, into)
    other.close()
    place = other.url.removeprefix("http://")
    assert f"leads to {place}, which is not listed: {server.url.removeprefix('http://')}" in said
    assert other.asked == []


def test_a_redirect_on_the_same_host_is_followed(server, into):
    server.resources["/files/a.npz"] = Resource(b"", [302], headers={"Location": "/elsewhere/a.npz"})
    server.resources["/elsewhere/a.npz"] = CONTENT
    brought(of_file(), server, into)
    assert server.paths() == ["/files/a.npz", "/elsewhere/a.npz"]


def test_redirects_in_a_circle_end(server, into):
    server.resources["/files/a.npz"] = Resource(b"", [302] * 99, headers={"Location": "/files/a.npz"})
    assert "redirects more than 5 times" in refusal(of_file(), server, into)


@pytest.mark.parametrize(
    "url", ["http://data.example.org", "ftp://127.0.0.1", "https://user:secret@127.0.0.1", "//x", "127.0.0.1"]
)
def test_a_mirror_is_asked_by_https_unless_it_is_this_machine(into, url):
    with pytest.raises(StageError, match=r"^--base-url: ") as caught:
        bring.bring(of_file(), Request(base_url=url), into, PATIENCE)
    assert not into.path.exists()
    assert "data.example.org is to be asked by http; only https" in str(caught.value) or "http:" not in url


def test_a_redirect_to_plain_http_is_refused():
    with pytest.raises(http.Refused, match="by http; only https is taken"):
        http.place_of("http://data.example.org/a")


def test_a_declared_size_above_the_limit_is_refused_before_it_comes(server, into):
    server.resources["/files/a.npz"] = CONTENT
    one = data_set(files=(PlainFile("a.npz", f"{HOST}/files/a.npz"),), bytes_max=1000)
    assert "declares 1024000 bytes; at most 1000 are taken" in refusal(one, server, into)
    assert not into.path.exists()


def test_an_undeclared_size_above_the_limit_is_refused_as_it_comes(server, into):
    server.resources["/files/a.npz"] = Resource(CONTENT, declared=False)
    one = data_set(files=(PlainFile("a.npz", f"{HOST}/files/a.npz"),), bytes_max=300_000)
    assert "more than 300000 bytes come" in refusal(one, server, into)
    assert not into.path.exists()


def test_another_size_than_the_published_one_is_refused(server, into):
    server.resources["/files/a.npz"] = CONTENT
    assert "declares 1024000 bytes, expected 7" in refusal(of_file(bytes=7), server, into)


def test_a_file_without_published_hash_is_believed_and_the_next_one_held_against_it(server, into, tmp_path):
    one = data_set(files=(PlainFile("a.npz", f"{HOST}/files/a.npz"),))
    server.resources["/files/a.npz"] = CONTENT
    made = brought(one, server, into)
    assert made.record.held_against.nothing == 1
    assert bring.believed(made.record, into).startswith("1 of 1 files were believed as they came: no hash")
    (into.data / "a.npz").unlink()
    server.resources["/files/a.npz"] = b"another"
    said = refusal(one, server, into)
    expected = hashlib.sha256(CONTENT).hexdigest()
    assert f"expected {expected} of the earlier download" in said
    assert not (into.data / "a.npz").exists()
    earlier = catalogue.hashes(into.path / "files.sha256")
    other = Folder(tmp_path / "other")
    assert "of the earlier download" in refusal(one, server, other, earlier=earlier)
    server.resources["/files/a.npz"] = CONTENT
    held = brought(one, server, other, earlier=earlier).record
    assert held.held_against.earlier == 1
    assert bring.believed(held, other) is None


def test_no_network_is_one_line(into, monkeypatch):
    def unknown(*args, **kwargs):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(StageError) as caught:
        bring.bring(of_file(), Request(), into, PATIENCE)
    assert str(caught.value) == (
        "set: data.example.org is not found: no network, or no name server; nothing was written"
    )
    assert not into.path.exists()


def test_a_closed_port_is_said(server, into):
    server.close()
    assert "refuses the connection; nothing was written" in refusal(of_file(), server, into)


def test_a_full_disk_is_said_before(server, into, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10))
    server.resources["/files/a.npz"] = CONTENT
    said = refusal(of_file(bytes=len(CONTENT)), server, into)
    assert said.startswith("set needs 1.0 MB, and 10 bytes are free\nMake room")
    assert server.asked == []


def test_a_disk_that_fills_up_keeps_what_came(server, into, monkeypatch):
    server.resources["/files/a.npz"] = Resource(CONTENT, cut=[300_000])
    pieces = http._pieces

    def full(answer, timeout_s):
        for number, piece in enumerate(pieces(answer, timeout_s)):
            if number == 1:
                raise OSError(28, "No space left on device")
            yield piece

    monkeypatch.setattr(http, "_pieces", full)
    with pytest.raises(OSError, match="No space left"):
        brought(of_file(), server, into)
    there = (into.partial / "a.npz").stat().st_size
    assert 0 < there <= http.PIECE
    monkeypatch.setattr(http, "_pieces", pieces)
    server.resources["/files/a.npz"] = CONTENT
    brought(of_file(), server, into)
    assert server.asked[-1][1] == f"bytes={there}-"
    assert files_in(into.path) == ["LICENCE.txt", "data/a.npz", "download.json", "files.sha256"]


def test_two_downloads_into_one_folder_are_refused(server, into):
    with into.locked(), pytest.raises(StageError, match="another download goes on"):
        brought(of_file(), server, into)


def test_another_set_in_the_folder_is_refused(server, into):
    server.resources["/files/a.npz"] = CONTENT
    brought(of_file(), server, into)
    other = data_set("other", files=of_file().files)
    assert refusal(other, server, into).startswith(f"{into.path} has set, not other")


def test_hashes_that_were_edited_are_refused(server, into):
    server.resources["/files/a.npz"] = CONTENT
    brought(of_file(), server, into)
    (into.path / "files.sha256").write_text(f"{'0' * 64}  a.npz\n")
    assert "files.sha256 is not as the download left it" in refusal(of_file(), server, into)


def test_what_came_whole_before_is_not_asked_for_twice(server, into):
    server.resources["/files/a.npz"] = CONTENT
    into.partial.mkdir(parents=True)
    (into.partial / "a.npz").write_bytes(CONTENT)
    brought(of_file(), server, into)  # the server answers 416: it has no bytes beyond
    assert [asked for _, asked in server.asked] == [f"bytes={len(CONTENT)}-"]


def test_other_bytes_than_were_asked_for_are_not_appended(server, into):
    server.resources["/files/a.npz"] = Resource(CONTENT, cut=[300_000], shift=1000)
    brought(of_file(), server, into)
    assert [asked for _, asked in server.asked] == [None, "bytes=300000-", None]
    assert (into.data / "a.npz").read_bytes() == CONTENT


def test_a_weak_version_is_none_to_go_on_with(server, into):
    one = data_set(files=(PlainFile("a.npz", f"{HOST}/files/a.npz"),))
    server.resources["/files/a.npz"] = Resource(CONTENT, cut=[300_000], etag="W/")
    brought(one, server, into)
    assert [asked for _, asked in server.asked] == [None, None]


def test_an_encoded_file_is_refused(server, into):
    server.resources["/files/a.npz"] = Resource(CONTENT, headers={"Content-Encoding": "gzip"})
    assert "sends the file encoded, as gzip" in refusal(of_file(), server, into)


def test_no_password_of_a_netrc_goes_out(server, into, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.resources["/files/a.npz"] = CONTENT
    client = http.Client(frozenset({server.url.removeprefix("http://")}), PATIENCE)
    client.session.trust_env = True
    client.fetch(http.Wanted(f"{server.url}/files/a.npz", "a.npz", 10**8), tmp_path / "a.npz")
    assert "Authorization" not in server.headers


def test_only_a_certificate_that_holds_is_taken(tmp_path):
    certificate, key = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = servers.Server(context)
    server.resources["/a"] = CONTENT
    client = http.Client(frozenset({server.url.removeprefix("https://")}), PATIENCE)
    wanted = http.Wanted(f"{server.url}/a", "a", 10**8)
    with pytest.raises(http.Refused, match="a certificate that does not hold"):
        client.fetch(wanted, tmp_path / "a")
    assert server.asked == []
    client.session.verify = str(certificate)
    client.fetch(wanted, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    server.close()


def self_signed(folder):
    """A certificate of this machine, that nobody else vouches for, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address, now = ipaddress.ip_address("127.0.0.1"), datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(address)]), False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "certificate.pem", folder / "key.pem"


def test_a_connection_elsewhere_fails_these_tests():
    with pytest.raises(AssertionError, match="a connection to"), socket.socket() as connection:
        connection.connect(("192.0.2.1", 443))
    with pytest.raises(AssertionError, match="is looked up"):
        socket.getaddrinfo("data.example.org", 443)


# Archives


def tar_of(members, kind=tarfile.REGTYPE):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            if isinstance(data, str):
                entry.type, entry.linkname = kind, data
                archive.addfile(entry)
            else:
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def zip_of(members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def of_archive(content, kind="tar", **fields):
    url = f"{HOST}/files/a.{kind}"
    fields = {"md5": md5(content)} | fields
    return data_set(files=(PlainFile(f"a.{kind}", url, archive=kind, **fields),), go_on_with="T")


MEMBERS = {"T/dataset.json": b"{}", "T/imagesTr/a.nii.gz": b"image", "T/imagesTr/._a.nii.gz": b"finder"}


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_an_archive_is_unpacked_and_not_kept(server, into, kind):
    content = (tar_of if kind == "tar" else zip_of)(MEMBERS)
    server.resources[f"/files/a.{kind}"] = content
    made = brought(of_archive(content, kind), server, into).record
    assert files_in(into.data) == ["T/dataset.json", "T/imagesTr/a.nii.gz"]
    assert files_in(into.path)[0] == "LICENCE.txt"
    assert not into.partial.exists()
    assert made.held_against.list == 2
    (archive,) = made.archives
    assert (archive.path, archive.md5, archive.held_against) == (f"a.{kind}", md5(content), "list")
    server.asked.clear()
    assert not brought(of_archive(content, kind), server, into).is_new
    assert server.asked == []


HOSTILE = {
    "above": ({"T/a": b"1", "../b": b"2"}, None, "a name that leads out of it"),
    "above within": ({"T/../../b": b"2"}, None, "a name that leads out of it"),
    "absolute": ({"/b": b"2"}, None, "a name that leads out of it"),
    "link": ({"T/a": "/etc/passwd"}, tarfile.SYMTYPE, "a link"),
    "hard link": ({"T/a": "T/b"}, tarfile.LNKTYPE, "a link"),
    "device": ({"T/a": ""}, tarfile.CHRTYPE, "a device"),
    "pipe": ({"T/a": ""}, tarfile.FIFOTYPE, "a device"),
}


@pytest.mark.parametrize("case", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_tar_is_refused_and_nothing_stays(server, into, tmp_path, case):
    members, kind, text = case
    content = tar_of(members, kind)
    server.resources["/files/a.tar"] = content
    assert f"a.tar holds {text}" in refusal(of_archive(content), server, into)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../b", "/b", "a\\b"])
def test_a_hostile_zip_is_refused_and_nothing_stays(server, into, tmp_path, name):
    content = zip_of({"T/a": b"1", name: b"2"})
    server.resources["/files/a.zip"] = content
    assert "a.zip holds a name that leads out of it" in refusal(of_archive(content, "zip"), server, into)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_bomb_is_refused(server, into, monkeypatch, kind):
    monkeypatch.setattr(unpacking, "BYTES_MIN", 1000)
    content = zip_of({"a": b"0" * 10**6})
    if kind == "tar":
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            entry = tarfile.TarInfo("a")
            entry.size = 10**6
            archive.addfile(entry, io.BytesIO(b"0" * 10**6))
        content = packed.getvalue()
    server.resources[f"/files/a.{kind}"] = content
    said = refusal(of_archive(content, kind), server, into)
    assert "more than" in said
    assert not into.path.exists()


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_damaged_archive_is_refused(server, into, kind):
    content = b"no archive" * 100
    server.resources[f"/files/a.{kind}"] = content
    assert "that can be read" in refusal(of_archive(content, kind), server, into)
    assert not into.path.exists()


def test_a_name_twice_in_a_tar_is_refused(server, into):
    content = tar_of({"a": b"1"})[:1024] + tar_of({"a": b"2"})
    server.resources["/files/a.tar"] = content
    assert "a name in it stands twice" in refusal(of_archive(content), server, into)


def listed_zip(monkeypatch, tmp_path, members, **expected):
    """An archive that has no hash, and a list of its files that has."""
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in expected.items()]
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/a.sha256").write_text("".join(lines))
    monkeypatch.setattr(catalogue, "LISTS", tmp_path / "lists")
    return of_archive(zip_of(members), "zip", md5=None, inside="T", list="a.sha256")


def test_an_archive_without_hash_is_held_file_by_file(server, into, monkeypatch, tmp_path, capsys):
    members = {"T/one": b"1", "T/two": b"2", "T/further": b"3"}
    one = listed_zip(monkeypatch, tmp_path, members, one=b"1", two=b"2")
    server.resources["/files/a.zip"] = zip_of(members)
    made = brought(one, server, into).record
    assert files_in(into.data) == ["one", "two"]
    assert made.held_against.list == 2
    assert made.archives[0].held_against == "list"
    assert "1 files of a.zip are not listed: left out" in capsys.readouterr().err


def test_every_file_of_an_archive_that_does_not_hold_is_named(server, into, monkeypatch, tmp_path):
    members = {"T/one": b"wrong", "T/two": b"2"}
    one = listed_zip(monkeypatch, tmp_path, members, one=b"1", two=b"2", three=b"3")
    server.resources["/files/a.zip"] = zip_of(members)
    said = refusal(one, server, into)
    assert "three: missing in a.zip\n" in said
    assert f"one: found SHA-256 {hashlib.sha256(b'wrong').hexdigest()}" in said
    assert not into.path.exists()


# A process that is killed


SCRIPT = """
import sys
from pathlib import Path
from radiotrace.download import catalogue
catalogue.FILE = Path(sys.argv[1])
from radiotrace.__main__ import main
sys.exit(main(sys.argv[2:]))
"""


def test_a_killed_download_is_gone_on_with(server, into, tmp_path):
    one = of_file()
    known = {"data_sets": [one.record()], "sources": ["these tests"]}
    records.write(tmp_path / "catalogue.json", known, "download_catalogue")
    server.resources["/files/a.npz"] = Resource(CONTENT, stall_s=60, stall_after=600_000)
    words = [sys.executable, "-c", SCRIPT, tmp_path / "catalogue.json", "download", "set"]
    options = ["--out", into.path, "--base-url", server.url]
    process = subprocess.Popen([*words, *options], cwd=ROOT, stderr=subprocess.DEVNULL)
    partial = into.partial / "a.npz"
    deadline = time.monotonic() + 60
    while not (partial.is_file() and partial.stat().st_size >= 2 * http.PIECE):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    there = partial.stat().st_size
    assert not into.data.exists()
    server.resources["/files/a.npz"] = CONTENT
    done = subprocess.run([*words, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert server.asked[-1][1] == f"bytes={there}-"
    assert (into.data / "a.npz").read_bytes() == CONTENT


# Records of InvenioRDM


def record_of(server, files, checksums=True, rights=("cc-by-nc-4.0",), legacy=False):
    rows = {
        name: {"key": name, "size": len(content)} | ({"checksum": f"md5:{md5(content)}"} if checksums else {})
        for name, content in files.items()
    }
    said = {"metadata": {"rights": [{"id": right} for right in rights]}, "files": {"entries": rows}}
    if legacy:
        said = {"metadata": {"license": {"id": rights[0]}}, "files": list(rows.values())}
    server.resources["/api/records/abc"] = json.dumps(said).encode()
    for name, content in files.items():
        server.resources[f"/api/records/abc/files/{name}/content"] = content
    return data_set(licence=None, record_=RepositoryRecord(f"{HOST}/api/records/abc", archives=("b.zip",)))


@pytest.mark.parametrize("legacy", [False, True], ids=["InvenioRDM", "Zenodo"])
def test_files_of_a_record_are_held_against_the_md5_that_it_tells(server, into, legacy, capsys):
    one = record_of(server, {"a.csv": b"1,2", "b.zip": zip_of({"c.nii.gz": b"3"})}, legacy=legacy)
    made = brought(one, server, into).record
    assert files_in(into.data) == ["a.csv", "c.nii.gz"]
    assert made.held_against.server == 2
    assert made.licences == ("cc-by-nc-4.0",)
    said = capsys.readouterr().err
    assert "names the licence: cc-by-nc-4.0\ndownload: non-commercial: " in said


def test_a_record_whose_file_is_another_one_is_refused(server, into):
    one = record_of(server, {"a.csv": b"1,2"})
    server.resources["/api/records/abc/files/a.csv/content"] = b"3,4"
    assert f"expected {md5(b'1,2')} as its server says" in refusal(one, server, into)


def test_a_record_without_checksums_is_believed_and_said(server, into):
    made = brought(record_of(server, {"a.csv": b"1,2"}, checksums=False), server, into).record
    assert made.held_against.nothing == 1


@pytest.mark.parametrize("said", [b"{}", b"[]", b"no JSON", b'{"files": [], "metadata": {}}'])
def test_a_record_that_says_something_else_is_refused(server, into, said):
    one = record_of(server, {"a.csv": b"1,2"})
    server.resources["/api/records/abc"] = said
    assert "was not downloaded" in refusal(one, server, into)


def test_a_file_name_of_a_record_that_leads_elsewhere_is_refused(server, into):
    one = record_of(server, {"../a.csv": b"1,2"})
    assert "'../a.csv' is no plain name" in refusal(one, server, into)


# NBIA


def nbia_set():
    return data_set(nbia=NbiaCollection(f"{HOST}{NBIA}", "LUNG", ("CT", "PT")))


def nbia_series(uid, subject, modality, images, licence="CC BY 3.0", **wrong):
    row = {
        "SeriesInstanceUID": uid,
        "PatientID": subject,
        "Modality": modality,
        "ImageCount": len(images),
        "Collection": "LUNG",
        "FileSize": sum(map(len, images.values())),
        "LicenseName": licence,
    }
    return {"row": row, "zip": servers.series_zip(images, **wrong)}


def three_series():
    return {
        "1.2.3": nbia_series("1.2.3", "L-2", "CT", {"1-1.dcm": b"a", "1-2.dcm": b"b"}),
        "1.2.4": nbia_series("1.2.4", "L-1", "PT", {"1-1.dcm": b"c"}),
        "1.2.5": nbia_series("1.2.5", "L-1", "SR", {"1-1.dcm": b"d"}),
    }


def test_a_collection_comes_series_by_series(server, into):
    servers.nbia(server, three_series())
    made = brought(nbia_set(), server, into).record
    assert files_in(into.data) == ["L-1/1.2.4/1-1.dcm", "L-2/1.2.3/1-1.dcm", "L-2/1.2.3/1-2.dcm"]
    assert made.held_against.server == 3
    assert made.licences == ("CC BY 3.0",)
    server.asked.clear()
    assert not brought(nbia_set(), server, into).is_new
    assert server.asked == []


def test_fewer_subjects_and_other_modalities_can_be_asked_for(server, into):
    servers.nbia(server, three_series())
    made = brought(nbia_set(), server, into, subjects=1, modalities=("SR", "PT")).record
    assert files_in(into.data) == ["L-1/1.2.4/1-1.dcm", "L-1/1.2.5/1-1.dcm"]
    assert made.selection.record() == {"modalities": ["PT", "SR"], "subjects": 1}


def test_files_of_an_earlier_choice_are_counted(server, into):
    servers.nbia(server, three_series())
    brought(nbia_set(), server, into)
    assert into.unlisted() == 0
    made = brought(nbia_set(), server, into, subjects=1).record
    assert (made.files, into.unlisted()) == (1, 2)


def test_a_modality_that_there_is_not_is_said(server, into):
    servers.nbia(server, three_series())
    said = refusal(nbia_set(), server, into, modalities=("MR",))
    assert "no series of MR\nOf these there are some: CT, PT, SR;" in said


def test_an_image_that_is_not_as_its_md5_says_is_named_and_the_others_come(server, into):
    series = three_series()
    series["1.2.3"] = nbia_series("1.2.3", "L-2", "CT", {"1-1.dcm": b"a"}, **{"1-1": b"x"})
    servers.nbia(server, series)
    said = refusal(nbia_set(), server, into)
    assert f"L-2/1.2.3/1-1.dcm: found MD5 {md5(b'x')}, expected {md5(b'a')}" in said
    assert files_in(into.data) == ["L-1/1.2.4/1-1.dcm"]
    assert not (into.path / "download.json").exists()
    servers.nbia(server, three_series())
    server.asked.clear()
    brought(nbia_set(), server, into)
    asked = [path for path, _ in server.asked if "getImage" in path]
    assert asked == [f"{NBIA}getImageWithMD5Hash?SeriesInstanceUID=1.2.3"]


def test_a_series_with_fewer_images_than_announced_is_refused(server, into):
    series = three_series()
    series["1.2.4"]["row"]["ImageCount"] = 2
    servers.nbia(server, series)
    assert "series 1.2.4: found 1 images, expected 2" in refusal(nbia_set(), server, into)


def test_an_archive_of_a_series_that_breaks_off_is_refused(server, into):
    series = three_series()
    series["1.2.4"]["zip"] = series["1.2.4"]["zip"][:-30]
    servers.nbia(server, series)
    assert "series 1.2.4 no ZIP archive that can be read" in refusal(nbia_set(), server, into)


@pytest.mark.parametrize(
    ("key", "value"),
    [("PatientID", "../x"), ("SeriesInstanceUID", "1.2/3"), ("Modality", ""), ("ImageCount", "x")],
)
def test_names_of_a_server_that_may_be_no_folder_are_refused(server, into, key, value):
    series = three_series()
    series["1.2.4"]["row"][key] = value
    servers.nbia(server, series)
    assert "answers with what is no series" in refusal(nbia_set(), server, into)
    assert not into.path.exists()


# Buckets


@pytest.fixture
def bucket_set(monkeypatch, tmp_path):
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "b.csv").write_text(
        "subject,modality,bucket,series,files,bytes,licence\n"
        f"S-1,CT,open-data,{SERIES[0]},3,6,CC BY 3.0\n"
        f"S-2,SEG,open-data,{SERIES[1]},1,4,CC BY-NC 4.0\n"
    )
    monkeypatch.setattr(catalogue, "LISTS", lists)
    return data_set(buckets=BucketSeries("b.csv", ("CT", "SEG")))


def objects():
    first, second = SERIES
    return {
        f"{first}/": b"",
        f"{first}/a.dcm": b"1",
        f"{first}/b.dcm": b"22",
        f"{first}/c.dcm": b"333",
        f"{second}/d.dcm": b"4444",
    }


def test_series_of_a_bucket_come_page_by_page(server, into, bucket_set):
    servers.bucket(server, "open-data", objects(), page=2)
    made = brought(bucket_set, server, into).record
    first, second = SERIES
    assert files_in(into.data) == [
        *(f"S-1/{first}/{name}.dcm" for name in "abc"),
        f"S-2/{second}/d.dcm",
    ]
    assert made.held_against.server == 4
    assert made.licences == ("CC BY 3.0", "CC BY-NC 4.0")
    assert "non-commercial" in (into.path / "LICENCE.txt").read_text()
    assert sum("continuation-token=2" in path for path, _ in server.asked) == 1
    server.asked.clear()
    assert not brought(bucket_set, server, into).is_new
    assert server.asked == []


def test_the_addresses_of_buckets_are_those_of_s3(into, bucket_set):
    errand = bring.Errand(bucket_set, Request(), None, into, {})  # pyright: ignore[reportArgumentType]
    assert buckets._root(errand, "idc-open-data") == "https://idc-open-data.s3.amazonaws.com/"


def test_an_object_that_is_not_as_its_etag_says_is_named(server, into, bucket_set):
    servers.bucket(server, "open-data", objects())
    server.resources[f"/open-data/{SERIES[0]}/b.dcm"] = b"xx"
    said = refusal(bucket_set, server, into)
    assert f"S-1/{SERIES[0]}/b.dcm: found MD5 {md5(b'xx')}, expected {md5(b'22')}" in said
    assert not (into.data / f"S-1/{SERIES[0]}/b.dcm").exists()
    servers.bucket(server, "open-data", objects())
    server.asked.clear()
    brought(bucket_set, server, into)
    assert [path for path in server.paths() if path.endswith(".dcm")] == [f"/open-data/{SERIES[0]}/b.dcm"]


def test_an_etag_of_several_parts_is_no_md5(server, into, bucket_set):
    servers.bucket(server, "open-data", objects(), b=f"{'0' * 32}-2")
    made = brought(bucket_set, server, into).record
    assert (made.held_against.server, made.held_against.nothing) == (3, 1)


def test_a_series_that_is_not_as_listed_is_refused(server, into, bucket_set):
    fewer = {key: content for key, content in objects().items() if not key.endswith("c.dcm")}
    servers.bucket(server, "open-data", fewer)
    assert "has 2 objects of 3 bytes, the list 3 of 6" in refusal(bucket_set, server, into)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"<Error/>", "answers with Error, expected ListBucketResult"),
        (b"no XML", "what is not XML"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "an XML that declares something"),
        (
            b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>'
            b"</ListBucketResult>",
            "goes on, and not where",
        ),
        (
            b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Contents><Key>../x</Key>'
            b"<Size>3</Size></Contents></ListBucketResult>",
            "lists '../x' of '3' bytes below",
        ),
    ],
)
def test_a_listing_that_is_none_is_refused(server, into, bucket_set, answer, text):
    server.resources["/open-data/"] = answer
    assert text in refusal(bucket_set, server, into)
    assert not into.path.exists()


# The catalogue, and the command line


KNOWN = catalogue.read()


def test_the_catalogue_is_as_records_are_written():
    assert records.dumps(KNOWN.record()) == catalogue.FILE.read_text("utf-8")
    names = [one.name for one in KNOWN.data_sets]
    assert len(names) == len(set(names)) == 25


def test_the_decathlon_is_as_monai_has_it():
    # read, and not imported: torch takes seconds
    text = (Path(importlib.util.find_spec("monai").origin).parent / "apps/datasets.py").read_text("utf-8")
    urls = dict(re.findall(r'"(Task\d\d_\w+)": "(https://\S+\.tar)"', text))
    md5s = dict(re.findall(r'"(Task\d\d_\w+)": "([0-9a-f]{32})"', text))
    ours = [one.files[0] for one in KNOWN.data_sets if one.name.startswith("msd-")]
    assert len(ours) == 10
    assert {file.path.removesuffix(".tar"): file.url for file in ours} == urls
    assert {file.path.removesuffix(".tar"): file.md5 for file in ours} == md5s


@pytest.mark.parametrize("one", [one for one in KNOWN.data_sets if not one.steps], ids=lambda one: one.name)
def test_every_address_of_the_catalogue_leads_to_a_listed_host(one):
    urls = [file.url for file in one.files]
    urls += [source.api for source in (one.record_, one.nbia) if source is not None]
    if one.buckets is not None:
        named = {series.bucket for series in catalogue.series(one.buckets.list)}
        urls += [f"https://{bucket}.s3.amazonaws.com/" for bucket in named]
    assert urls
    assert {http.place_of(url) for url in urls} == set(one.hosts)


def test_sizes_of_collections_are_those_of_their_lists():
    for one in KNOWN.data_sets:
        if one.buckets is not None:
            taken = [
                series
                for series in catalogue.series(one.buckets.list)
                if series.modality in one.buckets.modalities
            ]
            assert one.bytes == sum(series.bytes for series in taken)


def test_the_list_of_blood_cells_has_every_picture_with_its_boxes():
    paths = catalogue.hashes(catalogue.LISTS / "bccd.sha256")
    pictures = {Path(path).stem for path in paths if path.endswith(".jpg")}
    assert len(pictures) == 364
    assert pictures == {Path(path).stem for path in paths if path.endswith(".xml")}


def test_the_damaged_pneumoniamnist_is_known():
    (file,) = catalogue.find(KNOWN, "pneumoniamnist-28").files
    (lookalike,) = file.lookalikes
    assert lookalike.md5.startswith("f5b994ec")
    assert "388 of the 1,214 normal" in lookalike.note


def test_conditions_are_said_by_the_name_of_a_licence():
    assert catalogue.conditions("CC BY 4.0") == []
    assert [text.split(":")[0] for text in catalogue.conditions("CC BY-NC-SA 4.0")] == [
        "non-commercial",
        "share-alike",
    ]
    assert catalogue.conditions("Creative Commons Attribution-NonCommercial 3.0 Unported License")
    assert catalogue.conditions("cc-by-nc-nd-4.0")[1].startswith("no derivatives")


def test_share_alike_is_said_before_anything_comes(server, tmp_path, capsys):
    words = ["download", "msd-task04-hippocampus", "--out", str(tmp_path / "out"), "--base-url", server.url]
    assert main([*words, "--attempts", "1"]) == 1
    said = capsys.readouterr().err
    assert said.index("share-alike: ") < said.index("answers 404 to /Task04_Hippocampus.tar")


def test_what_is_under_agreement_is_not_pretended(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["download", "hecktor"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "sign the End User Agreement" in said.err
    assert "Put the files into downloads/hecktor/data; then: " in said.err
    assert list(tmp_path.iterdir()) == []


def test_the_list_says_of_each_size_licence_and_agreement(capsys):
    assert main(["download", "--list"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert len(rows) == 26
    assert " CC BY-SA 4.0 " in rows["msd-task09-spleen"]
    assert " needed " in rows["hecktor"]
    assert " 9.0 MB " in rows["bccd"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["pneumonia"], "there is no data set pneumonia; is it pneumoniamnist-28 or "),
        ([], "no DATASET was named"),
        (["bccd", "--subjects", "3"], "bccd is taken as a whole: without --subjects"),
        (["bccd", "--against", "none"], "--against: none is no file"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(tmp_path, monkeypatch, capsys, words, text):
    monkeypatch.chdir(tmp_path)
    assert main(["download", *words]) == 1
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--subjects", "0"], ["--timeout", "nan"], ["--attempts", "-1"]])
def test_options_that_are_no_numbers_are_refused(words):
    with pytest.raises(SystemExit) as caught:
        main(["download", "autopet", *words])
    assert caught.value.code == 2


def test_the_next_command_is_said(server, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    content = tar_of({"T/dataset.json": b"{}"})
    one = of_archive(content)
    known = {"data_sets": [one.record() | {"next": "new"}], "sources": ["these tests"]}
    records.write("catalogue.json", known, "download_catalogue")
    monkeypatch.setattr(catalogue, "FILE", tmp_path / "catalogue.json")
    server.resources["/files/a.tar"] = content
    assert main(["download", "set", "--base-url", server.url]) == 0
    first = capsys.readouterr().out
    assert first.splitlines()[-1] == "next: python -m radiotrace new NAME --data downloads/set/data/T"
    assert main(["download", "set", "--base-url", server.url]) == 0
    assert "was there already, every file as it came; nothing was asked for" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["pneumoniamnist-28", "breastmnist-224"])
def test_files_of_arrays_go_on_as_a_study_of_classes(into, name):
    into.data.mkdir(parents=True)
    [line] = command.following(catalogue.find(KNOWN, name), into)
    options = "--task classification --pixel-mm 1"
    assert line == f"next: python -m radiotrace new NAME {options} --data {into.data}"


def test_pictures_with_boxes_are_looked_at_first(into):
    [line] = command.following(catalogue.find(KNOWN, "bccd"), into)
    assert line.startswith("next: python -m radiotrace inspect ")


def test_dicom_goes_on_by_way_of_from_dicom(into):
    lines = command.following(catalogue.find(KNOWN, "acrin-nsclc-fdg-pet"), into)
    assert lines[0].startswith("next: python -m radiotrace from-dicom ")
    assert lines[1] == "then: python -m radiotrace new NAME --data FOLDER"
