"""attention_unet: U-Net whose skips pass gates of attention. The first level has full resolution.

Source: Oktay et al. 2018, arXiv:1804.03999.
"""

from typing import Any

from monai.networks.blocks.convolutions import Convolution
from monai.networks.nets.attentionunet import AttentionLayer, AttentionUnet
from torch import nn

from radiotrace.learning.networks.layers import Architecture
from radiotrace.records.network import NetworkSpec


def build(spec: NetworkSpec) -> AttentionUnet:
    """MONAI's; of one slice, with no kernel that looks along z, where MONAI's has some."""
    strides = [spec.stride_zyx(level) for level in range(1, len(spec.features))]
    kernel = spec.kernel_zyx(0)
    network = AttentionUnet(
        spatial_dims=3,
        in_channels=spec.image_channels,
        out_channels=spec.labels,
        channels=spec.features,
        # a list for each level works, too
        strides=strides,  # pyright: ignore[reportArgumentType]
        kernel_size=kernel,
        up_kernel_size=kernel,
    )
    if spec.one_slice:
        for layer in network.modules():
            if isinstance(layer, AttentionLayer):
                inputs, outputs = layer.merge.in_channels, layer.merge.out_channels
                layer.merge = Convolution(3, inputs, outputs, kernel_size=kernel)
    return network


def below(network: AttentionUnet, level: int) -> Any:
    """The layer of a level of the recursion."""
    layer: Any = network.model[1]
    for _ in range(level):
        layer = layer.submodule[1]
    return layer


def lowest(network: AttentionUnet, levels: int) -> nn.Module:
    """What the last layer but one holds."""
    return below(network, levels - 2).submodule


def level(network: AttentionUnet, level: int, levels: int) -> nn.Module:
    """The layer of a level, which gives its features on the way up; or the lowest."""
    return lowest(network, levels) if level == levels - 1 else below(network, level)


ARCHITECTURE = Architecture(build, lowest, level, takes_strides=True)
