"""Hashes: where one stands in the records and in dvc.lock, given whole or by its first digits.

Like lineage.py, an answer is a list of tables; called by the command trace, for a name that is nothing else.
"""

import re
from collections.abc import Iterator, Mapping

SHOWN = 20  # places of one hash; code stands in many records
_ASKED = re.compile(r"[0-9a-f]{8,128}")
_HASH = re.compile(r"(sha256:|md5:)?(?P<digits>[0-9a-f]{32,128})(\.dir)?")


def digits(name: str) -> str | None:
    """The digits of a hash, or of its beginning, in small letters; None where a name is no such thing.

    A beginning has 8 digits at least. What names the function (sha256:) may stand before them.
    """
    bare = name.strip().lower().removeprefix("sha256:").removeprefix("md5:")
    return bare if _ASKED.fullmatch(bare) else None


def places(records: Mapping[str, object], beginning: str) -> dict[str, list[tuple[str, str]]]:
    """Each hash that begins so -> where it stands: the record, and the place in it.

    Args:
        records: content of each, by its name.
        beginning: of digits().
    """
    places_by_hash: dict[str, list[tuple[str, str]]] = {}
    for record, content in sorted(records.items()):
        for place, text in _texts(content, ""):
            match = _HASH.fullmatch(text)
            if match and match["digits"].startswith(beginning):
                places_by_hash.setdefault(match["digits"], []).append((record, place))
    return dict(sorted(places_by_hash.items()))


def tables(places_by_hash: dict[str, list[tuple[str, str]]]) -> list:
    """A table for each hash: where it stands."""
    answer = []
    for digest, found in places_by_hash.items():
        rows = found[:SHOWN]
        if len(found) > SHOWN:
            rows = [*rows, (f"and {len(found) - SHOWN} more", "")]
        answer.append((digest, rows))
    return answer


def _texts(content: object, place: str) -> Iterator[tuple[str, str]]:
    """Every text of a record, keys too, with the place where it stands: of an entry of a list by what it is
    called, where it is called something."""
    if isinstance(content, str):
        yield place or "/", content
    elif isinstance(content, dict):
        for key, value in content.items():
            inner = f"{place}/{key}"
            yield inner, str(key)
            yield from _texts(value, inner)
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from _texts(value, f"{place}/{_called(value, number)}")


def _called(value: object, number: int) -> str:
    """What an entry of a list is called; its number, from 0, where it has no name."""
    if isinstance(value, dict):
        for key in ("path", "name", "case_id", "id"):
            if isinstance(value.get(key), str):
                return value[key]
    return str(number)
