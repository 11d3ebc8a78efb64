"""What the networks share: layers, and what each of them must say of itself."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from monai.networks.utils import pixelshuffle
from torch import nn

from radiotrace.records.network import NetworkSpec

Network = TypeVar("Network", bound=nn.Module)  # the class that a file of this folder builds

POOLING = 2  # each level after the first halves every axis, unless its strides say otherwise
GROUPS = 8  # of group norm


class InstanceNorm(nn.InstanceNorm3d):
    """Instance norm, with the same weights, that keeps the layout of its input.

    torch's lays every input out anew, channel by channel, and the convolution behind it lays it back: a
    quarter of a training step. Batch norm over a sample on its own computes the same.

    Takes and gives (n, channels, z, y, x).
    """

    def __init__(self, channels: int):
        super().__init__(channels, affine=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.device.type != "cpu" or torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export():
            return super().forward(x)
        samples = [
            F.batch_norm(sample, None, None, self.weight, self.bias, training=True, eps=self.eps)
            for sample in x.split(1)
        ]
        return torch.cat(samples) if len(samples) > 1 else samples[0]


class Convolution(nn.Conv3d):
    """A convolution that oneDNN computes on a processor in float32, too.

    Left to itself, torch takes a plain loop for a batch of one sample, as inference has it: twice the time
    of a prediction.

    Takes and gives (n, channels, z, y, x).
    """

    @classmethod
    def of(cls, plain: nn.Conv3d) -> "Convolution":
        """With the weights of a plain one."""
        convolution = cls(
            plain.in_channels,
            plain.out_channels,
            plain.kernel_size,  # pyright: ignore[reportArgumentType]
            plain.stride,  # pyright: ignore[reportArgumentType]
            plain.padding,  # pyright: ignore[reportArgumentType]
            plain.dilation,  # pyright: ignore[reportArgumentType]
            plain.groups,
            plain.bias is not None,
            device="meta",
        )
        convolution.weight, convolution.bias = plain.weight, plain.bias
        return convolution

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self._by_onednn(x):
            return super().forward(x)
        return torch.ops.aten.mkldnn_convolution(
            x, self.weight, self.bias, self.padding, self.stride, self.dilation, self.groups
        )

    def _by_onednn(self, x: torch.Tensor) -> bool:
        return (
            x.device.type == "cpu"
            and x.dtype == torch.float32
            and not isinstance(self.padding, str)
            and torch.backends.mkldnn.is_available()
            and not torch.is_autocast_enabled("cpu")
            and not torch.compiler.is_compiling()
            and not torch.onnx.is_in_onnx_export()
        )


NORMS = {
    "instance": InstanceNorm,
    "group": lambda channels: nn.GroupNorm(math.gcd(GROUPS, channels), channels),
}


def by_strides(spec: NetworkSpec) -> tuple[int, int, int]:
    """By how much the lowest level is smaller, along z, y, x."""
    strides = np.array([spec.stride_zyx(level) for level in range(len(spec.features))])
    z, y, x = strides.prod(axis=0).tolist()
    return z, y, x


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
        takes_strides: whether each level may have strides of its own, and it a slice at a time.
        takes_kernels: whether each level may have kernels of its own.
        multiple: spec -> what each axis of an input must be a multiple of, in voxels, z, y, x.
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
    takes_strides: bool = False
    takes_kernels: bool = False
    multiple: Callable[[NetworkSpec], tuple[int, int, int]] = by_strides
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
