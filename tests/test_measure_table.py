"""measure_table: records beside the metrics have the measures of their table, and no other."""

import copy
import json

import pytest

from radiotrace import records
from radiotrace.records import measure_table
from tests import projects

EXAMPLES = projects.ROOT / "tests/schema_cases"


def example(schema: str, name: str) -> dict:
    return json.loads((EXAMPLES / schema / "valid" / f"{name}.json").read_text("utf-8"))


METRICS = example("metrics", "all_defined")
CASES = example("cases", "undefined_dice")["cases"]
HEADLINE = example("headline", "all_defined")


def test_the_table_keeps_its_order_and_knows_title_and_unit():
    table = measure_table.read(METRICS)
    assert list(table) == [row["name"] for row in METRICS["measures"]]
    assert (table["hausdorff95_mm"].heading, table["dice"].heading) == ("HD95, mm", "Dice")


def test_a_row_goes_into_the_record_and_comes_back():
    assert [row.record() for row in measure_table.read(METRICS).values()] == METRICS["measures"]


def test_a_row_of_a_later_version_may_say_more():
    rows = [row | {"novel": 1} for row in METRICS["measures"]]
    assert measure_table.read({"measures": rows}) == measure_table.read(METRICS)


def test_examples_have_the_measures_of_the_table():
    assert measure_table.misfits_of_cases(METRICS, CASES) == []
    assert measure_table.misfits_of_headline(METRICS, HEADLINE) == []


@pytest.mark.requirement("SRS-EVI-1")
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"sensitivity": None, "sensitvity": 0.5}, "sensitvity is no measure of the table"),
        ({"surface_dice": 1.01}, "surface_dice is 1.01, expected 1 or less"),
        ({"dice": -0.5}, "dice is -0.5, expected 0 or more"),
        ({"hausdorff95_mm": -1}, "hausdorff95_mm is -1, expected 0 or more"),
        ({"volume_error_absolute_mm3": -1}, "volume_error_absolute_mm3 is -1, expected 0 or more"),
        ({"volume_error_mm3": None}, "volume_error_mm3 is undefined, which it cannot be"),
        ({"prediction_components": 1.5}, "prediction_components is 1.5, expected a whole number"),
        ({"prediction_components": -1}, "prediction_components is -1, expected 0 or more"),
    ],
)
def test_a_case_that_has_another_measure_or_a_value_that_cannot_be_is_named(change, fault):
    cases = copy.deepcopy(CASES)
    cases[0]["labels"]["anterior"] |= change
    assert measure_table.misfits_of_cases(METRICS, cases) == [
        f"cases.json: {cases[0]['case_id']}: anterior: {fault}"
    ]


def test_every_measure_that_is_missing_is_named():
    cases = copy.deepcopy(CASES)
    for name in ("ppv", "iou"):
        del cases[0]["labels"]["anterior"][name]
    place = f"cases.json: {cases[0]['case_id']}: anterior"
    assert measure_table.misfits_of_cases(METRICS, cases) == [
        f"{place}: iou is missing",
        f"{place}: ppv is missing",
    ]


def test_a_signed_measure_may_be_below_0():
    cases = copy.deepcopy(CASES)
    cases[0]["labels"]["anterior"] |= {"volume_error_percent": -120.5, "volume_error_mm3": -7.0}
    assert measure_table.misfits_of_cases(METRICS, cases) == []


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({"iou": {}}, ["headline.json: iou is no measure of the table"]),
        ({"hausdorf95_mm": {}}, ["headline.json: hausdorf95_mm is no measure of the table"]),
    ],
    ids=["not of the headline", "misspelt"],
)
def test_a_headline_has_those_measures_alone_that_are_marked_for_it(change, faults):
    assert measure_table.misfits_of_headline(METRICS, HEADLINE | change) == faults


def test_a_headline_without_a_measure_is_named():
    left = {name: value for name, value in HEADLINE.items() if name != "surface_dice"}
    assert measure_table.misfits_of_headline(METRICS, left) == ["headline.json: surface_dice is missing"]


def test_a_mean_of_the_headline_lies_where_its_measure_can():
    changed = copy.deepcopy(HEADLINE)
    changed["dice"]["anterior"]["ci95_high"] = 1.2
    assert measure_table.misfits_of_headline(METRICS, changed) == [
        "headline.json: anterior: ci95_high: dice is 1.2, expected 1 or less"
    ]


# The keyword 'tabled'


def test_every_fault_of_the_metrics_against_their_own_table_is_named():
    changed = copy.deepcopy(METRICS)
    changed["uio"] = changed.pop("iou")
    changed["hausdorff95_mm"]["anterior"]["min"] = -1
    assert records.faults(changed, "metrics") == [
        "record: 'iou' is missing, but stands in measures",
        "record: 'uio' does not stand in measures",
        "hausdorff95_mm.anterior.min: -1 is not valid under any of the given schemas",
    ]


def test_a_measure_that_nobody_knew_fits_when_the_table_describes_it():
    changed = copy.deepcopy(METRICS)
    changed["novel_mm"] = changed["hausdorff95_mm"]
    changed["measures"].append(changed["measures"][0] | {"name": "novel_mm", "kind": "amount"})
    assert records.faults(changed, "metrics") == []
    changed["measures"][-1]["kind"] = "share"  # 1.94 mm are no share
    assert records.faults(changed, "metrics")
