"""Records as HTML: every value has an anchor, the JSON Pointer of its place, to which any page can lead."""

import json
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from radiotrace.evidence.pages.elements import count_of, pointer

# Characters of a pointer that stay as they are in a link; an anchor is spelt as the link to it.
SAFE = "/:@()+,;=~!$&*'"
FOLDED = 60  # values from which a part can be folded
OPEN = 400  # values up to which a record stands open


def page_of(path: str) -> str:
    """Where the page of a record lies in the site: records/, then its path in the study."""
    return f"records/{path}.html"


def anchor(*keys) -> str:
    """The id of a value, and the fragment of a link to it, of a path of keys and positions."""
    return quoted(pointer(*keys))


def quoted(place: str) -> str:
    """The id of the value at a JSON Pointer. Half characters, which no file can hold, are written out."""
    return quote(place.encode("utf-8", "backslashreplace"), safe=SAFE)


def tree(value: Any) -> Markup:
    """A record as nested lists, whose large parts can be folded."""
    size = _size(value)
    pieces: list[str] = []
    if not isinstance(value, (dict, list)):
        pieces.append(f'<p id="/">{_scalar(value)}</p>')
    else:
        _items(value, "", size > OPEN, pieces)
    return Markup("".join(pieces))  # noqa: S704 - every text in it was escaped


def anchors(value: Any, place: str = "") -> list[str]:
    """The JSON Pointers of all values below the record itself."""
    pointers = []
    for key, item in _pairs(value):
        below = place + pointer(key)
        pointers += [below, *anchors(item, below)]
    return pointers


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return sorted(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def _size(value: Any) -> int:
    return 1 + sum(_size(item) for _, item in _pairs(value))


def _items(value: Any, place: str, is_large: bool, pieces: list[str]) -> None:
    pieces.append('<ul class="tree">')
    for key, item in _pairs(value):
        below = place + pointer(key)
        name = f'<span class="key">{_clean(key)}</span>'
        pieces.append(f'<li id="{escape(quoted(below))}">')
        size = _size(item)
        if not isinstance(item, (dict, list)) or not item:
            pieces.append(f"{name} {_scalar(item)}")
        elif isinstance(item, list) and not any(isinstance(part, (dict, list)) for part in item):
            row = [
                f'<span id="{escape(quoted(below + pointer(number)))}">{_scalar(part)}</span>'
                for number, part in enumerate(item)
            ]
            pieces.append(_folded(name, item, size, is_large, ", ".join(row)))
        else:
            inside: list[str] = []
            _items(item, below, is_large, inside)
            pieces.append(_folded(name, item, size, is_large, "".join(inside)))
        pieces.append("</li>")
    pieces.append("</ul>")


def _folded(name: str, item: Any, size: int, is_large: bool, inside: str) -> str:
    if size <= FOLDED:
        return f"{name} {inside}"
    is_open = "" if is_large else " open"
    noun = "key" if isinstance(item, dict) else "item"
    count = f'<span class="soft">{count_of(len(item), noun)}, {count_of(size - 1, "value")}</span>'
    return f"<details{is_open}><summary>{name} {count}</summary>{inside}</details>"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return f'<span class="text">{_clean(value)}</span>' if value else '<span class="soft">""</span>'
    if value is None or isinstance(value, (dict, list)):
        return f'<span class="soft">{json.dumps(value)}</span>'
    return f'<span class="number">{escape(json.dumps(value))}</span>'


def _clean(value: Any) -> Markup:
    """A text, escaped; half characters, which no file can hold, are written out."""
    return escape(str(value).encode("utf-8", "backslashreplace").decode("utf-8"))
