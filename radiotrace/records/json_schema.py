"""The JSON Schema of a record's dataclass, in the form that schemas/ have.

commands/schemas.py writes the files with it. No stage imports this module, so that how a schema is made does
not decide a result.
"""

import inspect
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union

from radiotrace.records import typed

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean"}
MAPPINGS = (dict, typing.get_origin(Mapping[str, int]))


def of(kind: type) -> dict[str, Any]:
    """The schema of a record.

    Args:
        kind: a frozen dataclass. Its docstring's first sentence is the title; what the section Attributes
            says of a field is its description. RULES, where it has them, are keywords that hold of the whole
            object, such as if and then.

    Raises:
        TypeError: a type has no place in a record; Attributes names what is no field.
    """
    title = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " ").removesuffix(".")
    return {"$schema": DIALECT, "title": title, **_object(kind)}


def _object(kind: type) -> dict[str, Any]:
    hints, further = typed.types_of(kind), typed.further_field(kind)
    own = [field for field in fields(kind) if field is not further]  # pyright: ignore[reportArgumentType]
    described = descriptions(kind)
    properties = {}
    for field in own:
        hint = hints[field.name]
        if field.default is None:  # None is written by leaving the key out
            hint = _without_null(hint)
        said = {"description": described[field.name]} if field.name in described else {}
        properties[field.name] = said | _value(hint)
    schema = {
        "type": "object",
        "properties": properties,
        "required": sorted(field.name for field in own if typed.is_required(field)),
        "additionalProperties": False,
    }
    if further is not None:
        schema |= {key: rule for key, rule in _value(hints[further.name]).items() if key != "type"}
        if further.name in described:
            schema = {"description": described[further.name]} | schema
    return schema | getattr(kind, "RULES", {})


def _value(hint: Any) -> dict[str, Any]:
    kind, rules = typed.stripped(hint)
    schema = _type(kind)
    for rule in rules:
        schema = schema | rule.keywords
    return schema


def _type(kind: Any) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in SCALARS:
        return {"type": SCALARS[kind]}
    if kind is Any:
        return {}
    if is_dataclass(kind):
        return _object(kind)  # pyright: ignore[reportArgumentType]
    if origin is Literal:
        return {"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        typed.not_none(kind)
        return {"anyOf": [{"type": "null"} if of is type(None) else _value(of) for of in arguments]}
    if origin is tuple:
        return _array(arguments)
    if origin in MAPPINGS:
        return _mapping(*arguments)
    raise TypeError(f"{kind} has no place in a record")


def _array(arguments: tuple[Any, ...]) -> dict[str, Any]:
    """Of tuple[X, ...], or of one of a fixed length."""
    items = _value(arguments[0])
    if arguments[-1] is ...:
        return {"type": "array", "items": items}
    if any(_value(of) != items for of in arguments):
        raise TypeError(f"a tuple of {arguments} has no place in a record: its items are unlike")
    return {"type": "array", "items": items, "minItems": len(arguments), "maxItems": len(arguments)}


def _mapping(key: Any, item: Any) -> dict[str, Any]:
    schema = {"type": "object"}
    if item is not Any:  # else any key may enter, and the tests list where
        schema["additionalProperties"] = _value(item)
    if key is not str:
        schema["propertyNames"] = _value(key)
    return schema


def _without_null(hint: Any) -> Any:
    kind, rules = typed.stripped(hint)
    bare = typed.not_none(kind)
    return typing.Annotated[(bare, *rules)] if rules else bare


def descriptions(kind: type) -> dict[str, str]:
    """What the docstrings of a dataclass and of those that it extends say of its fields.

    Raises:
        TypeError: Attributes names what is no field.
    """
    said = {}
    for base in reversed(kind.__mro__):
        if is_dataclass(base):
            said |= _attributes(base.__doc__ or "")
    if unknown := said.keys() - {field.name for field in fields(kind)}:  # pyright: ignore[reportArgumentType]
        raise TypeError(f"{kind.__name__} has no {', '.join(sorted(unknown))}, which its Attributes describe")
    return said


def _attributes(doc: str) -> dict[str, str]:
    """Name -> text, of the section Attributes; 'a, b: text' is of both."""
    _, found, section = inspect.cleandoc(doc).partition("Attributes:\n")
    said = {}
    if found:
        section = re.split(r"\n(?=\S)", section)[0]
        for entry in re.split(r"\n(?=    \S)", "\n" + section):
            names, _, text = " ".join(entry.split()).partition(": ")
            said |= {name.strip(): text.removesuffix(".") for name in names.split(",") if text}
    return said
