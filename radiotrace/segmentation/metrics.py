"""Dice of masks and label maps: what training follows and evaluation starts from."""

import numpy as np


def dice(reference: np.ndarray, prediction: np.ndarray) -> float | None:
    """Dice coefficient of two masks.

    Args:
        reference, prediction: bool arrays of one shape, (z, y, x).

    Returns:
        2|A∩B| / (|A| + |B|), in [0, 1]; None when both are empty, where it is undefined.

    Raises:
        ValueError: the shapes differ.

    Source: Dice 1945, doi:10.2307/1932409.
    """
    if reference.shape != prediction.shape:
        raise ValueError(f"shapes differ: {reference.shape} and {prediction.shape}")
    both = int(reference.sum()) + int(prediction.sum())
    return 2 * int((reference & prediction).sum()) / both if both else None


def dice_per_label(
    reference_zyx: np.ndarray, prediction_zyx: np.ndarray, labels: dict[str, str]
) -> dict[str, float | None]:
    """Dice of each label but the background, by name.

    Args:
        reference_zyx, prediction_zyx: integer label maps of one shape.
        labels: value -> name; "0" is the background.
    """
    return {
        name: dice(reference_zyx == int(value), prediction_zyx == int(value))
        for value, name in labels.items()
        if value != "0"
    }


def mean_defined(values) -> float | None:
    """Mean of the values that are not None; None when there is none."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
