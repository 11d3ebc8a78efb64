"""Examples: from the records of a data set and of its boxes to what a detector learns from."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radiotrace.detection import preparation
from radiotrace.detection.preparation import ImageRecipe
from radiotrace.imaging import canonical_images
from radiotrace.learning.cases import Cases
from radiotrace.records.dataset import Case, Dataset
from radiotrace.records.detection.boxes import Box, Boxes
from radiotrace.records.detection.prediction import FoundBox


@dataclass(frozen=True)
class Example:
    """An image and its boxes.

    Attributes:
        values: (c, …) float32, as the network takes it.
        corners: (n, 2 * axes) float64, in voxels of the input. labels: (n,), from 0.
    """

    values: np.ndarray
    corners: np.ndarray
    labels: np.ndarray

    @property
    def bytes(self) -> int:
        """In memory."""
        return self.values.nbytes + self.corners.nbytes + self.labels.nbytes


def names_of(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Of the labels after the first, which is none of them, by their values.

    Args:
        labels: value -> name.
    """
    return tuple(labels[value] for value in sorted(labels, key=int) if value != "0")


def axes_of(dataset: Dataset) -> int:
    """2 where every image has one slice along z, 3 otherwise; images that were not read do not count."""
    grids = [case.image.grid for case in dataset.cases if case.image.grid is not None]
    return 2 if grids and all(grid.size_voxels[2] == 1 for grid in grids) else 3


def corners_of(rows: Sequence[Box | FoundBox]) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corners, (n, 3) each, along x, y, z."""
    low = np.array([row.low_voxels for row in rows], float).reshape(-1, 3)
    high = np.array([row.high_voxels for row in rows], float).reshape(-1, 3)
    return low, high


def example(
    folder: Path | str, case: Case, boxes: Sequence[Box], names: Sequence[str], recipe: ImageRecipe
) -> Example:
    """A case as the network learns from it."""
    image = canonical_images.image(folder, case, recipe.channels)
    corners = preparation.to_input(*corners_of(boxes), recipe)
    labels = np.array([names.index(box.label) for box in boxes], int)
    return Example(preparation.prepared(image, recipe), corners, labels)


def cases(
    folder: Path | str,
    entries: Sequence[Case],
    reference: Boxes,
    names: Sequence[str],
    recipe: ImageRecipe,
    cache_mb: float,
) -> Cases[Example]:
    """The cases of a part, read when their turn comes."""

    def read(index: int) -> Example:
        entry = entries[index]
        return example(folder, entry, reference.cases[entry.case_id], names, recipe)

    return Cases([case.case_id for case in entries], read, cache_mb)


def counts(entries: Sequence[Case], reference: Boxes) -> dict[str, int]:
    """Label -> boxes in these cases, of those that there are."""
    found = Counter(box.label for case in entries for box in reference.cases[case.case_id])
    return dict(sorted(found.items()))
