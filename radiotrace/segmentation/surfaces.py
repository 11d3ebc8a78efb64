"""Surfaces: how far the border of a predicted mask lies from the reference's.

Surface voxels and their distances are MONAI's; they are the same in any order of axes, as long as masks and
spacing agree.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from monai.metrics.surface_dice import compute_surface_dice
from monai.metrics.utils import get_edge_surface_distance


@dataclass(frozen=True)
class Agreement:
    """Distances and agreements of two surfaces.

    Attributes:
        hausdorff95_mm: 95th percentile of the distances of each surface voxel to the other surface, the
            larger of both ways; other programs pool both ways and find less. None when a mask is empty.
            Huttenlocher et al. 1993, doi:10.1109/34.232073.
        average_surface_distance_mm: mean of the same distances, pooled over both ways. None when a mask is
            empty. Heimann et al. 2009, doi:10.1109/TMI.2009.2013851.
        boundary_f1: harmonic mean of the shares of either surface's voxels within the tolerance. Csurka et
            al. 2013, doi:10.5244/C.27.32.
        surface_dice: share of both surfaces, by area between voxel centres (marching cubes), within the
            tolerance. Nikolov et al. 2021, doi:10.2196/26151; areas of google-deepmind/surface-distance, as
            MONAI has them. The last two are 0 when one mask is empty, and None when both are.
    """

    hausdorff95_mm: float | None
    average_surface_distance_mm: float | None
    boundary_f1: float | None
    surface_dice: float | None


def compare(
    reference: np.ndarray,
    prediction: np.ndarray,
    spacing_zyx: tuple[float, ...],
    tolerance_mm: float,
) -> Agreement:
    """Distances and agreements of two surfaces, which are searched once for all of them.

    Args:
        reference, prediction: bool arrays of one shape, (z, y, x). Of one slice the surface is the contour in
            its plane.
        spacing_zyx: edges of a voxel, in mm.
        tolerance_mm: distance up to which surfaces count as agreeing.

    Raises:
        ValueError: the shapes differ.
    """
    if reference.shape != prediction.shape:
        raise ValueError(f"shapes differ: {reference.shape} and {prediction.shape}")
    if not reference.any() or not prediction.any():
        agreement = None if not reference.any() and not prediction.any() else 0.0
        return Agreement(None, None, boundary_f1=agreement, surface_dice=agreement)
    if len(reference) == 1:  # a picture: else every voxel would touch the outside, above and below
        reference, prediction, spacing_zyx = reference[0], prediction[0], spacing_zyx[1:]
    masks = (
        torch.from_numpy(np.ascontiguousarray(prediction)),
        torch.from_numpy(np.ascontiguousarray(reference)),
    )
    with warnings.catch_warnings():
        # of an argument that MONAI passes to itself
        warnings.filterwarnings("ignore", "monai.metrics.utils get_mask_edges", FutureWarning)
        _, distances, _ = get_edge_surface_distance(*masks, spacing=spacing_zyx, symmetric=True)
        surface_dice = compute_surface_dice(
            masks[0][None, None],
            masks[1][None, None],
            [tolerance_mm],
            include_background=True,
            spacing=spacing_zyx,
            use_subvoxels=True,
        ).item()
    ways = [way.double().numpy() for way in distances]
    precision, recall = (float((way <= tolerance_mm).mean()) for way in ways)
    return Agreement(
        hausdorff95_mm=max(float(np.percentile(way, 95)) for way in ways),
        average_surface_distance_mm=float(np.concatenate(ways).mean()),
        boundary_f1=2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        surface_dice=surface_dice,
    )
