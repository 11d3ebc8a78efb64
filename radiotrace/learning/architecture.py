"""Architecture: a network by its name, with the norms, the upsampling and the dropout that are asked for.

Each network is a file of networks/, and is imported when it is asked for: code of one is no dependency of a
run of another. Whoever adds one adds its file, its name to records/sections/segmentation/whole.py, and a line
to the comment in params.yaml.
"""

import dataclasses
import importlib
from pathlib import Path

import torch
from torch import nn

from radiotrace.learning.dropout import ChannelDropout
from radiotrace.learning.networks.layers import (
    GROUPS,
    NORMS,
    Architecture,
    Convolution,
    OneHead,
    PixelShuffle,
)
from radiotrace.records.network import NetworkSpec

PACKAGE = "radiotrace.learning.networks"
FOLDER = Path(__file__).resolve().parent / "networks"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("[a-z]*.py") if path.stem != "layers"))


def choice(*specs: NetworkSpec) -> dict[str, list[str]]:
    """The modules that build these networks, as runs.provenance takes choices."""
    return {PACKAGE: sorted({spec.name for spec in specs})}


def named(name: str) -> Architecture:
    """What the file of a network says of it.

    Raises:
        ValueError: there is no such network.
    """
    if name not in NAMES:
        raise ValueError(f"found {name!r}, expected one of {', '.join(NAMES)}")
    return importlib.import_module(f"radiotrace.learning.networks.{name}").ARCHITECTURE


def build(spec: NetworkSpec, seed: int) -> nn.Module:
    """A freshly initialised network.

    Takes (n, image_channels, z, y, x); every axis a multiple of what `multiple(spec)` says, and z == 1 where
    it takes a slice at a time. Gives logits (n, labels, z, y, x) in evaluation mode, and
    (n, heads, labels, z, y, x), all at full resolution, in training mode. A sample's logits do not depend on
    the others.

    Args:
        seed: decides the initial weights.

    Raises:
        ValueError: the spec has faults.

    Group norm has 8 groups, or the greatest common divisor of 8 and the channels: unet's layer of labels and
    attention_unet's gates have channels of their own.
    """
    if broken := faults(spec):
        raise ValueError("; ".join(broken))
    spec, architecture = _complete(spec), named(spec.name)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = architecture.build(spec)
        # One norm for all: attention_unet comes with batch norm, the others with variants.
        norms = (nn.BatchNorm3d, nn.InstanceNorm3d)
        _replace(network, norms, lambda old: NORMS[spec.norm](old.num_features))
        if spec.upsampling == "pixelshuffle":
            _replace(network, nn.ConvTranspose3d, PixelShuffle)
        _replace(network, nn.Conv3d, Convolution.of)
        if spec.dropout:
            lowest = architecture.lowest(network, len(spec.features))
            dropout = ChannelDropout(spec.features[-1], spec.dropout)
            _put(network, lowest, nn.Sequential(lowest, dropout))
    return network if spec.deep_supervision else OneHead(network)


def faults(spec: NetworkSpec) -> list[str]:
    """What does not fit together in a spec, by the names of params.yaml."""
    name, features = spec.name, spec.features
    if name not in NAMES:
        return [f"train.network: found {name!r}, expected one of {', '.join(NAMES)}"]
    spec, architecture, levels, faults = _complete(spec), named(name), len(features), []
    if levels < architecture.levels_min:
        faults.append(
            f"train.features: found {levels} levels, expected {architecture.levels_min} at least for {name}"
        )
    faults += architecture.faults(features)
    odd = [channels for channels in features if channels % GROUPS]
    if spec.norm == "group" and odd:
        listed = ", ".join(map(str, odd))
        faults.append(f"train.features: found {listed}, expected multiples of {GROUPS} for norm group")
    if spec.upsampling != "transposed" and not architecture.shuffles:
        faults.append(f"train.upsampling: found {spec.upsampling}, expected transposed for {name}")
    faults += _axis_faults(spec, architecture)
    heads_max = architecture.heads_max(levels)
    if spec.deep_supervision is not None and spec.deep_supervision > heads_max:
        most = f"{heads_max} at most for {levels} levels" if architecture.heads else f"0 for {name}"
        faults.append(f"train.deep_supervision: found {spec.deep_supervision}, expected {most}")
    return faults


def _axis_faults(spec: NetworkSpec, architecture: Architecture) -> list[str]:
    """What a network that does not treat every axis alike cannot have."""
    faults, levels = [], len(spec.features)
    asking = {
        "patches of one slice (train.patch_voxels)": (spec.one_slice, "takes_strides"),
        "train.strides": (spec.strides is not None, "takes_strides"),
        "train.kernels": (spec.kernels is not None, "takes_kernels"),
    }
    asked = [what for what, (is_asked, _) in asking.items() if is_asked]
    for what in asked:
        takes = asking[what][1]
        if not getattr(architecture, takes):
            able = ", ".join(name for name in NAMES if getattr(named(name), takes))
            faults.append(f"train.network: found {spec.name}, expected one of {able} for {what}")
    if asked and spec.upsampling != "transposed":
        faults.append(f"train.upsampling: found {spec.upsampling}, expected transposed for {asked[0]}")
    for name, found, expected in (("strides", spec.strides, levels - 1), ("kernels", spec.kernels, levels)):
        if found is not None and len(found) != expected:
            faults.append(
                f"train.{name}: found {len(found)}, expected {expected} for {levels} levels"
                + (": one for each level after the first" if name == "strides" else "")
            )
        if found is not None and spec.one_slice and any(edges[2] != 1 for edges in found):
            faults.append(f"train.{name}: expected 1 along z everywhere for patches of one slice")
    if any(set(strides) == {1} for strides in spec.strides or ()):
        faults.append("train.strides: found 1, 1, 1, expected that each level halves an axis at least")
    return faults


def multiple(spec: NetworkSpec) -> tuple[int, int, int]:
    """What each axis of an input must be a multiple of, in voxels, z, y, x: by how much the lowest level is
    smaller."""
    return named(spec.name).multiple(spec)


def body(network: nn.Module) -> nn.Module:
    """The network itself, as its file builds it."""
    return network.body if isinstance(network, OneHead) else network


def lowest(network: nn.Module, spec: NetworkSpec) -> nn.Module:
    """The module that gives the lowest level, dropout included."""
    return named(spec.name).lowest(body(network), len(spec.features))


def levels(spec: NetworkSpec) -> range:
    """The levels that a network has features of. Each halves every axis of the one before, or those that its
    strides say."""
    architecture = named(spec.name)
    if spec.strides is not None:
        return range(architecture.first_level, len(spec.features))
    return range(architecture.first_level, max(multiple(spec)).bit_length())


def level(network: nn.Module, spec: NetworkSpec, number: int) -> nn.Module:
    """The last module of a level that gives features, (n, channels, z, y, x).

    That is on the way up, where the skip and what comes from below have met: whatever this level and those
    below have to say passes through it, and what higher levels hand over by their own skips does not.

    Args:
        network: of `build`.
        spec: what it was built from.
        number: of `levels`.

    Raises:
        ValueError: the network has no such level.
    """
    there = levels(spec)
    if number not in there:
        raise ValueError(f"level {number}: {spec.name} has levels {there[0]} to {there[-1]}")
    return named(spec.name).level(body(network), number, len(spec.features))


def _complete(spec: NetworkSpec) -> NetworkSpec:
    if spec.deep_supervision is not None:
        return spec
    return dataclasses.replace(spec, deep_supervision=named(spec.name).heads)


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
