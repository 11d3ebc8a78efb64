"""The catalogue: which data sets there are, as data (catalogue.json and lists/), read into dataclasses."""

import csv
import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.records.download_catalogue import Catalogue, DataSet

HERE = Path(__file__).resolve().parent
FILE, LISTS = HERE / "catalogue.json", HERE / "lists"
# Words of a licence, and what people must know of it before anything comes.
CONDITIONS = (
    (r"\bNC\b|non-?commercial", "non-commercial: neither it nor what is learnt from it may serve a product"),
    (r"\bSA\b|share-?alike", "share-alike: what is made of it is handed on under the same licence, or not"),
    (r"\bND\b|no-?deriv", "no derivatives: what is made of it may not be handed on"),
)


@dataclass(frozen=True)
class Series:
    """A series in a bucket.

    Attributes:
        series: its prefix there.
        files, bytes: how many objects it has, and their sizes together.
    """

    subject: str
    modality: str
    bucket: str
    series: str
    files: int
    bytes: int
    licence: str


def read() -> Catalogue:
    """All data sets.

    Raises:
        StageError: the file breaks its schema.
    """
    return Catalogue.of(records.read(FILE, "download_catalogue"))


def find(catalogue: Catalogue, name: str) -> DataSet:
    """A data set by its name.

    Raises:
        StageError: there is none; names those that resemble it.
    """
    names = [data_set.name for data_set in catalogue.data_sets]
    if name.lower() in names:
        return catalogue.data_sets[names.index(name.lower())]
    close = [known for known in names if name.lower() in known]
    close = close or difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    offered = f"; is it {' or '.join(close)}?" if close else ""
    raise StageError(
        f"there is no data set {name}{offered}",
        way_out="'python -m radiotrace download --list' shows what there is.",
    )


def series(name: str) -> tuple[Series, ...]:
    """The series of a list, in its order."""
    with open(LISTS / name, encoding="utf-8", newline="") as file:
        return tuple(
            Series(
                row["subject"],
                row["modality"],
                row["bucket"],
                row["series"],
                int(row["files"]),
                int(row["bytes"]),
                row["licence"],
            )
            for row in csv.DictReader(file)
        )


def hashes(path: Path) -> dict[str, str]:
    """Path -> SHA-256, of a file as sha256sum writes it.

    Raises:
        StageError: a line is none of it, or a path stands twice; names each.
    """
    by_path: dict[str, str] = {}
    wrong = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        entry = re.fullmatch(r"(?P<sha256>[0-9a-f]{64})  (?P<path>.+)", line)
        if entry is None or entry["path"] in by_path:
            wrong.append(f"line {number}: {'no SHA-256 and path' if entry is None else 'stands twice'}")
        else:
            by_path[entry["path"]] = entry["sha256"]
    if wrong:
        raise StageError(f"{path} is no list of hashes", wrong, "It is as 'sha256sum FILES' writes it.")
    return by_path


def conditions(licence: str) -> list[str]:
    """What a licence asks for beside naming the authors, as far as its name says so."""
    return [text for words, text in CONDITIONS if re.search(words, licence, re.IGNORECASE)]


def shown_bytes(count: int) -> str:
    """A size for people: 1.5 GB, in thousands as disks are sold."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
