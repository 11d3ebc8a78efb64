"""Whether the released model labels every case of the example as the trained one does.

Called by benchmarks.inference --all-cases. Test cases have evaluated label maps; the others are
predicted by torch, in the way in which `evaluate` does. The released model predicts all of them from their
files.
"""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from radiotrace import records
from radiotrace.imaging import channels, new_images, parts, volumes
from radiotrace.imaging.new_images import NewCase
from radiotrace.inference import released_model, sliding, windows
from radiotrace.inference.recipe import Recipe
from radiotrace.inference.sliding import Network
from radiotrace.learning import architecture, numerics, state
from radiotrace.records.dataset import Dataset
from radiotrace.records.train import TrainingRun

DATA, TRAIN = Path("data"), Path("build/train")
PREDICTIONS = Path("build/evaluate/results/predictions")


@dataclass(frozen=True)
class Agreement:
    """Of a runtime with the label maps that were evaluated or made by torch."""

    runtime: str
    cases: int
    evaluated: int
    cases_different: int
    voxels: int
    voxels_different: int
    foreground_voxels: int

    def markdown(self) -> str:
        return (
            f"| {self.runtime} | {self.cases} | {self.evaluated} | {self.voxels:,} | "
            f"{self.foreground_voxels:,} | {self.cases_different} | {self.voxels_different} |"
        )

    def sentence(self) -> str:
        return (
            f"{self.runtime}: {self.voxels_different} of {self.voxels} voxels ({self.foreground_voxels} of "
            f"them of a label) differ, in {self.cases_different} of {self.cases} cases; {self.evaluated} are "
            "held against the label map that was evaluated, the others against torch's"
        )


HEAD = (
    "| runtime | cases | against evaluated label maps | voxels | of a label | cases that differ | voxels "
    "that differ |\n|---|---|---|---|---|---|---|"
)


def trained() -> Callable:
    """The network that was trained, in torch."""
    train = TrainingRun.of(records.read(TRAIN / "train.json", "train"))
    numerics.configure(train.params.numerics, 2)
    network = architecture.build(train.network, seed=0)
    state.load(network, load_file(TRAIN / "weights.safetensors"))
    return network.eval()


def expected(images: Mapping[str, dict], evaluated: Mapping[str, dict], recipe: Recipe):
    """case_id -> label map (z, y, x), one case after the other."""
    network = trained()
    for case_id, described in sorted(images.items()):
        if row := evaluated.get(case_id):
            label_map = volumes.read_canonical(PREDICTIONS / row["prediction"], row["prediction_sha256"])
        else:
            label_map, _ = windows.segment(parts.image(described, DATA), network, recipe)
        yield case_id, volumes.array_zyx(label_map)


def table(model_folder: Path, networks: Mapping[str, Callable[[str, Path, int], Network]]) -> list[Agreement]:
    """Compares, and prints a sentence for each runtime.

    Args:
        networks: of each runtime, by its name, the model's file and threads.
    """
    dataset = Dataset.of(records.read("build/ingest/dataset.json", "dataset"))
    images = {case.case_id: {"channels": parts.described_channels(dataset, case)} for case in dataset.cases}
    evaluated = {row["case_id"]: row for row in records.read("metrics/cases.json", "cases")["cases"]}
    model = released_model.opened(model_folder)
    callables = {name: make(name, model_folder / model.record.file, 2) for name, make in networks.items()}
    counts = {name: [] for name in callables}
    begin = time.monotonic()
    for number, (case_id, reference) in enumerate(expected(images, evaluated, model.recipe), 1):
        path = DATA / images[case_id]["channels"][0]["path"]
        image = new_images.read(NewCase(case_id, (path,)), (channels.named(None),)).image
        for name, network in callables.items():
            found = volumes.array_zyx(sliding.label(image, network, model.recipe).label_map)
            counts[name].append((int((found != reference).sum()), found.size, int((reference > 0).sum())))
        if number % 20 == 0:
            print(f"{number} of {len(images)} cases, {time.monotonic() - begin:.0f} s", file=sys.stderr)
    rows = []
    for name, of_cases in counts.items():
        different, voxels, foreground = np.sum(of_cases, axis=0).tolist()
        n_different = sum(row[0] > 0 for row in of_cases)
        n_evaluated = len(evaluated.keys() & images.keys())
        rows.append(Agreement(name, len(of_cases), n_evaluated, n_different, voxels, different, foreground))
        print(rows[-1].sentence())
    print("\n".join([HEAD, *(row.markdown() for row in rows)]))
    return rows
