"""Tables: one spelling of what looks the same, numbers in bands, and a fault where a table says two
things."""

import unicodedata

import pytest

from radiotrace.imaging import tables

MISSING = ["n/a", "?"]


def read(*lines: str, encoding="utf-8") -> tuple[tables.Table | None, list[str]]:
    faults: list[str] = []
    return tables.read("".join(f"{line}\n" for line in lines).encode(encoding), "cases.csv", faults), faults


def groups(column: str, cells: list[str], limits=None) -> tuple[list[str | None], list[str], list[str]]:
    """The group of each cell, faults and notes."""
    table, faults = read(
        f"case_id,subject_id,{column}",
        *(f"c{number:03d},s{number},{cell}" for number, cell in enumerate(cells)),
    )
    notes: list[str] = []
    found = tables.grouped(table, MISSING, limits or {}, faults, notes)
    return [found[case_id].get(column) for case_id in sorted(found)], faults, notes


# Reading


def test_a_subject_in_two_forms_of_unicode_is_one_subject():  # else its images could stand in two parts
    forms = [unicodedata.normalize(form, "Müller1") for form in ("NFC", "NFD")]
    table, faults = read("case_id,subject_id", f"a,{forms[0]}", f"b,{forms[1]}")
    assert (len(set(table.subject_of.values())), faults) == (1, [])


def test_space_around_a_cell_is_none():
    table, _ = read("case_id, subject_id ,sex", "a , s1,\u00a0F ")
    assert (table.subject_of, table.attributes_of) == ({"a": "s1"}, {"a": {"sex": "F"}})


@pytest.mark.parametrize(
    "first",
    [
        "case_id,subject_id,subject_id",
        "case_id,subject_id,sex,Sex",
        "case_id,subject_id,sex, sex",
        "case_id,case_id,subject_id",
    ],
)
def test_a_column_that_stands_twice_is_a_fault(first):
    table, faults = read(first, "a,b,c,d")
    assert table is None
    assert "stands twice in the first line" in faults[0]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("", "column 3 has no name"),
        ("a\x1b[31m", "characters that are not seen"),
        ("$x$", "holds '$'"),
        ("derived_snr", "rename it"),
        ("x" * 256, "256 characters"),
    ],
)
def test_a_column_of_no_good_name_is_a_fault(column, words):
    table, faults = read(f"case_id,subject_id,{column}", "a,b,c")
    assert table is None
    assert words in faults[0]


@pytest.mark.parametrize("cell", ["\x1b[31mred", "a\u202eb", "zero\u200bwidth", "\x07"])
@pytest.mark.parametrize("column", [1, 2])
def test_a_cell_with_characters_that_are_not_seen_is_a_fault_that_shows_them(column, cell):
    cells = ["a", "s", "x"]
    cells[column] = cell
    _, faults = read("case_id,subject_id,site", ",".join(cells))
    assert len(faults) == 1
    assert faults[0].isprintable()
    assert "characters that are not seen" in faults[0]


def test_a_blank_line_is_no_row():
    table, faults = read("case_id,subject_id", "a,s", "", "b,t")
    assert (list(table.subject_of), faults) == (["a", "b"], [])


# Groups


@pytest.mark.parametrize("other", ["f", "Ｆ"])
def test_a_group_in_two_spellings_is_a_fault_with_both_and_their_counts(other):
    _, faults, _ = groups("sex", ["F", "F", "M", other])
    (fault,) = faults
    assert "one group in 2 spellings" in fault
    assert "'F' (2 cases)" in fault
    assert f"'{other}' (1 cases)" in fault


def test_space_before_a_group_makes_no_other():
    found, faults, _ = groups("sex", ["F", " F", "F ", "M"])
    assert (found, faults) == (["F", "F", "F", "M"], [])


@pytest.mark.parametrize("word", ["n/a", "N/A", "?", ""])
def test_a_word_that_means_not_known_is_no_group(word):
    found, faults, _ = groups("sex", ["F", "M", word])
    assert (found, faults) == (["F", "M", None], [])


def test_numbers_with_a_missing_word_become_thirds():  # 1..9: 4 and 7 begin the second and the last third
    found, faults, _ = groups("age", [*map(str, range(1, 10)), "n/a"])
    assert (found, faults) == (
        [*["1: below 4"] * 3, *["2: 4 to below 7"] * 3, *["3: 7 or more"] * 3, None],
        [],
    )


