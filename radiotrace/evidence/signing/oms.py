"""OMS: a signature over every file of a folder, as OpenSSF Model Signing v1.0 has it, with no file left out.

The bundle is written here: it is one JSON object around a DSSE envelope, where model-signing, which is the
reference implementation, brings thirteen packages and cannot be imported without one that it does not ask
for. In the tests model_signing verifies our bundles and we verify its.

Stricter than OMS in one thing: a file that OMS would ignore, such as .gitattributes, counts as any other that
was added.

Source: OMS v1.0, https://github.com/ossf/model-signing-spec, spec/v1.0.md; sections are named below.
"""

import hashlib
import os
import stat
from pathlib import Path

from radiotrace import records
from radiotrace.evidence.signing import dsse, keys

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
# what an OMS verifier leaves out at the top of the folder, section 6.2
IGNORED = (".git", ".gitattributes", ".github", ".gitignore")


def listing(folder) -> tuple[dict[str, str], list[str]]:
    """Every file below a folder, and what must not be there.

    Returns:
        {path with "/", relative: SHA-256}; faults: links, what is neither file nor folder, names beyond
        printable ASCII.
    """
    folder = Path(folder)
    if folder.is_symlink() or not folder.is_dir():
        kind = "a symbolic link" if folder.is_symlink() else "no folder"
        return {}, [f"{folder.name}: found {kind}, expected a folder"]
    files, faults = {}, []
    for path in sorted(folder.rglob("*"), key=os.fsencode):
        name, mode = path.relative_to(folder).as_posix(), path.lstat().st_mode
        if not (name.isascii() and name.isprintable()):  # among others, a letter that looks like one of ours
            faults.append(
                f"{dsse.quoted(name)}: the name has characters other than the printable ones of ASCII"
            )
        elif stat.S_ISLNK(mode):
            faults.append(f"{name}: found a symbolic link, expected a file")
        elif stat.S_ISREG(mode):
            files[name] = records.sha256(path)
        elif not stat.S_ISDIR(mode):
            faults.append(f"{name}: found neither a file nor a folder")
    return files, faults


def statement(folder_name: str, files: dict[str, str]) -> dict:
    """The statement that is signed, sections 5.2 and 6.6."""
    resources = [
        {"name": name, "algorithm": "sha256", "digest": digest} for name, digest in sorted(files.items())
    ]
    serialization = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []}
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": folder_name, "digest": {"sha256": root(resources)}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {"resources": resources, "serialization": serialization},
    }


def root(resources: list[dict]) -> str:
    """SHA-256 over the digests in their order, section 6.5.1.

    It says nothing of names, so it is no identity of the folder.
    """
    return hashlib.sha256(b"".join(bytes.fromhex(resource["digest"]) for resource in resources)).hexdigest()


def hint(public) -> str:
    """How a bundle names its key: SHA-256 of the PEM text, as model_signing takes it; section 4.1 says
    'fingerprint' and no more."""
    return hashlib.sha256(keys.pem(public)).hexdigest()


def sign(folder_name: str, files: dict[str, str], key) -> dict:
    """The bundle over the files of a folder."""
    # OMS does not use the key id, section 4.1
    envelope = dsse.seal(dsse.compact(statement(folder_name, files)), PAYLOAD_TYPE, key, "")
    material = {"publicKey": {"hint": hint(key.public_key())}, "tlogEntries": []}
    return {"mediaType": MEDIA_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope}


def key_hint(bundle) -> str:
    """How a bundle names its key.

    Raises:
        Refused: it is no bundle that was signed with a key.
    """
    if not isinstance(bundle, dict) or set(bundle) != {"mediaType", "verificationMaterial", "dsseEnvelope"}:
        raise dsse.Refused("not an OMS bundle: expected mediaType, verificationMaterial and dsseEnvelope")
    if bundle["mediaType"] != MEDIA_TYPE:
        raise dsse.Refused(
            f"unknown media type: found {dsse.quoted(bundle['mediaType'])}, expected {MEDIA_TYPE!r}"
        )
    material = bundle["verificationMaterial"]
    if (
        not isinstance(material, dict)
        or set(material) - {"publicKey", "tlogEntries"}
        or material.get("tlogEntries", []) != []
    ):
        raise dsse.Refused(
            "unknown verification material: expected publicKey, the only method that is checked here"
        )
    public_key = material.get("publicKey")
    if (
        not isinstance(public_key, dict)
        or set(public_key) != {"hint"}
        or not isinstance(public_key["hint"], str)
    ):
        raise dsse.Refused("unknown verification material: expected the hint of a public key")
    return public_key["hint"]


def contents(payload: bytes) -> dict[str, str]:
    """The files that a signed statement lists: name -> SHA-256.

    Raises:
        Refused: it is no statement of OMS v1.0 over whole files with SHA-256, or contradicts itself.
    """
    signed = dsse.parse(payload)
    predicate = signed.get("predicateType") if isinstance(signed, dict) else None
    if predicate != PREDICATE_TYPE:
        raise dsse.Refused(f"unknown predicate: found {dsse.quoted(predicate)}, expected {PREDICATE_TYPE!r}")
    if broken := records.faults(signed, "oms_statement"):
        raise dsse.Refused(*(f"statement: {dsse.brief(line)}" for line in broken))
    resources = signed["predicate"]["resources"]
    names = [resource["name"] for resource in resources]
    if names != sorted(set(names)):
        raise dsse.Refused("statement: names stand twice or out of order")
    if signed["subject"][0]["digest"]["sha256"] != root(resources):
        raise dsse.Refused("statement: the root digest is not that of its resources")
    return {resource["name"]: resource["digest"] for resource in resources}


def differences(signed: dict[str, str], files: dict[str, str]) -> list[str]:
    """How files differ from those that were signed; [] when they are the same."""
    missing = [f"{name}: missing" for name in signed.keys() - files.keys()]
    unlisted = [f"{name}: unlisted" for name in files.keys() - signed.keys()]
    changed = [
        f"{name}: digest differs: found {files[name]}, expected {digest}"
        for name, digest in signed.items()
        if files.get(name, digest) != digest
    ]
    return sorted(missing + unlisted + changed)
