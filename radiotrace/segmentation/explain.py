"""Explanations: Grad-CAM for segmentation, and measures of how far a map may be trusted.

A map shows where a change of features would move a label's score. It does not show what the network reasons,
and it depends on the level whose features are asked.
"""

import copy
from typing import cast

import numpy as np
import torch
from monai.visualize.class_activation_maps import GradCAM
from scipy import ndimage, stats

from radiotrace.segmentation import metrics

TAKEN_OUT = 0.1  # of the voxels
DEFINITIONS = {  # of what `measures` returns
    "volume_inside": "share of the explained voxels where the label is predicted: what a map that is the "
    "same everywhere would have inside",
    "volume_near": "likewise, with those within near_mm of it",
    "mass_inside": "share of the map's sum that lies where the label is predicted; null for a map of zeros",
    "mass_near": "likewise, with what lies within near_mm of it",
    "dice_without_highest": "Dice of the label as predicted before and after the tenth of the voxels where "
    "the map is highest (all above 0 "
    "where fewer) were set to the mean; near 1: the prediction did not need them; "
    "null where both are empty",
    "dice_without_nearest": "likewise for as many voxels nearest to the predicted label: what a map would do "
    "that knew the prediction alone",
    "dice_without_moved": "likewise for the highest voxels of the map, moved to random places",
    "spearman_random_weights": "rank correlation, over all explained voxels, of the map and those of "
    "networks with random weights; near 1: the "
    "map would not depend on what was learnt; null where a map is the same "
    "everywhere",
}


def seg_grad_cam(
    network: torch.nn.Module,
    layer: torch.nn.Module,
    patch_czyx: torch.Tensor,
    label: int,
    mask_zyx: np.ndarray,
) -> np.ndarray:
    """Grad-CAM of one label, for the sum of its logits over a mask.

    Each channel of the layer counts by the mean of its gradient over space; what the weighted channels add up
    to is cut off below 0 and interpolated linearly to the voxels of the image. Channels of the image are not
    told apart: a map is of all of them together.

    Args:
        network: in evaluation mode, (1, c, z, y, x) -> logits (1, labels, z, y, x). What it computed last, it
            computed without gradients.
        layer: one of its modules, which gives (1, channels, …).
        patch_czyx: normalised, as the network takes it.
        mask_zyx: bool, of the patch's z, y, x; where the label is predicted.

    Returns:
        (z, y, x) float32, 0 or more, in the unit of score; 0 everywhere where every weighted sum is negative.

    Source: Selvaraju et al. 2017, arXiv:1610.02391; over a mask, Vinogradova et al. 2020, arXiv:2002.11434.
    """
    name = next(name for name, module in network.named_modules() if module is layer)
    # A copy, because MONAI leaves its hooks behind; and no scaling, because MONAI's turns maps upside down.
    masked = _Masked(copy.deepcopy(network).requires_grad_(False), torch.from_numpy(mask_zyx))
    cam = GradCAM(masked, f"network.{name}", postprocessing=lambda heat: heat)
    with torch.enable_grad():
        heat = cam(patch_czyx[None].clone().requires_grad_(), class_idx=label)
    return heat[0, 0].detach().numpy()


class _Masked(torch.nn.Module):
    """A network whose logits are 0 outside a mask: MONAI's score is the sum over all voxels."""

    def __init__(self, network: torch.nn.Module, mask_zyx: torch.Tensor):
        super().__init__()
        self.network, self.mask = network, mask_zyx

    def forward(self, patch: torch.Tensor) -> torch.Tensor:
        return self.network(patch) * self.mask


def scaled(heat: np.ndarray) -> np.ndarray:
    """A map between 0 and 1, its highest value, in steps of 1/255, float32; 0 everywhere where it was so
    before."""
    highest = heat.max()
    return (
        np.round(heat / highest * 255).astype(np.float32) / np.float32(255)
        if highest > 0
        else np.zeros(heat.shape, np.float32)
    )


def focus(
    heat: np.ndarray, mask: np.ndarray, spacing_zyx: tuple[float, float, float], near_mm: float
) -> tuple[float | None, float | None]:
    """Which share of a map's sum lies in a mask, and which in it or within near_mm of it; None where the sum
    is 0.

    Args:
        heat: 0 or more, (z, y, x).
        mask: bool, one voxel at least.
        spacing_zyx: edges of a voxel, in mm.
    """
    total, near = heat.sum(dtype=float), _distances(mask, spacing_zyx) <= near_mm
    if not total:
        return None, None
    inside, around = (float(heat[where].sum(dtype=float) / total) for where in (mask, near))
    return inside, around


