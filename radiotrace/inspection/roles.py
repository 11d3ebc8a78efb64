"""Roles: what volumes and pictures seem to be for, by the names of their folders and their own.

Guesses, and said as such: a name is all that there is before pixels are decoded.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from radiotrace.imaging.formats import CHANNEL_NUMBER
from radiotrace.imaging.layouts import names
from radiotrace.imaging.layouts.names import LABEL_WORDS
from radiotrace.inspection import kinds
from radiotrace.inspection.seen import Seen

DIGITS = re.compile(r"\d+")
SUFFIX = re.compile(r"_([A-Za-z][A-Za-z0-9]{0,15})$")
SUFFIX_SHARE = 0.2  # of the files of a folder, that end in one word
BIDS_NAME = re.compile(r"(sub-[A-Za-z0-9]+)(_[a-z]+-[A-Za-z0-9]+)*_[A-Za-z0-9]+")
GROUPS_MAX = 10
WHOLE_BYTES = ("uint8", "int8")  # of values that label maps often have


@dataclass(frozen=True)
class Group:
    """Files that seem to be of one sort.

    Attributes:
        name: of their folder, with # for digits, and the word or channel in which their names end.
        is_label: whether a name says that they are label maps or masks.
    """

    name: str
    is_label: bool
    files: tuple[Seen, ...]


def is_label(path: str) -> bool:
    """Whether a word of a path says that it holds labels."""
    return names.is_label(path, kinds.stem(path))


def channel(path: str) -> str | None:
    """The number that nnU-Net ends the name of a channel's file with; None where there is none."""
    number = CHANNEL_NUMBER.search(kinds.stem(path))
    return number[1] if number else None


def case_of(path: str) -> str:
    """A file's name without the number of its channel, and without words that say it is a label map."""
    bare = CHANNEL_NUMBER.sub("", kinds.stem(path))
    words = [word for word in re.split(r"[_.\-]", bare) if word.lower() not in LABEL_WORDS]
    return "_".join(words).casefold()


def paired(files: Sequence[Seen]) -> int:
    """How many label maps bear the name of an image."""
    images = {case_of(one.path) for one in files if not is_label(one.path)}
    return sum(case_of(one.path) in images for one in files if is_label(one.path))


def groups(files: Sequence[Seen]) -> list[Group]:
    """Files by folder and by the end of their names; by the first folder where there are many folders."""
    by_folder: dict[str, list[Seen]] = defaultdict(list)
    for one in files:
        by_folder[DIGITS.sub("#", PurePosixPath(one.path).parent.as_posix())].append(one)
    if len(by_folder) > GROUPS_MAX:
        by_folder = defaultdict(list)
        for one in files:
            by_folder[_first_folder(one.path)].append(one)
    if len(by_folder) > GROUPS_MAX:
        by_folder = {"*": list(files)}
    made: dict[tuple[str, bool], list[Seen]] = defaultdict(list)
    for folder, members in by_folder.items():
        shared = _suffixes(members)
        for one in members:
            end = _end(one.path)
            end = f" *_{end}" if end in shared else ""
            made[f"{folder}/{end}", is_label(one.path)].append(one)
    return [Group(name, is_labels, tuple(members)) for (name, is_labels), members in sorted(made.items())]


def _first_folder(path: str) -> str:
    parts = PurePosixPath(path).parts
    return f"{DIGITS.sub('#', parts[0])}/…" if len(parts) > 1 else "."


def _end(path: str) -> str:
    """The number of a channel, or the word that a name ends in; "" where it ends otherwise."""
    number = channel(path)
    if number is not None:
        return number
    word = SUFFIX.search(kinds.stem(path))
    return word[1] if word else ""


def _suffixes(files: Sequence[Seen]) -> set[str]:
    """Ends of names that several files of a folder share."""
    counts = Counter(_end(one.path) for one in files)
    least = max(2, SUFFIX_SHARE * len(files) / 2)
    return {end for end, count in counts.items() if end and count >= least}


def bids_subjects(files: Sequence[Seen]) -> set[str]:
    """Subjects by names such as sub-01_ses-1_T1w."""
    named = (BIDS_NAME.fullmatch(kinds.stem(one.path)) for one in files)
    return {name[1] for name in named if name}
