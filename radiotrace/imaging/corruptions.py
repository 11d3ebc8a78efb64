"""Corruptions: what goes wrong with an image between patient and file, each at five fixed severities.

Every function takes the image in the units of its file. Draws (direction, place, noise) do not depend on the
strength: with generators in one state, severities of a case differ in strength alone.

Source: five fixed severities from Hendrycks and Dietterich 2019, arXiv:1903.12261; for MRI Boone et al. 2023,
doi:10.1016/j.neuroimage.2023.120289; for several modalities Di Salvo et al. 2024, arXiv:2406.17536.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from monai.transforms.intensity.array import AdjustContrast, KSpaceSpikeNoise
from scipy import ndimage

from radiotrace.imaging import volumes
from radiotrace.imaging.channels import Channel
from radiotrace.imaging.image import Image

SEVERITIES = (1, 2, 3, 4, 5)
NEEDS_SLICES = ("missing_slices",)  # what does not befall a picture of one


def names(channels: Sequence[Channel], one_slice: bool = False) -> list[str]:
    """Corruptions that an image may meet, in the order of the table: those of the modality of any of its
    channels."""
    met = {name for channel in channels for name in TABLE if meets(name, channel)}
    return [name for name in TABLE if name in met and not (one_slice and name in NEEDS_SLICES)]


def meets(name: str, channel: Channel) -> bool:
    """Whether a channel may meet a corruption, by its modality."""
    return channel.modality in TABLE[name].modalities.split()


def apply_to_channels(
    name: str, severity: int, image: Image, rng: np.random.Generator
) -> tuple[Image, tuple | None]:
    """An image with its channels corrupted, and how its content was moved.

    A movement is of the patient, and so the same in every channel. Whatever else goes wrong befalls the
    channels whose modality may meet it, all of them where none may; each by draws of its own, one after the
    other.

    Args:
        name, severity, rng: as `apply` takes them.
    """
    met = [meets(name, channel) for channel in image.channels]
    spacing_zyx, movement = volumes.to_zyx(image.grid.spacing_mm), None
    changed = []
    for image_zyx, is_met in zip(image.values_czyx, met, strict=True):
        if movement is not None:
            changed.append(moved(image_zyx, movement))
        elif is_met or not any(met):
            corrupted, movement = apply(name, severity, image_zyx, spacing_zyx, rng)
            changed.append(corrupted)
        else:
            changed.append(image_zyx.astype(np.float32))
    return image.with_values(np.stack(changed)), movement


def apply(
    name: str, severity: int, image_zyx: np.ndarray, spacing_zyx, rng: np.random.Generator
) -> tuple[np.ndarray, tuple | None]:
    """A corrupted image, and how its content was moved.

    Args:
        name: a key of TABLE.
        severity: 1 to 5; 0 leaves the image as it is.
        image_zyx: finite.
        spacing_zyx: mm.
        rng: decides direction, place and noise.

    Returns:
        The image, (z, y, x) float32, of the same shape; and the movement, for `moved_back`: None where
        nothing moved.

    Raises:
        ValueError: an unknown name or severity.
    """
    if name not in TABLE or severity not in (0, *SEVERITIES):
        raise ValueError(f"no corruption {name!r} of severity {severity!r}")
    image_zyx = image_zyx.astype(np.float32)
    if severity == 0:
        return image_zyx, None
    corruption = TABLE[name]
    corrupted = corruption.corrupt(
        image_zyx, corruption.strengths[severity - 1], np.array(spacing_zyx, float), rng
    )
    return (
        (moved(image_zyx, corrupted), corrupted)
        if isinstance(corrupted, tuple)
        else (corrupted.astype(np.float32), None)
    )


def moved(image_zyx: np.ndarray, movement: tuple) -> np.ndarray:
    """The image with its content moved; what comes in from outside is the nearest voxel at the border.

    Args:
        movement: (matrix, offset); voxel o of the result shows what was at matrix @ o + offset, in voxels.

    Returns:
        float32. Cubic, so that it stays sharp, and clipped to the image's own extremes.
    """
    shifted = ndimage.affine_transform(image_zyx.astype(np.float32), *movement, order=3, mode="nearest")
    return shifted.clip(image_zyx.min(), image_zyx.max())


def moved_back(shares: np.ndarray, movement: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Predicted shares of labels where the image was before it was moved, so that the reference need not be
    moved.

    A reference that is moved is rounded to voxels once more: that alone would cost a small organ a hundredth
    of Dice.

    Args:
        shares: (labels, z, y, x), of a moved image.
        movement: of that image.

    Returns:
        Shares (labels, z, y, x), interpolated linearly; and where they are known, (z, y, x) bool: other
        voxels had left the image.
    """
    matrix = np.linalg.inv(movement[0])
    offset = -matrix @ movement[1]
    inside = np.ones(shares.shape[1:], np.float32)
    known = ndimage.affine_transform(inside, matrix, offset, order=0, mode="grid-constant") > 0
    return np.stack(
        [ndimage.affine_transform(channel, matrix, offset, order=1, mode="nearest") for channel in shares]
    ), known


