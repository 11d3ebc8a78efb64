"""train: fits one network to outlines and survival of the train part; and, where it is asked for, a second
one to the outlines alone, to see what sharing is worth.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/split/split.json
Writes  build/train/: weights.safetensors, train.json (as a segmentation has it), hazard.json,
        provenance.json, alone.safetensors
        build/live/: the curves, after each epoch, as dvclive writes them
State   .checkpoints/<key>/: the state after each epoch, for a run that is killed; removed when the run ends
        execution/tensorboard/<run_id>/: event files, which hold clock times and so are no output
Params  seed, train.*, hazard.*
Stops   when a case has no outcome, when an image does not fit a patch, and as the training of a segmentation
"""

import argparse
import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from radiotrace.pipeline import stage

if __name__ == "__main__":
    stage.check_parameters(sys.argv)  # before torch, whose import takes seconds

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors.torch import save

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.imaging import channels
from radiotrace.inference import windows
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture, checkpoints, devices, fit, numerics, state
from radiotrace.learning.cases import Cases
from radiotrace.learning.networks.dynunet_hazard import INTERVALS
from radiotrace.pipeline import params, runs
from radiotrace.pipeline.followed import followed
from radiotrace.records.dataset import Case, Dataset, known
from radiotrace.records.network import NetworkSpec
from radiotrace.records.sections.segmentation.train import TrainParams
from radiotrace.records.sections.segmentation_survival.hazard import HazardParams
from radiotrace.records.segmentation_survival.hazard import Alone, Hazard, ToldCase
from radiotrace.records.split import Split
from radiotrace.records.train import Epoch, TrainingRun
from radiotrace.records.training import InEffect, LearntCases
from radiotrace.records.typed import picked
from radiotrace.segmentation import augmentation, balance, intensities, learner, losses, preparation
from radiotrace.segmentation.dataset import Sample
from radiotrace.segmentation.learner import SegmentationLearner
from radiotrace.segmentation_survival import joint, outcomes, telling
from radiotrace.segmentation_survival import losses as losses_of_survival
from radiotrace.segmentation_survival.learner import JointLearner, Survival
from radiotrace.segmentation_survival.outcomes import Outcomes
from radiotrace.statistics import cox

ALONE = "alone.safetensors"


@dataclass(frozen=True)
class Lesson:
    """What every network of a run learns from.

    Attributes:
        settings, hazard: the sections, and the seed.
        cases: part -> its cases.
        entries: part -> their entries of the record 'dataset', in the same order.
        outcomes: of the train part.
        labels: value -> name.
        edges: ends of the intervals of a discrete hazard.
    """

    settings: TrainParams
    hazard: HazardParams
    spec: NetworkSpec
    recipe: Recipe
    cases: Mapping[str, Cases[Sample]]
    entries: Mapping[str, Sequence[Case]]
    outcomes: Outcomes
    labels: dict[str, str]
    edges: tuple[float, ...]


def network_spec(settings: TrainParams, labels: int, image_channels: int) -> NetworkSpec:
    """The network that the section train asks for."""
    return picked(
        NetworkSpec,
        settings,
        name=settings.network,
        labels=labels,
        image_channels=image_channels,
        one_slice=False,
    )


def shape_faults(settings: TrainParams, multiple_zyx: Sequence[int], entries: Sequence[Case]) -> list[str]:
    """Patches and windows that the network cannot take, or that do not hold every image whole."""
    broken = []
    for name, edges in (("patch_voxels", settings.patch_voxels), ("window_voxels", settings.window_voxels)):
        steps = multiple_zyx[::-1]
        if any(edge % step or edge < 3 * step for edge, step in zip(edges, steps, strict=True)):
            broken.append(
                f"train.{name}: found {list(edges)}, expected multiples of {list(steps)}, thrice that at "
                "least"
            )
    largest = [0, 0, 0]
    for case in entries:
        size = known(case.image.grid).size_voxels
        largest = [max(one, other) for one, other in zip(largest, size, strict=True)]
    if any(edge > patch for edge, patch in zip(largest, settings.patch_voxels, strict=True)):
        broken.append(
            f"train.patch_voxels: found {list(settings.patch_voxels)}, expected {largest} at least, the "
            "largest image: a hazard is of a whole image"
        )
    return broken


