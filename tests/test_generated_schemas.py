"""Schemas that are made of dataclasses: the files are the code's, and examples come back as they were."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest

from radiotrace.commands import schemas
from radiotrace.records import json_schema, typed
from radiotrace.records.typed import FURTHER, LEFT_OUT, Record, Rule
from tests import examples

ROOT = Path(__file__).resolve().parent.parent
VALID = sorted(path for name in schemas.TABLE for path in (examples.CASES / name / "valid").glob("*.json"))


@pytest.mark.parametrize("name", schemas.TABLE)
def test_the_file_is_what_the_dataclass_says(name):
    path = ROOT / f"schemas/{name}.schema.json"
    assert path.read_text("utf-8") == schemas.written(name), f"run 'make deps', which writes {path.name}"


@pytest.mark.parametrize("path", VALID, ids=lambda path: f"{path.parents[1].name}/{path.stem}")
def test_a_valid_example_comes_back_as_it_was(path):
    example = examples.read(path)
    made = schemas.TABLE[path.parents[1].name].of(example).record()
    # as text: 1 and 1.0 and True are equal in Python, and not the same bytes
    assert json.dumps(made, sort_keys=True) == json.dumps(example, sort_keys=True)


@dataclass(frozen=True)
class Row(Record):
    """A row.

    Attributes:
        length_mm, width_mm: as a ruler has them, with a text that goes on
            in a second line.
        note: what people said.
    """

    length_mm: Annotated[float, Rule(minimum=0)]
    width_mm: float | None
    kind: Literal["a", "b"] = "a"
    note: str | None = None


@dataclass(frozen=True)
class Table(Record):
    """Rows, and what else
    there is.

    More of it.
    """

    RULES: ClassVar = {"if": {"properties": {"n": {"const": 0}}}, "then": {"maxProperties": 3}}

    n: Literal[1]
    rows: Annotated[tuple[Row, ...], Rule(minItems=1)]
    of_case: Mapping[Annotated[str, Rule(pattern="^c")], bool]
    free: Mapping[str, Any]
    from_: bool
    further: Annotated[Mapping[str, tuple[int, int]], FURTHER]


# by hand, as a person would write it
def test_a_schema_says_what_types_rules_and_docstrings_say():
    described = "as a ruler has them, with a text that goes on in a second line"
    pair = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}
    assert json_schema.of(Table) == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rows, and what else there is",
        "type": "object",
        "properties": {
            "n": {"const": 1},
            "rows": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "length_mm": {"description": described, "type": "number", "minimum": 0},
                        "width_mm": {
                            "description": described,
                            "anyOf": [{"type": "number"}, {"type": "null"}],
                        },
                        "kind": {"enum": ["a", "b"]},
                        "note": {"description": "what people said", "type": "string"},
                    },
                    "required": ["length_mm", "width_mm"],
                    "additionalProperties": False,
                },
                "minItems": 1,
            },
            "of_case": {
                "type": "object",
                "additionalProperties": {"type": "boolean"},
                "propertyNames": {"type": "string", "pattern": "^c"},
            },
            "free": {"type": "object"},
            "from": {"type": "boolean"},
        },
        "required": ["free", "from", "n", "of_case", "rows"],
        "additionalProperties": pair,
        "if": {"properties": {"n": {"const": 0}}},
        "then": {"maxProperties": 3},
    }


TABLE = {
    "n": 1,
    "rows": [{"length_mm": 1, "width_mm": None, "kind": "b"}],
    "of_case": {"c1": True},
    "free": {"any": ["thing"]},
    "from": True,
    "else": [1, 2],
}


def test_an_object_is_read_into_types_and_written_as_it_was():
    table = Table.of(TABLE)
    assert table.rows == (Row(length_mm=1, width_mm=None, kind="b", note=None),)
    assert table.further == {"else": (1, 2)}
    assert table.from_ is True
    assert table.record() == TABLE
    assert isinstance(table.rows[0].length_mm, int)  # 1 stays 1, and does not become 1.0


@dataclass(frozen=True)
class Union(Record):
    """What may be of several shapes."""

    a: tuple[float, ...] | Mapping[str, tuple[float, ...]] | int | str | None


@pytest.mark.parametrize(
    ("value", "read"), [([1], (1,)), ({"b": [2]}, {"b": (2,)}), (3, 3), ("c", "c"), (None, None)]
)
def test_the_shape_of_json_says_which_type_of_a_union_is_meant(value, read):
    assert Union.of({"a": value}).a == read
    assert Union.of({"a": value}).record() == {"a": value}


def test_a_union_is_any_of_its_types():
    numbers = {"type": "array", "items": {"type": "number"}}
    assert json_schema.of(Union)["properties"]["a"]["anyOf"] == [
        numbers,
        {"type": "object", "additionalProperties": numbers},
        {"type": "integer"},
        {"type": "string"},
        {"type": "null"},
    ]


def test_a_key_that_is_missing_has_the_default_and_is_written_unless_it_is_none():
    row = Row.of({"length_mm": 1, "width_mm": None})
    assert row.record() == {"length_mm": 1, "width_mm": None, "kind": "a"}


@dataclass(frozen=True)
class Several(Record):
    """There where it is several."""

    several: Annotated[int, Rule(minimum=2), LEFT_OUT] = 1


@pytest.mark.parametrize(("several", "record"), [(1, {}), (2, {"several": 2})])
def test_a_field_that_is_marked_is_left_out_where_it_has_its_default(several, record):
    assert Several(several).record() == record
    assert Several.of(record) == Several(several)
    assert json_schema.of(Several)["properties"]["several"] == {"type": "integer", "minimum": 2}


def test_a_further_key_of_the_name_of_a_field_is_a_fault_of_the_program():
    table = Table.of(TABLE)
    with pytest.raises(TypeError, match="Table: n stands twice"):
        replace(table, further={"n": (1, 2)}).record()


def test_a_key_that_is_no_field_is_a_fault_of_the_program():
    with pytest.raises(TypeError, match="Row has no depth_mm"):
        Row.of({"length_mm": 1, "width_mm": None, "depth_mm": 2})


def test_a_field_that_nothing_gives_is_a_fault_of_the_program():
    with pytest.raises(TypeError, match="width_mm"):
        Row.of({"length_mm": 1})


def test_fields_are_picked_from_another_object():
    row = typed.picked(Row, Row(1, 2, note="x"), width_mm=3)
    assert row == Row(1, 3, note="x")


def of_type(kind):
    """A record with one field of a type."""
    return dataclass(frozen=True)(type("One", (Record,), {"__annotations__": {"a": kind}}))


@pytest.mark.parametrize("kind", [bytes, list[int], Row | Table, tuple[int, str]], ids=str)
def test_a_type_that_json_cannot_say_has_no_schema(kind):
    with pytest.raises(TypeError, match="has no place in a record"):
        json_schema.of(of_type(kind))


@dataclass(frozen=True)
class Twice(Record):
    """Rows in two places."""

    RULES: ClassVar = {
        "required": ["more"],
        "if": {"required": ["other"]},
        "then": {"properties": {"other": Mapping[str, Row]}},
    }

    one: Row
    other: Any


def test_a_dataclass_that_stands_in_several_places_is_defined_once():
    schema = json_schema.of(Twice)
    assert schema["$defs"].keys() == {"Row"}
    assert schema["properties"]["one"] == {"$ref": "#/$defs/Row"}


def test_a_type_in_rules_stands_for_its_schema():
    said = json_schema.of(Twice)["then"]["properties"]["other"]
    assert said == {"type": "object", "additionalProperties": {"$ref": "#/$defs/Row"}}


def test_what_rules_require_is_required_in_addition():
    assert json_schema.of(Twice)["required"] == ["more", "one", "other"]


def test_two_dataclasses_of_one_name_are_refused():
    other = dataclass(frozen=True)(type("Row", (Record,), {"__annotations__": {"a": int}}))
    pairs = tuple[Row, Row, Row], tuple[other, other, other]
    kind = type("Both", (Record,), {"__annotations__": dict(zip("ab", pairs, strict=True))})
    with pytest.raises(TypeError, match="Both: several dataclasses are called Row"):
        json_schema.of(dataclass(frozen=True)(kind))


def test_a_docstring_that_describes_what_is_no_field_is_refused():
    kind = of_type(int)
    kind.__doc__ = "One.\n\nAttributes:\n    b: what is no longer there.\n"
    with pytest.raises(TypeError, match="One has no b, which its Attributes describe"):
        json_schema.of(kind)
