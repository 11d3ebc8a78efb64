"""What a network costs, by its layers alone: operations and memory a voxel.

Counted for dynunet, whose level has two convolutions and whose way up one transposed convolution and two
convolutions over twice the channels; the others are near it.
"""

import math

from radiotrace.records.network import NetworkSpec

# A multiplication and an addition; the gradients of inputs and of weights cost as much again, each.
FORWARD, TRAINING = 2, 6


def multiplications(spec: NetworkSpec) -> float:
    """Of one pass forward, a voxel of full resolution."""
    total, coarseness, below = 0.0, 1, spec.image_channels
    features = spec.features
    for level, width in enumerate(features):
        coarseness *= math.prod(spec.stride_zyx(level))
        kernel = math.prod(spec.kernel_zyx(level))
        pairs = below * width + width * width
        if level < len(features) - 1:  # on the way up: 2 x width in
            pairs += 2 * width * width + width * width
            # the transposed one: its kernel is its stride, so that one entry makes a voxel of this level
            total += features[level + 1] * width / coarseness
        total += kernel * pairs / coarseness
        below = width
    return total + features[0] * spec.labels


def training_flop(spec: NetworkSpec) -> float:
    """Of a step, a voxel."""
    return TRAINING * multiplications(spec)


def inference_flop(spec: NetworkSpec) -> float:
    """Of a pass forward, a voxel."""
    return FORWARD * multiplications(spec)


def training_bytes(spec: NetworkSpec) -> float:
    """Kept for the way back, a voxel: the output of each convolution and norm, in float32."""
    total, coarseness = 0.0, 1
    for level, width in enumerate(spec.features):
        coarseness *= math.prod(spec.stride_zyx(level))
        outputs = 4 * width if level == len(spec.features) - 1 else 9 * width
        total += 4 * outputs / coarseness
    return total + 4 * 2 * spec.labels
