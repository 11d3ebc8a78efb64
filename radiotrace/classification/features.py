"""Features: what can be measured of a picture without its class, of the picture and of what is told of it.

New pictures are held against those of the evaluation by them (statistics/monitoring.py).
"""

from collections.abc import Sequence

import numpy as np

from radiotrace.imaging.image import Image

PERCENTILES = (5, 50, 95)
UNCERTAINTY = "uncertainty"  # the one by which a case is flagged


def describe(
    image: Image, p: Sequence[float], names: Sequence[str], uncertainty: float
) -> dict[str, dict[str, float | None]]:
    """The features of a case.

    Args:
        image: canonical, of one slice, neither clipped nor scaled.
        p: calibrated probabilities of the labels after the first. names: of these labels.
        uncertainty: of one prediction, from 0 to 1.

    Returns:
        "input" and "output": name -> value. Where a picture has several channels, features of one end in its
        name.
    """
    of_image: dict[str, float | None] = {}
    several = len(image.channels) > 1
    for channel, values_zyx in zip(image.channels, image.values_czyx, strict=True):
        suffix = f".{channel.name}" if several else ""
        of_image |= {f"{name}{suffix}": value for name, value in of_channel(values_zyx[0]).items()}
    _, height, width = image.values_czyx.shape[1:]
    return {
        "input": of_image | {"width_pixels": float(width), "height_pixels": float(height)},
        "output": {
            **{f"probability.{name}": float(value) for name, value in zip(names, p, strict=True)},
            UNCERTAINTY: float(uncertainty),
        },
    }


def of_channel(values_yx: np.ndarray) -> dict[str, float | None]:
    """Features of one channel, in its own unit.

    Returns:
        intensity_mean, intensity_sd, intensity_p05, …: of all pixels.
        fine_share: of the variance, what neighbours along x and along y differ by, halved: 1 for noise alone,
            near 0 for a smooth picture. None for a picture of one value.
    """
    values = values_yx.astype(np.float64)
    variance = float(values.var())
    differences = np.concatenate([np.diff(values, axis=0).ravel(), np.diff(values, axis=1).ravel()])
    of_percentiles = zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True)
    return {
        "intensity_mean": float(values.mean()),
        "intensity_sd": variance**0.5,
        **{f"intensity_p{percent:02d}": float(value) for percent, value in of_percentiles},
        "fine_share": float((differences**2).mean() / (2 * variance)) if variance else None,
    }
