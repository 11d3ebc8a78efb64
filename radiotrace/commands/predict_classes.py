"""predict, of a released classifier: the class, probability and uncertainty of each picture. Needs no torch.

Pictures are files of one picture each, of grey or of colours, or volumes of one slice. What came of all of
them is one record and one page.
"""

import importlib.metadata
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from radiotrace import records
from radiotrace.errors import StageError, listed, log, shown_short
from radiotrace.pipeline.followed import followed
from radiotrace.records.classification.prediction import (
    PictureRead,
    PredictedClasses,
    ToldBy,
    ToldCase,
)
from radiotrace.records.prediction import Contract

if TYPE_CHECKING:
    from radiotrace.classification.released_classifier import Released
    from radiotrace.imaging.layouts.reading import Reader

NOTICE = "Research software; not for diagnosis."
RESULT, PAGE = "predictions.json", "index.html"
SOFTWARE = ("numpy", "onnxruntime", "pillow", "simpleitk")
OF_OTHERS = ("self_test", "variant", "variants", "channels", "series", "grid")
FORCE = "--force tells classes of pictures that the model was not made for all the same, and says so."


@dataclass(frozen=True)
class NewPicture:
    """A picture that was named.

    Attributes:
        case_id: its path below the folder that was named, without its ending.
        root: that folder; of a file that was named itself, the one that it lies in.
        path: below it.
    """

    case_id: str
    root: Path
    path: str


class Unfit(Exception):
    """A picture of which nothing is told; `findings` has every reason."""

    def __init__(self, findings: Sequence[str], is_refused: bool = False):
        self.findings, self.is_refused = tuple(findings), is_refused
        super().__init__("; ".join(findings))


def predict(args, unpacked) -> int:
    """The class of each picture, by a released classifier.

    Args:
        unpacked: turns a path that was named into that of its content (commands/predict.py).

    Raises:
        StageError: nothing is told, or not of every picture.
    """
    from radiotrace.classification import released_classifier
    from radiotrace.imaging import new_images

    model = released_classifier.opened(Path(args.model))
    faults = [
        f"--{name.replace('_', '-')}: the model tells classes of whole pictures, and takes no such option"
        for name in OF_OTHERS
        if getattr(args, name)
    ]
    faults += [
        f"{said}: none"
        for said, missing in (("INPUT", not args.inputs), ("--out", args.out is None))
        if missing
    ]
    with ExitStack() as stack:
        named = [unpacked(Path(name), stack, faults) for name in args.inputs]
        found = pictures_of([path for path in named if path], faults)
        if args.out is not None:
            faults += wrong_place(Path(args.out), [Path(name) for name in args.inputs], model.folder)
        if faults:
            raise StageError("nothing was predicted", faults, "Correct this, or leave it out.")
        modality = new_images.modality_of_dicom(args.modality)
        return _predicted(model, found, modality, args.force, Path(args.out))


def wrong_place(out: Path, inputs: Sequence[Path], model: Path) -> list[str]:
    """Why a folder is no place for results; [] where it is one."""
    faults = [f"--out: {out} is a file"] if out.exists() and not out.is_dir() else []
    faults += [
        f"--out: {out} lies in {name}, whose pictures are predicted"
        for name in inputs
        if name.is_dir() and out.resolve().is_relative_to(name.resolve())
    ]
    if out.resolve().is_relative_to(model.resolve()):
        faults.append(f"--out: {out} lies in the folder of the model")
    return faults


def pictures_of(named: Sequence[Path], faults: list[str]) -> list[NewPicture]:
    """The pictures of files and folders that were named, sorted by name.

    Args:
        faults: what is not there, holds no picture, is of a format that is not read or has a name twice is
            added to it.
    """
    from radiotrace.imaging import new_images
    from radiotrace.imaging.layouts import names

    found: dict[str, NewPicture] = {}
    for place in named:
        files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
        root = place if place.is_dir() else place.parent
        taken = [
            path for path in files if new_images.FORMATS.search(path.name) or names.PICTURES.search(path.name)
        ]
        unread = [path for path in files if path not in taken and new_images.UNREAD.search(path.name)]
        if not place.exists():
            faults.append(f"{place}: no such file")
        elif unread:
            faults.append(
                f"{place}: {len(unread)} images are of a format that is not read, such as {unread[0]}"
            )
        elif not taken:
            faults.append(f"{place}: 0 pictures, expected .png, .jpg, .tif, .nii.gz, .nii, .nrrd or .mha")
        for path in taken:
            below = path.relative_to(root).as_posix()
            case_id = names.PICTURES.sub("", new_images.FORMATS.sub("", below))
            other = found.setdefault(case_id, NewPicture(case_id, root, below))
            if (other.root / other.path).resolve() != path.resolve():
                faults.append(f"{path}: has the name of {other.root / other.path}")
            if ":" in below:  # which would be taken for an image of a file of arrays
                faults.append(f"{path}: ':' in a name is not read")
    if named and not found and not faults:
        faults.append("INPUT: 0 pictures")
    return [found[name] for name in sorted(found)]


