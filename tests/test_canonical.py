"""Canonical JSON: one text for a record, the same that RFC 8785 gives, and read back as it was written."""

import json

import pytest

from radiotrace.records import jcs


def test_keys_are_sorted_by_utf_16():  # RFC 8785, section 3.2.3: its own example, in its order
    record = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    assert list(json.loads(jcs.dumps(record)).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


# RFC 8785, section 3.2.2.3 and appendix B, as far as nine digits reach
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, b"1"),
        (-0.0, b"0"),
        (4.50, b"4.5"),
        (2e-3, b"0.002"),
        (1e-27, b"1e-27"),
        (1e21, b"1e+21"),
        (1e23, b"1e+23"),
        (5e-324, b"5e-324"),
        (1e16, b"10000000000000000"),
        (-1e16, b"-10000000000000000"),
        (1e20, b"100000000000000000000"),
    ],
)
def test_numbers_are_written_as_ecmascript_does(value, text):
    assert jcs.dumps(value) == text


@pytest.mark.parametrize(
    "value",
    [1e15, 1e16, -1e17, 123456789e12, 1e20, 1e21, 9.99999999e20, 2**53 - 1, 2**53, 1e300, 0.1, -0.0, 1 / 3],
)
def test_number_is_read_back_as_it_was_written(value):
    text = jcs.dumps({"value": value})
    assert jcs.dumps(json.loads(text)) == text


def test_floats_have_nine_digits():
    assert jcs.dumps([1 / 3, 2 / 3 * 1000]) == b"[0.333333333,666.666667]"


def test_there_is_no_white_space_and_no_escape_that_is_not_needed():
    assert jcs.dumps({"b": ["é/", True, None], "a": {}}) == '{"a":{},"b":["é/",true,null]}'.encode()


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 2**53 + 1, -(2**53) - 1, 10**30, "\ud800", {"\ud800": 1}, {1: 2}],
    ids=[
        "NaN",
        "infinity",
        "2^53+1",
        "-2^53-1",
        "10^30",
        "half of a pair",
        "half of a pair as a key",
        "key that is a number",
    ],
)
def test_what_has_no_canonical_text_is_refused(value):
    with pytest.raises(ValueError):  # noqa: PT011  of several kinds, with words of the library
        jcs.dumps([value])


def test_record_that_breaks_its_schema_is_not_written(tmp_path):
    with pytest.raises(ValueError, match=r"openings\.json breaks schemas/openings\.schema\.json"):
        jcs.write(tmp_path / "openings.json", {}, "openings")
    assert list(tmp_path.iterdir()) == []


def test_record_of_a_format_of_others_is_written_without_a_schema(tmp_path):
    jcs.write(tmp_path / "bill.json", {"b": 1, "a": 2}, None)
    assert (tmp_path / "bill.json").read_bytes() == b'{"a":2,"b":1}'
