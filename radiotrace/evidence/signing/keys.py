"""Keys: EC P-256, known by the SHA-256 of the public part (SubjectPublicKeyInfo, DER).

A key that lies in the clone which it vouches for shows that nothing changed since its owner signed, not who
that was: whoever changes the files can put another key there, and mark it. A key that the reader got from the
signer by another way shows both.
"""

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.signing import dsse

VARIABLE = "RADIOTRACE_SIGNING_KEY"
NEW_KEY = (
    "Make one outside the repository with 'python -m radiotrace sign --new-test-key FILE', or with\n"
    f"'(umask 077; openssl ecparam -name prime256v1 -genkey -noout -out FILE)'; then 'export "
    f"{VARIABLE}=FILE'."
)
SHORT = 16  # digits of a fingerprint in a file name and for people


class Key(NamedTuple):
    """A public key.

    Attributes:
        trust: how the clone marks it: test, release or unmarked.
        source: 'given' where the reader brought the key, or its fingerprint, from elsewhere; else 'clone'.
        name: what the reader calls it; "" without one.
    """

    public: ec.EllipticCurvePublicKey
    fingerprint: str
    trust: str
    source: str
    name: str = ""


def pem(public: ec.EllipticCurvePublicKey) -> bytes:
    """The public key as keys/*.pub has it and openssl reads it."""
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def fingerprint(public: ec.EllipticCurvePublicKey) -> str:
    """64 hexadecimal digits; `openssl pkey -pubin -in FILE -outform DER | sha256sum` prints the same."""
    return hashlib.sha256(
        public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()


def known(folder, given=(), fingerprints=None) -> dict[str, Key]:
    """The public keys that signatures may be of, by fingerprint.

    Args:
        folder: keys/ of the clone: *.pub, and *.json that mark them (record 'signing_key').
        given: files of keys that the reader got by another way. When there is one, keys of the clone count no
            more.
        fingerprints: fingerprint -> name, of keys that the reader knows by these; then those of the clone
            that are among them count, too.

    Raises:
        StageError: a file is not what it should be; names every one.
    """
    folder, faults, keys_by_fingerprint = Path(folder), [], {}
    trust_by_fingerprint = _marks(folder, faults)
    names = fingerprints or {}
    brought = [Path(path) for path in given]
    of_clone = sorted(folder.glob("*.pub")) if fingerprints is not None or not given else []
    for path in [*brought, *of_clone]:
        try:
            public = _checked(serialization.load_pem_public_key(path.read_bytes()), path)
        except (OSError, StageError) as error:
            faults.append(str(error))
            continue
        except (ValueError, UnsupportedAlgorithm):
            faults.append(f"{path}: found no public key in PEM")
            continue
        digits = fingerprint(public)
        is_given = path in brought or digits in names
        if is_given or fingerprints is None:
            key = Key(
                public,
                fingerprint=digits,
                trust=trust_by_fingerprint.get(digits, "unmarked"),
                source="given" if is_given else "clone",
                name=names.get(digits, ""),
            )
            keys_by_fingerprint.setdefault(digits, key)
    if faults:
        raise StageError("public keys cannot be used", faults, "Restore them with git, or name other ones.")
    return keys_by_fingerprint


def _marks(folder: Path, faults: list[str]) -> dict[str, str]:
    """Fingerprint -> trust, as the *.json of a folder mark keys. Adds to the faults."""
    trust_by_fingerprint = {}
    for path in sorted(folder.glob("*.json")):
        if record := _record(path, faults):
            digits, trust = record["fingerprint_sha256"], record["trust"]
            earlier = trust_by_fingerprint.setdefault(digits, trust)
            if earlier != trust:
                faults.append(f"{path}: found trust {trust}, expected {earlier} as another file has it")
    return trust_by_fingerprint


def fingerprints(path) -> dict[str, str]:
    """Keys that a reader knows: a file of lines 'fingerprint name', where the name may be missing; # begins a
    comment.

    Raises:
        StageError: a line is something else, or there is none; names every one.
    """
    name_by_fingerprint, faults = {}, []
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StageError(f"{path} cannot be read", [str(error)], "Name a file of fingerprints.") from None
    for number, line in enumerate(lines, 1):
        digits, _, name = line.partition("#")[0].strip().partition(" ")
        if re.fullmatch("[0-9a-f]{64}", digits):
            name_by_fingerprint[digits] = name.strip()
        elif digits:
            faults.append(f"line {number}: found {dsse.quoted(digits)}, expected 64 hexadecimal digits")
    if faults or not name_by_fingerprint:
        raise StageError(
            f"{path} is no list of fingerprints",
            faults or ["found no fingerprint"],
            "A line has a fingerprint and a name.",
        )
    return name_by_fingerprint


def demand_outside(paths, root) -> None:
    """Refuses keys and lists that lie in the clone which they vouch for: whoever made it could have put them
    there.

    Raises:
        StageError: a file lies in the clone; names every one.
    """
    if inside := [str(path) for path in paths if Path(path).resolve().is_relative_to(Path(root).resolve())]:
        raise StageError(
            "keys of the clone show that nothing changed, not whose they are",
            [f"{path}: lies in the clone" for path in inside],
            "Name a file outside of it, which came to you by another way.",
        )


def _record(path: Path, faults: list[str]) -> dict | None:
    try:
        record = dsse.parse(path.read_bytes())
    except dsse.Refused as refused:
        faults.append(f"{path}: {refused}")
        return None
    broken = records.faults(record, "signing_key")
    faults += [f"{path}: {line}" for line in broken]
    return None if broken else record


def _checked(key, path) -> Any:
    """The key, which is EC P-256."""
    curve = getattr(getattr(key, "curve", None), "name", None)
    if curve != "secp256r1":
        kind = type(key).__name__.removesuffix("PrivateKey").removesuffix("PublicKey").lstrip("_")
        if curve:
            kind = f"EC {curve}"
        raise StageError(
            f"{path}: found a key of kind {kind}, expected EC P-256 (prime256v1)", way_out=NEW_KEY
        )
    return key


def private(path) -> ec.EllipticCurvePrivateKey:
    """The private key in a PEM file that its owner alone can read, outside of every repository.

    Raises:
        StageError: it is something else; names every fault.
    """
    if not path:
        raise StageError(
            f"{VARIABLE} is not set", ["found nothing, expected the path of a private key"], NEW_KEY
        )
    path, faults = Path(path), []
    if repository := work_tree(path):
        faults.append(f"it lies in the repository {repository.name}, from where it may get published")
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            faults.append(f"others may read it: found mode {mode:04o}, expected 0600")
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        faults.append(f"cannot be read: {error.strerror}")
    except TypeError:
        faults.append("it is encrypted; found a passphrase, expected none")
    except (ValueError, UnsupportedAlgorithm):
        faults.append("found no private key in PEM")
    if faults:
        raise StageError(f"{VARIABLE}: {path} cannot be used", faults, NEW_KEY)
    return _checked(key, f"{VARIABLE}: {path}")


def work_tree(path) -> Path | None:
    """The repository in which a path lies, None outside of all."""
    return next((folder for folder in Path(path).resolve().parents if (folder / ".git").exists()), None)


def create(path) -> ec.EllipticCurvePublicKey:
    """Makes a private key at a path where nothing is, readable by its owner alone.

    Raises:
        StageError: the path lies in a repository, or something is there, or it cannot be written.
    """
    if repository := work_tree(path):
        raise StageError(
            "a private key must not lie in a repository",
            [f"found {path} in the repository {repository.name}"],
            "Name a path outside of it.",
        )
    key = ec.generate_private_key(ec.SECP256R1())
    content = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    except OSError as error:
        raise StageError(
            f"{path}: {error.strerror}", way_out="Name a new file in a folder that you may write to."
        ) from None
    return key.public_key()
