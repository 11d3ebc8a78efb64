"""Screen: what was found, as lines for a terminal of WIDTH columns.

No line has a word that a header has for who is shown or when, not even where a path repeats it.
"""

import math
import re
import textwrap
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from radiotrace.errors import shown
from radiotrace.inspection import identities, kinds, roles
from radiotrace.inspection.layout import PLAIN_MODALITY, Layout
from radiotrace.inspection.look import Look
from radiotrace.inspection.seen import Seen, Shape
from radiotrace.inspection.series import SeriesSeen

WIDTH = 100
HEAD = 11  # columns of the name of a section
PATH_LETTERS = 120
VALUES_LETTERS = 13
ROWS_MAX = 12
PROBLEMS_MAX = 16
NAMED_MAX = 2  # paths that one problem names
CONTAINED_LETTERS = 4  # of a value that is looked for anywhere in a name; a shorter one must be a word of it
ENDINGS_MAX = 6
KIB = 1024
NUMBERS = re.compile(r"\d+(\.\d+)?")


class Paths:
    """Paths as they may be printed."""

    def __init__(self, found: Look):
        plain = {identities.plain(value) for value in found.identities}
        self._values = sorted(value for value in plain if len(value) >= CONTAINED_LETTERS)
        self._words = identities.words(found.identities) | plain
        self._children: dict[str, list[str]] = {}
        self._paths = [entry.path for entry in found.tree.entries]

    def shown(self, path: str, letters: int = PATH_LETTERS) -> str:
        """A path without what a header has for who is shown: "[name 3]" is the third of its folder."""
        parts = path.split("/")
        said = [
            f"[name {self._number('/'.join(parts[:depth]), part)}]" if self._identifies(part) else shown(part)
            for depth, part in enumerate(parts)
        ]
        return _short("/".join(said), letters)

    def bare(self, pattern: str) -> str:
        """A folder of several, as roles.groups names it, likewise."""
        return shown("/".join("[name]" if self._identifies(part) else part for part in pattern.split("/")))

    def _identifies(self, part: str) -> bool:
        bare = identities.plain(part)
        return not self._words.isdisjoint(identities.words([part])) or any(
            value in bare for value in self._values
        )

    def _number(self, folder: str, part: str) -> int:
        if folder not in self._children:
            start = f"{folder}/" if folder else ""
            below = {path[len(start) :].split("/")[0] for path in self._paths if path.startswith(start)}
            self._children[folder] = sorted(below)
        children = self._children[folder]
        return children.index(part) + 1 if part in children else 0


def _short(text: str, letters: int) -> str:
    """A text without its middle, where it is too long."""
    if len(text) <= letters:
        return text
    return f"{text[: letters // 3]}…{text[len(text) - (letters - letters // 3 - 1) :]}"


def lines(found: Look, layout: Layout, is_all: bool = False) -> list[str]:
    """The screen.

    Args:
        is_all: every series and every problem, however many there are.
    """
    paths = Paths(found)
    rows_max = len(found.seen) + 1 if is_all else ROWS_MAX
    made = _section("Files", _files(found))
    made += _section("Layout", [f"{layout.name}: {layout.why}"])
    made += _section("Subjects", [_subjects(found, layout)])
    if found.of(kinds.DICOM):
        made += _section("DICOM", _dicom(found))
        made += _series(found.series, paths, rows_max)
    made += _section("Volumes", _groups(found.of(*kinds.VOLUMES), "volumes", paths))
    made += _section("Pictures", _groups(found.of(*kinds.PICTURES), "pictures", paths))
    made += _section("Arrays", _arrays(found.of(*kinds.ARRAYS), paths, rows_max))
    made += _section("Problems", _problems(found, layout, paths, is_all))
    made += _section("Next", list(layout.steps))
    return made


