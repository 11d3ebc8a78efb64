"""The datastore: the DVC remote that lies in git.

Holds every locked output, and each object is what its name says.
"""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import yaml

from radiotrace.errors import StageError
from radiotrace.pipeline import study

SHOWN = 12  # faults of one kind
RESTORE = "Restore it with 'git checkout datastore'; or, after a run that is meant, 'dvc push' and commit it."
ANOTHER_RUN = (
    "To keep this run: 'dvc push', then commit it. To go back to the committed one: 'git stash', "
    "then 'dvc checkout'. Either way, "
    "what is committed is as whole as before."
)


def check(project) -> tuple[int, int]:
    """Hashes every object, and looks up everything that dvc.lock and *.dvc of any study say was pushed.

    Args:
        project: the repository: folder with datastore/ and the first study.

    Returns:
        How many objects were hashed, and how many locked files were found among them.

    Raises:
        StageError: names objects whose bytes are not their name, and locked files without an object, 12 of
            each kind and how many more; also when nothing is locked, because then nothing was checked. Where
            all that is missing is of a run that nobody committed, it says so in one line.
    """
    project = Path(project)
    store = project / "datastore" / "files" / "md5"
    objects = sorted(path for path in store.glob("*/*") if path.is_file())
    changed = [
        f"{path.relative_to(project).as_posix()}: its MD5 is {md5}, it was changed"
        for path in objects
        if (md5 := _md5(path)) != (path.parent.name + path.name).removesuffix(".dir")
    ]
    locked = _locked(project)
    n_found, missing = 0, []
    for name, digest in sorted(locked.items()):
        for path, object_digest in _expanded(name, digest, store):
            if _object(store, object_digest).is_file():
                n_found += 1
            else:
                missing.append(f"{path}: locked as {object_digest}, but not in the datastore")
    if missing and not changed and not _committed(project / "dvc.lock"):
        raise StageError(
            "the run in this folder is not the committed one, and not in datastore/",
            [
                f"dvc.lock differs from HEAD, and the datastore lacks {len(missing)} of what it "
                f"locks, such as {missing[0].split(':')[0]}"
            ],
            ANOTHER_RUN,
        )
    if not n_found and not changed and not missing:
        changed = ["nothing is locked, so nothing was checked"]
    if changed or missing:
        raise StageError(
            f"datastore/ is not whole: {len(changed) + len(missing)} faults",
            [*_shortened(changed), *_shortened(missing)],
            RESTORE,
        )
    return len(objects), n_found


def _committed(path: Path) -> bool:
    """Whether a file is as HEAD has it; also where git knows of no HEAD, or of no such file in it: then
    nothing says that it is another."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "cat-file", "blob", f"HEAD:./{path.name}"],
            cwd=path.parent,
            capture_output=True,
            check=False,
            env=plain,
        )
    except FileNotFoundError:  # no git
        return True
    return done.returncode != 0 or done.stdout == path.read_bytes()


def _shortened(lines: list[str]) -> list[str]:
    """The first of many lines, and how many there are beside them."""
    return lines if len(lines) <= SHOWN + 1 else [*lines[:SHOWN], f"… and {len(lines) - SHOWN} more"]


def _locked(repository: Path) -> dict[str, str]:
    """Output -> hash, of all outputs that are pushed, of every study and of the members of its ensemble."""
    return {
        path if place == "." else f"{place}/{path}": digest
        for place, folder in ((each_study.place, each_study.folder) for each_study in study.every(repository))
        for path, digest in _locked_in(folder).items()
    }


def _locked_in(folder: Path) -> dict[str, str]:
    """As _locked, of one study; paths are relative to it."""

    def load(path):
        return (yaml.load(path.read_text("utf-8"), yaml.CSafeLoader) if path.is_file() else None) or {}

    kept_elsewhere = {
        name
        for stage in load(folder / "dvc.yaml").get("stages", {}).values()
        for kind in ("outs", "metrics", "plots")
        for out in stage.get(kind, [])
        if isinstance(out, dict)
        for name, options in out.items()
        if options.get("cache") is False
    }
    stages = load(folder / "dvc.lock").get("stages", {}).values()
    locked = {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])}
    for path in sorted([*folder.glob("*.dvc"), *folder.glob("members/*.dvc")]):
        if path.is_file():
            above = path.parent.relative_to(folder)
            locked |= {
                (above / out["path"]).as_posix(): out["md5"]
                for out in load(path).get("outs", [])
                if out.get("cache") is not False
            }
    return {path: digest for path, digest in locked.items() if path not in kept_elsewhere}


def _expanded(name: str, digest: str, store: Path):
    """(path, hash) of an output, and of each file in it where it is a folder."""
    yield name, digest
    listing = _object(store, digest)
    # a changed one is a fault already
    if digest.endswith(".dir") and listing.is_file() and _md5(listing) == digest.removesuffix(".dir"):
        for entry in json.loads(listing.read_bytes()):
            yield f"{name}/{entry['relpath']}", entry["md5"]


def _object(store: Path, digest: str) -> Path:
    return store / digest[:2] / digest[2:]


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
