"""dynunet: nnU-Net's network. The first level has full resolution.

Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.
"""

from monai.networks.blocks.dynunet_block import UnetUpBlock
from monai.networks.nets.dynunet import DynUNet
from torch import nn

from radiotrace.learning.networks.layers import Architecture
from radiotrace.records.network import NetworkSpec


class Network(DynUNet):
    """MONAI's, but that each level has its own kernel on the way up, too, as in nnU-Net's; MONAI's has that
    of the level below."""

    def get_upsamples(self) -> nn.ModuleList:
        return self.get_module_list(
            list(self.filters[1:][::-1]),
            list(self.filters[:-1][::-1]),
            self.kernel_size[:-1][::-1],
            self.strides[1:][::-1],
            UnetUpBlock,  # pyright: ignore[reportArgumentType]
            self.upsample_kernel_size[::-1],
            trans_bias=self.trans_bias,
        )


def build(spec: NetworkSpec) -> DynUNet:
    """With instance norm and transposed convolutions."""
    levels, heads = range(len(spec.features)), spec.deep_supervision or 0
    strides = [spec.stride_zyx(level) for level in levels]
    return Network(
        spatial_dims=3,
        in_channels=spec.image_channels,
        out_channels=spec.labels,
        filters=spec.features,
        kernel_size=[spec.kernel_zyx(level) for level in levels],
        strides=strides,
        upsample_kernel_size=strides[1:],
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
    takes_strides=True,
    takes_kernels=True,
)
