"""surfaces: distances that a hand can measure, and where they are undefined."""

from dataclasses import astuple

import numpy as np
import pytest
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance
from scipy import ndimage

from radiotrace.segmentation import surfaces
from tests.test_metrics import EMPTY, cube

SPACING_ZYX = (5.0, 7.0, 11.0)
SHIFTS = pytest.mark.parametrize(
    ("shift_zyx", "shift_mm"), [((1, 0, 0), 5), ((0, 1, 0), 7), ((0, 0, 1), 11)], ids=["z", "y", "x"]
)


def voxel(*index) -> np.ndarray:
    mask = EMPTY.copy()
    mask[index] = True
    return mask


def plate(z: int) -> np.ndarray:
    mask = EMPTY.copy()
    mask[z] = True
    return mask


def by_hand(reference, prediction, tolerance_mm) -> tuple:
    """Each distance of each surface voxel, written out."""
    border = [
        np.argwhere(mask & ~ndimage.binary_erosion(mask)) * SPACING_ZYX for mask in (prediction, reference)
    ]
    distances = np.linalg.norm(border[0][:, None] - border[1][None], axis=-1)
    ways = distances.min(1), distances.min(0)
    precision, recall = ((way <= tolerance_mm).mean() for way in ways)
    hausdorff95_mm = max(np.percentile(way, 95) for way in ways)
    return hausdorff95_mm, np.concatenate(ways).mean(), 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize(
    ("index", "distance_mm"),
    [((4, 3, 3), 10), ((2, 5, 3), 14), ((2, 3, 4), 11), ((3, 4, 3), 74**0.5)],
    ids=["z", "y", "x", "diagonal"],
)
def test_distance_of_two_voxels(index, distance_mm):
    found = surfaces.compare(voxel(2, 3, 3), voxel(*index), SPACING_ZYX, distance_mm - 0.1)
    assert astuple(found)[:3] == (pytest.approx(distance_mm), pytest.approx(distance_mm), 0)
    assert surfaces.compare(voxel(2, 3, 3), voxel(*index), SPACING_ZYX, distance_mm + 0.1).boundary_f1 == 1


def test_distance_of_two_plates():  # 3 slices of 5 mm, everywhere
    found = surfaces.compare(plate(2), plate(5), SPACING_ZYX, 15)
    assert astuple(found) == (15, 15, 1, 1)


@pytest.mark.requirement("SRS-MET-1")
@SHIFTS
@pytest.mark.parametrize("tolerance_mm", [0, 5, 8])
def test_shifted_cubes_by_hand(shift_zyx, shift_mm, tolerance_mm):
    one, other = cube(4), cube(4, shift_zyx)
    found = surfaces.compare(one, other, SPACING_ZYX, tolerance_mm)
    assert astuple(found)[:3] == pytest.approx(by_hand(one, other, tolerance_mm), rel=1e-6)


def test_one_small_island_far_away_hardly_moves_the_mean_but_the_mean_knows():
    prediction = cube(4)
    prediction[8, 9, 10] = True
    found = surfaces.compare(cube(4), prediction, (1, 1, 1), 0)
    assert found.hausdorff95_mm == 0
    # from (5, 5, 5) to (8, 9, 10)
    assert found.average_surface_distance_mm == pytest.approx((3**2 + 4**2 + 5**2) ** 0.5 / (56 + 57))
    assert found.boundary_f1 == pytest.approx(2 * (56 / 57) / (1 + 56 / 57))


@pytest.mark.requirement("SRS-MET-1")
@pytest.mark.filterwarnings("ignore:monai.metrics.utils get_mask_edges:FutureWarning")
def test_distances_are_monai_s():
    rng = np.random.default_rng(0)
    one, other = (ndimage.gaussian_filter(rng.random((20, 24, 22)), 2) > 0.5 for _ in range(2))
    found = surfaces.compare(one, other, SPACING_ZYX, 5)
    masks = [torch.from_numpy(mask)[None, None] for mask in (other, one)]
    options = {"include_background": True, "spacing": SPACING_ZYX}
    assert found.hausdorff95_mm == pytest.approx(
        compute_hausdorff_distance(*masks, percentile=95, **options).item()
    )
    assert found.average_surface_distance_mm == pytest.approx(
        compute_average_surface_distance(*masks, symmetric=True, **options).item()
    )


