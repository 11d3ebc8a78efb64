"""deeplabv3plus:

DeepLabv3+ in three dimensions, or a slice at a time. It interpolates, and so has no transposed convolution to
replace.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn

from radiotrace.learning.networks.layers import Architecture
from radiotrace.records.network import NetworkSpec

STRIDE_MAX = 8  # of the encoder: 40 voxels leave 5
# a kernel of 3 with dilation 3 spans 7 voxels; the paper's 6, 12 and 18 would see padding alone
DILATIONS = (1, 2, 3)
CUBE = (3, 3, 3)


class DeepLabV3Plus(nn.Module):
    """Residual encoder, atrous spatial pyramid pooling, and a decoder with one skip from the second level.

    Takes (n, c, z, y, x), every axis a multiple of the product of its strides; gives logits
    (n, labels, z, y, x).

    Args:
        spec: features are the channels of each level of the encoder, 3 at least. The first has full
            resolution; each later one halves it down to STRIDE_MAX, from where levels dilate by 2 instead,
            unless the spec has strides. The pyramid is as wide as the last level, the decoder as the second,
            its skip as the first.

    Source: Chen et al. 2018, arXiv:1802.02611; plain convolutions instead of separable ones.
    """

    def __init__(self, spec: NetworkSpec):
        super().__init__()
        features, self.strides, kernel = spec.features, strides(spec), spec.kernel_zyx(0)
        # a level that halves nothing dilates
        dilations = [1 if level == 0 or max(self.strides[level]) > 1 else 2 for level in range(len(features))]
        first, second = features[:2]
        self.encoder = nn.ModuleList(
            Residual(inputs, outputs, stride, dilation, kernel)
            for inputs, outputs, stride, dilation in zip(
                [spec.image_channels, *features], features, self.strides, dilations, strict=False
            )
        )
        self.pyramid = Pyramid(features[-1], second, kernel)
        self.skip = block(second, first, kernel=(1, 1, 1))
        self.decoder = nn.Sequential(
            block(first + second, second, kernel),
            block(second, second, kernel),
            nn.Conv3d(second, spec.labels, 1),
        )

    @property
    def coarsest(self) -> int:
        """The last level that is coarser than the one before."""
        return max(level for level, stride in enumerate(self.strides) if max(stride) > 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        levels = [image]
        for level in self.encoder:
            levels.append(level(levels[-1]))
        context = self.pyramid(levels[-1])
        for stride in self.strides[:1:-1]:
            context = double(context, stride)
        return double(self.decoder(torch.cat([self.skip(levels[2]), context], 1)), self.strides[1])


def strides(spec: NetworkSpec) -> list[list[int]]:
    """Of each level, along z, y, x."""
    return [
        spec.stride_zyx(level) if spec.strides or 2**level <= STRIDE_MAX else [1, 1, 1]
        for level in range(len(spec.features))
    ]


def block(
    inputs: int,
    outputs: int,
    kernel: Sequence[int] = CUBE,
    stride: int | Sequence[int] = 1,
    dilation: int = 1,
) -> nn.Sequential:
    """Convolution, norm and ReLU; kernels of 3 keep the size, or halve it with stride 2."""
    convolution = nn.Conv3d(
        inputs,
        outputs,
        tuple(kernel),  # pyright: ignore[reportArgumentType]
        stride if isinstance(stride, int) else tuple(stride),  # pyright: ignore[reportArgumentType]
        tuple(dilation * (edge // 2) for edge in kernel),  # pyright: ignore[reportArgumentType]
        dilation,
        bias=False,
    )
    return nn.Sequential(convolution, nn.InstanceNorm3d(outputs, affine=True), nn.ReLU())


class Residual(nn.Module):
    """Two convolutions and a 1 x 1 x 1 one around them. Source: He et al. 2016, arXiv:1512.03385."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int | Sequence[int],
        dilation: int,
        kernel: Sequence[int] = CUBE,
    ):
        super().__init__()
        self.body = nn.Sequential(
            block(inputs, outputs, kernel, stride, dilation),
            *list(block(outputs, outputs, kernel, 1, dilation))[:-1],
        )
        self.around = block(inputs, outputs, (1, 1, 1), stride)[:-1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.around(x))


class Pyramid(nn.Module):
    """Atrous spatial pyramid pooling: one level seen at several widths, and as a whole."""

    def __init__(self, channels: int, outputs: int, kernel: Sequence[int] = CUBE):
        super().__init__()
        self.branches = nn.ModuleList(
            [block(channels, channels, (1, 1, 1))]
            + [block(channels, channels, kernel, 1, dilation) for dilation in DILATIONS]
        )
        # A mean, because adaptive pooling is not deterministic on a GPU; a matrix product, because oneDNN's
        # bf16 convolutions are wrong on small volumes; and no norm before the next ReLU: instance norm takes
        # away what is the same everywhere.
        self.whole = nn.Linear(channels, channels)
        self.project = nn.Sequential(nn.Conv3d((len(self.branches) + 1) * channels, outputs, 1), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        whole = torch.relu(self.whole(x.mean((2, 3, 4))))[:, :, None, None, None].expand_as(x)
        return self.project(torch.cat([*(branch(x) for branch in self.branches), whole], 1))


def double(x: torch.Tensor, stride_zyx: Sequence[int] = (2, 2, 2)) -> torch.Tensor:
    """(n, c, z, y, x) -> (n, c, 2z, 2y, 2x) by linear interpolation, along the axes whose stride is 2.

    What torch's "trilinear" gives without align_corners, but its gradient is deterministic on a GPU too,
    where torch's refuses to be.
    """
    for axis, stride in zip((2, 3, 4), stride_zyx, strict=True):
        if stride == 1:
            continue
        size = x.shape[axis]
        before = torch.cat([x.narrow(axis, 0, 1), x.narrow(axis, 0, size - 1)], axis)
        after = torch.cat([x.narrow(axis, 1, size - 1), x.narrow(axis, size - 1, 1)], axis)
        x = torch.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis + 1).flatten(axis, axis + 1)
    return x


def level(network: DeepLabV3Plus, level: int, levels: int) -> nn.Module:
    """The decoder has level 1 alone; the lowest is the pyramid, others are of the encoder."""
    if level == network.coarsest:
        return network.pyramid
    return network.decoder[1] if level == 1 else network.encoder[level]


def multiple(spec: NetworkSpec) -> tuple[int, int, int]:
    """The encoder's stride, along each axis."""
    z, y, x = (math.prod(of_axis) for of_axis in zip(*strides(spec), strict=True))
    return z, y, x


ARCHITECTURE = Architecture(
    build=DeepLabV3Plus,
    lowest=lambda network, levels: network.encoder[-1],
    level=level,
    levels_min=3,
    takes_strides=True,
    multiple=multiple,
)
