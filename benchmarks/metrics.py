"""Metrics of all cases: values and time, against MONAI's own loop and against surface-distance.

    python -m pytest -n 0 benchmarks/metrics.py --benchmark-columns=median,iqr,rounds

Reads build/ and data/ (of 'make run' or 'make pull'). The submitted model predicts each case, those that it
learnt from among them, so that these pairs serve to compare programs and no accuracy. "ours" is all that
evaluate measures of a case, on one core; "ours-two-processes" the same on two; MONAI's loop and
surface-distance compute what they have of it, on one core.
"""

from pathlib import Path

import joblib
import numpy as np
import pytest
import surface_distance
import torch
from monai.metrics import (
    ConfusionMatrixMetric,
    DiceMetric,
    HausdorffDistanceMetric,
    MeanIoU,
    SurfaceDiceMetric,
    SurfaceDistanceMetric,
)

from radiotrace import records
from radiotrace.imaging import parts, volumes
from radiotrace.inference import windows
from radiotrace.learning import numerics, trained
from radiotrace.records.dataset import Dataset
from radiotrace.records.train import TrainingRun
from radiotrace.segmentation import results

pytestmark = [pytest.mark.timeout(0), pytest.mark.filterwarnings("ignore")]
TOLERANCE_MM, OVERLAP_MIN = 1, 0.1
CONFUSION = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "precision",
    "npv": "negative predictive value",
}


@pytest.fixture(scope="module")
def train():
    return TrainingRun.of(records.read("build/train/train.json", "train"))


@pytest.fixture(scope="module")
def pairs(train) -> list[tuple]:
    """Reference and prediction (z, y, x) and spacing of each case."""
    numerics.configure(train.params.numerics, 1)
    model = trained.TrainedModel.of(train, "build/train/weights.safetensors")
    network = trained.network(model)
    dataset, split = (
        records.read(f"build/{path}.json", path.split("/")[1]) for path in ("ingest/dataset", "split/split")
    )
    found = []
    for case in (
        case
        for part in ("train", "validation", "test")
        for case in parts.cases(Dataset.of(dataset), split, part).values()
    ):
        image, reference = parts.image(case, Path("data")), parts.label_map(case, Path("data"))
        prediction, _ = windows.segment(image, network, model.recipe)
        found.append(
            (*map(volumes.array_zyx, (reference, prediction)), volumes.to_zyx(reference.GetSpacing()))
        )
    return found


def ours(pairs, labels: dict[str, str], processes: int = 1) -> list[dict]:
    each = joblib.Parallel(processes)
    return each(
        joblib.delayed(results.compare)(reference, prediction, labels, spacing, TOLERANCE_MM, OVERLAP_MIN)
        for reference, prediction, spacing in pairs
    )


def monai_s(pairs, labels: dict[str, str]) -> list[dict]:
    """By MONAI's metrics, as its tutorials use them: one-hot masks, a metric after the other."""
    count = len(labels) - 1
    plain = {"dice": DiceMetric(include_background=False), "iou": MeanIoU(include_background=False)}
    spaced = {
        "hausdorff95_mm": HausdorffDistanceMetric(percentile=95),
        "average_surface_distance_mm": SurfaceDistanceMetric(symmetric=True),
        "surface_dice": SurfaceDiceMetric([float(TOLERANCE_MM)] * count, use_subvoxels=True),
    }
    confusion = {
        name: ConfusionMatrixMetric(include_background=False, metric_name=[theirs])
        for name, theirs in CONFUSION.items()
    }
    for reference, prediction, spacing in pairs:
        # of bool, its TP is 0
        one_hot = [
            torch.stack([torch.from_numpy(one == value) for value in range(count + 1)])[None].float()
            for one in (prediction, reference)
        ]
        for metric in (*plain.values(), *confusion.values()):
            metric(*one_hot)
        for metric in spaced.values():
            metric(*one_hot, spacing=spacing)
    columns = {name: metric.get_buffer().numpy() for name, metric in (plain | spaced).items()}
    for name, metric in confusion.items():
        true_positive, false_positive, true_negative, false_negative = (
            metric.get_buffer().double().numpy().transpose(2, 0, 1)
        )
        above, below = {
            "sensitivity": (true_positive, false_negative),
            "specificity": (true_negative, false_positive),
            "ppv": (true_positive, false_positive),
            "npv": (true_negative, false_negative),
        }[name]
        columns[name] = above / (above + below)
    names = [name for value, name in labels.items() if value != "0"]
    return [
        {
            label: {name: column[case, index] for name, column in columns.items()}
            for index, label in enumerate(names)
        }
        for case in range(len(pairs))
    ]


def surface_distance_s(pairs, labels: dict[str, str]) -> list[dict]:
    def row(reference, prediction, spacing):
        distances = surface_distance.compute_surface_distances(reference, prediction, spacing)
        return {
            "dice": surface_distance.compute_dice_coefficient(reference, prediction),
            "surface_dice": surface_distance.compute_surface_dice_at_tolerance(distances, TOLERANCE_MM),
            "hausdorff95_mm": surface_distance.compute_robust_hausdorff(distances, 95),
            "average_surface_distance_mm": np.mean(
                surface_distance.compute_average_surface_distance(distances)
            ),
        }

    return [
        {
            name: row(reference == int(value), prediction == int(value), spacing)
            for value, name in labels.items()
            if value != "0"
        }
        for reference, prediction, spacing in pairs
    ]


def largest_difference(found: list[dict], others: list[dict], measure: str) -> float:
    return max(
        abs(one[label][measure] - other[label][measure])
        for one, other in zip(found, others, strict=True)
        for label in one
        if one[label][measure] is not None
    )


@pytest.fixture(scope="module")
def measured(pairs, train):
    return ours(pairs, train.labels)


@pytest.mark.parametrize(
    "measure",
    [
        "dice",
        "iou",
        "sensitivity",
        "specificity",
        "ppv",
        "npv",
        "hausdorff95_mm",
        "average_surface_distance_mm",
        "surface_dice",
    ],
)
def test_values_are_monai_s(measured, pairs, train, measure):
    # it computes in float32
    assert largest_difference(measured, monai_s(pairs[:40], train.labels) + measured[40:], measure) < 1e-4


@pytest.mark.parametrize(("measure", "tolerance"), [("dice", 1e-6), ("surface_dice", 1e-5)])
def test_values_are_those_of_surface_distance(measured, pairs, train, measure, tolerance):
    assert largest_difference(measured, surface_distance_s(pairs, train.labels), measure) < tolerance


def test_surface_distance_weights_by_area_and_so_finds_other_distances(measured, pairs, train, capsys):
    others = surface_distance_s(pairs, train.labels)
    with capsys.disabled():
        for measure in ("hausdorff95_mm", "average_surface_distance_mm"):
            print(
                f"\n{measure}: differs from surface-distance's by at most "
                f"{largest_difference(measured, others, measure):.3f}"
            )
    assert largest_difference(measured, others, "hausdorff95_mm") > 0


@pytest.mark.parametrize("program", ["ours", "ours-two-processes", "monai", "surface-distance"])
def test_time_of_all_cases(benchmark, pairs, train, program):
    call, options = {
        "ours": (ours, {}),
        "ours-two-processes": (ours, {"processes": 2}),
        "monai": (monai_s, {}),
        "surface-distance": (surface_distance_s, {}),
    }[program]
    benchmark.group = f"{len(pairs)} cases"
    assert len(benchmark.pedantic(call, (pairs, train.labels), options, rounds=3, warmup_rounds=1)) == len(
        pairs
    )
