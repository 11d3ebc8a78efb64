"""Embedding: one vector for a case, by which the network itself tells cases apart."""

from contextlib import contextmanager

import numpy as np
from torch import nn

from radiotrace.learning import architecture
from radiotrace.learning.dropout import ChannelDropout
from radiotrace.records.network import NetworkSpec


@contextmanager
def watch(network: nn.Module, spec: NetworkSpec):
    """Listens to the lowest level while the network computes.

    Args:
        network: as networks.build gives it.
        spec: that it was built of.

    Yields:
        embedding(): (channels,) float64, one for each of the lowest level: mean over space of what it gives,
            before dropout, and then over all samples since the block began, such as the windows of one large
            image. None when there was none.

    Where a norm over each sample comes right before, as in dynunet and attention_unet, the mean of a channel
    tells the shape of its distribution, not its height.
    """
    means = []
    lowest = architecture.lowest(network, spec)
    if isinstance(lowest, nn.Sequential) and isinstance(lowest[-1], ChannelDropout):
        lowest = lowest[0]
    handle = lowest.register_forward_hook(
        lambda module, inputs, output: means.extend(output.detach().double().mean((2, 3, 4)).cpu())
    )
    try:
        yield lambda: np.mean([mean.numpy() for mean in means], 0) if means else None
    finally:
        handle.remove()
