"""Scanners: what CT and PET show of a subject.

PET: uptake is blurred by the point spread (a Gaussian, 5-7 mm FWHM), averaged over voxels (partial volume),
gets noise whose variance is proportional to uptake, and goes through a Gaussian post filter (4-5 mm FWHM).
Noise is scaled so that a uniform volume of SUV 2.25 (a liver, which is not in the field) has a coefficient of
variation of 10-15 %. These numbers are usual ones, taken from no single publication. Not simulated:
attenuation and scatter and their correction, randoms, reconstruction, resolution that depends on place,
motion within PET.

CT: HU with noise, more in the shoulders, and a shift of a millimetre or so against PET. Not simulated: beam
hardening, metal, contrast agent.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, special

from radiotrace.synthetic.petct.space import (
    CT_MM,
    CT_ZYX,
    FWHM_PER_SIGMA,
    PET_MM,
    PET_ZYX,
    Box,
    fine_box,
    halved,
    pet_box,
    widened,
)

REFERENCE_SUV = 2.25
BLUR_REACH = 6  # voxels of PET beyond which nothing of a lesion is seen
SHOULDER_MM = 50.0
FILTER_REACH = 5  # voxels of PET
STEP_SUV = 256  # SUV are whole multiples of 1/256 g/mL
STEP_HU_RANGE = (-1024, 3071)


@dataclass(frozen=True)
class Scanner:
    """A scanner of a site.

    Attributes:
        psf_mm, filter_mm: FWHM.
        noise: coefficient of variation in a uniform volume of SUV 2.25, behind the post filter.
        ct_noise_hu: SD of CT at the neck, on the fine grid.
        calibration: by which all its SUV are off.
        share: of subjects.
    """

    name: str
    site: str
    psf_mm: float
    filter_mm: float
    noise: float
    ct_noise_hu: float
    calibration: float
    share: float


SCANNERS = (
    Scanner("scanner-1", "A", 5.0, 4.0, 0.10, 14.0, 1.00, 0.3),
    Scanner("scanner-2", "A", 6.0, 4.5, 0.12, 18.0, 0.98, 0.2),
    Scanner("scanner-3", "B", 6.0, 5.0, 0.13, 16.0, 1.03, 0.3),
    Scanner("scanner-4", "C", 7.0, 5.0, 0.15, 24.0, 0.97, 0.2),
)


def chosen(rng: np.random.Generator) -> Scanner:
    return SCANNERS[int(rng.choice(len(SCANNERS), p=[scanner.share for scanner in SCANNERS]))]


def expected(scanner: Scanner, uptake: np.ndarray) -> np.ndarray:
    """PET without noise and before the post filter.

    Args:
        uptake: on the fine grid, or a part of it that begins and ends on voxels of PET.

    Returns:
        float32, on the grid of PET.
    """
    sigma = scanner.psf_mm / FWHM_PER_SIGMA / CT_MM
    return halved(ndimage.gaussian_filter(uptake, sigma, mode="nearest"))


def filtered(scanner: Scanner, pet: np.ndarray) -> np.ndarray:
    """Behind the post filter."""
    kernel = _post_filter(scanner)
    for axis in range(pet.ndim):
        pet = ndimage.convolve1d(pet, kernel, axis, mode="nearest")
    return pet


def seen_alone(scanner: Scanner, box: Box, uptake: np.ndarray) -> tuple[Box, np.ndarray]:
    """What PET without noise shows of a lesion's uptake with nothing around it, and in which box of PET."""
    inner = pet_box(box)
    outer = widened(inner, BLUR_REACH, PET_ZYX)
    fine = fine_box(outer)
    alone = np.zeros([side.stop - side.start for side in fine], np.float32)
    place = tuple(
        slice(side.start - around.start, side.stop - around.start)
        for side, around in zip(box, fine, strict=True)
    )
    alone[place] = uptake
    return outer, filtered(scanner, expected(scanner, alone))


def pet(rng: np.random.Generator, scanner: Scanner, blurred: np.ndarray) -> np.ndarray:
    """SUV as the scanner shows them: float32, not negative, in steps of 1/256.

    Args:
        blurred: of `expected`.
    """
    white = rng.standard_normal(blurred.shape, dtype=np.float32)
    noise = np.sqrt(noise_variance(scanner, blurred)) * white
    shown = scanner.calibration * filtered(scanner, blurred + noise)
    return (np.round(np.maximum(shown, 0) * STEP_SUV) / STEP_SUV).astype(np.float32)


def noise_variance(scanner: Scanner, blurred: np.ndarray) -> np.ndarray:
    """Of each voxel before the post filter."""
    kept = float((_post_filter(scanner) ** 2).sum()) ** 3
    at_reference = (scanner.noise * REFERENCE_SUV) ** 2 / kept
    return np.maximum(blurred, 0.02) * np.float32(at_reference / REFERENCE_SUV)


def ct(rng: np.random.Generator, scanner: Scanner, hu: np.ndarray) -> np.ndarray:
    """HU as the scanner shows them on the fine grid, int16.

    Args:
        hu: on the fine grid.
    """
    shift = np.clip(rng.normal(0, 1, 3), -2.5, 2.5) / CT_MM
    blurred = ndimage.gaussian_filter(hu, 0.5, mode="nearest")
    moved = ndimage.shift(blurred, shift, order=1, mode="nearest")
    z_mm = np.arange(CT_ZYX[0], dtype=np.float32)[:, None, None] * CT_MM
    through_shoulders = 1 + 0.8 / (1 + np.exp((z_mm - SHOULDER_MM) / 8))
    noise = ndimage.gaussian_filter(rng.standard_normal(hu.shape, dtype=np.float32), 0.6)
    noise *= scanner.ct_noise_hu / noise.std() * through_shoulders
    return np.clip(np.round(moved + noise), *STEP_HU_RANGE).astype(np.int16)


def _post_filter(scanner: Scanner) -> np.ndarray:
    """The discrete Gaussian along one axis, whose variance is what was asked for.

    Samples of a Gaussian that is narrower than a voxel are narrower still.

    Source: Lindeberg 1990, doi:10.1109/34.49051.
    """
    variance = (scanner.filter_mm / FWHM_PER_SIGMA / PET_MM) ** 2
    weights = special.ive(np.arange(-FILTER_REACH, FILTER_REACH + 1), variance)
    return weights / weights.sum()
