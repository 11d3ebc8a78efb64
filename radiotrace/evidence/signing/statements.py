"""Statements that people and programs sign: of the provenance, and of a review.

And whether a bundle is fit to be signed.
"""

import copy
import hashlib
import re
from pathlib import Path

from radiotrace import records
from radiotrace.evidence.signing import dsse, oms

SLSA_FILE, SLSA_TYPE = "provenance.slsa.json", "https://slsa.dev/provenance/v1"
REVIEW_TYPE = "application/vnd.radiotrace.review+json"
MANIFEST, SUMS = "manifest.json", "SHA256SUMS"
EXECUTION = re.compile(r"execution/[A-Za-z0-9][A-Za-z0-9._-]*")
# Made with the bundle or after it, so that its manifest cannot list them.
BESIDE = ("dvc.lock", "metrics/gates.json", "params.yaml")


def misfits(evidence, files: dict[str, str]) -> list[str]:
    """Where a bundle does not fit its own SHA256SUMS and manifest.json; [] when it fits both.

    Args:
        evidence: the folder.
        files: its listing, name -> SHA-256.
    """
    evidence = Path(evidence)
    if absent := [f"{name}: missing" for name in (SUMS, MANIFEST) if name not in files]:
        return absent
    faults = _misfits_of_sums((evidence / SUMS).read_text("utf-8", "replace"), files)
    try:
        manifest = dsse.parse((evidence / MANIFEST).read_bytes())
    except dsse.Refused as refused:
        return [*faults, f"{MANIFEST}: {refused}"]
    if broken := records.faults(manifest, "manifest"):
        return faults + [f"{MANIFEST}: {line}" for line in broken]
    prefix = f"{evidence.resolve().name}/"
    listed = {
        row["path"].removeprefix(prefix): row["sha256"] for row in manifest["files"] if row["in_bundle"]
    }
    differences = oms.differences(listed, _without(files, SUMS, MANIFEST))
    return faults + [f"{MANIFEST}: {line}" for line in differences]


def _misfits_of_sums(text: str, files: dict[str, str]) -> list[str]:
    """Where files do not fit the text of SHA256SUMS."""
    listed = {}
    for line in text.splitlines():
        match = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
        if match is None:
            return [f"{SUMS}: found a line that is not 'SHA-256  name'"]
        listed[match[2]] = match[1]
    return [f"{SUMS}: {line}" for line in oms.differences(listed, _without(files, SUMS))]


def _without(files, *names):
    return {name: digest for name, digest in files.items() if name not in names}


def provenance(slsa, manifest_sha256: str, byproducts: dict[str, str]) -> dict:
    """The SLSA statement of the bundle, with the manifest as a further subject, and with byproducts.

    The bundle's own statement can name neither: the manifest lists it, and a record with a clock in it would
    change the bundle each time.

    Args:
        slsa: evidence/provenance.slsa.json.
        manifest_sha256: of evidence/manifest.json.
        byproducts: path -> SHA-256, of byproducts().

    Raises:
        Refused: it is no SLSA v1 provenance.
    """
    check_slsa(slsa)
    try:
        statement = copy.deepcopy(slsa)
        statement["subject"] = [*statement["subject"], _resource(f"evidence/{MANIFEST}", manifest_sha256)]
        details = statement["predicate"]["runDetails"]
        details["byproducts"] = [
            *details.get("byproducts", []),
            *(_resource(*item) for item in sorted(byproducts.items())),
        ]
    except (KeyError, TypeError, AttributeError):
        raise dsse.Refused("not SLSA v1 provenance: expected a subject and predicate.runDetails") from None
    return statement


def _resource(name, sha256):
    return {"name": name, "digest": {"sha256": sha256}}


def check_slsa(statement) -> None:
    """Raises Refused when a statement says that it is of another kind."""
    predicate = statement.get("predicateType") if isinstance(statement, dict) else None
    if predicate != SLSA_TYPE:
        raise dsse.Refused(f"unknown predicate: found {dsse.quoted(predicate)}, expected {SLSA_TYPE!r}")


def signed_byproducts(statement) -> dict[str, str]:
    """The byproducts of a signed statement that lie outside of the bundle: path -> SHA-256."""
    try:
        rows = statement["predicate"]["runDetails"]["byproducts"]
        return {row["name"]: row["digest"]["sha256"] for row in rows if _is_byproduct(row.get("name", ""))}
    except (KeyError, TypeError, AttributeError):
        return {}  # of another shape, in which case the statement will differ from the one that is expected


def byproducts(root) -> dict[str, str]:
    """What the bundle cannot list and gets signed, as far as it is there: path -> SHA-256.

    Those of BESIDE, and what varies: execution/*.json and execution/tests.junit.xml.
    """
    root = Path(root)
    paths = (
        *(root / "execution").glob("*.json"),
        root / "execution/tests.junit.xml",
        *(root / name for name in BESIDE),
    )
    named = {path.relative_to(root).as_posix(): path for path in paths if path.is_file()}
    return {name: records.sha256(path) for name, path in sorted(named.items()) if _is_byproduct(name)}


def _is_byproduct(name: str) -> bool:
    return name in BESIDE or EXECUTION.fullmatch(name) is not None


def review(name: str, meaning: str, time_utc: str, manifest: bytes) -> dict:
    """The record 'review_statement': printed name, time and meaning of a signature, bound to one manifest.

    The shape is that of 21 CFR 11.50 and 11.70. It is no claim of Part 11, which asks for more than a record:
    identity, controls, procedures. The time is what the signer's clock or command line said; nobody vouches
    for it.
    """
    return {
        "name": name,
        "meaning": meaning,
        "time_utc": time_utc,
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
        "run_id": dsse.parse(manifest)["run_id"],
    }
