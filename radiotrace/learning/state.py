"""State: the values of a network by name, out of it and into it. For any network of any task."""

import torch
from torch import nn


def of(network: nn.Module) -> dict[str, torch.Tensor]:
    """Weights and buffers by name, each once: DynUNet reaches most of its layers under two names."""
    return dict(sorted([*network.named_parameters(), *network.named_buffers()]))


@torch.no_grad()
def load(network: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Copies values, as `of` names them, into a network.

    Raises:
        ValueError: a name is missing or unknown, or a shape differs.
    """
    own = of(network)
    if own.keys() != tensors.keys():
        raise ValueError(f"weights of another network: {sorted(own.keys() ^ tensors.keys())[:3]} …")
    for name, value in tensors.items():
        if own[name].shape != value.shape:
            raise ValueError(f"{name}: found {tuple(value.shape)}, expected {tuple(own[name].shape)}")
        own[name].copy_(value)
