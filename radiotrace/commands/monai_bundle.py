"""monai-bundle: the released model as a MONAI bundle, for who has MONAI and nothing of this project.

Exit status: 0 it is written; 1 it is not, and why was said; 2 the command line.
"""

import argparse
import dataclasses
import hashlib
import importlib.metadata
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from radiotrace import records
from radiotrace.commands.of_study import Shared
from radiotrace.errors import StageError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from radiotrace.inference.released_model import Released
    from radiotrace.records.dataset import Identity
    from radiotrace.records.train import TrainingRun

METADATA, INFERENCE, WEIGHTS = "configs/metadata.json", "configs/inference.json", "models/model.pt"
README, LICENCE = "docs/README.md", "LICENSE"
NEEDED = ("monai", "torch", "numpy", "nibabel")
# What MONAI's evaluator and its command line take besides, in the versions that were tried. No stage needs
# them, so that no pin names them.
FURTHER = {"pytorch-ignite": "0.5.5", "fire": "0.7.1"}
LOGIT_DIFFERENCE_MAX = 1e-3  # of MONAI's network from ours; the same network, computed in another order


@dataclass(frozen=True)
class Source:
    """What a bundle is made of, and the folder of nnunet_folder.

    Attributes:
        intended_use: the study's design/intended_use.yaml.
        licence: the text of the file; of a model that says its own, that.
    """

    model: "Released"
    train: "TrainingRun"
    dataset: "Identity"
    intended_use: Mapping[str, Any]
    licence: str


def bundle(args) -> None:
    """Writes the released model as a MONAI bundle: configs, weights, README and licence, without our code."""
    # here, because the other commands need neither torch nor MONAI
    from radiotrace.commands import monai_config, monai_network
    from radiotrace.inference.recipe import Recipe
    from radiotrace.learning.trained import TrainedModel, network
    from radiotrace.pipeline import stage

    source = source_of(args)
    spec, recipe = source.train.network, Recipe.of(source.train.preprocessing)
    if faults := monai_network.faults(spec):
        raise StageError("the network is none of MONAI's", faults, monai_network.EXPRESSIBLE)
    if faults := monai_config.inexpressible(recipe):
        raise StageError(
            "MONAI's transforms cannot be told what is done to an image",
            faults,
            "Hand on build/export, which has everything that predicting takes.",
        )
    out = Path(args.out)
    if out.is_symlink() or (out.exists() and not (out / METADATA).is_file()):
        raise StageError(f"{out} is there and is no MONAI bundle", way_out="Name a folder that is not there.")
    ours = network(TrainedModel.of(source.train, args.weights))
    theirs = monai_network.weighted(ours, spec)
    difference = difference_of(ours.eval(), theirs, (spec.image_channels, *recipe.patch_voxels[::-1]))
    if not difference <= LOGIT_DIFFERENCE_MAX:
        raise StageError(
            "MONAI's network computes otherwise than ours",
            [f"largest difference of a logit {difference:.3g}, at most {LOGIT_DIFFERENCE_MAX:g}"],
            monai_network.EXPRESSIBLE,
        )
    files = _files(source, theirs)
    with stage.output_folder(out) as folder:
        for name, content in files.items():
            records.write_bytes(folder / name, content)
    print(f"{out}: {len(files)} files; largest difference of a logit from ours {difference:.2g}")


def source_of(args) -> Source:
    """What the command line names, read and held together.

    Raises:
        StageError: a file is missing, was changed, or is of another run.
    """
    from radiotrace.inference import released_model
    from radiotrace.pipeline.params import load_yaml
    from radiotrace.records import model_run
    from radiotrace.records.dataset import Dataset
    from radiotrace.records.train import TrainingRun

    model = released_model.opened(Path(args.export))
    train = model_run.read(args.train)
    if not isinstance(train, TrainingRun):
        raise StageError(
            "an imported model is no network that a MONAI bundle names",
            way_out="Hand on build/export, which has everything that predicting takes.",
        )
    dataset = Dataset.of(records.read(args.dataset, "dataset")).dataset
    pairs = {
        f"run_id of {args.train}": (train.run_id, model.record.run_id),
        f"weights_sha256 of {args.train}": (train.weights_sha256, model.record.weights_sha256),
        f"labels of {args.train}": (dict(train.labels), dict(model.record.labels)),
        f"preprocessing of {args.train}": (
            dataclasses.replace(train.preprocessing, logit_offsets=None),
            model.record.preprocessing,
        ),
        f"logit_offsets of {args.train}": (
            train.preprocessing.logit_offsets,
            model.record.logit_offsets_in_file,
        ),
        f"data set of {args.dataset}": (dataset.root_sha256, model.record.images.data_root_sha256),
    }
    unlike = [
        f"{name}: found {found}, expected {expected}"
        for name, (found, expected) in pairs.items()
        if found != expected
    ]
    if unlike:
        raise StageError(
            f"{args.export} is the model of another run",
            unlike,
            "'dvc repro' makes all of them of one run; 'dvc checkout' brings those of the lock.",
        )
    released_model.network(model)  # which holds the record against its file
    intended_use = load_yaml(args.intended_use)
    if faults := records.faults(intended_use, "intended_use"):
        raise StageError(f"{args.intended_use} breaks its schema", faults, "Correct it.")
    if args.licence is None and model.record.licence is not None:
        licence = f"{model.record.licence}\n\nThe licence of the model, as its model.json says it.\n"
    else:
        licence = _text(Path(args.licence or args.shared_licence))
    return Source(model, train, dataset, intended_use, licence)


