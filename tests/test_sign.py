"""The command sign: who may sign what with which key, and what it writes."""

import argparse
import base64
import json
import os
import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from radiotrace import records
from radiotrace.commands import sign
from radiotrace.errors import StageError
from radiotrace.evidence.signing import dsse, keys, signatures
from radiotrace.pipeline.study import Study
from tests.bundles import SLSA, flip_byte, private_key, seal, write_bundle

ROOT = Path(__file__).resolve().parent.parent
APPROVED = ("--review", "--name", "Jane Doe", "--meaning", "approved", "--time", "2026-01-31T13:00:00+01:00")


def run(*words):
    parser = argparse.ArgumentParser()
    sign.options(parser)
    args = parser.parse_args(words)
    args.study = Study(Path())
    return sign.sign(args)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository with a bundle and a record of tests, the current folder; the key lies outside."""
    folder = tmp_path / "project"
    write_bundle(folder / "evidence")
    (folder / ".git").mkdir()
    records.write_bytes(folder / "execution/tests.junit.xml", b"<testsuites/>")
    private_key(tmp_path / "key.pem")
    monkeypatch.setenv(keys.VARIABLE, str(tmp_path / "key.pem"))
    monkeypatch.chdir(folder)
    return folder


def verified(project):
    return signatures.verify(
        project / "signatures", project / "evidence", keys.known(project / "keys"), project
    )


def files_of(project):
    return sorted(
        path.relative_to(project).as_posix()
        for name in ("signatures", "keys")
        for path in (project / name).rglob("*")
        if path.is_file()
    )


def short(project):
    return next(iter(keys.known(project / "keys")))[:16]


def test_sign_records_what_varies_and_signs_it(project):
    run()
    record = records.read(project / "execution/execution.json", "execution")
    assert record["manifest_sha256"] == records.sha256(project / "evidence/manifest.json")
    assert record["commit"] is None  # .git of this project is no repository
    (project / "execution/execution.json").write_text("{}")
    assert [note for finding in verified(project) for note in finding["notes"]] == [
        "execution/execution.json is of another execution than the signed one, or was changed"
    ]


def test_sign_writes_two_signatures_and_the_public_key(project):
    run()
    assert files_of(project) == [
        f"keys/{short(project)}.pub",
        "signatures/evidence.oms.json",
        "signatures/provenance.dsse.json",
    ]
    assert [found["ok"] for found in verified(project)] == [True, True]


def test_sign_prints_what_verify_finds_and_the_fingerprint(project, capsys):
    run()
    printed = capsys.readouterr().out
    assert (
        f"signatures/evidence.oms.json  ok  key {short(project)}, unmarked key, from this clone: integrity, "
        f"not identity\n" in printed
    )
    assert printed.rstrip().endswith(next(iter(keys.known(project / "keys"))))


def test_record_of_the_tests_is_signed(project):
    run()
    assert [found["notes"] for found in verified(project)] == [[], []]
    (project / "execution/tests.junit.xml").write_bytes(b"<testsuites><testsuite/></testsuites>")
    assert [note.split()[0] for found in verified(project) for note in found["notes"]] == [
        "execution/tests.junit.xml"
    ]


def test_lock_is_signed(project):
    (project / "dvc.lock").write_text("schema: '2.0'\n")
    run()
    (project / "dvc.lock").write_text("schema: '1.0'\n")
    assert [found["ok"] for found in verified(project)] == [True, False]


def test_sign_leaves_the_evidence_as_it_is(project):
    before = {path: path.read_bytes() for path in (project / "evidence").iterdir()}
    run()
    run(*APPROVED)
    assert {path: path.read_bytes() for path in (project / "evidence").iterdir()} == before


def test_bundle_without_provenance_is_signed_without_it(project, capsys):
    run()
    (project / "evidence/provenance.slsa.json").unlink()
    seal(project / "evidence")
    run()
    assert files_of(project) == [f"keys/{short(project)}.pub", "signatures/evidence.oms.json"]
    assert "provenance.slsa.json is missing: no signatures/provenance.dsse.json" in capsys.readouterr().out


def test_bundle_with_another_provenance_is_not_signed(project):
    (project / "evidence/provenance.slsa.json").write_bytes(dsse.compact(SLSA | {"predicateType": "x"}))
    seal(project / "evidence")
    with pytest.raises(StageError, match="unknown predicate: found 'x'"):
        run()


# Nobody signs what is broken.


def test_broken_bundle_is_not_signed_and_every_fault_is_told(project):
    flip_byte(project / "evidence")
    (project / "evidence/cases.json").unlink()
    (project / "evidence/extra.json").touch()
    (project / "evidence/link.json").symlink_to("run.json")
    with pytest.raises(StageError) as error:
        run()
    assert [line.split(": found")[0] for line in error.value.findings] == [
        "link.json",
        *(
            f"{where}: {what}"
            for where in ("SHA256SUMS", "manifest.json")
            for what in ("cases.json: missing", "extra.json: unlisted", "run.json: digest differs")
        ),
    ]
    assert files_of(project) == []


@pytest.mark.parametrize("name", ["manifest.json", "SHA256SUMS"])
def test_bundle_without_manifest_or_sums_is_not_signed(project, name):
    (project / "evidence" / name).unlink()
    with pytest.raises(StageError) as error:
        run()
    assert error.value.findings == [f"{name}: missing"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("SHA256SUMS", b"no sum\n", "SHA256SUMS: found a line"),
        ("manifest.json", b"[]", "manifest.json: record: "),
        ("manifest.json", b"", "manifest.json: not JSON"),
    ],
)
def test_bundle_whose_lists_cannot_be_read_is_not_signed(project, name, content, expected):
    (project / "evidence" / name).write_bytes(content)
    with pytest.raises(StageError) as error:
        run()
    assert any(line.startswith(expected) for line in error.value.findings)


def test_listed_file_that_other_verifiers_leave_out_is_not_signed(project):
    (project / "evidence/.gitattributes").touch()
    seal(project / "evidence")
    with pytest.raises(StageError) as error:
        run()
    assert error.value.findings == [".gitattributes: other OMS verifiers would leave it out"]


def test_review_of_a_broken_bundle_is_not_signed(project):
    flip_byte(project / "evidence")
    with pytest.raises(StageError, match="nothing was signed"):
        run(*APPROVED)


# Reviews.


def test_review_is_bound_to_manifest_and_run(project):
    run()
    run(*APPROVED)
    said = verified(project)[-1]["says"]
    assert said == {
        "name": "Jane Doe",
        "meaning": "approved",
        "time_utc": "2026-01-31T12:00:00Z",
        "run_id": "a" * 64,
        "manifest_sha256": records.sha256(project / "evidence/manifest.json"),
    }


def test_review_without_a_time_has_that_of_the_clock(project):
    before = datetime.now(UTC) - timedelta(seconds=1)  # the record has whole seconds
    run("--review", "--name", "Jane Doe", "--meaning", "authored")
    assert before <= datetime.fromisoformat(verified(project)[-1]["says"]["time_utc"]) <= datetime.now(UTC)


def test_review_takes_the_place_of_the_last_of_its_person_and_meaning(project):
    run(*APPROVED)
    run(*APPROVED)
    run(*APPROVED[:3], "--meaning", "reviewed")
    run("--review", "--name", "Jané Doe", "--meaning", "approved")  # another person
    assert len(list((project / "signatures/reviews").iterdir())) == 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [  # hash: printf %s NAME | sha256sum | cut -c -8
        ("Jane Doe", "jane-doe-01332c87"),
        ("山田", "5f34cd83"),
        ("../../x", "x-9cdf6a50"),
    ],
)
def test_slug_is_a_file_name(name, expected):
    assert sign.slug(name) == expected


def test_every_fault_of_a_review_is_told_at_once(project):
    with pytest.raises(StageError) as error:
        run("--review", "--time", "yesterday")
    assert [line.split(":")[0] for line in error.value.findings] == ["--name", "--meaning", "--time"]


@pytest.mark.parametrize("time", ["2026-01-31T12:00:00", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_time_without_offset_or_sense_is_refused(project, time):
    with pytest.raises(StageError, match="expected a date and time with offset"):
        run(*APPROVED[:-1], time)


@pytest.mark.parametrize("name", ["Jane\nDoe", "\x1b[31mJane", " ", "Jane \u202eeoD", "\udcff"])
def test_name_that_cannot_be_printed_is_refused(project, name):
    with pytest.raises(StageError, match="the review cannot be signed"):
        run(*APPROVED[:2], name, *APPROVED[3:])


def test_name_without_review_is_refused(project):
    with pytest.raises(StageError, match="are of a review"):
        run("--name", "Jane Doe")


def test_review_of_an_earlier_manifest_shows(project, capsys):
    run(*APPROVED)
    flip_byte(project / "evidence")
    seal(project / "evidence")
    run()
    assert "it is of another manifest: found " in capsys.readouterr().out


# Keys.


def pem(key, encryption=None):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        encryption or serialization.NoEncryption(),
    )


P256 = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("content", "mode", "expected"),
    [
        (
            pem(ec.generate_private_key(ec.SECP384R1())),
            0o600,
            "found a key of kind EC secp384r1, expected EC P-256",
        ),
        (
            pem(ec.generate_private_key(ec.SECP256K1())),
            0o600,
            "found a key of kind EC secp256k1, expected EC P-256",
        ),
        (pem(ed25519.Ed25519PrivateKey.generate()), 0o600, "found a key of kind Ed25519, expected EC P-256"),
        (pem(rsa.generate_private_key(65537, 2048)), 0o600, "found a key of kind RSA, expected EC P-256"),
        (pem(P256, serialization.BestAvailableEncryption(b"secret")), 0o600, "it is encrypted"),
        (pem(P256), 0o644, "others may read it: found mode 0644, expected 0600"),
        (pem(P256), 0o640, "others may read it: found mode 0640, expected 0600"),
        (keys.pem(P256.public_key()), 0o600, "found no private key in PEM"),
        (b"", 0o600, "found no private key in PEM"),
    ],
    ids=[
        "p384",
        "secp256k1",
        "ed25519",
        "rsa",
        "encrypted",
        "world_readable",
        "group_readable",
        "public_key",
        "empty",
    ],
)
def test_key_that_cannot_sign_is_refused(project, content, mode, expected):
    path = project.parent / "key.pem"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(StageError, match=expected) as error:
        run()
    assert "openssl ecparam -name prime256v1" in error.value.way_out
    assert files_of(project) == []


def test_key_that_is_not_named_is_asked_for(project, monkeypatch):
    monkeypatch.delenv(keys.VARIABLE)
    with pytest.raises(StageError, match="RADIOTRACE_SIGNING_KEY is not set"):
        run()


def test_key_that_is_missing_is_named(project, monkeypatch):
    monkeypatch.setenv(keys.VARIABLE, "nowhere.pem")
    with pytest.raises(StageError, match=r"nowhere\.pem cannot be used"):
        run()


def test_every_fault_of_a_key_is_told_at_once(project, monkeypatch):
    (project / "key.pem").write_bytes(b"")
    (project / "key.pem").chmod(0o644)
    monkeypatch.setenv(keys.VARIABLE, "key.pem")
    with pytest.raises(StageError) as error:
        run()
    assert [line.split(",")[0].split(":")[0] for line in error.value.findings] == [
        "it lies in the repository project",
        "others may read it",
        "found no private key in PEM",
    ]


def test_key_of_the_documented_command_signs(project):
    made = project.parent / "made.pem"
    command = keys.NEW_KEY.split("'")[3].replace("FILE", str(made))
    assert command.startswith("(umask 077; openssl ecparam ")
    subprocess.run(["sh", "-c", command], check=True)
    # the fixture puts the old value back
    os.environ[keys.VARIABLE] = str(made)
    run()
    assert [found["ok"] for found in verified(project)] == [True, True]


def test_new_test_key_signs(project, monkeypatch, capsys):
    run("--new-test-key", str(project.parent / "new.pem"))
    assert stat.S_IMODE((project.parent / "new.pem").stat().st_mode) == 0o600
    assert files_of(project) == []
    monkeypatch.setenv(keys.VARIABLE, str(project.parent / "new.pem"))
    run("--test-key")
    assert f"key {short(project)}, TEST KEY, from this clone" in capsys.readouterr().out


@pytest.mark.parametrize("path", ["new.pem", "keys/new.pem", "../project/new.pem", "../link/new.pem"])
def test_new_key_is_not_written_into_a_repository(project, path):
    (project / "keys").mkdir()
    (project.parent / "link").symlink_to("project/keys")
    with pytest.raises(StageError, match="must not lie in a repository"):
        run("--new-test-key", path)
    assert list(project.rglob("*.pem")) == []


def test_new_key_beside_a_repository_is_written(project):
    run("--new-test-key", "../new.pem")
    assert (project.parent / "new.pem").is_file()


def test_public_key_that_is_there_under_another_name_is_not_written_again(project):
    records.write_bytes(project / "keys/jane.pub", (project.parent / "key.pub").read_bytes())
    run()
    assert [path.name for path in (project / "keys").iterdir()] == ["jane.pub"]


def test_new_key_does_not_take_the_place_of_another(project):
    before = (project.parent / "key.pem").read_bytes()
    with pytest.raises(StageError, match="File exists"):
        run("--new-test-key", str(project.parent / "key.pem"))
    assert (project.parent / "key.pem").read_bytes() == before


def test_test_key_stays_marked(project):
    run("--test-key")
    run()
    assert {found["trust"] for found in verified(project)} == {"test"}


def test_release_key_is_not_marked_as_a_test_key(project):
    run()
    name = next(iter(keys.known(project / "keys")))
    records.write(
        project / "keys/release.json", {"fingerprint_sha256": name, "trust": "release"}, "signing_key"
    )
    with pytest.raises(StageError, match="is marked as a release key"):
        run("--test-key")
    assert {found["trust"] for found in verified(project)} == {"release"}


def test_private_key_is_in_no_file_of_the_project(project):
    run("--test-key")
    run(*APPROVED)
    secret = (project.parent / "key.pem").read_bytes().splitlines()[1]
    # a line of the key, and not of its frame
    assert base64.b64decode(secret)
    assert not any(secret in path.read_bytes() for path in project.rglob("*") if path.is_file())


# Without a network.

COMMANDS = """
import argparse, sys
from pathlib import Path
from radiotrace.pipeline.study import Study
from radiotrace.commands import sign
from radiotrace.evidence.signing import keys, signatures
parser = argparse.ArgumentParser()
sign.options(parser)
args = parser.parse_args(["--test-key"])
args.study = Study(Path())
sign.sign(args)
print([found["ok"] for found in signatures.verify("signatures", "evidence", keys.known("keys"), ".")])
"""
NO_SOCKET = """
import sys
def refuse(event, args):
    if event.startswith("socket."):
        raise RuntimeError(event)
