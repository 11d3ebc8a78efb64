"""train: fits the network to the images of the train part and follows it on the validation part.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/split/split.json, build/boxes/boxes.json
Writes  build/train/: weights.safetensors, train.json, provenance.json
        build/live/: the curves, after each epoch, as dvclive writes them
State   .checkpoints/<key>/: the state after each epoch, for a run that is killed; removed when the run ends
        execution/tensorboard/<run_id>/: event files, which hold clock times and so are no output
Params  seed, train.*
Stops   when the train part has no box of a label, when windows do not fit the images or the network; when a
        loss or a gradient is not finite, when gradients explode, when the validation precision stays
        undefined
"""

import argparse
import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from radiotrace.pipeline import stage

if __name__ == "__main__":
    stage.check_parameters(sys.argv)  # before torch, whose import takes seconds

from safetensors.torch import save

from radiotrace import errors, records
from radiotrace.detection import augmentation, examples, learner, losses, networks
from radiotrace.detection.preparation import ImageRecipe
from radiotrace.errors import StageError
from radiotrace.imaging import canonical_images, channels
from radiotrace.learning import checkpoints, devices, fit, numerics, state
from radiotrace.pipeline import params, runs
from radiotrace.records.dataset import Dataset
from radiotrace.records.detection.boxes import Boxes
from radiotrace.records.detection.network import DetectorSpec
from radiotrace.records.detection.train import DetectionRun, Epoch
from radiotrace.records.sections.detection.train import TrainParams
from radiotrace.records.training import InEffect, LearntCases
from radiotrace.records.typed import picked
from radiotrace.records.values import Exclusion


def network_spec(settings: TrainParams, dataset: Dataset, names: tuple[str, ...]) -> DetectorSpec:
    """The network that the section train asks for."""
    return picked(
        DetectorSpec,
        settings,
        axes=examples.axes_of(dataset),
        classes=len(names),
        image_channels=len(channels.of_dataset(dataset.dataset)),
        name="centre_point",
    )


def recipe_of(settings: TrainParams, dataset: Dataset, spec: DetectorSpec) -> ImageRecipe:
    """How images are prepared for the network."""
    x, y, z = settings.shrink
    return ImageRecipe(
        dataset.canonical.orientation,
        dataset.canonical.spacing_mm,
        channels.normalised(channels.of_dataset(dataset.dataset), settings.clip_percentiles),
        (z, y, x),
        networks.shrinks(spec),
        spec.axes,
    )


def faults(
    settings: TrainParams, spec: DetectorSpec, drawn: Mapping[str, int], names: tuple[str, ...], sizes
) -> list[str]:
    """What of the section train does not fit together, the data, or this machine.

    Args:
        drawn: label -> boxes of the train part.
        sizes: cases of the train part, and of the validation part.
    """
    hardware = picked(devices.Hardware, settings)
    multiple = networks.shrinks(spec)
    found = [f"the train part has no box of {name}" for name in names if name not in drawn]
    if len(settings.crop_voxels) != spec.axes:
        found.append(
            f"train.crop_voxels: found {len(settings.crop_voxels)} edges, expected {spec.axes} for "
            f"{'pictures' if spec.axes == 2 else 'volumes'}"
        )
    found += [
        f"train.crop_voxels: found {edge}, expected a multiple of {multiple} for {len(spec.widths)} stages"
        for edge in settings.crop_voxels
        if edge % multiple
    ]
    if spec.axes == 2 and settings.shrink[2] != 1:
        found.append(f"train.shrink: found {settings.shrink[2]} along z, expected 1 for pictures")
    return [
        *found,
        *networks.faults(spec),
        *devices.faults(hardware),
        *fit.faults(picked(fit.Settings, settings), hardware, *sizes),
    ]


