"""The command line: `python -m radiotrace COMMAND`.

verify and sign go on in an interpreter that imports nothing else from this folder (isolated.py). They also
run as `python -I PATH/radiotrace/__main__.py verify --clone OTHER`, from any folder: then not even the first
import can be one of OTHER's.
"""

import os
import sys

if __name__ == "__main__" and (sys.flags.isolated or not {"verify", "sign"}.isdisjoint(sys.argv[1:4])):
    isolated = os.path.abspath(__file__).replace("__main__.py", "pipeline/isolated.py")  # noqa: PTH100
    os.execv(sys.executable, [sys.executable, "-I", "-B", isolated, "radiotrace", *sys.argv[1:]])  # noqa: S606

import argparse
import difflib
import importlib.metadata
import re
import tomllib
from pathlib import Path

from radiotrace import errors, records
from radiotrace.commands import (
    baseline,
    compare,
    download,
    failures,
    from_dicom,
    generate,
    import_model,
    inspect,
    members,
    monai_bundle,
    monitor,
    negative_controls,
    new,
    nnunet_folder,
    of_study,
    plan,
    predict,
    release,
    results,
    review,
    search,
    shipped,
    show,
    sign,
    site,
    trace,
    verify,
)
from radiotrace.errors import StageError
from radiotrace.pipeline import datastore, study
from radiotrace.pipeline.closure import ROOT

# Commands that are about a repository, and what names its folder; None where that is the current one.
OF_A_REPOSITORY = {
    "results": None,
    "datastore": "project",
    "members": None,
    "baseline": None,
    "review": None,
    "negative-controls": None,
    "trace": "project",
    "verify": "project",
}
PARTS = (
    "dvc.yaml",
    "dvc.lock",
    "data.dvc",
    "design",
    "evidence",
    "radiotrace",
)  # a damaged one has some


def manifest(args) -> None:
    """Writes the SHA-256 of every file of the raw data, which ingest will insist on."""
    from radiotrace.imaging import identity  # here, because the other commands need no image library

    text = identity.manifest(args.folder)
    records.write_bytes(args.out, text.encode())
    print(f"{args.out}: {len(text.splitlines())} files of {args.folder}/")


def check_datastore(args) -> None:
    """Hashes every object of datastore/ and looks up everything that is locked, of every study."""
    objects, locked = datastore.check(args.project or args.study.repository)
    print(f"datastore/: {objects} objects hashed, {locked} locked files found")


def version() -> str:
    """Of pyproject.toml; of the installed distribution, where the code has none beside it."""
    project = ROOT / "pyproject.toml"
    if project.is_file():
        return tomllib.loads(project.read_text("utf-8"))["project"]["version"]
    installed = importlib.metadata.distributions(name="radiotrace", path=[str(ROOT)])
    return next((distribution.version for distribution in installed), "of a folder that does not say")


def check_repository(args) -> None:
    """Stops where nothing of a repository is in the folder that a command is about.

    Raises:
        StageError: in one line.
    """
    place = Path(getattr(args, OF_A_REPOSITORY[args.command] or "", None) or ".")
    parts = [place / name for name in PARTS]
    named = [
        Path(getattr(args, name))
        for name in ("evidence", "design", "members", "train")
        if hasattr(args, name)
    ]
    if not any(path.exists() for path in (*parts, *named)):
        raise StageError(f"{args.command} is about a repository, and there is none in {place.resolve()}")


def _place(asked) -> str:
    """Of the study that a command is about; "." where what was asked for is no place of a study."""
    if isinstance(asked, study.Study):
        return asked.place
    folder, _, name = asked.rstrip("/").rpartition("/")
    return f"{folder}/{name}" if folder == study.STUDIES and study.NAME.fullmatch(name) else "."


def script() -> int:
    """The command `radiotrace`, as pip installs it: does what `python -m radiotrace` does."""
    if not {"verify", "sign"}.isdisjoint(sys.argv[1:4]):
        os.execv(sys.executable, [sys.executable, "-I", os.path.abspath(__file__), *sys.argv[1:]])  # noqa: S606, PTH100
    return main()


class Parser(argparse.ArgumentParser):
    """Offers, for a command that there is not, those that resemble it."""

    def error(self, message: str):
        """Prints the fault with what is close to it and how to see all, and ends with exit status 2."""
        unknown = re.search(
            r"argument COMMAND: invalid choice: '(?P<given>.*)' \(choose from (?P<choices>.*)\)", message
        )
        if unknown:
            choices = re.findall(r"'([^']*)'", unknown["choices"])
            close = difflib.get_close_matches(unknown["given"], choices, n=3, cutoff=0.5)
            offered = f"; is it {' or '.join(close)}?" if close else ""
            message = f"there is no {unknown['given']}{offered}"
        self.exit(
            2,
            errors.shown(f"{self.prog}: {message}")
            + f"\n'python -m {self.prog} --help' lists what there is.\n",
        )


def main(argv=None) -> int:
    errors.for_any_terminal()
    parser = Parser(prog="radiotrace", description=__doc__)
    parser.add_argument(
        "--study",
        default=".",
        metavar="FOLDER",
        help="studies/NAME, to which every path is then relative; default: the study in this folder",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name, function, options in (
        ("results", results.results, {"--evidence": "evidence", "--export": "build/export"}),
        ("manifest", manifest, {"--folder": "data", "--out": "data.sha256"}),
        ("datastore", check_datastore, {"--project": None}),
    ):
        command = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        command.set_defaults(function=function)
        for option, default in options.items():
            command.add_argument(option, default=default, help=f"default: {default or 'this one'}")
    for name, function, options in (
        ("download", download.download, download.options),
        ("inspect", inspect.inspect, inspect.options),
        ("new", new.new, new.options),
        ("from-dicom", from_dicom.from_dicom, from_dicom.options),
        ("generate", generate.generate, generate.options),
        ("import-model", import_model.import_model, import_model.options),
        ("plan", plan.plan, plan.options),
        ("predict", predict.predict, predict.options),
        ("monai-bundle", monai_bundle.bundle, monai_bundle.options),
        ("nnunet-folder", nnunet_folder.folder, nnunet_folder.options),
        ("monitor", monitor.monitor, monitor.options),
        ("compare", compare.compare, compare.options),
        ("members", members.members, members.options),
        ("baseline", baseline.write, baseline.options),
        ("review", review.review, review.options),
        ("negative-controls", negative_controls.run, negative_controls.options),
        ("release", release.release, release.options),
        ("search", search.search, search.options),
        ("shipped", shipped.shipped, shipped.options),
        ("show", show.show, show.options),
        ("sign", sign.sign, sign.options),
        ("site", site.site, site.options),
        ("trace", trace.trace, trace.options),
        ("verify", verify.run, verify.options),
    ):
        command = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        command.set_defaults(function=function)
        options(command)
    words = sys.argv[1:] if argv is None else argv
    if not words:
        parser.print_help(sys.stderr)
        return 2
    args = parser.parse_args(words)
    try:
        if args.function is not verify.run:  # which looks into a clone from outside
            args.study = study.enter(args.study)
            of_study.lead_to_shared(args, args.study)
        if args.command in OF_A_REPOSITORY:
            check_repository(args)
        return args.function(args) or 0
    except StageError as error:
        print(f"radiotrace: {of_study.with_study(str(error), _place(args.study))}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # who reads has seen enough: | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno is None:
            raise
        print(f"radiotrace: {failures.of_files(error)}", file=sys.stderr)
        print("Make room, permit it or take away what is in the way; then run it again.", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
