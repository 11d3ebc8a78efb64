"""Features: what can be measured of a case without a reference, of its image and of its prediction."""

import numpy as np
import SimpleITK as sitk
from scipy import ndimage, special

from radiotrace.imaging import volumes
from radiotrace.segmentation import overlap
from radiotrace.statistics import calibration, uncertainty

PERCENTILES = (5, 50, 95)
SPACING_DIGITS = 4  # of mm: NIfTI keeps 0.9 as 0.899999976, NRRD as it is, and that is no shift
BORDER = 1  # voxels around the predicted labels within which the prediction's entropy counts


def describe(
    image: sitk.Image, label_map: sitk.Image, logits: np.ndarray, labels: dict[str, str], orientation: str
) -> dict[str, dict]:
    """The features of a case, as inference.segment leaves it.

    Args:
        image: as it was handed in, 3-D, scalar, of any orientation and spacing.
        label_map: its prediction, on its grid.
        logits: (labels, z, y, x), on the canonical grid.
        labels: value -> name.
        orientation: of the model's preprocessing, in which x, y, z are counted.

    Returns:
        "input" and "output": name -> value, with the unit in the name; see `of_input` and `of_output`.
    """
    turned = [
        volumes.canonical(volume, orientation, None, is_label_map=True) for volume in (image, label_map)
    ]
    image_zyx, label_zyx = map(volumes.array_zyx, turned)
    spacing_zyx = tuple(round(edge, SPACING_DIGITS) for edge in volumes.to_zyx(turned[0].GetSpacing()))
    return {
        "input": of_input(image_zyx, label_zyx > 0, spacing_zyx),
        "output": of_output(label_zyx, spacing_zyx, logits, labels),
    }


def of_input(
    image_zyx: np.ndarray, foreground_zyx: np.ndarray, spacing_zyx: tuple[float, float, float]
) -> dict[str, float | None]:
    """Features of an image.

    Args:
        image_zyx: any real type, finite, as it was handed in: neither clipped nor scaled.
        foreground_zyx: bool, where the network found a label.
        spacing_zyx: edges of a voxel, in mm.

    Returns:
        intensity_mean, intensity_sd, intensity_p05, …: of all voxels, in the image's own unit. size_x_mm,
        spacing_x_mm, …: along each axis.
        noise_sd: see `noise`.
        snr: mean of the foreground / noise_sd. Where zero is a convention, as in CT, it depends on that
            convention: compare it only within one modality. None without a foreground, and where noise_sd is
            None or 0.
    """
    values = image_zyx.astype(np.float64)
    deviation = noise(values)
    found = {
        "intensity_mean": float(values.mean()),
        "intensity_sd": float(values.std()),
        "noise_sd": deviation,
        "snr": float(values[foreground_zyx].mean()) / deviation
        if deviation and foreground_zyx.any()
        else None,
    }
    found |= {
        f"intensity_p{percent:02d}": float(value)
        for percent, value in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True)
    }
    for axis, size, spacing in zip("zyx", values.shape, spacing_zyx, strict=True):
        found |= {f"size_{axis}_mm": float(size * spacing), f"spacing_{axis}_mm": float(spacing)}
    return found


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
        entropy: mean entropy of the probabilities, in nats, over the voxels where a label wins and those
            within BORDER voxels of them; 0 where none wins.
    """
    masks = {name: label_zyx == int(value) for value, name in labels.items() if value != "0"}
    winner = logits.argmax(0)
    entropy = uncertainty.entropy(special.softmax(logits.astype(np.float64), 0))
    return {
        **{
            f"volume_mm3.{name}": int(mask.sum()) * float(np.prod(spacing_zyx))
            for name, mask in masks.items()
        },
        **{f"components.{name}": float(overlap.components(mask)) for name, mask in masks.items()},
        "entropy": uncertainty.case_score(entropy, calibration.region(winner, winner, BORDER)),
    }


def noise(image_zyx: np.ndarray) -> float | None:
    """Standard deviation of white noise in an image, which needs no background to look for it in.

    The second difference along x of that along y of that along z is 0 wherever the image is, along any one
    axis, a straight line; borders of organs leave it at their corners only. Of white noise of SD 1 it has the
    SD √6³. The median of its absolute value is 0.6745 SD and does not see the corners. Noise that neighbours
    share, as after interpolation or smoothing, is found too small; fine texture counts as noise.

    Args:
        image_zyx: float.

    Returns:
        In the image's unit. Blocks of 3 x 3 x 3 voxels of one value are padding, and what touches them does
        not count. None where nothing is left, such as in an image of fewer than 3 voxels along an axis.

    Source: Immerkær 1996, doi:10.1006/cviu.1996.0060, with a third axis; the median as Donoho and Johnstone
    1994, doi:10.1093/biomet/81.3.425.
    """
    if min(image_zyx.shape) < 3:
        return None
    one_value = ndimage.maximum_filter(image_zyx, 3) == ndimage.minimum_filter(image_zyx, 3)
    counts = ~ndimage.maximum_filter(one_value, 5)[1:-1, 1:-1, 1:-1]
    if not counts.any():
        return None
    differences = np.diff(np.diff(np.diff(image_zyx, 2, 0), 2, 1), 2, 2)
    return float(np.median(np.abs(differences[counts])) / special.ndtri(0.75) / 6**1.5)
