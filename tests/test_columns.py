"""Columns of cases.csv that are more than attributes: declared, read, checked, and given parts."""

import csv
import json

import pytest

from radiotrace.errors import StageError
from radiotrace.imaging import column_checks, columns, formats, tables
from radiotrace.pipeline import splits
from radiotrace.records.accepted import AcceptedCase
from radiotrace.records.dataset import Case, Column, Identity
from radiotrace.records.sections.split import Fractions, SplitParams

LABELS = {"0": "clear", "1": "shadow", "2": "fracture"}
TARGET = {"class": {"role": "target", "kind": "class"}}


def declared(found, labels=LABELS):
    faults: list[str] = []
    return columns.declared(found, labels, faults), faults


def read(cells: dict[str, dict[str, str]], of_columns: dict[str, Column]):
    table = tables.Table({case_id: case_id for case_id in cells}, cells)
    faults: list[str] = []
    return columns.values_of(table, of_columns, LABELS, ["n/a"], faults), faults


def test_nothing_is_declared_where_dataset_json_does_not_say_so():
    assert declared(None) == ({}, [])


def test_a_part_has_the_names_of_the_parts():
    found, faults = declared({"part": {"role": "part", "kind": "category"}})
    assert faults == []
    assert found["part"].categories == ("train", "validation", "test")


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("class", "found str, expected an object with role and kind"),
        ({"role": "goal", "kind": "class"}, "role: found 'goal', expected one of target, feature, part"),
        (
            {"role": "target", "kind": "category"},
            "kind: found 'category', expected one of class, classes, number for role target",
        ),
        ({"role": "target", "kind": "class", "units": "mm"}, "'units': expected attribute, categories"),
        ({"role": "feature", "kind": "number", "minimum": "0"}, "minimum: found '0', expected a number"),
        ({"role": "feature", "kind": "number", "minimum": True}, "minimum: found True, expected a number"),
        (
            {"role": "feature", "kind": "number", "minimum": 2, "maximum": 1},
            "minimum 2 is above maximum 1",
        ),
        (
            {"role": "feature", "kind": "category", "categories": ["a", "a"]},
            "categories: expected the words that may stand there",
        ),
        (
            {"role": "part", "kind": "category", "categories": ["one", "two"]},
            "categories: a part is one of train, validation, test",
        ),
        ({"role": "feature", "kind": "number", "attribute": 1}, "attribute: found 1, expected true or false"),
    ],
)
def test_a_declaration_that_says_nothing_is_a_fault(entry, fault):
    found, faults = declared({"x": entry})
    assert found == {}
    assert len(faults) == 1
    assert fault in faults[0]
    assert faults[0].startswith("dataset.json: columns: 'x': ")


def test_two_targets_of_classes_are_a_fault():
    _, faults = declared({"a": TARGET["class"], "b": TARGET["class"]})
    assert faults == ["dataset.json: columns: a, b are all of role target, expected one"]


def test_values_are_of_their_kind():
    of_columns, _ = declared(
        {
            **TARGET,
            "both": {"role": "feature", "kind": "category", "categories": ["left", "right"]},
            "age": {"role": "feature", "kind": "number", "unit": "a"},
        }
    )
    found, faults = read(
        {
            "a": {"class": "shadow", "both": "left", "age": "61.5"},
            "b": {"class": "clear", "both": "", "age": "n/a"},
        },
        of_columns,
    )
    assert faults == []
    assert found == {"a": {"class": "shadow", "both": "left", "age": 61.5}, "b": {"class": "clear"}}


def test_a_case_may_have_several_classes_or_none():
    of_columns, _ = declared({"findings": {"role": "target", "kind": "classes"}})
    found, faults = read(
        {
            "a": {"findings": "fracture|shadow"},
            "b": {"findings": ""},
            "c": {"findings": "clear"},
            "d": {"findings": "clear|shadow"},
        },
        of_columns,
    )
    assert found == {
        "a": {"findings": ("fracture", "shadow")},
        "b": {"findings": ()},
        "c": {"findings": ("clear",)},
        "d": {},
    }
    assert faults == [
        "d: findings: found 'clear|shadow', expected some of shadow, fracture with | between, or clear"
    ]


def test_what_is_missing_or_unknown_is_named_with_its_case():
    of_columns, _ = declared({**TARGET, "age": {"role": "feature", "kind": "number"}})
    _, faults = read({"a": {"class": "", "age": "old"}, "b": {"class": "mist", "age": "1e999"}}, of_columns)
    assert faults == [
        "a: no class in cases.csv, which every case must have",
        "b: class: found 'mist', expected one of clear, shadow, fracture",
        "a: age: found 'old', expected a number",
        "b: age: found '1e999', expected a number",
    ]


def test_a_declared_column_that_is_not_there_is_named():
    of_columns, _ = declared(TARGET)
    _, faults = read({"a": {"age": "1"}}, of_columns)
    assert faults == ["cases.csv: column 'class' is missing, which dataset.json declares as target"]


# A data folder


