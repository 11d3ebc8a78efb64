"""Networks by name."""

import math

import torch
from monai.networks.nets import AttentionUnet, DynUNet, SegResNet, UNet
from monai.networks.utils import pixelshuffle
from torch import nn

from radiotrace.learning.dropout import ChannelDropout
from radiotrace.learning.networks import deeplabv3plus

POOLING = 2  # each level after the first halves every axis
GROUPS = 8  # of group norm
LEVELS_MIN = {"dynunet": 3, "unet": 2, "attention_unet": 2, "segresnet": 2, "deeplabv3plus": 3}
SHUFFLES = ["dynunet", "segresnet"]  # may take "pixelshuffle"


def build(spec: dict, seed: int) -> nn.Module:
    """A freshly initialised network.

    Takes (n, 1, z, y, x); every axis a multiple of `multiple(spec)`. Gives logits (n, labels, z, y, x) in
    evaluation mode, and (n, heads, labels, z, y, x), all at full resolution, in training mode. A sample's
    logits do not depend on the others.

    Args:
        spec: "name"; "features", channels of each level; "labels", their number with background; and what
            older records lack: "norm", "instance" or "group"; "upsampling", "transposed" or "pixelshuffle";
            "deep_supervision", the number of heads below full resolution; "dropout", the share of the lowest
            level's channels that dropout.draw takes away. Default: instance, transposed, 1 for dynunet and 0
            for the others, 0.
        seed: decides the initial weights.

    Raises:
        ValueError: the spec has faults.

    The networks, and what they do with features:
        dynunet: nnU-Net's, Isensee et al. 2021, doi:10.1038/s41592-020-01008-z. The first level has full
            resolution.
        unet: with residual units, Kerfoot et al. 2018, doi:10.1007/978-3-030-12029-0_40. The first level has
            half the resolution already, the last that of the one before.
        attention_unet: Oktay et al. 2018, arXiv:1804.03999. The first level has full resolution.
        segresnet: Myronenko 2018, arXiv:1810.11654, without its autoencoder and with learnt upsampling. The
            first level has full resolution, features must double, levels have 1, 2, 2, 4, 4, … blocks.
        deeplabv3plus: see `deeplab`. It interpolates, which "transposed" leaves as it is.

    Group norm has 8 groups, or the greatest common divisor of 8 and the channels: unet's layer of labels and
    attention_unet's gates have channels of their own.
    """
    if found := faults(spec):
        raise ValueError("; ".join(found))
    spec = _complete(spec)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = BUILDERS[spec["name"]](spec)
        # One norm for all: attention_unet comes with batch norm, the others with variants.
        _replace(
            network, (nn.BatchNorm3d, nn.InstanceNorm3d), lambda old: NORMS[spec["norm"]](old.num_features)
        )
        if spec["upsampling"] == "pixelshuffle":
            _replace(network, nn.ConvTranspose3d, PixelShuffle)
        if spec["dropout"]:
            lowest = LOWEST[spec["name"]](network, len(spec["features"]))
            _put(
                network, lowest, nn.Sequential(lowest, ChannelDropout(spec["features"][-1], spec["dropout"]))
            )
    return network if spec["deep_supervision"] else OneHead(network)


def faults(spec: dict) -> list[str]:
    """What does not fit together in a spec, by the names of params.yaml."""
    name, features = spec["name"], spec["features"]
    if name not in BUILDERS:
        return [f"train.network: found {name!r}, expected one of {', '.join(BUILDERS)}"]
    spec, found = _complete(spec), []
    if len(features) < LEVELS_MIN[name]:
        found.append(
            f"train.features: found {len(features)} levels, expected {LEVELS_MIN[name]} at least for {name}"
        )
    doubled = [features[0] * 2**level for level in range(len(features))]
    if name == "segresnet" and list(features) != doubled:
        found.append(f"train.features: found {list(features)}, expected {doubled} for segresnet")
    if spec["norm"] == "group" and (odd := [channels for channels in features if channels % GROUPS]):
        found.append(
            f"train.features: found {', '.join(map(str, odd))}, expected multiples of {GROUPS} for norm group"
        )
    if spec["upsampling"] != "transposed" and name not in SHUFFLES:
        found.append(f"train.upsampling: found {spec['upsampling']}, expected transposed for {name}")
    # Full resolution is no head of supervision, and the lowest level has none.
    heads_max = max(0, len(features) - 2) if name == "dynunet" else 0
    if spec["deep_supervision"] > heads_max:
        most = f"{heads_max} at most for {len(features)} levels" if name == "dynunet" else f"0 for {name}"
        found.append(f"train.deep_supervision: found {spec['deep_supervision']}, expected {most}")
    return found


