"""Raw files of a case: which files an entry of the record 'dataset' names. Knows no image library."""

from collections.abc import Iterator
from typing import Any

IMAGE, LABEL_MAP = "image", "label_map"
FURTHER = "further_channels"  # of the image; there where a data set has several


def images(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """What ingest found in the file of each channel, the first one first."""
    return [entry[IMAGE], *entry.get(FURTHER, [])]


def sources(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What ingest found in each file of a case: the channels of its image, then its label map where it has
    one."""
    yield from images(entry)
    if LABEL_MAP in entry:
        yield entry[LABEL_MAP]


def hashes(entries: list[dict[str, Any]]) -> dict[str, str]:
    """Path -> SHA-256 of every file of these cases."""
    return {source["path"]: source["sha256"] for entry in entries for source in sources(entry)}