def test_limits_that_are_given_make_the_bands():
    found, faults, _ = groups("age", ["39.9", "40", "64", "65", "?"], {"age": [40, 65]})
    assert (found, faults) == (
        ["1: below 40", "2: 40 to below 65", "2: 40 to below 65", "3: 65 or more", None],
        [],
    )


def test_a_word_among_numbers_that_is_not_declared_is_a_fault_with_the_way_out():
    found, faults, _ = groups("age", [*map(str, range(60, 70)), "old", "old"])
    assert set(found) == {None}
    (fault,) = faults
    assert "10 numbers, and 'old' (2 cases)" in fault
    assert "ingest.missing_words" in fault


@pytest.mark.parametrize("number", ["inf", "nan", "1e400x", "70,5", "0x10", "١٢"])
def test_what_is_no_plain_number_is_a_word(number):
    table, _ = read("case_id,subject_id,age", *(f"c{n},s,{n + 50}" for n in range(10)), f'x,s,"{number}"')
    faults: list[str] = []
    tables.grouped(table, [], {}, faults, [])
    assert len(faults) == 1


def test_few_numbers_are_groups():  # such as the sites 1 to 3
    assert groups("site", ["1", "2", "3", "1"])[0] == ["1", "2", "3", "1"]


@pytest.mark.parametrize("other", ["01", "1.0", "+1"])
def test_a_number_in_two_spellings_is_a_fault(other):
    (fault,) = groups("site", ["1", "2", "1", other])[1]
    assert "one group in 2 spellings" in fault
    assert f"'{other}' (1 cases)" in fault


def test_codes_and_long_numbers_are_not_taken_for_each_other():  # as floats they would be
    assert groups("site", ["1E2", "100", "12345678901234567890", "12345678901234567891"])[1] == []


def test_bands_of_large_numbers_are_told_apart():  # all three began or ended at 2.02401e+07
    found, _, _ = groups("day", [str(day) for day in range(20240101, 20240110)])
    assert sorted(set(found)) == ["1: below 20240104", "2: 20240104 to below 20240107", "3: 20240107 or more"]


def test_a_number_beyond_float64_is_a_fault():  # it stood in the last band
    (fault,) = groups("age", [*map(str, range(1, 10)), "1e999"])[1]
    assert "9 numbers, and '1e999' (1 cases)" in fault


def test_equal_numbers_stand_in_one_band():
    found, _, _ = groups("age", ["50"] * 20 + [str(number) for number in range(60, 67)])
    assert len(set(found[:20])) == 1
    assert None not in found


def test_limits_that_do_not_ascend_or_of_no_column_are_faults():
    assert "numbers that ascend" in groups("age", ["1", "2"], {"age": [65, 40]})[1][0]
    assert (
        "'Age' is no further column of cases.csv; those are age"
        in groups("age", ["1", "2"], {"Age": [40]})[1][0]
    )


def test_a_group_for_nearly_every_case_is_said():
    _, faults, notes = groups("scan", [f"scan {number}" for number in range(30)])
    assert faults == []
    assert notes == ["cases.csv: column scan has 30 groups in 30 cases; most are too small to be compared"]


@pytest.mark.parametrize(("separator", "word"), [(";", "semicolons"), ("\t", "tabs")])
def test_columns_that_are_not_separated_by_commas_are_named(separator, word):
    assert (
        f"Separate columns by commas, not by {word}" in read(separator.join(["case_id", "subject_id"]))[1][0]
    )


def test_a_table_that_is_not_utf_8_says_how_to_save_it():
    assert read("case_id,subject_id", encoding="utf-16")[1] == [
        "cases.csv: not UTF-8 (invalid start byte at byte 0). Save it as 'CSV UTF-8'"
    ]


# Cyrillic dze in place of s: else two subjects, and a leak
def test_a_subject_of_letters_that_look_alike_is_a_fault():
    (fault,) = read("case_id,subject_id", "a,subject_1", "b,\u0455ubject_1")[1]
    assert "letters of CYRILLIC and LATIN that look alike" in fault
