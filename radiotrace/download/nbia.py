"""Collections of The Cancer Imaging Archive by the REST interface of NBIA: getSeries lists,
getImageWithMD5Hash gives a ZIP of a series, in which md5hashes.csv has the MD5 of each file.

Source: https://wiki.cancerimagingarchive.net, "TCIA Programmatic Interface (REST API) Usage Guides".
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from radiotrace import errors
from radiotrace.download import catalogue, http, series, unpacking
from radiotrace.download.errand import Brought, Errand, plain
from radiotrace.download.folder import listed, scratch
from radiotrace.download.holding import Held, Known, Mismatch, digests, hold
from radiotrace.download.http import Refused, Wanted
from radiotrace.records.download_catalogue import NbiaCollection

HASHES = "md5hashes.csv"
SUFFIX = ".dcm"
UID = re.compile(r"[0-9]+(\.[0-9]+)*")
UID_LENGTH_MAX = 64


@dataclass(frozen=True)
class NbiaSeries:
    """A series, as getSeries says it.

    Attributes:
        bytes: None where the server does not say it.
    """

    subject: str
    modality: str
    uid: str
    files: int
    bytes: int | None
    licence: str


def bring(errand: Errand, source: NbiaCollection) -> Brought:
    """Brings series; those of an interrupted download that hold stay.

    Raises:
        http.Refused, http.Unreachable
        Mismatch: names every file that is not as the server says.
    """
    query = urlencode({"Collection": source.collection, "format": "json"})
    said = errand.client.json(errand.address(f"{source.api}getSeries?{query}"))
    wanted, selection = series.chosen(every(said, source.collection), errand.request, source.modalities)
    licences = tuple(sorted({one.licence for one in wanted}))
    for licence in licences:
        errand.say_licence(licence)
    total = sum(one.bytes or 0 for one in wanted)
    subjects = len({one.subject for one in wanted})
    size = f"{catalogue.shown_bytes(total)} as the server says" if total else "of a size that is not said"
    errors.log(
        f"download: {len(wanted)} series of {subjects} subjects, {size}; --subjects and --modality take fewer"
    )
    errand.check_room(total - sum(errand.folder.bytes_in(f"{one.subject}/{one.uid}") for one in wanted))
    files: list[Held] = []
    faults: list[str] = []
    for number, one in enumerate(wanted, 1):
        try:
            files += _series(errand, source, one)
        except (Mismatch, unpacking.Refused) as error:
            faults.append(str(error))
        errors.log(f"download: {number}/{len(wanted)} series, {one.subject} {one.modality}")
    if faults:
        raise Mismatch("\n".join(faults))
    return Brought(tuple(files), (), licences, selection)


def every(said: Any, collection: str) -> list[NbiaSeries]:
    """The series that an answer to getSeries names, sorted by subject, modality and UID.

    Raises:
        http.Refused: it is no list of series, or a name in it may not become one of a folder.
    """
    try:
        found = [_of(row) for row in said]
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(f"getSeries of {collection} answers with what is no series ({error})") from None
    if not found:
        raise Refused(f"getSeries names 0 series of {collection}")
    return sorted(found, key=lambda one: (one.subject, one.modality, one.uid))


def _of(row: Mapping[str, Any]) -> NbiaSeries:
    uid = row["SeriesInstanceUID"]
    if not UID.fullmatch(uid) or len(uid) > UID_LENGTH_MAX:
        raise ValueError(f"{uid!r} is no UID")
    size = row.get("FileSize")
    return NbiaSeries(
        plain(row["PatientID"]),
        plain(row["Modality"]),
        uid,
        int(row["ImageCount"]),
        None if size is None else int(size),
        str(row.get("LicenseName") or "none is named: ask before these data are used"),
    )


def _series(errand: Errand, source: NbiaCollection, one: NbiaSeries) -> list[Held]:
    note = errand.folder.partial / "series" / f"{one.uid}.sha256"
    if held := _there(errand, one, note):
        return held
    query = urlencode({"SeriesInstanceUID": one.uid})
    url = errand.address(f"{source.api}getImageWithMD5Hash?{query}")
    path = errand.folder.partial / f"{one.uid}.zip"
    http.forget(path)  # such a ZIP is made anew for each request: it cannot be resumed
    errand.client.fetch(Wanted(url, f"series {one.uid}", errand.bytes_max), path)
    try:
        with scratch(errand.folder.partial / f"{one.uid}.unpacked") as unpacked:
            try:
                unpacking.unpack(path, "zip", unpacked)
            except unpacking.Refused as error:
                raise unpacking.Refused(f"series {one.uid} {error}") from None
            held = _held(errand, one, unpacked)
            for file in held:
                errand.folder.put(unpacked / Path(file.path).name, file.path)
    finally:
        http.forget(path)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(listed(held), "utf-8")
    return held


def _held(errand: Errand, one: NbiaSeries, unpacked: Path) -> list[Held]:
    """The images of a series, once all hold.

    Raises:
        Mismatch: names every one that does not.
    """
    md5 = _md5(unpacked / HASHES, one.uid)
    names = [str(path) for path in unpacking.files_of(unpacked) if path.suffix == SUFFIX]
    faults = [f"series {one.uid}: {name} is missing" for name in sorted(set(md5) - set(names))]
    if len(names) != one.files:
        faults.append(f"series {one.uid}: found {len(names)} images, expected {one.files}")
    held = []
    for name in names:
        path = f"{one.subject}/{one.uid}/{name}"
        if name not in md5:
            faults.append(f"{path}: {HASHES} has no MD5 of it")
            continue
        found = digests(unpacked / name)
        try:
            known = Known(md5[name], by="server")
            held_against = hold(path, found, known, errand.earlier.get(path))
        except Mismatch as error:
            faults.append(str(error))
        else:
            held.append(Held(path, found.bytes, found.sha256, held_against))
    if faults:
        raise Mismatch("\n".join(faults))
    return held


def _md5(path: Path, uid: str) -> dict[str, str]:
    """Name -> MD5, of md5hashes.csv; its first line has titles."""
    if not path.is_file():
        raise Mismatch(f"series {uid}: there is no {HASHES} in it")
    rows = list(csv.reader(io.StringIO(path.read_text("utf-8", errors="replace"))))[1:]
    md5 = {row[0].strip(): row[1].strip().lower() for row in rows if len(row) >= 2}
    if not md5 or not all(re.fullmatch("[0-9a-f]{32}", value) for value in md5.values()):
        raise Mismatch(f"series {uid}: {HASHES} has no MD5 of its images")
    return md5


def _there(errand: Errand, one: NbiaSeries, note: Path) -> list[Held]:
    """A series that came before, whole, and is as it came; else []."""
    prefix = f"{one.subject}/{one.uid}/"
    hashes = catalogue.hashes(note) if note.is_file() else {}
    by: dict[str, str] = hashes or {
        path: sha256 for path, sha256 in errand.earlier.items() if path.startswith(prefix)
    }
    if len(by) != one.files or not all(errand.folder.has(path, sha256) for path, sha256 in by.items()):
        return []
    held_against = "server" if hashes else "earlier"
    sizes = {path: (errand.folder.data / path).stat().st_size for path in by}
    return [Held(path, sizes[path], sha256, held_against) for path, sha256 in sorted(by.items())]
