"""Canonical JSON of the bundle: RFC 8785, so that a record has one text in every language, and a hash of
it means the same everywhere."""

import json

import rfc8785

from radiotrace import records


def dumps(record) -> bytes:
    """A record's only text: keys sorted by UTF-16, no white space, numbers as ECMAScript writes them, 9
    significant digits.

    Raises:
        ValueError: it holds NaN, infinity, half of a surrogate pair, or an integer that is no double.
    """
    return rfc8785.dumps(_doubles(records.canonical(record)))


def _doubles(value):
    """Whole numbers beyond 2^53 as the double that they are: 1e16 is written as 10000000000000000 and read
    as an integer."""
    if isinstance(value, dict):
        return {key: _doubles(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_doubles(item) for item in value]
    if (
        isinstance(value, int)
        and 2**53 <= abs(value) < 10**21
        and rfc8785.dumps(float(value)) == str(value).encode()
    ):
        return float(value)
    return value


def write(path, record, schema: str | None) -> None:
    """Writes a record of the bundle atomically.

    Args:
        schema: None for a format of others, which has no schema here.

    Raises:
        ValueError: the record breaks its schema.
    """
    content = dumps(record)
    if schema and (broken := records.faults(json.loads(content), schema)):
        raise ValueError(f"{path} breaks schemas/{schema}.schema.json: " + "; ".join(broken))
    records.write_bytes(path, content)
