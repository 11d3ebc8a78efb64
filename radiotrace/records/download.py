"""The record 'download': what `download` brought, and what it was held against.

It has no clock, no host of ours and no path of this machine. SHA-256 of the files stand in files.sha256
beside it, as sha256sum writes them, because a collection may have half a million.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.download_catalogue import DataSetName, Md5
from radiotrace.records.typed import LEFT_OUT, Record
from radiotrace.records.values import Count, CountFrom1, RelativePath, Sha256, Text

HeldAgainst = Literal["list", "server", "earlier", "nothing"]


@dataclass(frozen=True)
class Archive(Record):
    """An archive that was unpacked and not kept.

    Attributes:
        path: its name.
        held_against: a hash of the catalogue (list), one that the server told (server), one of an earlier
            download (earlier), or nothing: it was believed.
    """

    path: RelativePath
    bytes: CountFrom1
    md5: Md5
    sha256: Sha256
    held_against: HeldAgainst


@dataclass(frozen=True)
class HeldFiles(Record):
    """How many files were held against what.

    Attributes:
        list: a hash of the catalogue, also of the archive that they came in.
        server: a hash that the server told, also of the archive.
        earlier: the SHA-256 of an earlier download.
        nothing: they were believed as they came.
    """

    list: Count
    server: Count
    earlier: Count
    nothing: Count


@dataclass(frozen=True)
class Selection(Record):
    """Which series of a collection were asked for.

    Attributes:
        subjects: how many; missing where all were.
    """

    modalities: tuple[Text, ...]
    subjects: CountFrom1 | None = None


@dataclass(frozen=True)
class Download(Record):
    """A data set as it was downloaded.

    Attributes:
        source: the address that it came from, or of which a mirror was asked.
        licences: as the catalogue or the server names them.
        files: how many stand in files.sha256.
        bytes: of all of them.
        files_sha256: of files.sha256.
        archives: those that were unpacked.
        selection: missing where there was nothing to choose.
    """

    data_set: DataSetName
    title: Text
    source: Text
    licences: tuple[Text, ...]
    citation: Text
    files: CountFrom1
    bytes: CountFrom1
    files_sha256: Sha256
    held_against: HeldFiles
    archives: Annotated[tuple[Archive, ...], LEFT_OUT] = ()
    selection: Selection | None = None
