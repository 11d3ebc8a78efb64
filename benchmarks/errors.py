"""Where the test part's error lies: in the outline, in the border between labels, or in where the reference
was put.

    python -m benchmarks.errors

Reads metrics/cases.json, data/ and build/evaluate/results/predictions/ (of 'make run' or 'make pull'). Prints
mean Dice over labels and cases as it is, and as it would be if one kind of error were mended; and the cases
whose reference fits far better one voxel aside: look at those in a viewer.
"""

import argparse
import itertools
import sys

import numpy as np
from scipy import ndimage

from radiotrace import records
from radiotrace.imaging import volumes
from radiotrace.segmentation import metrics

FAR_BETTER = 0.02  # gain of mean Dice


def mended(reference_zyx: np.ndarray, prediction_zyx: np.ndarray, labels: dict[str, str]) -> dict:
    """Mean Dice over labels: as it is, and after each repair.

    Args:
        reference_zyx, prediction_zyx: label maps on one grid.

    Returns:
        "as it is"; "outline" (the prediction's labels within the reference's outline, nearest label where it
        had none); "border" (the reference's labels within the prediction's outline); "place" (the reference
        moved by at most a voxel along each axis, as fits best) and "shift", the (z, y, x) that does.
    """

    def mean_dice(reference, prediction):
        return metrics.mean_defined(metrics.dice_per_label(reference, prediction, labels).values())

    def spread(label_map):
        nearest = ndimage.distance_transform_edt(label_map == 0, return_distances=False, return_indices=True)
        return label_map[tuple(nearest)]

    shifts = sorted(itertools.product((-1, 0, 1), repeat=3), key=lambda shift: np.abs(shift).sum())
    padded = np.pad(reference_zyx, 1)
    placed = {
        shift: mean_dice(np.roll(padded, shift, (0, 1, 2))[1:-1, 1:-1, 1:-1], prediction_zyx)
        for shift in shifts
    }
    best = max(shifts, key=placed.get)
    return {
        "as it is": placed[0, 0, 0],
        "outline": mean_dice(reference_zyx, np.where(reference_zyx > 0, spread(prediction_zyx), 0)),
        "border": mean_dice(reference_zyx, np.where(prediction_zyx > 0, spread(reference_zyx), 0)),
        "place": placed[best],
        "shift": best,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.errors", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    described = records.read("build/ingest/dataset.json", "dataset")
    path_of = {case["case_id"]: f"data/{case['label_map']['path']}" for case in described["cases"]}
    found = {}
    for case in records.read("metrics/cases.json", "cases")["cases"]:
        reference, prediction = (
            volumes.array_zyx(volumes.read(path))
            for path in (path_of[case["case_id"]], f"build/evaluate/results/predictions/{case['prediction']}")
        )
        found[case["case_id"]] = mended(reference, prediction, described["dataset"]["labels"])
    print("| mended | Dice, mean |\n|---|---|")
    for kind, title in (
        ("as it is", "nothing"),
        ("border", "the border between labels"),
        ("place", "the reference's place, by a voxel"),
        ("outline", "the outline"),
    ):
        print(f"| {title} | {np.mean([row[kind] for row in found.values()]):.4f} |")
    for case_id, row in found.items():
        if row["place"] - row["as it is"] > FAR_BETTER:
            moved = " ".join(map(str, row["shift"]))
            print(
                f"\n{case_id}: Dice {row['as it is']:.3f}, but {row['place']:.3f} with the reference moved "
                f"by z y x {moved}"
            )


if __name__ == "__main__":
    sys.exit(main())
