"""The network in the records of a run and of a model: everything but its weights.

Needs no torch, so that whoever reads a record does not wait for it.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import LEFT_OUT, Record, Rule
from radiotrace.records.values import Count, CountFrom1, Text

# Along x, y, z, as all values of three axes in params.yaml and in records.
Stride = Literal[1, 2]
Strides = tuple[Stride, Stride, Stride]
Kernel = Literal[1, 3]
Kernels = tuple[Kernel, Kernel, Kernel]


@dataclass(frozen=True)
class NetworkSpec(Record):
    """A network, but for its weights.

    Records of older versions lack what has a default.

    Attributes:
        name: a file of radiotrace/learning/networks.
        features: channels of each level.
        labels: their number, with background.
        deep_supervision: number of heads below full resolution; not there: as many as is usual for the
            network.
        dropout: share of the lowest level's channels that a pass of dropout takes away.
        image_channels: of the image that it takes; there where it takes several.
        one_slice: there where it takes a slice at a time: along z it neither pools nor looks beyond a voxel.
        strides: of each level after the first, by how much it is coarser than the one before; there where
            not every level halves every axis.
        kernels: of each level, edges of its convolutions; there where not all are 3.
    """

    name: Text
    features: Annotated[tuple[CountFrom1, ...], Rule(minItems=1)]
    labels: Annotated[int, Rule(minimum=2)]
    norm: Literal["instance", "group"] = "instance"
    upsampling: Literal["transposed", "pixelshuffle"] = "transposed"
    deep_supervision: Count | None = None
    dropout: Annotated[float, Rule(minimum=0, exclusiveMaximum=1)] = 0.0
    image_channels: Annotated[int, Rule(minimum=2), LEFT_OUT] = 1
    one_slice: Annotated[bool, Rule(const=True), LEFT_OUT] = False
    strides: Annotated[tuple[Strides, ...], Rule(minItems=1)] | None = None
    kernels: Annotated[tuple[Kernels, ...], Rule(minItems=1)] | None = None

    def stride_zyx(self, level: int) -> list[int]:
        """By how much a level is coarser than the one before, along z, y, x. Level 0 has full resolution."""
        if level == 0:
            return [1, 1, 1]
        if self.strides:
            return list(self.strides[level - 1][::-1])
        return [1, 2, 2] if self.one_slice else [2, 2, 2]

    def kernel_zyx(self, level: int) -> list[int]:
        """Edges of the convolutions of a level, in voxels, z, y, x."""
        if self.kernels:
            return list(self.kernels[level][::-1])
        return [1, 3, 3] if self.one_slice else [3, 3, 3]
