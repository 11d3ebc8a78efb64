"""Where the time of a training step goes.

    python -m benchmarks.step [--steps 60]

Reads build/ingest/ (of 'make run' or 'make pull') and params.yaml; does what radiotrace/learning/fit.py
does in a step, with a clock between its parts. Prints the median of each part and its share of their sum, as
Markdown.
"""

import argparse
import copy
import itertools
import sys
import time
from collections.abc import Iterator

import numpy as np
import torch

from radiotrace import records
from radiotrace.learning import architecture, devices, dropout, fit, numerics
from radiotrace.learning.order import Order
from radiotrace.pipeline import params
from radiotrace.records.dataset import Dataset
from radiotrace.records.sections.segmentation.train import TrainParams
from radiotrace.records.typed import picked
from radiotrace.segmentation import augmentation, learner, losses, preparation
from radiotrace.segmentation.learner import SegmentationLearner
from stages.segmentation.train import fit_settings, network_spec

PARTS = ("data", "forward", "loss", "backward", "clipping", "optimiser", "average of weights")


def timings(settings: TrainParams, steps: int, warm_up: int = 5) -> dict[str, list[float]]:
    """Seconds of each part in each step after the warm-up, on this machine, with one process.

    Args:
        settings: the section train of params.yaml, and the seed.
    """
    described = Dataset.of(records.read("build/ingest/dataset.json", "dataset"))
    labels = dict(described.dataset.labels)
    numerics.configure(settings.numerics, settings.threads)
    of_fit = fit_settings(settings)
    fabric = devices.launch(picked(devices.Hardware, settings, devices=1, nodes=1))
    spec = network_spec(settings, len(labels))
    network = devices.placed(architecture.build(spec, settings.seed), fabric.device)
    ema = copy.deepcopy(network)
    optimizer = fit.optimizer_of(network, of_fit)
    shared, optimizer_of_all = fabric.setup(network, optimizer)
    entries = described.cases[: (steps + warm_up) * settings.batch_size]
    recipe = preparation.recipe_of(settings, described, spec, [None] * spec.image_channels)
    cases = learner.cases("build/ingest/volumes", entries, recipe.channels, settings.cache_mb)
    for index in range(len(cases)):
        cases[index]  # into the cache: only the first epoch reads a case
    segmenter = SegmentationLearner(
        network=network,
        criterion=losses.build(picked(losses.Settings, settings), len(labels)).to(fabric.device),
        training=cases,
        validation=learner.cases("build/ingest/volumes", [], recipe.channels, 0),
        labels=labels,
        variation=picked(augmentation.Settings, settings.augmentation),
        recipe=recipe,
        device=fabric.device,
    )
    drawn = steps_for_ever(
        segmenter, Order(settings.batch_size, 1, 1, settings.patches_per_case), settings.seed
    )
    network.train()
    found = {part: [] for part in PARTS}
    for step in range(steps + warm_up):
        clock = [time.perf_counter()]

        def lap(clock=clock):
            if fabric.device.type == "cuda":
                torch.cuda.synchronize()
            clock.append(time.perf_counter())

        [part] = next(drawn)
        dropout.draw(network, part.rngs)
        batch = fit.moved(part.batch, fabric)
        lap()
        optimizer.zero_grad()
        heads = shared(batch.inputs)
        lap()
        loss = segmenter.loss(heads, batch).mean()
        lap()
        fabric.backward(loss)
        lap()
        fabric.clip_gradients(
            shared, optimizer_of_all, max_norm=settings.gradient_clip, error_if_nonfinite=False
        )
        lap()
        optimizer_of_all.step()
        lap()
        fit.update_average(ema, network, step, of_fit.ema_share)
        lap()
        if step >= warm_up:
            for part, seconds in zip(PARTS, np.diff(clock), strict=True):
                found[part].append(float(seconds))
    return found


def steps_for_ever(task: fit.Learner, order: Order, seed: int) -> Iterator[list[fit.MicroBatch]]:
    """The steps of epoch 1, 2, …"""
    for epoch in itertools.count(1):
        yield from fit.micro_batches(task, order, 0, seed, epoch)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.step", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=60)
    args = parser.parse_args()
    settings = TrainParams.of(params.load("params.yaml", "train", seed=True))
    medians = {part: float(np.median(seconds)) for part, seconds in timings(settings, args.steps).items()}
    total = sum(medians.values())
    print("| part | ms | share |\n|---|---|---|")
    for part, seconds in medians.items():
        print(f"| {part} | {1000 * seconds:.1f} | {100 * seconds / total:.1f} % |")
    print(
        f"| a step of {settings.batch_size} patches | {1000 * total:.0f} | |\n| a patch | "
        f"{1000 * total / settings.batch_size:.0f} | |"
    )


if __name__ == "__main__":
    sys.exit(main())
