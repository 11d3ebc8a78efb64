"""The fine grid that a subject is painted on, in the frame of that subject, and smooth noise.

Arrays are (z, y, x). Places are mm: x to the left, y to the back, z to the head, as in DICOM; x and y are 0
in the middle of the field, z at its lower end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

PET_MM = 4.0
PET_ZYX = (64, 56, 56)
FINER = 2  # voxels of CT along an edge of one of PET
CT_MM = PET_MM / FINER
CT_ZYX = (PET_ZYX[0] * FINER, PET_ZYX[1] * FINER, PET_ZYX[2] * FINER)
HALF_FIELD_MM = PET_ZYX[1] * PET_MM / 2
FWHM_PER_SIGMA = 2.354820045  # 2 sqrt(2 ln 2)
WARP_FWHM_MM = 60.0
WARP_MM = 2.5
MARGIN_MM = 16.0  # by which warp, tilt and size may move a place

Box = tuple[slice, slice, slice]
Point = tuple[float, float, float]


def smooth_noise(rng: np.random.Generator, shape: Sequence[int], fwhm_voxels: float) -> np.ndarray:
    """Gaussian noise with mean 0 and SD 1, about as smooth as white noise behind a Gaussian filter.

    Args:
        shape: of the array; any number of axes.
        fwhm_voxels: of the filter. Where it is wide, a coarser grid is filtered and interpolated linearly.

    Returns:
        float32 of that shape.
    """
    sigma = fwhm_voxels / FWHM_PER_SIGMA
    step = max(1, int(sigma / 1.5))
    coarse = [-(-size // step) + 2 for size in shape]
    noise = rng.standard_normal(coarse, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, sigma / step, mode="wrap")
    for axis, size in enumerate(shape):
        noise = _interpolated(noise, axis, size, step)
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)


def _interpolated(array: np.ndarray, axis: int, size: int, step: int) -> np.ndarray:
    """That many values along an axis, `step` of them from each value to the next, in a straight line."""
    below, between = np.divmod(np.arange(size), step)
    weight = (between / step).astype(np.float32).reshape([-1 if n == axis else 1 for n in range(array.ndim)])
    low, high = np.take(array, below, axis), np.take(array, below + 1, axis)
    return low + (high - low) * weight


def halved(array: np.ndarray) -> np.ndarray:
    """The mean of each 2 x 2 x 2 voxels: from the grid of CT to that of PET, whose corners are the same."""
    z, y, x = (size // FINER for size in array.shape)
    return array.reshape(z, FINER, y, FINER, x, FINER).mean(axis=(1, 3, 5), dtype=np.float32)


def pet_box(box: Box) -> Box:
    """The voxels of PET that a box of the fine grid touches."""
    z, y, x = (slice(side.start // FINER, -(-side.stop // FINER)) for side in box)
    return z, y, x


def fine_box(box: Box) -> Box:
    """The voxels of the fine grid in a box of PET."""
    z, y, x = (slice(side.start * FINER, side.stop * FINER) for side in box)
    return z, y, x


def widened(box: Box, by: int, shape: Sequence[int]) -> Box:
    """The box with some voxels more on each side, within an array of that shape."""
    z, y, x = (
        slice(max(side.start - by, 0), min(side.stop + by, size))
        for side, size in zip(box, shape, strict=True)
    )
    return z, y, x


@dataclass(frozen=True)
class Space:
    """Where each voxel of the fine grid lies in the anatomy of a subject.

    Attributes:
        x, y, z: mm, float32, CT_ZYX; of a head that is turned, larger or smaller, and bent a little.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Space":
        """The space of a subject: of another size (SD 4 %), tilted (SD 2 degrees), warped (SD 2.5 mm)."""
        sides = [(np.arange(size, dtype=np.float32) - (size - 1) / 2) * CT_MM for size in CT_ZYX]
        z, y, x = np.meshgrid(*(side.astype(np.float32) for side in sides), indexing="ij")
        turned = np.stack([x, y, z], axis=-1) @ _rotation(np.clip(rng.normal(0, 2, 3), -5, 5)).T
        size = 1 + np.clip(rng.normal(0, 0.04, 3), -0.08, 0.08)
        bent = [
            turned[..., axis] / np.float32(size[axis])
            + WARP_MM * smooth_noise(rng, CT_ZYX, WARP_FWHM_MM / CT_MM)
            for axis in range(3)
        ]
        moved = np.clip(rng.normal(0, 3, 3), -6, 6).astype(np.float32)
        half_height = CT_ZYX[0] * CT_MM / 2
        return cls(bent[0] + moved[0], bent[1] + moved[1], bent[2] + moved[2] + np.float32(half_height))

    def box(self, low: Point, high: Point) -> Box:
        """The voxels among which all lie whose place is between two corners (x, y, z, mm)."""
        shifts = (HALF_FIELD_MM, HALF_FIELD_MM, 0.0)
        sides = []
        for axis, size in zip((2, 1, 0), CT_ZYX, strict=True):
            first = int((low[axis] + shifts[axis] - MARGIN_MM) / CT_MM)
            last = int((high[axis] + shifts[axis] + MARGIN_MM) / CT_MM) + 1
            first = min(max(first - first % FINER, 0), size)
            last = min(max(last + last % FINER, first), size)
            sides.append(slice(first, last))
        return sides[0], sides[1], sides[2]

    def ellipsoid(self, centre: Point, semi: Point) -> tuple[Box, np.ndarray]:
        """(box, q) of an ellipsoid along the axes: q is 0 in its centre and 1 on its surface."""
        low = tuple(at - by for at, by in zip(centre, semi, strict=True))
        high = tuple(at + by for at, by in zip(centre, semi, strict=True))
        box = self.box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
        q = sum(
            ((places[box] - np.float32(at)) / np.float32(by)) ** 2
            for places, at, by in zip((self.x, self.y, self.z), centre, semi, strict=True)
        )
        return box, np.sqrt(q)

    def tube(self, knots: Sequence[Point], radius: float) -> tuple[Box, np.ndarray]:
        """(box, distance / radius) from a line through points that rise in z (x, y, z, mm)."""
        points = np.array(knots, np.float32)
        low, high = points.min(axis=0) - radius, points.max(axis=0) + radius
        box = self.box((low[0], low[1], points[0, 2]), (high[0], high[1], points[-1, 2]))
        z = self.z[box]
        squares = sum(
            (places[box] - np.interp(z, points[:, 2], points[:, axis]).astype(np.float32)) ** 2
            for axis, places in enumerate((self.x, self.y))
        )
        distance = np.sqrt(squares) / np.float32(radius)
        return box, np.where((z >= points[0, 2]) & (z <= points[-1, 2]), distance, np.inf)


def _rotation(degrees: np.ndarray) -> np.ndarray:
    """Rotation about x, then y, then z; float32, (3, 3)."""
    turn = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        one, other = [place for place in range(3) if place != axis]
        step = np.eye(3)
        step[one, one] = step[other, other] = np.cos(angle)
        step[one, other], step[other, one] = -np.sin(angle), np.sin(angle)
        turn = step @ turn
    return turn.astype(np.float32)
