"""site: one site of everything that a run left."""

import json
import os
import shutil
from pathlib import Path

from radiotrace.commands import revisions
from radiotrace.errors import StageError

FOLDER, FILE = Path("build/site"), Path("build/site.html")


def site(args) -> None:
    """Writes build/site/: a summary for those who decide, the report, the evidence, every record and the
    learning curves, as pages that need no network."""
    from radiotrace.site import build, left  # here, because the other commands draw nothing
    from radiotrace.site import single as in_one

    found = left.read(Path())
    made = build.site(found, [_history(revision) for revision in args.against])
    if args.single:
        _written(FILE, in_one.single(made))
        print(f"{FILE}: {len(made.pages)} pages in one file")
    else:
        _replaced(FOLDER, made.content())
        print(f"{FOLDER}/index.html: {len(made.pages)} pages")
    for line in build.missing(found):
        print(f"not there yet: {line}")


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="REV",
        help="a git revision or an experiment, whose learning curves stand beside this run's; at most two",
    )
    parser.add_argument(
        "--single", action="store_true", help=f"write {FILE} instead, one file with all pages"
    )


def _history(revision: str):
    """Of a run that git or DVC has.

    Raises:
        StageError: there is no such run, or it has no history.
    """
    from radiotrace.site import curves, left

    errors = []
    for path in (left.TRAIN, curves.EPOCHS):
        try:
            content, commit = revisions.read(revision, path)
        except StageError as error:
            errors.append(error)
            continue
        try:
            made = curves.history(revision, path, json.loads(content), commit or "")
        except (ValueError, RecursionError):
            made = None
        if made:
            return made
        errors.append(StageError(f"run {revision}: its {path} has no epochs"))
    lines = [line for error in errors for line in (error.headline, *error.findings)]
    raise StageError(
        f"--against {revision}: there is no history of training",
        list(dict.fromkeys(lines)),
        errors[0].way_out or "Name a run in which train has run.",
    )


def _replaced(folder: Path, content: dict[str, bytes]) -> None:
    """Writes a folder that has these files and no other; what was there stays until all is written.

    Raises:
        StageError: something else is in its place.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise StageError(f"{folder} is no folder", way_out=f"Move it away: the site is written to {folder}/.")
    partial, old = folder.with_suffix(".partial"), folder.with_suffix(".old.partial")
    for path in (partial, old):
        if path.exists():
            shutil.rmtree(path)
    for name, text in sorted(content.items()):
        path = partial / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    if folder.exists():
        os.rename(folder, old)
    os.rename(partial, folder)
    if old.exists():
        shutil.rmtree(old)


def _written(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.write_bytes(content)
    os.replace(partial, path)
