"""Intensity: how voxel values are normalised before a network sees them, in training and at inference
alike."""

from collections.abc import Sequence

import numpy as np

from radiotrace.imaging import foreground
from radiotrace.imaging.channels import Channel
from radiotrace.records.preprocessing import Intensities


def normalise(
    array_zyx: np.ndarray,
    clip_percentiles: tuple[float, float],
    intensities: Intensities | None = None,
    within_zyx: np.ndarray | None = None,
) -> np.ndarray:
    """Clips to two percentiles of the volume, then shifts and scales to mean 0 and SD 1; where intensities
    are given, by these in the place of the volume's own.

    Args:
        array_zyx: any real type, finite.
        clip_percentiles: lower and upper, in 0..100.
        within_zyx: bool, the voxels over which percentiles, mean and SD are taken; all others become 0.

    Returns:
        float32, same shape; all zeros for a constant volume that is normalised by its own, and where no voxel
        is within.

    Source: inside a mask, nnU-Net's ZScoreNormalization with use_mask_for_norm.
    """
    if intensities:
        clipped = np.clip(array_zyx.astype(np.float64), intensities.low, intensities.high)
        return ((clipped - intensities.mean) / intensities.sd).astype(np.float32)
    if within_zyx is not None:
        normal_zyx = np.zeros(array_zyx.shape, np.float32)
        if within_zyx.any():
            normal_zyx[within_zyx] = normalise(array_zyx[within_zyx], clip_percentiles)
        return normal_zyx
    values = array_zyx.astype(np.float64)  # float64: scales up to 1e6 lose digits in float32 sums
    values = np.clip(values, *np.percentile(values, clip_percentiles))
    if values.min() == values.max():  # their mean may differ from them in the last digit, and their SD from 0
        return np.zeros(values.shape, np.float32)
    return ((values - values.mean()) / values.std()).astype(np.float32)


def normalise_channels(values_czyx: np.ndarray, channels: Sequence[Channel]) -> np.ndarray:
    """Each channel by itself, as it says: (c, z, y, x) float32. The foreground is that of all channels."""
    within_zyx = foreground.filled(values_czyx) if any(channel.within for channel in channels) else None
    return np.stack(
        [
            normalise(
                array_zyx,
                channel.percentiles,
                channel.intensities,
                within_zyx if channel.within else None,
            )
            for array_zyx, channel in zip(values_czyx, channels, strict=True)
        ]
    )
