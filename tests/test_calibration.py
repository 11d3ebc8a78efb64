"""calibration: probabilities that are right are found right, and those that are not by how much they are
not."""

import numpy as np
import pytest
import torch
from monai.metrics.calibration import calibration_binning
from scipy import special

from radiotrace.statistics import calibration

EVERYWHERE = np.ones((1, 1, 4), bool)


def case(probabilities: list[list[float]], true: list[int]):
    """Logits (labels, 1, 1, n) of these probabilities of each label, and the reference (1, 1, n)."""
    return np.log(np.array(probabilities))[:, None, None], np.array(true)[None, None]


# sure .9 .9 .7 .7; right yes, no, yes, yes
FOUR = case([[0.1, 0.1, 0.3, 0.7], [0.9, 0.9, 0.7, 0.3]], [1, 0, 1, 0])


def drawn(n: int, temperature: float, seed=0):
    """Logits of n voxels and three labels, and labels that come with the probabilities of logits /
    temperature."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (3, n))
    p = special.softmax(logits / temperature, axis=0)
    return logits, (rng.random(n) > p.cumsum(0)).sum(0)


@pytest.mark.requirement("SRS-CAL-2")
# bins of .9: |.9 - 1/2| twice; of .7: |.7 - 1| twice
def test_the_error_by_hand():
    found = calibration.tally(*FOUR, EVERYWHERE)
    assert calibration.expected_error(found)[0] == pytest.approx((2 * 0.4 + 2 * 0.3) / 4)


@pytest.mark.requirement("SRS-CAL-2")
# label 1: .9 .9 (one of two), .7 (it is), .3 (it is not)
def test_the_error_of_a_label_by_hand():
    found = calibration.tally(*FOUR, EVERYWHERE)
    assert calibration.expected_error(found)[2] == pytest.approx((2 * 0.4 + 0.3 + 0.3) / 4)
    # of two labels
    assert calibration.expected_error(found)[1] == pytest.approx(calibration.expected_error(found)[2])


def test_brier_and_likelihood_by_hand():  # Σ (p - t)² = 2 · miss² of two labels
    found = calibration.tally(*FOUR, EVERYWHERE)
    assert found.brier == pytest.approx(2 * (0.1**2 + 0.9**2 + 0.3**2 + 0.3**2))
    assert found.nll == pytest.approx(-np.log([0.9, 0.1, 0.7, 0.7]).sum())


def test_certainty_that_is_right_has_no_error_and_falls_into_the_last_bin():
    found = calibration.tally(*case([[1e-9, 1 - 1e-9], [1 - 1e-9, 1e-9]], [1, 0]), np.ones((1, 1, 2), bool))
    assert calibration.expected_error(found) == pytest.approx([0, 0, 0], abs=1e-8)
    assert found.voxels[0, -1] == 2


def test_voxels_outside_the_region_do_not_count():
    logits, reference = FOUR
    part = np.array([True, False, True, False])[None, None]
    found = calibration.tally(logits, reference, part)
    assert found.voxels.sum(1).tolist() == [2, 2, 2]
    assert calibration.expected_error(found)[0] == pytest.approx((0.1 + 0.3) / 2)


def test_sums_of_two_parts_are_those_of_the_whole():
    logits, reference = drawn(1000, 1)
    shape = (10, 10, 10)
    logits, reference = logits.reshape(3, *shape), reference.reshape(shape)
    half = np.arange(1000).reshape(shape) < 400
    whole, parts = (
        calibration.tally(logits, reference, np.ones(shape, bool)),
        [calibration.tally(logits, reference, one) for one in (half, ~half)],
    )
    for one, other in zip(whole.sums(), (parts[0] + parts[1]).sums(), strict=True):
        assert one == pytest.approx(other)


@pytest.mark.requirement("SRS-CAL-2")
def test_bins_are_monai_s():
    logits, reference = drawn(500, 1)
    found = calibration.tally(
        logits[:, None, None], reference[None, None], np.ones((1, 1, 500), bool), bins=10
    )
    p = torch.from_numpy(special.softmax(logits, axis=0))[None]
    one_hot = torch.nn.functional.one_hot(torch.from_numpy(reference), 3).T[None]
    mean, share, count = (values[0].numpy() for values in calibration_binning(p, one_hot, num_bins=10))
    assert found.voxels[1:] == pytest.approx(count)
    filled = count > 0
    assert (found.confidence[1:] / found.voxels[1:])[filled] == pytest.approx(mean[filled], rel=1e-5)
    assert (found.hits[1:] / found.voxels[1:])[filled] == pytest.approx(share[filled], rel=1e-5)


def test_without_voxels_the_error_is_undefined():
    assert np.isnan(calibration.expected_error(calibration.tally(*FOUR, ~EVERYWHERE))).all()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_labels_were_drawn_with_is_found(temperature):
    assert calibration.fit_temperature(
        [drawn(20000, temperature, 0), drawn(20000, temperature, 1)]
    ) == pytest.approx(temperature, rel=0.03)


@pytest.mark.requirement("SRS-CAL-2")
def test_the_fitted_temperature_takes_the_error_away():
    logits, reference = drawn(50000, 2.5)
    fitted = calibration.fit_temperature([(logits, reference)])
    before, after = (
        calibration.expected_error(
            calibration.tally(logits[:, None, None], reference[None, None], np.ones((1, 1, 50000), bool), one)
        )[0]
        for one in (1.0, fitted)
    )
    assert before > 0.1
    assert after < 0.01


def test_a_network_that_is_always_right_may_be_surer_and_one_that_is_always_wrong_may_not():
    logits, reference = case([[0.1, 0.9], [0.9, 0.1]], [1, 0])
    assert calibration.fit_temperature([(logits[:, 0, 0], reference[0, 0])]) == pytest.approx(
        calibration.TEMPERATURES[0]
    )
    assert calibration.fit_temperature([(logits[:, 0, 0], 1 - reference[0, 0])]) == pytest.approx(
        calibration.TEMPERATURES[1], rel=0.01
    )


# the loss underflows to 0 far from the limit, and .12 came out
@pytest.mark.parametrize("sure", [2.0, 30.0, 200.0])
def test_where_all_is_right_the_temperature_is_the_limit(sure):
    logits = np.array([[sure, 0.0], [0.0, sure]])
    assert calibration.fit_temperature([(logits, np.array([0, 1]))]) == pytest.approx(
        calibration.TEMPERATURES[0]
    )


def test_where_a_temperature_changes_nothing_it_is_1():
    assert calibration.fit_temperature([(np.zeros((2, 3)), np.array([0, 1, 0]))]) == 1


def test_the_region_reaches_so_many_voxels_beyond_both_label_maps():
    reference, prediction = np.zeros((2, 9, 9, 9), np.uint8)
    reference[4, 4, 4], prediction[4, 4, 5] = 1, 2
    assert [int(calibration.region(reference, prediction, margin).sum()) for margin in (0, 1, 2)] == [
        2,
        3 * 3 * 4,
        5 * 5 * 6,
    ]
