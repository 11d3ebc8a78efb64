"""Suspicions of validate: how many planted mistakes each finds, and how often it is wrong.

    python -m benchmarks.suspicions                             # build/ingest of the first study: 2 minutes
    python -m benchmarks.suspicions build/ingest studies/*/build/ingest

A table for each data set: `alarms` is the share of its cases, as they are, that a check warns of; `found` the
share of cases with a planted mistake that it warns of; `by any` that share of all checks together, where one
that warned of the case as it was does not count. A mistake is planted in one case at a time, the others stay
as they are. At most 40 cases are planted in, evenly chosen; where the mistake leaves an image of one value,
which `validate` refuses, it is not planted.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from radiotrace import records
from radiotrace.imaging import channels, checks, suspicions, volumes
from radiotrace.imaging.suspicions import Look
from radiotrace.records.dataset import Case, Dataset, known

PLANTED_MAX = 40


@dataclass(frozen=True, eq=False)
class Arrays:
    """A case: channels and label map, (z, y, x), and spacing in mm."""

    images: Mapping[str, np.ndarray]
    label_zyx: np.ndarray
    spacing_zyx: tuple[float, ...]

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> "Arrays":
        """With every channel changed."""
        return replace(self, images={name: change(image) for name, image in self.images.items()})


def mirrored(axis: int, case: Arrays) -> Arrays:
    """The label map mirrored along an axis."""
    return replace(case, label_zyx=np.flip(case.label_zyx, axis))


def swapped(case: Arrays) -> Arrays:
    """The first two labels exchanged."""
    first, second = np.unique(case.label_zyx)[1:3]
    exchanged = case.label_zyx.copy()
    exchanged[case.label_zyx == first], exchanged[case.label_zyx == second] = second, first
    return replace(case, label_zyx=exchanged)


def encoded(case: Arrays) -> Arrays:
    """Intensities scaled, shifted, and rounded to 64 steps, as another export of the same image has them."""
    return case.changed(
        lambda image: np.round(63 * (image - image.min()).astype(float) / (image.max() - image.min()))
    )


def moved(case: Arrays) -> Arrays:
    """Image and label map cut off by two voxels at the beginning of each axis, as another crop has them."""
    cut = tuple(slice(2 if edge > 8 else 0, None) for edge in case.label_zyx.shape)
    return replace(case.changed(lambda image: image[cut]), label_zyx=case.label_zyx[cut])


def clipped(case: Arrays) -> Arrays:
    """Intensities cut off at the 95th percentile."""
    return case.changed(lambda image: np.minimum(image, np.percentile(image, 95)))


def clipped_above_least(case: Arrays) -> Arrays:
    """Intensities cut off at the 95th percentile of those above the least: what is around a body is none of
    it."""
    return case.changed(lambda image: np.minimum(image, np.percentile(image[image > image.min()], 95)))


def emptied(case: Arrays) -> Arrays:
    """Two slices in the middle of the second axis without a signal."""

    def change(image: np.ndarray) -> np.ndarray:
        lost = image.copy()
        lost[:, image.shape[1] // 2 : image.shape[1] // 2 + 2] = image.min()
        return lost

    return case.changed(change)


def enlarged(case: Arrays) -> Arrays:
    """Every second slice of the second axis repeated, as nearest neighbours enlarge."""
    return case.changed(lambda image: np.repeat(image[:, ::2], 2, 1)[:, : image.shape[1]])


PLANTED: dict[str, tuple[str, Callable[[Arrays], Arrays]]] = {
    **{
        f"label map mirrored along {name}": ("mirrored", partial(mirrored, axis))
        for axis, name in enumerate(suspicions.AXES)
    },
    "two labels swapped": ("label_order", swapped),
    "the image again, encoded otherwise, of another subject": ("near_duplicate", encoded),
    "the image again, cropped otherwise, of another subject": ("near_duplicate", moved),
    "clipped at the 95th percentile": ("clipped", clipped),
    "clipped at that of the values above the least": ("clipped", clipped_above_least),
    "two slices empty": ("empty_slices", emptied),
    "every second slice repeated": ("repeated_slices", enlarged),
}


def read(folder: Path, case: Case, declared: tuple[channels.Channel, ...]) -> Arrays:
    """A case of build/ingest."""
    label_map = volumes.read(folder / "volumes" / known(case.label_map.volume))
    images = {
        name: volumes.array_zyx(volumes.read(folder / "volumes" / known(source.volume)))
        for name, source in checks.named_images(case, declared).items()
    }
    return Arrays(images, volumes.array_zyx(label_map), volumes.to_zyx(label_map.GetSpacing()))


def look(case: Case, arrays: Arrays) -> Look:
    return suspicions.look(case.case_id, case.subject_id, arrays.images, arrays.label_zyx, arrays.spacing_zyx)


def warned(looks: list[Look], number: int, planted: Look, check: str, names: Mapping[int, str]) -> set[str]:
    """Checks that warn of a case with a planted mistake; of a copy, beside the case it is made of."""
    if check == "near_duplicate":
        planted = replace(planted, case_id="planted", subject_id="planted")
        others = [*looks, planted]
    else:
        others = [*looks[:number], planted, *looks[number + 1 :]]
    return {
        finding.check for finding in suspicions.across(others, names) if finding.case_id == planted.case_id
    }


def rows(folder: Path) -> list[str]:
    """The table of a data set."""
    dataset = Dataset.of(records.read(folder / "dataset.json", "dataset"))
    declared = channels.of_dataset(dataset.dataset)
    names = {int(value): name for value, name in dataset.dataset.labels.items() if value != "0"}
    looks = [look(case, read(folder, case, declared)) for case in dataset.cases]
    before: dict[str, set[str]] = {seen.case_id: set() for seen in looks}
    for finding in suspicions.across(looks, names):
        before[finding.case_id].add(finding.check)
    alarms = Counter(check for checks_of_case in before.values() for check in checks_of_case)
    chosen = np.unique(np.linspace(0, len(looks) - 1, min(PLANTED_MAX, len(looks))).round().astype(int))
    made = ["| check | alarms | planted | found | by any |", "|---|---|---|---|---|"]
    for mistake, (check, plant) in PLANTED.items():
        n_found = n_any = n_planted = 0
        for number in chosen:
            case = dataset.cases[number]
            arrays = read(folder, case, declared)
            has_two = len(np.unique(arrays.label_zyx)) > 2
            is_flat = 1 in arrays.label_zyx.shape
            if (plant is swapped and not has_two) or (is_flat and mistake.endswith("along z")):
                continue
            planted = plant(arrays)
            if any(np.ptp(image) == 0 for image in planted.images.values()):
                continue
            warnings = warned(looks, number, look(case, planted), check, names)
            of_copy = check == "near_duplicate"  # a case of its own, of which nothing was said before
            n_planted += 1
            n_found += check in warnings
            n_any += bool(warnings - (set() if of_copy else before[case.case_id] - {check}))
        if n_planted:
            share, by_any = f"{n_found / n_planted:.0%} of {n_planted}", f"{n_any / n_planted:.0%}"
            made.append(f"| `{check}` | {alarms[check] / len(looks):.1%} | {mistake} | {share} | {by_any} |")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.suspicions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="*", type=Path, default=[Path("build/ingest")])
    for folder in parser.parse_args().folders:
        print(f"{folder}\n", *rows(folder), "", sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
