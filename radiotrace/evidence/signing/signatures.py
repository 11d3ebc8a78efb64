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
    signatures, evidence = Path(signatures), Path(evidence)
    files, wrong = oms.listing(evidence)
    present = {
        path.relative_to(signatures).as_posix(): path
        for path in signatures.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    expected = {OMS, *([PROVENANCE] if SLSA_FILE in files else [])}
    found = []
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
            CHECKS[finding["kind"]](content, evidence, files, public_keys, Path(root), finding)
        except dsse.Refused as refused:
            finding["faults"] += refused.faults
        finding["faults"] += wrong if finding["kind"] == "oms" else []
        found.append({"ok": not finding["faults"], **finding})
    return found


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
    """The payload of an envelope; who signed it goes into the finding once the signature is known to fit.

    Args:
        hint: how an OMS bundle names its key; None where the envelope's key id does.
    """

    def of(keyid):
        name = keyid if hint is None else hint
        chosen = [
            key
            for key in public_keys.values()
            if name == (key.fingerprint if hint is None else oms.hint(key.public))
        ]
        if not chosen:
            known = ", ".join(other[:SHORT] for other in sorted(public_keys)) or "none"
            raise dsse.Refused(f"key mismatch: signed with key {dsse.shown(name)}, known keys: {known}")
        return chosen[0]

    used = {}
    payload = dsse.opened(envelope, payload_type, lambda keyid: used.setdefault("key", of(keyid)).public)
    finding.update(
        fingerprint=used["key"].fingerprint,
        trust=used["key"].trust,
        key_source=used["key"].source,
        key_name=used["key"].name,
    )
    return payload


def _check_oms(bundle, evidence, files, public_keys, root, finding):
    hint = oms.key_hint(bundle)
    signed = oms.contents(_open(bundle["dsseEnvelope"], oms.PAYLOAD_TYPE, public_keys, finding, hint))
    differences = oms.differences(signed, files)
    if all(signed.get(name) != files.get(name) for name in OF_A_RUN):
        raise dsse.Refused(f"{ANOTHER_RUN}: {len(differences)} files differ, such as {differences[0]}")
    finding["faults"] += differences


def _check_provenance(envelope, evidence, files, public_keys, root, finding):
    signed = dsse.parse(_open(envelope, oms.PAYLOAD_TYPE, public_keys, finding))
    statements.check_slsa(signed)
    if (
        SLSA_FILE in files
        and (runs := _runs(signed))
        and (now := _runs(dsse.parse((evidence / SLSA_FILE).read_bytes())))
        and runs != now
    ):
        raise dsse.Refused(
            f"{ANOTHER_RUN}: found {', '.join(sorted(now))}, signed "
            f"{', '.join(dsse.shown(run) for run in sorted(runs))}"
        )
    if absent := [f"{evidence.name}/{name}: missing" for name in (SLSA_FILE, MANIFEST) if name not in files]:
        raise dsse.Refused(*absent)
    byproducts = statements.signed_byproducts(signed)
    expected = statements.provenance(
        dsse.parse((evidence / SLSA_FILE).read_bytes()), files[MANIFEST], byproducts
    )
    finding["faults"] += [
        f"{key}: what was signed is not what {SLSA_FILE} and the digest of {MANIFEST} say"
        for key in sorted(signed.keys() | expected.keys())
        if signed.get(key) != expected.get(key)
    ]
    for name, digest in byproducts.items():
        if not (root / name).is_file():
            finding["notes"].append(f"{name} is not here: not compared with its signed digest")
        elif (now := records.sha256(root / name)) != digest and name in statements.BESIDE:
            finding["faults"].append(f"{name}: digest differs: found {now}, signed {dsse.shown(digest)}")
        elif now != digest:  # whoever runs the tests in a clone gets a record of that
            finding["notes"].append(f"{name} is of another execution than the signed one, or was changed")


def _runs(statement) -> set[str]:
    """The runs that a statement says its subjects are of; none where it says nothing that can be read."""
    subjects = statement.get("subject") if isinstance(statement, dict) else None
    found = set()
    for subject in subjects if isinstance(subjects, list) else ():
        annotations = subject.get("annotations") if isinstance(subject, dict) else None
        run = annotations.get("radiotrace_run_id") if isinstance(annotations, dict) else None
        if isinstance(run, str):
            found.add(run)
    return found


def _check_review(envelope, evidence, files, public_keys, root, finding):
    signed = dsse.parse(_open(envelope, statements.REVIEW_TYPE, public_keys, finding))
    if broken := records.faults(signed, "review_statement"):
        raise dsse.Refused(*(f"statement: {dsse.brief(line)}" for line in broken))
    if signed["manifest_sha256"] != files.get(MANIFEST):
        raise dsse.Refused(
            f"it is of another manifest: found {files.get(MANIFEST)}, signed {signed['manifest_sha256']}"
        )
    finding["says"] = signed


def _check_unknown(content, evidence, files, public_keys, root, finding):
    raise dsse.Refused("unlisted: no signature has this name")


CHECKS = {
    "oms": _check_oms,
    "provenance": _check_provenance,
    "review": _check_review,
    "unknown": _check_unknown,
}


def lines(findings: list[dict]) -> list[str]:
    """The findings for people, a line each and one for each fault and note."""
    found = []
    for finding in findings:
        words = [finding["file"], "ok" if finding["ok"] else "NOT OK", "no known key fits"]
        if finding["fingerprint"]:
            words[2] = (
                f"key {finding['fingerprint'][:SHORT]}, {TRUST[finding['trust']]}, "
                f"{SOURCE[finding['key_source']]}"
            )
        if says := finding["says"]:
            who = (
                says["name"]
                if finding["key_source"] == "given"
                else f"somebody who says to be {says['name']}"
            )
            words.append(f"{says['meaning']} by {who} at {says['time_utc']}")
        found += [
            "  ".join(words),
            *(f"  {fault}" for fault in finding["faults"]),
            *(f"  not checked: {note}" for note in finding["notes"]),
        ]
    return found


def whose(findings: list[dict]) -> list[str]:
    """Whose keys signed: for the first lines, before anything that a signature is taken to show.

    Keys of the clone never count as known.
    """
    signers = {
        (row["fingerprint"], row["key_source"], row["key_name"]) for row in findings if row["fingerprint"]
    }
    text = []
    for name, source, called in sorted(signers):
        if source == "given":
            text.append(f"signed by: key {name}, which you {f'know as {called}' if called else 'brought'}")
        else:
            text.append(
                f"signed by: UNKNOWN KEY {name}: it lies in the clone itself, where anybody can put "
                f"one. Ask its owner for the "
                "fingerprint by another way, then give --pubkey FILE or --fingerprints FILE"
            )
    unsigned = [row["file"] for row in findings if not row["fingerprint"]]
    return text + ([f"signed by: nobody whose key is known: {', '.join(unsigned)}"] if unsigned else [])
