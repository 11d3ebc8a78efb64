"""metrics: values that a hand can compute, and where they are undefined."""
import numpy as np
import pytest

from radiotrace.evaluation import metrics

LABELS = {"0": "background", "1": "anterior", "2": "posterior"}


def cube(edge: int, shift_zyx=(0, 0, 0)) -> np.ndarray:
    """A cube in a grid of 9 x 10 x 11 voxels."""
    mask = np.zeros((9, 10, 11), bool)
    mask[tuple(slice(2 + shift, 2 + shift + edge) for shift in shift_zyx)] = True
    return mask


EMPTY = np.zeros((9, 10, 11), bool)


@pytest.mark.parametrize("shift_zyx", [(1, 0, 0), (0, 1, 0), (0, 0, 1)], ids=["z", "y", "x"])
def test_dice_of_two_cubes_shifted_by_one_voxel(shift_zyx):    # 2·48 / (64 + 64)
    assert metrics.dice(cube(4), cube(4, shift_zyx)) == 0.75


def test_dice_of_a_cube_inside_a_larger_one():                 # 2·8 / (8 + 64)
    assert metrics.dice(cube(2), cube(4)) == 16 / 72


def test_dice_of_equal_masks_is_1():
    assert metrics.dice(cube(4), cube(4)) == 1.0


def test_dice_of_masks_apart_is_0():
    assert metrics.dice(cube(2), cube(2, (3, 3, 3))) == 0.0


def test_dice_of_two_empty_masks_is_undefined():
    assert metrics.dice(EMPTY, EMPTY) is None


@pytest.mark.parametrize(("reference", "prediction"), [(EMPTY, cube(3)), (cube(3), EMPTY)], ids=["reference", "prediction"])
def test_dice_with_one_empty_mask_is_0(reference, prediction):
    assert metrics.dice(reference, prediction) == 0.0


def test_dice_is_symmetric():
    rng = np.random.default_rng(0)
    one, other = rng.random((2, 5, 6, 7)) < [[[[0.3]]], [[[0.6]]]]
    assert metrics.dice(one, other) == metrics.dice(other, one)


def test_dice_of_different_shapes_is_refused():                # these would broadcast
    with pytest.raises(ValueError, match=r"\(9, 10, 11\) and \(1, 10, 11\)"):
        metrics.dice(EMPTY, EMPTY[:1])


def test_dice_is_a_python_float():                             # a record refuses numpy's
    assert type(metrics.dice(cube(2), cube(4))) is float


def test_dice_per_label_names_labels_and_leaves_out_the_background():    # anterior: 2·48 / 128; posterior: in the reference alone
    reference, prediction = cube(4).astype(np.uint8), cube(4, (0, 1, 0)).astype(np.uint8)
    reference[8, 9, 10] = 2
    assert metrics.dice_per_label(reference, prediction, LABELS) == {"anterior": 0.75, "posterior": 0.0}


def test_dice_per_label_of_an_absent_label_is_undefined():
    assert metrics.dice_per_label(cube(2).astype(np.uint8), cube(2).astype(np.uint8), LABELS)["posterior"] is None


def test_dice_per_label_counts_swapped_labels_as_wrong():
    label_map = cube(2).astype(np.uint8)
    assert metrics.dice_per_label(label_map, 2 * label_map, LABELS) == {"anterior": 0.0, "posterior": 0.0}


def test_mean_defined_leaves_out_what_is_undefined():          # (0.5 + 0.75) / 2
    assert metrics.mean_defined([0.5, None, 0.75]) == 0.625


def test_mean_defined_counts_zeros():
    assert metrics.mean_defined([0.0, 1.0]) == 0.5


@pytest.mark.parametrize("values", [[], [None, None]], ids=["nothing", "all undefined"])
def test_mean_defined_of_nothing_is_undefined(values):
    assert metrics.mean_defined(values) is None


SPACING_ZYX = (5.0, 7.0, 11.0)
SHIFTS = pytest.mark.parametrize(("shift_zyx", "shift_mm"), [((1, 0, 0), 5), ((0, 1, 0), 7), ((0, 0, 1), 11)], ids=["z", "y", "x"])


