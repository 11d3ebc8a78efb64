"""Signatures: what we sign others verify, what others sign we verify, and nothing that was changed passes."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.signing import dsse, keys, oms, signatures, statements
from tests.bundles import RUN_ID, SLSA, flip_byte, private_key, seal, write_bundle

ROOT = Path(__file__).resolve().parent.parent
IN_TOTO = "application/vnd.in-toto+json"


class Signed:
    """A project whose evidence is signed: the bundle, its provenance with the record of an execution, one
    review."""

    def __init__(self, root):
        self.root, self.evidence, self.signatures = root, write_bundle(root / "evidence"), root / "signatures"
        (root / "execution").mkdir()
        (root / "execution/execution.json").write_text('{"host": "somewhere"}\n')
        self.key = private_key(root / "key.pem")
        self.public = root / "key.pub"
        self.known = keys.known(root / "keys", [self.public])
        self.sign()

    def sign(self):
        fingerprint = keys.fingerprint(self.key.public_key())
        files, _ = oms.listing(self.evidence)
        manifest = (self.evidence / "manifest.json").read_bytes()
        slsa = dsse.parse((self.evidence / "provenance.slsa.json").read_bytes())
        made = statements.provenance(slsa, files["manifest.json"], statements.byproducts(self.root))
        said = statements.review("Jane Doe", "approved", "2026-01-31T12:00:00Z", manifest)
        self.write(signatures.OMS, oms.sign("evidence", files, self.key))
        self.write(signatures.PROVENANCE, dsse.seal(dsse.compact(made), IN_TOTO, self.key, fingerprint))
        self.write(
            "reviews/jane.dsse.json",
            dsse.seal(dsse.compact(said), statements.REVIEW_TYPE, self.key, fingerprint),
        )

    def write(self, name, value):
        records.write_bytes(self.signatures / name, json.dumps(value).encode())

    def read(self, name=signatures.OMS):
        return json.loads((self.signatures / name).read_bytes())

    def verify(self):
        return signatures.verify(self.signatures, self.evidence, self.known, self.root)

    def faults(self):
        """Signature, without its folder -> its faults, of those that have some."""
        return {
            found["file"].removeprefix("signatures/"): found["faults"]
            for found in self.verify()
            if not found["ok"]
        }


@pytest.fixture
def signed(tmp_path):
    return Signed(tmp_path)


def test_signatures_hold(signed):
    assert [(found["kind"], found["ok"], found["faults"], found["notes"]) for found in signed.verify()] == [
        ("oms", True, [], []),
        ("provenance", True, [], []),
        ("review", True, [], []),
    ]


def test_finding_names_key_trust_and_source(signed):
    found = signed.verify()[0]
    assert (found["fingerprint"], found["trust"], found["key_source"]) == (
        keys.fingerprint(signed.key.public_key()),
        "unmarked",
        "given",
    )


def test_fingerprint_is_what_openssl_and_sha256sum_say(signed):
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", signed.public, "-outform", "DER"],
        capture_output=True,
        check=True,
    ).stdout
    assert keys.fingerprint(signed.key.public_key()) == hashlib.sha256(der).hexdigest()


def test_review_says_who_when_and_in_what_sense(signed):
    manifest = hashlib.sha256((signed.evidence / "manifest.json").read_bytes()).hexdigest()
    assert signed.verify()[2]["says"] == {
        "name": "Jane Doe",
        "meaning": "approved",
        "time_utc": "2026-01-31T12:00:00Z",
        "manifest_sha256": manifest,
        "run_id": RUN_ID,
    }


# Changes of the bundle, after which its own sums may be made again: the signature alone has to find them.


def link(evidence):
    (evidence / "run.json").rename(evidence.parent / "elsewhere.json")
    (evidence / "run.json").symlink_to("../elsewhere.json")


TAMPER = {
    "flipped_byte": (flip_byte, "run.json: digest differs"),
    "added_file": (lambda evidence: (evidence / "extra.json").write_text("{}"), "extra.json: unlisted"),
    "added_gitattributes": (
        lambda evidence: (evidence / ".gitattributes").write_text("* binary"),
        ".gitattributes: unlisted",
    ),
    "added_in_subfolder": (
        lambda evidence: records.write_bytes(evidence / ".git/config", b""),
        ".git/config: unlisted",
    ),
    "removed_file": (lambda evidence: (evidence / "run.json").unlink(), "run.json: missing"),
    "renamed_file": (
        lambda evidence: (evidence / "run.json").rename(evidence / "ran.json"),
        "ran.json: unlisted",
    ),
    "symlink": (link, "run.json: found a symbolic link"),
    "dangling_symlink": (
        lambda evidence: (evidence / "extra.json").symlink_to("nowhere"),
        "extra.json: found a symbolic link",
    ),
    "symlinked_folder": (lambda evidence: (evidence / "more").symlink_to("/"), "more: found a symbolic link"),
    "named_pipe": (lambda evidence: os.mkfifo(evidence / "pipe"), "pipe: found neither a file nor a folder"),
    "terminal_codes_in_a_name": (
        lambda evidence: (evidence / "a\x1b[2J").touch(),
        "'a\\x1b[2J': the name has characters",
    ),
    "swapped_contents": (
        lambda evidence: swap(evidence / "run.json", evidence / "cases.json"),
        "run.json: digest differs",
    ),
    "whole_folder_linked": (
        lambda evidence: evidence.symlink_to(evidence.rename(evidence.parent / "moved")),
        "evidence: found a symbolic link",
    ),
}


def swap(one, other):
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


@pytest.mark.parametrize("name", TAMPER)
def test_changed_bundle_is_refused(signed, name):
    change, expected = TAMPER[name]
    change(signed.evidence)
    assert any(fault.startswith(expected) for fault in signed.faults()[signatures.OMS])


@pytest.mark.parametrize(
    "name",
    ["flipped_byte", "added_file", "added_gitattributes", "removed_file", "renamed_file", "swapped_contents"],
)
def test_sums_that_were_made_again_do_not_help(signed, name):
    TAMPER[name][0](signed.evidence)
    seal(signed.evidence)
    assert statements.misfits(signed.evidence, oms.listing(signed.evidence)[0]) == []
    assert set(signed.faults()) == {signatures.OMS, signatures.PROVENANCE, "reviews/jane.dsse.json"}


@pytest.mark.parametrize("name", TAMPER)
def test_changed_bundle_does_not_fit_its_own_sums(signed, name):
    TAMPER[name][0](signed.evidence)
    files, faults = oms.listing(signed.evidence)
    assert faults + statements.misfits(signed.evidence, files)


def test_every_fault_of_a_bundle_is_told_at_once(signed):
    flip_byte(signed.evidence)
    (signed.evidence / "cases.json").unlink()
    (signed.evidence / "extra.json").touch()
    assert [fault.split(": found")[0] for fault in signed.faults()[signatures.OMS]] == [
        "cases.json: missing",
        "extra.json: unlisted",
        "run.json: digest differs",
    ]


# Changes of a signature.


def envelope_of(value):
    return value.get("dsseEnvelope", value)


def with_payload(change):
    def changed(value):
        envelope = envelope_of(value)
        payload = json.loads(base64.b64decode(envelope["payload"]))
        change(payload)
        envelope["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()

    return changed


def with_signature(**changes):
    return lambda value: envelope_of(value)["signatures"][0].update(changes)


CHANGED = {
    "payload_changed": (with_payload(lambda payload: payload.update(more=1)), "the signature does not fit"),
    "no_signature": (
        lambda value: envelope_of(value).update(signatures=[]),
        "signatures: found 0, expected 1",
    ),
    "signature_twice": (
        lambda value: envelope_of(value).update(signatures=envelope_of(value)["signatures"] * 2),
        "signatures: found 2, expected 1",
    ),
    "signatures_no_list": (
        lambda value: envelope_of(value).update(signatures="none"),
        "signatures: found no list",
    ),
    "signature_no_object": (
        lambda value: envelope_of(value).update(signatures=["none"]),
        "signatures: expected sig and keyid",
    ),
    "further_key_in_signature": (with_signature(cert="x"), "signatures: expected sig and keyid"),
    "further_key_in_envelope": (lambda value: envelope_of(value).update(more=1), "not a DSSE envelope"),
    "other_payload_type": (
        lambda value: envelope_of(value).update(payloadType="text/plain"),
        "unknown payload type: found 'text/plain'",
    ),
    "payload_no_text": (lambda value: envelope_of(value).update(payload=1), "payload: not plain base64"),
    "payload_with_line_break": (
        lambda value: envelope_of(value).update(payload=envelope_of(value)["payload"] + "\n"),
        "payload: not plain base64",
    ),
    "signature_with_space": (
        lambda value: with_signature(sig=" " + envelope_of(value)["signatures"][0]["sig"])(value),
        "sig: not plain base64",
    ),
    "other_base64": (with_signature(sig="-_=="), "sig: not plain base64"),
    # "QQ==" is the spelling of "A"
    "stray_bits": (with_signature(sig="QR=="), "sig: not plain base64"),
    "not_der": (with_signature(sig="QQ=="), "the signature does not fit"),
    "keyid_no_text": (with_signature(keyid=1), "keyid: expected a string"),
}


@pytest.mark.parametrize("name", [signatures.OMS, signatures.PROVENANCE, "reviews/jane.dsse.json"])
@pytest.mark.parametrize("change", CHANGED)
def test_changed_signature_is_refused(signed, name, change):
    alter, expected = CHANGED[change]
    value = signed.read(name)
    alter(value)
    signed.write(name, value)
    assert [fault[: len(expected)] for fault in signed.faults().get(name, [])] == [expected]


def test_signatures_of_two_envelopes_swapped_are_refused(signed):
    one, other = signed.read(), signed.read(signatures.PROVENANCE)
    one["dsseEnvelope"]["signatures"][0]["sig"], other["signatures"][0]["sig"] = (
        other["signatures"][0]["sig"],
        one["dsseEnvelope"]["signatures"][0]["sig"],
    )
    signed.write(signatures.OMS, one)
    signed.write(signatures.PROVENANCE, other)
    assert {name: faults[0][:26] for name, faults in signed.faults().items()} == dict.fromkeys(
        (signatures.OMS, signatures.PROVENANCE), "the signature does not fit"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a": NaN}', "not JSON: NaN is no number"),
        (b'{"mediaType": 1, "mediaType": 2}', "not JSON: a key stands twice"),
        (b"[]", "not an OMS bundle"),
        (b"{}", "not an OMS bundle"),
    ],
)
def test_file_that_is_no_bundle_is_refused(signed, content, expected):
    (signed.signatures / signatures.OMS).write_bytes(content)
    assert signed.faults()[signatures.OMS][0].startswith(expected)


@pytest.mark.parametrize(
    ("where", "value", "expected"),
    [
        ("mediaType", "application/vnd.dev.sigstore.bundle.v0.3+jsonx", "unknown media type"),
        ("verificationMaterial", {"certificate": {}}, "unknown verification material"),
        ("verificationMaterial", {}, "unknown verification material"),
        ("verificationMaterial", {"publicKey": {"hint": "0" * 64}}, "key mismatch: signed with key '0000"),
    ],
)
def test_bundle_that_is_signed_otherwise_is_refused(signed, where, value, expected):
    signed.write(signatures.OMS, signed.read() | {where: value})
    assert signed.faults()[signatures.OMS][0].startswith(expected)


def test_signature_of_another_key_is_refused(signed):
    other = private_key(signed.root / "other.pem")
    signed.known = keys.known(signed.root / "keys", [signed.root / "other.pub"])
    assert {name: faults[0].split(":")[0] for name, faults in signed.faults().items()} == dict.fromkeys(
        (signatures.OMS, signatures.PROVENANCE, "reviews/jane.dsse.json"), "key mismatch"
    )
    assert keys.fingerprint(other.public_key())[:16] in signed.faults()[signatures.OMS][0]


def test_other_key_under_the_name_of_the_known_one_is_refused(signed):  # the hint is no proof
    value = oms.sign("evidence", oms.listing(signed.evidence)[0], ec.generate_private_key(ec.SECP256R1()))
    signed.write(signatures.OMS, value | {"verificationMaterial": signed.read()["verificationMaterial"]})
    assert signed.faults()[signatures.OMS] == [
        "the signature does not fit: the payload, its type or the signature was changed"
    ]


@pytest.mark.parametrize("name", [signatures.OMS, signatures.PROVENANCE])
def test_missing_signature_is_found(signed, name):
    (signed.signatures / name).unlink()
    assert signed.faults() == {name: ["missing"]}


def test_signature_that_is_a_link_is_refused(signed):
    (signed.signatures / signatures.OMS).rename(signed.root / "elsewhere")
    (signed.signatures / signatures.OMS).symlink_to("../elsewhere")
    assert signed.faults()[signatures.OMS][0].startswith("found a symbolic link")


def test_unknown_file_among_the_signatures_is_found(signed):
    (signed.signatures / "more.json").write_text("{}")
    assert signed.faults() == {"more.json": ["unlisted: no signature has this name"]}


def test_no_folder_of_signatures_means_that_they_are_missing(signed):
    shutil.rmtree(signed.signatures)
    assert signed.faults() == {signatures.OMS: ["missing"], signatures.PROVENANCE: ["missing"]}


# What a statement may say, though it is signed.


def resign(signed, change):
    payload = json.loads(base64.b64decode(signed.read()["dsseEnvelope"]["payload"]))
    change(payload)
    signed.write(
        signatures.OMS,
        signed.read() | {"dsseEnvelope": dsse.seal(dsse.compact(payload), IN_TOTO, signed.key, "")},
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda said: said.update(predicateType="https://model_signing/Digests/v0.1"),
            "unknown predicate: found 'https://model_signing/Digests/v0.1'",
        ),
        (
            lambda said: said["predicate"]["resources"][0].update(algorithm="blake2b"),
            "statement: predicate.resources[0].algorithm: 'sha256' was",
        ),
        (
            lambda said: said["predicate"]["resources"].reverse(),
            "statement: names stand twice or out of order",
        ),
        (
            lambda said: said["predicate"]["resources"].insert(0, said["predicate"]["resources"][0]),
            "statement: names stand twice or out of order",
        ),
        (
            lambda said: said["subject"][0]["digest"].update(sha256="0" * 64),
            "statement: the root digest is not that of its resources",
        ),
    ],
)
def test_signed_statement_of_another_kind_is_refused(signed, change, expected):
    resign(signed, change)
    assert [fault[: len(expected)] for fault in signed.faults()[signatures.OMS]] == [expected]


def test_ignored_paths_of_a_signer_are_not_ignored(signed):
    (signed.evidence / ".gitattributes").touch()
    resign(signed, lambda said: said["predicate"]["serialization"].update(ignore_paths=[".gitattributes"]))
    assert signed.faults()[signatures.OMS] == [".gitattributes: unlisted"]


def test_bundle_is_signed_as_a_new_one_but_not_reviewed_again(signed):
    flip_byte(signed.evidence)
    seal(signed.evidence)
    review = signed.read("reviews/jane.dsse.json")
    signed.sign()
    signed.write("reviews/jane.dsse.json", review)
    assert [(name, faults[0].split(":")[0]) for name, faults in signed.faults().items()] == [
        ("reviews/jane.dsse.json", "it is of another manifest")
    ]


def test_provenance_of_another_manifest_is_refused(signed):
    provenance = signed.read(signatures.PROVENANCE)
    flip_byte(signed.evidence)
    seal(signed.evidence)
    signed.sign()
    signed.write(signatures.PROVENANCE, provenance)
    assert signed.faults() == {
        signatures.PROVENANCE: [
            "subject: what was signed is not what provenance.slsa.json and the digest of manifest.json say"
        ]
    }


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ([], "unknown predicate: found None"),
        ({"predicateType": "x"}, "unknown predicate: found 'x'"),
        ({"predicateType": SLSA["predicateType"], "subject": 1}, "_type: what was signed is not"),
    ],
)
def test_provenance_of_another_kind_is_refused(signed, payload, expected):
    signed.write(
        signatures.PROVENANCE,
        dsse.seal(dsse.compact(payload), IN_TOTO, signed.key, keys.fingerprint(signed.key.public_key())),
    )
    assert signed.faults()[signatures.PROVENANCE][0].startswith(expected)


def test_review_that_says_something_else_is_refused(signed):
    said = signed.verify()[2]["says"] | {"meaning": "glanced at"}
    fingerprint = keys.fingerprint(signed.key.public_key())
    signed.write(
        "reviews/jane.dsse.json",
        dsse.seal(dsse.compact(said), statements.REVIEW_TYPE, signed.key, fingerprint),
    )
    assert signed.faults()["reviews/jane.dsse.json"][0].startswith("statement: meaning:")


# who runs the tests in a clone gets one
def test_record_of_another_execution_is_no_fault_but_is_told(signed):
    (signed.root / "execution/execution.json").write_text('{"host": "elsewhere"}\n')
    assert signed.faults() == {}
    assert signed.verify()[1]["notes"] == [
        "execution/execution.json is of another execution than the signed one, or was changed"
    ]


# a clone has no execution/
def test_record_of_an_execution_that_is_not_here_is_no_fault_but_is_told(signed):
    shutil.rmtree(signed.root / "execution")
    assert signed.faults() == {}
    assert signed.verify()[1]["notes"] == [
        "execution/execution.json is not here: not compared with its signed digest"
    ]


def test_byproducts_are_what_no_manifest_can_list(tmp_path):
    for folder in ("execution", "metrics"):
        (tmp_path / folder).mkdir()
    for name in (
        "execution/execution.json",
        "execution/tests.junit.xml",
        "execution/log.txt",
        "execution/.hidden.json",
        "dvc.lock",
        "dvc.yaml",
        "params.yaml",
        "metrics/gates.json",
        "metrics/metrics.json",
    ):
        (tmp_path / name).touch()
    assert list(statements.byproducts(tmp_path)) == [
        "dvc.lock",
        "execution/execution.json",
        "execution/tests.junit.xml",
        "metrics/gates.json",
        "params.yaml",
    ]


@pytest.mark.parametrize("name", statements.BESIDE)
def test_change_of_a_file_beside_the_bundle_is_found(tmp_path, name):
    (tmp_path / "metrics").mkdir()
    for other in statements.BESIDE:
        (tmp_path / other).write_text("as signed\n")
    project = Signed(tmp_path)
    assert project.faults() == {}
    (tmp_path / name).write_text("as tampered\n")
    assert [fault.split(":")[:2] for fault in project.faults()[signatures.PROVENANCE]] == [
        [name, " digest differs"]
    ]


def test_provenance_keeps_what_the_bundle_says(signed):
    found = json.loads(base64.b64decode(signed.read(signatures.PROVENANCE)["payload"]))
    assert found["subject"][0] == SLSA["subject"][0]
    assert found["predicate"]["buildDefinition"] == SLSA["predicate"]["buildDefinition"]
    assert [row["name"] for row in found["predicate"]["runDetails"]["byproducts"]] == [
        "metrics/dice.svg",
        "execution/execution.json",
    ]


# Keys.


def test_keys_of_the_clone_count_no_more_when_one_is_given(signed):
    records.write_bytes(signed.root / "keys/own.pub", signed.public.read_bytes())
    private_key(signed.root / "other.pem")
    assert {key.source for key in keys.known(signed.root / "keys").values()} == {"clone"}
    signed.known = keys.known(signed.root / "keys", [signed.root / "other.pub"])
    assert len(signed.faults()) == 3


@pytest.mark.parametrize("trust", ["test", "release"])
def test_mark_of_a_key_shows(signed, trust):
    name = keys.fingerprint(signed.key.public_key())
    records.write_bytes(signed.root / "keys/own.pub", signed.public.read_bytes())
    records.write(signed.root / "keys/own.json", {"fingerprint_sha256": name, "trust": trust}, "signing_key")
    signed.known = keys.known(signed.root / "keys")
    assert {found["trust"] for found in signed.verify()} == {trust}
    assert (
        f"key {name[:16]}, {signatures.TRUST[trust]}, from this clone: integrity, not identity"
        in signatures.lines(signed.verify())[0]
    )


def test_every_bad_file_of_keys_is_named(tmp_path):
    records.write_bytes(tmp_path / "a.pub", b"no key")
    records.write_bytes(tmp_path / "b.pub", keys.pem(ec.generate_private_key(ec.SECP384R1()).public_key()))
    records.write_bytes(tmp_path / "c.json", b"[]")
    records.write_bytes(tmp_path / "d.json", b"{")
    with pytest.raises(StageError) as error:
        keys.known(tmp_path)
    assert [line.split(": ")[0].rsplit("/")[-1] for line in error.value.findings] == [
        "c.json",
        "d.json",
        "a.pub",
        "b.pub",
    ]
    assert "found a key of kind EC secp384r1, expected EC P-256" in error.value.findings[3]


def test_two_marks_of_one_key_must_agree(tmp_path):
    for name, trust in (("a", "test"), ("b", "release")):
        records.write(
            tmp_path / f"{name}.json", {"fingerprint_sha256": RUN_ID, "trust": trust}, "signing_key"
        )
    with pytest.raises(StageError, match=r"b\.json: found trust release, expected test"):
        keys.known(tmp_path)


# Facts of the formats, and other implementations of them.


def test_pae_is_that_of_the_protocol():  # DSSE v1.0, protocol.md, test vector
    assert (
        dsse.pae("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


# OMS v1.0, test-vectors/v1.0/valid/key.bundle.json
def test_root_digest_is_that_of_the_published_vector():
    resources = [
        {"digest": "bc9a717db6064a32cbe9eae6fc40651dd6d36ef1757183f590eff2b1765d7ebc"},
        {"digest": "32dcb1f8e1ae52d5963e56a6ba06ab58b424c15ed2a6b70d2feca1d089370028"},
    ]
    assert oms.root(resources) == "92745110b1ab4368471cbe31664e10174e954b113a3df333db860317b2c6dec4"


def test_bundle_is_as_oms_demands(signed):
    """The MUSTs of OMS v1.0 for a producer that signs whole files with a key: sections 4, 4.1, 5, 6.5 and
    the four schemas."""
    value = signed.read()
    assert set(value) == {"mediaType", "verificationMaterial", "dsseEnvelope"}
    assert value["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert value["verificationMaterial"] == {
        "publicKey": {"hint": hashlib.sha256(signed.public.read_bytes()).hexdigest()},
        "tlogEntries": [],
    }
    envelope = value["dsseEnvelope"]
    assert (set(envelope), envelope["payloadType"]) == ({"payload", "payloadType", "signatures"}, IN_TOTO)
    assert [set(signature) for signature in envelope["signatures"]] == [{"sig", "keyid"}]
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in signed.evidence.iterdir()}
    names = sorted(digests)
    assert json.loads(base64.b64decode(envelope["payload"])) == {
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://model_signing/signature/v1.0",
        "subject": [
            {
                "name": "evidence",
                "digest": {
                    "sha256": hashlib.sha256(
                        bytes.fromhex("".join(digests[name] for name in names))
                    ).hexdigest()
                },
            }
        ],
        "predicate": {
            "resources": [{"name": name, "algorithm": "sha256", "digest": digests[name]} for name in names],
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [],
            },
        },
    }


def by_ours(signed):
    return signatures.OMS not in signed.faults()


def by_model_signing(signed):
    """The reference implementation, told to ignore nothing."""
    from model_signing import hashing, verifying

    hashed = hashing.Config().set_ignored_paths(paths=[], ignore_git_paths=False)
    try:
        verifying.Config().use_elliptic_key_verifier(public_key=signed.public).set_hashing_config(
            hashed
        ).verify(signed.evidence, signed.signatures / signatures.OMS)
    except Exception:  # noqa: BLE001 it raises what its parts raise; a test beside this one sees it pass
        return False
    return True


def by_openssl(signed):
    """What a reader without Python does: openssl over the encoding of DSSE, then sha256sum over the
    digests of the payload."""
    envelope = signed.read()["dsseEnvelope"]
    payload, signature = (
        base64.b64decode(envelope["payload"]),
        base64.b64decode(envelope["signatures"][0]["sig"]),
    )
    kind = envelope["payloadType"].encode()
    (signed.root / "signed.bin").write_bytes(b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload))
    (signed.root / "signature.bin").write_bytes(signature)
    sums = "".join(
        f"{row['digest']}  {row['name']}\n" for row in json.loads(payload)["predicate"]["resources"]
    )
    runs = (
        subprocess.run(
            ["openssl", "dgst", "-sha256", "-verify", "key.pub", "-signature", "signature.bin", "signed.bin"],
            cwd=signed.root,
        ),
        subprocess.run(["sha256sum", "--check", "--strict"], input=sums.encode(), cwd=signed.evidence),
    )
    return all(run.returncode == 0 for run in runs)


def by_securesystemslib(signed, name=signatures.OMS):
    """Another DSSE, which takes a key only under the id that the signature gives it; OMS leaves that
    empty."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey

    envelope = Envelope.from_dict(envelope_of(signed.read(name)))
    key = SSlibKey.from_crypto(serialization.load_pem_public_key(signed.public.read_bytes()))
    key.keyid = next(iter(envelope.signatures), "")
    try:
        envelope.verify([key], threshold=1)
    except VerificationError:
        return False
    return True


