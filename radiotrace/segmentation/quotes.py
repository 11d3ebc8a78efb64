"""Quotes: places of records that a page names, so that a number leads to its record, quoted on the same page.

A link into a JSON file shows a reader the file's beginning; a quotation shows the place.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

UNSAFE = "/~-._"  # characters that an id keeps, beside letters and digits


@dataclass(frozen=True)
class Quotation:
    """A place of a record.

    Attributes:
        anchor: id on the page; place: the file and the JSON pointer; text: what stands there, as JSON.
    """

    anchor: str
    place: str
    text: str


class Quotes:
    """The places that a page has named so far; a template names them, and lists them at its end."""

    def __init__(self, records: Mapping[str, tuple[str, Any]]):
        """
        Args:
            records: name -> path of the file, and what it holds.
        """
        self._records = records
        self._quoted: dict[str, Quotation] = {}

    def link(self, text: object, record: str, *keys: str | int) -> Markup:
        """A text that leads to its place; the text alone where the record has no such place.

        Args:
            record: name of the record.
            keys: of objects and lists, from the root of the record on.
        """
        path, value = self._records[record]
        for key in keys:
            if not _has(value, key):
                return Markup("{}").format(text)
            value = value[key]
        pointer = "".join(f"/{_escaped(key)}" for key in keys)
        anchor = quote(f"at/{record}{pointer}", safe=UNSAFE)
        shown = json.dumps(value, sort_keys=True, ensure_ascii=False)
        self._quoted[anchor] = Quotation(anchor, f"{path}#{pointer}", shown)
        return Markup('<a class="at" href="#{}" title="{}#{}">{}</a>').format(
            anchor.replace("%", "%25"), path, pointer, text
        )

    def all(self) -> list[Quotation]:
        """Every place that was named, once, in the order of the records' places."""
        return sorted(self._quoted.values(), key=lambda quotation: quotation.anchor)


def _has(value: Any, key: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(key, int) and 0 <= key < len(value)
    return isinstance(value, Mapping) and key in value


def _escaped(key: str | int) -> str:
    """As RFC 6901 has it."""
    return str(key).replace("~", "~0").replace("/", "~1")
