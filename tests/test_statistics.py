"""statistics: summaries by hand, and intervals that know of subjects."""

import tracemalloc

import numpy as np
import pytest
from scipy import stats

from radiotrace.statistics import intervals

# mean 0.75; squares of differences 1/16, 0, 1/64, 1/64, sum 3/32
FOUR = {"a": 0.5, "b": 0.75, "c": 0.875, "d": 0.875}
OWN = {case: case for case in "abcdefgh"}  # every case is a subject


def summary(values, subject_of=OWN):
    return intervals.summary(values, subject_of)


def interval(values, subject_of=None, rule=intervals.MEAN):
    return intervals.mean_interval(values, subject_of or {case: case for case in values}, rule)


def bounds(values, subject_of=None):
    return interval(values, subject_of).bounds


def normal(count: int, seed=0) -> dict[str, float]:
    return {
        str(number): float(value)
        for number, value in enumerate(np.random.default_rng(seed).normal(0.8, 0.1, count))
    }


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("mean", 0.75),
        ("median", 0.8125),
        ("sd", (3 / 32 / 3) ** 0.5),
        ("min", 0.5),
        ("max", 0.875),
        ("n_cases", 4),
        ("n_subjects", 4),
        ("n_undefined", 0),
    ],
)
def test_summary_of_four_cases(key, expected):
    assert summary(FOUR)[key] == pytest.approx(expected, abs=1e-15)


@pytest.mark.requirement("SRS-MET-1")
@pytest.mark.parametrize(
    ("key", "expected"), [("n_cases", 4), ("n_undefined", 2), ("mean", 0.75), ("min", 0.5)]
)
def test_undefined_values_are_counted_and_left_out(key, expected):
    assert summary(FOUR | {"e": None, "f": None})[key] == expected


def test_subjects_without_a_defined_value_are_not_counted():
    assert summary({"a": 0.5, "b": 0.75, "c": None})["n_subjects"] == 2


def test_two_cases_of_one_subject_are_one_subject():
    assert summary(FOUR, OWN | {"b": "a"})["n_subjects"] == 3


def test_without_a_defined_value_everything_but_counts_is_none():
    assert summary({"a": None, "b": None}) == {
        "n_cases": 0,
        "n_subjects": 0,
        "n_undefined": 2,
        "mean": None,
        "ci95_low": None,
        "ci95_high": None,
        "no_interval": "undefined",
        "median": None,
        "sd": None,
        "min": None,
        "max": None,
    }


def test_one_case_has_no_sd():
    assert summary({"a": 0.5})["sd"] is None


@pytest.mark.requirement("SRS-MET-2")
# a BCa interval of 3, 4 and 8 covered .71, .79 and .88 of the time
@pytest.mark.parametrize("count", [1, 3, 4, 8, 9])
def test_fewer_than_ten_subjects_have_no_interval(count):
    assert interval(normal(count)) == intervals.Interval(None, None, "fewer than 10 subjects")


def test_ten_subjects_have_an_interval():
    assert interval(normal(10)).no_interval is None


def test_twenty_cases_of_nine_subjects_have_no_interval():
    values = normal(20)
    assert (
        interval(values, {case: str(int(case) % 9) for case in values}).no_interval
        == "fewer than 10 subjects"
    )


def test_values_of_a_summary_are_python_numbers():  # a record refuses numpy's
    found = summary(normal(12), {case: case for case in normal(12)})
    assert {type(value) for value in found.values()} == {int, float, type(None)}


@pytest.mark.requirement("SRS-MET-2")
@pytest.mark.parametrize("count", [10, 35])
# of no width, which "three subjects all .9" had
def test_equal_values_have_no_interval(count):
    assert interval(dict.fromkeys(normal(count), 0.9)) == intervals.Interval(None, None, "no variance")


def test_equal_values_that_are_no_binary_fractions_have_no_interval():
    values = {str(number): 0.1 + 0.2 if number % 2 else 0.3 for number in range(12)}
    assert interval(values).no_interval == "no variance"


