"""Intensity: what a network sees does not depend on scale, shift or pixel type."""

import numpy as np
import pytest

from radiotrace.inference import intensity

WHOLE = (0, 100)


@pytest.fixture
def array():
    return np.random.default_rng(3).integers(0, 200, (7, 9, 11), np.uint8)


def test_the_mean_is_0(array):
    assert abs(intensity.normalise(array, WHOLE).mean(dtype=np.float64)) < 1e-6


def test_the_standard_deviation_is_1(array):
    assert intensity.normalise(array, WHOLE).std(dtype=np.float64) == pytest.approx(1, abs=1e-6)


def test_two_values_become_minus_1_and_1():  # mean 5, SD 5
    assert intensity.normalise(np.array([[[0, 10]]]), WHOLE).tolist() == [[[-1, 1]]]


# of 0..100, percentile 99 is 99: 1e6 and 99 become equal
def test_an_outlier_is_clipped_to_its_percentile():
    values = np.arange(101.0)
    values[100] = 1e6
    found = intensity.normalise(values.reshape(1, 1, -1), (0, 99))
    assert found[0, 0, 100] == found[0, 0, 99]


def test_the_lower_percentile_clips_too():  # percentile 1 of 0..100 is 1
    values = np.arange(101.0)
    values[0] = -1e6
    found = intensity.normalise(values.reshape(1, 1, -1), (1, 100))
    assert found[0, 0, 0] == found[0, 0, 1]


@pytest.mark.parametrize("value", [0.0, 7.0, 0.1, 1e6 / 3])
@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 6, 7), (18, 22, 14)])
# the mean of equal floats may differ from them in the last digit
def test_a_constant_volume_becomes_zeros(shape, value):
    assert not intensity.normalise(np.full(shape, value), (0.5, 99.5)).any()


@pytest.mark.parametrize("pixel_type", [np.int16, np.uint16, np.float32, np.float64])
def test_the_pixel_type_makes_no_difference(array, pixel_type):
    assert np.array_equal(
        intensity.normalise(array.astype(pixel_type), (0.5, 99.5)), intensity.normalise(array, (0.5, 99.5))
    )


@pytest.mark.parametrize(("scale", "shift"), [(1e6, 0), (1e-6, 0), (1, 1e4), (300, -50)])
def test_scale_and_shift_make_no_difference(array, scale, shift):
    assert np.allclose(
        intensity.normalise(array * float(scale) + shift, (0.5, 99.5)),
        intensity.normalise(array, (0.5, 99.5)),
        rtol=0,
        atol=1e-5,
    )


def test_the_answer_is_float32_of_the_same_shape(array):
    found = intensity.normalise(array, WHOLE)
    assert (found.dtype, found.shape) == (np.float32, (7, 9, 11))


def test_the_input_stays_as_it_was(array):
    before = array.copy()
    intensity.normalise(array, (10, 90))
    assert np.array_equal(array, before)
