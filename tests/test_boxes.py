"""boxes: by hand and against pycocotools, in two and three dimensions."""

import numpy as np
import pytest
from pycocotools import mask

from radiotrace.statistics import boxes


def drawn(n, seed=0, dimensions=2):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 50, (n, dimensions))
    return np.concatenate([low, low + rng.uniform(1, 60, (n, dimensions))], 1)


def test_overlap_by_hand():
    one = np.array([[0, 0, 2, 2.0]])
    others = np.array([[1, 1, 3, 3], [0, 0, 2, 2], [2, 0, 4, 2], [5, 5, 6, 6], [1, 1, 1, 1.0]])
    assert boxes.iou(one, others)[0] == pytest.approx([1 / 7, 1, 0, 0, 0])
    assert boxes.sizes(others) == pytest.approx([4, 4, 4, 1, 0])
    assert boxes.iou(others[4:], others[4:]) == 0


def test_overlap_of_volumes_by_hand():  # shares 1 x 2 x 3 of 2 x 2 x 3 and 1 x 3 x 4
    found = boxes.iou(np.array([[0, 0, 0, 2, 2, 3]]), np.array([[1, 0, 0, 2, 3, 4]]))
    assert found == pytest.approx(6 / (12 + 12 - 6))


def test_overlap_is_that_of_pycocotools():
    first, second = drawn(20), drawn(30, 1)
    wide = [np.concatenate([side[:, :2], side[:, 2:] - side[:, :2]], 1) for side in (first, second)]
    assert boxes.iou(first, second) == pytest.approx(mask.iou(*wide, [0] * 30))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_moving_scaling_and_swapping_change_no_overlap(dimensions):
    first, second = drawn(5, 0, dimensions), drawn(7, 1, dimensions)
    found = boxes.iou(first, second)
    turned = boxes.iou(second, first).T
    assert turned == pytest.approx(found)
    assert boxes.iou(first * 3 + 11, second * 3 + 11) == pytest.approx(found)
    axes = np.arange(dimensions)[::-1]
    turned = [side[:, np.append(axes, axes + dimensions)] for side in (first, second)]
    assert boxes.iou(*turned) == pytest.approx(found)
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.requirement("SRS-BOX-1")
def test_a_box_is_found_once_by_the_highest_score():
    overlap = np.array([[0.6, 0.0], [0.9, 0.5], [0.8, 0.0]])
    assert boxes.match(overlap, np.array([0.5, 0.55])).tolist() == [[0, 1, -1], [0, -1, -1]]


def test_who_counts_comes_before_who_does_not():
    overlap = np.array([[0.6, 0.9], [0.0, 0.7]])
    assert boxes.match(overlap, np.array([0.5]), np.array([False, True])).tolist() == [[0, 1]]
    assert boxes.match(overlap, np.array([0.65]), np.array([False, True])).tolist() == [[1, -1]]


@pytest.mark.requirement("SRS-BOX-1")
def test_nobody_matches_nobody():
    assert boxes.match(np.zeros((2, 0)), np.array([0.5])).tolist() == [[-1, -1]]
    assert boxes.match(np.zeros((0, 2)), np.array([0.5])).shape == (1, 0)
    assert boxes.iou(np.zeros((0, 4)), drawn(3)).shape == (0, 3)


def test_faults_are_named():
    with pytest.raises(ValueError, match=r"true \(1, 5\), expected \(n, 4\) or \(n, 6\)"):
        boxes.checked(np.ones((1, 5)), "true")
    with pytest.raises(ValueError, match=r"boxes: 1 are not finite; of 1 the lower corner is above"):
        boxes.checked(np.array([[0, 0, np.inf, 1], [2, 0, 1, 1]]))
    with pytest.raises(ValueError, match="boxes of 2 and of 3 dimensions"):
        boxes.iou(drawn(1), drawn(1, 0, 3))
