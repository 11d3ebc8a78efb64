"""Plain files, and the records of repositories that run InvenioRDM: fetched, held, and unpacked where they
are archives."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from radiotrace import errors
from radiotrace.download import catalogue, folder, http, unpacking
from radiotrace.download.errand import Brought, Errand, plain
from radiotrace.download.holding import Digests, Held, Known, Mismatch, digests, hold
from radiotrace.download.http import Refused, Wanted
from radiotrace.records.download import Archive, HeldAgainst
from radiotrace.records.download_catalogue import Lookalike, PlainFile, RepositoryRecord


@dataclass(frozen=True)
class Item:
    """A file to bring.

    Attributes:
        archive: tar, zip, or None where it is taken as it is.
        inside: folder of the archive whose content is taken, None for all of it.
        members: path -> SHA-256 of what is in it, None where nobody said it.
    """

    wanted: Wanted
    known: Known
    archive: str | None = None
    inside: str | None = None
    members: dict[str, str] | None = None
    lookalikes: tuple[Lookalike, ...] = ()


def bring(errand: Errand) -> Brought:
    """Brings the plain files of a data set, or those of its record.

    Raises:
        http.Refused, http.Unreachable, unpacking.Refused, Mismatch
    """
    record = errand.data_set.record_
    if record is None:
        items, licences = [_item(errand, file) for file in errand.data_set.files], ()
    else:
        items, licences = of_record(errand, record)
        for licence in licences:
            errand.say_licence(licence)
    sizes = [(item.wanted.bytes or 0) * (2 if item.archive else 1) for item in items]
    errand.check_room(sum(sizes))
    files: list[Held] = []
    archives: list[Archive] = []
    for item in items:
        if item.archive is None:
            files.append(_plain(errand, item))
        else:
            held, archive = _unpacked(errand, item, item.archive)
            files += held
            archives.append(archive)
    return Brought(tuple(files), tuple(archives), licences)


def _item(errand: Errand, file: PlainFile) -> Item:
    return Item(
        Wanted(errand.address(file.url), file.path, errand.bytes_max, file.bytes, file.md5 is not None),
        Known(file.md5, by="list"),
        file.archive,
        file.inside,
        None if file.list is None else catalogue.hashes(catalogue.LISTS / file.list),
        file.lookalikes,
    )


def of_record(errand: Errand, record: RepositoryRecord) -> tuple[list[Item], tuple[str, ...]]:
    """The files of a record and the licences that it names.

    Its JSON is that of InvenioRDM (files.entries, metadata.rights), or as Zenodo writes it for older clients
    (files, metadata.license).

    Raises:
        http.Refused: it says something else, or names no file; or http.Unreachable.
    """
    said = errand.client.json(errand.address(record.api))
    try:
        entries = said["files"]["entries"] if isinstance(said["files"], dict) else said["files"]
        rows = list(entries.values()) if isinstance(entries, dict) else entries
        items = [_item_of_record(errand, record, row) for row in sorted(rows, key=lambda row: row["key"])]
        licences = _licences(said["metadata"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"{errand.address(record.api)} says no files as InvenioRDM does ({error})") from None
    if not items:
        raise Refused(f"{errand.address(record.api)} names no files")
    return items, licences


def _item_of_record(errand: Errand, record: RepositoryRecord, row: dict[str, Any]) -> Item:
    name, checksum = plain(row["key"]), str(row.get("checksum") or "")
    md5 = checksum.removeprefix("md5:") if re.fullmatch("md5:[0-9a-f]{32}", checksum) else None
    url = errand.address(f"{record.api}/files/{quote(name)}/content")
    return Item(
        Wanted(url, name, errand.bytes_max, int(row["size"]), md5 is not None),
        Known(md5, by="server"),
        "zip" if name in record.archives else None,
        record.inside,
    )


def _licences(metadata: dict[str, Any]) -> tuple[str, ...]:
    rights = metadata.get("rights") or []
    named = [str(row.get("id") or row["title"]["en"]) for row in rights]
    if not named and metadata.get("license"):
        named = [str(metadata["license"]["id"])]
    return tuple(sorted(set(named)))


def _plain(errand: Errand, item: Item) -> Held:
    name = item.wanted.name
    place, earlier = errand.folder.data / name, errand.earlier.get(name)
    if place.is_file() and not place.is_symlink():
        found = digests(place)
        try:
            held_against = hold(name, found, item.known, earlier, item.lookalikes)
        except Mismatch as error:
            errors.log(f"download: what lies there is another file, and is replaced. {error}")
        else:
            if held_against != "nothing":
                return Held(name, found.bytes, found.sha256, held_against)
    source, found, held_against = _fetched(errand, item, earlier)
    errand.folder.put(source, name)
    http.forget(source)
    return Held(name, found.bytes, found.sha256, held_against)


def _fetched(errand: Errand, item: Item, earlier: str | None) -> tuple[Path, Digests, HeldAgainst]:
    """A file in partial/ that holds; none stays there that does not."""
    partial = errand.folder.partial / item.wanted.name
    if not (partial.is_file() and item.wanted.bytes == partial.stat().st_size):
        errand.client.fetch(item.wanted, partial)
    found = digests(partial)
    try:
        return partial, found, hold(item.wanted.name, found, item.known, earlier, item.lookalikes)
    except Mismatch:
        http.forget(partial)
        raise


def _unpacked(errand: Errand, item: Item, kind: str) -> tuple[list[Held], Archive]:
    path, found, held_against = _fetched(errand, item, None)
    name = item.wanted.name
    with folder.scratch(errand.folder.partial / f"{name}.unpacked") as unpacked:
        try:
            unpacking.unpack(path, kind, unpacked)
        except unpacking.Refused as error:
            http.forget(path)
            raise unpacking.Refused(f"{name} {error}") from None
        root = unpacked if item.inside is None else unpacked / item.inside
        paths = [str(relative) for relative in unpacking.files_of(root)] if root.is_dir() else []
        files = _held_members(errand, item, root, paths, held_against)
        for file in files:
            errand.folder.put(root / file.path, file.path)
    return files, Archive(name, found.bytes, found.md5, found.sha256, _of_archive(files, held_against))


def _held_members(errand: Errand, item: Item, root: Path, paths: list[str], by: HeldAgainst) -> list[Held]:
    """The members that are taken, once all hold.

    Raises:
        Mismatch: names every one that does not, or is missing.
    """
    members = item.members
    taken = paths if members is None else [path for path in paths if path in members]
    faults = [f"{path}: missing in {item.wanted.name}" for path in sorted(set(members or ()) - set(taken))]
    if not taken:
        faults.append(f"{item.wanted.name}: 0 files in it" + (f" below {item.inside}" if item.inside else ""))
    files = []
    for path in taken:
        found = digests(root / path)
        known = Known() if members is None else Known(sha256=members[path], by="list")
        earlier = errand.earlier.get(path)
        try:
            held_against = hold(path, found, known, earlier)
        except Mismatch as error:
            faults.append(str(error))
        else:
            certain = by if held_against in ("nothing", "earlier") and by != "nothing" else held_against
            files.append(Held(path, found.bytes, found.sha256, certain))
    if faults:
        http.forget(errand.folder.partial / item.wanted.name)
        raise Mismatch("\n".join(faults))
    if len(taken) < len(paths):
        errors.log(
            f"download: {len(paths) - len(taken)} files of {item.wanted.name} are not listed: left out"
        )
    return files


def _of_archive(files: list[Held], held_against: HeldAgainst) -> HeldAgainst:
    """An archive without a hash of its own is held against what its files are."""
    if held_against != "nothing":
        return held_against
    kinds: list[HeldAgainst] = sorted({file.held_against for file in files})
    return kinds[0] if len(kinds) == 1 else "nothing"
