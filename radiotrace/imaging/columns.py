"""Columns: those of cases.csv that are more than attributes, as dataset.json declares them under 'columns',
and what stands there for each case.

A task without label maps has its target here: the class of a picture, or a number that is to be told.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from radiotrace.imaging import tables
from radiotrace.imaging.tables import Table
from radiotrace.records.dataset import Column
from radiotrace.records.values import Part

DIVIDER = "|"  # between the classes of a case that has several
PARTS: tuple[Part, ...] = get_args(Part)
KEYS = {"role", "kind", "unit", "minimum", "maximum", "categories", "attribute"}
KINDS_OF = {
    "target": ("class", "classes", "number"),
    "feature": ("number", "category"),
    "part": ("category",),
}
NUMBERS = ("minimum", "maximum")

Value = float | str | tuple[str, ...]


def declared(found: Any, labels: Mapping[str, str], faults: list[str]) -> dict[str, Column]:
    """Name -> column, in the order of dataset.json; {} where it declares none.

    Args:
        found: of the key 'columns' of dataset.json.
        labels: value -> name.
        faults: is added to.
    """
    if found is None:
        return {}
    if not isinstance(found, dict):
        faults.append(f"dataset.json: columns: found {type(found).__name__}, expected an object")
        return {}
    columns = {}
    for name, entry in found.items():
        where = f"dataset.json: columns: {name[:60]!r}"
        if broken := _broken(entry):
            faults += [f"{where}: {fault}" for fault in broken]
            continue
        categories = entry.get("categories") or (PARTS if entry["role"] == "part" else None)
        columns[name] = Column(
            role=entry["role"],
            kind=entry["kind"],
            unit=entry.get("unit"),
            minimum=entry.get("minimum"),
            maximum=entry.get("maximum"),
            categories=None if categories is None else tuple(categories),
            attribute=entry.get("attribute", False),
        )
    for role in ("target", "part"):
        several = [name for name, column in columns.items() if column.role == role]
        of_classes = [name for name in several if columns[name].kind != "number"]
        if len(of_classes) > 1:
            faults.append(
                f"dataset.json: columns: {', '.join(of_classes)} are all of role {role}, expected one"
            )
    return columns


def _broken(entry: Any) -> list[str]:
    """What is wrong with the declaration of a column."""
    if not isinstance(entry, dict):
        return [f"found {type(entry).__name__}, expected an object with role and kind"]
    role, kind = entry.get("role"), entry.get("kind")
    if role not in KINDS_OF:
        return [f"role: found {role!r}, expected one of {', '.join(KINDS_OF)}"]
    if kind not in KINDS_OF[role]:
        return [f"kind: found {kind!r}, expected one of {', '.join(KINDS_OF[role])} for role {role}"]
    broken = [f"{key!r}: expected {', '.join(sorted(KEYS))} only" for key in sorted(entry.keys() - KEYS)]
    for key in NUMBERS:
        value = entry.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            broken.append(f"{key}: found {value!r}, expected a number")
    if not isinstance(entry.get("unit", ""), str):
        broken.append(f"unit: found {entry['unit']!r}, expected text")
    if not isinstance(entry.get("attribute", False), bool):
        broken.append(f"attribute: found {entry['attribute']!r}, expected true or false")
    categories = entry.get("categories")
    if kind == "number":
        lowest, highest = (entry.get(key) for key in NUMBERS)
        if not broken and lowest is not None and highest is not None and not lowest <= highest:
            broken.append(f"minimum {lowest} is above maximum {highest}")
    if role == "feature" and kind == "category" and not _are_words(categories):
        broken.append("categories: expected the words that may stand there, two at least, each once")
    if role == "part" and categories not in (None, list(PARTS)):
        broken.append(f"categories: a part is one of {', '.join(PARTS)}; leave them out")
    return broken


def _are_words(categories: Any) -> bool:
    if not isinstance(categories, list) or len(categories) < 2:
        return False
    texts = [word for word in categories if isinstance(word, str) and word and tables.plain(word) == word]
    return len(texts) == len(set(texts)) == len(categories)


def values_of(
    table: Table,
    columns: Mapping[str, Column],
    labels: Mapping[str, str],
    missing_words: Sequence[str],
    faults: list[str],
) -> dict[str, dict[str, Value]]:
    """case_id -> declared column -> what stands there; a cell that is empty, or says "not known", has no
    entry.

    A target, and a part, must be known. A number out of its range is no fault here: validate names it.

    Args:
        table: cases.csv.
        columns: of `declared`.
        labels: value -> name; of kind class a cell has one of the names, of kind classes several with | or
            nothing between, which stands for the first label.
        missing_words: that mean "not known", whatever their case.
        faults: is added to.
    """
    there = next(iter(table.attributes_of.values()), {})
    faults += [
        f"cases.csv: column {name!r} is missing, which dataset.json declares as {column.role}"
        for name, column in columns.items()
        if name not in there
    ]
    words = {word.casefold() for word in missing_words} | {""}
    known: dict[str, dict[str, Value]] = {case_id: {} for case_id in table.attributes_of}
    for name, column in columns.items():
        if name not in there:
            continue
        for case_id, row in table.attributes_of.items():
            cell = row[name]
            if cell.casefold() in words and not (column.kind == "classes" and cell == ""):
                if column.role != "feature":
                    faults.append(f"{case_id}: no {name} in cases.csv, which every case must have")
                continue
            value = _value(cell, column, labels)
            if value is None:
                faults.append(f"{case_id}: {name}: found {cell[:60]!r}, expected {_expected(column, labels)}")
            else:
                known[case_id][name] = value
    return known


def _value(cell: str, column: Column, labels: Mapping[str, str]) -> Value | None:
    """What a cell says; None where it is nothing that the column may hold."""
    if column.kind == "number":
        number = float(cell) if tables.NUMBER.fullmatch(cell) else math.nan
        return number if math.isfinite(number) else None
    if column.kind == "class":
        return cell if cell in labels.values() else None
    if column.kind == "classes":
        names = tuple(sorted({tables.plain(name) for name in cell.split(DIVIDER)} - {""}))
        nothing = labels.get("0")
        return names if set(names) <= set(labels.values()) - {nothing} or names == (nothing,) else None
    return cell if cell in (column.categories or ()) else None


def _expected(column: Column, labels: Mapping[str, str]) -> str:
    if column.kind == "number":
        return "a number"
    if column.kind == "class":
        return f"one of {', '.join(labels.values())}"
    if column.kind == "classes":
        several = ", ".join(name for value, name in labels.items() if value != "0")
        return f"some of {several} with {DIVIDER} between, or {labels.get('0', 'nothing')}"
    return f"one of {', '.join(column.categories or ())}"


def targets(columns: Mapping[str, Column]) -> list[str]:
    """Names of the columns that a model is to tell."""
    return [name for name, column in columns.items() if column.role == "target"]
