"""shift: indices by hand, and what they are where nothing has shifted."""

from itertools import combinations

import numpy as np
import pytest

from radiotrace.statistics import shift


# counts 1 2 1 and 2 2 0, + 1/2, over 5.5: -1/5.5 · ln(1.5/2.5) + 0 + 1/5.5 · ln(1.5/0.5) = ln 5 / 5.5; 2 (1/4
# + 1/4)
def test_psi_by_hand():
    found = shift.psi(np.array([0.5, 1.5, 1.5, 2.5]), np.array([0.5, 0.5, 1.5, 1.5]), [1.0, 2.0])
    assert found == pytest.approx((np.log(5) / 5.5, 1))


def test_a_value_at_a_limit_is_of_the_bin_that_ends_there():
    assert shift.psi(np.array([1.0, 2.0]), np.array([0.5, 1.5]), [1.0])[0] == pytest.approx(0)


# counts 0 20 and 20 0: 2 · 20/21 · ln(20.5 / 0.5)
def test_a_value_just_below_a_constant_is_seen():
    psi, expected = shift.psi(np.ones(20), np.full(20, np.nextafter(1, 0)), shift.deciles([1.0] * 20))
    assert (psi, expected) == pytest.approx((2 * 20 / 21 * np.log(41), 0.1))


def test_one_constant_on_both_sides_has_no_psi():
    assert shift.psi(np.ones(20), np.ones(30), shift.deciles([1.0] * 20)) == (0, 0)


def test_deciles_are_values_at_or_below_which_the_shares_lie():
    assert shift.deciles(list(range(1, 21))) == [2, 4, 6, 8, 10, 12, 14, 16, 18]


# chi-square of 9 degrees times 2/1000: 200 means scatter by 0.0006
def test_without_a_shift_psi_has_the_mean_that_is_said():
    rng = np.random.default_rng(0)
    samples = [rng.normal(size=(2, 1000)) for _ in range(200)]
    found = [shift.psi(*sample, shift.deciles(sample[0].tolist())) for sample in samples]
    assert np.mean([psi for psi, _ in found]) == pytest.approx(0.018, abs=0.002)
    assert [expected for _, expected in found] == pytest.approx([0.018] * 200)


X, Y = np.array([[0.0, 0], [1, 0], [0, 2]]), np.array([[3.0, 1], [4, 1]])


def test_mmd_is_the_formula_of_the_paper():  # three points against two, pair by pair
    rows = np.concatenate([X, Y]) / np.concatenate([X, Y]).std(0)
    d2 = {(i, j): float(((rows[i] - rows[j]) ** 2).sum()) for i, j in combinations(range(5), 2)}
    k = {pair: np.exp(-value / (2 * np.median(list(d2.values())))) for pair, value in d2.items()}
    expected = (
        2 * (k[0, 1] + k[0, 2] + k[1, 2]) / 6
        + k[3, 4]
        - 2 * sum(k[i, j] for i in range(3) for j in (3, 4)) / 6
    )
    assert shift.mmd(X, Y, 99, np.random.default_rng(0))[0] == pytest.approx(expected)


# 3 and 3 far apart: of the C(6, 3) = 20 ways, this and its mirror are the largest
def test_few_points_have_all_their_permutations():
    assert shift.mmd(X, X + 100, 1999, np.random.default_rng(0))[1] == pytest.approx(2 / 20)


def test_a_constant_channel_and_the_order_of_rows_change_nothing():
    found = shift.mmd(X, Y, 99, np.random.default_rng(0))[0]
    assert shift.mmd(np.c_[X, np.ones(3)][::-1], np.c_[Y, np.ones(2)], 99, np.random.default_rng(0))[
        0
    ] == pytest.approx(found)


def test_one_and_the_same_vector_everywhere_is_no_shift():
    assert shift.mmd(np.ones((10, 3)), np.ones((12, 3)), 99, np.random.default_rng(0)) == (0, 1)


def test_most_rows_alike_leave_a_kernel():  # the median of all distances would be 0
    old, new = np.zeros((20, 2)), np.r_[np.zeros((10, 2)), np.ones((10, 2))]
    assert shift.mmd(old, new, 499, np.random.default_rng(0))[1] < 0.01


def test_a_spread_is_seen_where_means_are_equal():  # a linear kernel would not
    rng = np.random.default_rng(0)
    assert shift.mmd(rng.normal(size=(60, 4)), 3 * rng.normal(size=(60, 4)), 499, rng)[1] == pytest.approx(
        1 / 500
    )


# 200 p of 10 and 14 rows of 30 channels; 4 binomial SDs of 5 % are 6 %, of 50 % 14 %
def test_p_of_mmd_is_uniform_where_nothing_has_shifted():
    rng = np.random.default_rng(1)
    found = [shift.mmd(rng.normal(size=(10, 30)), rng.normal(size=(14, 30)), 99, rng)[1] for _ in range(200)]
    assert np.mean(np.array(found) <= 0.05) <= 0.11
    assert np.mean(np.array(found) <= 0.5) == pytest.approx(0.5, abs=0.14)
