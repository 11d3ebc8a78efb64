"""Features: what can be measured of a case without a reference, of its image and of its prediction."""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
from scipy import ndimage, special

from radiotrace.imaging import volumes
from radiotrace.imaging.channels import Channel
from radiotrace.imaging.image import Image
from radiotrace.segmentation import overlap
from radiotrace.statistics import uncertainty

PERCENTILES = (5, 50, 95)
SPACING_DIGITS = 4  # of mm: NIfTI keeps 0.9 as 0.899999976, NRRD as it is, and that is no shift


def describe(
    image: Image, label_map: sitk.Image, logits: np.ndarray, labels: dict[str, str], orientation: str
) -> dict[str, dict]:
    """The features of a case, as inference.segment leaves it.

    Args:
        image: as it was handed in, of any orientation and spacing.
        label_map: its prediction, on its grid.
        logits: (labels, z, y, x), on the canonical grid.
        labels: value -> name.
        orientation: of the model's preprocessing, in which x, y, z are counted.

    Returns:
        "input" and "output": name -> value, with the unit in the name; see `of_channel`, `of_grid` and
        `of_output`. Where an image has several channels, features of one end in its name.
    """
    turned = image.canonical(orientation, None)
    label_zyx = volumes.array_zyx(volumes.canonical(label_map, orientation, None, is_label_map=True))
    spacing_zyx = tuple(round(edge, SPACING_DIGITS) for edge in volumes.to_zyx(turned.grid.spacing_mm))
    of_image: dict[str, float | None] = {}
    for suffix, image_zyx in zip(suffixes(image.channels), turned.values_czyx, strict=True):
        for name, value in of_channel(image_zyx, label_zyx > 0).items():
            of_image[f"{name}{suffix}"] = value
    return {
        "input": of_image | of_grid(label_zyx.shape, spacing_zyx),
        "output": of_output(label_zyx, spacing_zyx, logits, labels),
    }


def suffixes(channels: Sequence[Channel]) -> list[str]:
    """What the names of features of each channel end in: nothing where there is one."""
    return [""] if len(channels) == 1 else [f".{channel.name}" for channel in channels]


def of_channel(image_zyx: np.ndarray, foreground_zyx: np.ndarray) -> dict[str, float | None]:
    """Features of one channel of an image.

    Args:
        image_zyx: any real type, finite, as it was handed in: neither clipped nor scaled.
        foreground_zyx: bool, where the network found a label.

    Returns:
        intensity_mean, intensity_sd, intensity_p05, …: of all voxels, in the channel's own unit.
        noise_sd: see `noise`.
        snr: mean of the foreground / noise_sd. Where zero is a convention, as in CT, it depends on that
            convention: compare it only within one modality. None without a foreground, and where noise_sd is
            None or 0.
    """
    values = image_zyx.astype(np.float64)
    deviation = noise(values)
    features = {
        "intensity_mean": float(values.mean()),
        "intensity_sd": float(values.std()),
        "noise_sd": deviation,
        "snr": float(values[foreground_zyx].mean()) / deviation
        if deviation and foreground_zyx.any()
        else None,
    }
    features |= {
        f"intensity_p{percent:02d}": float(value)
        for percent, value in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True)
    }
    return features


def of_grid(shape_zyx: tuple[int, ...], spacing_zyx: tuple[float, float, float]) -> dict[str, float]:
    """size_x_mm, spacing_x_mm, …: along each axis."""
    features: dict[str, float] = {}
    for axis, size, spacing in zip("zyx", shape_zyx, spacing_zyx, strict=True):
        features |= {f"size_{axis}_mm": float(size * spacing), f"spacing_{axis}_mm": float(spacing)}
    return features


def of_output(
    label_zyx: np.ndarray, spacing_zyx: tuple[float, float, float], logits: np.ndarray, labels: dict[str, str]
) -> dict[str, float]:
    """Features of a prediction.

    Args:
        label_zyx: predicted label map.
        spacing_zyx: edges of its voxels, in mm.
        logits: (labels, z, y, x), on any grid.
        labels: value -> name.

    Returns:
        volume_mm3.NAME and components.NAME of each label but the background; components as
        overlap.components.
        expected_dice_loss: of the probabilities, as uncertainty.expected_dice_loss; 0 where no label wins.
    """
    masks = {name: label_zyx == int(value) for value, name in labels.items() if value != "0"}
    probabilities = special.softmax(logits.astype(np.float64), 0)
    return {
        **{
            f"volume_mm3.{name}": int(mask.sum()) * float(np.prod(spacing_zyx))
            for name, mask in masks.items()
        },
        **{f"components.{name}": float(overlap.components(mask)) for name, mask in masks.items()},
        uncertainty.SCORE: uncertainty.expected_dice_loss(probabilities, logits.argmax(0)),
    }


def noise(image_zyx: np.ndarray) -> float | None:
    """Standard deviation of white noise in an image, which needs no background to look for it in.

    The second difference along x of that along y of that along z is 0 wherever the image is, along any one
    axis, a straight line; borders of organs leave it at their corners only. Of white noise of SD 1 it has the
    SD √6³. The median of its absolute value is 0.6745 SD and does not see the corners. Noise that neighbours
    share, as after interpolation or smoothing, is found too small; fine texture counts as noise. A picture of
    one slice is looked at along y and x alone.

    Args:
        image_zyx: float.

    Returns:
        In the image's unit. Blocks of 3 x 3 x 3 voxels of one value are padding, and what touches them does
        not count. None where nothing is left, such as in an image of 2 voxels along an axis.

    Source: Immerkær 1996, doi:10.1006/cviu.1996.0060, with a third axis; the median as Donoho and Johnstone
    1994, doi:10.1093/biomet/81.3.425.
    """
    image = image_zyx[0] if len(image_zyx) == 1 else image_zyx
    if min(image.shape) < 3:
        return None
    one_value = ndimage.maximum_filter(image, 3) == ndimage.minimum_filter(image, 3)
    counts = np.logical_not(ndimage.maximum_filter(one_value, 5))[(slice(1, -1),) * image.ndim]
    if not counts.any():
        return None
    differences = image
    for axis in range(image.ndim):
        differences = np.diff(differences, 2, axis)
    return float(np.median(np.abs(differences[counts])) / special.ndtri(0.75) / 6 ** (image.ndim / 2))
