"""What the networks share: layers, and what each of them must say of itself."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from monai.networks.utils import pixelshuffle
from torch import nn

from radiotrace.records.network import NetworkSpec

Network = TypeVar("Network", bound=nn.Module)  # the class that a file of this folder builds

POOLING = 2  # each level after the first halves every axis
GROUPS = 8  # of group norm
NORMS = {
    "instance": lambda channels: nn.InstanceNorm3d(channels, affine=True),
    "group": lambda channels: nn.GroupNorm(math.gcd(GROUPS, channels), channels),
}


def halved(features: Sequence[int]) -> int:
    """By how much the lowest level is smaller where every level after the first halves each axis."""
    return POOLING ** (len(features) - 1)


def no_faults(features: Sequence[int]) -> list[str]:
    """Of a network that takes any channels."""
    return []


@dataclass(frozen=True)
class Architecture(Generic[Network]):
    """A network, as the rest knows it. Each file of this folder has one, as ARCHITECTURE.

    Attributes:
        build: spec, its heads decided -> the network, with norms and transposed convolutions of its own,
            which are replaced.
        lowest: (network, number of levels) -> the module that gives the lowest level, with as many channels
            as features has last.
        level: (network, level, number of levels) -> the last module of a level that gives features.
        first_level: the first that has features; 1 where full resolution is the logits themselves.
        levels_min: how many it must have.
        heads: heads of deep supervision where the spec does not say; heads_max: number of levels -> most that
            it can.
        shuffles: whether it may upsample by pixelshuffle.
        takes_one_slice: whether it can be built for a slice at a time.
        multiple: features -> what each axis of an input must be a multiple of, in voxels.
        faults: features -> what it cannot take of them.
    """

    build: Callable[[NetworkSpec], Network]
    lowest: Callable[[Network, int], nn.Module]
    level: Callable[[Network, int, int], nn.Module]
    first_level: int = 0
    levels_min: int = 2
    heads: int = 0
    heads_max: Callable[[int], int] = lambda levels: 0
    shuffles: bool = False
    takes_one_slice: bool = False
    multiple: Callable[[Sequence[int]], int] = halved
    faults: Callable[[Sequence[int]], list[str]] = no_faults


class PixelShuffle(nn.Module):
    """A transposed convolution whose kernel is its stride, as a 1 x 1 x 1 convolution to 8 times the channels
    and a shuffle.

    Computes the same, with the same initial weights; which one is faster depends on the processor.

    Source: Shi et al. 2016, arXiv:1609.05158.
    """

    def __init__(self, transposed: nn.ConvTranspose3d):
        super().__init__()
        if transposed.kernel_size != transposed.stride:
            raise ValueError(f"kernel {transposed.kernel_size} is not the stride {transposed.stride}")
        inputs, outputs, *kernel = transposed.weight.shape
        self.factor = kernel[0]
        self.convolution = nn.Conv3d(inputs, outputs * math.prod(kernel), 1, bias=transposed.bias is not None)
        with torch.no_grad():
            self.convolution.weight.copy_(
                transposed.weight.movedim(0, -1).reshape(self.convolution.weight.shape)
            )
            if transposed.bias is not None and self.convolution.bias is not None:
                self.convolution.bias.copy_(transposed.bias.repeat_interleave(math.prod(kernel)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return pixelshuffle(self.convolution(x), 3, self.factor)


class OneHead(nn.Module):
    """A network without deep supervision: (n, 1, labels, z, y, x) in training mode."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits = self.body(image)
        return logits[:, None] if self.training else logits