def scale_faults(settings: TrainParams, dataset: Dataset) -> list[str]:
    """A first channel of which each image has a scale of its own, so that the network cannot see how hot a
    lesion is."""
    declared = channels.of_dataset(dataset.dataset)
    by = channels.of_each(declared, settings.normalise_by)[0]
    if by == "labels":
        return []
    return [
        f"train.normalise_by: found {by} for {declared[0].name}, expected labels: its highest value in "
        "lesions is compared among subjects"
    ]


def faults(settings: TrainParams, hazard: HazardParams, dataset: Dataset, split: Split) -> list[str]:
    """What of the sections does not fit together, the data set, the labels or this machine."""
    declared = channels.of_dataset(dataset.dataset)
    spec = network_spec(settings, len(split.labels), len(declared))
    hardware = picked(devices.Hardware, settings)
    counts = {part: len(outcomes.of_part(dataset, split, part)) for part in ("train", "validation")}
    broken = architecture.faults(spec)
    if not broken:
        broken = shape_faults(settings, architecture.multiple(spec), dataset.cases)
    without = [case.case_id for case in dataset.cases if case.label_map is None]
    if without:
        broken.append(f"{len(without)} of {len(dataset.cases)} cases have no label map, such as {without[0]}")
    if hazard.loss == "cox" and settings.accumulate * settings.devices * settings.nodes > 1:
        broken.append(
            f"hazard.loss: cox compares the cases of a step, which train.accumulate {settings.accumulate}, "
            f"train.devices {settings.devices} and train.nodes {settings.nodes} cut up; expected 1 of each, "
            "or discrete"
        )
    if hazard.loss == "discrete" and hazard.refit_ridge is not None:
        broken.append(
            f"hazard.refit_ridge: found {hazard.refit_ridge:g}, expected null for hazard.loss discrete, "
            "whose intervals were learnt with the head as it is"
        )
    if hazard.loss == "cox" and settings.batch_size < 2:
        broken.append(
            f"train.batch_size: found {settings.batch_size}, expected 2 at least for hazard.loss cox"
        )
    return [
        *broken,
        *outcomes.faults(dataset, hazard.time, hazard.event),
        *channels.faults_of_names(
            declared, "train.clip_percentiles", settings.clip_percentiles, "two numbers"
        ),
        *channels.faults_of_names(declared, "train.normalise_by", settings.normalise_by, "image or labels"),
        *scale_faults(settings, dataset),
        *losses.faults(picked(losses.Settings, settings), len(split.labels)),
        *devices.faults(hardware),
        *fit.faults(fit_settings(settings), hardware, counts["train"], counts["validation"]),
    ]


def fit_settings(settings: TrainParams) -> fit.Settings:
    """What learning.fit takes."""
    return picked(fit.Settings, settings, samples_per_case=settings.patches_per_case)


def learner_of(lesson: Lesson, device, weight: float) -> JointLearner:
    """A learner with a fresh network.

    Args:
        weight: of the loss of survival.
    """
    settings = lesson.settings
    network = joint.Joint(architecture.build(lesson.spec, settings.seed))
    outlines = SegmentationLearner(
        network=network,
        criterion=losses.build(picked(losses.Settings, settings), len(lesson.labels)).to(device),
        training=lesson.cases["train"],
        validation=lesson.cases["validation"],
        labels=lesson.labels,
        variation=picked(augmentation.Settings, settings.augmentation),
        recipe=lesson.recipe,
        device=device,
    )
    found = lesson.outcomes
    pairs = [
        outcomes.Outcome(float(time), bool(event))
        for time, event in zip(found.time, found.event, strict=True)
    ]
    return JointLearner(network, outlines, pairs, Survival(lesson.hazard.loss, weight, lesson.edges))


