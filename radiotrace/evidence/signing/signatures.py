"""Signatures over the evidence: whether each holds, and what it is of.

signatures/evidence.oms.json     every file of evidence/: OMS v1.0
signatures/provenance.dsse.json  evidence/provenance.slsa.json, the manifest, dvc.lock, params.yaml,
        metrics/gates.json and what varies (execution/): in-toto statement in DSSE
signatures/reviews/*.dsse.json   who authored, reviewed or approved which manifest, and when: record
        'review_statement' in DSSE

ECDSA draws a number for each signature, and a review has a time: none of this is in evidence/, which is the
same bytes every time.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from radiotrace import records
from radiotrace.evidence.signing import dsse, oms, statements
from radiotrace.evidence.signing.keys import SHORT, Key
from radiotrace.evidence.signing.statements import MANIFEST, SLSA_FILE

OMS, PROVENANCE, REVIEWS = "evidence.oms.json", "provenance.dsse.json", "reviews"
TRUST = {"test": "TEST KEY", "release": "called a release key by the clone", "unmarked": "unmarked key"}
OF_A_RUN = (MANIFEST, "run.json", "metrics.json")  # files that are others in every other run
ANOTHER_RUN = (
    "it is of the evidence of another run. Sign this one: 'python -m radiotrace sign' "
    "(design/README.md), or take signatures/ away, which "
    "leaves it unsigned"
)
SOURCE = {"clone": "from this clone: integrity, not identity", "given": "given by the reader"}


@dataclass(frozen=True)
class Bundle:
    """What the signatures are held against.

    Attributes:
        folder: of the evidence.
        files: every file below it, name -> SHA-256.
        root: where dvc.lock and execution/ are.
    """

    folder: Path
    files: dict[str, str]
    root: Path


def verify(signatures, evidence, public_keys: dict[str, Key], root) -> list[dict]:
    """Whether each signature holds, and what it is of.

    Args:
        signatures, evidence: the folders.
        public_keys: keys.known().
        root: where dvc.lock and execution/ are.

    Returns:
        One finding for each signature that is there or should be: file, kind (oms, provenance, review,
            unknown), ok, faults, notes (what could not be looked at); of the key fingerprint, trust (test,
            release, unmarked), key_source (clone, given), None where no signature fits, and key_name, what
            the reader calls it; says is the payload of a review that holds, else None. ok says nothing about
            the key: a test key, or one from the clone, makes it no less ok.
    """
    signatures = Path(signatures)
    files, listing_faults = oms.listing(evidence)
    bundle = Bundle(Path(evidence), files, Path(root))
    present = {
        path.relative_to(signatures).as_posix(): path
        for path in signatures.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    expected = {OMS, PROVENANCE} if SLSA_FILE in files else {OMS}
    findings = []
    for name in sorted(expected | present.keys()):
        finding = {
            "file": f"{signatures.name}/{name}",
            "kind": _kind(name),
            "faults": [],
            "notes": [],
            "fingerprint": None,
            "trust": None,
            "key_source": None,
            "key_name": "",
            "says": None,
        }
        try:
            content = dsse.parse(_bytes(present.get(name)))
            CHECKS[finding["kind"]](content, bundle, public_keys, finding)
        except dsse.Refused as refused:
            finding["faults"] += refused.faults
        if finding["kind"] == "oms":
            finding["faults"] += listing_faults
        findings.append({"ok": not finding["faults"], **finding})
    return findings


def _kind(name: str) -> str:
    if re.fullmatch(rf"{REVIEWS}/[^/]+\.dsse\.json", name):
        return "review"
    return {OMS: "oms", PROVENANCE: "provenance"}.get(name, "unknown")


def _bytes(path) -> bytes:
    if path is None:
        raise dsse.Refused("missing")
    if path.is_symlink() or not path.is_file():
        raise dsse.Refused("found a symbolic link or a special file, expected a file")
    return path.read_bytes()


def _open(envelope, payload_type, public_keys, finding, hint=None) -> bytes:
    """The payload of an envelope. The key that signed it goes into the finding once the signature fits.

    Args:
        hint: how an OMS bundle names its key; None where the envelope's key id does.
    """
    signer: list[Key] = []

    def public_key_of(keyid):
        signer.append(_key_named(keyid, public_keys) if hint is None else _key_hinted_at(hint, public_keys))
        return signer[0].public

    payload = dsse.open_envelope(envelope, payload_type, public_key_of)
    finding.update(
        fingerprint=signer[0].fingerprint,
        trust=signer[0].trust,
        key_source=signer[0].source,
        key_name=signer[0].name,
    )
    return payload


def _key_named(keyid: str, public_keys: dict[str, Key]) -> Key:
    for key in public_keys.values():
        if key.fingerprint == keyid:
            return key
    raise _key_mismatch(keyid, public_keys)


def _key_hinted_at(hint: str, public_keys: dict[str, Key]) -> Key:
    for key in public_keys.values():
        if oms.hint(key.public) == hint:
            return key
    raise _key_mismatch(hint, public_keys)


def _key_mismatch(name: str, public_keys: dict[str, Key]) -> dsse.Refused:
    known = ", ".join(fingerprint[:SHORT] for fingerprint in sorted(public_keys)) or "none"
    return dsse.Refused(f"key mismatch: signed with key {dsse.quoted(name)}, known keys: {known}")


def _check_oms(content, bundle: Bundle, public_keys, finding):
    hint = oms.key_hint(content)
    signed = oms.contents(_open(content["dsseEnvelope"], oms.PAYLOAD_TYPE, public_keys, finding, hint))
    differences = oms.differences(signed, bundle.files)
    if all(signed.get(name) != bundle.files.get(name) for name in OF_A_RUN):
        raise dsse.Refused(f"{ANOTHER_RUN}: {len(differences)} files differ, such as {differences[0]}")
    finding["faults"] += differences


def _check_provenance(envelope, bundle: Bundle, public_keys, finding):
    signed = dsse.parse(_open(envelope, oms.PAYLOAD_TYPE, public_keys, finding))
    statements.check_slsa(signed)
    signed_runs = _runs(signed)
    if signed_runs and SLSA_FILE in bundle.files:
        runs = _runs(dsse.parse((bundle.folder / SLSA_FILE).read_bytes()))
        if runs and runs != signed_runs:
            raise dsse.Refused(
                f"{ANOTHER_RUN}: found {', '.join(sorted(runs))}, signed "
                f"{', '.join(map(dsse.quoted, sorted(signed_runs)))}"
            )
    missing = [name for name in (SLSA_FILE, MANIFEST) if name not in bundle.files]
    if missing:
        raise dsse.Refused(*(f"{bundle.folder.name}/{name}: missing" for name in missing))
    byproducts = statements.signed_byproducts(signed)
    expected = statements.provenance(
        dsse.parse((bundle.folder / SLSA_FILE).read_bytes()), bundle.files[MANIFEST], byproducts
    )
    finding["faults"] += [
        f"{key}: what was signed is not what {SLSA_FILE} and the digest of {MANIFEST} say"
        for key in sorted(signed.keys() | expected.keys())
        if signed.get(key) != expected.get(key)
    ]
    for name, digest in byproducts.items():
        _check_byproduct(bundle.root, name, digest, finding)


def _check_byproduct(root: Path, name: str, digest, finding):
    if not (root / name).is_file():
        finding["notes"].append(f"{name} is not here: not compared with its signed digest")
        return
    present = records.sha256(root / name)
    if present == digest:
        return
    if name in statements.BESIDE:
        finding["faults"].append(f"{name}: digest differs: found {present}, signed {dsse.quoted(digest)}")
    else:  # whoever runs the tests in a clone gets a record of that
        finding["notes"].append(f"{name} is of another execution than the signed one, or was changed")


def _runs(statement) -> set[str]:
    """The runs of its subjects that a statement names; none where its shape is another one."""
    subjects = statement.get("subject") if isinstance(statement, dict) else None
    runs = set()
    for subject in subjects if isinstance(subjects, list) else ():
        annotations = subject.get("annotations") if isinstance(subject, dict) else None
        run = annotations.get("radiotrace_run_id") if isinstance(annotations, dict) else None
        if isinstance(run, str):
            runs.add(run)
    return runs


def _check_review(envelope, bundle: Bundle, public_keys, finding):
    signed = dsse.parse(_open(envelope, statements.REVIEW_TYPE, public_keys, finding))
    if broken := records.faults(signed, "review_statement"):
        raise dsse.Refused(*(f"statement: {dsse.brief(line)}" for line in broken))
    manifest_sha256 = bundle.files.get(MANIFEST)
    if signed["manifest_sha256"] != manifest_sha256:
        raise dsse.Refused(
            f"it is of another manifest: found {manifest_sha256}, signed {signed['manifest_sha256']}"
        )
    finding["says"] = signed


def _check_unknown(content, bundle: Bundle, public_keys, finding):
    raise dsse.Refused("unlisted: no signature has this name")


CHECKS = {
    "oms": _check_oms,
    "provenance": _check_provenance,
    "review": _check_review,
    "unknown": _check_unknown,
}


def lines(findings: list[dict]) -> list[str]:
    """The findings for people: a line for each, then a line for each of its faults and notes."""
    text = []
    for finding in findings:
        words = [finding["file"], "ok" if finding["ok"] else "NOT OK", "no known key fits"]
        if finding["fingerprint"]:
            words[2] = (
                f"key {finding['fingerprint'][:SHORT]}, {TRUST[finding['trust']]}, "
                f"{SOURCE[finding['key_source']]}"
            )
        if says := finding["says"]:
            signer = says["name"]
            if finding["key_source"] != "given":
                signer = f"somebody who says to be {signer}"
            words.append(f"{says['meaning']} by {signer} at {says['time_utc']}")
        text.append("  ".join(words))
        text += [f"  {fault}" for fault in finding["faults"]]
        text += [f"  not checked: {note}" for note in finding["notes"]]
    return text


def signers(findings: list[dict]) -> list[str]:
    """Lines that say whose keys signed. They go first, before anything that a signature is taken to show.

    Keys of the clone never count as known.
    """
    used = {
        (row["fingerprint"], row["key_source"], row["key_name"]) for row in findings if row["fingerprint"]
    }
    text = []
    for fingerprint, source, name in sorted(used):
        if source == "given":
            how = f"know as {name}" if name else "brought"
            text.append(f"signed by: key {fingerprint}, which you {how}")
        else:
            text.append(
                f"signed by: UNKNOWN KEY {fingerprint}: it lies in the clone itself, where anybody can put "
                f"one. Ask its owner for the "
                "fingerprint by another way, then give --pubkey FILE or --fingerprints FILE"
            )
    unsigned = [row["file"] for row in findings if not row["fingerprint"]]
    if unsigned:
        text.append(f"signed by: nobody whose key is known: {', '.join(unsigned)}")
    return text
