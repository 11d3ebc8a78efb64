"""The network in the records of a run and of a model: everything but its weights.

Needs no torch, so that whoever reads a record does not wait for it.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import LEFT_OUT, Record, Rule
from radiotrace.records.values import Count, CountFrom1, Text


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

    def along(self, edge: int) -> int | list[int]:
        """A kernel or a stride of so many voxels along each axis, z, y, x; of one along z where a slice is
        taken at a time."""
        return [1, edge, edge] if self.one_slice else edge