def test_hausdorff95_forgives_one_surface_voxel_of_57():
    prediction = cube(4)
    prediction[8, 9, 10] = True
    assert surfaces.compare(cube(4), prediction, SPACING_ZYX, 1).hausdorff95_mm == 0


# from the small cube all is near, from the large one it is not
def test_hausdorff95_takes_the_larger_of_both_ways():
    found = [
        surfaces.compare(*masks, (1, 1, 1), 1).hausdorff95_mm
        for masks in ((cube(2), cube(5)), (cube(5), cube(2)))
    ]
    assert found[0] == found[1] > 3


def test_surface_dice_is_a_share_of_area():
    # A cube of 20 voxels has between voxel centres 6·19² squares, 12·19 bevelled edges of √2/2, 8 corners of
    # √3/8. Shifted by 2 it is off, beyond 1, at the face behind with its edges and corners, and at the face
    # within the other cube but for a rim of one square.
    reference, prediction = np.zeros((26, 26, 26), bool), np.zeros((26, 26, 26), bool)
    reference[2:22, 2:22, 2:22] = prediction[2:22, 2:22, 4:24] = True
    edge, corner = 2**0.5 / 2, 3**0.5 / 8
    off, area = 19**2 + 4 * 19 * edge + 4 * corner + 17**2, 6 * 19**2 + 12 * 19 * edge + 8 * corner
    assert surfaces.compare(reference, prediction, (1, 1, 1), 1).surface_dice == pytest.approx(
        1 - off / area, abs=1e-6
    )


@pytest.mark.requirement("SRS-MET-1")
# in mm, on a grid of 1 x 0.8 x 1.25
def test_concentric_spheres_lie_their_difference_of_radii_apart():
    spacing_zyx = (1.0, 0.8, 1.25)
    radius = np.linalg.norm((np.indices((49, 49, 49)) - 24) * np.reshape(spacing_zyx, (3, 1, 1, 1)), axis=0)
    found = surfaces.compare(radius <= 12, radius <= 15, spacing_zyx, 4)
    assert found.average_surface_distance_mm == pytest.approx(3, abs=0.2)
    assert found.hausdorff95_mm == pytest.approx(3, abs=0.7)  # a voxel's half diagonal
    assert found.surface_dice == 1


def test_swapping_the_masks_changes_nothing():
    one, other = cube(3), cube(5, (1, 0, 2))
    there, back = (surfaces.compare(*masks, SPACING_ZYX, 5) for masks in ((one, other), (other, one)))
    assert astuple(there) == pytest.approx(astuple(back), abs=1e-6)


def test_a_voxel_in_the_right_place_brings_the_surfaces_nearer():
    prediction = cube(4, (1, 0, 0))
    before = surfaces.compare(cube(4), prediction, SPACING_ZYX, 1)
    prediction[2, 2:6, 2:6] = True  # the slice of the reference that was missed
    after = surfaces.compare(cube(4), prediction, SPACING_ZYX, 1)
    assert after.average_surface_distance_mm < before.average_surface_distance_mm
    assert after.boundary_f1 > before.boundary_f1
    assert after.surface_dice > before.surface_dice


@pytest.mark.requirement("SRS-MET-1")
def test_two_empty_masks_are_undefined():
    assert set(astuple(surfaces.compare(EMPTY, EMPTY, SPACING_ZYX, 1))) == {None}


@pytest.mark.parametrize(
    ("reference", "prediction"), [(EMPTY, cube(3)), (cube(3), EMPTY)], ids=["reference", "prediction"]
)
def test_with_one_empty_mask_agreement_is_0_and_distance_undefined(reference, prediction):
    assert astuple(surfaces.compare(reference, prediction, SPACING_ZYX, 1)) == (None, None, 0, 0)


def test_a_mask_that_fills_the_grid():
    full = np.ones((4, 4, 4), bool)
    assert astuple(surfaces.compare(full, full, SPACING_ZYX, 0)) == (0, 0, 1, 1)


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match="shapes differ"):
        surfaces.compare(EMPTY, EMPTY[:1], SPACING_ZYX, 1)
