"""Revisions: small files as they were in another run: of a commit, a branch, a tag, an experiment of DVC,
or of here and now."""

import re
import subprocess
from pathlib import Path
from typing import cast

from radiotrace.errors import StageError

# by the commit that it started from; others there are DVC's own
EXPERIMENT = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(.+)")


def read(run: str, path: str) -> tuple[bytes, str | None]:
    """A file's content in a run, and the run's commit.

    Args:
        run: "workspace", a .json file that stands for `path`, or a git revision or the name of an experiment.
        path: of the file, relative to the current folder.

    Returns:
        The content; the commit, None for what is not of git.

    Raises:
        StageError: there is no such run, or no such file in it.
    """
    if run == "workspace" or (run.endswith(".json") and Path(run).is_file()):
        file = Path(path if run == "workspace" else run)
        if not file.is_file():
            raise StageError(
                f"{file} is missing in the workspace",
                way_out="Run 'dvc repro', or 'dvc pull' for the submitted run.",
            )
        return file.read_bytes(), None
    commit = resolve(run)
    blob = _git("show", f"{commit}:./{path}")
    return (blob.stdout if blob.returncode == 0 else _of_dvc(run, commit, path)), commit


def resolve(run: str) -> str:
    """The commit of a git revision, or else of an experiment.

    Raises:
        StageError: there is none, or there are several experiments of that name and none started from HEAD.
    """
    revision = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{run}^{{commit}}")
    if revision.returncode == 0:
        return revision.stdout.decode().strip()
    named = _experiments(run)
    head = _git("rev-parse", "HEAD").stdout.decode().strip()
    chosen = [
        commit
        for name, commit in named.items()
        if len(named) == 1 or name.split("/")[2:4] == [head[:2], head[2:]]
    ]
    if chosen:
        return chosen[0]
    if named:
        raise StageError(
            f"{len(named)} experiments are named {run}",
            sorted(named),
            "Name one by its commit; 'dvc exp show --all-commits' has them.",
        )
    raise StageError(
        f"{run} is no run",
        [f"found neither a git revision nor an experiment nor a file of the name {run}"],
        "'git log', 'git tag' and 'dvc exp list --all-commits' name what there is; 'workspace' "
        "is what lies here.",
    )


def _experiments(run: str) -> dict[str, str]:
    """The experiments of a name: ref -> commit."""
    listed = _git("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").stdout.decode()
    commits = {}
    for line in listed.splitlines():
        commit, ref = line.split()
        match = EXPERIMENT.fullmatch(ref)
        if match and match[1] == run:
            commits[ref] = commit
    return commits


def _of_dvc(run: str, commit: str, path: str) -> bytes:
    """What git does not hold may be an output that DVC keeps in its cache."""
    from dvc.api import DVCFileSystem  # here, because it takes a second and git mostly has the file
    from dvc.exceptions import DvcException

    folder = _git("rev-parse", "--show-prefix").stdout.decode().strip()
    try:
        return cast(bytes, DVCFileSystem(rev=commit).read_bytes(f"{folder}{path}"))
    except (DvcException, OSError) as error:
        raise StageError(
            f"run {run} has no {path}",
            [f"{type(error).__name__}: {str(error).splitlines()[0]}"],
            "Name a run in which evaluate has run; 'dvc pull' may bring what it wrote.",
        ) from None


def _git(*words: str) -> subprocess.CompletedProcess:
    try:
        return subprocess.run(["git", *words], capture_output=True)
    except FileNotFoundError:
        raise StageError("git is not installed", way_out="Install it, or name two files.") from None
