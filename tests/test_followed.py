"""Who waits for a stage is told how far it is."""

import pytest

from radiotrace.pipeline import followed


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until a test moves it; seconds stand in its only item."""
    seconds = [0.0]
    monkeypatch.setattr(followed.time, "monotonic", lambda: seconds[0])
    return seconds


def items(clock, number: int, seconds: float):
    for item in range(number):
        clock[0] += seconds
        yield item


def test_a_line_every_ten_seconds_says_what_is_left(clock, capsys):
    assert list(followed.followed(items(clock, 10, 6), 10, "ingest")) == list(range(10))
    assert capsys.readouterr().err.splitlines() == [
        "ingest: 2/10 cases, 48 s left",
        "ingest: 4/10 cases, 36 s left",
        "ingest: 6/10 cases, 24 s left",
        "ingest: 8/10 cases, 12 s left",
    ]


def test_much_time_is_told_in_minutes(clock, capsys):
    next(told := followed.followed(items(clock, 100, 60), 100, "validate"))
    next(told)
    assert capsys.readouterr().err == "validate: 1/100 cases, 99 min left\n"


def test_what_takes_no_time_says_nothing(clock, capsys):
    assert list(followed.followed(items(clock, 1000, 0.001), 1000, "ingest")) == list(range(1000))
    assert capsys.readouterr().err == ""
