"""agreement: by hand, and what bias, scale and scatter do to it."""

import numpy as np
import pytest

from radiotrace.statistics import agreement

X = np.array([1.0, 2.0, 3.0, 4.0])


def slope(x, y, origin=0.0) -> float:
    return float(agreement.slope(agreement.slope_sums(x, y, origin)))


def concordance(x, y) -> float:
    return float(agreement.concordance(agreement.moments(x, y)))


def test_bland_altman_by_hand():  # differences 0, 2, 1, 1: mean 1, SD √(2/3)
    found = agreement.bland_altman(X, X + np.array([0, 2, 1, 1]))
    sd = (2 / 3) ** 0.5
    assert (found["bias"], found["sd"]) == (1, pytest.approx(sd))
    assert (found["limit_low"], found["limit_high"]) == pytest.approx((1 - 1.96 * sd, 1 + 1.96 * sd))


def test_a_bias_that_grows_with_the_size_has_a_slope():  # 1.2 x - x = 0.2 x against 1.1 x
    assert slope(X, 1.2 * X) == pytest.approx(0.2 / 1.1)
    assert slope(X, X + 5) == pytest.approx(0)


# half of the distance from 2.5 is kept: -0.5 x / 0.75 x
def test_small_things_too_large_and_large_ones_too_small_have_a_slope_below_0():
    assert slope(X, 2.5 + (X - 2.5) / 2) == pytest.approx(-0.5 / 0.75)


def test_a_slope_of_cases_is_that_of_their_sums():
    y = np.array([1.5, 1.0, 4.0, 3.5])
    parts = agreement.slope_sums(X[:1], y[:1], 2) + agreement.slope_sums(X[1:], y[1:], 2)
    assert float(agreement.slope(parts)) == pytest.approx(np.polyfit((X + y) / 2, y - X, 1)[0])


# from 0, squares of 10^9 would leave none
def test_a_slope_of_large_volumes_that_hardly_differ_keeps_its_digits():
    assert slope(X + 1e9, 1.2 * X + 1e9, origin=1e9) == pytest.approx(0.2 / 1.1, rel=1e-6)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.25])
def test_of_a_difference_in_size_a_slope_keeps_what_the_scale_does(factor):
    assert agreement.kept(slope(X, factor * X + 3)) == pytest.approx(factor)


def test_the_sign_is_of_the_prediction():
    assert agreement.bland_altman(X, X - 3)["bias"] == -3


@pytest.mark.parametrize(
    ("n", "undefined"),
    [(0, {"bias", "sd", "limit_low", "limit_high"}), (1, {"sd", "limit_low", "limit_high"})],
)
def test_too_few_cases_are_undefined(n, undefined):
    assert {
        name for name, value in agreement.bland_altman(X[:n], X[:n]).items() if value is None
    } == undefined


def test_a_slope_needs_sizes_that_differ():
    assert np.isnan(slope(np.ones(3), np.ones(3)))
    assert np.isnan(slope(np.full(3, 0.1 + 1e6), np.full(3, 0.1 + 1e6), origin=1e6))


# var 5/4 each, covariance 5/4, bias 1: 2.5 / (2.5 + 1)
def test_concordance_by_hand():
    assert concordance(X, X + 1) == pytest.approx(2.5 / 3.5)


def test_concordance_of_equal_measurements_is_1_and_of_opposite_ones_negative():
    assert concordance(X, X) == 1
    assert concordance(X, 5 - X) == -1


# var 5/4 and 5, covariance 5/2, means 2.5 and 5: 5 / (6.25 + 6.25)
def test_concordance_sees_scale_where_correlation_does_not():
    assert concordance(X, 2 * X) == pytest.approx(5 / 12.5)


def test_concordance_is_symmetric():
    y = np.array([1.5, 1.0, 4.0, 3.5])
    assert concordance(X, y) == concordance(y, X)


def test_concordance_of_a_constant_with_itself_is_undefined():
    assert np.isnan(concordance(np.ones(3), np.ones(3)))


def test_concordance_of_one_case_is_undefined():  # it was 0
    assert np.isnan(concordance(X[:1], X[:1] + 1))


def test_moments_of_groups_add_up():
    y = np.array([1.5, 1.0, 4.0, 3.5])
    parts = agreement.moments(X[:1], y[:1]) + agreement.moments(X[1:], y[1:])
    assert float(agreement.concordance(parts)) == pytest.approx(concordance(X, y))


def test_many_resamples_at_once():
    y = np.array([1.5, 1.0, 4.0, 3.5])
    stacked = np.stack([agreement.moments(X, y), agreement.moments(X, X)], 1)
    assert agreement.concordance(stacked) == pytest.approx([concordance(X, y), 1])
