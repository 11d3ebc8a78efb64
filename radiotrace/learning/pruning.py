"""Pruning: a trained network with fewer channels, or with fewer weights that are not 0.

`narrowed` cuts a dynunet down to the channels that matter most, so that what is left begins where the trained
network ended; `sparse` sets the smallest weights of any network to 0 and leaves its shape. Neither trains.
"""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils import prune

from radiotrace.learning import architecture
from radiotrace.learning.networks.layers import OneHead
from radiotrace.records.network import NetworkSpec

CONVOLUTIONS = (nn.Conv3d, nn.ConvTranspose3d)
IMAGE, LABELS = "image", "labels"  # channels of which every one is kept


@dataclass(frozen=True)
class Layer:
    """A convolution of a network, and whose channels it takes and gives.

    Attributes:
        norm: behind it; None where there is none.
        gives: name of the group of channels that it gives.
        takes: of those that it takes, one group behind the other.
    """

    convolution: nn.Conv3d | nn.ConvTranspose3d
    norm: nn.Module | None
    gives: str
    takes: tuple[str, ...]

    @property
    def by_output(self) -> torch.Tensor:
        """Its weights with the channels that it gives first, then those that it takes."""
        weight = self.convolution.weight.detach()
        return weight.transpose(0, 1) if isinstance(self.convolution, nn.ConvTranspose3d) else weight


def narrower(features: Sequence[int], share: float) -> tuple[int, ...]:
    """Channels of each level, cut down to about a share of them.

    To the nearest multiple of 8, which processors compute fastest with; of 4 where a level has fewer than 16.
    Never more than there are.
    """
    steps = [8 if channels >= 16 else 4 for channels in features]
    return tuple(
        min(channels, max(step, step * int(channels * share / step + 0.5)))
        for channels, step in zip(features, steps, strict=True)
    )


def faults(spec: NetworkSpec) -> list[str]:
    """Why channels of a network cannot be taken away here; [] where they can."""
    if spec.name != "dynunet":
        return [f"found {spec.name}, expected dynunet: of others it is not known which layer takes what"]
    if spec.upsampling != "transposed":
        return [f"found upsampling by {spec.upsampling}, expected transposed convolutions"]
    return []


def narrowed(network: nn.Module, spec: NetworkSpec, features: Sequence[int]) -> nn.Module:
    """A dynunet with the most important channels of another one, and their weights, for further training.

    A channel counts by the norm of the filters that take it, times the weight of the norm that gives it: the
    norm of its own filter says nothing where a norm behind it divides it away. Each layer keeps channels of
    its own, since no two of them are added.

    Args:
        network: trained; stays as it is.
        spec: of this network.
        features: channels of each level, no more than it has.

    Raises:
        ValueError: it is no such network, or there are more channels.

    Source of the norm as importance: Li et al. 2017, arXiv:1608.08710.
    """
    if broken := faults(spec):
        raise ValueError("; ".join(broken))
    if len(features) != len(spec.features) or any(
        few > many for few, many in zip(features, spec.features, strict=True)
    ):
        raise ValueError(f"features: found {list(features)}, expected at most {list(spec.features)}")
    narrow = architecture.build(dataclasses.replace(spec, features=tuple(features)), seed=0)
    levels = len(features)
    wide, thin = _layers(network, levels), _layers(narrow, levels)
    widths = _widths(wide)
    kept = {
        layer.gives: _most(_importance(layer, wide), ours.by_output.shape[0])
        for layer, ours in zip(wide, thin, strict=True)
        if layer.gives != LABELS
    }
    with torch.no_grad():
        for layer, ours in zip(wide, thin, strict=True):
            _copy(layer, ours, kept, widths)
    return narrow


def sparse(network: nn.Module, share: float) -> nn.Module:
    """A copy in which this share of all weights of convolutions, the smallest of all layers together, is 0.

    Its file and its time stay what they are: no runtime here computes otherwise where single weights are 0.

    Args:
        share: between 0 and 1.
    """
    thinned = copy.deepcopy(network)
    weights = [(module, "weight") for module in thinned.modules() if isinstance(module, CONVOLUTIONS)]
    for module, _ in weights:  # prune takes no weights that are laid out with channels last
        module.weight.data = module.weight.data.contiguous()
    prune.global_unstructured(weights, pruning_method=prune.L1Unstructured, amount=share)
    for module, name in weights:
        prune.remove(module, name)
    return thinned


