"""export: which cases show that the exported model predicts the same."""
import pytest

from stages import export

TEN = list("abcdefghij")


@pytest.mark.parametrize(("count", "expected"), [(1, "a"), (2, "aj"), (4, "adgj"), (10, "abcdefghij"), (99, "abcdefghij")])
def test_parity_cases_are_spread_evenly(count, expected):      # 4 of positions 0 … 9: 0, 3, 6, 9
    assert export.spread(TEN, count) == list(expected)


def test_parity_cases_do_not_depend_on_the_order():
    assert export.spread(TEN[::-1], 4) == export.spread(TEN, 4)


@pytest.mark.parametrize("cases", range(1, 20))
def test_as_many_parity_cases_as_asked_for(cases):             # rounding positions makes no two equal
    names = [f"{number:02d}" for number in range(cases)]
    assert [len(export.spread(names, count)) for count in range(1, cases + 1)] == list(range(1, cases + 1))