sys.addaudithook(refuse)
"""


def child(project, code, prefix=()):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*prefix, sys.executable, "-c", code], cwd=project, env=environment, capture_output=True, text=True
    )


def test_sign_and_verify_open_no_socket(project):
    found = child(project, NO_SOCKET + COMMANDS)
    assert (found.returncode, found.stdout.splitlines()[-1]) == (0, "[True, True]"), found.stderr


def test_a_socket_would_be_noticed(project):  # the hook itself
    assert (
        "RuntimeError: socket.__new__" in child(project, NO_SOCKET + "import socket; socket.socket()").stderr
    )


def without_network() -> list[str]:
    """How to start a program in a namespace without a network; [] where the kernel lets nobody make one."""
    ways = (["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-r", "-n"],)
    return next(
        (way for way in ways if subprocess.run([*way, "true"], capture_output=True).returncode == 0), []
    )


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_sign_and_verify_run_without_a_network(project):
    assert shutil.which("unshare"), "unshare is missing; install util-linux"
    prefix = without_network()
    if not prefix:
        pytest.skip(
            "this kernel or container lets no network namespace be made; "
            "test_sign_and_verify_open_no_socket stands alone"
        )
    found = child(project, COMMANDS, prefix)
    assert (found.returncode, found.stdout.splitlines()[-1]) == (0, "[True, True]"), found.stderr


def test_signatures_are_json_of_one_line(project):
    run()
    for path in (project / "signatures").iterdir():
        assert path.read_bytes() == dsse.compact(json.loads(path.read_bytes())) + b"\n"
