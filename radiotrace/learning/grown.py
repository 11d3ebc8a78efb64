"""Grown: a network whose graph comes with its weights, so that a spec alone does not build it.

Between learning.trained, which loads networks, and networks/imported.py, which is imported where a study has
such a network, and nowhere else.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping

import torch
from torch import nn

NAME = "imported"  # of the network in records


class Grown(nn.Module):
    """A network that is empty until it is given what its file of weights holds."""

    @abstractmethod
    def grow(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Becomes the network that the tensors are of."""

    @abstractmethod
    def file(self) -> bytes:
        """The network as ONNX, as it was admitted."""

    @abstractmethod
    def scramble(self, seed: int) -> None:
        """Puts the values of each weight in another order, which the seed decides."""


def described(names: Iterable[str]) -> tuple[str, ...]:
    """Of the names of networks those that a spec describes, so that they can be built without a file."""
    return tuple(name for name in names if name != NAME)
