"""Channel rules: which series of a study are the channels of one case, and how they get onto one grid.

conversion.py asks; knows of no file. A case is made of the series of one study and one frame of reference,
because only of these is it known how they lie to each other.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from radiotrace.imaging import image, volumes
from radiotrace.imaging.dicom.headers import Instance
from radiotrace.imaging.image import Grid
from radiotrace.records.conversion import Resampled
from radiotrace.records.dataset import FileGrid

SAME_GRID = 0.01  # voxels, between the places of any corner


@dataclass(frozen=True)
class ChannelRule:
    """Which series are a channel.

    Attributes:
        name: that goes into dataset.json.
        modality: of DICOM; None where any may be.
        description: that SeriesDescription must fit.
        series: SeriesInstanceUID of the one that is it, whatever else it is; None where nobody named one.
        word: that the description says, for who reads the pattern.
    """

    name: str
    modality: str | None = None
    description: re.Pattern | None = None
    series: str | None = None
    word: str | None = None

    def takes(self, series: Sequence[Instance]) -> bool:
        """Whether a series is this channel."""
        if self.series is not None:
            return any(one.series == self.series for one in series)
        if self.modality is not None and any(one.modality != self.modality for one in series):
            return False
        return self.description is None or any(self.description.search(one.description) for one in series)

    def __str__(self) -> str:
        if self.series is not None:
            return f"{self.name}={self.series}"
        said = [f"modality:{self.modality}"] if self.modality is not None else []
        if self.word is not None:
            said.append(f"{self.word!r} in SeriesDescription")
        elif self.description is not None:
            said.append(f"description:{self.description.pattern}")
        return f"{self.name}={','.join(said)}"


@dataclass(frozen=True)
class Grouped:
    """Series of one study and one frame of reference.

    Attributes:
        of_channel: UIDs of the series of each channel, in the order of the rules; sorted.
        faults: why they are no case; () where each channel has one series.
    """

    of_channel: tuple[tuple[str, ...], ...]
    faults: tuple[str, ...]

    @property
    def series(self) -> tuple[str, ...]:
        """UIDs of all of them, each once, sorted."""
        return tuple(sorted({uid for of_one in self.of_channel for uid in of_one}))


BY_DESCRIPTION = "Choose further with description:PATTERN"


def grouped(
    of_series: Mapping[str, Sequence[Instance]], rules: Sequence[ChannelRule], way_out: str = BY_DESCRIPTION
) -> list[Grouped]:
    """The series that are a channel, those of one study and frame of reference together.

    Args:
        of_series: UID -> images, of those that may be a channel.
        way_out: said where several are, or one is several channels.
    """
    by_place: dict[tuple[str, str], list[str]] = defaultdict(list)
    for uid in sorted(of_series):
        if any(rule.takes(of_series[uid]) for rule in rules):
            first = of_series[uid][0]
            by_place[first.study, first.frame_of_reference].append(uid)
    studies: dict[str, int] = defaultdict(int)
    for study, _ in by_place:
        studies[study] += 1
    made = []
    for (study, frame), uids in sorted(by_place.items()):
        of_channel = tuple(tuple(uid for uid in uids if rule.takes(of_series[uid])) for rule in rules)
        faults = _faults(of_channel, rules, way_out)
        if not frame:
            faults.append(
                "FrameOfReferenceUID is empty, so that nobody knows how the channels lie to each other"
            )
        elif studies[study] > 1 and any(not of_one for of_one in of_channel):
            faults.append(
                f"the channels of its study lie in {studies[study]} frames of reference, expected one; "
                "register them, and write them in one"
            )
        made.append(Grouped(of_channel, tuple(faults)))
    return made


def _faults(of_channel: Sequence[Sequence[str]], rules: Sequence[ChannelRule], way_out: str) -> list[str]:
    """Channels without a series, channels of several, and series of several channels."""
    faults = []
    for rule, uids in zip(rules, of_channel, strict=True):
        if not uids:
            faults.append(f"channel {rule.name}: the study has no series of {rule}; expected one")
        elif len(uids) > 1:
            faults.append(
                f"channel {rule.name}: {len(uids)} series of the study are {rule}; expected one. {way_out}"
            )
    every = [uid for uids in of_channel for uid in uids]
    if shared := sorted({uid for uid in every if every.count(uid) > 1}):
        names = [rule.name for rule, uids in zip(rules, of_channel, strict=True) if shared[0] in uids]
        faults.append(f"a series is of the channels {' and '.join(names)}; expected one of them. {way_out}")
    return faults


def onto(values_zyx: np.ndarray, own: Grid, grid: Grid) -> tuple[np.ndarray, Resampled | None]:
    """Values on another grid, interpolated linearly in the world.

    Args:
        values_zyx: on `own`.

    Returns:
        float32, (z, y, x), on `grid`, and how they got there; the values themselves, and None, where both are
        one grid.

    Raises:
        ValueError: no voxel of the grid lies in the volume.
    """
    if is_same(own, grid):
        return values_zyx, None
    volume = image.on(values_zyx.astype(np.float32), own)
    outside_value = float(values_zyx.min())
    inside = image.on(np.ones(values_zyx.shape, np.uint8), own)
    made = _resampled(volume, grid, sitk.sitkLinear, outside_value)
    is_inside = volumes.array_zyx(_resampled(inside, grid, sitk.sitkNearestNeighbor, 0)) > 0
    if not is_inside.any():
        raise ValueError("no voxel of the grid lies in its volume; expected volumes of one place")
    return volumes.array_zyx(made), Resampled(
        FileGrid.of(own.record()), "linear", outside_value, float(1 - is_inside.mean())
    )


def _resampled(volume: sitk.Image, grid: Grid, interpolator: int, outside_value: float) -> sitk.Image:
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(list(grid.size_voxels))
    resampler.SetOutputSpacing(list(grid.spacing_mm))
    resampler.SetOutputOrigin(list(grid.origin_mm))
    resampler.SetOutputDirection(list(grid.direction))
    resampler.SetInterpolator(interpolator)
    resampler.SetDefaultPixelValue(outside_value)
    return resampler.Execute(volume)


def is_same(own: Grid, grid: Grid) -> bool:
    """Whether each voxel of two grids lies at one place."""
    if own.size_voxels != grid.size_voxels:
        return False
    corners = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * (
        np.array(grid.size_voxels) - 1
    )
    places = [
        np.array(one.origin_mm)
        + corners @ (np.array(one.direction).reshape(3, 3) * np.array(one.spacing_mm)).T
        for one in (own, grid)
    ]
    return bool(np.abs(places[0] - places[1]).max() <= SAME_GRID * min(grid.spacing_mm))