def zeros(network: nn.Module) -> int:
    """How many parameters are 0."""
    return sum(int((parameter == 0).sum()) for parameter in network.parameters())


def _layers(network: nn.Module, levels: int) -> list[Layer]:
    """All convolutions of a dynunet, level by level down and up again; heads last."""
    body: Any = network.body if isinstance(network, OneHead) else network
    bottleneck = body.bottleneck[0] if isinstance(body.bottleneck, nn.Sequential) else body.bottleneck
    layers = []
    for level, block in enumerate([body.input_block, *body.downsamples, bottleneck]):
        before = f"down {level - 1}, second" if level else IMAGE
        layers += _block(block, f"down {level}", (before,))
    for level in reversed(range(levels - 1)):
        block = body.upsamples[-1 - level]
        below = f"up {level + 1}, second" if level < levels - 2 else f"down {level + 1}, second"
        layers.append(Layer(block.transp_conv.conv, None, f"up {level}, transposed", (below,)))
        joined = (f"up {level}, transposed", f"down {level}, second")
        layers += _block(block.conv_block, f"up {level}", joined)
    heads = [body.output_block, *(body.deep_supervision_heads if body.deep_supervision else ())]
    for level, head in enumerate(heads):
        layers.append(Layer(head.conv.conv, None, LABELS, (f"up {level}, second",)))
    return layers


def _block(block, name: str, takes: tuple[str, ...]) -> list[Layer]:
    """Two convolutions with a norm behind each."""
    first, second = f"{name}, first", f"{name}, second"
    return [
        Layer(block.conv1.conv, block.norm1, first, takes),
        Layer(block.conv2.conv, block.norm2, second, (first,)),
    ]


def _widths(layers: Sequence[Layer]) -> dict[str, int]:
    """How many channels each group has."""
    return {
        IMAGE: layers[0].by_output.shape[1],
        **{layer.gives: layer.by_output.shape[0] for layer in layers},
    }


def _importance(layer: Layer, layers: Sequence[Layer]) -> torch.Tensor:
    """Of each channel that a layer gives, (channels,) float32."""
    widths = _widths(layers)
    squares = torch.zeros(widths[layer.gives])
    for reader in layers:
        blocks = reader.by_output.float().split([widths[group] for group in reader.takes], dim=1)
        for group, taken in zip(reader.takes, blocks, strict=True):
            if group == layer.gives:
                squares += taken.square().transpose(0, 1).flatten(1).sum(1)
    # a transposed convolution has no norm behind it
    own = layer.by_output.flatten(1).norm(dim=1) if layer.norm is None else _gain(layer.norm)
    return squares.sqrt() * own.float()


def _gain(norm: nn.Module) -> torch.Tensor:
    """By how much a norm scales each channel, (channels,)."""
    return norm.get_parameter("weight").detach().abs()


def _most(scores: torch.Tensor, number: int) -> torch.Tensor:
    """Places of the highest scores, in their order; of equals the first."""
    return torch.sort(scores, descending=True, stable=True).indices[:number].sort().values


def _copy(layer: Layer, ours: Layer, kept: Mapping[str, torch.Tensor], widths: Mapping[str, int]) -> None:
    """The kept slices of a layer's weights, into the narrower one; in place."""
    places, offset = [], 0
    for group in layer.takes:
        places.append(offset + kept.get(group, torch.arange(widths[group])))
        offset += widths[group]
    given = kept.get(layer.gives, torch.arange(widths[layer.gives]))
    ours.by_output.copy_(layer.by_output[given][:, torch.cat(places)])  # a view of its weights
    for theirs, mine, names in (
        (layer.convolution, ours.convolution, ("bias",)),
        (layer.norm, ours.norm, ("weight", "bias")),
    ):
        for name in names:
            value = getattr(theirs, name, None)
            if value is not None:
                getattr(mine, name).copy_(value[given])
