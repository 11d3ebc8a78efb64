"""Differences of a record that the bundle has from the same one made again."""

import json
from typing import TypeGuard

from radiotrace import records

DIGITS = 1e-6  # relative: records keep nine digits


def compared(file: str, stated, made, place: str = "") -> list[str]:
    """Every place at which a record is not what was made again: numbers by more than rounding."""
    return [f"{file}{line}" for line in _differences(stated, json.loads(records.dumps(made)), place)]


def is_number(value) -> TypeGuard[float]:
    """Whether a value of JSON is one; true is none, though Python takes it for 1."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _differences(stated, made, place: str) -> list[str]:
    if isinstance(stated, dict) and isinstance(made, dict):
        lines = [
            f" at {place}/{key}: {'missing' if key in made else 'nothing makes it'}"
            for key in sorted(stated.keys() ^ made.keys())
        ]
        for key in sorted(stated.keys() & made.keys()):
            lines += _differences(stated[key], made[key], f"{place}/{key}")
        return lines
    if isinstance(stated, list) and isinstance(made, list) and len(stated) == len(made):
        pairs = enumerate(zip(stated, made, strict=True))
        return [line for number, pair in pairs for line in _differences(*pair, f"{place}/{number}")]
    if is_number(stated) and is_number(made) and abs(stated - made) <= DIGITS * max(abs(stated), abs(made)):
        return []
    if stated == made and isinstance(stated, bool) == isinstance(made, bool):  # else true would be 1
        return []
    return [f" at {place or '/'} states {json.dumps(stated)[:60]}, found {json.dumps(made)[:60]}"]
