"""nnunet-folder: the released model as a results folder of nnU-Net, for who has nnU-Net and nothing of this
project.

Its checkpoint is a pickle, as nnU-Net asks for: it is written where somebody wants it, and never read here.

Exit status: 0 it is written; 1 it is not, and why was said; 2 the command line.
"""

import argparse
import io
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from radiotrace import records
from radiotrace.commands import monai_bundle
from radiotrace.errors import StageError

if TYPE_CHECKING:
    import torch

    from radiotrace.commands.monai_bundle import Source
    from radiotrace.imaging.image import Image
    from radiotrace.inference.recipe import Recipe

DATASET, PLANS, CHECKPOINT = "dataset.json", "plans.json", "fold_0/checkpoint_final.pth"
README, LICENCE = "README.md", "LICENSE"
CONFIGURATION, FILE_ENDING = "3d_fullres", ".nii.gz"
REORIENTED = "RAS"  # the one orientation that a reader of nnU-Net turns images to
LOGIT_DIFFERENCE_MAX = monai_bundle.LOGIT_DIFFERENCE_MAX
EXPRESSIBLE = (
    "dynunet with instance norm and transposed convolutions can be written; 'monai-bundle' writes "
    "others, and model.onnx holds any network."
)
SAID_MAX = 3  # last lines of what nnU-Net says where it fails
# What README says, and what --measure runs.
CODE = """\
import os

import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
predictor.initialize_from_trained_model_folder(".", (0,))
os.makedirs("PREDICTIONS", exist_ok=True)
predictor.predict_from_files_sequential("IMAGES", "PREDICTIONS")
"""


@dataclass(frozen=True)
class Difference:
    """What nnU-Net labels otherwise than this project, in one image.

    Attributes:
        voxels: of the image. labelled: of them, those to which this project gives a label.
    """

    case_id: str
    otherwise: int
    voxels: int
    labelled: int


def folder(args) -> None:
    """Writes the released model as a results folder of nnU-Net, with its checkpoint, which is a pickle."""
    # here, because the other commands need no torch
    from radiotrace.commands import nnunet_network
    from radiotrace.inference.recipe import Recipe
    from radiotrace.learning.trained import TrainedModel, network
    from radiotrace.pipeline import stage

    source = monai_bundle.source_of(args)
    recipe = Recipe.of(source.train.preprocessing)
    faults = nnunet_network.faults(source.train.network) + inexpressible(recipe, source.train.labels)
    if faults:
        raise StageError("nnU-Net cannot be told this model", faults, EXPRESSIBLE)
    out = Path(args.out)
    if out.is_symlink() or (out.exists() and not (out / PLANS).is_file()):
        raise StageError(f"{out} is there and is no folder of nnU-Net", way_out="Name one that is not there.")
    if args.cases and args.measure is None:
        raise StageError("--cases: says what is measured; expected --measure, too")
    ours = network(TrainedModel.of(source.train, args.weights)).eval()
    values = nnunet_network.weights(ours, source.train.network, recipe.logit_offsets)
    difference = _logit_difference(ours, values, source, recipe)
    if not difference <= LOGIT_DIFFERENCE_MAX:
        raise StageError(
            "the network of the folder computes otherwise than ours",
            [f"largest difference of a logit {difference:.3g}, at most {LOGIT_DIFFERENCE_MAX:g}"],
            EXPRESSIBLE,
        )
    files = {
        DATASET: monai_bundle.json_bytes(dataset(source)),
        PLANS: monai_bundle.json_bytes(plans(source, recipe)),
        CHECKPOINT: _checkpoint(values),
        LICENCE: source.licence.encode(),
    }
    measured = None
    if args.measure is not None:
        measured = differences(files, source, recipe, args.measure, args.cases)
    files[README] = _readme(source, recipe, measured).encode()
    with stage.output_folder(out) as place:
        for name, content in files.items():
            records.write_bytes(place / name, content)
    print(f"{out}: {len(files)} files; largest difference of a logit from ours {difference:.2g}")
    print(f"{CHECKPOINT} is a pickle, which runs code when it is loaded: hand it on with its SHA-256.")
    if measured is not None:
        print(_in_all(measured))


