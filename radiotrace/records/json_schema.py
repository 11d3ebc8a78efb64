"""The JSON Schema of a record's dataclass, in the form that schemas/ have.

commands/schemas.py writes the files with it. No stage imports this module, so that how a schema is made does
not decide a result.
"""

import inspect
import re
import types
import typing
from collections import Counter
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
            object, such as if and then; a type in them stands for its schema, and what they require is
            required in addition. A dataclass that stands in several places of the record gets an entry in
            $defs.

    Raises:
        TypeError: a type has no place in a record; Attributes names what is no field.
    """
    schemas = _Schemas(kind)
    title = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " ").removesuffix(".")
    return {"$schema": DIALECT, "title": title, **schemas.definitions(), **schemas.object(kind)}


class _Schemas:
    """The schemas of the types of one record.

    Args:
        kind: the record's dataclass.
    """

    def __init__(self, kind: type):
        self.times: Counter[type] = Counter()
        self._count(kind)
        self.shared = [record_type for record_type, times in self.times.items() if times > 1]
        names = [record_type.__name__ for record_type in self.shared]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise TypeError(f"{kind.__name__}: several dataclasses are called {', '.join(twice)}")

    def _count(self, hint: Any) -> None:
        """How often each dataclass stands in a type; what is in it counts once."""
        bare, _ = typed.stripped(hint)
        if not is_dataclass(bare):
            for inner in typing.get_args(bare):
                self._count(inner)
            return
        self.times[bare] += 1  # pyright: ignore[reportArgumentType]
        if self.times[bare] == 1:  # pyright: ignore[reportArgumentType]
            hints = typed.types_of(bare)  # pyright: ignore[reportArgumentType]
            for field in fields(bare):
                self._count(hints[field.name])
            self._count_in_rules(getattr(bare, "RULES", {}))

    def _count_in_rules(self, rule: Any) -> None:
        if isinstance(rule, dict):
            for inner in rule.values():
                self._count_in_rules(inner)
        elif not isinstance(rule, (str, int, float, list, type(None))):
            self._count(rule)

    def definitions(self) -> dict[str, Any]:
        """$defs, where there are any."""
        if not self.shared:
            return {}
        return {"$defs": {record_type.__name__: self.object(record_type) for record_type in self.shared}}

    def object(self, kind: type) -> dict[str, Any]:
        """The schema of a dataclass."""
        hints, further = typed.types_of(kind), typed.further_field(kind)
        own = [field for field in fields(kind) if field is not further]  # pyright: ignore[reportArgumentType]
        described = descriptions(kind)
        properties = {}
        for field in own:
            hint = hints[field.name]
            # None is written by leaving the key out; people may write it all the same where that is marked
            if field.default is None and typed.LEFT_OUT not in typed.stripped(hint)[1]:
                hint = _without_null(hint)
            description = {"description": described[field.name]} if field.name in described else {}
            properties[typed.key_of(field)] = description | self.value(hint)
        schema = {
            "type": "object",
            "properties": properties,
            "required": sorted(typed.key_of(field) for field in own if typed.is_required(field)),
            "additionalProperties": False,
        }
        if further is not None:
            schema |= {key: rule for key, rule in self.value(hints[further.name]).items() if key != "type"}
            if further.name in described:
                schema = {"description": described[further.name]} | schema
        rules = self._rules(getattr(kind, "RULES", {}))
        required = sorted({*schema["required"], *rules.get("required", ())})
        return schema | rules | {"required": required}

    def _rules(self, rule: Any) -> Any:
        """Keywords as they are, and types in them as their schemas."""
        if isinstance(rule, dict):
            return {key: self._rules(inner) for key, inner in rule.items()}
        return rule if isinstance(rule, (str, int, float, list, type(None))) else self.value(rule)

    def value(self, hint: Any) -> dict[str, Any]:
        """The schema of a type, with its rules."""
        kind, rules = typed.stripped(hint)
        schema = {"$ref": f"#/$defs/{kind.__name__}"} if kind in self.shared else self._type(kind)
        for rule in rules:
            schema = schema | rule.keywords
        return schema

    def _type(self, kind: Any) -> dict[str, Any]:
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if kind in SCALARS:
            return {"type": SCALARS[kind]}
        if kind is Any:
            return {}
        if is_dataclass(kind):
            return self.object(kind)  # pyright: ignore[reportArgumentType]
        if origin is Literal:
            return {"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)}
        if origin in (Union, types.UnionType):
            typed.alternatives(kind)
            return {
                "anyOf": [
                    {"type": "null"} if alternative is type(None) else self.value(alternative)
                    for alternative in arguments
                ]
            }
        if origin is tuple:
            return self._array(arguments)
        if origin in MAPPINGS:
            return self._mapping(*arguments)
        raise TypeError(f"{kind} has no place in a record")

    def _array(self, arguments: tuple[Any, ...]) -> dict[str, Any]:
        """Of tuple[X, ...], or of one of a fixed length."""
        items = self.value(arguments[0])
        if arguments[-1] is ...:
            return {"type": "array", "items": items}
        if any(self.value(item) != items for item in arguments):
            raise TypeError(f"a tuple of {arguments} has no place in a record: its items are unlike")
        return {"type": "array", "items": items, "minItems": len(arguments), "maxItems": len(arguments)}

    def _mapping(self, key: Any, item: Any) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "object"}
        if item is not Any:  # else any key may enter, and the tests list where
            schema["additionalProperties"] = self.value(item)
        if key is not str:
            schema["propertyNames"] = self.value(key)
        return schema


def _without_null(hint: Any) -> Any:
    kind, rules = typed.stripped(hint)
    others = [alternative for alternative in typing.get_args(kind) if alternative is not type(None)]
    bare = Union[tuple(others)]  # noqa: UP007 (of a list)
    return typing.Annotated[(bare, *rules)] if rules else bare


def descriptions(kind: type) -> dict[str, str]:
    """What the docstrings of a dataclass and of those that it extends say of its fields.

    Raises:
        TypeError: Attributes names what is no field.
    """
    texts = {}
    for base in reversed(kind.__mro__):
        if is_dataclass(base):
            texts |= _attributes(base.__doc__ or "")
    if unknown := texts.keys() - {field.name for field in fields(kind)}:  # pyright: ignore[reportArgumentType]
        raise TypeError(f"{kind.__name__} has no {', '.join(sorted(unknown))}, which its Attributes describe")
    return texts


def _attributes(doc: str) -> dict[str, str]:
    """Name -> text, of the section Attributes; 'a, b: text' is of both."""
    _, heading, section = inspect.cleandoc(doc).partition("Attributes:\n")
    texts = {}
    if heading:
        section = re.split(r"\n(?=\S)", section)[0]
        for entry in re.split(r"\n(?=    \S)", "\n" + section):
            names, _, text = " ".join(entry.split()).partition(": ")
            texts |= {name.strip(): text.removesuffix(".") for name in names.split(",") if text}
    return texts
