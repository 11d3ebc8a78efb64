"""Dropout of whole channels, by masks that are drawn for each sample on its own.

torch draws the masks of a batch from one generator for everything: what a sample loses would depend on the
samples before it, on the process that it is given to, and on restarts.
"""

import numpy as np
import torch
from torch import nn


class ChannelDropout(nn.Module):
    """Sets a share of the channels of each sample to 0 and scales the others up, so that the expected value
    stays.

    Takes and gives (n, channels, …). Passes everything on until `draw` has drawn masks, in training and
    evaluation mode alike: evaluation may want them too.

    Source: Tompson et al. 2015, arXiv:1411.4280.
    """

    def __init__(self, channels: int, share: float):
        super().__init__()
        self.channels, self.share = channels, share
        self.masks: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.masks is None:
            return x
        return x * self.masks.to(x).view(*self.masks.shape, *[1] * (x.dim() - 2))


def draw(network: nn.Module, generators: list[np.random.Generator] | None) -> None:
    """Draws the masks for the batches to come, one generator for each of their samples; None switches
    dropout off."""
    for module in network.modules():
        if isinstance(module, ChannelDropout):
            module.masks = None
            if generators is not None:
                kept = np.stack([rng.random(module.channels) >= module.share for rng in generators])
                module.masks = torch.from_numpy(kept / np.float32(1 - module.share))