def inexpressible(recipe: "Recipe", labels: Mapping[str, str]) -> list[str]:
    """What of a recipe and its labels plans.json and dataset.json cannot say, or would say otherwise."""
    faults = []
    names = list(labels.values())
    if len(set(names)) != len(names):
        faults.append(f"labels: found a name twice in {', '.join(names)}")
    if "ignore" in names:
        faults.append("labels: found one called ignore, which nnU-Net takes for voxels that nobody labelled")
    if "background" in names and labels.get("0") != "background":
        faults.append("labels: found background for another value than 0")
    if recipe.bias_field is not None:
        faults.append("bias_field: found n4; nnU-Net divides no bias field out before it predicts")
    if recipe.crop is not None and recipe.crop.margin_voxels:
        faults.append(f"crop.margin_voxels: found {recipe.crop.margin_voxels}, expected 0, as nnU-Net has it")
    if 1 in recipe.patch_voxels and recipe.spacing_mm is not None:
        faults.append(
            "spacing: found one of a model that takes a slice at a time; nnU-Net would resample an axis of "
            "one voxel, which this model keeps"
        )
    return faults


def _logit_difference(
    ours, values: Mapping[str, "torch.Tensor"], source: "Source", recipe: "Recipe"
) -> float:
    """The largest of a logit, on a patch of noise."""
    import torch

    from radiotrace.commands import nnunet_network

    spec = source.train.network
    architecture = nnunet_network.definition(spec)
    offsets = torch.tensor(recipe.logit_offsets or 0.0).view(-1, 1, 1, 1)
    shape_czyx = (spec.image_channels, *recipe.patch_voxels[::-1])
    return monai_bundle.difference_of(
        ours, lambda image: nnunet_network.computed(architecture, values, image) - offsets, shape_czyx
    )


def dataset(source: "Source") -> dict[str, Any]:
    """dataset.json."""
    from radiotrace.inference.recipe import Recipe

    recipe, train = Recipe.of(source.train.preprocessing), source.train
    values = {value: name for value, name in train.labels.items() if value != "0"}
    return {
        "channel_names": {
            str(number): channel.name or source.model.record.modality or "image"
            for number, channel in enumerate(recipe.channels)
        },
        "labels": {"background": 0} | {values[value]: int(value) for value in sorted(values, key=int)},
        "numTraining": len(train.cases.train),
        "file_ending": FILE_ENDING,
        "name": source.dataset.name or "unknown",
        "licence": source.dataset.licence or "unknown",
        "description": source.intended_use["purpose"].strip(),
        "notice": source.intended_use["notice"],
        "run_id": train.run_id,
        "model_onnx_sha256": source.model.record.sha256,
    }


def plans(source: "Source", recipe: "Recipe") -> dict[str, Any]:
    """plans.json, of one configuration. Three values are along z, y, x there."""
    from radiotrace.commands import nnunet_network

    is_kept = recipe.spacing_mm is None
    resampling: dict[str, Any] = {}
    for what in ("data", "seg", "probabilities"):
        resampling[f"resampling_fn_{what}"] = (
            "no_resampling_hack" if is_kept else "resample_data_or_seg_to_shape"
        )
        # linear, as here, also along axes of thick slices
        settings = {"is_seg": what == "seg", "order": 1, "order_z": 0, "force_separate_z": False}
        resampling[f"resampling_fn_{what}_kwargs"] = {} if is_kept else settings
    configuration = {
        "data_identifier": f"nnUNetPlans_{CONFIGURATION}",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": source.train.params.batch_size,
        "patch_size": list(recipe.patch_voxels[::-1]),
        # where each image keeps its own, nobody asks
        "spacing": [1.0, 1.0, 1.0] if recipe.spacing_mm is None else list(recipe.spacing_mm[::-1]),
        "normalization_schemes": [
            "CTNormalization" if channel.intensities else "ZScoreNormalization" for channel in recipe.channels
        ],
        "use_mask_for_norm": [channel.within is not None for channel in recipe.channels],
        **resampling,
        "architecture": nnunet_network.definition(source.train.network),
        "batch_dice": False,
    }
    return {
        "dataset_name": re.sub(r"[^A-Za-z0-9_]+", "_", source.dataset.name or "unknown"),
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIOWithReorient"
        if recipe.orientation == REORIENTED
        else "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "configurations": {CONFIGURATION: configuration},
        "foreground_intensity_properties_per_channel": {
            str(number): _properties(channel.intensities) for number, channel in enumerate(recipe.channels)
        },
    }


def _properties(intensities) -> dict[str, float]:
    """As CTNormalization takes them; whatever percentiles the ends are, it calls them so."""
    if intensities is None:
        return {}
    return {
        "mean": intensities.mean,
        "std": intensities.sd,
        "percentile_00_5": intensities.low,
        "percentile_99_5": intensities.high,
    }


