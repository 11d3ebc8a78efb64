"""Look: reads the headers of all files of a folder, and puts together what they come to."""

import hashlib
import importlib.util
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from radiotrace.errors import log
from radiotrace.imaging.child import Limits, Refused, nothing
from radiotrace.inspection import kinds, probe, tree
from radiotrace.inspection.crew import Crew
from radiotrace.inspection.seen import Batch, Seen
from radiotrace.inspection.tree import Entry, Tree

if TYPE_CHECKING:
    from radiotrace.imaging.dicom.headers import Instance
    from radiotrace.inspection.series import SeriesSeen

LIMITS = Limits(file_bytes=2**28, memory_bytes=4 * 2**30, seconds=10)
BATCH = 64  # files that are asked for at once
FEW = 256  # files that one process reads before others have started
PROGRESS = 5000  # files
HASHED_BYTES_MAX = 4 * 2**30
PIECE_BYTES = 2**20


@dataclass
class Look:
    """What lies in a folder.

    Attributes:
        seen: what each file says, sorted by path.
        series: of DICOM images, sorted by the path of their first file.
        copies: files of the same bytes, each a tuple of paths.
        alike: how many files may be copies and were not compared, as they are too large together.
        repeated: paths of DICOM files whose SOPInstanceUID another file has, with other bytes.
        identities: values of headers that say who is shown, or when.
        with_dicom: whether DICOM headers were read.
    """

    root: Path
    tree: Tree
    seen: list[Seen]
    series: list["SeriesSeen"] = field(default_factory=list)
    copies: list[tuple[str, ...]] = field(default_factory=list)
    alike: int = 0
    repeated: list[str] = field(default_factory=list)
    identities: frozenset[str] = field(default=frozenset(), repr=False)
    with_dicom: bool = True

    def of(self, *kinds_wanted: str) -> list[Seen]:
        """Files of these kinds."""
        return [one for one in self.seen if one.kind in kinds_wanted]

    @property
    def instances(self) -> list["Instance"]:
        """Of all DICOM files whose header was read."""
        return [one.instance for one in self.seen if one.instance is not None]


def has_pydicom() -> bool:
    """Whether DICOM headers can be read here."""
    return importlib.util.find_spec("pydicom") is not None


def at(root: Path, limits: Limits = LIMITS) -> Look:
    """Everything that headers say of what lies below a folder."""
    with_dicom = has_pydicom()
    below = tree.below(root)
    base = root if root.is_dir() else root.parent
    found = Look(base, below, [], with_dicom=with_dicom)
    with Crew(
        limits, _ready if with_dicom else nothing, size=1 if len(below.entries) <= FEW else None
    ) as crew:
        identities: set[str] = set()
        for batch in crew.each(_reader(crew, base, limits, with_dicom), _batches(below.entries)):
            identities |= batch.identities
            before = len(found.seen) // PROGRESS
            found.seen += batch.seen
            if len(found.seen) // PROGRESS > before:
                log(f"inspect: {len(found.seen)} of {len(below.entries)} files")
        found.identities = frozenset(identities)
        found.series = _series(crew, found.instances)
    found.copies, found.alike = _copies(base, found.seen)
    found.repeated = _repeated(found)
    return found


def _ready() -> None:
    """Imports what reads DICOM."""
    import radiotrace.inspection.series  # noqa: F401


def _batches(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    for start in range(0, len(entries), BATCH):
        yield entries[start : start + BATCH]


def _reader(crew: Crew, root: Path, limits: Limits, with_dicom: bool) -> Callable[[Sequence[Entry]], Batch]:
    def read(entries: Sequence[Entry]) -> Batch:
        try:
            return crew.call(probe.read, str(root), entries, limits, with_dicom)
        except Refused as refused:
            if len(entries) == 1:
                return Batch((_refused(root, entries[0], str(refused)),))
        # one of them was too much: each by itself shows which one
        alone = [read([entry]) for entry in entries]
        seen = tuple(one for batch in alone for one in batch.seen)
        return Batch(seen, frozenset().union(*(batch.identities for batch in alone)))

    return read


def _refused(root: Path, entry: Entry, reason: str) -> Seen:
    """Of a file that no process could read."""
    try:
        head = probe.pieces(root / entry.path, entry.size)[0]
    except OSError:
        head = b"?"
    return Seen(entry.path, entry.size, kinds.kind_of(entry.path, head), problems=(reason,))


def _series(crew: Crew, instances: Sequence["Instance"]) -> list["SeriesSeen"]:
    """Of all images, by SeriesInstanceUID."""
    if not instances:
        return []
    by_series: dict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        if instance.kind == "image":
            by_series[instance.series].append(instance)
    return list(crew.each(_describer(crew), by_series.values()))


def _describer(crew: Crew) -> Callable[[Sequence["Instance"]], "SeriesSeen"]:
    from radiotrace.inspection import series  # here, because it needs pydicom

    def describe(instances: Sequence["Instance"]) -> "SeriesSeen":
        try:
            return crew.call(series.described, instances)
        except Refused as refused:
            return series.unknown(instances, str(refused))

    return describe


def _copies(root: Path, seen: Sequence[Seen]) -> tuple[list[tuple[str, ...]], int]:
    """Groups of images of the same bytes, and how many files were not compared."""
    alike: dict[tuple[int, bytes], list[Seen]] = defaultdict(list)
    for one in seen:
        if one.kind in kinds.IMAGES and one.size and one.sample:
            alike[one.size, one.sample].append(one)
    copies: list[tuple[str, ...]] = []
    n_hashed = not_compared = 0
    for members in alike.values():
        n_bytes = sum(one.size for one in members)
        if len(members) == 1:
            continue
        if n_hashed + n_bytes > HASHED_BYTES_MAX:
            not_compared += len(members)
            continue
        n_hashed += n_bytes
        by_hash: dict[bytes, list[str]] = defaultdict(list)
        for one in members:
            by_hash[_digest(root / one.path)].append(one.path)
        copies += [tuple(paths) for paths in by_hash.values() if len(paths) > 1]
    return sorted(copies), not_compared


def _digest(place: Path) -> bytes:
    """SHA-256 of a file; of its path where it cannot be read any more."""
    try:
        with open(place, "rb", opener=probe.without_waiting) as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return os.fsencode(place)


def _repeated(found: Look) -> list[str]:
    """Files whose SOPInstanceUID a file of other bytes has."""
    copies = {path: paths[0] for paths in found.copies for path in paths}
    first_of: dict[str, set[str]] = defaultdict(set)
    for instance in found.instances:
        first_of[instance.sop_instance].add(copies.get(instance.path, instance.path))
    counts = Counter(instance.sop_instance for instance in found.instances)
    return sorted(
        path
        for uid, paths in first_of.items()
        if uid and counts[uid] > 1 and len(paths) > 1
        for path in paths
    )
