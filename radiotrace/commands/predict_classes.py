"""predict, of a released classifier: the class, probability and uncertainty of each picture. Needs no torch.

Pictures are files of one picture each, of grey or of colours, or volumes of one slice. What came of all of
them is one record and one page.
"""

import importlib.metadata
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from radiotrace import records
from radiotrace.commands import new_pictures
from radiotrace.commands.new_pictures import NewPicture, Pictures, Unfit
from radiotrace.errors import StageError, listed
from radiotrace.pipeline.followed import followed
from radiotrace.records.classification.prediction import (
    PictureRead,
    PredictedClasses,
    ToldBy,
    ToldCase,
)
from radiotrace.records.prediction import Contract

if TYPE_CHECKING:
    import numpy as np

    from radiotrace.classification.released_classifier import Released

NOTICE = "Research software; not for diagnosis."
RESULT, PAGE = "predictions.json", "index.html"
SOFTWARE = ("numpy", "onnxruntime", "pillow", "simpleitk")
OF_OTHERS = ("self_test", "variant", "variants", "channels", "series", "grid")
FORCE = "--force tells classes of pictures that the model was not made for all the same, and says so."


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
        found = new_pictures.listed([path for path in named if path], faults)
        if args.out is not None:
            faults += wrong_place(Path(args.out), [Path(name) for name in args.inputs], model.folder)
        if faults or args.out is None:
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


def _predicted(
    model: "Released", found: Sequence[NewPicture], modality: str | None, is_forced: bool, out: Path
) -> int:
    """Tells the class of each picture, and writes record and page."""
    from radiotrace.__main__ import version
    from radiotrace.clinic import class_page

    told, shown, without, is_refused = [], {}, {}, False
    pictures = Pictures(model.recipe.channels)
    for one in followed(found, len(found), "predict"):
        try:
            case, pixels = _of_picture(one, pictures, model, modality, is_forced)
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
    one: NewPicture, pictures: Pictures, model: "Released", modality: str | None, is_forced: bool
) -> "tuple[ToldCase, np.ndarray]":
    """A row of the record, and the picture, (c, y, x).

    Raises:
        Unfit: nothing is told of it.
    """
    from radiotrace.classification import released_classifier
    from radiotrace.imaging.layouts import reading

    image, read = pictures.read(one)
    is_known = read.spacing_from != reading.UNKNOWN
    faults, not_known = released_classifier.misfits(image, modality, is_known, model.record)
    if faults and not is_forced:
        raise Unfit(faults, is_refused=True)
    turned = new_pictures.turned(image, model.recipe.orientation, model.recipe.spacing_mm)
    told = model.tell(turned)
    above = model.record.review_above
    width, height = turned.values_czyx.shape[:1:-1]
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
