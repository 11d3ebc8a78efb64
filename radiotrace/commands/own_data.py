"""Own data of `new`: which layout they have, what is wrong with them, and how they get into a study.

A folder with a dataset.json that ingest reads is copied; one of another layout is converted
(imaging/layouts/).
"""

import re
import shlex
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from radiotrace.commands import of_task
from radiotrace.errors import StageError
from radiotrace.evidence.design.undecided import TO_DECIDE
from radiotrace.pipeline import tasks

if TYPE_CHECKING:
    from radiotrace.imaging.layouts.checking import Checked
    from radiotrace.imaging.layouts.listing import Asked, Listing
    from radiotrace.imaging.layouts.which import Layout

HIDDEN = shutil.ignore_patterns(".*", "__MACOSX", "Thumbs.db")
VALUE_MAX = 65535
PIXEL_MM_MAX = 1000
SUBJECTS_MIN = 3  # one for each part of the split
SUBJECTS_OF_INTERVALS = 40  # the test part gets the ten of them that intervals need (benchmarks/coverage.md)
LABEL = re.compile(r"(?P<name>.*)=(?P<value>[0-9]{1,5})")
OTHERS = (
    "Without one, 'new' takes: cases.csv with the columns case_id, subject_id, image and label_map; images/ "
    "and labels/ with files of equal names; names as BIDS has them; one file of arrays with masks "
    "(docs/data.md). 'python -m radiotrace inspect FOLDER' says what lies there."
)


@dataclass(frozen=True)
class OwnData:
    """A folder of data, looked at.

    Attributes:
        listing, checked: of a layout that is converted.
        faults: why it cannot be taken.
    """

    root: Path
    layout: "Layout"
    asked: "Asked"
    listing: "Listing | None" = None
    checked: "Checked | None" = None
    faults: tuple[str, ...] = ()

    def lay_out(self, out: Path) -> list[str]:
        """Copies or converts the data to a new folder; gives what is said of that."""
        if self.listing is None or self.checked is None:
            shutil.copytree(self.root, out, ignore=HIDDEN, copy_function=shutil.copyfile)
            return self._cleaned(out) if self.asked.is_cleaned else []
        from radiotrace.imaging.layouts import (
            writing,
        )  # here, because the other commands need no image library

        out.mkdir()
        writing.write(self.root, out, self.listing, self.checked, self.asked)
        return []

    @staticmethod
    def _cleaned(out: Path) -> list[str]:
        from radiotrace.imaging.layouts import cleaning  # here, because most data need none

        done = cleaning.clean(out)
        return [
            f"Cleaned: {done.volumes} volumes were written anew without the free text of their headers; "
            f"{done.identified} had some that may say who somebody is. {done.left_behind} files that "
            "dataset.json does not name were left behind"
        ]

    def said(self) -> list[str]:
        """What was seen and done, for a terminal."""
        lines = [f"Layout: {self.layout.name}: {self.layout.why}"]
        if self.checked is not None:
            lines += [f"  {note}" for note in self.checked.notes]
            lines.append("  sources.csv beside them says which file each was made of, and how")
            lines += [f"  {TO_DECIDE}: {text}" for text in self.checked.undecided]
            if self.checked.undecided:
                lines.append("  Take the study away and run it again with these options, before you go on.")
        return lines


def few(subjects: Collection[str]) -> list[str]:
    """What is said where there are too few subjects for a split, or for intervals; else []."""
    count = f"{len(subjects)} subject{'' if len(subjects) == 1 else 's'}"
    intervals = f"about {SUBJECTS_OF_INTERVALS} for intervals, without which no criterion can be met"
    if len(subjects) < SUBJECTS_MIN:
        return [
            f"Too few: {count}. Train, validation and test need one each, so that 'split' stops below "
            f"{SUBJECTS_MIN}; and {intervals}. Get more before you go on."
        ]
    if len(subjects) < SUBJECTS_OF_INTERVALS:
        return [f"Few: {count}. It takes {intervals}."]
    return []


