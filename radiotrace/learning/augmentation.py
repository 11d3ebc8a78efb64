"""Augmentation: one random patch of one case, drawn from a generator that is handed in.

No mirroring: labels that differ by place (anterior, posterior) would swap, and organs that are stored with one
laterality would appear with the other.
"""
import numpy as np
import torch
import torch.nn.functional as F


def draw_patch(image_zyx: torch.Tensor, label_zyx: torch.Tensor, foreground_nzyx: torch.Tensor, patch_zyx: tuple,
               spacing_zyx: tuple, settings: dict, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """A patch, rotated, scaled and shifted, with its intensities varied.

    Args:
        image_zyx: float32, normalised; label_zyx: uint8, same shape.
        foreground_nzyx: indices of labelled voxels, (n, 3); n may be 0.
        patch_zyx: edges of the patch in voxels; may exceed the image, what is outside is 0.
        spacing_zyx: mm; rotation happens in mm.
        settings: train.augmentation of params.yaml.
        rng: the one source of randomness.

    Returns:
        image (1, z, y, x) float32 and label map (1, z, y, x) uint8.
    """
    centre = _centre(image_zyx.shape, patch_zyx, foreground_nzyx, settings, rng)
    matrix = _matrix(settings, spacing_zyx, rng)
    grid = _sampling_grid(centre, matrix, patch_zyx, image_zyx.shape)
    image = F.grid_sample(image_zyx[None, None], grid, "bilinear", "zeros", align_corners=True)[0]
    label = F.grid_sample(label_zyx[None, None].float(), grid, "nearest", "zeros", align_corners=True)[0]
    return vary_intensity(image, settings["intensity"], rng), label.to(torch.uint8)


def _centre(shape_zyx, patch_zyx, foreground_nzyx, settings, rng) -> np.ndarray:
    """Centre of the patch in voxel indices: anywhere where the patch lies inside, near the middle where it does not fit."""
    size, patch = np.array(shape_zyx, float), np.array(patch_zyx, float)
    lowest, highest = np.minimum(patch / 2, size / 2) - 0.5, np.maximum(size - patch / 2, size / 2) - 0.5
    centre = rng.uniform(lowest, highest)
    if rng.random() < settings["foreground_share"] and len(foreground_nzyx):
        centre = np.clip(foreground_nzyx[rng.integers(len(foreground_nzyx))].numpy(), lowest, highest)
    return centre + rng.uniform(-1, 1, 3) * settings["shift_voxels"]


def _matrix(settings, spacing_zyx, rng) -> np.ndarray:
    """Linear map from patch offsets to image offsets, both in voxels: a rotation and a scaling in mm."""
    matrix = np.eye(3)
    if rng.random() < settings["affine_share"]:
        angles = np.deg2rad(rng.uniform(-1, 1, 3) * settings["rotation_degrees"])
        for axis, angle in enumerate(angles):
            one, other = (index for index in range(3) if index != axis)
            turn = np.eye(3)
            turn[one, one] = turn[other, other] = np.cos(angle)
            turn[one, other], turn[other, one] = -np.sin(angle), np.sin(angle)
            matrix = matrix @ turn
        matrix = matrix / rng.uniform(settings["scale_min"], settings["scale_max"])
    spacing = np.array(spacing_zyx)
    return matrix * spacing[None, :] / spacing[:, None]


def _sampling_grid(centre, matrix, patch_zyx, shape_zyx) -> torch.Tensor:
    """Positions for grid_sample, (1, z, y, x, 3), its last axis x, y, z and its unit half an image minus half a voxel."""
    half = (np.maximum(np.array(shape_zyx, float), 2) - 1) / 2
    scaled = torch.from_numpy(matrix / half[:, None]).float()
    start = torch.from_numpy(centre / half - 1).float()
    offsets = [torch.arange(edge, dtype=torch.float32) - (edge - 1) / 2 for edge in patch_zyx]
    axes = [start[axis] + scaled[axis, 0] * offsets[0][:, None, None] + scaled[axis, 1] * offsets[1][None, :, None]
            + scaled[axis, 2] * offsets[2][None, None, :] for axis in (2, 1, 0)]
    return torch.stack(axes, -1)[None]


def vary_intensity(image_czyx: torch.Tensor, strength: float, rng: np.random.Generator) -> torch.Tensor:
    """Noise, blur, brightness, contrast, low resolution and gamma, each with a chance of its own.

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