def _checkpoint(values: Mapping[str, "torch.Tensor"]) -> bytes:
    """As nnUNetPredictor takes it; the same bytes for the same weights."""
    import torch

    content = {
        "network_weights": dict(values),
        "init_args": {"configuration": CONFIGURATION, "fold": 0},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": None,
    }
    buffer = io.BytesIO()  # and no path, whose name would stand in the file
    torch.save(content, buffer)
    return buffer.getvalue()


def differences(
    files: Mapping[str, bytes], source: "Source", recipe: "Recipe", python: str, named: Sequence[str]
) -> list[Difference]:
    """What nnU-Net labels otherwise than this project does, of images that are turned beforehand.

    Args:
        files: of the folder, by name.
        python: an interpreter that has nnU-Net.
        named: images and folders of them; those that came with the model where there are none.

    Raises:
        StageError: there is no image, or nnU-Net did not run.
    """
    import numpy as np
    import SimpleITK as sitk

    from radiotrace.imaging import volumes
    from radiotrace.inference import released_model, sliding

    labelled = {}
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        for name, content in files.items():
            records.write_bytes(root / name, content)
        (root / "IMAGES").mkdir()
        for case_id, image in _images(source, recipe, named).items():
            turned = image.canonical(recipe.orientation, None)
            for number in range(len(recipe.channels)):
                path = root / "IMAGES" / f"{case_id}_{number:04d}{FILE_ENDING}"
                sitk.WriteImage(turned.volume(number), str(path))
            made = sliding.label(turned, released_model.network(source.model), source.model.recipe)
            labelled[case_id] = volumes.array_zyx(made.label_map)
        _run(python, root)
        measured = []
        for case_id, ours in labelled.items():
            theirs = volumes.array_zyx(sitk.ReadImage(str(root / "PREDICTIONS" / f"{case_id}{FILE_ENDING}")))
            otherwise = int(np.sum(ours != theirs))
            measured.append(Difference(case_id, otherwise, ours.size, int(np.sum(ours > 0))))
    return measured


def _images(source: "Source", recipe: "Recipe", named: Sequence[str]) -> dict[str, "Image"]:
    """Name -> image, sorted."""
    from radiotrace.imaging import new_images

    if named:
        cases, faults = new_images.listed(named, len(recipe.channels))
        if faults or not cases:
            raise StageError("nothing was measured", faults or ["--cases: 0 images"], "Correct this.")
    else:
        cases = [
            new_images.NewCase(case.case_id, tuple(source.model.folder / path for path in case.images))
            for case in source.model.record.golden
        ]
        if not cases:
            raise StageError("the model has no case to measure with", way_out="Name images with --cases.")
    images = {}
    for case in sorted(cases, key=lambda case: case.case_id):
        try:
            images[case.case_id.replace("/", "_")] = new_images.read(case, recipe.channels).image
        except new_images.Unfit as unfit:
            raise StageError("nothing was measured", unfit.findings, "Leave it out.") from None
    return images


