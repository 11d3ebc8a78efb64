"""train: fits the network to the train part and follows it on the validation part.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/split/split.json
Writes  build/train/: weights.safetensors, train.json, provenance.json
        build/live/: the curves, after each epoch, as dvclive writes them
State   .checkpoints/<key>/: the state after each epoch, for a run that is killed; removed when the run ends
        execution/tensorboard/<run_id>/: event files, which hold clock times and so are no output
Params  seed, train.*
Stops   when a loss or a gradient is not finite, when gradients explode, when the validation Dice stays 0
"""

import argparse
import dataclasses
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
from radiotrace.errors import StageError
from radiotrace.imaging import bias_field, channels, parts
from radiotrace.inference import windows
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture, checkpoints, devices, fit, numerics, state
from radiotrace.learning.cases import Cases
from radiotrace.pipeline import params, runs
from radiotrace.records.dataset import Case, Dataset
from radiotrace.records.network import NetworkSpec
from radiotrace.records.sections.segmentation.train import TrainParams
from radiotrace.records.split import Split
from radiotrace.records.train import Epoch, TrainingRun
from radiotrace.records.training import InEffect, LearntCases
from radiotrace.records.typed import picked
from radiotrace.segmentation import augmentation, balance, dataset, intensities, learner, losses, preparation
from radiotrace.segmentation.learner import SegmentationLearner


def shape_faults(settings: TrainParams, multiple_zyx: tuple[int, int, int]) -> list[str]:
    """What a network that halves axes cannot take: patch and window must be multiples of this; or of one
    slice, both of them.

    Two voxels must be left at the lowest level, or instance norm has nothing to normalise; three in training,
    because oneDNN's bf16 weight gradient of a convolution over two is wrong (torch 2.13, measured in
    tests/test_numerics.py).
    """
    steps = multiple_zyx[::-1][: 2 if takes_one_slice(settings) else 3]
    faults = []
    for name, edges, least in (
        ("patch_voxels", settings.patch_voxels, 3),
        ("window_voxels", settings.window_voxels, 2),
    ):
        if any(edge % step or edge < least * step for edge, step in zip(edges, steps, strict=False)):
            alike = len(set(steps)) == 1
            multiples, from_on = (
                ", ".join(str(factor * step) for step in (steps[:1] if alike else steps))
                for factor in (1, least)
            )
            faults.append(
                f"train.{name}: found {list(edges)}, expected multiples of {multiples}"
                f"{'' if alike else ' along x, y, z'} from {from_on} on for "
                f"{settings.network} with {len(settings.features)} levels"
            )
    if takes_one_slice(settings) and settings.window_voxels[2] != 1:
        faults.append(
            f"train.window_voxels: found {list(settings.window_voxels)}, expected 1 along z, as "
            "train.patch_voxels has"
        )
    return faults


def takes_one_slice(settings: TrainParams) -> bool:
    """Whether the network sees a slice at a time."""
    return settings.patch_voxels[2] == 1


def slice_faults(settings: TrainParams, dataset: Dataset) -> list[str]:
    """Pictures of one slice, for which a patch has more."""
    if takes_one_slice(settings) or not parts.are_pictures(dataset):
        return []
    return [
        f"train.patch_voxels: found {list(settings.patch_voxels)}, expected 1 along z, and "
        "train.window_voxels likewise: the images have one slice"
    ]


def normalisation_faults(settings: TrainParams, dataset: Dataset) -> list[str]:
    """Where normalisation does not go with itself, or with what ingest has done."""
    declared, bias = channels.of_dataset(dataset.dataset), dataset.canonical.bias_field
    if isinstance(settings.normalise_by, Mapping) and sorted(settings.normalise_by) != sorted(
        str(channel.name) for channel in declared
    ):
        return []  # the names are a fault of their own
    asked = list(zip(declared, channels.of_each(declared, settings.normalise_by), strict=True))
    faults = [
        f"train.normalise_by: found labels for {channel.name}, expected image: ingest.bias_field has divided "
        "its values, so that they have no unit that all images share"
        for channel, by in asked
        if by == "labels" and bias is not None and bias_field.is_asked(bias, channel)
    ]
    if settings.normalise_within == "foreground" and all(by == "labels" for _, by in asked):
        faults.append(
            "train.normalise_within: found foreground, expected image: no channel is normalised by its own"
        )
    return faults


