"""Tree: the files below a folder, and what else lies there. Opens none of them, and follows no link."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from radiotrace.imaging import links

FILES_MAX = 1_000_000
HIDDEN = ("__MACOSX", "Thumbs.db", "desktop.ini")  # beside names that begin with a dot
LINK = "a link, which is not followed"
LINK_OUT = "a link that leads out of the folder; it is not followed"
ODD = "neither file nor folder"
NO_PERMISSION = "cannot be read by this user"


@dataclass(frozen=True)
class Entry:
    """A plain file: its path below the folder, and its bytes."""

    path: str
    size: int


@dataclass
class Tree:
    """What lies below a folder.

    Attributes:
        entries: plain files, sorted by path.
        folders: how many, the first one included.
        hidden: how many files and folders were left out by their names.
        problems: (path, what is wrong with it).
        is_whole: whether all of it was looked at.
    """

    entries: list[Entry] = field(default_factory=list)
    folders: int = 0
    hidden: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    is_whole: bool = True

    @property
    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(entry.size for entry in self.entries)


def below(root: Path) -> Tree:
    """The files below a folder, or the one file that a path names."""
    found = Tree()
    if not root.is_dir():
        found.entries.append(Entry(root.name, root.stat().st_size))
        return found
    waiting = [""]
    while waiting and found.is_whole:
        folder = waiting.pop()
        found.folders += 1
        waiting += _folders_in(root, folder, found)
    found.entries.sort(key=lambda entry: entry.path)
    found.problems.sort()
    return found


def _folders_in(root: Path, folder: str, found: Tree) -> list[str]:
    """Adds what lies in one folder, and gives the folders in it."""
    try:
        with os.scandir(root / folder) as items:
            listed = sorted(items, key=lambda item: item.name)
    except OSError as error:
        found.problems.append((f"{folder}/", _reason(error)))
        return []
    folders = []
    for item in listed:
        path = f"{folder}/{item.name}" if folder else item.name
        if item.name.startswith(".") or item.name in HIDDEN:
            found.hidden += 1
            continue
        try:
            about = item.stat(follow_symlinks=False)
        except OSError as error:
            found.problems.append((path, _reason(error)))
            continue
        if stat.S_ISDIR(about.st_mode):
            folders.append(path)
        elif stat.S_ISLNK(about.st_mode):
            found.problems.append((path, LINK_OUT if _leaves(root, path) else LINK))
        elif not stat.S_ISREG(about.st_mode):
            found.problems.append((path, ODD))
        elif len(found.entries) == FILES_MAX:
            found.is_whole = False
            return []
        else:
            found.entries.append(Entry(path, about.st_size))
    return folders


def _leaves(root: Path, path: str) -> bool:
    try:
        return links.leaves(root, path)
    except (OSError, RuntimeError, ValueError):  # a loop of links
        return True


def _reason(error: OSError) -> str:
    return NO_PERMISSION if isinstance(error, PermissionError) else f"cannot be read ({error.strerror})"
