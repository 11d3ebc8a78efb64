"""unet:

U-Net with residual units. The first level has half the resolution already, the last that of the one before.

Source: Kerfoot et al. 2018, doi:10.1007/978-3-030-12029-0_40.
"""

from typing import Any

from monai.networks.nets.unet import UNet
from torch import nn

from radiotrace.learning.networks.layers import Architecture
from radiotrace.records.network import NetworkSpec


def build(spec: NetworkSpec) -> UNet:
    """MONAI's, with two residual units a level."""
    strides = [spec.stride_zyx(level) for level in range(1, len(spec.features))]
    return UNet(
        spatial_dims=3,
        in_channels=spec.image_channels,
        out_channels=spec.labels,
        channels=spec.features,
        # a list for each level works, too
        strides=strides,  # pyright: ignore[reportArgumentType]
        kernel_size=spec.kernel_zyx(0),
        up_kernel_size=spec.kernel_zyx(0),
        num_res_units=2,
    )


def below(network: UNet, level: int) -> nn.Module:
    """What a level of the recursion holds."""
    block: Any = network.model
    for _ in range(level):
        block = block[1].submodule
    return block


ARCHITECTURE = Architecture(
    build,
    lowest=lambda network, levels: below(network, levels - 1),
    level=lambda network, level, levels: below(network, level),
    first_level=1,
    takes_strides=True,
)
