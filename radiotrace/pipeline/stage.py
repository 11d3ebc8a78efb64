"""How a stage runs: its environment is checked, its faults become one message, its outputs appear whole or
not at all."""

import argparse
import errno
import importlib.metadata
import os
import shutil
import signal
import sys
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path

from radiotrace import errors
from radiotrace.pipeline import params, pins, study

# Errors of a file system that a user can mend: full, not permitted, or a file stands where a folder belongs.
MENDABLE = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EACCES,
    errno.EROFS,
    errno.EISDIR,
    errno.ENOTDIR,
)
# Of a stage that did not end. Not "nothing was changed": DVC removes outputs before it starts a stage.
NOT_WRITTEN = (
    "Its outputs are not there, or not whole. Earlier ones, which DVC takes away before a stage, come back "
    "with 'dvc checkout'."
)


def run(main, parser, argv=None) -> int:
    """Runs a stage's main(args) and returns its exit status.

    Every stage takes --study, --params and --requirements beside the paths that its parser names. The folder
    of the study becomes the current one; all other paths are relative to it. Exit status 1 with one message
    and no traceback is for what a user can mend: a StageError, a full disk, a path that may not be written,
    an interrupt. Anything else is a fault of the program and shows its traceback.
    """
    parser.add_argument("--study", default=".", help="folder of the study; default: the current one")
    parser.add_argument("--params", required=True, help="params.yaml")
    parser.add_argument(
        "--requirements",
        required=True,
        nargs="+",
        help="files of pins, which are enforced, with those that they name; relative ones are below the root "
        "of the code",
    )
    errors.for_any_terminal()
    if signal.getsignal(signal.SIGINT) is end_at_an_interrupt:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    args = parser.parse_args(argv)
    try:
        args.study = study.enter(args.study)
        args.requirements = pins.files(args.requirements)
        check_environment(args.requirements)
        main(args)
    except errors.StageError as error:
        errors.log(f"{parser.prog}: {error}")
        return 1
    except OSError as error:
        if error.errno not in MENDABLE:
            raise
        where = error.filename or "an output"
        errors.log(
            f"{parser.prog}: {error.strerror} while writing {where}\n"
            f"Make room, permit writing or take away what is in the way, then run 'dvc repro'. {NOT_WRITTEN}"
        )
        return 1
    except KeyboardInterrupt:
        errors.log(interrupted(parser.prog))
        return 1
    return 0


def interrupted(name: str) -> str:
    """What is said of a stage of that name after an interrupt."""
    return (
        f"{name}: interrupted. 'dvc repro' runs this stage again; training goes on after the last epoch that "
        f"it finished, and begins anew where there is none.\n{NOT_WRITTEN}"
    )


def end_at_an_interrupt(_signal, _frame) -> None:
    """The handler of an interrupt while modules are imported: libraries may catch KeyboardInterrupt there."""
    errors.log(interrupted(Path(sys.argv[0]).stem))
    os._exit(1)


def check_parameters(argv: list[str]) -> None:
    """Ends the process with exit status 1 where params.yaml breaks its schemas; called by a stage whose
    imports take seconds, before them. Until `run`, an interrupt ends the process likewise.

    Args:
        argv: path and arguments of the stage. What else is wrong with them, or with the study, `run` says.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end_at_an_interrupt)
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--study", default=".")
    parser.add_argument("--params")
    args = parser.parse_known_args(argv[1:])[0]
    path = Path(args.study, args.params or "")
    if not path.is_file():
        return
    try:
        params.read(path)
    except errors.StageError as error:
        errors.for_any_terminal()
        errors.log(f"{Path(argv[0]).stem}: {error}")
        sys.exit(1)


def check_environment(requirements: Iterable[Path | str]) -> None:
    """Stops when an installed version differs from its pin.

    Args:
        requirements: files of pins; those that they name count too.

    Raises:
        StageError: names every package that is missing or of another version.
    """
    drift, names = [], pins.files(requirements)
    for pin in (pin for name in names for pin in pins.of(pins.home() / name)):
        try:
            found = importlib.metadata.version(pin.name)
        except importlib.metadata.PackageNotFoundError:
            found = "nothing"
        if found == "nothing" or not pin.specifier.contains(found, prereleases=True):
            drift.append(f"{pin.name}: found {found}, pinned {pin.specifier}")
    if drift:
        raise errors.StageError(
            f"{len(drift)} packages differ from {', '.join(names)}",
            drift,
            f"This ran under {sys.executable}. Run 'make install', then '. .venv/bin/activate', then 'dvc "
            f"repro'.",
        )


@contextmanager
def output_folder(path):
    """A new empty folder that becomes `path` when the block ends without an error.

    The folder is filled under the name <path>.partial; an earlier `path` stays as it was until the rename,
    and for ever when the block fails. What a killed process left under these names is cleared away first, and
    what a killed worker left in the folder under a name that ends in .partial, at the end.
    """
    path = Path(path)
    partial, previous = (
        path.with_name(f"{path.name}{suffix}") for suffix in (".partial", ".previous.partial")
    )
    for name in (partial, previous):
        if name.is_symlink():  # somebody put it there: taken away, never followed
            name.unlink()
    if previous.exists() and not path.exists():  # killed between the two renames below
        os.rename(previous, path)
    for leftover in (partial, previous):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        for leftover in sorted(partial.rglob("*.partial"), reverse=True):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        if path.exists():
            os.rename(path, previous)
        try:
            os.rename(partial, path)
        except OSError:
            if previous.exists():
                os.rename(previous, path)
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(previous, ignore_errors=True)
