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

from radiotrace import records
from radiotrace.commands import (
    baseline,
    compare,
    members,
    monitor,
    negative_controls,
    new,
    release,
    results,
    review,
    sign,
    trace,
    verify,
)
from radiotrace.errors import StageError
from radiotrace.pipeline import datastore, study


def manifest(args) -> None:
    """Writes the SHA-256 of every file of the raw data, which ingest will insist on."""
    from radiotrace.imaging import identity  # here, because the other commands need no image library

    text = identity.manifest(args.folder)
    records.write_bytes(args.out, text.encode())
    print(f"{args.out}: {len(text.splitlines())} files of {args.folder}/")


def check_datastore(args) -> None:
    """Hashes every object of datastore/ and looks up everything that is locked."""
    objects, locked = datastore.check(args.project)
    print(f"datastore/: {objects} objects hashed, {locked} locked files found")


def _look_where_shared(args) -> None:
    """Leads options that stand as they were to what the studies share: from a study it lies elsewhere."""
    for name in ("software", "tests"):
        if getattr(args, name, None) == name:
            setattr(args, name, args.study.seen(name))


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="radiotrace", description=__doc__)
    parser.add_argument(
        "--study",
        default=".",
        metavar="FOLDER",
        help="studies/NAME, to which every path is then relative; default: the study in this folder",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, function, options in (
        ("results", results.results, {"--evidence": "evidence"}),
        ("manifest", manifest, {"--folder": "data", "--out": "data.sha256"}),
        ("datastore", check_datastore, {"--project": "."}),
    ):
        command = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        command.set_defaults(function=function)
        for option, default in options.items():
            command.add_argument(option, default=default, help=f"default: {default}")
    for name, function, options in (
        ("new", new.new, new.options),
        ("monitor", monitor.monitor, monitor.options),
        ("compare", compare.compare, compare.options),
        ("members", members.members, members.options),
        ("baseline", baseline.write, baseline.options),
        ("review", review.review, review.options),
        ("negative-controls", negative_controls.run, negative_controls.options),
        ("release", release.release, release.options),
        ("sign", sign.sign, sign.options),
        ("trace", trace.trace, trace.options),
        ("verify", verify.run, verify.options),
    ):
        command = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        command.set_defaults(function=function)
        options(command)
    args = parser.parse_args(argv)
    try:
        if args.function is not verify.run:  # which looks into a clone from outside
            args.study = study.enter(args.study)
            _look_where_shared(args)
        return args.function(args) or 0
    except StageError as error:
        print(f"radiotrace: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
