"""train: fits the network to the pictures of the train part and follows it on the validation part.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/split/split.json
Writes  build/train/: weights.safetensors, train.json, provenance.json
        build/live/: the curves, after each epoch, as dvclive writes them
State   .checkpoints/<key>/: the state after each epoch, for a run that is killed; removed when the run ends
        execution/tensorboard/<run_id>/: event files, which hold clock times and so are no output
Params  seed, train.*
Stops   when the data set has no classes, or images of several slices; when a loss or a gradient is not
        finite, when gradients explode, when the validation area stays undefined
"""

import argparse
import hashlib
import os
import sys
from pathlib import Path

from radiotrace.pipeline import stage

if __name__ == "__main__":
    stage.check_parameters(sys.argv)  # before torch, whose import takes seconds

from safetensors.torch import save

from radiotrace import errors, records
from radiotrace.classification import augmentation, learner, losses, networks, pictures
from radiotrace.classification.pictures import Target
from radiotrace.errors import StageError
from radiotrace.imaging import canonical_images, channels
from radiotrace.inference.picture import PictureRecipe
from radiotrace.learning import checkpoints, devices, fit, numerics, state
from radiotrace.pipeline import params, runs
from radiotrace.records.classification.network import ClassifierSpec
from radiotrace.records.classification.train import ClassificationRun, Epoch, TargetColumn
from radiotrace.records.dataset import Case, Dataset
from radiotrace.records.sections.classification.train import TrainParams
from radiotrace.records.training import InEffect, LearntCases
from radiotrace.records.typed import picked
from radiotrace.records.values import Exclusion


def network_spec(settings: TrainParams, target: Target, image_channels: int) -> ClassifierSpec:
    """The network that the section train asks for."""
    return picked(
        ClassifierSpec,
        settings,
        name=settings.network,
        outputs=target.outputs,
        image_channels=image_channels,
    )


def recipe_of(settings: TrainParams, dataset: Dataset) -> PictureRecipe:
    """How pictures are prepared for the network."""
    declared = channels.of_dataset(dataset.dataset)
    width, height = settings.input_pixels
    return PictureRecipe(
        dataset.canonical.orientation,
        dataset.canonical.spacing_mm,
        channels.normalised(declared, settings.clip_percentiles),
        (height, width),
    )


def faults(settings: TrainParams, spec: ClassifierSpec, n_drawn: int, n_validation: int) -> list[str]:
    """What of the section train does not fit together, or this machine."""
    hardware = picked(devices.Hardware, settings)
    smallest = 2 * networks.shrinks(spec)
    found = networks.faults(spec)
    if min(settings.input_pixels) * settings.enlarge < smallest:
        found.append(
            f"train.input_pixels: found {list(settings.input_pixels)}, enlarged {settings.enlarge} times; "
            f"expected {smallest} at least for {len(settings.widths)} stages of {settings.network}"
        )
    return [
        *found,
        *devices.faults(hardware),
        *fit.faults(picked(fit.Settings, settings), hardware, n_drawn, n_validation),
    ]


def classes_without(target: Target, entries: list[Case]) -> list[str]:
    """Classes of which the train part has no case."""
    there = pictures.class_counts(entries, target)
    named = target.labels.values() if target.kind == "class" else target.names
    return [f"the train part has no case of {name}" for name in named if name not in there]


def least_drawn(name: str, entries: list[Case], repeats: list[int], target: Target) -> int:
    """How often a case of a class is drawn in an epoch, at least."""
    return min(times for case, times in zip(entries, repeats, strict=True) if name in target.of(case))


def main(args):
    settings = TrainParams.of(params.load(args.params, "train", seed=True))
    instructions = numerics.configure(settings.numerics, settings.threads)
    described = Dataset.of(records.read(args.dataset, "dataset"))
    split = records.read(args.split, "split")
    if broken := pictures.faults(described):
        raise StageError("these data are nothing that a classifier learns from", broken)
    target = pictures.target_of(described)
    entries = {part: canonical_images.of_part(described, split, part) for part in ("train", "validation")}
    repeats = pictures.repeats(entries["train"], target, settings.sampling_power)
    spec = network_spec(settings, target, len(channels.of_dataset(described.dataset)))
    broken = [
        *canonical_images.preparation_faults(described, "a classifier"),
        *classes_without(target, entries["train"]),
        *faults(settings, spec, sum(repeats), len(entries["validation"])),
    ]
    if broken:
        raise StageError("training cannot run as params.yaml says", broken, "Correct params.yaml.")
    hardware = picked(devices.Hardware, settings)
    number_format = devices.number_format(hardware)
    fabric = devices.launch(hardware)
    say = errors.log if fabric.is_global_zero else (lambda line: None)

    provenance = runs.provenance(__file__, settings.record(), args.requirements, [args.dataset, args.split])
    run_id = runs.run_id(provenance)
    recipe = recipe_of(settings, described)
    cases = {
        part: pictures.cases(args.volumes, entries[part], target, recipe, settings.cache_mb)
        for part in entries
    }
    counts = pictures.class_counts(entries["train"], target)
    named = list(target.labels.values() if target.kind == "class" else target.names)
    network = networks.build(spec, settings.seed)
    classifier = learner.ClassificationLearner(
        network=network,
        criterion=losses.Criterion(
            target.kind,
            settings.focal_gamma if settings.loss == "focal" else 0.0,
            settings.label_smoothing,
            losses.weights(
                [counts[name] for name in named], len(entries["train"]), target.kind, settings.weight_power
            ),
        ),
        training=cases["train"],
        validation=cases["validation"],
        drawn=tuple(place for place, times in enumerate(repeats) for _ in range(times)),
        target=target,
        variation=picked(augmentation.Settings, settings.augmentation),
        device=fabric.device,
    )
    say(
        f"train: run {run_id[:12]}, {len(cases['train'])} cases, {len(cases['validation'])} for validation, "
        f"{sum(parameter.numel() for parameter in network.parameters()):,} weights, "
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
            classifier, picked(fit.Settings, settings), fabric, folder, tensorboard, Path(args.live)
        )
    except StageError:
        if fabric.is_global_zero:
            raise
        sys.exit(1)  # every process sees every fault; one of them tells it
    if not fabric.is_global_zero:
        return
    weights = save({name: value.contiguous().cpu() for name, value in state.of(ema).items()})
    run = ClassificationRun(
        run_id=run_id,
        network=spec,
        weights=sum(parameter.numel() for parameter in ema.parameters()),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        preprocessing=recipe.record(),
        target=TargetColumn(target.column, target.kind),
        labels=target.labels,
        class_counts=counts,
        repeats={name: least_drawn(name, entries["train"], repeats, target) for name in counts},
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
        records.write(out / "train.json", run.record(), "train_classification")
        records.write(out / "provenance.json", provenance, "provenance")
    checkpoints.forget(folder)
    say(f"train: wrote {args.out}/")


parser = argparse.ArgumentParser(
    prog="train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument(
    "--checkpoints", required=True, help="folder of resumable states; RADIOTRACE_CHECKPOINTS overrides it"
)
parser.add_argument("--tensorboard", required=True, help="folder of TensorBoard's event files")
parser.add_argument("--live", required=True, help="folder of the curves, written anew")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