def main(args):
    settings = TrainParams.of(params.load(args.params, "train", seed=True))
    instructions = numerics.configure(settings.numerics, settings.threads)
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    split = records.read(args.split, "split")
    reference = Boxes.of(records.read(args.boxes, "boxes"))
    names = examples.names_of(dataset.dataset.labels)
    entries = {part: canonical_images.of_part(dataset, split, part) for part in ("train", "validation")}
    spec = network_spec(settings, dataset, names)
    counts = examples.counts(entries["train"], reference)
    sizes = tuple(len(rows) for rows in entries.values())
    if broken := [
        *canonical_images.preparation_faults(dataset, "a detector"),
        *faults(settings, spec, counts, names, sizes),
    ]:
        raise StageError("training cannot run as params.yaml says", broken, "Correct params.yaml.")
    hardware = picked(devices.Hardware, settings)
    number_format = devices.number_format(hardware)
    fabric = devices.launch(hardware)
    say = errors.log if fabric.is_global_zero else (lambda line: None)

    inputs = [args.dataset, args.split, args.boxes]
    provenance = runs.provenance(__file__, settings.record(), args.requirements, inputs)
    run_id = runs.run_id(provenance)
    recipe = recipe_of(settings, dataset, spec)
    cases = {
        part: examples.cases(args.volumes, rows, reference, names, recipe, settings.cache_mb)
        for part, rows in entries.items()
    }
    network = networks.build(spec, settings.seed)
    detector = learner.DetectionLearner(
        network=network,
        criterion=losses.Criterion(settings.box_weight),
        training=cases["train"],
        validation=cases["validation"],
        names=names,
        window=tuple(reversed(settings.crop_voxels)),
        cell_voxels=settings.cell_voxels,
        variation=picked(augmentation.Settings, settings.augmentation),
        device=fabric.device,
    )
    n_weights = sum(parameter.numel() for parameter in network.parameters())
    say(
        f"train: run {run_id[:12]}, {len(cases['train'])} cases with {sum(counts.values())} boxes, "
        f"{len(cases['validation'])} for validation, {n_weights:,} weights, "
        f"{fabric.world_size} x {devices.name(fabric.device)} with {settings.threads} threads, "
        f"{instructions}, {number_format}"
    )
    # Another processor or GPU rounds differently: the same run_id then has other weights.
    in_effect = InEffect(devices.name(fabric.device), instructions, number_format)
    key = records.digest({"run_id": run_id, **in_effect.record()})
    folder = Path(os.environ.get("RADIOTRACE_CHECKPOINTS") or args.checkpoints) / key
    tensorboard = Path(args.tensorboard) / run_id[:12] if settings.tensorboard else None
    try:
        ema, history = fit.fit(
            detector, picked(fit.Settings, settings), fabric, folder, tensorboard, Path(args.live)
        )
    except StageError:
        if fabric.is_global_zero:
            raise
        sys.exit(1)  # every process sees every fault; one of them tells it
    if not fabric.is_global_zero:
        return
    weights = save({name: value.contiguous().cpu() for name, value in state.of(ema).items()})
    run = DetectionRun(
        run_id=run_id,
        network=spec,
        weights=n_weights,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        preprocessing=recipe.record(),
        labels=dataset.dataset.labels,
        box_counts=counts,
        params=settings,
        history=tuple(Epoch.of(row) for row in history),
        selection="the averaged weights after the last epoch",
        stopped_early=len(history) < settings.epochs,
        excluded=tuple(Exclusion.of(row) for row in split["excluded"]),
        cases=LearntCases(tuple(cases["train"].case_ids), tuple(cases["validation"].case_ids)),
        in_effect=in_effect,
    )
    with stage.output_folder(args.out) as out:
        records.write_bytes(out / "weights.safetensors", weights)
        records.write(out / "train.json", run.record(), "train_detection")
        records.write(out / "provenance.json", provenance, "provenance")
    checkpoints.forget(folder)
    say(f"train: wrote {args.out}/")


parser = argparse.ArgumentParser(
    prog="train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--boxes", required=True, help="record of the boxes")
parser.add_argument(
    "--checkpoints", required=True, help="folder of resumable states; RADIOTRACE_CHECKPOINTS overrides it"
)
parser.add_argument("--tensorboard", required=True, help="folder of TensorBoard's event files")
parser.add_argument("--live", required=True, help="folder of the curves, written anew")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
