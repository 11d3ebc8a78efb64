"""detection: objects that a hand can count."""

import numpy as np
import pytest

from radiotrace.segmentation import detection
from radiotrace.segmentation.detection import Objects


def mask(*boxes) -> np.ndarray:
    """Boxes of 4 x 4 x 4 voxels at these corners."""
    found = np.zeros((20, 20, 20), bool)
    for corner in boxes:
        found[tuple(slice(edge, edge + 4) for edge in corner)] = True
    return found


A, B, C = (1, 1, 1), (10, 10, 10), (1, 14, 1)


@pytest.mark.parametrize(
    ("reference", "prediction", "expected"),
    [
        ([A, B], [A, B], Objects(2, 2, 0)),
        ([A, B], [A], Objects(2, 1, 0)),
        ([A], [A, C], Objects(1, 1, 1)),
        ([A, B], [C], Objects(2, 0, 1)),
        ([], [C], Objects(0, 0, 1)),
        ([A], [], Objects(1, 0, 0)),
        ([], [], Objects(0, 0, 0)),
    ],
    ids=[
        "all",
        "one missed",
        "one made up",
        "everything wrong",
        "nothing there",
        "nothing found",
        "nothing at all",
    ],
)
def test_objects(reference, prediction, expected):
    assert detection.objects(mask(*reference), mask(*prediction), 0.1) == expected


@pytest.mark.parametrize(("overlap_min", "expected"), [(0.75, Objects(1, 1, 0)), (0.76, Objects(1, 0, 1))])
def test_a_shift_by_one_voxel_covers_three_quarters(overlap_min, expected):
    assert detection.objects(mask(A), mask((2, 1, 1)), overlap_min) == expected


def test_a_prediction_over_two_objects_finds_both():
    reference = mask(A, (1, 1, 7))
    prediction = reference.copy()
    prediction[1:5, 1:5, 5:7] = True
    assert detection.objects(reference, prediction, 0.5) == Objects(2, 2, 0)


def test_a_huge_prediction_over_a_small_object_finds_it_but_is_wrong():
    assert detection.objects(mask(A), np.ones((20, 20, 20), bool), 0.1) == Objects(1, 1, 1)


def test_corners_connect():
    assert detection.objects(mask(A, (5, 5, 5)), mask(), 0.1).reference == 1


def test_sums_over_cases_and_their_sensitivity():
    total = Objects(2, 1, 0) + Objects(1, 1, 3)
    assert (total, total.sensitivity) == (Objects(3, 2, 3), 2 / 3)
    assert Objects(0, 0, 2).sensitivity is None


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match="shapes differ"):
        detection.objects(mask(), mask()[:1], 0.1)
