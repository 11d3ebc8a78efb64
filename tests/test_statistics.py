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
    assert interval({"a": 0.7, "b": 0.7, "c": 0.7}) == (0.7, 0.7)


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


def test_two_equal_cases_of_each_subject_are_no_more_than_one():         # the same subjects are drawn, each counts twice
    values = normal(20)
    doubled = {case + side: value for case, value in values.items() for side in "lr"}
    assert interval(doubled, {case: case[:-1] for case in doubled}) == pytest.approx(interval(values))


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


def test_the_interval_covers_the_truth_as_often_as_it_says():  # 200 intervals of nominally 95 %; 3 binomial SDs are 0.046
    covered = 0
    for seed in range(200):
        low, high = interval(normal(30, seed), seed=seed)
        covered += low <= 0.8 <= high
    assert 0.88 <= covered / 200 <= 0.99
