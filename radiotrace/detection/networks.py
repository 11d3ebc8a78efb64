"""Networks that find things: (n, c, …) float32 -> heat by class and distances to the sides of a box, by cell.

One code for pictures (y, x) and volumes (z, y, x). Norms are over groups of channels of one image, never over
a batch, so that what is found in an image does not depend on those beside it.
"""

import math
from math import gcd
from typing import NamedTuple, cast

import torch
from torch import nn
from torch.nn import functional

from radiotrace.records.detection.network import DetectorSpec

GROUPS = 8
RARE = 0.01  # heat of a cell before anything is learnt
CONVOLUTION: dict[int, type[nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
FURTHEST = 6.0  # largest logarithm of a distance in cells


class Found(NamedTuple):
    """What the network gives, by cell.

    Attributes:
        heat: (n, classes, …) logits that the middle of a thing of the class lies in the cell.
        sides: (n, 2 * axes, …), from the middle of the cell to the lower side of a box along each axis, then
            to the upper ones, in cells; above 0.
    """

    heat: torch.Tensor
    sides: torch.Tensor


def norm(channels: int) -> nn.GroupNorm:
    """Over 8 groups, or as many as divide the channels."""
    return nn.GroupNorm(gcd(GROUPS, channels), channels)


def _layer(axes: int, channels_in: int, channels: int, stride: int = 1) -> nn.Sequential:
    """A convolution over 3 cells along each axis, norm and ReLU."""
    convolution = CONVOLUTION[axes](channels_in, channels, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, norm(channels), nn.ReLU(inplace=True))


def _begin(head: nn.Sequential, bias: float) -> None:
    """Lets a head give nearly the same everywhere before anything is learnt."""
    last = cast(nn.Conv2d, head[-1])
    nn.init.normal_(last.weight, std=0.01)
    nn.init.constant_(cast(torch.Tensor, last.bias), bias)


class Residual(nn.Module):
    """Two convolutions and what passes by them.

    Source: He et al. 2016, arXiv:1512.03385.
    """

    def __init__(self, axes: int, channels: int):
        super().__init__()
        last = CONVOLUTION[axes](channels, channels, 3, 1, 1, bias=False)
        self.way = nn.Sequential(_layer(axes, channels, channels), last, norm(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.way(x) + x)


class Detector(nn.Module):
    """Stages that each halve the resolution, a way up again to that of the cells, and two heads there.

    Source: the way up, Lin et al. 2017, arXiv:1612.03144; heat and distances from each cell, Liu et al. 2019,
    arXiv:1909.00700 (TTFNet).
    """

    def __init__(self, spec: DetectorSpec):
        super().__init__()
        self.steps_down = int(math.log2(spec.cell_voxels))
        stages, channels = [], spec.image_channels
        for number, width in enumerate(spec.widths):
            # the first stages see the largest maps: blocks begin with the second
            blocks = [Residual(spec.axes, width) for _ in range(spec.blocks if number else 0)]
            stages.append(nn.Sequential(_layer(spec.axes, channels, width, 2), *blocks))
            channels = width
        self.down = nn.ModuleList(stages)
        kept = spec.widths[self.steps_down - 1 :]
        convolution = CONVOLUTION[spec.axes]
        self.across = nn.ModuleList(convolution(width, spec.head_width, 1) for width in kept)
        self.up = nn.ModuleList(_layer(spec.axes, spec.head_width, spec.head_width) for _ in kept[1:])
        self.heat = nn.Sequential(
            _layer(spec.axes, spec.head_width, spec.head_width), convolution(spec.head_width, spec.classes, 1)
        )
        self.sides = nn.Sequential(
            _layer(spec.axes, spec.head_width, spec.head_width),
            convolution(spec.head_width, 2 * spec.axes, 1),
        )
        _begin(self.heat, -math.log((1 - RARE) / RARE))
        _begin(self.sides, math.log(spec.usual_cells))

    def places(self, image: torch.Tensor) -> torch.Tensor:
        """Features by cell, (n, head_width, …)."""
        levels = []
        for number, stage in enumerate(self.down, 1):
            image = stage(image)
            if number >= self.steps_down:
                levels.append(image)
        merged = self.across[-1](levels[-1])
        for place in reversed(range(len(levels) - 1)):
            merged = functional.interpolate(merged, scale_factor=2.0, mode="nearest")
            merged = self.up[place](merged + self.across[place](levels[place]))
        return merged

    def told(self, places: torch.Tensor) -> Found:
        """Heat and sides of features by cell."""
        return Found(self.heat(places), torch.exp(self.sides(places).float().clamp(-FURTHEST, FURTHEST)))

    def forward(self, image: torch.Tensor) -> Found:
        return self.told(self.places(image))


def build(spec: DetectorSpec, seed: int) -> Detector:
    """A freshly initialised network.

    Args:
        seed: decides the initial weights.

    Raises:
        ValueError: the spec has faults.
    """
    if broken := faults(spec):
        raise ValueError("; ".join(broken))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Detector(spec)


def faults(spec: DetectorSpec) -> list[str]:
    """What does not fit together in a spec, by the names of params.yaml."""
    if 2 ** len(spec.widths) < spec.cell_voxels:
        return [
            f"train.widths: found {len(spec.widths)} stages, expected {int(math.log2(spec.cell_voxels))} at "
            f"least for train.cell_voxels {spec.cell_voxels}"
        ]
    return []


def shrinks(spec: DetectorSpec) -> int:
    """By what factor the coarsest features are coarser than the image: sides of an input are multiples."""
    return 2 ** len(spec.widths)
