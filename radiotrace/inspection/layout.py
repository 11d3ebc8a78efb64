"""Layout: which layout a folder looks like, why, and the command to go on with."""

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from radiotrace.errors import StageError
from radiotrace.imaging import formats, tables
from radiotrace.imaging.layouts import listing, which
from radiotrace.inspection import kinds, roles
from radiotrace.inspection.look import Look
from radiotrace.inspection.series import SeriesSeen

DATASET, SUBJECTS, BIDS = which.DATASET, which.SUBJECTS, "dataset_description.json"
DEEPEST = 2  # folders below, in which a dataset.json is looked for
PLAIN_MODALITY = re.compile(r"[A-Z0-9]{2,8}")
KEYS = which.KEYS
UNLABELLED = "No name says that a file is a label map: somebody must outline what is to be learnt."
LABEL_KINDS = ("segmentation", "structures")


@dataclass(frozen=True)
class Layout:
    """What a folder looks like.

    Attributes:
        name, why: for one line.
        steps: what to do next; those that begin with "python -m" are commands.
        problems: what stands in the way.
        subjects: how many are named in a cases.csv or by BIDS; None where nobody says.
    """

    name: str
    why: str
    steps: tuple[str, ...]
    problems: tuple[str, ...] = ()
    subjects: int | None = None


def of(found: Look, path: str) -> Layout:
    """The layout of a folder.

    Args:
        path: as it was typed, for commands.
    """
    declared = [
        one.path
        for one in found.seen
        if PurePosixPath(one.path).name == DATASET and len(PurePosixPath(one.path).parts) <= DEEPEST + 1
    ]
    if declared and found.root == Path(path):
        at = min(declared, key=lambda one: (one.count("/"), one))
        keys = _keys(found.root / at)
        if keys is None or keys & KEYS:
            return _declared(found, path, at, keys or set())
    n_dicom, n_images = len(found.of(kinds.DICOM)), len(found.of(*kinds.IMAGES))
    volumes = found.of(*kinds.VOLUMES, *kinds.UNREAD)
    if n_dicom and 2 * n_dicom >= n_images:
        return _dicom(found, path)
    if found.root == Path(path):
        of_folder = which.of(found.root, [one.path for one in found.seen])
        if of_folder.kind in which.CONVERTED:
            return _converted(found, path, of_folder)
    if volumes and len(volumes) >= len(found.of(*kinds.PICTURES)):
        return _volumes(found)
    if n_images:
        return _others(found)
    if archives := found.of(kinds.ZIP):
        return Layout(
            "an archive", f"{len(archives)} ZIP files and no image", ("Unpack them, and look again.",)
        )
    return Layout("none", "no file is an image", ("There is nothing to learn from here.",))


def _declared(found: Look, path: str, at: str, keys: set[str]) -> Layout:
    """Of a folder with a dataset.json, which `new` reads as it is read here."""
    below = PurePosixPath(at).parent.as_posix()
    folder = path if below == "." else f"{path.rstrip('/')}/{below}"
    name = "Medical Segmentation Decathlon" if "training" in keys else "nnU-Net"
    why = f"{at} has {', '.join(sorted(keys & KEYS))}"
    if not keys:
        name, why = "a broken dataset.json", at
    of_folder = which.of(Path(folder), _below(found, below))
    if of_folder.kind == which.FOUR_D:
        return _converted(found, folder, of_folder)
    command = f"python -m radiotrace new NAME --data {shlex.quote(folder)}"
    subjects = _subjects(Path(folder) / SUBJECTS)
    try:
        dataset = formats.read_declaration(folder)
    except StageError as error:
        problems = [line.replace(f"{folder}/", "") for line in (error.headline, *error.findings)]
        steps = ("Correct what is told of it above; then:", command)
        return Layout(name, why, steps, tuple(problems), subjects)
    steps = [command]
    if subjects is None:
        steps.append("It drafts cases.csv; say there which images are of one person.")
    labels = ", ".join(dataset.labels.values())
    return Layout(name, f"{why}; {len(dataset.cases)} cases, labels {labels}", tuple(steps), (), subjects)


def _below(found: Look, folder: str) -> list[str]:
    """Paths of files, as they are named from a folder."""
    if folder == ".":
        return [one.path for one in found.seen]
    start = f"{folder}/"
    return [one.path.removeprefix(start) for one in found.seen if one.path.startswith(start)]