@pytest.fixture(params=["ours", "model_signing"])
def signed_by(request, signed):
    """A bundle that one of two implementations has signed."""
    if request.param == "model_signing":
        from model_signing import hashing
        from model_signing import signing as reference

        hashed = hashing.Config().set_ignored_paths(paths=[], ignore_git_paths=False)
        reference.Config().use_elliptic_key_signer(private_key=signed.root / "key.pem").set_hashing_config(
            hashed
        ).sign(signed.evidence, signed.signatures / signatures.OMS)
    return signed


@pytest.mark.parametrize("verified", [by_ours, by_model_signing, by_openssl, by_securesystemslib])
def test_implementations_accept_each_other(signed_by, verified):
    assert verified(signed_by)


@pytest.mark.parametrize("verified", [by_ours, by_model_signing, by_openssl])
def test_implementations_refuse_a_flipped_byte(signed_by, verified):
    flip_byte(signed_by.evidence)
    assert not verified(signed_by)


# openssl and sha256sum look at no other files
@pytest.mark.parametrize("verified", [by_ours, by_model_signing])
@pytest.mark.parametrize(
    "name", ["added_file", "added_gitattributes", "removed_file", "renamed_file", "symlink"]
)
def test_implementations_refuse_other_files(signed_by, verified, name):
    TAMPER[name][0](signed_by.evidence)
    assert not verified(signed_by)