def _section(name: str, texts: Sequence[str]) -> list[str]:
    """Texts under a name; a text that begins with a blank is a row and stays as it is, but for its length."""
    made: list[str] = []
    for text in texts:
        head = "" if made else name
        if text.startswith("python "):
            made += [
                f"{head:{HEAD}}{line}" if n == 0 else " " * HEAD + line
                for n, line in enumerate(_command(text))
            ]
        elif text.startswith(" "):
            made.append(f"{head:{HEAD}}{text[1:]}"[:WIDTH].rstrip())
        else:
            made += textwrap.wrap(
                shown(text),
                WIDTH,
                initial_indent=f"{head:{HEAD}}",
                subsequent_indent=" " * HEAD,
                break_on_hyphens=False,
            )
    return made


def _command(text: str) -> list[str]:
    """A command over several lines, as a shell takes it, where it is too long for one."""
    if len(text) <= WIDTH - HEAD:
        return [text]
    parts = text.split(" --")
    return [f"{parts[0]} \\", *(f"  --{part} \\" for part in parts[1:-1]), f"  --{parts[-1]}"]


def _files(found: Look) -> list[str]:
    counts = Counter(one.kind for one in found.seen)
    known = [f"{counts[kind]:,} {kind}" for kind in sorted(counts, key=lambda kind: (-counts[kind], kind))]
    size = f"{_many(len(found.seen), 'file')} in {_many(found.tree.folders, 'folder')}"
    texts = [f"{size}, {_bytes(found.tree.size)}: {', '.join(known)}"]
    others = Counter(PurePosixPath(one.path).suffix.lower() for one in found.of(kinds.OTHER))
    if others:
        ordered = sorted(others, key=lambda ending: (-others[ending], ending))
        named = [
            f"{others[ending]} {_short(ending, 12) or 'without ending'}" for ending in ordered[:ENDINGS_MAX]
        ]
        more = f" and {len(ordered) - ENDINGS_MAX} more endings" if len(ordered) > ENDINGS_MAX else ""
        texts.append(f"other: {', '.join(named)}{more}")
    if found.tree.hidden:
        texts.append(f"{_many(found.tree.hidden, 'hidden name')} left out")
    if not found.tree.is_whole:
        texts.append(f"only the first {len(found.seen):,} files were looked at")
    return texts


def _many(count: int, word: str) -> str:
    plural = word if word == "series" else f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{count:,} {word if count == 1 else plural}"


def _bytes(count: int) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < KIB or unit == "GiB":
            return f"{count:.3g} {unit}" if count < KIB else f"{count:,.0f} {unit}"
        count = count / KIB  # type: ignore[assignment]
    return ""


def _subjects(found: Look, layout: Layout) -> str:
    ids = {" ".join(one.patient_id.split()).casefold() for one in found.instances}
    texts = []
    if layout.subjects is not None:
        texts.append(f"{layout.subjects:,}, by names or cases.csv")
    if ids - {""}:
        texts.append(f"{len(ids - {''}):,} by PatientID")
    if missing := sum(not one.patient_id for one in found.instances):
        texts.append(f"{_many(missing, 'DICOM file')} without PatientID")
    return "; ".join(texts) or "not known: no cases.csv says whose each image is"


def _dicom(found: Look) -> list[str]:
    if not found.with_dicom:
        return ["their headers were not read: pydicom is not installed"]
    studies = {one.study for one in found.instances}
    by_modality: dict[str, list[SeriesSeen]] = defaultdict(list)
    for one in found.series:
        by_modality[modality(one)].append(one)
    parts = [
        f"{name} {_many(len(members), 'series')} of {_range([one.planes for one in members])} slices"
        for name, members in sorted(by_modality.items())
    ]
    texts = [
        f"{_many(len(studies), 'study')}, {_many(len(found.series), 'series')} of images"
        + (f": {', '.join(parts)}" if parts else "")
    ]
    here = {one.series for one in found.series}
    for kind, name in (("segmentation", "SEG"), ("structures", "RTSTRUCT")):
        members = [one for one in found.instances if one.kind == kind]
        if members:
            placed = sum(bool(here & set(one.refers_to)) for one in members)
            texts.append(
                f"{len(members)} {name} with {sum(len(one.structures) for one in members)} "
                f"{'segments' if name == 'SEG' else 'regions'}; {placed} drawn on series that are here"
            )
    others = Counter(one.class_name for one in found.instances if one.kind == "other")
    if others:
        ordered = sorted(others, key=lambda name: (-others[name], name))[:ENDINGS_MAX]
        texts.append("no images: " + ", ".join(f"{others[name]} {name}" for name in ordered))
    return texts


