"""Programs that `release` starts in this repository: git, DVC, pytest and our own command line.

What they print goes to stderr as it comes, for the person waiting, unless it is read here.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from radiotrace.errors import StageError

PYTHON, DVC = (sys.executable, "-m"), (sys.executable, "-m", "dvc")
SAID_LINES = 12  # of a program that failed


def environment(folder: Path) -> dict[str, str]:
    """This process's environment, with the interpreter's programs first on the path, as stages need it, and
    DVC's state in the repository."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    site = os.environ.get("DVC_SITE_CACHE_DIR", str(folder.resolve() / ".dvc/tmp/site"))
    return {**os.environ, "PATH": path, "DVC_SITE_CACHE_DIR": site}


def run(words: Sequence[str], task: str, way_out: str, folder: Path = Path()) -> None:
    """A program whose output people see.

    Raises:
        StageError: it ends with another status than 0; its own message stands above.
    """
    done = subprocess.run(
        words, cwd=folder, env=environment(folder), stdout=sys.stderr, stderr=sys.stderr, check=False
    )
    if done.returncode:
        raise StageError(f"{task} ended with status {done.returncode}", way_out=way_out)


def read(words: Sequence[str], way_out: str, folder: Path = Path()) -> str:
    """What a program prints.

    Raises:
        StageError: it ends with another status than 0; has the last lines of its output.
    """
    done = subprocess.run(
        words, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
    )
    if done.returncode:
        last_lines = (done.stderr or done.stdout).strip().splitlines()[-SAID_LINES:]
        raise StageError(f"{' '.join(words[-3:])} ended with status {done.returncode}", last_lines, way_out)
    return done.stdout


def head() -> str:
    """The commit that is checked out."""
    return read(["git", "rev-parse", "HEAD"], "A release is of a git repository with a commit.").strip()


def uncommitted() -> list[str]:
    """Every path that differs from HEAD, staged or not, or that git does not know; sorted."""
    words = ["git", "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames"]
    listed = read(words, "A release is of a git repository with a commit.").split("\0")
    return sorted(entry[3:] for entry in listed if entry)


def of_study(folder: Path = Path()) -> list[str]:
    """What DVC is asked about: the pipeline, the data and the members of the study in a folder. Without names
    it takes in every study of the repository, of which each has a release of its own."""
    tracked = [*folder.glob("*.dvc"), *folder.glob("members/*.dvc")]
    return ["dvc.yaml", *sorted(path.relative_to(folder).as_posix() for path in tracked if path.is_file())]


def stale_stages() -> dict[str, list]:
    """Stages, and files of data, that DVC finds changed -> its words on each: 'changed command', or
    {'changed deps': {path: 'modified'}}."""
    words = [*DVC, "status", "--json", *of_study()]
    return json.loads(read(words, "Run 'dvc status', and mend what it says."))


def changed_paths(words: list) -> dict[str, str]:
    """Path -> what became of it, of DVC's words on a stage; what is of no path stands under ''."""
    word_by_path = {}
    for word in words:
        if isinstance(word, str):
            word_by_path[""] = word
            continue
        for kind, paths in word.items():
            word_by_path |= paths if isinstance(paths, dict) else {"": str(kind)}
    return word_by_path


def unpushed() -> tuple[list[str], list[str]]:
    """What the remote lacks of what is locked: what lies here to be pushed, and what is nowhere."""
    way_out = "Run 'dvc status --cloud', and mend what it says."
    word_by_path = json.loads(read([*DVC, "status", "--cloud", "--json", *of_study()], way_out))
    to_push = sorted(path for path, word in word_by_path.items() if word == "new")
    nowhere = sorted(path for path, word in word_by_path.items() if word == "missing")
    return to_push, nowhere