def _text(licence: Path) -> str:
    if not licence.is_file():
        raise StageError(f"{licence} is missing", way_out="Name the file of the licence with --licence.")
    try:
        return licence.read_text("utf-8")
    except UnicodeDecodeError:
        raise StageError(f"{licence} is no text", way_out="Name the file of the licence.") from None


def difference_of(
    ours: "Callable[[torch.Tensor], torch.Tensor]",
    theirs: "Callable[[torch.Tensor], torch.Tensor]",
    shape_czyx: tuple[int, ...],
) -> float:
    """The largest of a logit, on a patch of noise."""
    import numpy as np
    import torch

    patch = np.random.default_rng(0).normal(0, 1, (1, *shape_czyx)).astype(np.float32)
    with torch.inference_mode():
        image = torch.from_numpy(patch)
        return float((ours(image) - theirs(image)).abs().max())


def _files(source: Source, network: "nn.Module") -> dict[str, bytes]:
    """Path in the bundle -> content; the metadata have the hashes of the others."""
    from radiotrace.commands import monai_config, monai_network
    from radiotrace.inference.recipe import Recipe

    recipe = Recipe.of(source.train.preprocessing)
    config = monai_config.inference(recipe, monai_network.definition(source.train.network))
    files = {
        INFERENCE: json_bytes(config),
        WEIGHTS: _weights(network),
        README: _readme(source).encode(),
        LICENCE: source.licence.encode(),
    }
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    metadata = _metadata(source) | {
        "network_data_format": monai_config.data_format(
            recipe, dict(source.train.labels), source.model.record.modality
        ),
        "sha256": hashes,
    }
    return {METADATA: json_bytes(metadata), **files}


def _weights(network: "nn.Module") -> bytes:
    """A plain dict of tensors, as torch.load takes it with weights_only; the same bytes for the same
    weights."""
    import torch

    buffer = io.BytesIO()  # and no path, whose name would stand in the file
    torch.save(dict(network.state_dict()), buffer)
    return buffer.getvalue()


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """In the order in which people read it."""
    return (json.dumps(records.canonical(content), indent=2, ensure_ascii=False) + "\n").encode()


def _metadata(source: Source) -> dict[str, Any]:
    """configs/metadata.json but for the hashes and the format of the data."""
    use, run = source.intended_use, source.train.run_id
    versions = {name: importlib.metadata.version(name) for name in NEEDED}
    holder = re.search(r"^Copyright (?:\(c\) )?(?:\d{4} )?(.+)$", source.licence, re.M)
    return {
        "version": use["version"],
        "changelog": {use["version"]: f"run {run}"},
        "monai_version": versions["monai"],
        "pytorch_version": versions["torch"].partition("+")[0],
        "numpy_version": versions["numpy"],
        "required_packages_version": {"nibabel": versions["nibabel"], **FURTHER},
        "name": use["name"],
        "task": f"Segmentation of {', '.join(source.model.names.values())}",
        "description": use["purpose"].strip(),
        "intended_use": use["notice"],
        "authors": holder[1].strip() if holder else "see LICENSE",
        "copyright": holder[0].strip() if holder else "see LICENSE",
        "license": first_line(source.licence),
        "data_source": f"{source.dataset.name or 'unknown'}; licence {source.dataset.licence or 'unknown'}",
        "data_type": "nibabel",
        "run_id": run,
        "data_root_sha256": source.dataset.root_sha256,
        "cases": {"train": len(source.train.cases.train), "validation": len(source.train.cases.validation)},
        "model_onnx_sha256": source.model.record.sha256,
        "model_json_sha256": source.model.record_sha256,
    }


def first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "unknown")


