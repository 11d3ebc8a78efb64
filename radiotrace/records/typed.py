"""Records as frozen dataclasses: between JSON, which was checked against its schema, and objects with types.

A module of this folder has the dataclass of each record; json_schema.py makes its schema out of it. Knows of
no schema and checks nothing: `records.read` and `records.write` do, and name every fault.
"""

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, Self, TypeVar, Union

Typed = TypeVar("Typed")


class Rule:
    """What JSON Schema can say of a value and a type cannot: Annotated[int, Rule(minimum=0)].

    Attributes:
        keywords: of JSON Schema, as they go into the schema.
    """

    def __init__(self, **keywords: Any):
        self.keywords = keywords


# Marks the field of an object that takes the keys which are no fields: a mapping, and in JSON its entries
# stand beside the other keys.
FURTHER = Rule()
# Marks a field with a default that is written by leaving it out where it has this default.
LEFT_OUT = Rule()


class Record:
    """A dataclass that stands for an object of JSON: a key for each field, in any order.

    A field without default is a key that must be there. One with a default may be missing; where the default
    is None, None is written by leaving the key out, and null is not allowed in its place, but where the field
    is marked LEFT_OUT. Any default of such a field is written so.
    """

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """The object that checked JSON stands for. A key that is no field is a fault of the program."""
        return _object(cls, record)

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return plain(self)


def plain(value: Any) -> Any:
    """A value as JSON has it: objects and mappings as dict, tuples as list."""
    if is_dataclass(value):
        further, written, beside = further_field(type(value)), {}, {}
        for field in fields(value):
            item = getattr(value, field.name)
            if field is further:
                beside = plain(item)
            elif not is_left_out(value, field):
                written[key_of(field)] = plain(item)
        if both := sorted(written.keys() & beside.keys()):
            raise TypeError(f"{type(value).__name__}: {', '.join(both)} stands twice")
        return written | beside
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def picked(kind: type[Typed], source: Any, **others: Any) -> Typed:
    """An object whose fields have the values of another object's attributes of the same names, and those that
    are given."""
    names = [field.name for field in fields(kind) if field.name not in others]  # pyright: ignore[reportArgumentType]
    return kind(**{name: getattr(source, name) for name in names}, **others)


def from_json(kind: Any, value: Any) -> Any:
    """The value of a type that a value of checked JSON stands for; whole numbers stay whole where a float is
    expected, so that a record is written as it was read."""
    kind, _ = stripped(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if is_dataclass(kind):
        return _object(kind, value)
    if origin in (Union, types.UnionType):
        return None if value is None else from_json(alternatives(kind)[shape_of_value(value)], value)
    if origin is tuple:
        kinds = [arguments[0]] * len(value) if arguments[-1] is ... else arguments
        return tuple(from_json(item_kind, item) for item_kind, item in zip(kinds, value, strict=True))
    if origin in (dict, Mapping, _MAPPING):
        return {key: from_json(arguments[1], item) for key, item in value.items()}
    if origin is Literal or kind in (str, int, float, bool, Any):
        return value
    raise TypeError(f"{kind} has no place in a record")


_MAPPING = typing.get_origin(Mapping[str, int])


def _object(kind: Any, record: Mapping[str, Any]) -> Any:
    further, hints = further_field(kind), types_of(kind)
    own = {key_of(field): field.name for field in fields(kind) if field is not further}
    values = {name: from_json(hints[name], record[key]) for key, name in own.items() if key in record}
    rest = {key: item for key, item in record.items() if key not in own}
    if further is not None:
        values[further.name] = from_json(hints[further.name], rest)
    elif rest:
        raise TypeError(f"{kind.__name__} has no {', '.join(sorted(rest))}")
    return kind(**values)


@cache
def types_of(kind: type) -> dict[str, Any]:
    """Type of each field, with its rules."""
    return typing.get_type_hints(kind, include_extras=True)


@cache
def further_field(kind: type) -> Field | None:
    """The field that takes the keys which are no fields."""
    marked = [field for field in fields(kind) if FURTHER in stripped(types_of(kind)[field.name])[1]]  # pyright: ignore[reportArgumentType]
    return marked[0] if marked else None


def is_left_out(value: Any, field: Field) -> bool:
    """Whether an object is written without a key for this field."""
    item = getattr(value, field.name)
    if field.default is None:
        return item is None
    return LEFT_OUT in stripped(types_of(type(value))[field.name])[1] and item == field.default


def key_of(field: Field) -> str:
    """The key of a field: its name; a field that is called from_ stands for "from", a word of Python."""
    return field.name.removesuffix("_")


def is_required(field: Field) -> bool:
    """Whether a key must be there."""
    return field.default is MISSING and field.default_factory is MISSING


def stripped(kind: Any) -> tuple[Any, tuple[Rule, ...]]:
    """A type without its rules, and these."""
    if typing.get_origin(kind) is not Annotated:
        return kind, ()
    bare, *rules = typing.get_args(kind)
    return bare, tuple(rules)


def alternatives(kind: Any) -> dict[str, Any]:
    """Shape of a value of JSON -> which type of a union it is of; without None.

    Raises:
        TypeError: two of the types have one shape, so that JSON does not say which is meant. Scalars may
            stand beside each other: they are what they are.
    """
    kind_of_shape = {}
    for alternative in typing.get_args(kind):
        if alternative is type(None):
            continue
        shape = shape_of_type(alternative)
        if shape in kind_of_shape and shape != "scalar":
            raise TypeError(f"{kind} has no place in a record: JSON does not say which of them it means")
        kind_of_shape[shape] = Any if shape in kind_of_shape else alternative
    return kind_of_shape


def shape_of_type(kind: Any) -> str:
    """ "array", "object" or "scalar"."""
    bare, _ = stripped(kind)
    origin = typing.get_origin(bare)
    if origin is tuple:
        return "array"
    return "object" if is_dataclass(bare) or origin in (dict, Mapping, _MAPPING) else "scalar"


def shape_of_value(value: Any) -> str:
    """ "array", "object" or "scalar"."""
    if isinstance(value, (list, tuple)):
        return "array"
    return "object" if isinstance(value, Mapping) else "scalar"