def _keys(path: Path) -> set[str] | None:
    """Of an object in a JSON file; None where it is none."""
    declared = which.declared_by(path.parent)
    return set(declared) if declared is not None else None


def _converted(found: Look, path: str, of_folder: which.Layout) -> Layout:
    """Of a folder that `new` converts; what the files do not say, its options do."""
    root = Path(path)
    paths = _below(found, "." if root == found.root else root.relative_to(found.root).as_posix())
    has_boxes = of_folder.kind == which.BOXES
    listed = listing.of(root, paths, of_folder, listing.Asked(name=root.name, has_classes=has_boxes))
    of_table = _subjects(root / SUBJECTS) if of_folder.kind in (which.TABLE, which.FOUR_D) else None
    subjects = of_table or len({source.subject_id for source in listed.sources} - {""}) or None
    steps: list[str] = []
    if listed.faults and not listed.sources:
        steps.append("Nothing of it can be learnt from as it is, as is told above.")
        return Layout(of_folder.name, of_folder.why, tuple(steps), tuple(listed.faults), subjects)
    if listed.faults:
        steps.append("Correct what is told of it above; then:")
    steps.append(" ".join(("python -m radiotrace new NAME --data", shlex.quote(path), *of_folder.options)))
    if "--label NAME=VALUE" in of_folder.options:
        steps.append(
            "It converts the data. --label stands once for each label, with its value in the label maps; "
            "without it, they are named label_1 and on."
        )
    if "--pixel-mm MM" in of_folder.options:
        steps.append("--pixel-mm is how large a pixel is; without it, what the tags of the files say.")
    if has_boxes:
        steps.append("Nobody says whose a picture is: each counts as a person of its own.")
    elif subjects is None:
        steps.append("It drafts cases.csv; say there which images are of one person.")
    return Layout(of_folder.name, of_folder.why, tuple(steps), tuple(listed.faults), subjects)


def _subjects(path: Path) -> int | None:
    """How many subjects a cases.csv names; None where there is none."""
    if not path.is_file() or path.is_symlink() or path.stat().st_size > which.TABLE_BYTES_MAX:
        return None
    table = tables.read(path.read_bytes(), SUBJECTS, [])
    return len(set(table.subject_of.values())) if table is not None else None


def _dicom(found: Look, path: str) -> Layout:
    n_dicom = len(found.of(kinds.DICOM))
    why = f"{n_dicom} of {len(found.seen)} files are DICOM"
    if not found.with_dicom:
        reason = "Headers of DICOM need pydicom, which is not installed; in the root of the repository:"
        return Layout("DICOM", why, (reason, "python -m pip install -r requirements/dicom.txt"))
    if not found.series:
        return Layout("DICOM", why, ("No file of them is an image from which a volume could be made.",))
    labels = [one for one in found.instances if one.kind in LABEL_KINDS]
    drawn_on = {uid for one in labels for uid in one.refers_to}
    modalities = Counter(one.modality for one in found.series if one.series in drawn_on)
    modalities = modalities or Counter(one.modality for one in found.series)
    words = ["python -m radiotrace from-dicom", shlex.quote(path), "--out FOLDER --name NAME"]
    if len({one.modality for one in found.series}) > 1:
        chosen = min(modalities, key=lambda name: (-modalities[name], name))
        words.append(
            f"--modality {shlex.quote(chosen)}" if PLAIN_MODALITY.fullmatch(chosen) else "--modality MODALITY"
        )
    steps: list[str] = []
    if n_structures := sum(len(one.structures) for one in labels):
        steps.append(
            f"It lists the names of {n_structures} segments or regions; run it again with --label NAME=DICOM "
            "for each that is wanted, where DICOM is its name there."
        )
    else:
        words.append("--unlabelled keep")
        steps.append("No SEG or RTSTRUCT has a label: images become volumes, which somebody must outline.")
    if said := _channels(found, drawn_on):
        steps.append(said)
    if any(one.volumes > 1 for one in found.series):
        steps.append("Series of several volumes are refused, unless --several says which one.")
    if any(one.faults for one in found.series):
        steps.append("Series with faults stop it, unless --skip-faulty leaves them out.")
    if n_structures:
        steps.append("Then: python -m radiotrace new NAME --data FOLDER")
    return Layout("DICOM", why, (" ".join(words), *steps))