def label_map_faults(dataset: Dataset) -> list[str]:
    """Cases without a label map, which a segmentation learns from."""
    without = [case.case_id for case in dataset.cases if case.label_map is None]
    if not without:
        return []
    return [
        f"{len(without)} of {len(dataset.cases)} cases have no label map, such as {without[0]}; a task whose "
        "target stands in a column of cases.csv is another one (params.yaml, task)"
    ]


def balanced(
    ema, cases: dict[str, Cases[dataset.Sample]], labels: dict, recipe: Recipe, device, say
) -> Recipe:
    """The recipe, with offsets of the logits that make predicted volumes right in sum over the cases that
    balance.among takes.

    Args:
        cases: of the parts train and validation.
    """
    offsets, excess = balance.offsets(
        (windows.predict(sample.image_czyx, ema, recipe, device), sample.label_zyx)
        for sample in balance.among(cases["validation"], cases["train"])
    )
    for value, name in labels.items():
        if value != "0" and excess[int(value)] is not None:
            say(
                f"train: volume of {name} {excess[int(value)]:+.1%} in sum; its logits shifted by "
                f"{offsets[int(value)]:+.3f}"
            )
            if balance.is_at_limit(offsets[int(value)]):
                say(
                    f"train: warning: that is as far as logits of {name} may be shifted, and its volume is "
                    "not balanced: the parts are too small for it, or the network has not learnt it"
                )
    return dataclasses.replace(recipe, logit_offsets=tuple(offsets))


def network_spec(settings: TrainParams, labels: int, image_channels: int = 1) -> NetworkSpec:
    """The network that the section train asks for, for images of so many channels, with so many labels."""
    return picked(
        NetworkSpec,
        settings,
        name=settings.network,
        labels=labels,
        image_channels=image_channels,
        one_slice=takes_one_slice(settings),
    )


def fit_settings(settings: TrainParams) -> fit.Settings:
    """What learning.fit takes, out of the section train and the seed; a sample is a patch here."""
    return picked(fit.Settings, settings, samples_per_case=settings.patches_per_case)


def faults(settings: TrainParams, dataset: Dataset, labels: int, cases: dict[str, int]) -> list[str]:
    """What of the section train does not fit together, the data set, the labels, this machine, or the numbers
    of cases of the parts."""
    declared = channels.of_dataset(dataset.dataset)
    spec, hardware = network_spec(settings, labels, len(declared)), picked(devices.Hardware, settings)
    of_network = architecture.faults(spec)
    if not of_network:
        of_network = shape_faults(settings, architecture.multiple(spec))
    return [
        *of_network,
        *label_map_faults(dataset),
        *slice_faults(settings, dataset),
        *channels.faults_of_names(
            declared, "train.clip_percentiles", settings.clip_percentiles, "two numbers"
        ),
        *channels.faults_of_names(declared, "train.normalise_by", settings.normalise_by, "image or labels"),
        *normalisation_faults(settings, dataset),
        *losses.faults(picked(losses.Settings, settings), labels),
        *devices.faults(hardware),
        *fit.faults(fit_settings(settings), hardware, cases["train"], cases["validation"]),
    ]


def entries_of(dataset: Dataset, split: Split, part: str) -> list[Case]:
    """The entries of the record 'dataset' whose case is in a part of the split."""
    return [
        case
        for case in dataset.cases
        if case.case_id in split.cases and split.cases[case.case_id].part == part
    ]


def content_of(network) -> bytes:
    """The file of a network's weights."""
    return save({name: value.contiguous().cpu() for name, value in state.of(network).items()})


def write(out: Path, weights: bytes, run: TrainingRun) -> None:
    """The stage's outputs, into a new folder.

    Args:
        weights: content of the file.
    """
    records.write_bytes(out / "weights.safetensors", weights)
    records.write(out / "train.json", run.record(), "train")


