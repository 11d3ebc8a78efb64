"""The folder of a download: data/ with the files, beside it licence, hashes and record, and partial/ while it
goes on. The record is written last: a folder that has it is whole."""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from radiotrace import records
from radiotrace.download import catalogue
from radiotrace.download.holding import Held
from radiotrace.errors import StageError
from radiotrace.records.download import Download

DATA, PARTIAL, RECORD, HASHES, LICENCE = "data", "partial", "download.json", "files.sha256", "LICENCE.txt"


@dataclass(frozen=True)
class Folder:
    """Where a data set is brought to."""

    path: Path

    @property
    def data(self) -> Path:
        """Where its files lie."""
        return self.path / DATA

    @property
    def partial(self) -> Path:
        """Where what was not held yet lies; on the same file system, so that files can be moved."""
        return self.path / PARTIAL

    @contextmanager
    def locked(self) -> Iterator[None]:
        """For one process at a time; takes away what is empty afterwards.

        Raises:
            StageError: another process is at it, or something else is in the place of a folder.
        """
        for place in (self.path, self.data, self.partial):
            if place.is_symlink() or (place.exists() and not place.is_dir()):
                raise StageError(f"{place} is no folder", way_out="Move it away, or name another --out.")
        self.partial.mkdir(parents=True, exist_ok=True)
        lock = self.partial / "lock"
        with open(lock, "w", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StageError(f"another download goes on in {self.path}") from None
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
                _remove_if_empty(self.partial)
                _remove_if_empty(self.path)

    def record(self) -> Download | None:
        """Of a download that was finished here; None where there was none.

        Raises:
            StageError: it is damaged.
        """
        if not (self.path / RECORD).is_file():
            return None
        return Download.of(records.read(self.path / RECORD, "download"))

    def hashes(self) -> dict[str, str]:
        """Path -> SHA-256, of an earlier download into this folder; {} where there was none."""
        path = self.path / HASHES
        return catalogue.hashes(path) if path.is_file() else {}

    def differing(self) -> list[str]:
        """Paths of files that are missing, or are not as they came; sorted."""
        return [path for path, sha256 in self.hashes().items() if not self.has(path, sha256)]

    def has(self, path: str, sha256: str) -> bool:
        """Whether a file lies in data/ as it came."""
        place = self.data / path
        return place.is_file() and not place.is_symlink() and records.sha256(place) == sha256

    def bytes_in(self, path: str) -> int:
        """Of all files in a folder of data/ that may not be there."""
        place = self.data / path
        entries = place.iterdir() if place.is_dir() else ()
        return sum(entry.stat().st_size for entry in entries if entry.is_file())

    def unlisted(self) -> int:
        """How many files lie in data/ that are of no download, or of an earlier one with another choice."""
        paths = (path.relative_to(self.data).as_posix() for path in self.data.rglob("*") if path.is_file())
        return len(set(paths) - set(self.hashes()))

    def put(self, source: Path, path: str) -> None:
        """Moves a file that was held into data/."""
        place = self.data / path
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, place)

    def finish(self, download: Download, files: Iterable[Held], licence: str) -> None:
        """Writes hashes, licence and record, and takes partial/ away."""
        records.write_bytes(self.path / HASHES, listed(files).encode())
        records.write_bytes(self.path / LICENCE, licence.encode())
        records.write(self.path / RECORD, download.record(), "download")
        for entry in self.partial.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != "lock":
                entry.unlink()


def listed(files: Iterable[Held]) -> str:
    """As sha256sum writes it, sorted by path."""
    return "".join(f"{file.sha256}  {file.path}\n" for file in sorted(files, key=lambda file: file.path))


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A folder that is not there before, nor afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