def looked_at(args) -> OwnData:
    """The data that the command line names.

    Raises:
        StageError: what is there has no layout that is read.
    """
    from radiotrace.imaging import formats  # here, because the other commands need no image library
    from radiotrace.imaging.layouts import checking, listing, which

    root = Path(args.data)
    faults: list[str] = []
    asked = _asked(args, faults)
    if is_of_rows(args.task):
        why = "dataset.json declares the columns of cases.csv, in which each row is a case"
        layout = which.Layout(which.NONE, "a table", why)
        return OwnData(root, layout, asked, faults=(*faults, *_needless(args, layout), *_of_rows(args)))
    paths = which.below(root, HIDDEN)
    layout = which.of(root, paths)
    if layout.kind not in which.CONVERTED:
        faults += _needless(args, layout)
        if layout.kind == which.NONE:
            faults += _missing(formats, root)
        return OwnData(root, layout, asked, faults=tuple(faults))
    if layout.kind == which.FOUR_D:
        faults += [
            f"{option}: dataset.json says that; correct it there"
            for option, value in (("--label", args.label), ("--pixel-mm", args.pixel_mm))
            if value
        ]
    listed = listing.of(root, paths, layout, asked)
    checked = checking.of(root, listed, asked)
    return OwnData(root, layout, asked, listed, checked, (*faults, *checked.faults))


def is_of_rows(task: str) -> bool:
    """Whether the cases of a task are rows of a table, and have no image."""
    return task in tasks.known() and tasks.declared(task).target == "row"


def _of_rows(args) -> list[str]:
    """What is wrong with a folder of a table."""
    try:
        of_task.reading(tasks.declared(args.task)).read_declaration(args.data)
    except StageError as error:
        return [f"{error.headline}. {error.way_out}", *error.findings]
    return []


def _needless(args, layout: "Layout") -> list[str]:
    """Options that say what dataset.json says."""
    given = {
        "--label": args.label,
        "--modality": args.modality,
        "--pixel-mm": args.pixel_mm,
        "--colour": args.colour == "grey",
        "--licence": args.licence,
        "--name": args.title,
    }
    return [
        f"{option}: is for data without a dataset.json that is read as it is; {layout.why}"
        for option, value in given.items()
        if value
    ]


def _missing(formats, root: Path) -> list[str]:
    """What is said of a folder of no layout that is read."""
    if not (root / "dataset.json").exists() and (dicom := formats.first_dicom(root)):
        return [
            f"{dicom} is DICOM, which from-dicom converts to a folder that 'new' takes; without --label it "
            "lists what is outlined there:",
            f"  python -m radiotrace from-dicom {shlex.quote(str(root))} --out FOLDER --name NAME",
            "'python -m radiotrace inspect FOLDER' says which series there are, and which of them are faulty "
            "(docs/own-data.md).",
        ]
    try:
        formats.read_declaration(root)
    except StageError as error:
        return [f"{error.headline}. {error.way_out}", *error.findings, OTHERS]
    return []


def _asked(args, faults: list[str]) -> "Asked":
    from radiotrace.imaging.layouts.listing import Asked

    name = args.title or args.name
    has_classes = args.task in tasks.known() and tasks.declared(args.task).target == "class"
    for option, text in (("--name", name), ("--licence", args.licence or "x")):
        if not text.strip() or not text.isprintable():
            faults.append(f"{option}: expected a text of characters that are seen")
    return Asked(
        name=name,
        licence=args.licence,
        labels=_labels(args.label, has_classes, faults),
        modality=_modality(args.modality, faults),
        pixel_mm=_pixel_mm(args.pixel_mm, faults),
        is_grey=args.colour == "grey",
        is_cleaned=args.clean,
        has_classes=has_classes,
    )