@pytest.mark.parametrize("change", ["payload_changed", "no_signature", "other_payload_type"])
@pytest.mark.parametrize("verified", [by_ours, by_model_signing, by_openssl, by_securesystemslib])
def test_implementations_refuse_a_changed_envelope(signed_by, verified, change):
    if verified is by_openssl and change == "no_signature":
        # openssl has nothing to look at where there is no signature
        change = "not_der"
    value = signed_by.read()
    CHANGED[change][0](value)
    signed_by.write(signatures.OMS, value)
    assert not verified(signed_by)


@pytest.mark.parametrize("name", [signatures.PROVENANCE, "reviews/jane.dsse.json"])
def test_securesystemslib_accepts_our_envelopes(signed, name):
    assert by_securesystemslib(signed, name)


def test_we_accept_an_envelope_of_securesystemslib(signed):
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner, SSlibKey

    public = SSlibKey.from_crypto(signed.key.public_key(), keyid=keys.fingerprint(signed.key.public_key()))
    envelope = Envelope(base64.b64decode(signed.read(signatures.PROVENANCE)["payload"]), IN_TOTO, {})
    envelope.sign(CryptoSigner(signed.key, public))
    signed.write(signatures.PROVENANCE, envelope.to_dict())
    assert signed.faults() == {}


