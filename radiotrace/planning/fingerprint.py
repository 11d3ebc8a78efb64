"""The fingerprint: what the planner knows of a data set, measured on the train part alone.

All values of three axes are along x, y, z of the canonical orientation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radiotrace.errors import log
from radiotrace.imaging import channels, foreground, volumes
from radiotrace.imaging.channels import Channel
from radiotrace.imaging.image import Image
from radiotrace.records.dataset import Case, Dataset, FileGrid, known

Axes = tuple[float, float, float]


def of_axes(values: np.ndarray) -> Axes:
    """As plain numbers."""
    x, y, z = values.tolist()
    return x, y, z


@dataclass(frozen=True)
class LabelOfCase:
    """A label in a case.

    Attributes:
        voxels: on the canonical grid.
        low_mm, high_mm: where its box begins and ends, from the first corner of the image.
        centre: of mass, 0 at the first corner and 1 at the last, along each axis.
        thickness_mm: diameter of the largest ball within it; in pictures, of the largest circle.
        pieces: connected components.
    """

    voxels: int
    low_mm: Axes
    high_mm: Axes
    centre: Axes
    thickness_mm: float
    pieces: int


@dataclass(frozen=True)
class CaseFingerprint:
    """A case.

    Attributes:
        size, spacing_mm: of the file, or of what ingest has cut it to, its axes in the canonical order.
        labels: name -> what is there of it; labels that are not there are left out.
        minimum, maximum: of each channel.
        labelled: share of the voxels.
        nonzero: share of the file's voxels that the box of those that are not 0 in any channel has; 1 where
            all are 0.
    """

    case_id: str
    subject_id: str
    size: tuple[int, int, int]
    spacing_mm: Axes
    labels: dict[str, LabelOfCase]
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]
    labelled: float
    nonzero: float = 1.0


@dataclass(frozen=True)
class Fingerprint:
    """The train part.

    Attributes:
        labels: names, without the background.
        in_canonical_mm: spacing that ingest resamples to; None keeps each file's own.
    """

    channels: tuple[Channel, ...]
    labels: tuple[str, ...]
    cases: tuple[CaseFingerprint, ...]
    in_canonical_mm: Axes | None

    @property
    def subjects(self) -> int:
        return len({case.subject_id for case in self.cases})

    def over_cases(self, of_case) -> np.ndarray:
        """What a function gives of each case, one row a case."""
        return np.array([of_case(case) for case in self.cases], float)

    def of_label(self, name: str) -> list[LabelOfCase]:
        """A label in the cases that have it."""
        return [case.labels[name] for case in self.cases if name in case.labels]


def measured(dataset: Dataset, split, volumes_folder: Path) -> Fingerprint:
    """The fingerprint of the train part.

    Args:
        dataset, split: the records.
        volumes_folder: of canonical volumes.
    """
    declared = channels.of_dataset(dataset.dataset)
    names = {int(value): name for value, name in split.labels.items() if value != "0"}
    entries = [
        case
        for case in dataset.cases
        if case.case_id in split.cases and split.cases[case.case_id].part == "train"
    ]
    rows = []
    for number, entry in enumerate(entries, 1):
        rows.append(of_case(entry, declared, names, dataset.canonical.orientation, volumes_folder))
        if number % 50 == 0 or number == len(entries):
            log(f"plan: {number}/{len(entries)} cases of the train part")
    return Fingerprint(declared, tuple(names.values()), tuple(rows), dataset.canonical.spacing_mm)


def of_case(
    entry: Case, declared: Sequence[Channel], names: dict[int, str], orientation: str, folder: Path
) -> CaseFingerprint:
    """The fingerprint of one case."""
    *of_channels, label_map = (
        volumes.read_canonical(folder / known(source.volume), known(source.volume_sha256))
        for source in entry.sources
    )
    image = Image.of(of_channels, declared)
    label_zyx = volumes.array_zyx(label_map)
    grid = known(entry.image.grid)
    if entry.cut_to is not None:
        grid = replace(grid, size_voxels=entry.cut_to.size_voxels)
    size, spacing = in_orientation(grid, orientation)
    labels = {
        name: of_label(label_zyx == value, label_map.GetSpacing())
        for value, name in names.items()
        if (label_zyx == value).any()
    }
    flat = image.values_czyx.reshape(len(declared), -1)
    return CaseFingerprint(
        entry.case_id,
        entry.subject_id,
        size,
        spacing,
        labels,
        tuple(flat.min(1).astype(float).tolist()),
        tuple(flat.max(1).astype(float).tolist()),
        float((label_zyx > 0).mean()),
        nonzero_share(entry, image),
    )


def nonzero_share(entry: Case, image: Image) -> float:
    """What the box of voxels that are not 0 has of a file: as ingest has found it, else as the canonical
    volume has it.

    Args:
        image: the canonical volumes.
    """
    if entry.cut_to is not None:
        return entry.cut_to.kept_share
    box = foreground.box(image.values_czyx, 0)
    return 1.0 if box is None else box.share


def in_orientation(grid: FileGrid, orientation: str) -> tuple[tuple[int, int, int], Axes]:
    """Size and spacing of a file along the axes that its volume has once it is turned."""
    header = sitk.Image([1, 1, 1], sitk.sitkUInt8)
    header.SetDirection(grid.direction)
    header.SetSpacing((1.0, 2.0, 3.0))  # which axis is which
    order = [round(number) - 1 for number in sitk.DICOMOrient(header, orientation).GetSpacing()]
    x, y, z = order
    return (
        (grid.size_voxels[x], grid.size_voxels[y], grid.size_voxels[z]),
        (grid.spacing_mm[x], grid.spacing_mm[y], grid.spacing_mm[z]),
    )


def of_label(mask_zyx: np.ndarray, spacing_mm: Sequence[float]) -> LabelOfCase:
    """A label that is there."""
    spacing, size = np.array(spacing_mm), np.array(mask_zyx.shape[::-1])
    where_xyz = np.argwhere(mask_zyx)[:, ::-1]
    low, high = where_xyz.min(0), where_xyz.max(0) + 1
    # The ball: a border of background around the box, so that an organ which the image cuts ends there.
    box = tuple(slice(begin, end) for begin, end in zip(low[::-1], high[::-1], strict=True))
    is_flat = mask_zyx.shape[0] == 1
    border = [(0, 0) if is_flat and axis == 0 else (1, 1) for axis in range(3)]
    cut_out = sitk.GetImageFromArray(np.pad(mask_zyx[box], border).astype(np.uint8))
    cut_out.SetSpacing(spacing.tolist())
    if is_flat:
        cut_out = cut_out[:, :, 0]
    distance = sitk.SignedMaurerDistanceMap(
        cut_out, insideIsPositive=True, squaredDistance=False, useImageSpacing=True
    )
    components = sitk.ConnectedComponentImageFilter()
    components.SetFullyConnected(True)
    components.Execute(cut_out)
    nearest = spacing[:2] if is_flat else spacing
    return LabelOfCase(
        len(where_xyz),
        of_axes(low * spacing),
        of_axes(high * spacing),
        of_axes((where_xyz.mean(0) + 0.5) / size),
        2 * float(sitk.GetArrayViewFromImage(distance).max()) + float(nearest.min()),
        components.GetObjectCount(),
    )
