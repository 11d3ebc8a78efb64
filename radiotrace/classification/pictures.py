"""Pictures: from the record of a data set to what a classifier learns from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radiotrace.imaging import canonical_images, columns
from radiotrace.inference import picture
from radiotrace.inference.picture import Kind, PictureRecipe
from radiotrace.learning.cases import Cases
from radiotrace.records.dataset import Case, Dataset


@dataclass(frozen=True)
class Target:
    """What is told of a case.

    Attributes:
        column: of cases.csv.
        kind: whether a case has one class, or some of several.
        labels: value -> name; the first is what has none of the others.
    """

    column: str
    kind: Kind
    labels: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the labels after the first, each of which is told from all else."""
        return tuple(name for value, name in self.labels.items() if value != "0")

    @property
    def outputs(self) -> int:
        """Logits of the network."""
        return len(self.labels) if self.kind == "class" else len(self.names)

    def vector(self, case: Case) -> np.ndarray:
        """(outputs,) float32: 1 for what the case has."""
        has = self.of(case)
        named = self.labels.values() if self.kind == "class" else self.names
        return np.array([name in has for name in named], np.float32)

    def of(self, case: Case) -> tuple[str, ...]:
        """The classes of a case; of several those after the first, so () for none of them."""
        value = (case.values or {})[self.column]
        if isinstance(value, str):
            return (value,)
        return tuple(name for name in value if name in self.names) if isinstance(value, tuple) else ()

    def positives(self, case: Case) -> tuple[bool, ...]:
        """Whether the case has each of the names."""
        has = self.of(case)
        return tuple(name in has for name in self.names)


@dataclass(frozen=True)
class Sample:
    """A picture and what it has.

    Attributes:
        pixels_cyx: float32, as the network takes it.
        target: (outputs,) float32.
    """

    pixels_cyx: np.ndarray
    target: np.ndarray

    @property
    def bytes(self) -> int:
        """In memory."""
        return self.pixels_cyx.nbytes + self.target.nbytes


def target_of(dataset: Dataset) -> Target:
    """What is told of the cases of a data set; `faults` says whether there is such.

    Raises:
        StopIteration: no column is a target of classes.
    """
    return next(iter(_targets(dataset)))


def _targets(dataset: Dataset) -> list[Target]:
    of_columns = dataset.dataset.columns or {}
    found = []
    for name in columns.targets(of_columns):
        kind = of_columns[name].kind
        if kind in ("class", "classes"):
            found.append(Target(name, kind, dict(dataset.dataset.labels)))
    return found


def faults(dataset: Dataset) -> list[str]:
    """Why a data set cannot be learnt from; [] where it can."""
    found = []
    if not _targets(dataset):
        found.append(
            "dataset.json: columns: no target of kind class or classes; 'columns' says which column of "
            "cases.csv has the class of each case"
        )
    thick = [
        case.case_id
        for case in dataset.cases
        if case.image.grid is not None and 1 not in case.image.grid.size_voxels
    ]
    if thick:
        found.append(
            f"{len(thick)} of {len(dataset.cases)} images have several slices, such as {thick[0]}; expected "
            "pictures, of one slice each"
        )
    return found


def sample(folder: Path | str, case: Case, target: Target, recipe: PictureRecipe) -> Sample:
    """A case as the network learns from it."""
    pixels = picture.prepared(canonical_images.image(folder, case, recipe.channels), recipe)
    return Sample(pixels, target.vector(case))


def cases(
    folder: Path | str, entries: Sequence[Case], target: Target, recipe: PictureRecipe, cache_mb: float
) -> Cases[Sample]:
    """The cases of a part, read when their turn comes."""

    def read(index: int) -> Sample:
        return sample(folder, entries[index], target, recipe)

    return Cases([case.case_id for case in entries], read, cache_mb)


def repeats(entries: Sequence[Case], target: Target, power: float) -> list[int]:
    """How often each case is drawn in an epoch: the ratio of the most frequent class to its own, to a power,
    rounded; 1 for all with power 0. Of several classes that of the rarest counts.

    Source: Mahajan et al. 2018, arXiv:1805.00932, with the square root.
    """
    counts = class_counts(entries, target)
    most = max(counts.values())

    def of(case: Case) -> int:
        rarest = min((counts[name] for name in target.of(case) if name in counts), default=most)
        return max(1, round((most / rarest) ** power))

    return [of(case) for case in entries]


def class_counts(entries: Sequence[Case], target: Target) -> dict[str, int]:
    """Name -> cases of it, of those that there are."""
    named = target.labels.values() if target.kind == "class" else target.names
    counts = {name: sum(name in target.of(case) for case in entries) for name in named}
    return {name: count for name, count in counts.items() if count}
