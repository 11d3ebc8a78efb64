"""Tables: cases.csv, its subjects and its attributes.

Text is brought to one form as it is read, and numbers to bands.
"""

import csv
import io
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal

from radiotrace.imaging import identifying

KEYS = ("case_id", "subject_id")
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
PLAIN_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)  # of a site or a class; 1E2 is a code
SEPARATORS = {";": "semicolons", "\t": "tabs"}
SCRIPTS = {"LATIN", "CYRILLIC", "GREEK"}  # whose letters look alike
GROUPS_MAX = 6  # more different numbers than this are no groups but a quantity
MANY_GROUPS = 20
TEXT_LENGTH_MAX = 255
FORBIDDEN = re.compile(r"[$\\]")  # in names and groups: charts would read them as formulas


@dataclass(frozen=True)
class Table:
    """Rows by case_id, in the order of the file: subject_id, and attributes by column; '' where a cell is
    empty."""

    subject_of: dict[str, str] = field(default_factory=dict)
    attributes_of: dict[str, dict[str, str]] = field(default_factory=dict)


def plain(text: str) -> str:
    """A text in one form of Unicode (NFC), without space around it: what looks the same is the same."""
    return unicodedata.normalize("NFC", text).strip()


def text_fault(text: str) -> str | None:
    """Why a text is no name that people can read and files can hold; None where it is one."""
    if not text.isprintable():
        return "holds characters that are not seen, such as line breaks or what steers a terminal"
    if len(text) > TEXT_LENGTH_MAX:
        return f"has {len(text)} characters, at most {TEXT_LENGTH_MAX} are read"
    return None


def read(data: bytes, name: str, faults: list[str]) -> Table | None:
    """A table with the columns case_id and subject_id; None when it cannot be used at all.

    Args:
        data: of the file: UTF-8, with or without a byte order mark.
        name: of the file, for messages.
        faults: is added to.
    """
    try:
        text = data.decode("utf-8-sig")
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        first = [plain(column) for column in next(lines, [])]
        if not _columns_are_good(first, name, faults):
            return None
        table = Table()
        for cells in lines:
            if cells:
                _take(
                    table,
                    first,
                    [plain(cell) for cell in cells],
                    f"{name} line {lines.line_num}",
                    name,
                    faults,
                )
    except UnicodeDecodeError as error:
        faults.append(f"{name}: not UTF-8 ({error.reason} at byte {error.start}). Save it as 'CSV UTF-8'")
        return None
    except csv.Error as error:
        faults.append(f"{name}: {error}")
        return None
    faults += _identities(table, first, name)
    return table


def _identities(table: Table, columns: list[str], name: str) -> list[str]:
    """Columns that say who somebody is, whose text is not repeated."""
    faults = []
    for column in columns:
        if column in KEYS:
            continue
        if identifying.is_column(column):
            faults.append(
                f"{name}: column {column!r} is called as what says who a person is. Take it away; keep what "
                "cases are compared by, such as an age in years"
            )
            continue
        found = Counter(
            kind for row in table.attributes_of.values() for kind in identifying.kinds(row.get(column, ""))
        )
        faults += [
            f"{name}: column {column!r}: {count} cells hold {kind}, which may say who a person is. Write "
            "what cases are compared by, such as a year"
            for kind, count in sorted(found.items())
        ]
    return faults


def _columns_are_good(columns: list[str], name: str, faults: list[str]) -> bool:
    if missing := sorted(set(KEYS) - set(columns)):
        way_out = next(
            (
                f". Separate columns by commas, not by {word}"
                for sign, word in SEPARATORS.items()
                if any(sign in column for column in columns)
            ),
            "",
        )
        faults.append(
            f"{name}: column {', '.join(missing)} missing; found {', '.join(columns) or 'none'}{way_out}"
        )
        return False
    bad = []
    spellings = Counter(column.casefold() for column in columns)
    if twice := sorted(column for column, count in spellings.items() if count > 1):
        bad.append(
            f"{name}: column {', '.join(repr(column) for column in twice)} stands twice in the first line"
        )
    for number, column in enumerate(columns, 1):
        if not column:
            bad.append(f"{name}: column {number} has no name")
        elif reason := text_fault(column) or (FORBIDDEN.search(column) and "holds '$' or a backslash"):
            bad.append(f"{name}: the name of column {number} {reason}")
        elif column.casefold().startswith("derived_"):
            bad.append(
                f"{name}: column {column!r}: names that begin with derived_ are those of attributes that the "
                f"evaluation derives; rename it"
            )
    faults += bad
    return not bad


def _take(
    table: Table, columns: list[str], cells: list[str], line: str, name: str, faults: list[str]
) -> None:
    """Adds one row."""
    if len(cells) != len(columns):
        faults.append(f"{line}: found another number of columns than in the first line")
        return
    row = dict(zip(columns, cells, strict=True))
    for column, cell in row.items():
        if reason := text_fault(cell) or (
            column not in KEYS and FORBIDDEN.search(cell) and "holds '$' or a backslash"
        ):
            faults.append(f"{line}: column {column} {reason}: {cell[:60]!r}")
    case_id, subject_id = row.pop("case_id"), row.pop("subject_id")
    if case_id in table.subject_of:
        faults.append(f"{case_id}: stands twice in {name}")
    if (
        len(
            scripts := sorted(SCRIPTS & {unicodedata.name(letter, "").split(" ")[0] for letter in subject_id})
        )
        > 1
    ):
        faults.append(
            f"{case_id}: subject {subject_id!r} has letters of {' and '.join(scripts)} that look alike; "
            f"write it in one script"
        )
    if not subject_id:
        faults.append(f"{case_id}: no subject_id in {name}")
    table.subject_of[case_id] = subject_id
    table.attributes_of[case_id] = row


