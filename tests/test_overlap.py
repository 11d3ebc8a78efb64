"""overlap: counts by hand, and what has nothing below the line."""

import numpy as np
import pytest
import torch
from monai.metrics import compute_confusion_matrix_metric, get_confusion_matrix

from radiotrace.segmentation import overlap
from tests.test_metrics import EMPTY, cube

VOXELS = 9 * 10 * 11


@pytest.fixture
# 4 x 4 x 4, and the same a voxel along: 48 in common, 16 on either side
def shifted() -> overlap.Confusion:
    return overlap.confusion(cube(4), cube(4, (1, 0, 0)))


def test_counts(shifted):
    assert shifted == overlap.Confusion(48, 16, 16, VOXELS - 80)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dice", 96 / 128),
        ("iou", 48 / 80),
        ("sensitivity", 48 / 64),
        ("ppv", 48 / 64),
        ("specificity", (VOXELS - 80) / (VOXELS - 64)),
        ("npv", (VOXELS - 80) / (VOXELS - 64)),
    ],
)
def test_shares(shifted, name, value):
    assert getattr(shifted, name) == value


@pytest.mark.requirement("SRS-MET-1")
# 8 of 64 found, nothing too much; and the other way round
def test_what_is_missed_and_what_is_too_much_are_told_apart():
    inside, around = overlap.confusion(cube(4), cube(2)), overlap.confusion(cube(2), cube(4))
    assert (inside.sensitivity, inside.ppv) == (1 / 8, 1)
    assert (around.sensitivity, around.ppv) == (1, 1 / 8)
    assert inside.dice == around.dice


@pytest.mark.parametrize(
    ("reference", "prediction", "undefined"),
    [
        (EMPTY, EMPTY, {"dice", "iou", "sensitivity", "ppv"}),
        (cube(2), EMPTY, {"ppv"}),
        (EMPTY, cube(2), {"sensitivity"}),
        (~EMPTY, ~EMPTY, {"specificity", "npv"}),
    ],
    ids=["both empty", "nothing predicted", "nothing there", "both full"],
)
def test_nothing_below_the_line_is_undefined(reference, prediction, undefined):
    found = overlap.confusion(reference, prediction)
    assert {
        name
        for name in ("dice", "iou", "sensitivity", "specificity", "ppv", "npv")
        if getattr(found, name) is None
    } == undefined


def test_one_voxel_more_moves_each_share_the_right_way(shifted):
    prediction = cube(4, (1, 0, 0))
    prediction[2, 2, 2] = True  # of the reference
    better = overlap.confusion(cube(4), prediction)
    assert all(
        getattr(better, name) > getattr(shifted, name)
        for name in ("dice", "iou", "sensitivity", "ppv", "npv")
    )
    prediction = cube(4, (1, 0, 0))
    prediction[0, 0, 0] = True  # far away
    worse = overlap.confusion(cube(4), prediction)
    assert all(
        getattr(worse, name) < getattr(shifted, name) for name in ("dice", "iou", "ppv", "specificity")
    )
    assert worse.sensitivity == shifted.sensitivity


@pytest.mark.requirement("SRS-MET-1")
@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("sensitivity", "sensitivity"),
        ("specificity", "specificity"),
        ("ppv", "precision"),
        ("npv", "negative predictive value"),
        ("dice", "f1 score"),
        ("iou", "threat score"),
    ],
)
def test_shares_are_monai_s(name, theirs):
    rng = np.random.default_rng(0)
    reference, prediction = rng.random((2, 9, 10, 11)) < [[[[0.3]]], [[[0.6]]]]
    matrix = get_confusion_matrix(
        *(torch.from_numpy(mask)[None, None].float() for mask in (prediction, reference))
    )
    assert getattr(overlap.confusion(reference, prediction), name) == pytest.approx(
        compute_confusion_matrix_metric(theirs, matrix).item()
    )


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(9, 10, 11\) and \(1, 10, 11\)"):
        overlap.confusion(EMPTY, EMPTY[:1])


def test_components_touch_at_corners():
    mask = EMPTY.copy()
    mask[0, 0, 0] = mask[1, 1, 1] = mask[5, 5, 5] = True
    assert overlap.components(mask) == 2
    assert overlap.components(EMPTY) == 0
