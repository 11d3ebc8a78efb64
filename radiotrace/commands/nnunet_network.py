"""A trained dynunet as nnU-Net's PlainConvUNet: its definition in plans.json, and its weights by their
names.

nnunet_folder calls it. Knows no package of nnU-Net, which is not installed here: `computed` is the network
that these names and this definition describe, in plain torch, so that what is written can be held against
ours.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from radiotrace.learning import architecture, state
from radiotrace.records.network import NetworkSpec

CLASS = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
IMPORTED = ["conv_op", "norm_op", "dropout_op", "nonlin"]  # arguments that are names of classes
CONVOLUTIONS = 2  # of a level, on either way
EPSILON, SLOPE = 1e-5, 0.01  # of torch's norm and leaky ReLU, as both networks have them


def faults(spec: NetworkSpec) -> list[str]:
    """Why PlainConvUNet does not compute what this network does; empty where it does."""
    pairs = {
        "network": (spec.name, "dynunet"),
        "norm": (spec.norm, "instance"),
        "upsampling": (spec.upsampling, "transposed"),
    }
    return [
        f"{name}: found {found}, expected {expected}"
        for name, (found, expected) in pairs.items()
        if found != expected
    ]


def definition(spec: NetworkSpec) -> dict[str, Any]:
    """The architecture as a configuration of plans.json has it.

    Args:
        spec: without `faults`.
    """
    levels = range(len(spec.features))
    return {
        "network_class_name": CLASS,
        "arch_kwargs": {
            "n_stages": len(spec.features),
            "features_per_stage": list(spec.features),
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [spec.kernel_zyx(level) for level in levels],
            "strides": [spec.stride_zyx(level) for level in levels],
            "n_conv_per_stage": [CONVOLUTIONS] * len(levels),
            "n_conv_per_stage_decoder": [CONVOLUTIONS] * (len(levels) - 1),
            "conv_bias": False,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
            "norm_op_kwargs": {"eps": EPSILON, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True, "negative_slope": SLOPE},
        },
        "_kw_requires_import": IMPORTED,
    }


def weights(
    network: nn.Module, spec: NetworkSpec, logit_offsets: tuple[float, ...] | None
) -> dict[str, torch.Tensor]:
    """The values of a network under the names of PlainConvUNet, which has most of them under several.

    The heads below full resolution, which only training has, are 0.

    Args:
        network: of architecture.build, trained.
        spec: without `faults`.
        logit_offsets: of each label; they go into the bias of the last layer.

    Raises:
        ValueError: a value has no place, or another shape than its place.
    """
    own = {
        name: value.detach()
        for name, value in state.of(architecture.body(network)).items()
        if not name.startswith("deep_supervision_heads.")
    }
    levels, named = len(spec.features), {}
    for level in range(levels):
        ours = _encoder(level, levels)
        if level == levels - 1 and spec.dropout:
            ours += ".0"  # the layer that a dropout stands behind
        for number in range(CONVOLUTIONS):
            block = _block(own, ours, number)
            for path in ("encoder", "decoder.encoder"):
                named |= _under(f"{path}.stages.{level}.0.convs.{number}", block)
    for step in range(levels - 1):
        level = levels - 2 - step
        named[f"decoder.transpconvs.{step}.weight"] = own.pop(f"upsamples.{step}.transp_conv.conv.weight")
        for number in range(CONVOLUTIONS):
            block = _block(own, f"upsamples.{step}.conv_block", number)
            named |= _under(f"decoder.stages.{step}.convs.{number}", block)
        named[f"decoder.seg_layers.{step}.weight"] = torch.zeros(spec.labels, spec.features[level], 1, 1, 1)
        named[f"decoder.seg_layers.{step}.bias"] = torch.zeros(spec.labels)
    last = f"decoder.seg_layers.{levels - 2}"
    named[f"{last}.weight"] = own.pop("output_block.conv.conv.weight")
    named[f"{last}.bias"] = own.pop("output_block.conv.conv.bias") + torch.tensor(logit_offsets or 0.0)
    if own:
        raise ValueError(f"values without a place in PlainConvUNet: {', '.join(sorted(own))}")
    return dict(sorted(named.items()))


def _encoder(level: int, levels: int) -> str:
    """Our name of a level on the way down."""
    if level == 0:
        return "input_block"
    return "bottleneck" if level == levels - 1 else f"downsamples.{level - 1}"


def _block(own: dict[str, torch.Tensor], ours: str, number: int) -> dict[str, torch.Tensor]:
    """Convolution and norm of a block, out of our values."""
    return {
        "conv.weight": own.pop(f"{ours}.conv{number + 1}.conv.weight"),
        "norm.weight": own.pop(f"{ours}.norm{number + 1}.weight"),
        "norm.bias": own.pop(f"{ours}.norm{number + 1}.bias"),
    }


def _under(place: str, block: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A block under both names that ConvDropoutNormReLU gives its layers."""
    aliases = {"conv": "all_modules.0", "norm": "all_modules.1"}
    named = {}
    for name, value in block.items():
        layer, _, kind = name.partition(".")
        named[f"{place}.{name}"] = value
        named[f"{place}.{aliases[layer]}.{kind}"] = value
    return named


def computed(
    definition: Mapping[str, Any], values: Mapping[str, torch.Tensor], image: torch.Tensor
) -> torch.Tensor:
    """Logits (n, labels, z, y, x) of an image (n, c, z, y, x) by a definition of plans.json and weights.

    Source: PlainConvUNet of dynamic_network_architectures 0.4.4.
    """
    settings = definition["arch_kwargs"]
    kernels, strides = settings["kernel_sizes"], settings["strides"]
    x, skips = image, []
    for level, (kernel, stride) in enumerate(zip(kernels, strides, strict=True)):
        x = _convolved(values, f"encoder.stages.{level}.0.convs", x, kernel, stride)
        skips.append(x)
    for step, skip in enumerate(skips[-2::-1]):
        stride = strides[-1 - step]
        x = F.conv_transpose3d(x, values[f"decoder.transpconvs.{step}.weight"], stride=stride)
        x = _convolved(values, f"decoder.stages.{step}.convs", torch.cat((x, skip), 1), kernels[-2 - step])
    last = f"decoder.seg_layers.{len(skips) - 2}"
    return F.conv3d(x, values[f"{last}.weight"], values[f"{last}.bias"])


def _convolved(values, place: str, x: torch.Tensor, kernel, stride=1) -> torch.Tensor:
    """Both convolutions of a level, the first with its stride."""
    for number in range(CONVOLUTIONS):
        layer = f"{place}.{number}"
        padding = [edge // 2 for edge in kernel]
        x = F.conv3d(x, values[f"{layer}.conv.weight"], None, stride if number == 0 else 1, padding)
        x = F.instance_norm(
            x, weight=values[f"{layer}.norm.weight"], bias=values[f"{layer}.norm.bias"], eps=EPSILON
        )
        x = F.leaky_relu(x, SLOPE)
    return x
