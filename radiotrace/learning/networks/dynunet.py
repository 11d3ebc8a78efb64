"""dynunet: nnU-Net's network. The first level has full resolution.

Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.
"""

from monai.networks.nets.dynunet import DynUNet
from torch import nn

from radiotrace.learning.networks.layers import POOLING, Architecture
from radiotrace.records.network import NetworkSpec


def build(spec: NetworkSpec) -> DynUNet:
    """MONAI's, with instance norm and transposed convolutions."""
    levels, heads = len(spec.features), spec.deep_supervision or 0
    return DynUNet(
        spatial_dims=3,
        in_channels=spec.image_channels,
        out_channels=spec.labels,
        filters=spec.features,
        kernel_size=[spec.along(3)] * levels,
        strides=[1] + [spec.along(POOLING)] * (levels - 1),
        upsample_kernel_size=[spec.along(POOLING)] * (levels - 1),
        norm_name="INSTANCE",
        deep_supervision=heads > 0,
        deep_supr_num=max(1, heads),
    )


def lowest(network: DynUNet, levels: int) -> nn.Module:
    """The bottleneck."""
    return network.bottleneck


def level(network: DynUNet, level: int, levels: int) -> nn.Module:
    """On the way up, or the bottleneck."""
    return network.bottleneck if level == levels - 1 else network.upsamples[-1 - level]


ARCHITECTURE = Architecture(
    build,
    lowest,
    level,
    levels_min=3,
    heads=1,
    # Full resolution is no head of supervision, and the lowest level has none.
    heads_max=lambda levels: max(0, levels - 2),
    shuffles=True,
    takes_one_slice=True,
)