def multiple(spec: dict) -> int:
    """What each axis of an input must be a multiple of, in voxels: by how much the lowest level is
    smaller."""
    return (
        deeplabv3plus.stride(spec["features"])
        if spec["name"] == "deeplabv3plus"
        else POOLING ** (len(spec["features"]) - 1)
    )


def _complete(spec: dict) -> dict:
    return {
        "norm": "instance",
        "upsampling": "transposed",
        "deep_supervision": int(spec["name"] == "dynunet"),
        "dropout": 0,
    } | spec


def _dynunet(spec: dict) -> nn.Module:
    levels, heads = len(spec["features"]), spec["deep_supervision"]
    return DynUNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=spec["labels"],
        filters=spec["features"],
        kernel_size=[3] * levels,
        strides=[1] + [POOLING] * (levels - 1),
        upsample_kernel_size=[POOLING] * (levels - 1),
        norm_name="INSTANCE",
        deep_supervision=heads > 0,
        deep_supr_num=max(1, heads),
    )


def _unet(spec: dict) -> nn.Module:
    strides = [POOLING] * (len(spec["features"]) - 1)
    return UNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=spec["labels"],
        channels=spec["features"],
        strides=strides,
        num_res_units=2,
    )


def _attention_unet(spec: dict) -> nn.Module:
    strides = [POOLING] * (len(spec["features"]) - 1)
    return AttentionUnet(
        spatial_dims=3, in_channels=1, out_channels=spec["labels"], channels=spec["features"], strides=strides
    )


def _segresnet(spec: dict) -> nn.Module:
    levels = len(spec["features"])
    # "deconv": the gradient of the paper's linear interpolation is not deterministic on a GPU.
    return SegResNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=spec["labels"],
        init_filters=spec["features"][0],
        norm="INSTANCE",
        blocks_down=[1, 2, 2, *[4] * levels][:levels],
        blocks_up=[1] * (levels - 1),
        upsample_mode="deconv",
    )


def _deeplabv3plus(spec: dict) -> nn.Module:
    return deeplabv3plus.DeepLabV3Plus(spec["features"], spec["labels"])


def _lowest_of_unet(network: nn.Module, levels: int) -> nn.Module:
    block = network.model
    for _ in range(levels - 1):
        block = block[1].submodule
    return block


def _lowest_of_attention_unet(network: nn.Module, levels: int) -> nn.Module:
    layer = network.model[1]
    for _ in range(levels - 2):
        layer = layer.submodule[1]
    return layer.submodule


BUILDERS = {
    "dynunet": _dynunet,
    "unet": _unet,
    "attention_unet": _attention_unet,
    "segresnet": _segresnet,
    "deeplabv3plus": _deeplabv3plus,
}
# The module that gives the lowest level, with as many channels as features has last.
LOWEST = {
    "dynunet": lambda network, levels: network.bottleneck,
    "unet": _lowest_of_unet,
    "attention_unet": _lowest_of_attention_unet,
    "segresnet": lambda network, levels: network.down_layers[-1],
    "deeplabv3plus": lambda network, levels: network.encoder[-1],
}
NORMS = {
    "instance": lambda channels: nn.InstanceNorm3d(channels, affine=True),
    "group": lambda channels: nn.GroupNorm(math.gcd(GROUPS, channels), channels),
}


def _replace(network: nn.Module, kind, make) -> None:
    """Puts make(layer) in the place of every layer of a kind."""
    for name, layer in network.named_children():
        if isinstance(layer, kind):
            setattr(network, name, make(layer))
        else:
            _replace(layer, kind, make)


def _put(network: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Puts one module in the place of another, everywhere: DynUNet reaches most of its layers in two ways."""
    for name, layer in list(network.named_children()):
        if layer is old:
            setattr(network, name, new)
        elif layer is not new:
            _put(layer, old, new)


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
            if transposed.bias is not None:
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


def state(network: nn.Module) -> dict[str, torch.Tensor]:
    """Weights and buffers by name, each once: DynUNet reaches most of its layers under two names."""
    return dict(sorted([*network.named_parameters(), *network.named_buffers()]))


@torch.no_grad()
def load_state(network: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Copies values, as `state` names them, into a network.

    Raises:
        ValueError: a name is missing or unknown, or a shape differs.
    """
    own = state(network)
    if own.keys() != tensors.keys():
        raise ValueError(f"weights of another network: {sorted(own.keys() ^ tensors.keys())[:3]} …")
    for name, value in tensors.items():
        if own[name].shape != value.shape:
            raise ValueError(f"{name}: found {tuple(value.shape)}, expected {tuple(own[name].shape)}")
        own[name].copy_(value)
