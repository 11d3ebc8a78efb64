"""Records: JSON files that are the same bytes every time and are checked on write and on read."""

import hashlib
import json
import math
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema.validators

from radiotrace.errors import StageError

_PACKAGE = Path(__file__).resolve().parents[1]
# the first where it was installed from a wheel
SCHEMAS = _PACKAGE / "schemas" if (_PACKAGE / "schemas").is_dir() else _PACKAGE.parent / "schemas"

END = re.compile(r"(?<!\\)\$$")  # of a pattern, that means the end of the text
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # the escape of half a character


def canonical(value: Any) -> Any:
    """The value with floats at 9 significant digits, -0.0 as 0.0, tuples as lists.

    Raises:
        ValueError: a number is NaN or infinite, or a key is not a string.
    """
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ValueError(f"record keys must be strings, found {sorted(map(repr, value))}")
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a finite number; write null beside a count")
        return float(f"{value:.9g}") + 0.0  # + 0.0: turns -0.0 into 0.0
    return value


def dumps(record) -> str:
    """Canonical text of a record: sorted keys, indented by 2, UTF-8, a newline at the end."""
    return json.dumps(canonical(record), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _is_number(_, value) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, float) and math.isfinite(value)
    )


# Stricter than JSON Schema: NaN and infinity, which YAML can say, are no numbers; 3.0 is no integer, as
# range() sees it.
_TYPES = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
    {"number": _is_number, "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool)}
)


def _tabled(validator, rule, record, schema_of_record):
    """Keyword 'tabled' of our schemas: which further keys a record has says a table in the record itself.

    The table is a list of rows with a name and a kind. Each name is a key of the record, each key is a name
    or stands in 'properties', and the value fits the schema that the rule has for its kind. JSON Schema
    alone cannot say so, and lets any key in that fits additionalProperties.
    """
    rows = record.get(rule["table"]) if isinstance(record, dict) else None
    if not isinstance(rows, list) or not all(_is_row(row) for row in rows):
        return  # which the rest of the schema refuses
    own, names = schema_of_record["properties"], [row["name"] for row in rows]
    for name in sorted(set(names)):
        if names.count(name) > 1:
            yield jsonschema.ValidationError(f"{name!r} stands twice in {rule['table']}")
        if name in own:
            yield jsonschema.ValidationError(f"{name!r} of {rule['table']} is a key of another meaning")
        elif name not in record:
            yield jsonschema.ValidationError(f"{name!r} is missing, but stands in {rule['table']}")
    for name in sorted(record.keys() - own.keys() - set(names)):
        yield jsonschema.ValidationError(f"{name!r} does not stand in {rule['table']}")
    for row in rows:
        if row["name"] in record and row["name"] not in own and row["kind"] in rule["kinds"]:
            yield from validator.descend(record[row["name"]], rule["kinds"][row["kind"]], path=row["name"])


def _is_row(row) -> bool:
    return isinstance(row, dict) and all(isinstance(row.get(key), str) for key in ("name", "kind"))


def _pattern(validator, pattern, text, _):
    """Keyword 'pattern' as JSON Schema means it, after ECMA-262: '$' is the end of the text; Python takes it
    for the place before a last line break, too."""
    if isinstance(text, str) and not re.search(END.sub(r"\\Z", pattern), text):
        yield jsonschema.ValidationError(f"{text!r} does not match {pattern!r}")


_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator, validators={"pattern": _pattern, "tabled": _tabled}, type_checker=_TYPES
)


@cache
def schema(name: str) -> dict:
    """schemas/<name>.schema.json."""
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))


@cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    return _Validator(schema(name))


def faults(record, schema: str) -> list[str]:
    """Every way in which a record breaks schemas/<schema>.schema.json, as 'where: what'; [] when it holds."""
    errors = sorted(
        _validator(schema).iter_errors(record), key=lambda error: (error.json_path, error.message)
    )
    return [
        f"{error.json_path.removeprefix('$').lstrip('.') or 'record'}: {error.message}" for error in errors
    ]


def write(path, record, schema: str) -> None:
    """Writes a record atomically: a reader sees the whole old file or the whole new one.

    Raises:
        ValueError: the record breaks its schema (a mistake of the writer) or holds a NaN.
    """
    text = dumps(record)
    if broken := faults(json.loads(text), schema):
        raise ValueError(f"{Path(path).name} breaks schemas/{schema}.schema.json: " + "; ".join(broken))
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path, content: bytes) -> None:
    """Writes to a temporary name in the same folder, flushes to disk, then renames.

    A link that somebody put under the temporary name is taken away, never followed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        with open(partial, "xb") as file:  # x: a link that appears meanwhile is an error
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read(path, schema: str):
    """The record in a file, checked against its schema.

    Raises:
        StageError: the file is missing, is not JSON, has a key twice, or breaks its schema; names every
            fault.
    """
    path = Path(path)
    try:
        record = parse(path.read_text("utf-8"))
    except FileNotFoundError:
        raise StageError(
            f"{path} is missing", way_out="Run 'dvc repro', or 'dvc pull' for the submitted run."
        ) from None
    except IsADirectoryError:
        raise StageError(f"{path} is a folder, expected a file", way_out=_REMAKE) from None
    except ValueError as error:
        raise StageError(f"{path} is not JSON: {error}", way_out=_REMAKE) from None
    if broken := faults(record, schema):
        raise StageError(f"{path} breaks schemas/{schema}.schema.json", broken, _REMAKE)
    return record


_REMAKE = "Run 'dvc checkout' to restore the file, or 'dvc repro' to make it again."


def parse(text: str):
    """The JSON value in a text.

    Raises:
        ValueError: it is not JSON, is nested too deeply, holds a NaN or half a character, or has a key twice,
            of which readers take one or the other.
    """
    try:
        record = json.loads(text, object_pairs_hook=_each_key_once, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if SURROGATE.search(text):
        try:
            json.dumps(record, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("it holds half a character, a lone surrogate") from None
    return record


def _each_key_once(pairs: list[tuple]) -> dict:
    record = dict(pairs)
    if len(record) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!a} stands twice")
    return record


def _refuse_constant(name: str):
    raise ValueError(f"{name} is not a finite number")


def sha256(path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(record) -> str:
    """SHA-256 of a record's canonical text."""
    return hashlib.sha256(dumps(record).encode("utf-8")).hexdigest()
