"""download: brings a public data set, held against its published hashes.

Exit status: 0 it is there, whole; 1 it is not, and what came in part waits for the next time; 2 the command
line.
"""

import argparse
import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from radiotrace.errors import StageError
from radiotrace.pipeline import stage

if TYPE_CHECKING:
    from radiotrace.download.folder import Folder
    from radiotrace.records.download_catalogue import Catalogue, DataSet

FOLDER = Path("downloads")
PINS = ("requirements/dvc.txt",)  # it has requests, which DVC needs too


def download(args) -> None:
    """Brings a public data set, held against its published hashes, with its licence beside it."""
    from radiotrace.download import catalogue  # here, because the other commands need none of it

    known = catalogue.read()
    if args.list:
        print("\n".join(table(known)))
        return
    stage.check_environment(PINS)
    from radiotrace.download import bring, folder, http  # requests with it
    from radiotrace.download.errand import Request

    if args.data_set is None:
        raise StageError("no DATASET was named", way_out="'python -m radiotrace download --list' shows them.")
    data_set = catalogue.find(known, args.data_set)
    check_choice(data_set, args)
    into = folder.Folder(Path(args.out) if args.out else FOLDER / data_set.name)
    earlier = None if args.against is None else catalogue.hashes(existing(args.against))
    modalities = None if args.modality is None else tuple(args.modality.upper().split(","))
    request = Request(args.base_url, args.subjects, modalities, earlier)
    outcome = bring.bring(data_set, request, into, http.Patience(args.timeout, args.attempts))
    print(bring.summary(outcome, into))
    if text := bring.believed(outcome.record, into):
        print(text)
    if count := into.unlisted():
        print(f"{count} further files lie in {into.data}: they are not of this download")
    print("\n".join(following(data_set, into)))


def table(known: "Catalogue") -> list[str]:
    """What there is: name, size, licence, whether an agreement is needed, what for."""
    rows = [("name", "size", "licence", "agreement", "for")]
    rows += [row(data_set) for data_set in known.data_sets]
    widths = [max(len(entry[column]) for entry in rows) for column in range(4)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(entry, widths, strict=False)), entry[4]])
        for entry in rows
    ]


def row(data_set: "DataSet") -> tuple[str, str, str, str, str]:
    """A data set in the table."""
    from radiotrace.download.catalogue import shown_bytes

    return (
        data_set.name,
        "not published" if data_set.bytes is None else shown_bytes(data_set.bytes),
        data_set.licence or "asked when it starts",
        "needed" if data_set.steps else "no",
        data_set.purpose,
    )


def check_choice(data_set: "DataSet", args) -> None:
    """Refuses a choice of series where there is none to make.

    Raises:
        StageError
    """
    asked = [name for name in ("subjects", "modality") if getattr(args, name) is not None]
    if asked and data_set.nbia is None and data_set.buckets is None:
        raise StageError(f"{data_set.name} is taken as a whole: without --{' and --'.join(asked)}")


def existing(name: str) -> Path:
    """A file that is there.

    Raises:
        StageError: it is not.
    """
    path = Path(name)
    if not path.is_file():
        raise StageError(
            f"--against: {path} is no file", way_out="Name the files.sha256 of another download."
        )
    return path


def following(data_set: "DataSet", into: "Folder") -> list[str]:
    """The commands to go on with."""
    place = into.data if data_set.go_on_with is None else into.data / data_set.go_on_with
    path = shlex.quote(str(place if place.exists() else into.data))
    if data_set.next == "from-dicom":
        return [
            "next: python -m radiotrace from-dicom "
            f"{path} --out FOLDER --name NAME …  ('python -m radiotrace inspect {path}' says which options)",
            "then: python -m radiotrace new NAME --data FOLDER",
        ]
    if data_set.next == "new" and place.exists():
        options = "".join(f" {option}" for option in data_set.options)
        return [f"next: python -m radiotrace new NAME{options} --data {path}"]
    return [f"next: python -m radiotrace inspect {path}"]


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument("data_set", metavar="DATASET", nargs="?", help="its name; --list shows them")
    parser.add_argument(
        "--list", action="store_true", help="show name, size, licence, agreement and purpose of each, and end"
    )
    parser.add_argument("--out", metavar="FOLDER", help=f"default: {FOLDER}/DATASET")
    parser.add_argument(
        "--subjects",
        type=from_1,
        metavar="N",
        help="of a collection, the first N by name; default: all",
    )
    parser.add_argument("--modality", metavar="CT,PT", help="of a collection; default: as --list has it")
    parser.add_argument(
        "--against",
        metavar="FILE",
        help="the files.sha256 of another download, whose files these must be",
    )
    parser.add_argument(
        "--base-url",
        metavar="URL",
        help="a mirror with the same paths (a bucket is the first part of its path), the only host then "
        "asked; https, or http on this machine",
    )
    parser.add_argument(
        "--timeout",
        type=above_0,
        default=60.0,
        metavar="SECONDS",
        help="without a byte, after which a connection is given up; default: 60",
    )
    parser.add_argument(
        "--attempts", type=from_1, default=5, metavar="N", help="in a row that bring nothing; default: 5"
    )


def from_1(text: str) -> int:
    """A whole number from 1 on, of the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def above_0(text: str) -> float:
    """A finite number above 0, of the command line."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number