def intensity_range(image: np.ndarray) -> float:
    """99.5th minus 0.5th percentile: the "range" of the table, where a file's intensities have no unit."""
    low, high = np.percentile(image, (0.5, 99.5))
    return float(high - low)


def _extended(image: np.ndarray) -> list[int]:
    """The axes along which there is more than one voxel."""
    return [axis for axis, edge in enumerate(image.shape) if edge > 1]


def _within(image: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """A direction without what leads out of a picture."""
    return np.where(np.array(image.shape) > 1, direction, 0)


def _floor(image: np.ndarray) -> float:
    """Where no signal is: 0, or the lowest value of an image that was normalised to values below it."""
    return min(0.0, float(image.min()))


def _gaussian_noise(image, strength, spacing_zyx, rng):
    return image + strength * intensity_range(image) * rng.standard_normal(image.shape, np.float32)


def _rician_noise(image, strength, spacing_zyx, rng):
    """Gaussian noise in both channels of the receiver, of which MRI shows the magnitude: Gudbjartsson
    1995, doi:10.1002/mrm.1910340618."""
    real, imaginary = strength * intensity_range(image) * rng.standard_normal((2, *image.shape), np.float32)
    return np.hypot(image - _floor(image) + real, imaginary) + _floor(image)


def _bias_field(image, strength, spacing_zyx, rng):
    """Multiplies by strength ** p, p a random polynomial of degree 3 over the image, its largest absolute
    value 1.

    Source: Van Leemput et al. 1999, doi:10.1109/42.811270.
    """
    coefficients = rng.standard_normal((4, 4, 4))
    coefficients[(np.indices((4, 4, 4)).sum(0) > 3) | (np.indices((4, 4, 4)).sum(0) == 0)] = 0
    z, y, x = (np.linspace(-1, 1, edge) for edge in image.shape)
    field = np.polynomial.legendre.leggrid3d(z, y, x, coefficients)
    return (image - _floor(image)) * strength ** (field / np.abs(field).max()) + _floor(image)


def _motion(image, strength, spacing_zyx, rng):
    """To and fro along one axis of several voxels, once in 4 to 16 lines of k-space: ghosts and blur.

    The mean position is where the organ is.

    Source: Shaw et al. 2019, PMLR 102:427, without rotation.
    """
    axes = _extended(image)
    axis, period, phase = (
        axes[int(rng.integers(len(axes)))],
        rng.uniform(4, 16),
        rng.uniform(0, 2 * np.pi),
    )
    lines = np.arange(image.shape[axis])
    return _displaced_while_read(
        image, strength * np.sin(2 * np.pi * lines / period + phase), axis, spacing_zyx
    )


def _displaced_while_read(image, displacement_mm, axis: int, spacing_zyx):
    """Magnitude of what a scanner reconstructs when each line of k-space along an axis, lowest frequency
    first, saw the image displaced."""
    edge = image.shape[axis]
    cycles_per_mm = np.fft.fftshift(np.fft.fftfreq(edge, spacing_zyx[axis]))
    phases = np.fft.ifftshift(np.exp(-2j * np.pi * cycles_per_mm * displacement_mm))
    spectrum = np.fft.fft(image - _floor(image), axis=axis) * phases.reshape(
        [-1 if index == axis else 1 for index in range(3)]
    )
    return np.abs(np.fft.ifft(spectrum, axis=axis)) + _floor(image)


def _spike(image, strength, spacing_zyx, rng):
    """One wrong value in k-space: stripes of 3 to 7 voxels over the whole image."""
    direction = _within(image, rng.standard_normal(3))
    cycles_per_voxel = direction / np.linalg.norm(direction) * rng.uniform(0.15, 0.35)
    place = tuple(
        int(edge // 2 + np.rint(edge * cycles))
        for edge, cycles in zip(image.shape, cycles_per_voxel, strict=True)
    )
    height = np.log(max(strength * intensity_range(image) * image.size, 1e-10))
    return KSpaceSpikeNoise(place, height)(torch.from_numpy(image.astype(float))[None])[0].numpy()


def _gibbs(image, strength, spacing_zyx, rng):
    """Rings along edges, from k-space cut off at the same share of each axis.

    MONAI's GibbsNoise cuts a ball whose radius goes by the longest edge: how much it cuts would depend on the
    field of view.
    """
    spectrum = np.fft.fftn(image - _floor(image))
    for axis, edge in enumerate(image.shape):
        kept = np.abs(np.fft.fftfreq(edge)) <= (1 - strength) / 2
        spectrum *= kept.reshape([-1 if index == axis else 1 for index in range(3)])
    return np.abs(np.fft.ifftn(spectrum)) + _floor(image)


def _blur(image, strength, spacing_zyx, rng):
    """Gaussian, borders repeated: MONAI's GaussianSmooth darkens them."""
    return ndimage.gaussian_filter(image, strength / spacing_zyx, mode="nearest")


def _low_resolution(image, strength, spacing_zyx, rng):
    """Averaged over larger voxels, then interpolated linearly back."""
    for axis, edge in enumerate(image.shape):
        borders = np.linspace(0, edge, max(1, round(edge / strength)) + 1)
        inside = np.minimum(borders[1:, None], np.arange(edge) + 1) - np.maximum(
            borders[:-1, None], np.arange(edge)
        )
        average = inside.clip(0) / np.diff(borders)[:, None]
        back = [
            np.interp(np.arange(edge) + 0.5, (borders[1:] + borders[:-1]) / 2, large)
            for large in np.eye(len(average))
        ]
        image = np.moveaxis(np.tensordot(np.transpose(back) @ average, image, (1, axis)), 0, axis)
    return image


def _gamma(image, strength, spacing_zyx, rng):
    """Power law over the image's own range, darker or brighter."""
    return AdjustContrast(strength if rng.random() < 0.5 else 1 / strength)(torch.from_numpy(image)[None])[
        0
    ].numpy()


def _missing_slices(image, strength, spacing_zyx, rng):
    """Slices without signal, across the axis of the widest spacing; the first of equals."""
    axis = int(np.argmax(spacing_zyx))
    order = rng.permutation(image.shape[axis])
    missing = order[: min(max(1, round(strength * len(order))), len(order) - 1)]
    corrupted = np.moveaxis(image.copy(), axis, 0)
    corrupted[missing] = image.min()
    return np.moveaxis(corrupted, 0, axis)


def _quantum_noise(image, strength, spacing_zyx, rng):
    return image + strength * rng.standard_normal(image.shape, np.float32)


def _hounsfield_offset(image, strength, spacing_zyx, rng):
    return image + (strength if rng.random() < 0.5 else -strength)


def _rings(image, strength, spacing_zyx, rng):
    """Each detector element with an error of its own: rings, one voxel wide, around the middle of each
    slice."""
    axis = int(np.argmax(spacing_zyx)) if len(_extended(image)) == 3 else image.shape.index(1)
    height, width = (index for index in range(3) if index != axis)
    mm = [
        (np.arange(image.shape[index]) - (image.shape[index] - 1) / 2) * spacing_zyx[index]
        for index in (height, width)
    ]
    ring = np.rint(np.hypot(mm[0][:, None], mm[1]) / min(spacing_zyx[height], spacing_zyx[width])).astype(int)
    error = strength * rng.standard_normal((image.shape[axis], ring.max() + 1), np.float32)
    return image + np.moveaxis(error[:, ring], 0, axis)


def _rotation(image, strength, spacing_zyx, rng):
    """A movement: about an axis of the image through its middle, either way; a picture in its plane."""
    about = int(rng.integers(3))
    if len(_extended(image)) < 3:
        about = image.shape.index(1)
    first, second = (axis for axis in range(3) if axis != about)
    angle = np.deg2rad(strength if rng.random() < 0.5 else -strength)
    turn = np.eye(3)
    turn[first, first] = turn[second, second] = np.cos(angle)
    turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
    matrix = turn * spacing_zyx[None, :] / spacing_zyx[:, None]
    centre = (np.array(image.shape) - 1) / 2
    return matrix, centre - matrix @ centre


def _shift(image, strength, spacing_zyx, rng):
    """A movement: by a length, in any direction; of a picture, in its plane."""
    direction = _within(image, rng.standard_normal(3))
    return np.eye(3), -strength * direction / np.linalg.norm(direction) / spacing_zyx


class Corruption(NamedTuple):
    """A row of the table.

    `corrupt`: (image, strength, spacing_zyx, rng) -> the image, or a movement for `moved`.
    """

    corrupt: Callable
    modalities: str
    unit: str
    strengths: tuple[float, float, float, float, float]


# Chosen by eye and by mean Dice on the validation part of the hippocampus example, not on a test case: 1
# costs its network 0.015 at most, 5 is an image that no reader would accept. Steps about double, so that a
# curve bends between them. Those of CT alone have not been tried on a model.
TABLE = {
    #                              how it is made       who meets it    unit of the strengths       strengths
    "rician_noise": Corruption(_rician_noise, "MRI", "SD, share of range", (0.02, 0.05, 0.1, 0.2, 0.4)),
    "gaussian_noise": Corruption(_gaussian_noise, "other", "SD, share of range", (0.02, 0.05, 0.1, 0.2, 0.4)),
    "quantum_noise": Corruption(_quantum_noise, "CT", "SD, HU", (10, 20, 40, 80, 160)),
    "bias_field": Corruption(_bias_field, "MRI", "largest factor", (1.1, 1.25, 1.5, 2, 4)),
    "motion": Corruption(_motion, "MRI", "amplitude, mm", (0.25, 0.5, 1, 2, 4)),
    "spike": Corruption(_spike, "MRI", "height, share of range", (0.05, 0.1, 0.2, 0.4, 0.8)),
    "gibbs": Corruption(_gibbs, "MRI", "share of k-space cut off", (0.2, 0.35, 0.5, 0.65, 0.8)),
    "rings": Corruption(_rings, "CT", "SD, HU", (10, 20, 40, 80, 160)),
    "blur": Corruption(_blur, "MRI CT other", "SD, mm", (0.5, 0.75, 1, 1.5, 2.5)),
    "low_resolution": Corruption(_low_resolution, "MRI CT other", "voxel edges, times", (1.25, 1.5, 2, 3, 4)),
    "gamma": Corruption(_gamma, "MRI other", "exponent, or its inverse", (1.2, 1.5, 2, 3, 5)),
    "hounsfield_offset": Corruption(_hounsfield_offset, "CT", "HU, up or down", (5, 10, 25, 50, 100)),
    "rotation": Corruption(_rotation, "MRI CT other", "degrees", (2, 5, 10, 20, 45)),
    "shift": Corruption(_shift, "MRI CT other", "mm", (0.4, 1, 3, 6, 12)),
    "missing_slices": Corruption(
        _missing_slices, "MRI CT other", "share of slices", (0.03, 0.06, 0.12, 0.25, 0.5)
    ),
}
