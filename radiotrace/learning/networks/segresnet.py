"""segresnet: a residual encoder and decoder, without the paper's autoencoder and with learnt upsampling.

The first level has full resolution, features must double, levels have 1, 2, 2, 4, 4, … blocks.

Source: Myronenko 2018, arXiv:1810.11654.
"""

from collections.abc import Sequence

from monai.networks.nets.segresnet import SegResNet
from torch import nn

from radiotrace.learning.networks.layers import Architecture
from radiotrace.records.network import NetworkSpec


def build(spec: NetworkSpec) -> SegResNet:
    """MONAI's."""
    levels = len(spec.features)
    # "deconv": the gradient of the paper's linear interpolation is not deterministic on a GPU.
    return SegResNet(
        spatial_dims=3,
        in_channels=spec.image_channels,
        out_channels=spec.labels,
        init_filters=spec.features[0],
        norm="INSTANCE",
        blocks_down=(1, 2, 2, *[4] * levels)[:levels],
        blocks_up=(1,) * (levels - 1),
        upsample_mode="deconv",
    )


def faults(features: Sequence[int]) -> list[str]:
    """Its channels double from level to level."""
    doubled = [features[0] * 2**level for level in range(len(features))]
    if list(features) == doubled:
        return []
    return [f"train.features: found {list(features)}, expected {doubled} for segresnet"]


def lowest(network: SegResNet, levels: int) -> nn.Module:
    """The last of the way down."""
    return network.down_layers[-1]


def level(network: SegResNet, level: int, levels: int) -> nn.Module:
    """On the way up, or the lowest."""
    return network.down_layers[-1] if level == levels - 1 else network.up_layers[-1 - level]


ARCHITECTURE = Architecture(build, lowest, level, shuffles=True, faults=faults)