def _predicted(
    model: "Released", found: Sequence[NewPicture], modality: str | None, is_forced: bool, out: Path
) -> int:
    """Tells the class of each picture, and writes record and page."""
    from radiotrace.__main__ import version
    from radiotrace.clinic import class_page

    told, shown, without, is_refused = [], {}, {}, False
    readers: dict[Path, Reader] = {}
    for one in followed(found, len(found), "predict"):
        try:
            case, pixels = _of_picture(one, model, modality, is_forced, readers)
        except Unfit as unfit:
            without[one.case_id] = unfit.findings
            is_refused |= unfit.is_refused
            continue
        told.append(case)
        shown[one.case_id] = class_page.shown(pixels)
    by = ToldBy(
        model.record.run_id,
        model.record.sha256,
        model.record_sha256,
        model.labels,
        model.thresholds,
        model.record.review_above,
    )
    software = {"radiotrace": version()} | {name: importlib.metadata.version(name) for name in SOFTWARE}
    predicted = PredictedClasses(NOTICE, by, modality, tuple(told), without, software)
    records.write(out / RESULT, predicted.record(), "predicted_classes")
    records.write_bytes(out / PAGE, class_page.html(predicted, shown).encode())
    flagged = [case.case_id for case in told if case.is_flagged]
    print(f"{out / PAGE}: {len(told)} pictures")
    print(f"{len(flagged)} flagged for review" + "".join(f"\n  {name}" for name in listed(flagged)))
    if not without:
        return 0
    raise StageError(
        f"pictures without a class: {len(without)}",
        [f"{name}: {reason}" for name, reasons in sorted(without.items()) for reason in reasons],
        FORCE if is_refused else "Correct them, or leave them out.",
    )


def _of_picture(
    one: NewPicture, model: "Released", modality: str | None, is_forced: bool, readers: dict[Path, "Reader"]
):
    """A row of the record, and the picture as it came, (c, y, x).

    Raises:
        Unfit: nothing is told of it.
    """
    from radiotrace.classification import released_classifier
    from radiotrace.imaging.content import VolumeError
    from radiotrace.imaging.image import Image
    from radiotrace.imaging.layouts import reading

    channels = model.recipe.channels
    if one.root not in readers:  # the process that reads stays in the folder where it began
        readers[one.root] = reading.Reader(one.root.absolute(), None, is_grey=len(channels) == 1)
    reader = readers[one.root]
    try:
        read = reader.read(reading.Request(one.path))
        if read.n_channels != len(channels):
            raise VolumeError(f"found {read.n_channels} channels, expected {len(channels)}")
        image = Image.of(read.channels, channels)
    except VolumeError as error:
        raise Unfit([shown_short(str(error))]) from None
    if 1 not in image.grid.size_voxels:
        raise Unfit([f"found {' x '.join(map(str, image.grid.size_voxels))} voxels, expected one slice"])
    is_known = read.spacing_from != reading.UNKNOWN
    faults, not_known = released_classifier.misfits(image, modality, is_known, model.record)
    if faults and not is_forced:
        raise Unfit(faults, is_refused=True)
    turned = image.canonical(model.recipe.orientation, model.recipe.spacing_mm)
    if turned.values_czyx.shape[1] != 1:
        raise Unfit(["its slice lies across another axis than those that the model has learnt from"])
    told = model.tell(turned)
    above = model.record.review_above
    width, height = turned.values_czyx.shape[:1:-1]
    for warning in read.warnings:
        log(f"predict: {one.case_id}: {warning}")
    row = ToldCase(
        case_id=one.case_id,
        image=PictureRead(one.path, read.sha256, width, height, (*read.done, *read.warnings)),
        contract=Contract(tuple(faults), bool(faults), tuple(not_known)),
        told=told.classes,
        probabilities=told.probabilities,
        uncertainty=told.uncertainty,
        is_flagged=None if above is None else told.uncertainty > above,
    )
    return row, turned.values_czyx[:, 0]
