"""Examples of the schemas, in tests/schema_cases/SCHEMA/, folders valid and invalid.

A broken example is a patch on a valid one, and so is a valid one that says little more than another.
test_schemas.py holds all of them against the schemas. A test that needs a single whole record reads its file
without this module, so that other examples are no part of its scope.
"""

import json
from pathlib import Path

import jsonpatch

CASES = Path(__file__).resolve().parent / "schema_cases"


def read(path: Path):
    """The record of an example.

    It stands there as it is, or as a patch (RFC 6902) on a valid example of the same schema:
    {"of": NAME, "patch": [{"op": "replace", "path": "/dice/anterior/mean", "value": 1.01}]}. A merge patch
    (RFC 7386) is shorter, but can neither set null nor reach into a list, and our records have many of both.

    Raises:
        ValueError: 'of' leads to no valid example, or back to this one.
        jsonpatch.JsonPatchException: the patch does not fit it.
    """
    return _read(path, ())


def _read(path: Path, on_the_way: tuple[Path, ...]):
    if path in on_the_way or not path.is_file():
        fault = "stands on itself" if path in on_the_way else "does not exist"
        raise ValueError(f"{path.relative_to(CASES)}: {fault}")
    written = json.loads(path.read_text("utf-8"))
    if not is_patch(written):
        return written
    valid = path.parent.parent / "valid" / f"{written['of']}.json"
    return jsonpatch.apply_patch(_read(valid, (*on_the_way, path)), written["patch"])


def is_patch(written) -> bool:
    """Whether a file of an example has a patch; no record has these two keys and no others."""
    return isinstance(written, dict) and written.keys() == {"of", "patch"}