def _channels(found: Look, drawn_on: Collection[str]) -> str:
    """What is said of the first study of several series that may be channels; '' where there is none.

    Args:
        drawn_on: UIDs of series with labels.
    """
    by_study: dict[str, list[SeriesSeen]] = defaultdict(list)
    for one in found.series:
        if one.volumes == 1 and not one.faults and PLAIN_MODALITY.fullmatch(one.modality):
            by_study[one.study].append(one)
    several = [members for _, members in sorted(by_study.items()) if len(members) > 1]
    if not several:
        return ""
    modalities = sorted(one.modality for one in several[0])
    outlined = sorted(one.modality for one in several[0] if one.series in drawn_on)
    options = "--channel NAME=description:PATTERN, once for each, and --grid NAME"
    if len(set(modalities)) == len(modalities):
        words = [f"--channel {name}=modality:{name}" for name in modalities]
        options = " ".join((*words, f"--grid {(outlined or modalities)[-1]}"))
    return (
        f"The {len(modalities)} series of a study ({', '.join(modalities)}) can be the channels of one case, "
        f"in place of --modality: {options} (docs/own-data.md)."
    )


def _volumes(found: Look) -> Layout:
    volumes = found.of(*kinds.VOLUMES)
    images = [one for one in volumes if not roles.is_label(one.path)]
    labels = [one for one in volumes if roles.is_label(one.path)]
    subjects = roles.bids_subjects(volumes)
    has_card = any(PurePosixPath(one.path).name == BIDS for one in found.seen)
    is_bids = has_card or 2 * sum(one.path.split("/")[-1].startswith("sub-") for one in volumes) > len(
        volumes
    )
    has_channels = 2 * sum(roles.channel(one.path) is not None for one in images) > len(images) > 0
    name, why = "none that is read", f"volumes, and no {DATASET}"
    if is_bids:
        name, why = "BIDS", f"{BIDS} is there" if has_card else "names begin with sub-"
    elif has_channels:
        name, why = "nnU-Net without its dataset.json", "names of images end in the number of a channel"
    steps: list[str] = []
    if unread := found.of(*kinds.UNREAD):
        steps.append(_way_out(unread[0].path))
    if not labels:
        steps.append(UNLABELLED)
    if any(len(one.shapes[0].size) > 3 for one in images if one.shapes):
        steps.append(
            "Write each channel of a 4-D file as a file of its own: CASE_0000.nii.gz, CASE_0001.nii.gz …"
        )
    target = (
        "imagesTr/CASE_0000.nii.gz and labelsTr/CASE.nii.gz" if has_channels else "imagesTr/ and labelsTr/"
    )
    steps += [
        f"Put images and label maps of one name into {target}, with a {DATASET} beside them that names "
        'labels and channels (docs/data.md, "The folder"); then:',
        "python -m radiotrace new NAME --data FOLDER",
    ]
    return Layout(name, why, tuple(steps), (), len(subjects) or None if is_bids else None)


def _others(found: Look) -> Layout:
    """Of pictures and arrays."""
    counts = Counter(one.kind for one in found.of(*kinds.IMAGES))
    kind = min(counts, key=lambda name: (-counts[name], name))
    one = next(one for one in found.seen if one.kind == kind)
    steps = [_way_out(one.path)]
    if not any(roles.is_label(one.path) for one in found.of(*kinds.IMAGES)):
        steps.append(UNLABELLED)
    if kind in kinds.PICTURES:
        steps.append(
            "A picture becomes a volume of one slice, .nii.gz, with the size of a pixel in mm (docs/data.md, "
            '"Pictures"); colour becomes a file for each channel.'
        )
    steps += [
        f"Then put images into imagesTr/, label maps into labelsTr/, and a {DATASET} beside them:",
        "python -m radiotrace new NAME --data FOLDER",
    ]
    return Layout("none that is read", f"{kind}: {counts[kind]} of {len(found.seen)} files", tuple(steps))


def _way_out(path: str) -> str:
    ending = PurePosixPath(path).suffix.lower()
    file_kind, way_out = formats.UNREAD.get(ending, ("a format that is not read", "Convert them to .nii.gz"))
    return f"{ending or 'These'}: {file_kind}. {way_out}."
