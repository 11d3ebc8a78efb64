"""Elements of a document: pages of sections of blocks, whose cells are pieces of text that know where in the
bundle they stand.

A cell is a text, a Span, a line (a tuple of these) or several lines (a list of these).
"""

from dataclasses import dataclass, field, replace

from radiotrace.evidence.design.compliance import resolve

GOOD = frozenset(
    ("verified", "met", "passed", "red", "effective", "acceptable", "evidenced", "reviewed", "yes")
)
RECORDS = "records"
PLAIN = frozenset(("manual", "partial", "not-applicable", "none", ""))


@dataclass(frozen=True)
class Span:
    """A piece of text.

    Attributes:
        source: file#pointer in the bundle, of the value that the text tells; empty where it tells none.
        look: 'good', 'bad', 'code', 'soft', 'strong', 'plain' (ids in it are no links) or nothing.
    """

    text: str
    source: str = ""
    look: str = ""


@dataclass(frozen=True)
class Row:
    """Cells of a table; the id of the thing whose row it is, which links lead to."""

    cells: tuple
    id: str = ""


@dataclass(frozen=True)
class Block:
    """A 'table' (caption, head, rows), a 'list' (rows of one cell), 'facts' (rows of name and cell) or a
    'text' (the caption).

    Attributes:
        wide: which columns of a table hold much text; left_out: which ones Markdown leaves out.
    """

    kind: str
    caption: object = ""
    head: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    wide: tuple[int, ...] = ()
    left_out: tuple[int, ...] = ()


@dataclass(frozen=True)
class Section:
    """A heading with blocks; level 3 stands below a section of level 2."""

    id: str
    title: str
    blocks: tuple[Block, ...]
    level: int = 2
    new_page: bool = False


@dataclass(frozen=True)
class Page:
    """A document."""

    name: str
    title: str
    about: str
    sections: list[Section] = field(default_factory=list)
    landscape: bool = False


class Records:
    """The records of a bundle.

    What it shows of them knows its place, so that no number stands in a document without one.
    """

    def __init__(self, bundle: dict[str, dict]):
        self.bundle = bundle

    def __getitem__(self, name: str) -> dict:
        return self.bundle[f"{name}.json"]

    def __contains__(self, name: str) -> bool:
        return f"{name}.json" in self.bundle

    def show(self, name: str, *path, look: str = "") -> Span:
        """The value at a place, as people read it.

        Raises:
            LookupError: nothing stands there.
        """
        return Span(in_words(resolve(self[name], pointer(*path))), f"{name}.json#{pointer(*path)}", look)

    def tell(self, text: str, name: str, *path, look: str = "") -> Span:
        """A text that follows from what stands at a place, such as how many there are.

        Raises:
            LookupError: nothing stands there.
        """
        resolve(self[name], pointer(*path))
        return Span(text, f"{name}.json#{pointer(*path)}", look)

    def verdict(self, name: str, *path) -> Span:
        """A value of few words that is good or bad news."""
        shown = self.show(name, *path)
        return replace(status_span(shown.text), source=shown.source)


def pointer(*path) -> str:
    """The JSON Pointer of a path of keys and positions."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in path)


def in_words(value) -> str:
    """A value as people read it: four significant digits, a true minus, yes and no; "unknown" for null,
    "none" for an empty list."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return (f"{value:.4g}" if abs(value) < 10000 else f"{value:.0f}").replace("-", "−")
    if isinstance(value, int):
        return str(value).replace("-", "−")
    if isinstance(value, list):
        return ", ".join(map(in_words, value)) or "none"
    return str(value)


def count_of(number: int, noun: str) -> str:
    """A number and its noun, whose plural has an s: '1 gap', '3 gaps'."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def status_span(text: str) -> Span:
    """A status of few words, in the colour of good or bad news."""
    if text in PLAIN:
        return Span(text)
    return Span(text, "", "good" if text in GOOD else "bad")


def table(
    caption, head: tuple[str, ...], rows, wide: tuple[int, ...] = (), left_out: tuple[int, ...] = ()
) -> Block:
    """A table; a row is a Row or its cells.

    Where the first cell leads to a record, the others need not lead into it again.
    """
    rows = [row if isinstance(row, Row) else Row(tuple(row)) for row in rows]
    return Block("table", caption, head, tuple(map(_with_each_source_once, rows)), wide, left_out)


def facts(*rows) -> Block:
    """Names with what is known of them; rows without anything are left out.

    Rows behind one called 'records' need not lead into these again.
    """
    kept = [Row(row) for row in rows if row]
    if kept and kept[0].cells[0] == RECORDS:
        sources = _sources(kept[0].cells[1])
        kept[1:] = [Row((row.cells[0], _without(sources, row.cells[1])), row.id) for row in kept[1:]]
    return Block("facts", rows=tuple(kept))


def _with_each_source_once(row: Row) -> Row:
    first, *others = row.cells
    sources = _sources(first)
    return Row((first, *(_without(sources, cell) for cell in others)), row.id) if sources else row


def _sources(cell) -> tuple[str, ...]:
    """The beginnings of all places below those that a cell leads to."""
    return tuple(f"{span.source}/" for line in lines(cell) for span in line if span.source)


def _without(sources: tuple[str, ...], cell) -> list[tuple[Span, ...]]:
    """The cell, whose spans do not lead to these sources."""
    cleared = []
    for line in lines(cell):
        cleared.append(
            tuple(replace(span, source="") if span.source.startswith(sources) else span for span in line)
        )
    return cleared


def bullets(cells) -> Block:
    """A list."""
    return Block("list", rows=tuple(Row((cell,)) for cell in cells))


def text(cell) -> Block:
    """A paragraph."""
    return Block("text", cell)


def lines(cell) -> list[tuple[Span, ...]]:
    """A cell as lines of spans."""
    spans_by_line = []
    for line in cell if isinstance(cell, list) else [cell]:
        pieces = line if isinstance(line, tuple) else (line,)
        spans_by_line.append(tuple(Span(piece) if isinstance(piece, str) else piece for piece in pieces))
    return spans_by_line


def separated(items, separator: str = ", ") -> tuple:
    """Items in one line; "none" where there is none."""
    pieces = [part for item in items for part in (separator, item)]
    return tuple(pieces[1:]) or ("none",)
