"""from-dicom: turns a tree of mixed DICOM files into a folder that `new --data` takes.

Exit status: 0 written; 1 a fault, and nothing was written; 2 the command line.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from radiotrace.errors import StageError
from radiotrace.pipeline import stage

if TYPE_CHECKING:
    from radiotrace.imaging.dicom.conversion import Label, Request

PINS = ("requirements/dicom.txt", "requirements/imaging.txt")
LABELS_MAX = 255  # beside the background
MIB = 2**20
KEY_BYTES_MIN = 16


def from_dicom(args) -> None:
    """Turns a tree of mixed DICOM files into a folder that `new --data` takes."""
    stage.check_environment(PINS)
    from radiotrace.imaging.dicom import conversion  # here, because the other commands need no DICOM library

    request = requested(args)
    tree, out = Path(args.tree), Path(args.out)
    with stage.output_folder(out) as folder:
        made = conversion.convert(tree, folder, request)
    labelled = sum(case.label_map is not None for case in made.cases)
    subjects = len({case.subject_id for case in made.cases})
    print(f"{out}: {len(made.cases)} images of {subjects} subjects, {labelled} with a label map")
    if made.left_out:
        print(f"{out}/{conversion.RECORD} lists {len(made.left_out)} series or files that were left out")
    if labelled:
        print(f"Next: python -m radiotrace new NAME --data {out}")


def requested(args) -> "Request":
    """What the command line asks for.

    Raises:
        StageError: names everything that is wrong with it.
    """
    from radiotrace.imaging.child import Limits
    from radiotrace.imaging.dicom.conversion import Request

    faults: list[str] = []
    tree, out = Path(args.tree), Path(args.out)
    if not tree.is_dir() or tree.is_symlink():
        faults.append(f"TREE: {tree} is no folder")
    if out.exists() or out.is_symlink():
        faults.append(f"--out: {out} is there already")
    elif out.resolve().is_relative_to(tree.resolve()):
        faults.append(f"--out: {out} lies in the tree")
    labels = _labels(args.label, faults)
    key = b""
    if args.key:
        key = _key(Path(args.key), faults)
    pattern = None
    if args.description:
        try:
            pattern = re.compile(args.description, re.IGNORECASE)
        except re.error as error:
            faults.append(f"--description: {error}")
    if args.fraction is not None and not 0 < args.fraction <= 1:
        faults.append(f"--fraction: found {args.fraction:g}, expected more than 0 and at most 1")
    for name in ("max_file_mib", "max_pixels_mib", "max_memory_mib", "max_seconds"):
        if getattr(args, name) <= 0:
            faults.append(f"--{name.replace('_', '-')}: found {getattr(args, name)}, expected more than 0")
    if not args.name.strip() or not args.name.isprintable():
        faults.append("--name: expected a text of characters that are seen")
    if faults:
        raise StageError("nothing was written", faults, "Correct this, and run it again.")
    return Request(
        name=args.name,
        licence=args.licence,
        labels=labels,
        subject_rule=args.subject_rule,
        key=key,
        modality=args.modality,
        description=pattern,
        several=args.several,
        unlabelled=args.unlabelled,
        overlap=args.overlap,
        between_slices=args.between_slices,
        fraction=args.fraction,
        suv=args.suv,
        skip_faulty=args.skip_faulty,
        limits=Limits(
            args.max_file_mib * MIB, args.max_pixels_mib * MIB, args.max_memory_mib * MIB, args.max_seconds
        ),
    )


def _labels(given: list[str], faults: list[str]) -> "tuple[Label, ...]":
    from radiotrace.imaging import formats
    from radiotrace.imaging.dicom.conversion import Label

    labels = []
    for text in given:
        name, _, sources = text.partition("=")
        if not formats.LABEL_NAME.fullmatch(name) or len(name) > formats.LABEL_LENGTH_MAX:
            faults.append(
                f"--label: found the name {name[:80]!r}; one begins with a letter or digit and has letters, "
                f"digits, spaces and . _ - + , ( ), at most {formats.LABEL_LENGTH_MAX}"
            )
        named = tuple(source.strip() for source in (sources or name).split(",") if source.strip())
        labels.append(Label(name, named))
    names = [label.name.casefold() for label in labels]
    if len(set(names)) != len(names) or "background" in names:
        faults.append("--label: a name stands twice, or is 'background', which is 0")
    spellings = [" ".join(source.casefold().split()) for label in labels for source in label.sources]
    if len(set(spellings)) != len(spellings):
        faults.append("--label: a name of DICOM stands in two labels")
    if len(labels) > LABELS_MAX:
        faults.append(f"--label: found {len(labels)} labels, expected at most {LABELS_MAX}")
    return tuple(labels)


def _key(path: Path, faults: list[str]) -> bytes:
    """The bytes of a file with a secret."""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        faults.append(f"--key: {path}: {error.strerror}")
        return b""
    if len(key) < KEY_BYTES_MIN:
        faults.append(f"--key: {path} has {len(key)} bytes, expected at least {KEY_BYTES_MIN}")
    return key


def options(parser) -> None:
    parser.add_argument("tree", metavar="TREE", help="folder with DICOM files, in any order and depth")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="to be made; it must not be there")
    parser.add_argument("--name", required=True, help="of the data set, as dataset.json has it")
    parser.add_argument("--licence", help="of the data set, as dataset.json has it")
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME[=DICOM,…]",
        help="a label, and the names of the segments or regions that it is made of; once for each label, in "
        "the order of their values. Only NAME is written. Without any, the names in the tree are listed",
    )
    parser.add_argument(
        "--modality", help="of the images, as DICOM has it (CT, MR, PT); needed where there are several"
    )
    parser.add_argument("--description", metavar="PATTERN", help="only series whose SeriesDescription has it")
    parser.add_argument(
        "--subject-rule",
        choices=("hash", "keep"),
        default="hash",
        help="subject_id is a hash of PatientID (default), or PatientID itself",
    )
    parser.add_argument(
        "--key",
        metavar="FILE",
        help="hash under the secret in it, of 16 bytes or more; without one, anybody with a list of ids can "
        "find whose hash is whose",
    )
    parser.add_argument(
        "--several",
        choices=("refuse", "first", "each"),
        default="refuse",
        help="what to do with a series of several volumes (time points, echoes, b-values, acquisitions)",
    )
    parser.add_argument(
        "--unlabelled",
        choices=("leave-out", "keep"),
        default="leave-out",
        help="what to do with images without a label map; kept, they go to imagesTs/",
    )
    parser.add_argument(
        "--overlap",
        choices=("refuse", "last"),
        default="refuse",
        help="which label a voxel of several gets: that which was named last",
    )
    parser.add_argument(
        "--between-slices",
        choices=("refuse", "nearest"),
        default="refuse",
        help="what to do with contours of an RTSTRUCT between slices",
    )
    parser.add_argument(
        "--fraction", type=float, help="of fractional segmentations: how much of a voxel must be filled"
    )
    parser.add_argument("--suv", choices=("bw",), help="turn PET into SUV by body weight, g/mL")
    parser.add_argument(
        "--skip-faulty", action="store_true", help="write what is good; the record lists the rest"
    )
    for name, default, what in (
        ("file", 2048, "of a file"),
        ("pixels", 2048, "of the decoded pixels of a file"),
        ("memory", 8192, "of the process that reads, its address space"),
    ):
        parser.add_argument(
            f"--max-{name}-mib", type=int, default=default, metavar="MIB", help=f"{what}; default: {default}"
        )
    parser.add_argument(
        "--max-seconds", type=float, default=60, metavar="S", help="for reading one file; default: 60"
    )
