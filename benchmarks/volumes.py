"""Where volumes err: is the bias of one size or part that of another, and where does it come from?

    python -m benchmarks.volumes               # a few seconds
    python -m benchmarks.volumes --predict     # and every case of every part, with and without the balance of
            volumes: 2 minutes

Reads benchmarks/crossval/, metrics/cases.json, data/, build/ingest/, build/split/, build/train/ and
build/evaluate/results/predictions/ (of 'make run' or 'make pull'). Nothing is decided by what it prints; the
test part is looked at again, no model is.
"""

import argparse
import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks import crossval
from radiotrace import records
from radiotrace.imaging import parts, volumes
from radiotrace.inference import windows
from radiotrace.learning import trained
from radiotrace.records.dataset import Dataset
from radiotrace.records.train import TrainingRun
from radiotrace.statistics import agreement, intervals

SOURCES = {
    "held out, nnU-Net's folds": "benchmarks/crossval/nnunet.csv",
    "held out, folds by subject": "benchmarks/crossval/subjects.csv",
}


@dataclass(frozen=True)
class Pairs:
    """Volumes of one label in some cases, mm³: subject_ids and float arrays (n,)."""

    subject_ids: list[str]
    reference: np.ndarray
    prediction: np.ndarray

    @property
    def error(self) -> np.ndarray:
        return self.prediction - self.reference

    @property
    def size(self) -> np.ndarray:
        return (self.prediction + self.reference) / 2


def slope_text(found: Pairs, error: np.ndarray | None = None) -> str:
    """Slope of an error, by default the whole one, against the size, with its 95 % interval over subjects."""
    error = found.error if error is None else error
    rows = {
        str(number): agreement.slope_sums(*np.array([[size - one / 2], [size + one / 2]]), found.size.mean())
        for number, (size, one) in enumerate(zip(found.size, error, strict=True))
    }
    subject_of = dict(zip(rows, found.subject_ids, strict=True))
    row = intervals.estimate(rows, agreement.slope, subject_of)
    return f"{row['value']:z.2f}" + (
        "" if row["ci95_low"] is None else f" ({row['ci95_low']:z.2f} to {row['ci95_high']:z.2f})"
    )


def of_rows(rows: list[dict]) -> dict[str, Pairs]:
    """Label -> volumes, of rows of crossval."""
    return {
        name: Pairs(
            [row["subject_id"] for row in rows],
            *(
                np.array([row[f"{kind}_mm3_{name}"] for row in rows], float)
                for kind in ("reference", "prediction")
            ),
        )
        for name in crossval.labels(rows)
    }


def shrinkage_table(pairs_of: dict[str, dict[str, Pairs]]) -> str:
    """Spread of predicted and true volumes, their correlation, and both slopes, as Markdown.

    Where a prediction is the mean of all volumes that an image leaves possible, a reference is on average as
    large as its prediction, whatever its size (slope 1, reference on prediction), and the SD of predictions
    is r times that of references.
    """
    lines = [
        "| cases | label | n | SD of references, mm³ | SD of predictions | r | r x SD of references | "
        "reference on prediction | error on size |",
        "|---" * 9 + "|",
    ]
    for source, of_label in pairs_of.items():
        for name, found in of_label.items():
            true, predicted = found.reference.std(ddof=1), found.prediction.std(ddof=1)
            r = np.corrcoef(found.reference, found.prediction)[0, 1]
            lines.append(
                f"| {source} | {name} | {len(found.reference)} | {true:.0f} | {predicted:.0f} | "
                f"{r:.2f} | {r * true:.0f} | "
                f"{np.polyfit(found.prediction, found.reference, 1)[0]:.2f} | {slope_text(found)} |"
            )
    return "\n".join(lines)


def sources(reference_zyx: np.ndarray, prediction_zyx: np.ndarray, value: int) -> dict[str, int]:
    """What the error of a label's volume is made of, in voxels.

    Returns:
        border: taken from other labels minus given to them; outline: taken from the background minus given to
            it, together the error;
        layer: voxels of the reference that touch what is not of it, which is what one that lies a voxel too
            far in would miss.
    """
    true, predicted = reference_zyx == value, prediction_zyx == value
    other = (reference_zyx > 0) & ~true
    other_predicted = (prediction_zyx > 0) & ~predicted
    padded = np.pad(true, 1)
    inner = true.copy()
    for axis in range(true.ndim):
        for shift in (-1, 1):
            inner &= np.roll(padded, shift, axis)[(slice(1, -1),) * true.ndim]
    return {
        "border": int((predicted & other).sum() - (other_predicted & true).sum()),
        "outline": int((predicted & (reference_zyx == 0)).sum() - ((prediction_zyx == 0) & true).sum()),
        "layer": int((true & ~inner).sum()),
    }