# values differ within a subject; each subject has mean 0.5
def test_subjects_of_equal_means_have_no_interval():
    values = {
        f"{subject}{side}": 0.5 + sign * subject / 100
        for subject in range(12)
        for side, sign in (("l", 1), ("r", -1))
    }
    assert interval(values, {case: case[:-1] for case in values}).no_interval == "no variance"


def test_an_interval_of_no_subject_is_undefined():
    assert interval({}) == intervals.Interval(None, None, "undefined")


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_contains_the_mean(seed):
    values = normal(12, seed)
    low, high = bounds(values)
    assert low < np.mean(list(values.values())) < high


def test_the_interval_goes_no_further_than_the_measure_can():  # Student's would reach to 1.02
    values = {str(number): float(number > 0) for number in range(20)}
    assert interval(values).high > 1
    assert interval(values, rule=intervals.SHARE).high == 1


def test_the_interval_does_not_depend_on_the_order_of_cases():
    values = normal(10)
    assert bounds(values) == bounds(dict(reversed(values.items())))


@pytest.mark.requirement("SRS-MET-2")
# the subjects are the same, each counts twice
def test_two_equal_cases_of_each_subject_are_no_more_than_one():
    values = normal(20)
    doubled = {case + side: value for case, value in values.items() for side in "lr"}
    assert bounds(doubled, {case: case[:-1] for case in doubled}) == pytest.approx(bounds(values))


@pytest.mark.requirement("SRS-MET-2")
def test_subjects_of_two_equal_cases_have_a_wider_interval_than_as_many_subjects():  # by about the root of 2
    doubled = {case + side: value for case, value in normal(20).items() for side in "lr"}
    (low, high), (low_apart, high_apart) = (
        bounds(doubled, {case: case[:-1] for case in doubled}),
        bounds(doubled),
    )
    assert (high - low) / (high_apart - low_apart) == pytest.approx(2**0.5, rel=0.1)


def symmetric(count: int) -> dict[str, float]:
    """Values of which the skewness is 0."""
    return {str(number): number - (count - 1) / 2 for number in range(count)}


def test_the_interval_of_a_symmetric_sample_is_student_s():  # ± t SD/√n, by scipy
    values = list(symmetric(12).values())
    expected = stats.t(11, 0, stats.sem(values)).interval(0.95)
    assert bounds(symmetric(12)) == pytest.approx(expected, abs=1e-12)


def test_the_interval_of_a_skewed_sample_reaches_further_to_the_tail_and_no_less_far_to_the_other_side():
    values = {str(number): 2.0**-number for number in range(12)}
    mean, error = np.mean(list(values.values())), stats.sem(list(values.values()))
    low, high = bounds(values)
    half = stats.t.ppf(0.975, 11) * error
    assert low == pytest.approx(mean - half)
    assert high > mean + 1.5 * half


# x + γ x² / 3 + γ² x³ / 27 + γ / 6n = t / √n, Hall 1992
def test_hall_s_bound_solves_his_equation():
    values = np.array([2.0**-number for number in range(12)])
    skewness, scale = stats.skew(values, bias=False), values.std(ddof=1)
    x = (values.mean() - bounds(dict(enumerate(values)), {number: number for number in range(12)})[1]) / scale
    assert x + skewness * x**2 / 3 + skewness**2 * x**3 / 27 + skewness / 72 == pytest.approx(
        -stats.t.ppf(0.975, 11) / 12**0.5
    )


def test_a_large_offset_moves_the_interval_and_nothing_else():  # squares near 10^18 would lose it
    moved = {case: value + 1e9 for case, value in normal(20).items()}
    assert np.array(bounds(moved)) - 1e9 == pytest.approx(np.array(bounds(normal(20))), abs=1e-6)


def test_a_higher_level_is_wider():
    (low, high), (lower, higher) = (
        bounds(normal(20)),
        interval(normal(20), rule=intervals.Rule(level=0.99)).bounds,
    )
    assert lower < low < high < higher