def _distances(mask: np.ndarray, spacing_zyx: tuple[float, float, float]) -> np.ndarray:
    """Of each voxel from a mask, in mm; 0 in it."""
    return cast(np.ndarray, ndimage.distance_transform_edt(~mask, spacing_zyx))


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    """Spearman's rank correlation of two maps over all voxels; None where one of them is the same
    everywhere."""
    if not np.ptp(first) or not np.ptp(second):
        return None
    correlation = stats.spearmanr(first.ravel(), second.ravel())
    return float(correlation.statistic)  # pyright: ignore[reportAttributeAccessIssue]


def centre(mask: np.ndarray, spacing_zyx: tuple[float, float, float]) -> tuple[int, ...]:
    """The voxel of a mask that is nearest to its centre of mass."""
    voxels = np.argwhere(mask)
    return tuple(voxels[(((voxels - voxels.mean(0)) * spacing_zyx) ** 2).sum(1).argmin()].tolist())


def measures(
    maps: dict[int, np.ndarray],
    level: int,
    others: list[np.ndarray],
    mask: np.ndarray,
    spacing_zyx,
    near_mm: float,
    image_czyx: torch.Tensor,
    segment,
    generators: list[np.random.Generator],
) -> dict:
    """What DEFINITIONS says: mass and dice_without_highest of the map of each level, the others of one.

    Args:
        maps: level -> map (z, y, x).
        level: the one that is shown.
        others: maps of that level, of networks with random weights.
        mask: bool, where the label is predicted; one voxel at least.
        spacing_zyx: edges of a voxel, in mm.
        near_mm: how far from the mask is near.
        image_czyx: normalised; what is taken out is taken out of every channel.
        segment: such an image -> mask of the label.
        generators: one for each random place.

    Source: of the comparison with random weights, Adebayo et al. 2018, arXiv:1810.03292; of taking out what a
    map ranks highest, Petsiuk et al. 2018, arXiv:1806.07421. A hole is nothing that the network has learnt
    from: only beside other holes does what it does to a prediction say something.
    """
    before, own, rows = segment(image_czyx), counting_most(maps[level]), []

    def dice_without(voxels):
        return metrics.dice(before, segment(image_czyx.masked_fill(torch.from_numpy(voxels), 0)))

    for number, heat in sorted(maps.items()):
        inside, near = focus(heat, mask, spacing_zyx, near_mm)
        rows.append(
            {
                "level": number,
                "mass_inside": inside,
                "mass_near": near,
                "dice_without_highest": dice_without(counting_most(heat)),
            }
        )
    inside, near = focus(np.ones(mask.shape), mask, spacing_zyx, near_mm)
    return {
        "levels": rows,
        "volume_inside": inside,
        "volume_near": near,
        "voxels_taken_out": int(own.sum()),
        "dice_without_nearest": dice_without(nearest(mask, spacing_zyx, int(own.sum()))),
        "dice_without_moved": spread([dice_without(moved(own, rng)) for rng in generators]),
        "spearman_random_weights": spread(
            [rank_correlation(maps[level], random_map) for random_map in others]
        ),
    }


def counting_most(heat: np.ndarray) -> np.ndarray:
    """The voxels of a map that count most, bool: a share of TAKEN_OUT, or all above 0 where they are
    fewer."""
    return highest(heat, min(int(TAKEN_OUT * heat.size), int((heat > 0).sum())))


def highest(values: np.ndarray, number: int) -> np.ndarray:
    """So many voxels of highest value, bool; of equal ones the first."""
    chosen = np.zeros(values.size, bool)
    chosen[np.argsort(-values, axis=None, kind="stable")[:number]] = True
    return chosen.reshape(values.shape)


def nearest(mask: np.ndarray, spacing_zyx: tuple[float, float, float], number: int) -> np.ndarray:
    """So many voxels nearest to a mask, bool; its own come first."""
    return highest(-_distances(mask, spacing_zyx), number)


def moved(voxels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same voxels at a random place: a hole of the same shape; what leaves the image on one side comes
    in on the other."""
    return np.roll(voxels, rng.integers(voxels.shape), range(voxels.ndim))


def spread(values: list[float | None]) -> dict[str, float | int | None]:
    """Number, mean and extremes of repetitions; those that are undefined are counted and left out."""
    defined = [value for value in values if value is not None]
    return {
        "n": len(defined),
        "n_undefined": len(values) - len(defined),
        "mean": metrics.mean_defined(values),
        "min": min(defined, default=None),
        "max": max(defined, default=None),
    }
