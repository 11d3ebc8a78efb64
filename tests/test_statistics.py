"""statistics: summaries by hand, and intervals that know of subjects."""
import numpy as np
import pytest

from radiotrace.evaluation import statistics

FOUR = {"a": 0.5, "b": 0.75, "c": 0.875, "d": 0.875}           # mean 0.75; squares of differences 1/16, 0, 1/64, 1/64, sum 3/32
OWN = {case: case for case in "abcdefgh"}                      # every case is a subject


def summary(values, subject_of=OWN, resamples=200, seed=0):
    return statistics.summary(values, subject_of, resamples, seed)


def interval(values, subject_of=None, resamples=300, seed=0):
    return statistics.mean_interval(values, subject_of or {case: case for case in values}, resamples, seed)


def normal(count: int, seed=0) -> dict[str, float]:
    return {str(number): float(value) for number, value in enumerate(np.random.default_rng(seed).normal(0.8, 0.1, count))}


@pytest.mark.parametrize(("key", "expected"), [
    ("mean", 0.75), ("median", 0.8125), ("sd", (3 / 32 / 3) ** 0.5), ("min", 0.5), ("max", 0.875),
    ("n_cases", 4), ("n_subjects", 4), ("n_undefined", 0)])
def test_summary_of_four_cases(key, expected):
    assert summary(FOUR)[key] == pytest.approx(expected, abs=1e-15)


@pytest.mark.requirement("SRS-MET-1")
@pytest.mark.parametrize(("key", "expected"), [("n_cases", 4), ("n_undefined", 2), ("mean", 0.75), ("min", 0.5)])
def test_undefined_values_are_counted_and_left_out(key, expected):
    assert summary(FOUR | {"e": None, "f": None})[key] == expected


def test_subjects_without_a_defined_value_are_not_counted():
    assert summary({"a": 0.5, "b": 0.75, "c": None})["n_subjects"] == 2


def test_two_cases_of_one_subject_are_one_subject():
    assert summary(FOUR, OWN | {"b": "a"})["n_subjects"] == 3


def test_without_a_defined_value_everything_but_counts_is_none():
    assert summary({"a": None, "b": None}) == {
        "n_cases": 0, "n_subjects": 0, "n_undefined": 2,
        "mean": None, "ci95_low": None, "ci95_high": None, "median": None, "sd": None, "min": None, "max": None}


def test_one_case_has_no_sd():
    assert summary({"a": 0.5})["sd"] is None


def test_one_subject_has_no_interval():
    assert interval({"a": 0.5, "b": 0.75}, {"a": "one", "b": "one"}) == (None, None)


def test_values_of_a_summary_are_python_numbers():             # a record refuses numpy's
    assert {type(value) for value in summary(FOUR).values()} == {int, float}


def test_equal_values_are_their_own_interval():
    assert interval({"a": 0.7, "b": 0.7, "c": 0.7}) == pytest.approx((0.7, 0.7), abs=1e-15)


def test_subjects_of_equal_means_are_their_own_interval():     # values differ within a subject; every resample has mean 0.5
    low, high = interval({"a": 0.25, "b": 0.75, "c": 0.375, "d": 0.625}, {"a": "one", "b": "one", "c": "two", "d": "two"})
    assert (low, high) == (0.5, 0.5)


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_contains_the_mean(seed):
    values = normal(12, seed)
    low, high = interval(values)
    assert low < np.mean(list(values.values())) < high


def test_the_interval_stays_within_the_values():
    low, high = interval({"a": 0.0, "b": 1.0, "c": 1.0, "d": 1.0})
    assert 0 <= low < high <= 1


def test_one_seed_gives_one_interval():
    assert interval(normal(10), seed=3) == interval(normal(10), seed=3)


def test_another_seed_gives_another_interval():
    assert interval(normal(10), seed=3) != interval(normal(10), seed=4)


def test_the_interval_does_not_depend_on_the_order_of_cases():
    values = normal(10)
    assert interval(values) == interval(dict(reversed(values.items())))


@pytest.mark.requirement("SRS-MET-2")
def test_two_equal_cases_of_each_subject_are_no_more_than_one():         # the same subjects are drawn, each counts twice
    values = normal(20)
    doubled = {case + side: value for case, value in values.items() for side in "lr"}
    assert interval(doubled, {case: case[:-1] for case in doubled}) == pytest.approx(interval(values))


