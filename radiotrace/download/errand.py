"""What every source of data needs: who asks, where it is put, and what it is held against."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from radiotrace import errors
from radiotrace.download import catalogue
from radiotrace.download.catalogue import shown_bytes
from radiotrace.download.folder import Folder
from radiotrace.download.holding import Held
from radiotrace.download.http import Client, place_of
from radiotrace.errors import StageError
from radiotrace.records.download import Archive, Selection
from radiotrace.records.download_catalogue import DataSet

PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes:
        base_url: of a mirror, None for the sources of the catalogue.
        subjects: of a collection, the first so many by name; None for all.
        modalities: of a collection; None for those of the catalogue.
        earlier: path -> SHA-256, of another download that this one is held against.
    """

    base_url: str | None = None
    subjects: int | None = None
    modalities: tuple[str, ...] | None = None
    earlier: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Errand:
    """A data set that is being brought.

    Attributes:
        earlier: path -> SHA-256, of a download before.
    """

    data_set: DataSet
    request: Request
    client: Client
    folder: Folder
    earlier: Mapping[str, str]

    @property
    def bytes_max(self) -> int:
        """Of one file."""
        return self.data_set.bytes_max or 0

    def address(self, url: str) -> str:
        """Where an address of the catalogue is asked: there, or at the same path of a mirror."""
        if self.request.base_url is None:
            return url
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        return f"{self.request.base_url.rstrip('/')}{parts.path}{query}"

    def check_room(self, count: int) -> None:
        """Stops where the disk has no room for so many bytes.

        Raises:
            StageError
        """
        free = shutil.disk_usage(self.folder.partial).free
        if count > free:
            raise StageError(
                f"{self.data_set.name} needs {shown_bytes(count)}, and {shown_bytes(free)} are free",
                way_out="Make room, or name a folder on another disk with --out; then run it again.",
            )

    def say_licence(self, licence: str) -> None:
        """Says which licence a server names, before any file comes."""
        errors.log(f"download: its server names the licence: {licence}")
        for text in catalogue.conditions(licence):
            errors.log(f"download: {text}")


@dataclass(frozen=True)
class Brought:
    """What came.

    Attributes:
        files: all of data/ that are of the data set.
        licences: as the server or the list names them; () for that of the catalogue.
    """

    files: tuple[Held, ...]
    archives: tuple[Archive, ...] = ()
    licences: tuple[str, ...] = ()
    selection: Selection | None = None


def hosts(data_set: DataSet, base_url: str | None) -> frozenset[str]:
    """Who may be asked.

    Raises:
        http.Refused: the mirror's address is none, or is not https.
    """
    return frozenset(data_set.hosts if base_url is None else (place_of(base_url),))


def plain(name: str) -> str:
    """A name that a server gave, if it may become one of a file.

    Raises:
        ValueError: it may not.
    """
    if not PLAIN_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no plain name")
    return name
