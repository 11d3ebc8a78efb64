"""How well a threshold of SUV outlines lesions: what a model must beat, and why it is worth training one.

Two of them, over all voxels of the body: a fixed SUV, the best of many, chosen with all reference in hand;
and 41 % of the highest SUV, as lesions are outlined once somebody has drawn a box around each (Boellaard et
al. 2015, doi:10.1007/s00259-014-2961-x). Each also with the brain left out, as somebody would who knows
anatomy.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

SUVS = tuple(float(suv) for suv in np.arange(1, 15.01, 0.25))
SHARE_OF_SUVMAX = 0.41
BODY_HU = -500
SPILL_VOXELS = 2  # around the brain


@dataclass(frozen=True)
class Overlaps:
    """Dice of one subject, both labels together as one.

    Attributes:
        fixed: at each of SUVS.
        share: at 41 % of the highest SUV.
    """

    fixed: tuple[float, ...]
    share: float


@dataclass(frozen=True)
class Thresholded:
    """Of one subject with lesions: within the body, and without its brain."""

    body: Overlaps
    without_brain: Overlaps


def of_subject(
    pet: np.ndarray, ct: np.ndarray, label_map: np.ndarray, brain: np.ndarray
) -> Thresholded | None:
    """Dice of both thresholds; None where there is no lesion, and Dice is undefined.

    Args:
        pet, ct, label_map, brain: SUV, HU, labels and bool on one grid.
    """
    lesion = label_map > 0
    if not lesion.any():
        return None
    body = ct > BODY_HU
    near_brain = np.asarray(ndimage.binary_dilation(brain, iterations=SPILL_VOXELS), bool)
    return Thresholded(_overlaps(pet, lesion, body), _overlaps(pet, lesion, body & ~near_brain))


def _overlaps(pet: np.ndarray, lesion: np.ndarray, within: np.ndarray) -> Overlaps:
    highest = float(pet[within].max())
    fixed = tuple(_dice(lesion, within & (pet >= suv)) for suv in SUVS)
    return Overlaps(fixed, _dice(lesion, within & (pet >= SHARE_OF_SUVMAX * highest)))


def _dice(lesion: np.ndarray, outlined: np.ndarray) -> float:
    both = np.count_nonzero(lesion & outlined)
    return 2 * both / (np.count_nonzero(lesion) + np.count_nonzero(outlined))
