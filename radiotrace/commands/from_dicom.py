"""from-dicom: turns a tree of mixed DICOM files into a folder that `new --data` takes.

Exit status: 0 written; 1 a fault, and nothing was written; 2 the command line.
"""

import re
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from radiotrace.commands import own_data
from radiotrace.errors import StageError
from radiotrace.pipeline import stage

if TYPE_CHECKING:
    from radiotrace.imaging.dicom.channel_rules import ChannelRule
    from radiotrace.imaging.dicom.conversion import Request
    from radiotrace.imaging.dicom.label_names import Label
    from radiotrace.records.conversion import Conversion

PINS = ("requirements/dicom.txt", "requirements/imaging.txt")
LABELS_MAX = 255  # beside the background
MIB = 2**20
KEY_BYTES_MIN = 16
CHANNEL = re.compile(r"(modality:(?P<modality>[A-Z0-9]{2,16}))?(^|,|$)(description:(?P<pattern>.+))?")


def from_dicom(args) -> None:
    """Turns a tree of mixed DICOM files into a folder that `new --data` takes."""
    stage.check_environment(PINS)
    from radiotrace.imaging.dicom import conversion  # here, because the other commands need no DICOM library

    request = requested(args)
    tree, out = Path(args.tree), Path(args.out)
    with stage.output_folder(out) as folder:
        made = conversion.convert(tree, folder, request)
    print("\n".join(said(out, made)))


def said(out: Path, made: "Conversion") -> list[str]:
    """What was written and what is next, for a terminal."""
    from radiotrace.imaging.dicom import conversion  # here, because the other commands need no DICOM library

    labelled = [case for case in made.cases if case.label_map is not None]
    subjects = len({case.subject_id for case in made.cases})
    of_channels = ""
    if made.choices.channels:
        names = ", ".join(row.name for row in made.choices.channels)
        of_channels = f", each of the channels {names} on the grid of {made.choices.grid}"
    lines = [
        f"{out}: {len(made.cases)} images of {subjects} subjects, {len(labelled)} with a label map"
        f"{of_channels}"
    ]
    if made.left_out:
        reasons = Counter(entry.reason for entry in made.left_out)
        counted = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        lines.append(
            f"{out}/{conversion.RECORD} lists {len(made.left_out)} series or files that were left out: "
            f"{counted}"
        )
    if labelled:
        lines += own_data.few({case.subject_id for case in labelled})
        lines.append(f"Next: python -m radiotrace new NAME --data {shlex.quote(str(out))}")
        return lines
    return [
        *lines,
        f"Next: somebody outlines what is to be learnt in the images of {out}/imagesTs, each in a label map "
        "of its grid.",
        f"  Put the images into {out}/imagesTr and the label maps, named as the images, into {out}/labelsTr; "
        "take dataset.json away. Then:",
        f"  python -m radiotrace inspect {shlex.quote(str(out))}",
    ]


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
    pattern = _pattern(args.description, "--description", faults)
    channels = _channels(args, faults)
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
        channels=channels,
        grid=args.grid,
        limits=Limits(
            args.max_file_mib * MIB, args.max_pixels_mib * MIB, args.max_memory_mib * MIB, args.max_seconds
        ),
    )


def _pattern(text: str | None, option: str, faults: list[str]) -> re.Pattern | None:
    """A pattern that is searched for however it is capitalised."""
    if not text:
        return None
    try:
        return re.compile(text, re.IGNORECASE)
    except re.error as error:
        faults.append(f"{option}: {error}")
        return None


def _channels(args, faults: list[str]) -> "tuple[ChannelRule, ...]":
    """The channels that are asked for; () where a case has one."""
    from radiotrace.imaging import formats
    from radiotrace.imaging.dicom.channel_rules import ChannelRule

    if not args.channel:
        if args.grid:
            faults.append("--grid: says onto whose grid channels are brought; expected --channel, too")
        return ()
    rules = []
    for text in args.channel:
        name, _, wanted = text.partition("=")
        if not formats.CHANNEL_NAME.fullmatch(name) or len(name) > formats.LABEL_LENGTH_MAX:
            faults.append(
                f"--channel: found the name {name[:80]!r}; one begins with a letter or digit and has "
                f"letters, digits, spaces and . _ - + ( ), at most {formats.LABEL_LENGTH_MAX}"
            )
        found = CHANNEL.fullmatch(wanted)
        if found is None or not wanted:
            faults.append(
                f"--channel: found {text[:80]!r}, expected NAME=modality:MODALITY, "
                "NAME=description:PATTERN, or both with a comma between, the modality first"
            )
            continue
        rules.append(ChannelRule(name, found["modality"], _pattern(found["pattern"], "--channel", faults)))
    names = [rule.name for rule in rules]
    if len({name.casefold() for name in names}) != len(names):
        faults.append("--channel: a name stands twice")
    if not 2 <= len(args.channel) <= formats.CHANNELS_MAX:
        faults.append(
            f"--channel: found {len(args.channel)}, expected 2 to {formats.CHANNELS_MAX}; --modality and "
            "--description choose where a case has one"
        )
    if args.grid not in names:
        faults.append(
            f"--grid: found {args.grid or 'nothing'}, expected the channel onto whose grid the others are "
            f"brought: {' or '.join(names)}"
        )
    if args.modality or args.description:
        faults.append("--modality, --description: each --channel says that for itself")
    if args.several == "each":
        faults.append("--several each: found several channels, of which each has one volume; expected first")
    return tuple(rules)


def _labels(given: list[str], faults: list[str]) -> "tuple[Label, ...]":
    from radiotrace.imaging import formats
    from radiotrace.imaging.dicom.label_names import Label, parsed, plain

    labels = []
    for text in given:
        name, sources = parsed(text)
        if not formats.LABEL_NAME.fullmatch(name) or len(name) > formats.LABEL_LENGTH_MAX:
            faults.append(
                f"--label: found the name {name[:80]!r}; one begins with a letter or digit and has letters, "
                f"digits, spaces and . _ - + , ( ), at most {formats.LABEL_LENGTH_MAX}"
            )
        labels.append(Label(name, sources))
    names = [label.name.casefold() for label in labels]
    if len(set(names)) != len(names) or "background" in names:
        faults.append("--label: a name stands twice, or is 'background', which is 0")
    spellings = [plain(source) for label in labels for source in label.sources]
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
        help="a label, and the names of the segments or regions that it is made of, one with a comma in "
        "double quotes; once for each label, in the order of their values. Only NAME is written. Without "
        "any, the names in the tree are listed",
    )
    parser.add_argument(
        "--modality", help="of the images, as DICOM has it (CT, MR, PT); needed where there are several"
    )
    parser.add_argument("--description", metavar="PATTERN", help="only series whose SeriesDescription has it")
    parser.add_argument(
        "--channel",
        action="append",
        default=[],
        metavar="NAME=modality:MODALITY|description:PATTERN",
        help="a channel of a case, and which series of a study it is: modality:PT, description:adc, or both "
        "with a comma between; once for each channel, in their order",
    )
    parser.add_argument(
        "--grid",
        metavar="NAME",
        help="the channel onto whose grid the others are brought, on which labels were drawn",
    )
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
