"""metrics: values that a hand can compute, and where they are undefined."""

import numpy as np
import pytest

from radiotrace.segmentation import metrics

LABELS = {"0": "background", "1": "anterior", "2": "posterior"}


def cube(edge: int, shift_zyx=(0, 0, 0)) -> np.ndarray:
    """A cube in a grid of 9 x 10 x 11 voxels."""
    mask = np.zeros((9, 10, 11), bool)
    mask[tuple(slice(2 + shift, 2 + shift + edge) for shift in shift_zyx)] = True
    return mask


EMPTY = np.zeros((9, 10, 11), bool)


@pytest.mark.requirement("SRS-MET-1")
@pytest.mark.parametrize("shift_zyx", [(1, 0, 0), (0, 1, 0), (0, 0, 1)], ids=["z", "y", "x"])
def test_dice_of_two_cubes_shifted_by_one_voxel(shift_zyx):  # 2·48 / (64 + 64)
    assert metrics.dice(cube(4), cube(4, shift_zyx)) == 0.75


def test_dice_of_a_cube_inside_a_larger_one():  # 2·8 / (8 + 64)
    assert metrics.dice(cube(2), cube(4)) == 16 / 72


def test_dice_of_equal_masks_is_1():
    assert metrics.dice(cube(4), cube(4)) == 1.0


def test_dice_of_masks_apart_is_0():
    assert metrics.dice(cube(2), cube(2, (3, 3, 3))) == 0.0


@pytest.mark.requirement("SRS-MET-1")
def test_dice_of_two_empty_masks_is_undefined():
    assert metrics.dice(EMPTY, EMPTY) is None


@pytest.mark.requirement("SRS-MET-1")
@pytest.mark.parametrize(
    ("reference", "prediction"), [(EMPTY, cube(3)), (cube(3), EMPTY)], ids=["reference", "prediction"]
)
def test_dice_with_one_empty_mask_is_0(reference, prediction):
    assert metrics.dice(reference, prediction) == 0.0


def test_dice_is_symmetric():
    rng = np.random.default_rng(0)
    one, other = rng.random((2, 5, 6, 7)) < [[[[0.3]]], [[[0.6]]]]
    assert metrics.dice(one, other) == metrics.dice(other, one)


def test_dice_of_different_shapes_is_refused():  # these would broadcast
    with pytest.raises(ValueError, match=r"\(9, 10, 11\) and \(1, 10, 11\)"):
        metrics.dice(EMPTY, EMPTY[:1])


def test_dice_is_a_python_float():  # a record refuses numpy's
    assert type(metrics.dice(cube(2), cube(4))) is float


# anterior: 2·48 / 128; posterior: in the reference alone
def test_dice_per_label_names_labels_and_leaves_out_the_background():
    reference, prediction = cube(4).astype(np.uint8), cube(4, (0, 1, 0)).astype(np.uint8)
    reference[8, 9, 10] = 2
    assert metrics.dice_per_label(reference, prediction, LABELS) == {"anterior": 0.75, "posterior": 0.0}


def test_dice_per_label_of_an_absent_label_is_undefined():
    assert (
        metrics.dice_per_label(cube(2).astype(np.uint8), cube(2).astype(np.uint8), LABELS)["posterior"]
        is None
    )


@pytest.mark.requirement("SRS-MET-1")
def test_dice_per_label_counts_swapped_labels_as_wrong():
    label_map = cube(2).astype(np.uint8)
    assert metrics.dice_per_label(label_map, 2 * label_map, LABELS) == {"anterior": 0.0, "posterior": 0.0}


def test_mean_defined_leaves_out_what_is_undefined():  # (0.5 + 0.75) / 2
    assert metrics.mean_defined([0.5, None, 0.75]) == 0.625


def test_mean_defined_counts_zeros():
    assert metrics.mean_defined([0.0, 1.0]) == 0.5


@pytest.mark.parametrize("values", [[], [None, None]], ids=["nothing", "all undefined"])
def test_mean_defined_of_nothing_is_undefined(values):
    assert metrics.mean_defined(values) is None