def refitted(ema: joint.Joint, lesson: Lesson) -> None:
    """Fits the weights of the head anew, by Cox's partial likelihood over the whole train part: steps of a
    few images only come near it. In place.

    Raises:
        StageError: there is no fit.
    """
    ridge = lesson.hazard.refit_ridge
    if ridge is None:
        return
    body, found = ema.body.cpu().eval(), lesson.outcomes
    rows = [joint.seen(sample.image_czyx, body, lesson.recipe) for sample in lesson.cases["train"]]
    fit = cox.fit(np.stack(rows), found.time, found.event, ridge=ridge)
    if fit.reason is not None:
        raise StageError(
            "the head cannot be fitted to the train part",
            [fit.reason],
            "Set hazard.refit_ridge in params.yaml to another number, or leave it empty.",
        )
    joint.weights(body).copy_(torch.from_numpy(fit.coefficients))


def balanced(ema, lesson: Lesson, device) -> Recipe:
    """The recipe, with offsets of the logits that make predicted volumes right in sum, where they are asked
    for."""
    if not lesson.settings.balance_volumes:
        return lesson.recipe
    values, _ = balance.offsets(
        (windows.predict(sample.image_czyx, ema, lesson.recipe, device), sample.label_zyx)
        for sample in balance.among(lesson.cases["validation"], lesson.cases["train"])
    )
    return replace(lesson.recipe, logit_offsets=tuple(values))


def told(ema: joint.Joint, lesson: Lesson, recipe: Recipe, volumes: str) -> dict[str, ToldCase]:
    """What a network says of the cases of both parts."""
    entries = [entry for part in lesson.entries.values() for entry in part]
    body = ema.body.cpu().eval()
    said = {}
    for entry in followed(entries, len(entries), "train"):
        said[entry.case_id], _, _ = telling.of_case(entry, volumes, body, recipe, lesson.labels)
    return dict(sorted(said.items()))


def content_of(ema: joint.Joint) -> bytes:
    """The file of a network's weights."""
    values = state.of(ema.network)
    return save({name: value.contiguous().cpu() for name, value in values.items()})


def trained(
    lesson: Lesson, fabric: Fabric, folder: Path, weight: float, args, run_id: str
) -> tuple[joint.Joint, list[dict]]:
    """A network that was fitted.

    Args:
        folder: of its checkpoints.
        weight: of the loss of survival; 0 learns the outlines alone, whose curves are not shown.
    """
    settings = lesson.settings
    is_shown = weight > 0 or not lesson.hazard.alone
    tensorboard = Path(args.tensorboard) / run_id[:12] if settings.tensorboard and is_shown else None
    live = Path(args.live) if is_shown else None
    learner_of_run = learner_of(lesson, fabric.device, weight)
    ema, history = fit.fit(learner_of_run, fit_settings(settings), fabric, folder, tensorboard, live)
    return ema, history  # pyright: ignore[reportReturnType]


def lesson_of(settings, hazard, described, split, args) -> Lesson:
    """What is learnt from."""
    labels, declared = dict(split.labels), channels.of_dataset(described.dataset)
    entries = {part: outcomes.of_part(described, split, part) for part in ("train", "validation")}
    spec = network_spec(settings, len(labels), len(declared))
    found = intensities.of_labels(
        args.volumes, entries["train"], declared, settings.normalise_by, settings.clip_percentiles
    )
    recipe = preparation.recipe_of(settings, described, spec, found)
    of_train = outcomes.of_cases(entries["train"], hazard.time, hazard.event)
    try:
        edges = losses_of_survival.edges(of_train.time, of_train.event, INTERVALS)
    except ValueError as error:
        raise StageError(
            "the train part has too few events", [str(error)], "Change split in params.yaml."
        ) from None
    return Lesson(
        settings,
        hazard,
        spec,
        recipe,
        {
            part: learner.cases(args.volumes, of_part, recipe.channels, settings.cache_mb)
            for part, of_part in entries.items()
        },
        entries,
        of_train,
        labels,
        tuple(edges.tolist()),
    )


