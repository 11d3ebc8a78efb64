"""The probe: how fast this machine trains the planned network.

Its figure goes to the terminal alone: a plan that followed it would be another one each time.
"""

import math
import statistics
import time
from collections.abc import Sequence

import torch

from radiotrace.learning import architecture, numerics
from radiotrace.planning import cost
from radiotrace.records.network import NetworkSpec

STEPS = 5


def gflops(
    spec: NetworkSpec, patch_voxels: Sequence[int], batch_size: int, threads: int, precision: str
) -> float:
    """Operations a second, in billions: the median of five steps on the processor, after one that warms up.

    Args:
        patch_voxels: along x, y, z.
        precision: "bf16" or "fp32".
    """
    numerics.configure("native", threads)
    network = architecture.build(spec, seed=0).train()
    images = torch.zeros(batch_size, spec.image_channels, *patch_voxels[::-1])
    images.normal_(generator=torch.Generator().manual_seed(0))
    seconds = []
    for _ in range(STEPS + 1):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            output = network(images)
        output.float().square().mean().backward()
        seconds.append(time.perf_counter() - start)
    flop = cost.training_flop(spec) * math.prod(patch_voxels) * batch_size
    return flop / statistics.median(seconds[1:]) / 1e9
