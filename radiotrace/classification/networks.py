"""Networks that tell the classes of a picture: (n, c, y, x) float32 -> logits (n, outputs).

Norms are over groups of channels of one picture, never over a batch, so that a picture's logits do not depend
on those beside it and a step may be shared out.
"""

from itertools import pairwise
from math import gcd
from typing import cast

import torch
from monai.networks.nets.densenet import DenseNet
from torch import nn
from torch.nn import functional

from radiotrace.learning.dropout import ChannelDropout
from radiotrace.records.classification.network import ClassifierSpec

GROUPS = 8
CHANNELS_FIRST = 2  # multiples of a first width that a dense stage begins with


def norm(channels: int) -> nn.GroupNorm:
    """Over 8 groups, or as many as divide the channels."""
    return nn.GroupNorm(gcd(GROUPS, channels), channels)


class Residual(nn.Module):
    """Two convolutions and what passes by them.

    Source: He et al. 2016, arXiv:1512.03385; the average before the shortcut: He et al. 2019,
    arXiv:1812.01187.
    """

    def __init__(self, channels_in: int, channels: int, stride: int):
        super().__init__()
        self.way = nn.Sequential(
            nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False),
            norm(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            norm(channels),
        )
        self.by = nn.Identity()
        if stride > 1 or channels_in != channels:
            self.by = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity(),
                nn.Conv2d(channels_in, channels, 1, bias=False),
                norm(channels),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.way(x) + self.by(x))


class Inverted(nn.Module):
    """A wide depthwise convolution, then two layers for each place.

    Source: Liu et al. 2022, arXiv:2201.03545, with a norm over groups in the place of layer norm.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.way = nn.Sequential(
            nn.Conv2d(channels, channels, 7, padding=3, groups=channels),
            norm(channels),
            nn.Conv2d(channels, 4 * channels, 1),
            nn.GELU(),
            nn.Conv2d(4 * channels, channels, 1),
        )
        self.scale = nn.Parameter(torch.full((1, channels, 1, 1), 0.1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.scale * self.way(x)


def resnet(spec: ClassifierSpec) -> tuple[nn.Module, int]:
    """Stages of residual blocks, and the channels that they end with. The first keeps the resolution."""
    first, *_ = spec.widths
    layers: list[nn.Module] = [
        nn.Conv2d(spec.image_channels, first, 3, 1, 1, bias=False),
        norm(first),
        nn.ReLU(),
    ]
    channels = first
    for stage, width in enumerate(spec.widths):
        for block in range(spec.blocks):
            layers.append(Residual(channels, width, 2 if stage and not block else 1))
            channels = width
    return nn.Sequential(*layers), channels


def convnext(spec: ClassifierSpec) -> tuple[nn.Module, int]:
    """Stages of inverted blocks, and the channels that they end with; the first halves the resolution."""
    first = spec.widths[0]
    layers: list[nn.Module] = [nn.Conv2d(spec.image_channels, first, 2, 2), norm(first)]
    layers += [Inverted(first) for _ in range(spec.blocks)]
    for channels, width in pairwise(spec.widths):
        layers += [norm(channels), nn.Conv2d(channels, width, 2, 2)]
        layers += [Inverted(width) for _ in range(spec.blocks)]
    return nn.Sequential(*layers, norm(spec.widths[-1])), spec.widths[-1]


def densenet(spec: ClassifierSpec) -> tuple[nn.Module, int]:
    """MONAI's DenseNet without its head: stages of layers that each see all before them.

    Source: Huang et al. 2017, arXiv:1608.06993.
    """
    body = DenseNet(
        spatial_dims=2,
        in_channels=spec.image_channels,
        out_channels=spec.outputs,
        init_features=CHANNELS_FIRST * spec.widths[0],
        growth_rate=spec.widths[0],
        block_config=(spec.blocks,) * len(spec.widths),
        norm="batch",
    ).features
    body.conv0, body.pool0 = (
        nn.Conv2d(spec.image_channels, CHANNELS_FIRST * spec.widths[0], 3, 1, 1, bias=False),
        nn.Identity(),
    )
    _replace(body)
    return nn.Sequential(body, nn.ReLU()), cast(nn.GroupNorm, body.norm5).num_channels


def _replace(module: nn.Module) -> None:
    """Puts norms over groups in the place of norms over the batch."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, norm(child.num_features))
        else:
            _replace(child)


BODIES = {"resnet": resnet, "densenet": densenet, "convnext": convnext}


class Classifier(nn.Module):
    """Features by place, their mean over places, dropout, and one layer."""

    def __init__(self, spec: ClassifierSpec):
        super().__init__()
        self.enlarge = spec.enlarge
        self.body, channels = BODIES[spec.name](spec)
        self.dropout = ChannelDropout(channels, spec.dropout)
        self.head = nn.Linear(channels, spec.outputs)

    def places(self, image: torch.Tensor) -> torch.Tensor:
        """Features by place, (n, channels, y, x), coarser than the picture."""
        if self.enlarge > 1:
            image = functional.interpolate(
                image, scale_factor=self.enlarge, mode="bilinear", align_corners=False
            )
        return self.body(image)

    def told(self, places: torch.Tensor) -> torch.Tensor:
        """Logits of features by place."""
        return self.head(self.dropout(places.mean((2, 3))))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.told(self.places(image))


def build(spec: ClassifierSpec, seed: int) -> Classifier:
    """A freshly initialised network.

    Args:
        seed: decides the initial weights.

    Raises:
        ValueError: the spec has faults.
    """
    if broken := faults(spec):
        raise ValueError("; ".join(broken))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Classifier(spec)


def faults(spec: ClassifierSpec) -> list[str]:
    """What does not fit together in a spec, by the names of params.yaml."""
    if spec.name == "densenet" and len(set(spec.widths)) > 1:
        return [f"train.widths: found {list(spec.widths)}, expected one growth for all stages of densenet"]
    return []


def shrinks(spec: ClassifierSpec) -> int:
    """By what factor features are coarser than the picture as it is handed in, enlargement not counted."""
    return 2 ** (len(spec.widths) - (0 if spec.name == "convnext" else 1))