def _labels(given: list[str], has_classes: bool, faults: list[str]) -> tuple[tuple[str, int], ...]:
    from radiotrace.imaging import formats

    labels = []
    for text in given:
        label = LABEL.fullmatch(text)
        lowest = 0 if has_classes else 1
        if label is None or not lowest <= int(label["value"]) <= VALUE_MAX:
            of_value = "the number of a class" if has_classes else "the value that it has in the label maps"
            zero = "" if has_classes else "; 0 is the background"
            faults.append(
                f"--label: found {text[:80]!r}, expected NAME=VALUE, a name and {of_value}, {lowest} to "
                f"{VALUE_MAX}{zero}"
            )
            continue
        name = label["name"]
        is_name = formats.LABEL_NAME.fullmatch(name) and len(name) <= formats.LABEL_LENGTH_MAX
        if not is_name or name.casefold() in (*formats.RESERVED, "ignore", "background"):
            faults.append(
                f"--label: found the name {name[:80]!r}; one begins with a letter or digit and has letters, "
                f"digits, spaces and . _ - + , ( ), at most {formats.LABEL_LENGTH_MAX}, and is not "
                f"background, ignore or {', '.join(formats.RESERVED)}"
            )
        labels.append((name, int(label["value"])))
    names = [name.casefold() for name, _ in labels]
    values = [value for _, value in labels]
    if len(set(names)) != len(names) or len(set(values)) != len(values):
        faults.append("--label: a name or a value stands twice")
    if len(labels) >= formats.LABELS_MAX:
        faults.append(f"--label: found {len(labels)} labels, expected at most {formats.LABELS_MAX - 1}")
    return tuple(labels)


def _modality(given: str | None, faults: list[str]) -> tuple[str, ...]:
    from radiotrace.imaging import formats

    names = tuple(name.strip() for name in given.split(",")) if given is not None else ()
    for name in names:
        if not formats.CHANNEL_NAME.fullmatch(name) or len(name) > formats.LABEL_LENGTH_MAX:
            faults.append(
                f"--modality: found {name[:80]!r}, expected a name that begins with a letter or digit and "
                f"has letters, digits, spaces and . _ - + ( ), at most {formats.LABEL_LENGTH_MAX}"
            )
    if len({name.casefold() for name in names}) != len(names):
        faults.append("--modality: a name stands twice")
    return names


def _pixel_mm(given: str | None, faults: list[str]) -> tuple[float, float] | None:
    if given is None:
        return None
    try:
        sizes = [float(word) for word in given.split(",")]
    except ValueError:
        sizes = []
    if len(sizes) not in (1, 2) or not all(0 < size <= PIXEL_MM_MAX for size in sizes):
        faults.append(
            f"--pixel-mm: found {given[:40]!r}, expected one number of mm, or two with a comma between, "
            "along x and y"
        )
        return None
    return sizes[0], sizes[-1]


def options(parser) -> None:
    """Those of the command that say what data without a dataset.json do not."""
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a label, and its value in the label maps; once for each. Without any, the values that are "
        "found are named label_1 and on",
    )
    parser.add_argument(
        "--modality", metavar="NAME[,NAME…]", help="what the channels of an image are, such as CT, or T2,ADC"
    )
    parser.add_argument(
        "--pixel-mm",
        metavar="MM[,MM]",
        help="how large a pixel of a picture is, along x and y; without it, what the tags of the files say",
    )
    parser.add_argument(
        "--colour",
        choices=("keep", "grey"),
        default="keep",
        help="keep the colours of pictures as three channels (default), or bring all to grey",
    )
    parser.add_argument(
        "--clean",
        action="store_true",
        help="write each volume anew, without the free text of its header, and leave behind what "
        "dataset.json does not name",
    )
    parser.add_argument("--name", dest="title", metavar="TITLE", help="of the data set; default: NAME")
    parser.add_argument("--licence", help="of the data set")
