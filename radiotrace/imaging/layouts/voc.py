"""Pascal VOC: boxes of pictures in XML, a file for each picture in Annotations/, the pictures in JPEGImages/,
and lists of the parts in ImageSets/Main/.

XML comes from anywhere: a file that declares a document type, and with it entities, is refused before any of
them is expanded; so is one that is long, or nested deeply. Nothing outside of the file is ever opened.

Source: Everingham et al. 2010, doi:10.1007/s11263-009-0275-4.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from xml.parsers import expat

from radiotrace.imaging import content, formats, tables
from radiotrace.imaging.layouts import names

ANNOTATIONS, PICTURES, LISTS = "Annotations", "JPEGImages", "ImageSets/Main"
ENDING = ".xml"
BYTES_MAX = 2**22
DEPTH_MAX = 16
ELEMENTS_MAX = 100_000
TEXT_MAX = 1_000  # characters of an element that counts
CORNERS = ("xmin", "ymin", "xmax", "ymax")
PART_OF = {"train": "train", "val": "validation", "test": "test"}  # list -> part


@dataclass(frozen=True)
class VocBox:
    """A box as the file has it: corners in pixels, along x and y."""

    name: str
    low: tuple[float, float]
    high: tuple[float, float]


@dataclass(frozen=True)
class Annotation:
    """What a file says of its picture.

    Attributes:
        size: width and height; None where it does not say.
    """

    size: tuple[int, int] | None
    boxes: tuple[VocBox, ...]


@dataclass
class _Node:
    """An element, while it is read."""

    name: str
    text: str = ""
    children: list["_Node"] = field(default_factory=list)

    def of(self, name: str) -> list["_Node"]:
        return [child for child in self.children if child.name == name]

    def word(self, *path: str) -> str | None:
        """The text of the first element at a path; None where there is none."""
        node = self
        for name in path:
            found = node.of(name)
            if not found:
                return None
            node = found[0]
        return node.text.strip()


class _Refused(Exception):
    """Why a file is not read."""


def folder_of(paths: Sequence[str]) -> str | None:
    """The folder that has Annotations/ with XML and JPEGImages/ with pictures, "" for the root; None where
    there is none. Of several the first."""
    there = {PurePosixPath(path).parent for path in paths if path.lower().endswith(ENDING)}
    pictured = {PurePosixPath(path).parent for path in paths if names.is_picture(path)}
    for folder in sorted(there):
        if folder.name == ANNOTATIONS and folder.parent / PICTURES in pictured:
            above = folder.parent.as_posix()
            return "" if above == "." else above
    return None


def parsed(data: bytes) -> _Node:
    """The elements of a file.

    Raises:
        _Refused: it is no XML, or may be an attack.
    """
    if len(data) > BYTES_MAX:
        raise _Refused(f"{len(data)} bytes; at most {BYTES_MAX} are read")
    root = _Node("")
    stack, count = [root], 0
    parser = expat.ParserCreate()

    def begin(name: str, _: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > ELEMENTS_MAX or len(stack) > DEPTH_MAX:
            raise _Refused(f"more than {ELEMENTS_MAX} elements, or {DEPTH_MAX} of them inside each other")
        node = _Node(name)
        stack[-1].children.append(node)
        stack.append(node)

    def end(_: str) -> None:
        stack.pop()

    def text(words: str) -> None:
        if len(stack[-1].text) + len(words) <= TEXT_MAX:
            stack[-1].text += words

    def declared(*_) -> None:
        raise _Refused("declares a document type or entities, which boxes need not; take the lines away")

    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = declared
    parser.EntityDeclHandler = declared
    parser.ExternalEntityRefHandler = None
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise _Refused(f"no XML: {error}") from None
    except (LookupError, ValueError):
        raise _Refused("no XML in an encoding that is read; save it as UTF-8") from None
    return root


def read(data: bytes, name: str, faults: list[str]) -> Annotation | None:
    """What a file says; None where it cannot be used.

    Boxes are taken as they stand, also those without a size or beyond the picture: the stage that checks
    boxes names these, and people decide.

    Args:
        name: of the file, for faults, which are added to.
    """
    try:
        root = parsed(data)
    except _Refused as error:
        faults.append(f"{name}: {error}")
        return None
    tops = root.of("annotation")
    if not tops:
        found = root.children[0].name[:60] if root.children else "nothing"
        faults.append(f"{name}: found the element {found!r}, expected annotation")
        return None
    [top] = tops[:1]
    before = len(faults)
    boxes = []
    for number, node in enumerate(top.of("object"), 1):
        label = tables.plain(node.word("name") or "")
        words = [node.word("bndbox", corner) for corner in CORNERS]
        broken = [
            f"{corner} {word!r}"
            for corner, word in zip(CORNERS, words, strict=True)
            if word is None or not tables.NUMBER.fullmatch(word)
        ]
        if broken:
            faults.append(f"{name}: box {number}: {', '.join(broken)[:200]}, expected numbers")
        if not formats.LABEL_NAME.fullmatch(label) or label.casefold() in (*formats.RESERVED, "none"):
            faults.append(f"{name}: box {number}: found the name {label[:60]!r}, expected that of a label")
        if not broken:
            x1, y1, x2, y2 = (float(word or "") for word in words)
            boxes.append(VocBox(label, (x1, y1), (x2, y2)))
    sides = [top.word("size", side) or "" for side in ("width", "height")]
    size = tuple(int(side) for side in sides if side.isdecimal() and len(side) < 7)
    if len(faults) > before:
        return None
    return Annotation((size[0], size[1]) if len(size) == 2 and all(size) else None, tuple(boxes))


def parts(root: Path, above: str, there: Sequence[str], faults: list[str]) -> dict[str, str]:
    """Name of a picture -> part, of the lists train.txt, val.txt and test.txt; a name may be followed by
    other words.

    Args:
        above: the folder that has Annotations/.
        there: paths of all files.
        faults: is added to.
    """
    found: dict[str, str] = {}
    for stem, part in PART_OF.items():
        path = PurePosixPath(above, LISTS, f"{stem}.txt").as_posix()
        if path not in there:
            continue
        try:
            data = content.read(root / path).data
            lines = data.decode("utf-8-sig").splitlines()
        except (content.VolumeError, UnicodeDecodeError) as error:
            faults.append(f"{path}: {error}")
            continue
        for line in lines:
            words = line.split()
            if not words:
                continue
            if found.setdefault(words[0], part) != part:
                faults.append(f"{path}: {words[0][:160]} stands in another part, too")
    return found
