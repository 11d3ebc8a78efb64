"""Self-test: whether a released model does on this machine what it did where it was made."""

import numpy as np

from radiotrace import records
from radiotrace.errors import StageError, shown_short
from radiotrace.imaging import new_images, volumes
from radiotrace.imaging.content import VolumeError
from radiotrace.inference import released_model, sliding
from radiotrace.inference.model_record import VOXELS_OTHERWISE
from radiotrace.inference.released_model import WAY_OUT, Released
from radiotrace.records.model import Golden

LOSS_TOLERANCE = 1e-3


def tried(model: Released) -> None:
    """Labels the cases of the folder and says what came of each.

    Raises:
        StageError: a file of the folder is missing or was changed, a case is labelled otherwise, or there is
            no case.
    """
    faults = changed(model)
    if faults:
        raise StageError("the folder is not as it was released", faults, WAY_OUT)
    if not model.record.golden:
        raise StageError(
            "the model has no case to try it with",
            way_out="Its makers left them out (export.golden_cases in params.yaml).",
        )
    for golden in model.record.golden:
        said, wrong = _tried(golden, model)
        print(f"{golden.case_id}: {said}")
        faults += [f"{golden.case_id}: {fault}" for fault in wrong]
    if faults:
        raise StageError(
            "the model does not do here what it did where it was made",
            faults,
            "Compare the versions of onnxruntime and numpy with requirements/; do not use it here.",
        )
    print(
        "The model does here what it says that it did where it was made. Who made it does not follow from "
        f"that: hold the SHA-256 of model.onnx, {model.record.sha256}, against the signed evidence of run "
        f"{model.record.run_id[:12]}."
    )


def changed(model: Released) -> list[str]:
    """Files of the folder that are missing, or are not those of its record."""
    faults = []
    for name, sha256 in model.record.files.items():
        path = model.folder / name
        if not path.is_file():
            faults.append(f"{name}: missing")
        elif (found := records.sha256(path)) != sha256:
            faults.append(f"{name}: SHA-256 found {found}, expected {sha256}")
    return faults


def _tried(golden: Golden, model: Released) -> tuple[str, list[str]]:
    """What came of a case, in a sentence; and faults."""
    case = new_images.NewCase(golden.case_id, tuple(model.folder / path for path in golden.images))
    try:
        image = new_images.read(case, model.recipe.channels).image
    except new_images.Unfit as unfit:
        return "not read", list(unfit.findings)
    try:
        expected = volumes.read(model.folder / golden.label_map)
        made = sliding.label(image, released_model.network(model), model.recipe)
    except StageError as error:
        return "not labelled", [error.headline, *error.findings]
    except MemoryError:
        return "not labelled", ["takes more memory than there is"]
    except (VolumeError, ValueError, OSError) as error:
        return "not labelled", [f"{golden.label_map}: {shown_short(str(error))}"]
    other_grid = [
        f"{golden.label_map}: {name}: found {found}, expected {wanted}"
        for name, found, wanted in volumes.grid_faults(
            volumes.grid(expected), volumes.grid(made.label_map), *new_images.GRID_TOLERANCES
        )
    ]
    if other_grid:
        return "another grid", other_grid
    expected_zyx, made_zyx = volumes.array_zyx(expected), volumes.array_zyx(made.label_map)
    values, counts = np.unique(expected_zyx, return_counts=True)
    counted = {f"{value:g}": int(count) for value, count in zip(values, counts, strict=True)}
    if counted != dict(golden.voxels):
        return "another label map", [
            f"{golden.label_map}: voxels found {counted}, expected {dict(golden.voxels)}"
        ]
    different, voxels = int(np.sum(made_zyx != expected_zyx)), made_zyx.size
    loss = made.expected_dice_loss
    faults = []
    if different > VOXELS_OTHERWISE * voxels:
        faults.append(
            f"{different} of {voxels} voxels labelled otherwise, at most {VOXELS_OTHERWISE:g} of them"
        )
    if abs(loss - golden.expected_dice_loss) > LOSS_TOLERANCE:
        faults.append(f"expected Dice loss {loss:.6f}, it was {golden.expected_dice_loss:.6f}")
    return (
        f"{different} of {voxels} voxels labelled otherwise, expected Dice loss {loss:.6f}, it was "
        f"{golden.expected_dice_loss:.6f}"
    ), faults