@SHIFTS
def test_hausdorff95_of_shifted_cubes_is_the_shift(shift_zyx, shift_mm):    # 16 of 56 surface voxels lie that far, more than 5 %
    assert metrics.hausdorff95(cube(4), cube(4, shift_zyx), SPACING_ZYX) == shift_mm


def test_hausdorff95_forgives_one_surface_voxel_of_57():
    prediction = cube(4)
    prediction[8, 9, 10] = True
    assert metrics.hausdorff95(cube(4), prediction, SPACING_ZYX) == 0


def test_hausdorff95_takes_the_larger_of_both_ways():          # from the small cube all is near, from the large one it is not
    assert metrics.hausdorff95(cube(2), cube(5), (1, 1, 1)) == metrics.hausdorff95(cube(5), cube(2), (1, 1, 1)) > 3


@SHIFTS
def test_surface_dice_of_shifted_cubes_is_1_from_the_shift_on(shift_zyx, shift_mm):
    found = [metrics.surface_dice(cube(4), cube(4, shift_zyx), SPACING_ZYX, tolerance) for tolerance in (shift_mm - 0.1, shift_mm)]
    assert found[0] < 0.9
    assert found[1] == 1


def test_surface_dice_is_a_share_of_area():
    # A cube of 20 voxels has between voxel centres 6·19² squares, 12·19 bevelled edges of √2/2, 8 corners of √3/8. Shifted by 2 it
    # is off, beyond 1, at the face behind with its edges and corners, and at the face within the other cube but for a rim of one square.
    reference, prediction = np.zeros((26, 26, 26), bool), np.zeros((26, 26, 26), bool)
    reference[2:22, 2:22, 2:22] = prediction[2:22, 2:22, 4:24] = True
    edge, corner = 2 ** 0.5 / 2, 3 ** 0.5 / 8
    off, area = 19 ** 2 + 4 * 19 * edge + 4 * corner + 17 ** 2, 6 * 19 ** 2 + 12 * 19 * edge + 8 * corner
    assert metrics.surface_dice(reference, prediction, (1, 1, 1), 1) == pytest.approx(1 - off / area, abs=1e-6)


def test_surface_metrics_are_symmetric():
    one, other = cube(3), cube(5, (1, 0, 2))
    assert metrics.surface_dice(one, other, SPACING_ZYX, 5) == pytest.approx(metrics.surface_dice(other, one, SPACING_ZYX, 5), abs=1e-6)
    assert metrics.hausdorff95(one, other, SPACING_ZYX) == metrics.hausdorff95(other, one, SPACING_ZYX)


def test_surface_metrics_of_a_mask_that_fills_the_grid():
    full = np.ones((4, 4, 4), bool)
    assert (metrics.surface_dice(full, full, SPACING_ZYX, 0), metrics.hausdorff95(full, full, SPACING_ZYX)) == (1, 0)


def test_surface_metrics_of_two_empty_masks_are_undefined():
    assert metrics.surface_dice(EMPTY, EMPTY, SPACING_ZYX, 1) is None
    assert metrics.hausdorff95(EMPTY, EMPTY, SPACING_ZYX) is None


@pytest.mark.parametrize(("reference", "prediction"), [(EMPTY, cube(3)), (cube(3), EMPTY)], ids=["reference", "prediction"])
def test_with_one_empty_mask_surface_dice_is_0_and_the_distance_undefined(reference, prediction):
    assert metrics.surface_dice(reference, prediction, SPACING_ZYX, 1) == 0.0
    assert metrics.hausdorff95(reference, prediction, SPACING_ZYX) is None


@pytest.mark.parametrize("metric", [lambda one, other: metrics.surface_dice(one, other, SPACING_ZYX, 1),
                                    lambda one, other: metrics.hausdorff95(one, other, SPACING_ZYX)], ids=["surface_dice", "hausdorff95"])
def test_surface_metrics_of_different_shapes_are_refused(metric):
    with pytest.raises(ValueError, match="shapes differ"):
        metric(EMPTY, EMPTY[:1])