def test_verify_needs_what_the_runtime_has():
    code = (
        "import sys; from radiotrace.evidence.signing import signatures\n"
        "from radiotrace.commands import sign\n"
        "print(sorted({'model_signing', 'securesystemslib', 'sigstore', 'torch'} & sys.modules.keys()))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )


def test_lines_name_faults_and_what_was_not_checked(signed):
    shutil.rmtree(signed.root / "execution")
    (signed.evidence / "extra.json").touch()
    assert [line for line in signatures.lines(signed.verify()) if line.startswith("  ")] == [
        "  extra.json: unlisted",
        "  not checked: execution/execution.json is not here: not compared with its signed digest",
    ]


# Signatures of an earlier run


def run_again(signed, run_id: str) -> None:
    """Makes the bundle that of a run: its records, what its provenance is of, its manifest."""
    for name in ("run.json", "metrics.json"):
        (signed.evidence / name).write_text(json.dumps({"run_id": run_id}) + "\n")
    subject = SLSA["subject"][0] | {"annotations": {"radiotrace_run_id": run_id}}
    (signed.evidence / "provenance.slsa.json").write_bytes(dsse.compact(SLSA | {"subject": [subject]}))
    seal(signed.evidence)


def test_signatures_of_an_earlier_run_are_said_to_be_that_and_what_to_do(signed):
    run_again(signed, "d" * 64)
    signed.sign()
    assert signed.faults() == {}
    run_again(signed, "e" * 64)
    found = signed.faults()
    for name in (signatures.OMS, signatures.PROVENANCE):
        assert [fault.startswith(f"{signatures.ANOTHER_RUN}: ") for fault in found[name]] == [True]
    assert "python -m radiotrace sign" in signatures.ANOTHER_RUN


def test_a_changed_file_of_the_same_run_is_named_as_before(signed):
    run_again(signed, "d" * 64)
    signed.sign()
    (signed.evidence / "metrics.json").write_text("{}\n")
    assert any(fault.startswith("metrics.json: digest differs") for fault in signed.faults()[signatures.OMS])