@pytest.mark.requirement("SRS-MET-2")
def test_subjects_of_two_equal_cases_have_a_wider_interval_than_as_many_subjects():   # by about the root of 2
    doubled = {case + side: value for case, value in normal(20).items() for side in "lr"}
    (low, high), (low_apart, high_apart) = interval(doubled, {case: case[:-1] for case in doubled}, 2000), interval(doubled, None, 2000)
    assert (high - low) / (high_apart - low_apart) == pytest.approx(2 ** 0.5, rel=0.1)


def test_the_interval_of_a_normal_sample_is_that_of_the_textbook():      # mean ± 1.96·SD/√n, to the noise of 2000 resamples
    values = np.array(list(normal(100).values()))
    half = 1.96 * values.std() / 10
    assert interval(normal(100), None, 2000) == pytest.approx((values.mean() - half, values.mean() + half), abs=half / 5)


def test_a_subject_counts_by_its_cases():
    # 15 subjects with one case of 1, 15 with three of 0: mean over cases 15 / 60 = 0.25, over subjects 0.5.
    values = {f"{subject:02d}{case}": float(subject < 15) for subject in range(30) for case in range(1 if subject < 15 else 3)}
    low, high = interval(values, {case: case[:2] for case in values}, 2000)
    assert low < 0.25 < high < 0.5


@pytest.mark.requirement("SRS-MET-2")
def test_the_interval_covers_the_truth_as_often_as_it_says():  # 200 intervals of nominally 95 %; 3 binomial SDs are 0.046
    covered = 0
    for seed in range(200):
        low, high = interval(normal(30, seed), seed=seed)
        covered += low <= 0.8 <= high
    assert 0.88 <= covered / 200 <= 0.99


def ratio(totals):
    return totals[0] / totals[1]


def test_the_interval_of_a_ratio_contains_it():
    rng = np.random.default_rng(0)
    below = rng.uniform(1, 2, 30)
    low, high = statistics.interval(np.stack([below * rng.normal(0.5, 0.1, 30), below]), ratio, 500, 0)
    assert 0.4 < low < 0.5 < high < 0.6


def test_the_interval_of_a_difference_of_strata():             # each side keeps its 10; without strata a resample may have none of one
    rng = np.random.default_rng(0)
    inside = np.arange(20) < 3
    value = np.where(inside, 0.9, 0.8) + 0.01 * rng.standard_normal(20)
    sums = np.stack([value * inside, inside, value * ~inside, ~inside])

    def gap(totals):
        with np.errstate(invalid="ignore", divide="ignore"):
            return totals[0] / totals[1] - totals[2] / totals[3]

    low, high = statistics.interval(sums, gap, 500, 0, inside)
    assert 0.08 < low < 0.1 < high < 0.12
    assert statistics.interval(sums, gap, 500, 0) == (None, None)


def test_a_stratum_of_one_joins_another():
    sums = np.stack([np.arange(10.0), np.ones(10)])
    low, high = statistics.interval(sums, ratio, 300, 0, [0] * 9 + [1])
    assert (low, high) == statistics.interval(sums, ratio, 300, 0)


def test_cases_of_a_subject_add_up():
    found = statistics.by_subject({"a": (1, 2), "b": (3, 4), "c": (5, 6)}, {"a": "two", "b": "one", "c": "two"})
    assert found.tolist() == [[3, 6], [4, 8]]                  # "one", then "two"


def test_the_median_and_its_interval_of_ten_values():          # 2nd and 9th: between them with 1 - 2·(1 + 10)/2^10 = 97.9 %, 3rd and 8th 89.1 %
    assert statistics.median(np.arange(1.0, 11)[::-1]) == {"median": 5.5, "ci95_low": 2, "ci95_high": 9}


@pytest.mark.parametrize(("count", "expected"), [(0, (None, None)), (5, (2.0, None)), (6, (2.5, 0.0))])   # all of 6: 1 - 2/2^6 = 96.9 %
def test_few_values_have_no_interval_of_the_median_and_none_have_no_median(count, expected):
    found = statistics.median(np.arange(float(count)))
    assert (found["median"], found["ci95_low"]) == expected
