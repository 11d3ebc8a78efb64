"""Holding: bytes that came are held against a hash that somebody published, or an earlier download."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from radiotrace.records.download import HeldAgainst
from radiotrace.records.download_catalogue import Lookalike

PIECE = 2**20


class Mismatch(Exception):
    """A file is not what it should be; its text has both hashes."""


@dataclass(frozen=True)
class Digests:
    """Of a file's bytes."""

    bytes: int
    md5: str
    sha256: str


@dataclass(frozen=True)
class Known:
    """What is known of a file before it comes.

    Attributes:
        md5, sha256: None where nobody said it.
        by: who did: the catalogue (list) or the server.
    """

    md5: str | None = None
    sha256: str | None = None
    by: HeldAgainst = "nothing"


@dataclass(frozen=True)
class Held:
    """A file of data/.

    Attributes:
        path: below data/.
    """

    path: str
    bytes: int
    sha256: str
    held_against: HeldAgainst


def digests(path: Path) -> Digests:
    """Size and hashes of a file, in one pass."""
    md5, sha256, count = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            md5.update(piece)
            sha256.update(piece)
            count += len(piece)
    return Digests(count, md5.hexdigest(), sha256.hexdigest())


def hold(name: str, found: Digests, known: Known, earlier: str | None, lookalikes: Iterable[Lookalike] = ()):
    """Against what a file holds.

    Args:
        earlier: its SHA-256 in an earlier download, None where there was none.
        lookalikes: files that are known to go by its name.

    Returns:
        HeldAgainst: `nothing` where nothing is known of it.

    Raises:
        Mismatch: it is another file.
    """
    for kind, expected, by in (
        ("MD5", known.md5, known.by),
        ("SHA-256", known.sha256, known.by),
        ("SHA-256", earlier, "earlier"),
    ):
        actual = found.md5 if kind == "MD5" else found.sha256
        if expected is not None and actual != expected:
            source = {"list": "", "server": " as its server says", "earlier": " of the earlier download"}[by]
            notes = [f"; it is {other.note}" for other in lookalikes if other.md5 == found.md5]
            raise Mismatch(f"{name}: found {kind} {actual}, expected {expected}{source}{''.join(notes)}")
    if known.md5 is not None or known.sha256 is not None:
        return known.by
    return "nothing" if earlier is None else "earlier"


def counted(files: Iterable[Held]) -> Mapping[HeldAgainst, int]:
    """How many files were held against what."""
    counts: dict[HeldAgainst, int] = {"list": 0, "server": 0, "earlier": 0, "nothing": 0}
    for file in files:
        counts[file.held_against] += 1
    return counts