def sources_table(cases: list[tuple[str, np.ndarray, np.ndarray]], labels: dict[str, str]) -> str:
    """Mean, SD and slope against the size of each source of a label's error, as Markdown.

    Args:
        cases: (subject_id, reference, prediction), label maps of 1 mm³ voxels.
    """
    lines = ["| label | error | mean, mm³ | SD | slope against the size |", "|---" * 5 + "|"]
    for value, name in ((int(value), name) for value, name in labels.items() if value != "0"):
        found = Pairs(
            [subject for subject, _, _ in cases],
            *(np.array([(one[which] == value).sum() for one in cases], float) for which in (1, 2)),
        )
        rows = [sources(reference, prediction, value) for _, reference, prediction in cases]
        parted = {key: np.array([row[key] for row in rows], float) for key in rows[0]}
        for title, error in (
            ("all of it", found.error),
            ("the border to the other label", parted["border"]),
            ("the outline", parted["outline"]),
            ("of a border a tenth of a voxel too far out", 0.1 * parted["layer"]),
        ):
            lines.append(
                f"| {name} | {title} | {error.mean():z.0f} | {error.std(ddof=1):.0f} | "
                f"{slope_text(found, error)} |"
            )
    return "\n".join(lines)


def balance_table(train: TrainingRun, dataset: dict, split: dict) -> str:
    """Bias and slope in every part, with and without the offsets that balance volumes, as Markdown."""
    model = trained.TrainedModel.of(train, "build/train/weights.safetensors")
    network, plain = trained.network(model), dataclasses.replace(model.recipe, logit_offsets=None)
    offsets = torch.tensor(model.recipe.logit_offsets or 0.0).view(-1, 1, 1, 1)
    lines = [
        "| part | label | error without offsets, % | with them | slope without | with them |",
        "|---" * 6 + "|",
    ]
    for part in ("train", "validation", "test"):
        counted = []
        for case in parts.cases(Dataset.of(dataset), split, part).values():
            image, reference = parts.image(case, Path("data")), parts.label_map(case, Path("data"))
            reference_zyx = volumes.array_zyx(
                volumes.canonical(reference, plain.orientation, plain.spacing_mm, is_label_map=True)
            )
            logits = windows.predict(windows.prepare(image, plain)[1], network, plain)
            counted.append(
                (
                    case["subject_id"],
                    reference_zyx,
                    logits.argmax(0).numpy(),
                    (logits + offsets).argmax(0).numpy(),
                )
            )
        for value, name in ((int(value), name) for value, name in train.labels.items() if value != "0"):
            without, balanced = (_pairs(counted, value, which) for which in (2, 3))
            bias = [f"{100 * (found.error / found.reference).mean():+z.1f}" for found in (without, balanced)]
            lines.append(
                f"| {part}, {len(counted)} cases | {name} | {' | '.join(bias)} | "
                f"{slope_text(without)} | {slope_text(balanced)} |"
            )
    return "\n".join(lines)


def _pairs(counted: list[tuple], value: int, which: int) -> Pairs:
    return Pairs(
        [row[0] for row in counted],
        *(np.array([(row[index] == value).sum() for row in counted], float) for index in (1, which)),
    )


def _tested(dataset: dict) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The test cases, as sources_table takes them."""
    path_of = {case["case_id"]: f"data/{case['label_map']['path']}" for case in dataset["cases"]}
    return [
        (
            case["subject_id"],
            *(
                volumes.array_zyx(volumes.read(path))
                for path in (
                    path_of[case["case_id"]],
                    f"build/evaluate/results/predictions/{case['prediction']}",
                )
            ),
        )
        for case in records.read("metrics/cases.json", "cases")["cases"]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.volumes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--predict", action="store_true", help="predict every case with and without the balance of volumes"
    )
    args = parser.parse_args()
    dataset = records.read("build/ingest/dataset.json", "dataset")
    tested = _tested(dataset)
    labels = dataset["dataset"]["labels"]
    of_test = {name: _pairs(tested, int(value), 2) for value, name in labels.items() if value != "0"}
    pairs_of = {source: of_rows(crossval.read(Path(path))) for source, path in SOURCES.items()} | {
        "test part, submitted model": of_test
    }
    print(shrinkage_table(pairs_of), sources_table(tested, labels), sep="\n\n")
    if args.predict:
        train, split = (
            TrainingRun.of(records.read("build/train/train.json", "train")),
            records.read("build/split/split.json", "split"),
        )
        print("", balance_table(train, dataset, split), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
