"""Structures: masks from contours of an RTSTRUCT, by the even-odd rule at the centres of voxels.

Contours of one region in one slice are combined by exclusive or, so that an inner contour is a hole. A centre
on a left or upper edge is inside, one on a right or lower edge is not, so that regions that touch share no
voxel. `contours` runs in the child (imaging/child.py).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radiotrace.imaging.child import Limits, Refused
from radiotrace.imaging.dicom import headers
from radiotrace.imaging.image import Grid

KINDS = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
POINTS_MIN = 3
POINTS_MAX = 20_000_000  # of a file
IN_PLANE_MAX = 0.1  # slices, by which points of a contour may leave its plane
ON_SLICE_MAX = 0.1  # slices, between a contour and the nearest slice
OVERLAP_MIN = 0.02  # of the smaller contour: less is a shared edge


@dataclass(frozen=True)
class Mask:
    """A region in voxels.

    Attributes:
        voxels_zyx: bool.
        contours: how many it has.
        contours_mm3: what they enclose, by their corners, times the step between slices.
        empty_slices: between its first and last contour, which have none.
    """

    voxels_zyx: np.ndarray
    contours: int
    contours_mm3: float
    empty_slices: int


def contours(root: str, path: str, limits: Limits) -> dict[int, list[tuple[str, np.ndarray]]]:
    """Number of each region -> kind and corners of its contours, (n, 3), mm, LPS.

    Raises:
        Refused: numbers are not finite or not in threes, or are too many.
    """
    header = headers.dataset(Path(root) / path, limits, with_pixels=False)
    found: dict[int, list[tuple[str, np.ndarray]]] = {}
    n_points = 0
    for region in header.get("ROIContourSequence") or []:
        of_region = found.setdefault(int(region.ReferencedROINumber), [])
        for contour in region.get("ContourSequence") or []:
            data = contour.get("ContourData")
            values = np.array([] if data is None else data, float).ravel()
            n_points += len(values) // 3
            if len(values) % 3 or not np.isfinite(values).all() or n_points > POINTS_MAX:
                raise Refused(
                    f"contours have coordinates that are no points, or more than {POINTS_MAX} points"
                )
            of_region.append((str(contour.get("ContourGeometricType") or ""), values.reshape(-1, 3)))
    return found


def mask(of_region: Sequence[tuple[str, np.ndarray]], grid: Grid, between: str) -> Mask:
    """The voxels of one region.

    Args:
        of_region: its contours, as `contours` gives them.
        between: what to do with a contour that lies between slices: "refuse", or "nearest".

    Raises:
        ValueError: with a finding.
    """
    to_voxels = np.linalg.inv(np.array(grid.direction).reshape(3, 3) * np.array(grid.spacing_mm))
    n_slices = grid.size_voxels[2]
    on_slice: dict[int, list[np.ndarray]] = defaultdict(list)
    places: dict[int, set[float]] = defaultdict(set)
    faults: dict[str, int] = defaultdict(int)
    for kind, points in of_region:
        if kind not in KINDS or len(points) < POINTS_MIN:
            faults["are no closed contours in a plane (CLOSED_PLANAR of 3 points or more)"] += 1
            continue
        corners = (points - np.array(grid.origin_mm)) @ to_voxels.T
        place = float(corners[:, 2].mean())
        number = round(place)
        if float(np.ptp(corners[:, 2])) > 2 * IN_PLANE_MAX:
            faults["do not lie in the plane of a slice"] += 1
        elif not -0.5 <= place <= n_slices - 0.5:
            faults[f"lie outside the {n_slices} slices of the image"] += 1
        elif abs(place - number) > ON_SLICE_MAX and between == "refuse":
            faults["lie between slices; choose with --between-slices"] += 1
        else:
            number = min(max(number, 0), n_slices - 1)
            on_slice[number].append(corners[:, :2])
            places[number].add(round(place, 2))
    said = [f"{count} of {len(of_region)} contours {what}" for what, count in faults.items()]
    if crowded := sum(max(of_slice) - min(of_slice) > ON_SLICE_MAX for of_slice in places.values()):
        said.append(f"{crowded} slices have contours of several planes: they were drawn on thinner ones")
    if said:
        raise ValueError("; ".join(said))
    return _filled(on_slice, len(of_region), grid)


def _filled(on_slice: Mapping[int, Sequence[np.ndarray]], n_contours: int, grid: Grid) -> Mask:
    """Raises ValueError where contours of a slice overlap, or reach out of the image."""
    found = np.zeros(grid.size_voxels[::-1], bool)
    overlapping, outside, pixels = [], 0, 0.0
    for number in sorted(on_slice):
        singles = []
        for corners in on_slice[number]:
            filled = polygon(corners, found.shape[1:])
            singles.append(filled)
            outside += _reaches_out(corners, found.shape[1:])
        found[number] = np.logical_xor.reduce(singles)
        if _overlap(singles):
            overlapping.append(number)
        pixels += _area(on_slice[number], singles)
    faults = []
    if overlapping:
        faults.append(
            f"contours overlap in {len(overlapping)} slices and neither lies in the other, so that nobody "
            f"knows what is a hole"
        )
    if outside:
        faults.append(f"{outside} contours reach out of the image")
    if faults:
        raise ValueError("; ".join(faults))
    used = sorted(on_slice)
    empty = used[-1] - used[0] + 1 - len(used) if used else 0
    return Mask(found, n_contours, float(pixels * np.prod(grid.spacing_mm)), empty)


def polygon(corners: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The pixels whose centres a polygon encloses, by the even-odd rule.

    Args:
        corners: (n, 2), x and y in pixels; the centre of pixel (0, 0) is at 0, 0. The last is joined to the
            first.
        shape: rows and columns.

    Returns:
        bool, (row, column).
    """
    x, y = corners.T
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    counts = np.zeros((shape[0], shape[1] + 1), np.int32)
    for x0, y0, x1, y1 in zip(x, y, next_x, next_y, strict=True):
        if y0 == y1:
            continue
        low, high = (y0, y1) if y0 < y1 else (y1, y0)
        rows = np.arange(max(int(np.ceil(low)), 0), min(int(np.ceil(high)), shape[0]))
        crossings = x0 + (rows - y0) * (x1 - x0) / (y1 - y0)
        starts = np.clip(np.ceil(crossings), 0, shape[1]).astype(int)
        np.add.at(counts, (rows, starts), 1)
    return (np.cumsum(counts, axis=1)[:, :-1] % 2).astype(bool)


def _reaches_out(corners: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether a contour leaves the image by more than the half voxel that its edge has."""
    return bool((corners < -1).any() or (corners > [shape[1], shape[0]]).any())


def _overlap(singles: Sequence[np.ndarray]) -> bool:
    """Whether any two of several filled contours overlap without one lying in the other."""
    for number, one in enumerate(singles):
        for other in singles[number + 1 :]:
            shared, smaller = int((one & other).sum()), min(int(one.sum()), int(other.sum()))
            if OVERLAP_MIN * smaller < shared < (1 - OVERLAP_MIN) * smaller:
                return True
    return False


def _area(polygons: Sequence[np.ndarray], singles: Sequence[np.ndarray]) -> float:
    """Pixels that contours enclose by their corners (the shoelace formula): one that lies in an odd number of
    others counts as a hole."""
    total = 0.0
    for number, corners in enumerate(polygons):
        x, y = (corners - corners[0]).T
        area = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
        own = singles[number]
        around = sum(
            bool(own.any())
            and (own & other).sum() > own.sum() / 2
            and (other.sum(), place) > (own.sum(), number)
            for place, other in enumerate(singles)
            if place != number
        )
        total += -area if around % 2 else area
    return total
