"""subgroups: gaps by hand, small groups that stay in view, and chance that is not taken for a finding."""

import numpy as np
import pytest

from radiotrace.statistics import subgroups

NAMES = [f"{number:02d}" for number in range(40)]
SITE = {case: "north" if int(case) < 20 else "south" for case in NAMES}
OWN = {case: case for case in NAMES}


def compare(values, groups, subject_of=OWN, n_min=5):
    return {
        (row["attribute"], row["group"]): row for row in subgroups.compare(values, groups, subject_of, n_min)
    }


def noisy(shift=0.0, seed=0) -> dict[str, float]:
    """0.9 with an SD of 0.01; cases of the north are better by so much."""
    rng = np.random.default_rng(seed)
    return {case: 0.9 + 0.01 * rng.standard_normal() + shift * (SITE[case] == "north") for case in NAMES}


def test_the_gap_is_of_the_group_against_the_rest():
    values = {case: 0.75 if SITE[case] == "north" else 0.5 for case in NAMES}
    rows = compare(values, {"site": SITE})
    assert rows["site", "north"]["mean"] == 0.75
    assert (rows["site", "north"]["gap"], rows["site", "south"]["gap"]) == (0.25, -0.25)


def test_a_real_gap_has_an_interval_without_0_and_a_small_p():
    row = compare(noisy(0.05), {"site": SITE})["site", "north"]
    assert 0 < row["gap_simultaneous95_low"] < 0.05 < row["gap_simultaneous95_high"] < 0.1
    assert row["p"] == row["p_adjusted"] < 0.001  # of a single comparison


@pytest.mark.requirement("SRS-SUB-1")
def test_chance_is_rarely_taken_for_a_finding():  # 20 attributes that mean nothing, 10 times
    rng = np.random.default_rng(1)
    found = 0
    for seed in range(10):
        groups = {f"a{number}": {case: str(rng.integers(2)) for case in NAMES} for number in range(20)}
        found += any(row["p_adjusted"] < 0.05 for row in compare(noisy(seed=seed), groups).values())
    assert found <= 2


@pytest.mark.requirement("SRS-SUB-1")
def test_a_small_group_stays_and_says_so():
    row = compare(noisy(), {"site": SITE | {"00": "island", "01": "island"}})["site", "island"]
    assert (row["insufficient_n"], row["n_cases"], row["gap"], row["p"], row["p_adjusted"]) == (
        True,
        2,
        None,
        None,
        None,
    )
    assert row["mean"] is not None


@pytest.mark.requirement("SRS-SUB-1")
def test_subjects_count_and_not_cases():  # 20 cases of 4 subjects in the north
    subject_of = OWN | {case: f"s{int(case) % 4}" for case in NAMES if SITE[case] == "north"}
    row = compare(noisy(), {"site": SITE}, subject_of)["site", "north"]
    assert (row["n_cases"], row["n_subjects"], row["insufficient_n"]) == (20, 4, True)


