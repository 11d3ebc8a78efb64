"""What a command takes and says where it is about a further study: options that lead to what all studies
share, and the words that a person types in the root of the repository.

The command line calls it; messages below are written as for the first study, and know nothing of it.
"""

import re
from pathlib import Path

from radiotrace.pipeline.study import Study, named

# What stands before a command in a text: its beginning, a quotation mark, or the command before it.
BEFORE = r"(?P<before>^\s*|['\"(]|&& |[a-z]: |, then )"
# Targets of the Makefile that take STUDY.
TARGETS = "run|pull|verify|trace|review|verification|negative-controls|manifest"
MAKE = re.compile(
    rf"{BEFORE}make (?P<target>{TARGETS})\b(?![^'\"\n]* STUDY=)(?P<rest>( [A-Z]+=[^'\"\s]+)?)", re.M
)
OURS = re.compile(r"\bpython (?P<isolated>-I )?-m radiotrace (?!--study |new\b)")
DVC = re.compile(rf"{BEFORE}dvc (?!--cd |remote )(?=[a-z])", re.M)
GIT = re.compile(rf"{BEFORE}git checkout (?!datastore)", re.M)

REMOVE = re.compile(r"^rm (?P<files>\S+( \S+)*)$", re.M)


class Shared(str):
    """The default of an option that names what all studies share; what a person names stays as it is."""

    __slots__ = ()


def lead_to_shared(args, study: Study) -> None:
    """Lets the options that stand at a Shared default name what they mean as the study sees it."""
    for name, value in vars(args).items():
        if isinstance(value, Shared):
            setattr(args, name, study.seen(value))


def with_study(text: str, place: str) -> str:
    """A text whose commands do in the root of the repository, for a study, what they do for the first one.

    Args:
        text: with commands as the first study has them.
        place: of the study; "." leaves the text as it is.
    """
    if place == ".":
        return text
    text = MAKE.sub(rf"\g<before>make \g<target>\g<rest> STUDY={place}", text)
    text = OURS.sub(rf"python \g<isolated>-m radiotrace --study {place} ", text)
    text = DVC.sub(rf"\g<before>dvc --cd {place} ", text)
    text = GIT.sub(rf"\g<before>git -C {place} checkout ", text)
    return REMOVE.sub(lambda removed: " ".join(["rm", *_below(place, removed["files"])]), text)


def _below(place: str, names: str) -> list[str]:
    """Names of files of a study, as the repository has them."""
    return [f"{place}/{name}" for name in names.split()]


def from_root(path: str | Path, study: Study) -> str:
    """A path that a study sees, as it is told to who stands in the root of the repository."""
    path = Path(path)
    return str(path) if path.is_absolute() else study.in_repository(named(path.as_posix()))