def test_a_statistic_that_nothing_covers_has_no_interval():
    assert interval(normal(100), rule=intervals.UNCOVERED).no_interval == "not shown to cover"


def test_a_subject_counts_by_its_cases():
    # 15 subjects with one case of 1, 15 with three of 0: mean over cases 15 / 60 = 0.25, over subjects 0.5.
    values = {
        f"{subject:02d}{case}": float(subject < 15)
        for subject in range(30)
        for case in range(1 if subject < 15 else 3)
    }
    low, high = bounds(values, {case: case[:2] for case in values})
    assert low < 0.25 < high < 0.5


@pytest.mark.requirement("SRS-MET-2")
# 2,000 intervals of nominally 95 %; 3 binomial SDs are 0.015
def test_the_interval_covers_the_truth_as_often_as_it_says():
    covered, rng = 0, np.random.default_rng(0)
    for _ in range(2000):
        low, high = bounds(
            {
                str(number): 1 - value
                for number, value in enumerate(0.1 * np.exp(0.35 * rng.standard_normal(15)))
            }
        )
        covered += low <= 1 - 0.1 * np.exp(0.35**2 / 2) <= high  # skewed as Dice is
    assert 0.93 <= covered / 2000 <= 0.97


def ratio(totals):
    return totals[0] / totals[1]


def test_the_interval_of_a_ratio_contains_it():
    rng = np.random.default_rng(0)
    below = rng.uniform(1, 2, 30)
    low, high = intervals.interval(np.stack([below * rng.normal(0.5, 0.1, 30), below]), ratio).bounds
    assert 0.4 < low < 0.5 < high < 0.6


def gap(totals):
    return totals[0] / totals[1] - totals[2] / totals[3]


