"""densenet: a U-Net whose levels are dense blocks. The first level has full resolution.

Sources: Huang et al. 2017, arXiv:1608.06993 (dense blocks, compression); Jégou et al. 2017, arXiv:1611.09326
(for segmentation, without bottlenecks). Norm and ReLU stand behind a convolution here and not before it: else
what the next one gets is rounded before it is normalised, and gradients in bf16 are off by half.
"""

from collections.abc import Sequence

import torch
from torch import nn

from radiotrace.learning.networks.layers import Architecture
from radiotrace.records.network import NetworkSpec

LAYERS = 4  # of a dense block
GROWTH_MIN = 4


class DenseNet(nn.Module):
    """Dense blocks on the way down and up, with skips between levels of one resolution.

    Takes (n, c, z, y, x), every axis a multiple of the product of its strides; gives logits
    (n, labels, z, y, x).

    Args:
        spec: features are the channels that a level hands on, to which its dense block is compressed.
    """

    def __init__(self, spec: NetworkSpec):
        super().__init__()
        features, levels = spec.features, range(len(spec.features))
        kernels = [spec.kernel_zyx(level) for level in levels]
        strides = [edges_of(spec.stride_zyx(level)) for level in levels]
        self.stem = block(spec.image_channels, features[0], kernels[0])
        self.down = nn.ModuleList(
            nn.AvgPool3d(stride, stride) if level else nn.Identity() for level, stride in enumerate(strides)
        )
        inputs = [features[0], *features[:-1]]
        self.encoder = nn.ModuleList(map(DenseBlock, inputs, features, kernels))
        self.up = nn.ModuleList(
            nn.ConvTranspose3d(features[level + 1], features[level], strides[level + 1], strides[level + 1])
            for level in levels[:-1]
        )
        self.decoder = nn.ModuleList(
            DenseBlock(2 * features[level], features[level], kernels[level]) for level in levels[:-1]
        )
        self.head = nn.Conv3d(features[0], spec.labels, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x, skips = self.stem(image), []
        for down, block in zip(self.down, self.encoder, strict=True):
            x = block(down(x))
            skips.append(x)
        for level in reversed(range(len(self.decoder))):
            x = self.decoder[level](torch.cat([skips[level], self.up[level](x)], 1))
        return self.head(x)


class DenseBlock(nn.Module):
    """Layers of which each sees what all before it gave, and a convolution that compresses all of it.

    Args:
        inputs, outputs: channels. Each layer adds a quarter of the outputs, GROWTH_MIN at least.
        kernel: of a layer, along z, y, x.
    """

    def __init__(self, inputs: int, outputs: int, kernel: Sequence[int]):
        super().__init__()
        growth = max(GROWTH_MIN, outputs // LAYERS)
        self.layers = nn.ModuleList(block(inputs + layer * growth, growth, kernel) for layer in range(LAYERS))
        self.compression = block(inputs + LAYERS * growth, outputs, (1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return self.compression(x)


def block(inputs: int, outputs: int, kernel: Sequence[int]) -> nn.Sequential:
    """A convolution that keeps the size, norm and ReLU; kernels are odd, along z, y, x."""
    z, y, x = kernel = edges_of(kernel)
    convolution = nn.Conv3d(inputs, outputs, kernel, padding=(z // 2, y // 2, x // 2), bias=False)
    return nn.Sequential(convolution, nn.InstanceNorm3d(outputs, affine=True), nn.ReLU())


def edges_of(three: Sequence[int]) -> tuple[int, int, int]:
    """Along z, y, x, as layers take them."""
    z, y, x = three
    return z, y, x


def level(network: DenseNet, level: int, levels: int) -> nn.Module:
    """The dense block of a level on the way up; the lowest has one on the way down alone."""
    return network.encoder[-1] if level == levels - 1 else network.decoder[level]


ARCHITECTURE = Architecture(
    DenseNet, lowest=lambda network, levels: network.encoder[-1], level=level, takes_strides=True
)