def test_the_interval_is_wider_where_cases_of_a_subject_go_together():
    rng = np.random.default_rng(0)
    names = [f"{number:02d}" for number in range(80)]
    site = {case: "north" if int(case) < 40 else "south" for case in names}
    subject_of = {case: str(int(case) // 4) for case in names}
    of_subject = {subject: 0.05 * rng.standard_normal() for subject in sorted(set(subject_of.values()))}
    values = {case: 0.8 + of_subject[subject_of[case]] for case in names}
    grouped, alone = (
        compare(values, {"site": site}, subjects)["site", "north"]
        for subjects in (subject_of, {case: case for case in names})
    )
    wide, narrow = (
        row["gap_simultaneous95_high"] - row["gap_simultaneous95_low"] for row in (grouped, alone)
    )
    assert wide > 1.3 * narrow


@pytest.mark.requirement("SRS-SUB-1")
def test_a_group_that_stands_under_two_names_is_compared_once_and_listed_once():
    snr = {case: "high" if SITE[case] == "north" else "low" for case in NAMES}
    alone, twice = (
        compare(noisy(0.01), {"site": SITE}),
        compare(noisy(0.01), {"derived_snr": snr, "site": SITE}),
    )
    # the data set's own name comes first
    assert list(twice) == [("site", "north"), ("site", "south")]
    assert twice["site", "north"]["also"] == ["derived_snr: high"]
    # neither p nor interval is corrected for it
    assert {key: row | {"also": []} for key, row in twice.items()} == alone


def test_a_group_against_others_is_not_the_same_against_all():  # b of a, b is not b of a, b, c
    some = {case: site for case, site in SITE.items() if case != "00"}
    found = compare(noisy(), {"site": SITE, "place": some})
    assert len(found) == 4
    assert [row["also"] for row in found.values()] == [[]] * 4


# of p alone, Benjamini-Yekutieli changes nothing
def test_two_groups_that_are_all_there_is_are_one_comparison():
    rows = compare(noisy(0.01), {"site": SITE})
    north, south = rows["site", "north"], rows["site", "south"]
    assert north["p"] == north["p_adjusted"] == south["p"] == south["p_adjusted"]
    assert north["gap_simultaneous95_low"] == pytest.approx(-south["gap_simultaneous95_high"], abs=0.002)


def test_intervals_of_gaps_grow_with_the_number_of_comparisons():
    rng = np.random.default_rng(3)
    many = {f"a{number}": {case: str(rng.integers(2)) for case in NAMES} for number in range(10)} | {
        "site": SITE
    }
    alone, among = (compare(noisy(), groups)["site", "north"] for groups in ({"site": SITE}, many))
    widths = [row["gap_simultaneous95_high"] - row["gap_simultaneous95_low"] for row in (alone, among)]
    # Student's at 1 - 0.05 / 11 against 0.95 with 38 degrees of freedom: 3.02 / 2.02
    assert widths[1] / widths[0] == pytest.approx(1.49, abs=0.2)


def test_a_gap_of_fewer_than_ten_subjects_has_no_interval():
    row = compare(noisy(), {"site": SITE | {f"{number:02d}": "island" for number in range(9)}})[
        "site", "island"
    ]
    assert (row["insufficient_n"], row["gap"] is None) == (False, False)
    assert (row["gap_simultaneous95_low"], row["gap_no_interval"]) == (None, "fewer than 10 subjects")


def test_an_interval_of_a_gap_goes_no_further_than_shares_can_lie_apart():
    values = {case: float(SITE[case] == "north") for case in NAMES}
    values |= dict.fromkeys((NAMES[0], NAMES[-1]), 0.5)
    row = compare(values, {"site": SITE})["site", "north"]
    assert row["gap"] == pytest.approx(0.95)
    assert row["gap_simultaneous95_low"] < 0.95 < row["gap_simultaneous95_high"] == 1


def test_undefined_values_are_counted_and_left_out():
    row = compare(noisy() | {"00": None}, {"site": SITE})["site", "north"]
    assert (row["n_cases"], row["n_undefined"]) == (19, 1)


def test_a_case_without_the_attribute_is_in_no_group():
    known = {case: site for case, site in SITE.items() if case != "00"}
    rows = compare(noisy(), {"site": known})
    assert sum(row["n_cases"] for row in rows.values()) == 39


def test_rows_are_sorted():
    groups = {"site": SITE, "age": {case: str(int(case) % 2) for case in NAMES}}
    assert list(compare(noisy(), groups)) == [
        ("age", "0"),
        ("age", "1"),
        ("site", "north"),
        ("site", "south"),
    ]


def test_one_group_has_no_rest():
    row = compare(noisy(), {"site": dict.fromkeys(NAMES, "only")})["site", "only"]
    assert (row["insufficient_n"], row["gap"], row["n_cases"]) == (True, None, 40)


def test_terciles():
    assert subgroups.terciles({"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}) == {
        "a": "low",
        "b": "low",
        "c": "middle",
        "d": "middle",
        "e": "high",
        "f": "high",
    }


def test_equal_values_share_a_tercile():
    assert set(subgroups.terciles({"a": 1, "b": 1, "c": 1}).values()) == {"low"}


@pytest.mark.parametrize("seed", range(3))
def test_terciles_of_numbers_that_differ_are_of_one_size(seed):
    found = list(subgroups.terciles(noisy(seed=seed)).values())
    assert all(13 <= found.count(name) <= 14 for name in ("low", "middle", "high"))