def main(args):
    settings = TrainParams.of(params.load(args.params, "train", seed=True))
    hazard = HazardParams.of(params.load(args.params, "hazard", seed=True))
    instructions = numerics.configure(settings.numerics, settings.threads)
    described = Dataset.of(records.read(args.dataset, "dataset"))
    split = Split.of(records.read(args.split, "split"))
    if broken := faults(settings, hazard, described, split):
        raise StageError("training cannot run as params.yaml says", broken, "Correct params.yaml.")
    hardware = picked(devices.Hardware, settings)
    number_format = devices.number_format(hardware)
    fabric = devices.launch(hardware)
    say = errors.log if fabric.is_global_zero else (lambda line: None)

    lesson = lesson_of(settings, hazard, described, split, args)
    inputs, choice = [args.dataset, args.split], architecture.choice(lesson.spec)
    section = {name: value for name, value in hazard.record().items() if name != "seed"}
    decided = {**settings.record(), "hazard": section}
    provenance = runs.provenance(__file__, decided, args.requirements, inputs, choice)
    run_id = runs.run_id(provenance)
    n_events = int(lesson.outcomes.event.sum())
    say(
        f"train: run {run_id[:12]}, {len(lesson.cases['train'])} cases with {n_events} events, "
        f"{len(lesson.cases['validation'])} for validation, {devices.name(fabric.device)} with "
        f"{settings.threads} threads, {instructions}, {number_format}"
    )
    in_effect = InEffect(devices.name(fabric.device), instructions, number_format)
    root = Path(os.environ.get("RADIOTRACE_CHECKPOINTS") or args.checkpoints)
    key = {"run_id": run_id, **in_effect.record()}
    folder, folder_alone = root / records.digest(key), root / records.digest({**key, "alone": True})
    alone = None
    try:
        ema, history = trained(lesson, fabric, folder, hazard.weight, args, run_id)
        if hazard.alone:
            say("train: a second network learns the outlines alone")
            alone, _ = trained(lesson, fabric, folder_alone, 0.0, args, run_id)
    except StageError:
        if fabric.is_global_zero:
            raise
        sys.exit(1)  # every process sees every fault; one of them tells it
    if not fabric.is_global_zero:
        return
    if hazard.loss == "cox":
        refitted(ema, lesson)
    recipe = balanced(ema, lesson, fabric.device)
    weights = content_of(ema)
    run = TrainingRun(
        run_id=run_id,
        network=lesson.spec,
        weights=sum(parameter.numel() for parameter in ema.parameters()),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        preprocessing=recipe.preprocessing(),
        labels=lesson.labels,
        params=settings,
        history=tuple(Epoch.of(row) for row in history),
        selection="the averaged weights after the last epoch",
        stopped_early=len(history) < settings.epochs,
        excluded=split.excluded,
        cases=LearntCases(tuple(lesson.cases["train"].case_ids), tuple(lesson.cases["validation"].case_ids)),
        in_effect=in_effect,
    )
    of_alone, weights_alone = None, None
    if alone is not None:
        weights_alone = content_of(alone)
        digest = hashlib.sha256(weights_alone).hexdigest()
        recipe_alone = balanced(alone, lesson, fabric.device)
        said_alone = told(alone, lesson, recipe_alone, args.volumes)
        of_alone = Alone(digest, recipe_alone.logit_offsets, said_alone)
    offsets = joint.offsets(ema.body).detach().cpu().tolist()
    record = Hazard(
        run_id=run_id,
        weights_sha256=run.weights_sha256,
        params=hazard,
        n_train=len(lesson.outcomes.time),
        n_events=n_events,
        edges=lesson.edges,
        offsets=tuple(offsets) if hazard.loss == "discrete" else None,
        cases=told(ema, lesson, recipe, args.volumes),
        alone=of_alone,
    )
    with stage.output_folder(args.out) as out:
        records.write_bytes(out / "weights.safetensors", weights)
        if weights_alone is not None:
            records.write_bytes(out / ALONE, weights_alone)
        records.write(out / "train.json", run.record(), "train")
        records.write(out / "hazard.json", record.record(), "hazard")
        records.write(out / "provenance.json", provenance, "provenance")
    for used in (folder, folder_alone):
        checkpoints.forget(used)
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
