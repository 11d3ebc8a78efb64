"""Pins: the files of requirements, which of them stand on which, and the modules that their packages give.

pip reads the same files. The runner of stages enforces them; which of them a stage can reach is the matter of
radiotrace/evidence/trace/pin_files.py, so that a new file there makes no stage stale.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from radiotrace.errors import StageError
from radiotrace.pipeline.closure import ROOT

ALL = "requirements.txt"  # names the files of what the pipeline needs
# pip reads the first, in requirements.txt; setuptools, which reads the files of wings for the wheel, knows
# comments alone.
NAMED = re.compile(r"(?:-r|# stands on:)\s+(.+)")
GIVEN = re.compile(r"# import (\w+)")


@dataclass(frozen=True)
class PinFile:
    """One file of requirements.

    Attributes:
        pins: its own, that apply to this platform.
        stands_on: the files that it names, as paths.
        modules: top-level names that its packages give, spelt as module() does.
    """

    pins: tuple[Requirement, ...]
    stands_on: tuple[Path, ...]
    modules: frozenset[str]


def read(path) -> PinFile:
    """A file of requirements; of pip's options only -r counts.

    A comment '# stands on: FILE …' names other files as -r does. A package gives the module of its own name,
    unless a comment behind its pin says '# import NAME'.
    """
    pins, stands_on, modules = [], [], set()
    for line in Path(path).read_text("utf-8").splitlines():
        text, _, comment = line.partition("#")
        if named := NAMED.fullmatch(line):
            stands_on += [Path(path).parent / name for name in named[1].split()]
        elif text.strip() and not text.startswith("-"):
            pin = Requirement(text.strip())
            given = GIVEN.match(f"#{comment}")
            modules.add(module(given[1] if given else pin.name))
            pins.append(pin)
    applying = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    return PinFile(tuple(applying), tuple(stands_on), frozenset(modules))


def of(path) -> list[Requirement]:
    """The pins of one file that apply to this platform, without those of the files that it names."""
    return list(read(path).pins)


def home() -> Path:
    """The folder below which files of requirements lie: the root of the code, wherever the process runs.

    Code that was installed from a wheel has none there: then it is the nearest folder upwards that has
    requirements.txt, which is the clone that is looked at.
    """
    here = Path.cwd()
    return next((folder for folder in (ROOT, here, *here.parents) if (folder / ALL).is_file()), ROOT)


def files(paths: Iterable[Path | str], root: Path | str | None = None) -> list[str]:
    """Files of requirements and all that they stand on.

    Args:
        paths: relative ones are below `root`.
        root: home() where it is not said.

    Returns:
        Sorted paths, relative to root where they lie below it.

    Raises:
        StageError: names every file that is missing.
    """
    root = Path(root or home()).resolve()
    seen, missing = set(), set()
    todo = [(root / path).resolve() for path in paths]
    while todo:
        path = todo.pop()
        if path in seen | missing:
            continue
        if not path.is_file():
            missing.add(path)
            continue
        seen.add(path)
        todo += [beneath.resolve() for beneath in read(path).stands_on]
    if missing:
        raise StageError(
            f"{len(missing)} files of requirements are missing",
            sorted(_name(path, root) for path in missing),
            "Restore them with 'git checkout', or correct --requirements.",
        )
    return sorted(_name(path, root) for path in seen)


def module(name: str) -> str:
    """A name of a package or a module, spelt in the one way in which both are compared."""
    return canonicalize_name(name).replace("-", "_")


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
