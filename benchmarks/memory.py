"""Peak memory of drawing one epoch of patches, from 50 cases, from ten and from forty times as many.

    python -m benchmarks.memory

Reads build/ingest/ (of 'make run' or 'make pull'). Each measurement is a process of its own. The larger sets
name each of 50 cases many times: a volume is read again for each name, as those of other cases would be.
"""

import argparse
import dataclasses
import resource
import subprocess
import sys

from radiotrace import records
from radiotrace.imaging import channels, volumes
from radiotrace.learning.order import Order
from radiotrace.pipeline import params
from radiotrace.records.dataset import Dataset
from radiotrace.records.sections.segmentation.train import TrainParams
from radiotrace.records.typed import picked
from radiotrace.segmentation import augmentation, learner


def peak_mb(times: int, cache_mb: float) -> tuple[int, float]:
    """Cases drawn from, and the peak of this process's resident memory in 10^6 bytes."""
    settings = TrainParams.of(params.load("params.yaml", "train", seed=True))
    described = Dataset.of(records.read("build/ingest/dataset.json", "dataset"))
    entries = [
        dataclasses.replace(case, case_id=f"{case.case_id}-{copy}")
        for copy in range(times)
        for case in described.cases[:50]
    ]
    declared = channels.of_dataset(described.dataset)
    normalised = channels.normalised(declared, settings.clip_percentiles)
    cases = learner.cases("build/ingest/volumes", entries, normalised, cache_mb)
    patch_zyx = volumes.to_zyx(settings.patch_voxels)
    variation = picked(augmentation.Settings, settings.augmentation)
    drawn = 0
    for draws in Order(4).epoch(len(cases), seed=0, epoch=1):
        patches = [
            augmentation.draw_patch(
                cases[draw.case],
                patch_zyx,
                len(described.dataset.labels),
                variation,
                draw.generator(0, 1, cases.case_ids[draw.case]),
            )
            for draw in draws
        ]
        drawn += len(patches)
    return drawn, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.memory", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--measure",
        nargs=2,
        type=float,
        metavar=("TIMES", "CACHE_MB"),
        help="one measurement, in this process",
    )
    args = parser.parse_args()
    if args.measure:
        times, cache_mb = args.measure
        cases, peak = peak_mb(int(times), cache_mb)
        print(f"| {cases} | {cache_mb:g} | {peak:.0f} |")
        return
    print("| cases | train.cache_mb | peak memory, MB |\n|---|---|---|", flush=True)
    for cache_mb in (0, 50, 4000):
        for times in (1, 10, 40):
            subprocess.run(
                [sys.executable, "-m", "benchmarks.memory", "--measure", str(times), str(cache_mb)],
                check=True,
            )


if __name__ == "__main__":
    main()