def modality(one: SeriesSeen) -> str:
    """As DICOM has it; "?" where it is no such word."""
    return one.modality if PLAIN_MODALITY.fullmatch(one.modality) else "?"


def _range(numbers: Sequence[float]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:.4g}" if f"{low:.4g}" == f"{high:.4g}" else f"{low:.4g}-{high:.4g}"


def _series(series: Sequence[SeriesSeen], paths: Paths, rows_max: int) -> list[str]:
    if not series:
        return []
    names = f"{'series':6} {'study':6} {'':4} {'text':>4} {'size':>15}  {'spacing mm':20} {'geometry':9}"
    made = [f"{' ' * HEAD}{names} folder"]
    for one in series[:rows_max]:
        size = " x ".join(str(count) for count in one.size)
        row = (
            f"{_uid(one.series):6} {_uid(one.study):6} {modality(one):4} {one.text_letters:4} {size:>15}  "
            f"{_mm(one.spacing_mm):20} {_geometry(one):9} "
        )
        folder = PurePosixPath(paths.shown(one.path, WIDTH)).parent.as_posix()
        made.append(f"{' ' * HEAD}{row}{_short(folder, WIDTH - HEAD - len(row))}")
    if len(series) > rows_max:
        made.append(f"{' ' * HEAD}and {_many(len(series) - rows_max, 'series')} more; --all lists them")
    return [line.rstrip() for line in made]


def _geometry(one: SeriesSeen) -> str:
    if one.faults:
        return _many(len(one.faults), "fault")
    if one.volumes == 1:
        return "sound"
    return f"{one.volumes} volumes" if one.volumes else "no volume"


def _uid(uid: str) -> str:
    """The end of a UID, which tells series of one folder apart."""
    return shown(uid[-6:])[:6]


def _mm(spacing: Sequence[float]) -> str:
    return " x ".join(f"{length:.3g}" for length in spacing)


def _groups(files: Sequence[Seen], word: str, paths: Paths) -> list[str]:
    """A row for each sort of files, and what their names say of labels."""
    if not files:
        return []
    header = f" {'files':>6}         {'folder, end of name':19} {'size':22} {'spacing mm':17} values"
    rows, notes = [], []
    for group in roles.groups(files):
        shapes = [one.shapes[0] for one in group.files if one.shapes]
        role = "labels" if group.is_label else ""
        name = _short(paths.bare(group.name), 19)
        columns = f"{_sizes(shapes):22} {_spacings(shapes):17} {_values(shapes)}"
        rows.append(f" {len(group.files):6,} {role:7} {name:19} {columns}")
        notes += _notes(group, shapes, _short(paths.bare(group.name), 30))
    labels = [one for one in files if roles.is_label(one.path)]
    if labels:
        pairs = f"{roles.paired(files):,} bear the name of an image"
        notes.append(f"{_many(len(labels), 'label map')} by their names; {pairs}")
    elif word == "volumes":
        whole = sum(bool(one.shapes) and one.shapes[0].values in roles.WHOLE_BYTES for one in files)
        if whole:
            notes.append(f"no name says label map; {whole:,} have whole numbers of 8 bits, and may be some")
    return [header, *rows, *notes]


def _notes(group: roles.Group, shapes: Sequence[Shape], name: str) -> list[str]:
    notes = []
    spacings = {tuple(f"{length:.3g}" for length in shape.spacing_mm) for shape in shapes}
    if len(spacings) > 1:
        notes.append(f"{name}: {len(spacings)} different spacings")
    if n_deep := sum(len(shape.size) > 3 for shape in shapes):
        notes.append(f"{name}: {n_deep} have more than three axes")
    if group.is_label and (n_float := sum(shape.values.startswith("float") for shape in shapes)):
        notes.append(f"{name}: {n_float} label maps have values of floating point")
    return notes


def _sizes(shapes: Sequence[Shape]) -> str:
    return _axes([shape.size for shape in shapes], 22)


