"""Stacks: which planes of a series form a volume, in which order, and on which grid; or why none does.

Only geometry decides: positions along the normal of the planes. Names of files, InstanceNumber and
SliceLocation are never looked at; SliceThickness only for a picture of one slice.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from radiotrace.imaging.dicom.headers import Instance, Plane
from radiotrace.imaging.image import Grid

SAME_PLACE_MM = 1e-3
GAP_TOLERANCE = 0.05  # of the median gap
SHEAR_TOLERANCE = 0.1  # of the smaller pixel spacing, over the whole stack
COSINE_TOLERANCE = 1e-3  # of a length from 1, and of a right angle from 0
DIGITS_DIRECTION = 4
DIGITS_SPACING = 5
ALONE_MAX = 2  # so few planes beside others of the same series are a localiser or a mistake, no volume
LOCALISER = "LOCALIZER"
SHOWN = 5  # gaps and places that a message names
# What may tell planes at the same places apart, in this order.
FIRST = ("b-value", "gradient", "time point", "trigger", "stack", "acquisition")
LAST = "acquisition time"


@dataclass(frozen=True)
class Stack:
    """A volume that is still in its files.

    Attributes:
        planes: in the order in which they are stacked, along the normal.
        grid: LPS; z runs along the normal.
        told_apart_by: names of what differs from the other volumes of its series, sorted.
        gap_deviation: largest difference of a gap from the step, as a share of it.
    """

    planes: tuple[Plane, ...]
    grid: Grid
    told_apart_by: tuple[str, ...] = ()
    gap_deviation: float = 0.0


@dataclass(frozen=True)
class Found:
    """What a series has: stacks, what is wrong, and how many planes are localisers."""

    stacks: tuple[Stack, ...]
    faults: tuple[str, ...]
    localisers: int = 0


def of_series(instances: Sequence[Instance], split_interleaved: bool = False) -> Found:
    """The stacks of one series.

    Args:
        instances: images of one SeriesInstanceUID, each SOPInstanceUID once.
        split_interleaved: cut acquisitions that interleave into a stack each, where otherwise that is a
            fault.

    Returns:
        Stacks in an order that does not depend on that of the files. Where there are faults, stacks are
        those that have none.
    """
    sizes = {instance.path: (instance.rows, instance.columns) for instance in instances}
    frame_of = {instance.path: instance.frame_of_reference for instance in instances}
    planes = [plane for instance in instances for plane in instance.planes]
    kept = [plane for plane in planes if LOCALISER not in plane.image_type]
    faults = _unplaced(kept)
    if faults:
        return Found((), tuple(faults), len(planes) - len(kept))
    groups: dict[tuple, list[Plane]] = defaultdict(list)
    for plane in kept:
        groups[(frame_of[plane.path], *sizes[plane.path], *_key(plane))].append(plane)
    if alike := _one_stack_in_two(groups):
        return Found((), tuple(alike), len(planes) - len(kept))
    stacks: list[Stack] = []
    names = _differing(list(groups))
    for key in sorted(groups):
        group = groups[key]
        if len(groups) > 1 and len(group) <= ALONE_MAX:
            faults.append(
                f"{len(group)} of {len(kept)} planes differ from the rest by {', '.join(names)}, and are too "
                f"few for a volume; expected more than {ALONE_MAX}. Take them out of the tree where they do "
                f"not belong to the series"
            )
            continue
        for part, by in _parts(group, faults, split_interleaved):
            try:
                grid, deviation = _grid(part, sizes[part[0].path])
            except ValueError as error:
                faults.append(str(error))
                continue
            stacks.append(Stack(tuple(part), grid, tuple(sorted({*names, *by})), deviation))
    return Found(tuple(stacks), tuple(faults), len(planes) - len(kept))


def _unplaced(planes: Sequence[Plane]) -> list[str]:
    """Planes that do not say where they lie, or whose directions are none."""
    faults = []
    for name, key in (
        ("position_mm", "ImagePositionPatient"),
        ("orientation", "ImageOrientationPatient"),
        ("spacing_mm", "PixelSpacing"),
    ):
        if missing := sum(getattr(plane, name) is None for plane in planes):
            faults.append(
                f"{missing} of {len(planes)} planes have no usable {key}, so that their place is not known"
            )
    if faults:
        return faults
    if wrong := sum(min(plane.spacing_mm or (0,)) <= 0 for plane in planes):
        faults.append(f"{wrong} of {len(planes)} planes have a PixelSpacing of 0 or less")
    directions = np.array([plane.orientation for plane in planes]).reshape(-1, 2, 3)
    lengths = np.abs(np.linalg.norm(directions, axis=2) - 1).max(axis=1, initial=0)
    angles = np.abs((directions[:, 0] * directions[:, 1]).sum(axis=1))
    if wrong := int(((lengths > COSINE_TOLERANCE) | (angles > COSINE_TOLERANCE)).sum()):
        faults.append(
            f"{wrong} of {len(planes)} planes have an ImageOrientationPatient that is no pair of directions "
            f"at right angles"
        )
    return faults


def _key(plane: Plane) -> tuple:
    """Planes of one stack have it in common."""
    rounded = tuple(round(cosine, DIGITS_DIRECTION) + 0.0 for cosine in plane.orientation or ())
    spacing = tuple(round(length, DIGITS_SPACING) for length in plane.spacing_mm or ())
    return rounded, spacing, plane.image_type, plane.echo


def _differing(keys: Sequence[tuple]) -> list[str]:
    """Names of what differs between groups."""
    names = (
        "frame of reference",
        "rows",
        "columns",
        "orientation",
        "pixel spacing",
        "image type",
        "echo time",
    )
    return [name for number, name in enumerate(names) if len({key[number] for key in keys}) > 1]


def _one_stack_in_two(groups: dict[tuple, list[Plane]]) -> list[str]:
    """Groups that differ only by words appended to ImageType and share no place: scanners mark some slices of
    one stack so. Each alone could pass for a stack of larger steps."""
    faults = []
    for one, other in combinations(sorted(groups), 2):
        types = one[-2], other[-2]
        shorter = min(types, key=len)
        is_same = one[:-2] == other[:-2] and one[-1] == other[-1]
        if not is_same or any(kind[: len(shorter)] != shorter for kind in types):
            continue
        places = [_along(groups[key], _normal(groups[key][0])) for key in (one, other)]
        if np.abs(np.subtract.outer(*places)).min() > SAME_PLACE_MM:
            faults.append(
                f"{len(groups[one])} and {len(groups[other])} planes differ only by words appended to "
                f"ImageType, and share no place; expected one stack. Convert the series with its "
                f"vendor's tool"
            )
    return faults


def _normal(plane: Plane) -> np.ndarray:
    directions = np.array(plane.orientation, float).reshape(2, 3)
    normal = np.cross(directions[0], directions[1])
    return normal / np.linalg.norm(normal)


def _along(planes: Sequence[Plane], normal: np.ndarray) -> np.ndarray:
    return np.array([plane.position_mm for plane in planes], float) @ normal


def _sorted(planes: Sequence[Plane]) -> list[Plane]:
    """Along the normal; nothing depends on the order of what shares a place, which is refused or cut."""
    places = _along(planes, _normal(planes[0]))
    return [planes[number] for number in sorted(range(len(planes)), key=lambda number: float(places[number]))]


def _is_once_a_place(planes: Sequence[Plane]) -> bool:
    places = np.sort(_along(planes, _normal(planes[0])))
    return bool((np.diff(places) > SAME_PLACE_MM).all())


def _parts(
    group: list[Plane], faults: list[str], split_interleaved: bool
) -> list[tuple[list[Plane], tuple[str, ...]]]:
    """A group cut into sets that have each place once, each with the names of what they were told apart by.

    Args:
        faults: is added to, where no cut does it.
    """
    values = {name: [dict(plane.further).get(name, "") for plane in group] for name in _names(group)}
    varying = [name for name, of_planes in values.items() if len(set(of_planes)) > 1]
    if _is_once_a_place(group):
        if "acquisition" in varying and _is_interleaved(group, values["acquisition"]):
            if split_interleaved:
                return _cut(group, [values["acquisition"]], ("acquisition",))
            numbers = len(set(values["acquisition"]))
            faults.append(
                f"{len(group)} planes of {numbers} acquisitions interleave; expected one acquisition, or one "
                f"after the other. Nobody knows whether they are one volume: choose with --several"
            )
            return []
        return [(_sorted(group), ())]
    for count in range(1, min(len(varying), 3) + 1):
        for names in combinations(varying, count):
            parts = _cut(group, [values[name] for name in names], names)
            if _are_alike([planes for planes, _ in parts]):
                return parts
    places = np.sort(_along(group, _normal(group[0])))
    shared = places[1:][np.diff(places) <= SAME_PLACE_MM]
    faults.append(
        f"{len(shared)} of {len(group)} planes lie where another one lies, at {_listed(shared)} mm along the "
        f"normal; expected one at each place, and no b-value, time point or acquisition tells them apart. "
        f"Take the copies out of the tree"
    )
    return []


def _names(group: Sequence[Plane]) -> list[str]:
    """Names of what the planes say further, in the order in which it is tried."""
    there = {name for plane in group for name, _ in plane.further}
    others = sorted(there - {*FIRST, LAST})
    return [name for name in (*FIRST, *others, LAST) if name in there]


def _cut(
    group: list[Plane], values: Sequence[Sequence[str]], names: tuple[str, ...]
) -> list[tuple[list[Plane], tuple[str, ...]]]:
    parts = defaultdict(list)
    for plane, key in zip(group, zip(*values, strict=True), strict=True):
        parts[key].append(plane)
    return [(_sorted(parts[key]), names) for key in sorted(parts, key=_as_numbers)]


def _as_numbers(key: tuple[str, ...]) -> tuple:
    """To sort by: 10 after 9, and words after numbers."""
    numbers = []
    for text in key:
        try:
            numbers.append((0, float(text), text))
        except ValueError:
            numbers.append((1, 0.0, text))
    return tuple(numbers)


def _are_alike(parts: Sequence[Sequence[Plane]]) -> bool:
    """Whether sets have each place once, the same places, and more than one."""
    if (
        {len(part) for part in parts} == {1}
        or len({len(part) for part in parts}) != 1
        or not all(map(_is_once_a_place, parts))
    ):
        return False
    places = np.array([_along(part, _normal(part[0])) for part in parts])
    return bool((np.ptp(places, axis=0) <= SAME_PLACE_MM).all())


def _is_interleaved(group: Sequence[Plane], numbers: Sequence[str]) -> bool:
    """Whether acquisitions of one size, two planes or more each, lie between each other."""
    places = _along(group, _normal(group[0]))
    of_number = defaultdict(list)
    for number, place in zip(numbers, places, strict=True):
        of_number[number].append(place)
    if len({len(members) for members in of_number.values()}) != 1 or len(group) < 2 * len(of_number):
        return False
    ends = sorted((min(members), max(members)) for members in of_number.values())
    return any(before[1] > after[0] for before, after in pairwise(ends))


def _grid(planes: Sequence[Plane], size: tuple[int, int]) -> tuple[Grid, float]:
    """The grid of sorted planes, and the largest deviation of a gap.

    Raises:
        ValueError: gaps differ, or the stack is sheared; its text is a finding.
    """
    first, normal = planes[0], _normal(planes[0])
    positions = np.array([plane.position_mm for plane in planes], float)
    gaps = np.diff(positions @ normal)
    if len(planes) == 1:
        if not first.thickness_mm or first.thickness_mm <= 0:
            raise ValueError("one plane alone, without SliceThickness; expected several, or a thickness")
        step, deviation = first.thickness_mm, 0.0
    else:
        step = float(gaps.mean())
        deviation = _deviation(gaps, positions @ normal)
        _check_shear(positions, normal, first)
    directions = np.array(first.orientation, float).reshape(2, 3)
    row = directions[0] / np.linalg.norm(directions[0])
    column = np.cross(normal, row)  # at right angles, where seven digits of a header are nearly so
    between_rows, between_columns = first.spacing_mm or (0.0, 0.0)
    return (
        Grid(
            size_voxels=(size[1], size[0], len(planes)),
            spacing_mm=(between_columns, between_rows, step),
            origin_mm=tuple(map(float, positions[0])),
            direction=tuple(map(float, np.column_stack([row, column, normal]).ravel())),
        ),
        deviation,
    )


def _deviation(gaps: np.ndarray, places: np.ndarray) -> float:
    """The largest deviation of a gap from the median, as a share of it.

    Raises:
        ValueError: it is too large; says how many planes are missing where gaps are whole multiples.
    """
    median = float(np.median(gaps))
    wrong = np.flatnonzero(np.abs(gaps - median) > GAP_TOLERANCE * median)
    if not len(wrong):
        return float(np.abs(gaps / median - 1).max())
    smallest = float(gaps.min())
    multiples = gaps / smallest
    where = _listed(places[wrong])
    if (np.abs(multiples - np.round(multiples)) <= GAP_TOLERANCE).all():
        n_missing = int((np.round(multiples) - 1).sum())
        raise ValueError(
            f"{n_missing} planes are missing: found gaps of {_listed(np.unique(gaps[wrong].round(4)))} mm "
            f"behind {where} mm along the normal, expected {smallest:.4g} mm everywhere. Export the "
            f"series anew"
        )
    raise ValueError(
        f"gaps are uneven: found {_listed(np.unique(gaps.round(4)))} mm, the odd ones behind {where} mm "
        f"along the normal, expected {median:.4g} mm within {GAP_TOLERANCE:.0%}. Resample the "
        f"series to even steps"
    )


def _check_shear(positions: np.ndarray, normal: np.ndarray, first: Plane) -> None:
    """Raises ValueError where planes slide over each other: then the axes are not at right angles."""
    way = positions - positions[0]
    drift = way - np.outer(way @ normal, normal)
    farthest = float(np.linalg.norm(drift, axis=1).max())
    allowed = SHEAR_TOLERANCE * min(first.spacing_mm or (0.0,))
    if farthest > allowed:
        degrees = np.degrees(np.arctan2(np.linalg.norm(drift[-1]), way[-1] @ normal))
        raise ValueError(
            f"the stack is sheared (a tilted gantry): planes slide by {farthest:.4g} mm, {degrees:.3g} "
            f"degrees, expected at most {allowed:.3g} mm. Resample the series to right angles"
        )


def _listed(values: np.ndarray) -> str:
    shown = " ".join(f"{value:.6g}" for value in values[:SHOWN])
    return shown if len(values) <= SHOWN else f"{shown} and {len(values) - SHOWN} more"
