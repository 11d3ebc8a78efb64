"""Label names: which segments and regions a label is made of, and what is said where nobody has said so.

Names of headers are shown to who chooses among them, and never written.
"""

import csv
import shlex
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from radiotrace.errors import StageError
from radiotrace.imaging.dicom.headers import Instance

EXAMPLES = 3  # labels that a way out names


@dataclass(frozen=True)
class Label:
    """A label to write.

    Attributes:
        name: that goes into dataset.json.
        sources: names of segments or regions that it is made of, however they are spaced or capitalised.
    """

    name: str
    sources: tuple[str, ...]


def plain(text: str) -> str:
    """A text without what spellings of one id or name differ in: space, capitals, forms of Unicode."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def parsed(text: str) -> tuple[str, tuple[str, ...]]:
    """Name and sources of NAME, or of NAME=SOURCE,… where a source with a comma stands in quotes, as in CSV;
    of several spellings of one source the first."""
    name, _, sources = text.partition("=")
    (row,) = csv.reader([sources or f'"{name}"'], skipinitialspace=True)
    first = {plain(source): source.strip() for source in reversed(row) if source.strip()}
    return name, tuple(reversed(first.values()))


def option(source: str) -> str:
    """The option that chooses one source, as a shell takes it."""
    quoted = '"' + source.replace('"', '""') + '"' if "," in source or '"' in source else source
    return f"--label {shlex.quote(f'NAME={quoted}')}"


def unknown(labels: Sequence[Label], objects: Sequence[Instance]) -> list[Label]:
    """Labels none of whose sources is there."""
    there = {plain(structure.name) for one in objects for structure in one.structures}
    return [label for label in labels if there.isdisjoint(map(plain, label.sources))]


def none_wanted(objects: Sequence[Instance], images: Sequence[Instance]) -> StageError:
    """Nobody has said which labels are wanted: says which there are."""
    return StageError(
        "nothing was written: nobody has said which labels are wanted; names of headers are not copied",
        _listed(objects, images)
        or ["found no segmentation and no structure set; expected DICOM SEG or RTSTRUCT in the tree"],
        _way_out(objects, images) + "; or write images alone with --unlabelled keep.",
    )


def not_there(labels: Sequence[Label], objects: Sequence[Instance], images: Sequence[Instance]) -> StageError:
    """A label is made of nothing: says what there is."""
    asked = [
        f"--label {label.name}: no segment and no region is called {' or '.join(map(repr, label.sources))}"
        for label in labels
    ]
    return StageError(
        "nothing was written: labels are not in the tree",
        [*asked, *_listed(objects, images)],
        _way_out(objects, images) + ".",
    )


def _listed(objects: Sequence[Instance], images: Sequence[Instance]) -> list[str]:
    """Each name once, how many objects have it, and of which modality the images are that it was drawn on."""
    modality_of = {one.series: one.modality for one in images}
    objects_of: dict[str, list[Instance]] = defaultdict(list)
    for one in objects:
        for name in {structure.name for structure in one.structures}:
            objects_of[name].append(one)
    lines = []
    for name, members in sorted(objects_of.items()):
        drawn_on = {modality_of[uid] for one in members for uid in one.refers_to if uid in modality_of}
        n_lost = sum(bool(one.refers_to) and modality_of.keys().isdisjoint(one.refers_to) for one in members)
        said = f", drawn on {' and '.join(sorted(drawn_on))}" if drawn_on else ""
        said += f"; of {n_lost} the images are not here" if n_lost else ""
        many = "objects" if len(members) > 1 else "object"
        lines.append(f"{name!r}: in {len(members)} {many} (SEG or RTSTRUCT){said}")
    return lines


def _way_out(objects: Sequence[Instance], images: Sequence[Instance]) -> str:
    """How labels are chosen, with names that can be."""
    here = {one.series for one in images}
    usable = [one for one in objects if not one.refers_to or not here.isdisjoint(one.refers_to)]
    names = sorted({structure.name for one in usable or objects for structure in one.structures})
    examples = f", such as {' '.join(map(option, names[:EXAMPLES]))}" if names else ""
    return (
        "Choose with --label, once for each label in the order of their values, each with a NAME of your own"
        f"{examples}"
    )