def _readme(source: Source) -> str:
    from radiotrace.inference.recipe import Recipe

    use, recipe = source.intended_use, Recipe.of(source.train.preprocessing)
    versions = {name: importlib.metadata.version(name).partition("+")[0] for name in NEEDED}
    number = len(recipe.channels)
    names = [f"`_{place:04d}` {channel.name}" for place, channel in enumerate(recipe.channels)]
    files = "`CASE.nii.gz`" if number == 1 else f"`CASE_0000.nii.gz` and so on: {', '.join(names)}"
    spacing = "" if recipe.spacing_mm is None else RESAMPLED
    return README_TEXT.substitute(
        name=use["name"],
        notice=use["notice"],
        purpose=use["purpose"].strip(),
        labels=", ".join(f"{value} {name}" for value, name in source.model.names.items()),
        files=files,
        packages=" ".join(f"{name}=={version}" for name, version in (versions | FURTHER).items()),
        further=" and ".join(FURTHER),
        spacing=spacing,
        prohibited="\n".join(f"- {line}" for line in use["must_not_be_used"]),
        limits="\n".join(f"- {line}" for line in use["limits"]),
        n_train=len(source.train.cases.train),
        n_validation=len(source.train.cases.validation),
        run_id=source.train.run_id,
        data=source.dataset.name or "unknown",
        data_licence=source.dataset.licence or "unknown",
    )


RESAMPLED = """
- Images are resampled over their own extent, corners in place, and shares of labels are interpolated back.
  `Spacing` would move the corners where a size is rounded: `resampled` is an expression with a
  `SpatialResample`."""
README_TEXT = Template("""# $name

**$notice**

$purpose

Labels: 0 background, $labels.

It must not be used:

$prohibited

Known limits:

$limits

## Run it

    pip install $packages
    python -m monai.bundle run --config_file configs/inference.json --bundle_root . \\
        --dataset_dir IMAGES --output_dir PREDICTIONS

`IMAGES` has $files. Each gets a label map on the image's own grid, named as its first file with `_label_map`.

From Python, without $further:

    from monai.bundle import ConfigParser
    from monai.data import decollate_batch
    import torch

    config = ConfigParser()
    config.read_config("configs/inference.json")
    config.update({"bundle_root": ".", "dataset_dir": "IMAGES", "output_dir": "PREDICTIONS"})
    network = config.get_parsed_content("network").eval()
    network.load_state_dict(config.get_parsed_content("checkpoint"))
    inferer = config.get_parsed_content("inferer")
    postprocessing = config.get_parsed_content("postprocessing")
    with torch.no_grad():
        for batch in config.get_parsed_content("dataloader"):
            batch["pred"] = inferer(batch["image"].to(config.get_parsed_content("device")), network)
            for case in decollate_batch(batch):
                postprocessing(case)

A config of MONAI holds expressions of Python, which run when it is read: trust where you have it from.

## What it does

`configs/inference.json` has every step. What differs from many bundles:

- Arrays are z, y, x, because `Orientation` puts the axes in the order that the network has learnt.
- The window follows from the size of the image: `inferer` is an expression that makes a
  `SlidingWindowInferer` for each.
- `logit_offsets` are added to the logits, and balance volumes. Their softmax is no calibrated chance.$spacing
- NIfTI alone is read. Where a header's sform and qform differ, nibabel takes the sform.
- An image of one slice gets a label map of two axes: MONAI's `SaveImage` leaves out last axes of one voxel.
- Nothing looks whether an image is one that the model was made for.

## Where it comes from

Run `$run_id`. Its $n_train training and $n_validation validation cases are of: $data (licence of the data:
$data_licence). `configs/metadata.json` has the SHA-256 of each file. How good it is, and whether its release
is blocked, stands in `MODEL_CARD.md` of the released model and in the evidence of its repository.
""")


def options(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--out", required=True, metavar="FOLDER", help="the bundle; replaces one")
    source_options(parser)


def source_options(parser: argparse.ArgumentParser) -> None:
    """What `source_of` reads."""
    for option, default, text in (
        ("--export", "build/export", "folder that the stage export wrote"),
        ("--train", "build/train/train.json", "record of the training run"),
        ("--weights", "build/train/weights.safetensors", "its weights"),
        ("--dataset", "build/ingest/dataset.json", "record of the data set"),
        ("--intended-use", "design/intended_use.yaml", "what the model is for, its name and version"),
    ):
        parser.add_argument(option, default=default, metavar="PATH", help=f"{text}; default: {default}")
    parser.add_argument(
        "--licence",
        metavar="PATH",
        help="text of the licence of the model; default: what model.json says, else the repository's",
    )
    parser.set_defaults(shared_licence=Shared("LICENSE"))