def _run(python: str, root: Path) -> None:
    """Predicts root/IMAGES into root/PREDICTIONS with the folder root, as README says.

    Raises:
        StageError: it ended with a fault.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("nnUNet_")}
    try:
        done = subprocess.run(
            [python, "-I", "-c", CODE],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise StageError(f"--measure: {python} does not start", [error.strerror or str(error)]) from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise StageError(
            f"nnU-Net did not predict with {python}",
            said[-SAID_MAX:],
            "'make .venv/nnunet' brings .venv/with-nnunet/bin/python, which has it.",
        )


def _in_all(measured: Sequence[Difference]) -> str:
    otherwise, voxels = (sum(getattr(one, name) for one in measured) for name in ("otherwise", "voxels"))
    labelled = sum(one.labelled for one in measured)
    return (
        f"nnU-Net labels {otherwise} of {voxels} voxels otherwise in {len(measured)} cases, of which "
        f"{labelled} have a label"
    )


def _readme(source: "Source", recipe: "Recipe", measured: Sequence[Difference] | None) -> str:
    use = source.intended_use
    number = len(recipe.channels)
    names = [f"`_{place:04d}` {channel.name or 'the image'}" for place, channel in enumerate(recipe.channels)]
    text = NOT_MEASURED
    if measured is not None:
        rows = [f"| {one.case_id} | {one.otherwise} | {one.voxels} | {one.labelled} |" for one in measured]
        text = "\n".join([f"{_in_all(measured)}.", "", *HEAD, *rows])
    return README_TEXT.substitute(
        name=use["name"],
        notice=use["notice"],
        purpose=use["purpose"].strip(),
        labels=", ".join(f"{value} {name}" for value, name in source.model.names.items()),
        prohibited="\n".join(f"- {line}" for line in use["must_not_be_used"]),
        limits="\n".join(f"- {line}" for line in use["limits"]),
        files=f"`CASE_0000{FILE_ENDING}`" if number == 1 else f"for each case {', '.join(names)}",
        turn=TURNED
        if recipe.orientation == REORIENTED
        else Template(TURN).substitute(orientation=recipe.orientation),
        code="\n".join(f"    {line}".rstrip() for line in CODE.splitlines()),
        unlike="\n".join(f"- {line}" for line in unlike(recipe)),
        measured=text,
        run_id=source.train.run_id,
        sha256=source.model.record.sha256,
    )


def unlike(recipe: "Recipe") -> list[str]:
    """Steps of this project that nnU-Net does not do, or does otherwise, in sentences."""
    patch, window = (" x ".join(map(str, edges)) for edges in (recipe.patch_voxels, recipe.window_voxels))
    lines = [
        "Nothing looks whether an image is one that the model was made for, nothing is flagged for review, "
        "and the temperature is left out."
    ]
    if recipe.orientation != REORIENTED:
        lines.append(
            f"Axes are not turned: images must come in the orientation {recipe.orientation}. Others are "
            "labelled without a word, and wrongly."
        )
    if recipe.crop is None:
        lines.append("An image is cut to the box of its voxels that are not 0, and normalised within it.")
    for channel in recipe.channels:
        if channel.intensities is None:
            low, high = channel.percentiles or (0, 100)
            lines.append(
                f"{channel.name or 'The image'}: not clipped to its percentiles {low:g} and {high:g} before "
                "mean and standard deviation are taken (ZScoreNormalization)."
            )
    lines.append(
        f"Windows have {patch} voxels (x y z). This project takes one that grows with the image, up to "
        f"{window}, and norms of the network are over what a window holds."
    )
    if recipe.spacing_mm is not None:
        lines.append(
            "Images are normalised before they are resampled, here after; logits are interpolated back, here "
            "probabilities. Both are linear. Where no whole number of voxels fills an image, nnU-Net's are a "
            "little smaller or larger than the spacing, here exactly as large."
        )
    lines.append("Logits of windows are summed in float16.")
    return lines


HEAD = ("| case | voxels otherwise | of | with a label |", "|---|---|---|---|")
NOT_MEASURED = (
    "Not measured: `python -m radiotrace nnunet-folder --measure PYTHON` does so, with a Python that has "
    "nnU-Net."
)
TURNED = f"Their axes are turned to {REORIENTED} by nnU-Net's reader."
TURN = """Their axes must point to $orientation; SimpleITK turns them:

    SimpleITK.DICOMOrient(image, "$orientation")"""
README_TEXT = Template("""# $name

**$notice**

$purpose

Labels: 0 background, $labels.

It must not be used:

$prohibited

Known limits:

$limits

## Run it

`fold_0/checkpoint_final.pth` is a pickle: it runs code when nnU-Net loads it. Trust where you have it from,
and hold its SHA-256 against what they say.

    nnUNetv2_predict_from_modelfolder -i IMAGES -o PREDICTIONS -m . -f 0 --disable_tta -device cpu

`IMAGES` has $files. $turn

From Python:

$code

## What it does otherwise than the model that was evaluated

The network is the same: PlainConvUNet with the weights of ours, `logit_offsets` in the bias of its last
layer. Mirroring is off. Heads of deep supervision are 0. Steps around it are nnU-Net's own:

$unlike

### Measured

$measured

## Where it comes from

Run `$run_id`; SHA-256 of its `model.onnx`: `$sha256`. How good that model is, and whether its release is
blocked, stands in `MODEL_CARD.md` of the released model and in the evidence of its repository. Evidence does
not cover this folder.
""")


def options(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--out", required=True, metavar="FOLDER", help="the folder; replaces one")
    monai_bundle.source_options(parser)
    parser.add_argument(
        "--measure",
        metavar="PYTHON",
        help="an interpreter that has nnU-Net, such as .venv/with-nnunet/bin/python: README says then how "
        "many voxels it labels otherwise",
    )
    parser.add_argument(
        "--cases",
        metavar="IMAGE",
        nargs="+",
        default=[],
        help="images, or folders of them, to measure with; default: those that came with the model",
    )