@pytest.fixture
def folder(tmp_path):
    """A data set of four pictures without label maps, of which no bytes are read."""
    (tmp_path / "imagesTr").mkdir()
    ids = [f"case_{number}" for number in range(4)]
    for one in ids:
        (tmp_path / f"imagesTr/{one}.nii.gz").write_bytes(b"")
    described = {
        "name": "shadows",
        "modality": {"0": "X-ray"},
        "labels": {"0": "clear", "1": "shadow"},
        "columns": {**TARGET, "part": {"role": "part", "kind": "category"}},
        "published_cases": {"train": {"clear": 2}},
        "subjects_unknown": True,
        "training": [{"image": f"./imagesTr/{one}.nii.gz"} for one in ids],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(described))
    with open(tmp_path / "cases.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["case_id", "subject_id", "class", "part", "site"])
        rows = zip(ids, ["clear", "shadow"] * 2, ["train", "train", "validation", "test"], strict=True)
        writer.writerows((one, one, label, part, "north") for one, label, part in rows)
    return tmp_path


def change(folder, **values) -> None:
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_data_set_with_a_target_needs_no_label_maps(folder):
    found = formats.read_dataset(folder)
    assert [case.label_map for case in found.cases] == [None] * 4
    assert found.labels == {"0": "clear", "1": "shadow"}
    assert found.cases[1].values == {"class": "shadow", "part": "train"}
    assert found.published_cases == {"train": {"clear": 2}}
    assert found.subjects_unknown


def test_declared_columns_are_no_attributes_unless_they_say_so(folder):
    assert formats.read_dataset(folder).cases[0].attributes == {"site": "north"}
    change(folder, columns={**TARGET, "part": {"role": "part", "kind": "category", "attribute": True}})
    assert formats.read_dataset(folder).cases[0].attributes == {"site": "north", "part": "train"}


def test_without_a_target_a_label_map_is_missed(folder):
    change(folder, columns={"part": {"role": "part", "kind": "category"}})
    with pytest.raises(StageError) as error:
        formats.read_dataset(folder)
    assert any("expected an image and a label" in fault for fault in error.value.findings)


def test_counts_that_name_no_label_are_a_fault(folder):
    change(folder, published_cases={"train": {"mist": 2}})
    with pytest.raises(StageError) as error:
        formats.read_dataset(folder)
    assert error.value.findings == [
        "dataset.json: published_cases: expected train, validation, test, and for each the number of cases "
        "of clear, shadow"
    ]


# What validate finds


def identity(**changes) -> Identity:
    values = {
        "name": "shadows",
        "version": None,
        "licence": None,
        "citation": None,
        "description": None,
        "modality": "X-ray",
        "labels": {"0": "clear", "1": "shadow"},
        "cases": 3,
        "subjects": 3,
        "root_sha256": "0" * 64,
        "columns": {"class": Column("target", "class"), "part": Column("part", "category")},
    }
    return Identity(**values | changes)


def case(case_id: str, **values) -> Case:
    return Case(case_id, case_id, {}, None, values=values)  # type: ignore[arg-type]


def test_counts_that_are_not_those_that_were_published_are_a_warning_of_the_set():
    cases = [
        case("a", **{"class": "clear", "part": "train"}),
        case("b", **{"class": "shadow", "part": "test"}),
    ]
    dataset = identity(published_cases={"train": {"clear": 3, "shadow": 0}, "test": {"shadow": 1}})
    [found] = column_checks.findings(dataset, cases)
    assert (found.case_id, found.check, found.severity) == ("", "published_cases", "warning")
    assert found.found == "train: 1 cases are clear"
    assert found.expected.startswith("3, as published")


def test_a_class_that_no_case_has_is_an_error():
    [found] = column_checks.findings(identity(), [case("a", **{"class": "clear", "part": "train"})])
    assert (found.check, found.found, found.severity) == (
        "class_without_cases",
        "class: no case is shadow",
        "error",
    )


def test_a_number_out_of_its_range_is_an_error_of_its_case():
    dataset = identity(columns={"age": Column("feature", "number", unit="a", minimum=0, maximum=120)})
    [found] = column_checks.findings(dataset, [case("a", age=61.0), case("b", age=200.0)])
    assert (found.case_id, found.check, found.found, found.expected) == (
        "b",
        "column_range",
        "age 200 a",
        "0 to 120 a (columns of dataset.json)",
    )


def test_a_feature_that_is_rarely_known_is_a_warning():
    dataset = identity(columns={"age": Column("feature", "number")})
    cases = [case("a", age=61.0), case("b"), case("c")]
    [found] = column_checks.findings(dataset, cases)
    assert (found.case_id, found.check, found.severity) == ("", "column_missing", "warning")
    assert found.found == "age is not known of 2 of 3 cases"


# Parts that a data set gives


def settings(**changes) -> SplitParams:
    values = {
        "scheme": "given",
        "fractions": Fractions(0.6, 0.2, 0.2),
        "folds": 3,
        "fold": None,
        "parts_seed": None,
        "seed": 0,
    }
    return SplitParams(**values | changes)


GIVEN = [
    AcceptedCase(f"case_{number:02d}", f"subject_{number // 2:02d}", f"{number:064d}", part)
    for number, part in enumerate(["train"] * 20 + ["validation"] * 4 + ["test"] * 6)
]


def test_given_parts_are_kept():
    part_of, fold_of = splits.split(GIVEN, settings())
    assert [part_of[case.case_id] for case in GIVEN] == [case.part for case in GIVEN]
    assert {fold_of[case.case_id] for case in GIVEN if case.part == "test"} == {None}


def test_a_fold_of_given_parts_leaves_the_test_part_alone():
    part_of, fold_of = splits.split(GIVEN, settings(fold=1))
    assert [one for one, part in part_of.items() if part == "test"] == [
        case.case_id for case in GIVEN if case.part == "test"
    ]
    held_out = {one for one, fold in fold_of.items() if fold == 1}
    assert {one for one, part in part_of.items() if part == "validation"} == held_out
    by_subject = {case.subject_id: fold_of[case.case_id] for case in GIVEN}
    assert all(fold_of[case.case_id] == by_subject[case.subject_id] for case in GIVEN)


def test_cases_without_a_part_are_named():
    cases = [*GIVEN, AcceptedCase("case_99", "subject_99", "f" * 64)]
    with pytest.raises(StageError, match="1 of 31 cases have no part: case_99"):
        splits.split(cases, settings())
