"""The schemas: each rule that matters has a named broken example, and nothing that is not described gets in.

A broken example is a patch on a valid one (tests/examples.py), so that it shows what is wrong and nothing
else, and a new field changes one file.
"""

import json
from pathlib import Path

import jsonschema
import pytest

from radiotrace import records
from radiotrace.pipeline import params
from tests import examples

ROOT = Path(__file__).resolve().parent.parent
CASES = examples.CASES
NAMES = sorted(path.name.removesuffix(".schema.json") for path in records.SCHEMAS.glob("*.schema.json"))
VALID, INVALID = sorted(CASES.glob("*/valid/*.json")), sorted(CASES.glob("*/invalid/*.json"))
# Objects that any key may enter, and why.
FREE = {
    ("hyperparameters", "properties/stages/additionalProperties"): "parameters of a stage; "
    "params.schema.json checked them",
    ("provenance", "properties/params"): "parameters of a stage; params.schema.json checked them",
    ("run", "properties/stages/items/properties/params"): "parameters of a stage; params.schema.json checked "
    "them",
    ("search_trial", "properties/parameters"): "values of params.yaml; its schemas check what may be drawn",
}
# Below these keywords a schema narrows an object that is closed where they stand.
NARROWING = ("if", "then", "else", "oneOf", "allOf")


def label(path):
    return path.relative_to(CASES).with_suffix("").as_posix()


def schema_of(path):
    return path.parent.parent.name


def places(path):
    """Where a broken example breaks its schema: '' for the record itself."""
    found = {fault.split(": ")[0] for fault in records.faults(examples.read(path), schema_of(path))}
    return sorted("" if place == "record" else place for place in found)


def open_objects(schema, where=(), closed_above=False):
    """Where a schema lets keys in that it does not describe."""
    if isinstance(schema, bool):  # false lets nothing in
        if schema:
            yield "/".join(where)
        return
    is_object = schema.get("type") == "object" or "properties" in schema
    closed = schema.get("additionalProperties") is False or isinstance(
        schema.get("additionalProperties"), dict
    )
    if is_object and not closed and not closed_above:
        yield "/".join(where)
    for keyword in ("properties", "$defs"):
        for name, value in schema.get(keyword, {}).items():
            yield from open_objects(value, (*where, keyword, name), closed_above)
    for keyword in ("items", "additionalProperties", "if", "then", "else"):
        if isinstance(schema.get(keyword), dict):
            yield from open_objects(
                schema[keyword], (*where, keyword), closed_above or (keyword in NARROWING and closed)
            )
    for keyword in ("anyOf", "oneOf", "allOf"):
        for number, value in enumerate(schema.get(keyword, [])):
            yield from open_objects(
                value, (*where, keyword, str(number)), closed_above or (keyword in NARROWING and closed)
            )


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_valid_draft_2020_12(name):
    schema = json.loads((records.SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", NAMES)
def test_schema_lets_no_undescribed_key_in(name):
    schema = json.loads((records.SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    assert set(open_objects(schema)) == {where for schema_name, where in FREE if schema_name == name}


# the walk itself: a list of objects that forgot the keyword
def test_an_object_without_additional_properties_is_open():
    assert list(open_objects({"type": "array", "items": {"type": "object", "properties": {"a": {}}}})) == [
        "items"
    ]


def test_every_folder_of_examples_has_a_schema_and_every_schema_a_folder():
    assert sorted(path.name for path in CASES.iterdir()) == NAMES


@pytest.mark.parametrize("kind", ["valid", "invalid"])
@pytest.mark.parametrize("name", NAMES)
def test_schema_has_examples(name, kind):
    assert list((CASES / name / kind).glob("*.json"))


@pytest.mark.parametrize("path", VALID, ids=label)
def test_valid_example_has_no_fault(path):
    assert records.faults(examples.read(path), schema_of(path)) == []


@pytest.mark.parametrize("path", INVALID, ids=label)
# one broken rule a file; a fault may show at a parent too
def test_invalid_example_breaks_its_schema_at_one_place(path):
    found = places(path)
    assert found
    assert all(place.startswith(found[0]) for place in found)
    assert found[0] or len(found) == 1  # '' is a prefix of everything


@pytest.mark.parametrize("path", INVALID, ids=label)
def test_invalid_example_is_a_patch(path):
    assert examples.is_patch(json.loads(path.read_text("utf-8")))


def written(folder, **texts):
    """Valid examples of a schema in a folder of its own."""
    (folder / "split/valid").mkdir(parents=True)
    for name, content in texts.items():
        (folder / f"split/valid/{name}.json").write_text(json.dumps(content))
    return folder / "split/valid"


# by hand: RFC 6902, 4.3; a value that becomes null, which a merge patch would take away
def test_a_patch_stands_on_the_example_that_it_names(tmp_path):
    patch = [{"op": "replace", "path": "/seed", "value": None}]
    folder = written(
        tmp_path, other={"seed": 1}, whole={"seed": 0, "n": 2}, p={"of": "whole", "patch": patch}
    )
    assert examples.read(folder / "p.json") == {"seed": None, "n": 2}


def test_a_patch_may_stand_on_a_patch(tmp_path):
    first, second = ([{"op": "add", "path": f"/{key}", "value": 1}] for key in "ab")
    folder = written(tmp_path, w={}, p={"of": "w", "patch": first}, q={"of": "p", "patch": second})
    assert examples.read(folder / "q.json") == {"a": 1, "b": 1}


@pytest.mark.parametrize(("of", "fault"), [("q", "p.json: stands on itself"), ("gone", "does not exist")])
def test_a_patch_that_stands_on_no_record_is_refused(tmp_path, monkeypatch, of, fault):
    monkeypatch.setattr(examples, "CASES", tmp_path)
    folder = written(tmp_path, p={"of": of, "patch": []}, q={"of": "p", "patch": []})
    with pytest.raises(ValueError, match=fault):
        examples.read(folder / "p.json")


def test_params_yaml_satisfies_its_schema():
    assert params.faults(params.load_yaml(ROOT / "params.yaml")) == []


@pytest.mark.parametrize("folder", ["design", "software/design"])
def test_requirements_yaml_satisfies_its_schema(folder):
    assert records.faults(params.load_yaml(ROOT / folder / "requirements.yaml"), "requirements") == []
