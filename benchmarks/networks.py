"""The networks side by side: weights, seconds to train and to infer, Dice.

    python -m benchmarks.networks               # speed alone: a minute or two
    python -m benchmarks.networks --train       # and Dice: each is trained on nnU-Net's fold 0 for 12 passes,
            as a DVC experiment

Reads build/ingest/ (of 'make run' or 'make pull') and params.yaml. Seconds are medians on this machine; rerun
the whole table to compare. Dice is of the 52 cases that fold 0 holds out; --train writes each to
benchmarks/networks.csv.
"""

import argparse
import dataclasses
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks import crossval, step
from radiotrace import records
from radiotrace.inference import windows
from radiotrace.learning import architecture, grown
from radiotrace.pipeline import params
from radiotrace.records.dataset import Dataset
from radiotrace.records.sections.segmentation.train import TrainParams
from radiotrace.segmentation import learner, preparation
from stages.segmentation.train import network_spec

PATH = Path("benchmarks/networks.csv")
FIRST = "dynunet"  # the default, which the others are compared with
EPOCHS = 12  # enough to tell networks apart, in a third of the time of benchmarks.crossval


def seconds_per_case(settings: TrainParams, number: int = 20) -> float:
    """Median seconds that inference takes for a case of the example, in float32 as in evaluate."""
    described = Dataset.of(records.read("build/ingest/dataset.json", "dataset"))
    spec = network_spec(settings, len(described.dataset.labels))
    network = architecture.build(spec, settings.seed).eval()
    recipe = preparation.recipe_of(settings, described, spec, [None] * spec.image_channels)
    cases, found = (
        learner.cases("build/ingest/volumes", described.cases[:number], recipe.channels, settings.cache_mb),
        [],
    )
    for sample in cases:
        start = time.perf_counter()
        windows.predict(sample.image_czyx, network, recipe)
        found.append(time.perf_counter() - start)
    return float(np.median(found))


def trained(network: str) -> list[dict]:
    """The cases of nnU-Net's fold 0, after a training run of its own."""
    experiment = f"network-{network}"
    crossval.experiment(
        experiment,
        {"split.scheme": "nnunet", "split.fold": 0, "train.epochs": EPOCHS, "train.network": network}
        | crossval.PLAIN,
    )
    return crossval.rows_of(
        crossval.read_experiment(experiment, "metrics/cases.json")["cases"], variant=network
    )


def judged(name: str, rows: list[dict]) -> tuple[str, str]:
    """Mean Dice of a network, and its difference from FIRST, case by case; that of FIRST is empty."""
    one, other = ([row for row in rows if row["variant"] == variant] for variant in (FIRST, name))
    return f"{crossval.mean(other, 'dice'):.4f}", "" if name == FIRST else crossval.difference(one, other)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.networks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", action="store_true", help="train each, and give its Dice")
    parser.add_argument("--steps", type=int, default=30, help="training steps to time")
    args = parser.parse_args()
    settings = TrainParams.of(params.load("params.yaml", "train", seed=True))
    titles = (
        "train.network",
        "weights",
        "s a patch, training",
        "s a case, inference",
        "Dice, mean",
        f"minus {FIRST}, case by case",
    )
    lines, rows = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"], []
    labels = len(records.read("build/ingest/dataset.json", "dataset")["dataset"]["labels"])
    for name in grown.described(architecture.NAMES):
        print(f"networks: {name}", file=sys.stderr, flush=True)
        chosen = dataclasses.replace(settings, network=name, deep_supervision=None)
        weights = sum(
            parameter.numel()
            for parameter in architecture.build(network_spec(chosen, labels), 0).parameters()
        )
        training = (
            sum(np.median(seconds) for seconds in step.timings(chosen, args.steps).values())
            / settings.batch_size
        )
        inference_s, dice, minus = seconds_per_case(chosen), "", ""
        if args.train:
            rows += trained(name)
            crossval.write(PATH, rows)
            dice, minus = judged(name, rows)
        lines.append(f"| {name} | {weights:,} | {training:.3f} | {inference_s:.3f} | {dice} | {minus} |")
    print("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
