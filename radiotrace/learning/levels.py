"""Levels of a network: which module gives the features of a resolution."""

from torch import nn

from radiotrace.learning import architecture

FIRST = {"unet": 1}  # its full resolution is the logits themselves


def of(spec: dict) -> range:
    """The levels that a network has features of: level n has 1/2^n of the full resolution along every axis.

    Args:
        spec: what networks.build takes.
    """
    return range(FIRST.get(spec["name"], 0), architecture.multiple(spec).bit_length())


def module(network: nn.Module, spec: dict, level: int) -> nn.Module:
    """The last module of a level that gives features, (n, channels, z, y, x).

    That is on the way up, where the skip and what comes from below have met: whatever this level and those
    below have to say passes through it, and what higher levels hand over by their own skips does not.
    deeplabv3plus has a way up at level 1 alone; elsewhere the module is one of its encoder, or the pyramid.

    Args:
        network: of networks.build.
        spec: what it was built from.
        level: of `of`.

    Raises:
        ValueError: the network has no such level.
    """
    if level not in of(spec):
        raise ValueError(f"level {level}: {spec['name']} has levels {of(spec)[0]} to {of(spec)[-1]}")
    body = network.body if isinstance(network, architecture.OneHead) else network
    if level == of(spec)[-1] and spec["name"] != "deeplabv3plus":
        return architecture.LOWEST[spec["name"]](body, len(spec["features"]))
    return MODULES[spec["name"]](body, level)


def _of_unet(network: nn.Module, level: int) -> nn.Module:
    block = network.model
    for _ in range(level):
        block = block[1].submodule
    return block


def _of_attention_unet(network: nn.Module, level: int) -> nn.Module:
    layer = network.model[1]
    for _ in range(level):
        layer = layer.submodule[1]
    return layer


def _of_deeplabv3plus(network: nn.Module, level: int) -> nn.Module:
    if level == network.doublings + 1:
        return network.pyramid
    return network.decoder[1] if level == 1 else network.encoder[level]


MODULES = {
    "dynunet": lambda network, level: network.upsamples[-1 - level],
    "unet": _of_unet,
    "attention_unet": _of_attention_unet,
    "segresnet": lambda network, level: network.up_layers[-1 - level],
    "deeplabv3plus": _of_deeplabv3plus,
}
