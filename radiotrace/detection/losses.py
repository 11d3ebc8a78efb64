"""Losses of a detector, of each image on its own: whether a middle lies in a cell, and how well boxes fit."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from radiotrace.detection.networks import Found

SMALLEST = 1e-6


@dataclass(frozen=True)
class Criterion:
    """What is minimised: heat + box_weight * boxes.

    Attributes:
        box_weight: of the loss of boxes, against that of heat.
        focus: power of what is told already, which takes easy cells out of the sum.
        near: power by which cells near a middle are spared.
    """

    box_weight: float
    focus: float = 2.0
    near: float = 4.0

    def __call__(self, found: Found, targets: dict[str, torch.Tensor]) -> torch.Tensor:
        """Of each image, (n,) float32.

        Args:
            targets: heat, sides, weight of `targets.CellTargets`, one image after the other.
        """
        heat = focal(found.heat.float(), targets["heat"], self.focus, self.near)
        fit = box_loss(found.sides.float(), targets["sides"], targets["weight"])
        return heat + self.box_weight * fit


def focal(logits: torch.Tensor, heat: torch.Tensor, focus: float, near: float) -> torch.Tensor:
    """Focal loss of the middles, (n,), divided by how many an image has, or 1.

    Source: Law and Deng 2018, arXiv:1808.01244, eq. 1.
    """
    peak = heat == 1
    told = torch.sigmoid(logits)
    at_peaks = -functional.logsigmoid(logits) * (1 - told) ** focus * peak
    elsewhere = -functional.logsigmoid(-logits) * told**focus * (1 - heat) ** near * ~peak
    axes = tuple(range(1, heat.ndim))
    return (at_peaks + elsewhere).sum(axes) / peak.sum(axes).clamp_min(1)


def box_loss(sides: torch.Tensor, truth: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """1 - generalised IoU over the cells of boxes, by their weight, (n,); 0 for an image without a box.

    Args:
        sides, truth: (n, 2 * axes, …), distances to the sides from the same point, above 0.
        weight: (n, …).

    Source: Rezatofighi et al. 2019, arXiv:1902.09630.
    """
    axes = sides.shape[1] // 2
    truth = torch.where(weight[:, None] > 0, truth, torch.ones_like(truth))
    both = (torch.minimum(sides, truth)[:, :axes] + torch.minimum(sides, truth)[:, axes:]).prod(1)
    hull = (torch.maximum(sides, truth)[:, :axes] + torch.maximum(sides, truth)[:, axes:]).prod(1)
    either = (sides[:, :axes] + sides[:, axes:]).prod(1) + (truth[:, :axes] + truth[:, axes:]).prod(1) - both
    overlap = both / either.clamp_min(SMALLEST) - (hull - either) / hull.clamp_min(SMALLEST)
    of_image = tuple(range(1, weight.ndim))
    return ((1 - overlap) * weight).sum(of_image) / weight.sum(of_image).clamp_min(1)
