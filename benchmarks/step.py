"""Where the time of a training step goes.

    python -m benchmarks.step [--steps 60]

Reads build/ingest/ (of 'make run' or 'make pull') and params.yaml; does what stages/segmentation/train.py
does in a step, with a clock between its parts. Prints the median of each part and its share of their sum, as
Markdown.
"""

import argparse
import copy
import sys
import time

import numpy as np
import torch

from radiotrace import records
from radiotrace.imaging import volumes
from radiotrace.learning import architecture, devices, dropout, numerics
from radiotrace.pipeline import params
from radiotrace.segmentation import dataset, losses
from stages.segmentation.train import loss_settings, network_spec, update_average

PARTS = ("data", "forward", "loss", "backward", "clipping", "optimiser", "average of weights")


def timings(p: dict, steps: int, warm_up: int = 5) -> dict[str, list[float]]:
    """Seconds of each part in each step after the warm-up, on this machine, with one process.

    Args:
        p: the section train of params.yaml, and the seed.
    """
    described = records.read("build/ingest/dataset.json", "dataset")
    labels = len(described["dataset"]["labels"])
    numerics.configure(p["numerics"], p["threads"])
    fabric = devices.launch(p | {"devices": 1, "nodes": 1})
    network = architecture.build(network_spec(p, labels), p["seed"]).to(
        fabric.device, memory_format=torch.channels_last_3d
    )
    ema = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=p["learning_rate"],
        weight_decay=p["weight_decay"],
        betas=(0.9, 0.99),
        foreach=True,
    )
    loss_of = losses.build(loss_settings(p), labels).to(fabric.device)
    shared, optimizer_of_all = fabric.setup(network, optimizer)
    cases = dataset.Cases(
        "build/ingest/volumes",
        described["cases"][: (steps + warm_up) * p["batch_size"]],
        p["clip_percentiles"],
        p["cache_mb"],
    )
    for index in range(len(cases)):
        cases[index]  # into the cache: only the first epoch reads a case
    drawn = steps_for_ever(cases, dataset.Plan(p["batch_size"], 1, 1, p["patches_per_case"]), labels, p)
    network.train()
    found = {part: [] for part in PARTS}
    for step in range(steps + warm_up):
        clock = [time.perf_counter()]

        def lap(clock=clock):
            if fabric.device.type == "cuda":
                torch.cuda.synchronize()
            clock.append(time.perf_counter())

        [(_, images, targets, rngs)] = next(drawn)
        dropout.draw(network, rngs)
        lap()
        optimizer.zero_grad()
        heads = shared(images.to(fabric.device, memory_format=torch.channels_last_3d))
        lap()
        loss = loss_of(heads, targets.to(fabric.device)).mean()
        lap()
        fabric.backward(loss)
        lap()
        fabric.clip_gradients(shared, optimizer_of_all, max_norm=p["gradient_clip"], error_if_nonfinite=False)
        lap()
        optimizer_of_all.step()
        lap()
        update_average(ema, network, step, p["ema_share"])
        lap()
        if step >= warm_up:
            for part, seconds in zip(PARTS, np.diff(clock), strict=True):
                found[part].append(float(seconds))
    return found


def steps_for_ever(cases, plan, labels: int, p: dict):
    """The steps of epoch 1, 2, …"""
    epoch = 0
    while True:
        epoch += 1
        yield from dataset.epoch(
            cases, plan, 0, volumes.to_zyx(p["patch_voxels"]), labels, p["augmentation"], p["seed"], epoch
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.step", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=60)
    args = parser.parse_args()
    p = params.load("params.yaml", "train", seed=True)
    medians = {part: float(np.median(seconds)) for part, seconds in timings(p, args.steps).items()}
    total = sum(medians.values())
    print("| part | ms | share |\n|---|---|---|")
    for part, seconds in medians.items():
        print(f"| {part} | {1000 * seconds:.1f} | {100 * seconds / total:.1f} % |")
    print(
        f"| a step of {p['batch_size']} patches | {1000 * total:.0f} | |\n| a patch | "
        f"{1000 * total / p['batch_size']:.0f} | |"
    )


if __name__ == "__main__":
    sys.exit(main())
