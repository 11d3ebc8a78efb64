"""Bringing a data set: the order of it. What is there and holds is not asked for again; what comes is held
before it gets its name; the record is written last."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlsplit

from radiotrace import errors, records
from radiotrace.download import buckets, catalogue, files, folder, nbia
from radiotrace.download.catalogue import shown_bytes
from radiotrace.download.errand import Brought, Errand, Request, hosts
from radiotrace.download.folder import Folder
from radiotrace.download.holding import Held, Mismatch, counted
from radiotrace.download.http import Client, Patience, Refused, Unreachable
from radiotrace.download.unpacking import Refused as ArchiveRefused
from radiotrace.errors import StageError
from radiotrace.records.download import Download, HeldFiles, Selection
from radiotrace.records.download_catalogue import DataSet


@dataclass(frozen=True)
class Outcome:
    """What is there now.

    Attributes:
        is_new: whether anything came.
    """

    record: Download
    is_new: bool


def bring(data_set: DataSet, request: Request, into: Folder, patience: Patience) -> Outcome:
    """Brings a data set into a folder, or finds that it is there, whole and as it came.

    Raises:
        StageError: it is given under an agreement alone; another data set is there; a server cannot be
            reached, or gives something else. Then nothing bears a name that did not hold, and what came in
            part stays for the next time.
    """
    if data_set.steps:
        raise under_agreement(data_set, into)
    try:
        listed_hosts = hosts(data_set, request.base_url)
    except Refused as error:
        raise StageError(f"--base-url: {error}") from None
    if there := _there(data_set, request, into):
        return Outcome(there, is_new=False)
    for text in before(data_set):
        errors.log(f"download: {text}")
    with into.locked():
        client = Client(listed_hosts, patience)
        earlier = {**into.hashes(), **(request.earlier or {})}
        errand = Errand(data_set, request, client, into, earlier)
        brought = _brought(errand)
        made = _record(errand, brought)
        into.finish(made, brought.files, licence_text(data_set, made.licences))
    return Outcome(made, is_new=True)


def before(data_set: DataSet) -> list[str]:
    """What a person is told before anything comes."""
    lines = [f"{data_set.title}; {data_set.purpose}"]
    if data_set.licence is None:
        lines.append(f"its licence is not known here; its server is asked, see {data_set.homepage}")
    else:
        lines.append(
            f"licence {data_set.licence}" + (f", {data_set.licence_url}" if data_set.licence_url else "")
        )
        lines += catalogue.conditions(data_set.licence)
    return lines + [f"caution: {text}" for text in data_set.cautions]


def licence_text(data_set: DataSet, licences: tuple[str, ...]) -> str:
    """The file that lies beside the data."""
    conditions = [text for licence in licences for text in catalogue.conditions(licence)]
    lines = [
        data_set.title,
        f"Licence: {'; '.join(licences)}",
        *([f"Its text: {data_set.licence_url}"] if data_set.licence_url else []),
        *dict.fromkeys(conditions),
        f"To be cited: {data_set.citation}",
        f"From: {data_set.homepage}",
        *(f"Caution: {text}" for text in data_set.cautions),
    ]
    return "\n".join(lines) + "\n"


def under_agreement(data_set: DataSet, into: Folder) -> StageError:
    """What a person has to do, as nobody can do it for them."""
    there = sum(1 for path in into.data.rglob("*") if path.is_file()) if into.data.is_dir() else 0
    steps = [f"{number}. {text}" for number, text in enumerate(data_set.steps, 1)]
    lie = f"; {there} files lie there already, which nothing was held against" if there else ""
    return StageError(
        f"{data_set.name} is given under an agreement alone, so nothing was downloaded ({data_set.licence})",
        steps,
        f"Put the files into {into.data}{lie}; then: python -m radiotrace inspect {into.data}",
    )


def believed(made: Download, into: Folder) -> str | None:
    """What is said of files that nothing was held against; None where there are none."""
    count = made.held_against.nothing
    if not count:
        return None
    return (
        f"{count} of {made.files} files were believed as they came: no hash of them is published. "
        f"Their SHA-256 are in {into.path}/{folder.HASHES}, against which a further download is held, "
        "elsewhere with --against"
    )


def _there(data_set: DataSet, request: Request, into: Folder) -> Download | None:
    """The record of an earlier download, if all of it is there, as it came and as it is asked for.

    Raises:
        StageError: another data set is there, or it is not that of --against.
    """
    made = into.record()
    if made is None:
        return None
    if made.data_set != data_set.name:
        raise StageError(
            f"{into.path} has {made.data_set}, not {data_set.name}", way_out="Name another --out."
        )
    if made.selection != _selection(data_set, request):
        errors.log("download: another choice of series than the one that is there")
        return None
    hashes = into.hashes()
    if records.sha256(into.path / folder.HASHES) != made.files_sha256 or len(hashes) != made.files:
        raise StageError(
            f"{into.path}/{folder.HASHES} is not as the download left it",
            [f"found SHA-256 {records.sha256(into.path / folder.HASHES)}, expected {made.files_sha256}"],
            f"Take {into.path} away, and run it again.",
        )
    others = [
        f"{path}: found {hashes.get(path, 'none')}, expected {sha256}"
        for path, sha256 in (request.earlier or {}).items()
        if hashes.get(path) != sha256
    ]
    if others:
        raise StageError(f"{into.path} is not what --against lists", others)
    if differing := into.differing():
        lines = [f"  {path}" for path in differing[: errors.LINES_MAX]]
        errors.log(f"download: {len(differing)} files are missing, or not as they came:\n" + "\n".join(lines))
        return None
    return made


def _selection(data_set: DataSet, request: Request) -> Selection | None:
    source = data_set.nbia or data_set.buckets
    if source is None:
        return None
    return Selection(tuple(sorted(set(request.modalities or source.modalities))), request.subjects)


def _brought(errand: Errand) -> Brought:
    """What came of any source.

    Raises:
        StageError: for whatever went wrong with servers, archives and hashes.
    """
    data_set = errand.data_set
    try:
        if data_set.nbia is not None:
            return nbia.bring(errand, data_set.nbia)
        if data_set.buckets is not None:
            return buckets.bring(errand, data_set.buckets)
        return files.bring(errand)
    except Unreachable as error:
        kept = any(path.is_file() and path.name != "lock" for path in errand.folder.partial.rglob("*"))
        stays = "what came stays, and is gone on with when it is run again" if kept else "nothing was written"
        raise StageError(f"{data_set.name}: {error}; {stays}") from None
    except (Refused, ArchiveRefused) as error:
        raise StageError(f"{data_set.name} was not downloaded: {error}") from None
    except Mismatch as error:
        raise StageError(
            f"{data_set.name} was not downloaded: it is not what it should be",
            str(error).split("\n"),
            "What did not hold was taken away. Run it again; if it stays so, the source has changed: ask its "
            "owners, and never take it for the published one.",
        ) from None


def _record(errand: Errand, brought: Brought) -> Download:
    data_set = errand.data_set
    paths = Counter(file.path for file in brought.files)
    if twice := sorted(path for path, times in paths.items() if times > 1):
        raise StageError(f"{data_set.name} has files of one name", twice)
    ordered = tuple(sorted(brought.files, key=lambda file: file.path))
    return Download(
        data_set.name,
        data_set.title,
        _source(errand),
        brought.licences or ((data_set.licence,) if data_set.licence else ("not named by its server",)),
        data_set.citation,
        len(ordered),
        _total(ordered),
        _digest(ordered),
        HeldFiles(**counted(ordered)),
        brought.archives,
        brought.selection,
    )


def _source(errand: Errand) -> str:
    """Where it is from; of a mirror its host, since its address may hold what is nobody's business."""
    if errand.request.base_url is None:
        return errand.data_set.homepage
    return f"{errand.data_set.homepage}, by a mirror, {urlsplit(errand.request.base_url).hostname}"


def _total(held: tuple[Held, ...]) -> int:
    return sum(file.bytes for file in held)


def _digest(held: tuple[Held, ...]) -> str:
    return hashlib.sha256(folder.listed(held).encode()).hexdigest()


def summary(outcome: Outcome, into: Folder) -> str:
    """What is there now, in a line."""
    made, held = outcome.record, outcome.record.held_against
    counts = [
        f"{count} {text}"
        for count, text in (
            (held.list, "by hashes of the catalogue"),
            (held.server, "by hashes that the server told"),
            (held.earlier, "by an earlier download"),
            (held.nothing, "believed"),
        )
        if count
    ]
    state = (
        "downloaded" if outcome.is_new else "was there already, every file as it came; nothing was asked for"
    )
    return f"{into.path}: {made.files} files, {shown_bytes(made.bytes)}, {state} (held: {', '.join(counts)})"
