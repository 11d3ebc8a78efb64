"""Augmentation: one random patch of one case, drawn from a generator that is handed in.

No mirroring unless asked: labels that differ by place (anterior, posterior) would swap, and organs that are
stored with one laterality would appear with the other.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from radiotrace.imaging import volumes


@dataclass(frozen=True)
class Settings:
    """How much a patch is varied: train.augmentation of params.yaml, where each value is explained."""

    affine_share: float
    rotation_degrees: float | tuple[float, float, float]
    scale_min: float
    scale_max: float
    shift_voxels: float
    foreground_share: float
    intensity: float
    mirror_axes: tuple[str, ...]


def draw_patch(
    sample, patch_zyx: tuple, labels: int, settings: Settings, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """A patch, perhaps rotated, scaled and mirrored, with its intensities varied.

    A patch that is neither rotated nor scaled is cut out voxel by voxel: it looks as the image will at
    inference.

    Args:
        sample: dataset.Sample.
        patch_zyx: edges of the patch in voxels; may exceed the image, what is outside is 0 and background. A
            patch of one slice is turned in its plane alone, and not shifted across it.
        labels: how many, with the background.
        rng: the one source of randomness.

    Returns:
        image (c, z, y, x) float32, its channels moved alike and each varied by draws of its own; and target
        (labels, z, y, x) float32: the share of each voxel that each label has, which sums to 1. Shares, not
        labels, are interpolated, so that a border stays where it is to a fraction of a voxel.
    """
    centre = _centre(sample, patch_zyx, settings, rng)
    if rng.random() < settings.affine_share:
        image, target = _resampled(
            sample, patch_zyx, labels, centre, _matrix(settings, sample.spacing_zyx, patch_zyx, rng)
        )
    else:
        image, target = _cut_out(sample, patch_zyx, labels, centre)
    may_flip = volumes.to_zyx([axis in settings.mirror_axes for axis in "xyz"])
    if mirrored := [dimension for dimension, may in enumerate(may_flip, 1) if may and rng.random() < 0.5]:
        image, target = image.flip(mirrored), target.flip(mirrored)
    return vary_intensity(image, settings.intensity, rng), target


def _centre(sample, patch_zyx, settings, rng) -> np.ndarray:
    """Centre of the patch in voxel indices: anywhere where the patch lies inside, near the middle where it
    does not fit."""
    size, patch = np.array(sample.label_zyx.shape, float), np.array(patch_zyx, float)
    lowest, highest = np.minimum(patch / 2, size / 2) - 0.5, np.maximum(size - patch / 2, size / 2) - 0.5
    centre = rng.uniform(lowest, highest)
    if rng.random() < settings.foreground_share and sample.foreground:
        of_label = sample.foreground[rng.integers(len(sample.foreground))]
        centre = np.clip(of_label[rng.integers(len(of_label))].numpy(), lowest, highest)
    shift = rng.uniform(-1, 1, 3) * settings.shift_voxels
    return centre + np.where(patch == 1, 0, shift)


def _matrix(settings, spacing_zyx, patch_zyx, rng) -> np.ndarray:
    """Linear map from patch offsets to image offsets, both in voxels: a rotation and a scaling in mm."""
    matrix = np.eye(3)
    most = settings.rotation_degrees
    angles = np.deg2rad(rng.uniform(-1, 1, 3) * (volumes.to_zyx(most) if isinstance(most, tuple) else most))
    if patch_zyx[0] == 1:
        angles[1:] = 0
    for axis, angle in enumerate(angles):
        first, second = (index for index in range(3) if index != axis)
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    matrix = matrix / rng.uniform(settings.scale_min, settings.scale_max)
    spacing = np.array(spacing_zyx)
    return matrix * spacing[None, :] / spacing[:, None]


def _cut_out(sample, patch_zyx, labels, centre) -> tuple[torch.Tensor, torch.Tensor]:
    """The patch at whole voxels, nearest to the centre."""
    patch = np.array(patch_zyx)
    start = np.rint(centre - (patch - 1) / 2).astype(int)
    low, high = np.maximum(start, 0), np.minimum(start + patch, sample.label_zyx.shape)
    high = np.maximum(low, high)
    inside = tuple(slice(*edges) for edges in zip(low, high, strict=True))
    padding = [
        int(edge)
        for axis in (2, 1, 0)
        for edge in (low[axis] - start[axis], start[axis] + patch[axis] - high[axis])
    ]
    image = F.pad(sample.image_czyx[(slice(None), *inside)], padding)
    label_zyx = F.pad(sample.label_zyx[inside], padding)
    return image, _shares(label_zyx, range(labels))


def _resampled(sample, patch_zyx, labels, centre, matrix) -> tuple[torch.Tensor, torch.Tensor]:
    """The patch through a linear map. Only the box of the image that it reaches is touched."""
    size, patch = np.array(sample.label_zyx.shape), np.array(patch_zyx)
    reach = np.abs(matrix) @ ((patch - 1) / 2)
    low = np.clip(np.floor(centre - reach), 0, size - 1).astype(int)
    high = np.clip(np.ceil(centre + reach) + 1, low + 1, size).astype(int)
    box = tuple(slice(*edges) for edges in zip(low, high, strict=True))
    label_zyx = sample.label_zyx[box]
    image_czyx = sample.image_czyx[(slice(None), *box)]
    together = torch.cat([image_czyx, _shares(label_zyx, range(1, labels))])
    grid = _sampling_grid(centre - low, matrix, patch_zyx, label_zyx.shape)
    # A slice at a time, as if it were a sample of its own: torch shares out only samples among the threads.
    slices = together.expand(patch_zyx[0], -1, -1, -1, -1)
    sampled = (
        F.grid_sample(slices, grid.movedim(1, 0), "bilinear", "zeros", align_corners=True)[:, :, 0]
        .movedim(0, 1)
        .contiguous()
    )
    n_channels = len(image_czyx)
    shares = sampled[n_channels:]
    return sampled[:n_channels], torch.cat([1 - shares.sum(0, keepdim=True), shares])


def _shares(label_zyx: torch.Tensor, labels: range) -> torch.Tensor:
    """1 where a voxel has a label, else 0: (labels, z, y, x) float32."""
    return (label_zyx == torch.tensor(labels, dtype=label_zyx.dtype)[:, None, None, None]).float()


def _sampling_grid(centre, matrix, patch_zyx, shape_zyx) -> torch.Tensor:
    """Positions for grid_sample, (1, z, y, x, 3), its last axis x, y, z and its unit half an image minus
    half a voxel."""
    half = (np.maximum(np.array(shape_zyx, float), 2) - 1) / 2
    scaled = torch.from_numpy(matrix / half[:, None]).float()
    start = torch.from_numpy(centre / half - 1).float()
    offsets = [torch.arange(edge, dtype=torch.float32) - (edge - 1) / 2 for edge in patch_zyx]
    axes = [
        start[axis]
        + scaled[axis, 0] * offsets[0][:, None, None]
        + scaled[axis, 1] * offsets[1][None, :, None]
        + scaled[axis, 2] * offsets[2][None, None, :]
        for axis in (2, 1, 0)
    ]
    return torch.stack(axes, -1)[None]


def vary_intensity(image_czyx: torch.Tensor, strength: float, rng: np.random.Generator) -> torch.Tensor:
    """Each channel varied by draws of its own, one after the other: sequences of one patient are made one by
    one, and what befalls one need not befall the next."""
    return torch.cat([_varied(channel[None], strength, rng) for channel in image_czyx])


def _varied(image_czyx: torch.Tensor, strength: float, rng: np.random.Generator) -> torch.Tensor:
    """Noise, blur, brightness, contrast, low resolution and gamma, each with a chance of its own; of one
    channel.

    The chances and ranges are nnU-Net's, times `strength` for the chances; 0 leaves the image as it is.

    Source: Isensee et al. 2021, supplement 3.4, doi:10.1038/s41592-020-01008-z.
    """

    def happens(chance):
        return rng.random() < chance * strength

    if happens(0.15):
        noise = rng.standard_normal(image_czyx.shape, np.float32) * np.float32(rng.uniform(0, 0.1))
        image_czyx = image_czyx + torch.from_numpy(noise)
    if happens(0.2):
        image_czyx = _blur(image_czyx, rng.uniform(0.5, 1.0))
    if happens(0.15):
        image_czyx = image_czyx * rng.uniform(0.75, 1.25)
    if happens(0.15):
        mean, low, high = image_czyx.mean(), image_czyx.min(), image_czyx.max()
        image_czyx = ((image_czyx - mean) * rng.uniform(0.75, 1.25) + mean).clamp(low, high)
    if happens(0.15):
        image_czyx = _low_resolution(image_czyx, rng.uniform(0.5, 1.0))
    if happens(0.3):
        image_czyx = _gamma(image_czyx, rng.uniform(0.7, 1.5))
    return image_czyx


def _blur(image_czyx, sigma: float):
    """Gaussian blur with a kernel of 7 voxels along each axis, borders repeated."""
    taps = torch.exp(-0.5 * (torch.arange(-3.0, 4.0) / sigma) ** 2)
    taps = taps / taps.sum()
    for axis in (1, 2, 3):
        shape = [1, 1, 1, 1, 1]
        shape[axis + 1] = 7
        padding = [0] * 6
        padding[2 * (3 - axis)] = padding[2 * (3 - axis) + 1] = 3
        image_czyx = F.conv3d(F.pad(image_czyx[None], padding, "replicate"), taps.view(shape))[0]
    return image_czyx


def _low_resolution(image_czyx, factor: float):
    small = [max(1, round(edge * factor)) for edge in image_czyx.shape[1:]]
    coarse = F.interpolate(image_czyx[None], small, mode="nearest")
    return F.interpolate(coarse, image_czyx.shape[1:], mode="trilinear", align_corners=False)[0]


def _gamma(image_czyx, gamma: float):
    """Power law over the image's own range; mean and SD are kept."""
    low, mean, deviation = image_czyx.min(), image_czyx.mean(), image_czyx.std()
    span = (image_czyx.max() - low).clamp_min(1e-7)
    bent = ((image_czyx - low) / span) ** gamma
    return (bent - bent.mean()) / bent.std().clamp_min(1e-7) * deviation + mean
