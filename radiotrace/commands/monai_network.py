"""A trained network as one of MONAI's own classes, which whoever has MONAI builds and loads.

monai_bundle calls it. Not every network can be one: some are of this project, or differ from MONAI's in a
layer.
"""

from typing import Any

import torch
from monai.bundle.config_parser import ConfigParser
from torch import nn

from radiotrace.learning import architecture, state
from radiotrace.learning.dropout import ChannelDropout
from radiotrace.records.network import NetworkSpec

HEADS = "deep_supervision_heads."  # what only training has
EXPRESSIBLE = (
    "dynunet, segresnet and unet can be written, with transposed convolutions; dynunet with one kernel on "
    "all levels, unet with instance norm. model.onnx holds any network."
)
GROUP_SIZE = 8  # as networks/layers.py has it for channels that are multiples of it


def faults(spec: NetworkSpec) -> list[str]:
    """Why no class of MONAI computes what this network does; empty where one does."""
    faults = []
    if spec.name not in DEFINITIONS:
        faults.append(f"network: found {spec.name}, expected one of {', '.join(sorted(DEFINITIONS))}")
    if spec.upsampling != "transposed":
        faults.append(f"upsampling: found {spec.upsampling}, expected transposed")
    kernels = {tuple(spec.kernel_zyx(level)) for level in range(len(spec.features))}
    if spec.name == "dynunet" and len(kernels) > 1:
        # MONAI's has the kernel of the level below on the way up
        faults.append(f"kernels: found {len(kernels)} of different edges, expected the same on every level")
    if spec.name == "unet" and spec.norm == "group":
        # its last layers have as many channels as there are labels
        faults.append("norm: found group, expected instance for unet")
    return faults


def definition(spec: NetworkSpec) -> dict[str, Any]:
    """The network as a bundle's config has it: a class of MONAI and its arguments.

    Args:
        spec: without `faults`.
    """
    return DEFINITIONS[spec.name](spec) | {
        "spatial_dims": 3,
        "in_channels": spec.image_channels,
        "out_channels": spec.labels,
    }


def built(definition: dict[str, Any]) -> nn.Module:
    """The network of a definition, freshly initialised, in evaluation mode."""
    with torch.random.fork_rng():  # initial weights are drawn, and thrown away
        return ConfigParser({"network_def": definition}).get_parsed_content("network_def").eval()


def weighted(network: nn.Module, spec: NetworkSpec) -> nn.Module:
    """MONAI's network with the weights of ours; heads of deep supervision are left out.

    Args:
        network: of architecture.build, trained.
    """
    body = architecture.body(network)
    wrapped = [name for name, module in body.named_modules() if _has_dropout(module)]
    tensors = {}
    for name, value in state.of(body).items():
        if not name.startswith(HEADS):
            tensors[_without_dropout(name, wrapped)] = value
    theirs = built(definition(spec))
    state.load(theirs, tensors)
    return theirs


def _has_dropout(module: nn.Module) -> bool:
    """Whether it is a layer with dropout behind it, as architecture.build puts it."""
    return isinstance(module, nn.Sequential) and len(module) == 2 and isinstance(module[1], ChannelDropout)


def _without_dropout(name: str, wrapped: list[str]) -> str:
    """The name that a value of a layer has where no dropout stands behind it."""
    for layer in wrapped:
        if name.startswith(f"{layer}.0."):
            return layer + name.removeprefix(f"{layer}.0")
    return name


def _norm(spec: NetworkSpec) -> list[Any]:
    if spec.norm == "group":
        return ["GROUP", {"num_groups": GROUP_SIZE, "affine": True}]
    return ["INSTANCE", {"affine": True}]


def _dynunet(spec: NetworkSpec) -> dict[str, Any]:
    levels = range(len(spec.features))
    strides = [spec.stride_zyx(level) for level in levels]
    return {
        "_target_": "monai.networks.nets.DynUNet",
        "filters": list(spec.features),
        "kernel_size": [spec.kernel_zyx(level) for level in levels],
        "strides": strides,
        "upsample_kernel_size": strides[1:],
        "norm_name": _norm(spec),
        "deep_supervision": False,
    }


def _segresnet(spec: NetworkSpec) -> dict[str, Any]:
    levels = len(spec.features)
    return {
        "_target_": "monai.networks.nets.SegResNet",
        "init_filters": spec.features[0],
        "norm": _norm(spec),
        "blocks_down": [1, 2, 2, *[4] * levels][:levels],
        "blocks_up": [1] * (levels - 1),
        "upsample_mode": "deconv",
    }


def _unet(spec: NetworkSpec) -> dict[str, Any]:
    return {
        "_target_": "monai.networks.nets.UNet",
        "channels": list(spec.features),
        "strides": [spec.stride_zyx(level) for level in range(1, len(spec.features))],
        "kernel_size": spec.kernel_zyx(0),
        "up_kernel_size": spec.kernel_zyx(0),
        "num_res_units": 2,
        "norm": _norm(spec),
    }


DEFINITIONS = {"dynunet": _dynunet, "segresnet": _segresnet, "unet": _unet}
