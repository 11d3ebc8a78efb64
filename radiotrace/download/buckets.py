"""Open buckets of S3, by plain https: what a prefix holds is asked (ListObjectsV2), and each object fetched.

The ETag of an object that was written in one piece is its MD5; of one in several pieces, or encrypted by a
key of its owner, it is not, and has another form or is no hash at all. Those of the Imaging Data Commons are.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html and API_Object.html.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlencode
from xml.etree import ElementTree

from radiotrace import errors
from radiotrace.download import catalogue, http, series
from radiotrace.download.catalogue import Series
from radiotrace.download.errand import Brought, Errand, plain
from radiotrace.download.holding import Held, Known, Mismatch, digests, hold
from radiotrace.download.http import Refused, Wanted
from radiotrace.records.download_catalogue import BucketSeries

OBJECTS_AT_A_TIME = 8
PAGES_MAX = 10_000
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


@dataclass(frozen=True)
class Object:
    """An object of a bucket.

    Attributes:
        md5: None where its ETag is no MD5.
    """

    key: str
    bytes: int
    md5: str | None


def bring(errand: Errand, source: BucketSeries) -> Brought:
    """Brings series; those of an interrupted download that hold stay.

    Raises:
        http.Refused, http.Unreachable
        Mismatch: names every object that is not as the server says, and every series that is not as listed.
    """
    wanted, selection = series.chosen(catalogue.series(source.list), errand.request, source.modalities)
    total = sum(one.bytes for one in wanted)
    subjects = len({one.subject for one in wanted})
    errors.log(
        f"download: {len(wanted)} series of {subjects} subjects, {catalogue.shown_bytes(total)}; "
        "--subjects and --modality take fewer"
    )
    there = sum(errand.folder.bytes_in(f"{one.subject}/{one.series}") for one in wanted)
    errand.check_room(total - there)
    files: list[Held] = []
    faults: list[str] = []
    for number, one in enumerate(wanted, 1):
        try:
            files += _series(errand, one)
        except Mismatch as error:
            faults.append(str(error))
        errors.log(f"download: {number}/{len(wanted)} series, {one.subject} {one.modality}")
    if faults:
        raise Mismatch("\n".join(faults))
    return Brought(tuple(files), (), tuple(sorted({one.licence for one in wanted})), selection)


def listing(errand: Errand, bucket: str, prefix: str) -> list[Object]:
    """What a prefix of a bucket holds, sorted by key; a place marker of no bytes is left out.

    Raises:
        http.Refused: the answer is no listing; or http.Unreachable.
    """
    objects, token = [], None
    for _ in range(PAGES_MAX):
        asked = {"list-type": "2", "prefix": prefix} | ({"continuation-token": token} if token else {})
        page = _parsed(errand.client.small(f"{_root(errand, bucket)}?{urlencode(asked)}"), bucket)
        objects += _objects(page, bucket, prefix)
        if page.findtext(f"{NAMESPACE}IsTruncated") != "true":
            return sorted(objects, key=lambda item: item.key)
        token = page.findtext(f"{NAMESPACE}NextContinuationToken")
        if not token:
            raise Refused(f"{bucket} says that its listing goes on, and not where")
    raise Refused(f"{bucket} lists {prefix} on more than {PAGES_MAX} pages")


def _root(errand: Errand, bucket: str) -> str:
    """Address of a bucket: a host of its own, or of a mirror the first part of the path."""
    if errand.request.base_url is None:
        return f"https://{bucket}.s3.amazonaws.com/"
    return f"{errand.request.base_url.rstrip('/')}/{bucket}/"


def _parsed(content: bytes, bucket: str) -> ElementTree.Element:
    if b"<!" in content.replace(b"<![CDATA[", b""):  # entities, which may grow without end
        raise Refused(f"{bucket} answers with an XML that declares something")
    try:
        page = ElementTree.fromstring(content)  # noqa: S314 - no declarations, and its size is limited
    except ElementTree.ParseError:
        raise Refused(f"{bucket} answers with what is not XML") from None
    if page.tag != f"{NAMESPACE}ListBucketResult":
        raise Refused(f"{bucket} answers with {page.tag.removeprefix(NAMESPACE)}, expected ListBucketResult")
    return page


def _objects(page: ElementTree.Element, bucket: str, prefix: str) -> list[Object]:
    objects = []
    for entry in page.findall(f"{NAMESPACE}Contents"):
        key, size = entry.findtext(f"{NAMESPACE}Key", ""), entry.findtext(f"{NAMESPACE}Size", "")
        if size == "0" and key.endswith("/"):
            continue
        if not (key.startswith(prefix) and size.isdecimal()):
            raise Refused(f"{bucket} lists {key!r} of {size!r} bytes below {prefix}")
        etag = entry.findtext(f"{NAMESPACE}ETag", "").strip('"')
        objects.append(Object(key, int(size), etag if re.fullmatch("[0-9a-f]{32}", etag) else None))
    return objects


def _series(errand: Errand, one: Series) -> list[Held]:
    objects = listing(errand, one.bucket, f"{one.series}/")
    count, total = len(objects), sum(item.bytes for item in objects)
    if (count, total) != (one.files, one.bytes):
        raise Mismatch(
            f"series {one.series}: the bucket has {count} objects of {total} bytes, "
            f"the list {one.files} of {one.bytes}"
        )
    held, faults = [], []
    with ThreadPoolExecutor(OBJECTS_AT_A_TIME) as workers:
        for outcome in [workers.submit(_object, errand, one, item) for item in objects]:
            try:
                held.append(outcome.result())
            except Mismatch as error:
                faults.append(str(error))
            except Exception:
                workers.shutdown(wait=True, cancel_futures=True)
                raise
    if faults:
        raise Mismatch("\n".join(faults))
    return held


def _object(errand: Errand, one: Series, item: Object) -> Held:
    try:
        name = plain(item.key.removeprefix(f"{one.series}/"))
    except ValueError as error:
        raise Refused(f"{one.bucket}: {error}") from None
    path, known = f"{one.subject}/{one.series}/{name}", Known(item.md5, by="server")
    place, earlier = errand.folder.data / path, errand.earlier.get(f"{one.subject}/{one.series}/{name}")
    if place.is_file() and place.stat().st_size == item.bytes:
        found = digests(place)
        try:
            held_against = hold(path, found, known, earlier)
        except Mismatch:
            held_against = "nothing"
        if held_against != "nothing":
            return Held(path, found.bytes, found.sha256, held_against)
    partial = errand.folder.partial / "objects" / f"{one.series}-{name}"
    wanted = Wanted(
        f"{_root(errand, one.bucket)}{item.key}", path, errand.bytes_max, item.bytes, item.md5 is not None
    )
    errand.client.fetch(wanted, partial)
    found = digests(partial)
    try:
        held_against = hold(path, found, known, earlier)
    except Mismatch:
        http.forget(partial)
        raise
    errand.folder.put(partial, path)
    http.forget(partial)
    return Held(path, found.bytes, found.sha256, held_against)