def main(args):
    settings = TrainParams.of(params.load(args.params, "train", seed=True))
    instructions = numerics.configure(settings.numerics, settings.threads)
    described = Dataset.of(records.read(args.dataset, "dataset"))
    split = Split.of(records.read(args.split, "split"))
    labels = dict(split.labels)
    entries = {part: entries_of(described, split, part) for part in ("train", "validation")}
    if broken := faults(settings, described, len(labels), {part: len(entries[part]) for part in entries}):
        raise StageError("training cannot run as params.yaml says", broken, "Correct params.yaml.")
    hardware = picked(devices.Hardware, settings)
    number_format = devices.number_format(hardware)
    fabric = devices.launch(hardware)
    say = errors.log if fabric.is_global_zero else (lambda line: None)

    network_of = network_spec(settings, len(labels), len(channels.of_dataset(described.dataset)))
    inputs, choice = [args.dataset, args.split], architecture.choice(network_of)
    provenance = runs.provenance(__file__, settings.record(), args.requirements, inputs, choice)
    run_id = runs.run_id(provenance)
    network = architecture.build(network_of, settings.seed)
    recipe = preparation.recipe_of(
        settings,
        described,
        network_of,
        intensities.of_labels(
            args.volumes,
            entries["train"],
            channels.of_dataset(described.dataset),
            settings.normalise_by,
            settings.clip_percentiles,
        ),
    )
    cases = {
        part: learner.cases(args.volumes, entries[part], recipe.channels, settings.cache_mb)
        for part in entries
    }
    segmenter = SegmentationLearner(
        network=network,
        criterion=losses.build(picked(losses.Settings, settings), len(labels)).to(fabric.device),
        training=cases["train"],
        validation=cases["validation"],
        labels=labels,
        variation=picked(augmentation.Settings, settings.augmentation),
        recipe=recipe,
        device=fabric.device,
    )
    say(
        f"train: run {run_id[:12]}, {len(cases['train'])} cases, {len(cases['validation'])} for validation, "
        f"{sum(parameter.numel() for parameter in network.parameters()):,} weights, "
        f"{fabric.world_size} x {devices.name(fabric.device)} with {settings.threads} threads, "
        f"{instructions}, {number_format}"
    )
    if number_format != settings.precision and settings.numerics == "native":
        say(
            f"train: this machine has no {settings.precision}; training in {number_format} takes two to "
            f"three times as long and gives other bytes"
        )

    # Another processor or GPU rounds differently, and may lack a number format: the same run_id then has
    # other weights.
    in_effect = InEffect(devices.name(fabric.device), instructions, number_format)
    key = records.digest({"run_id": run_id, **in_effect.record()})
    folder = Path(os.environ.get("RADIOTRACE_CHECKPOINTS") or args.checkpoints) / key
    tensorboard = Path(args.tensorboard) / run_id[:12] if settings.tensorboard else None
    try:
        ema, history = fit.fit(
            segmenter, fit_settings(settings), fabric, folder, tensorboard, Path(args.live)
        )
    except StageError:
        if fabric.is_global_zero:
            raise
        sys.exit(1)  # every process sees every fault; one of them tells it
    if not fabric.is_global_zero:
        return
    if settings.balance_volumes:
        say("train: predicting the cases over which volumes are balanced")
        recipe = balanced(ema, cases, labels, recipe, fabric.device, say)
    weights = content_of(ema)
    run = TrainingRun(
        run_id=run_id,
        network=network_of,
        weights=sum(parameter.numel() for parameter in ema.parameters()),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        preprocessing=recipe.preprocessing(),
        labels=labels,
        params=settings,
        history=tuple(Epoch.of(row) for row in history),
        selection="the averaged weights after the last epoch",
        stopped_early=len(history) < settings.epochs,
        excluded=split.excluded,
        cases=LearntCases(tuple(cases["train"].case_ids), tuple(cases["validation"].case_ids)),
        in_effect=in_effect,
    )
    with stage.output_folder(args.out) as out:
        write(out, weights, run)
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