def without(table: Table, columns: Collection[str]) -> Table:
    """A table without some of its further columns."""
    left = {
        case_id: {name: cell for name, cell in row.items() if name not in columns}
        for case_id, row in table.attributes_of.items()
    }
    return Table(table.subject_of, left)


def grouped(
    table: Table,
    missing_words: list[str],
    limits_of: dict[str, list[float]],
    faults: list[str],
    notes: list[str],
) -> dict[str, dict[str, str]]:
    """case_id -> attribute -> group. What is not known has no entry.

    A column of numbers becomes bands: between the limits that are given for it; else, where it has more than
    six different numbers, its thirds. Every other text is a group of its own, in one spelling.

    Args:
        missing_words: that mean "not known", whatever their case.
        limits_of: column -> where its bands begin, ascending.
        faults, notes: are added to; a note is something to know that does not stop a run.
    """
    columns = list(next(iter(table.attributes_of.values()), {}))
    faults += [
        f"ingest.bands: {column!r} is no further column of cases.csv; those are "
        f"{', '.join(columns) or 'none'}"
        for column in sorted(limits_of.keys() - set(columns))
    ]
    words = {word.casefold() for word in missing_words} | {""}
    groups_of: dict[str, dict[str, str]] = {case_id: {} for case_id in table.attributes_of}
    for column in columns:
        known = {
            case_id: row[column]
            for case_id, row in table.attributes_of.items()
            if row[column].casefold() not in words
        }
        for case_id, group in _groups(column, known, limits_of.get(column), faults, notes).items():
            groups_of[case_id][column] = group
    return groups_of


def _groups(
    column: str, known: dict[str, str], limits: list[float] | None, faults: list[str], notes: list[str]
) -> dict[str, str]:
    """case_id -> group, of one column."""
    numbers = {case_id: float(text) for case_id, text in known.items() if _is_number(text)}
    others = Counter(text for case_id, text in known.items() if case_id not in numbers)
    is_quantity = limits is not None or (
        2 * len(numbers) > len(known) and len(set(numbers.values())) > GROUPS_MAX
    )
    if is_quantity and others:
        named = ", ".join(f"{text!r} ({count} cases)" for text, count in sorted(others.items())[:5])
        faults.append(
            f"cases.csv: column {column}: {len(numbers)} numbers, and {named}. Name what means 'not known' "
            f"in params.yaml under "
            "ingest.missing_words, and correct the rest"
        )
        return {}
    if is_quantity and limits is not None and sorted(set(limits)) != limits:
        faults.append(f"ingest.bands.{column}: found {limits}, expected numbers that ascend")
        return {}
    if is_quantity:
        limits = _thirds(sorted(numbers.values())) if limits is None else limits
        return {case_id: band(number, limits) for case_id, number in numbers.items()}
    spellings = defaultdict(Counter)
    for text in known.values():
        spellings[_key(text)][text] += 1
    for several in spellings.values():
        if len(several) > 1:
            named = ", ".join(f"{text!r} ({count} cases)" for text, count in sorted(several.items()))
            faults.append(f"cases.csv: column {column}: one group in {len(several)} spellings: {named}")
    if len(spellings) > MANY_GROUPS:
        notes.append(
            f"cases.csv: column {column} has {len(spellings)} groups in {len(known)} cases; most are too "
            f"small to be compared"
        )
    return known


def _is_number(text: str) -> bool:
    """Whether a text is a number that float64 can hold: 1e999 is none."""
    return NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def _key(text: str) -> str | Decimal:
    """A number's value; else what remains when case, width of letters and number of spaces are ignored."""
    if PLAIN_NUMBER.fullmatch(text):
        return Decimal(text)
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _thirds(ascending: list[float]) -> list[float]:
    """Where the second and the last third of numbers begin: at numbers that are there."""
    n = len(ascending)
    return sorted({ascending[-(-n // 3)], ascending[-(-2 * n // 3)]})


def band(number: float, limits: list[float]) -> str:
    """The band of a number: "1: below 40", "2: 40 to below 65", "3: 65 or more" for the limits 40 and 65."""
    place = sum(number >= limit for limit in limits)
    if place == 0:
        return f"1: below {_exact(limits[0])}"
    if place == len(limits):
        return f"{place + 1}: {_exact(limits[-1])} or more"
    return f"{place + 1}: {_exact(limits[place - 1])} to below {_exact(limits[place])}"


def _exact(number: float) -> str:
    """A number with as many digits as it has: of 20240101 six would be those of any day of that year."""
    short = f"{number:g}"
    return short if float(short) == number else repr(float(number)).removesuffix(".0")