def sides(inside: np.ndarray, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Values of subjects on two sides, and what they add to the totals of a gap."""
    value = np.where(inside, 0.9, 0.8) + 0.01 * np.random.default_rng(seed).standard_normal(len(inside))
    return value, np.stack([value * inside, inside, value * ~inside, ~inside])


# scipy's; a jackknife over both sides gives (n - 1) / n of n / (n - 1)
def test_the_interval_of_a_gap_is_close_to_welch_s():
    inside = np.arange(40) < 15
    value, sums = sides(inside)
    low, high = intervals.interval(sums, gap, strata=inside).bounds
    expected = stats.ttest_ind(value[inside], value[~inside], equal_var=False).confidence_interval()
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.002)


def test_a_gap_of_a_side_with_nine_subjects_has_no_interval():
    inside = np.arange(40) < 9
    reason = "fewer than 10 subjects in a group that is compared"
    assert intervals.interval(sides(inside)[1], gap, strata=inside).no_interval == reason


def test_a_stratum_of_one_joins_another():
    sums = np.stack([np.arange(10.0), np.ones(10)])
    assert intervals.interval(sums, ratio, strata=[0] * 9 + [1]) == intervals.interval(sums, ratio)


def test_a_statistic_that_is_undefined_without_a_subject_has_no_interval():
    only = np.arange(12) == 0
    assert (
        intervals.interval(np.stack([np.arange(12.0), only]), ratio).no_interval
        == "undefined without a subject"
    )


def test_an_interval_of_a_correlation_stays_below_one():
    rng = np.random.default_rng(0)
    x = rng.normal(size=15)
    y = x + 0.2 * rng.normal(size=15)
    rows = {f"{number:02d}": row for number, row in enumerate(np.eye(15))}
    found = intervals.estimate(
        rows,
        intervals.of_rows(lambda of: stats.spearmanr(x[of], y[of]).statistic),
        {case: case for case in rows},
        rule=intervals.RANK_CORRELATION,
    )
    assert 0 < found["ci95_low"] < found["value"] < found["ci95_high"] < 1


def test_a_rank_statistic_of_400_cases_takes_no_more_than_the_square_of_their_number():  # 2.6 GB once
    values = np.random.default_rng(0).normal(size=400)
    rows = {str(number): row for number, row in enumerate(np.eye(400))}
    tracemalloc.start()
    found = intervals.estimate(
        rows, intervals.of_rows(lambda of: np.median(values[of])), {case: case for case in rows}
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found["n_subjects"] == 400
    assert peak < 20e6


def test_cases_of_a_subject_add_up():
    found = intervals.by_subject(
        {"a": (1, 2), "b": (3, 4), "c": (5, 6)}, {"a": "two", "b": "one", "c": "two"}
    )
    assert found.tolist() == [[3, 6], [4, 8]]  # "one", then "two"


def share(hits, subject_of=None, **options):
    return intervals.proportion(hits, subject_of or {case: case for case in hits}, **options)


@pytest.mark.requirement("SRS-MET-2")
# Wilson's, 35 / (35 + 1.96²), by scipy; not 1 to 1
def test_thirty_five_of_thirty_five_may_be_ninety_percent():
    found = share({str(number): (1, 1) for number in range(35)})
    expected = stats.binomtest(35, 35).proportion_ci(0.95, "wilson")
    assert (found["value"], found["ci95_low"], found["ci95_high"]) == (1, pytest.approx(expected.low), 1)
    assert found["ci95_low"] == pytest.approx(0.901, abs=0.001)


@pytest.mark.parametrize("hits", [3, 17, 34])
# a design effect by chance is at least 1
def test_a_share_of_subjects_with_one_unit_has_wilson_s_interval(hits):
    found = share({str(number): (number < hits, 1) for number in range(35)})
    expected = stats.binomtest(hits, 35).proportion_ci(0.95, "wilson")
    assert (found["ci95_low"], found["ci95_high"]) == pytest.approx((expected.low, expected.high))


def test_two_units_of_each_subject_that_are_alike_are_worth_one():
    twice = share({str(number): (2 * (number < 17), 2) for number in range(35)})
    assert (twice["ci95_low"], twice["ci95_high"]) == pytest.approx(
        tuple(
            share({str(number): (number < 17, 1) for number in range(35)})[bound]
            for bound in ("ci95_low", "ci95_high")
        )
    )


def test_seventy_of_seventy_of_thirty_five_subjects_say_no_more_than_thirty_five():
    twice = share({str(number): (2, 2) for number in range(35)})
    assert twice["ci95_low"] == pytest.approx(
        share({str(number): (1, 1) for number in range(35)})["ci95_low"]
    )


def test_a_share_of_nine_subjects_has_no_interval():
    found = share({str(number): (1, 1) for number in range(9)})
    assert (found["value"], found["ci95_low"], found["no_interval"]) == (1, None, "fewer than 10 subjects")


def test_cases_without_a_unit_are_not_counted():
    found = share({str(number): (1, int(number < 12)) for number in range(35)})
    assert (found["n_cases"], found["n_subjects"]) == (12, 12)


def test_a_share_of_nothing_is_undefined():
    assert share({"a": (0, 0)}) == {
        "n_cases": 0,
        "n_subjects": 0,
        "n_undefined": 0,
        "value": None,
        "ci95_low": None,
        "ci95_high": None,
        "no_interval": "undefined",
    }


def test_the_interval_of_a_median_lies_between_two_exact_ones():
    # Of 1 … 10, 2nd to 9th cover 97.85 %, 3rd to 8th 89.06 %. I = (97.85 - 95) / (97.85 - 89.06) = .3244; λ =
    # 8 I / (2 + 6 I) = .6577.
    found = intervals.median(np.arange(1.0, 11)[::-1])
    assert (found["median"], found["ci95_low"], found["ci95_high"]) == (
        5.5,
        pytest.approx(2.6577, abs=1e-4),
        pytest.approx(8.3423, abs=1e-4),
    )


@pytest.mark.parametrize(("values", "median"), [([], None), (range(9), 4.0), ([2.0] * 20, 2.0)])
def test_no_values_few_and_equal_ones_have_no_interval_of_the_median(values, median):
    assert intervals.median(np.array(values, float)) == {
        "median": median,
        "ci95_low": None,
        "ci95_high": None,
    }
