"""Metrics of a predicted mask against a reference mask.

Surface metrics are MONAI's; they compute the same in any order of axes, as long as masks and spacing agree on it.
"""
import warnings
from contextlib import contextmanager

import numpy as np
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice


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


def surface_dice(reference: np.ndarray, prediction: np.ndarray, spacing_zyx: tuple[float, float, float], tolerance_mm: float) -> float | None:
    """Share of both surfaces, by area, that lies within a tolerance of the other one.

    Args:
        reference, prediction: bool arrays of one shape, (z, y, x).
        spacing_zyx: edges of a voxel, in mm.
        tolerance_mm: distance up to which a piece of surface counts as agreeing.

    Returns:
        Normalised surface Dice in [0, 1], on the surface between voxel centres (marching cubes); 0 when one mask is
        empty; None when both are, where it is undefined.

    Raises:
        ValueError: the shapes differ.

    Source: Nikolov et al. 2021, doi:10.2196/26151; the areas of google-deepmind/surface-distance, as MONAI has them.
    """
    if reference.shape != prediction.shape:
        raise ValueError(f"shapes differ: {reference.shape} and {prediction.shape}")
    if not reference.any() or not prediction.any():
        return None if not reference.any() and not prediction.any() else 0.0
    with _of_monai():
        return compute_surface_dice(_ncdhw(prediction), _ncdhw(reference), [tolerance_mm], include_background=True, spacing=spacing_zyx,
                                    use_subvoxels=True).item()


def hausdorff95(reference: np.ndarray, prediction: np.ndarray, spacing_zyx: tuple[float, float, float]) -> float | None:
    """95th percentile of the distances from the surface voxels of each mask to the other's, the larger of both ways.

    Args:
        reference, prediction: bool arrays of one shape, (z, y, x).
        spacing_zyx: edges of a voxel, in mm.

    Returns:
        mm; None when a mask is empty, where it is undefined.

    Raises:
        ValueError: the shapes differ.

    Source: Huttenlocher et al. 1993, doi:10.1109/34.232073; the larger percentile, as MONAI takes it: other programs
    pool the distances of both ways and find less.
    """
    if reference.shape != prediction.shape:
        raise ValueError(f"shapes differ: {reference.shape} and {prediction.shape}")
    if not reference.any() or not prediction.any():
        return None
    with _of_monai():
        return compute_hausdorff_distance(_ncdhw(prediction), _ncdhw(reference), include_background=True, percentile=95, spacing=spacing_zyx).item()


@contextmanager
def _of_monai():
    """MONAI 1.6 warns of an argument that it passes to itself."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "monai.metrics.utils get_mask_edges", FutureWarning)
        yield


def _ncdhw(mask: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(mask))[None, None]


def dice_per_label(reference_zyx: np.ndarray, prediction_zyx: np.ndarray, labels: dict[str, str]) -> dict[str, float | None]:
    """Dice of each label but the background, by name.

    Args:
        reference_zyx, prediction_zyx: integer label maps of one shape.
        labels: value -> name; "0" is the background.
    """
    return {name: dice(reference_zyx == int(value), prediction_zyx == int(value))
            for value, name in labels.items() if value != "0"}


def mean_defined(values) -> float | None:
    """Mean of the values that are not None; None when there is none."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