def _spacings(shapes: Sequence[Shape]) -> str:
    return _axes([shape.spacing_mm for shape in shapes], 17)


def _axes(rows: Sequence[tuple[float, ...]], letters: int) -> str:
    """The range along each axis."""
    finite = [row for row in rows if row and all(map(math.isfinite, row))]
    counts = {len(row) for row in finite}
    if not finite:
        return "-"
    if len(counts) > 1:
        return f"of {' and '.join(map(str, sorted(counts)))} axes"
    ranges = [_range(numbers) for numbers in zip(*finite, strict=True)]
    for text in (" x ".join(ranges), "x".join(ranges)):
        if len(text) <= letters:
            return text
    return f"{len(ranges)} axes, {_range([number for row in finite for number in row])}"


def _values(shapes: Sequence[Shape]) -> str:
    names = {f"{shape.values}{f' x {shape.channels}' if shape.channels > 1 else ''}" for shape in shapes}
    text = ", ".join(sorted(names - {""}))
    return text if len(text) <= VALUES_LETTERS else f"{len(names)} types"


def _arrays(files: Sequence[Seen], paths: Paths, rows_max: int) -> list[str]:
    texts = []
    for one in files[:rows_max]:
        arrays = [f"{'x'.join(map(str, shape.size)) or '1'} {shape.values}" for shape in one.shapes]
        texts.append(f"{paths.shown(one.path)}: {', '.join(arrays) or 'its arrays were not looked at'}")
    if len(files) > rows_max:
        texts.append(f"and {len(files) - rows_max:,} more")
    return texts


def _problems(found: Look, layout: Layout, paths: Paths, is_all: bool) -> list[str]:
    """What is wrong, alike together: the first text of its sort, how many there are, and where."""
    rows = [(text, paths.shown(path)) for path, text in found.tree.problems]
    rows += [(text, paths.shown(one.path)) for one in found.seen for text in one.problems]
    for one in found.series:
        where = f"series {_uid(one.series)} ({paths.shown(one.path)})"
        rows += [(fault, where) for fault in one.faults]
    rows += [
        ("a SOPInstanceUID that a file of other bytes has, too", paths.shown(path)) for path in found.repeated
    ]
    rows += [("the same bytes as another file", _same(names, paths)) for names in found.copies]
    rows += [(text, "") for text in layout.problems]
    if found.alike:
        rows.append((f"{found.alike:,} files may be copies; together they are too large to compare", ""))
    if mixed := _mixed(found):
        rows.append((mixed, ""))
    by_sort: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for text, where in rows:
        by_sort[NUMBERS.sub("#", text)].append((text, where))
    ordered = sorted(by_sort, key=lambda sort: (-len(by_sort[sort]), sort))
    kept = ordered if is_all else ordered[:PROBLEMS_MAX]
    texts = [_problem(by_sort[sort], is_all) for sort in kept]
    if len(ordered) > len(kept):
        texts.append(f"and {len(ordered) - len(kept)} more sorts of problems; --all lists them")
    return texts or ["none was seen in headers and lengths; pixels were not decoded"]


def _problem(alike: Sequence[tuple[str, str]], is_all: bool) -> str:
    text, places = alike[0][0], list(dict.fromkeys(where for _, where in alike if where))
    named = places if is_all else places[:NAMED_MAX]
    more = f" and {len(places) - len(named):,} more" if len(places) > len(named) else ""
    count = f"{len(alike):,} x " if len(alike) > 1 else ""
    return f"{count}{text}" + (f": {', '.join(named)}{more}" if named else "")


def _same(names: Sequence[str], paths: Paths) -> str:
    first = f"{paths.shown(names[0])} = {paths.shown(names[1])}"
    return first if len(names) == 2 else f"{first} and {len(names) - 2} more"


def _mixed(found: Look) -> str:
    """Studies that have files of several PatientID."""
    ids: dict[str, set[str]] = defaultdict(set)
    for one in found.instances:
        ids[one.study].add(" ".join(one.patient_id.split()).casefold())
    mixed = sum(len(of_study) > 1 for of_study in ids.values())
    return f"{_many(mixed, 'study')} with files of more than one PatientID" if mixed else ""
