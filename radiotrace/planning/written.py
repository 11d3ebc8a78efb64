"""A plan in params.yaml: each value in its place, with its reason behind it; every other line as it was."""

import json
import re
from collections.abc import Sequence

from ruamel.yaml import YAML

from radiotrace.planning.rules import Choice

MARK = "# plan: "


def written(text: str, choices: Sequence[Choice]) -> str:
    """The text of a params.yaml with the values of a plan.

    Args:
        text: of a file that holds its schemas. A name that may be left out, and is, becomes the last of its
            section.

    A value that stands in several lines becomes one line.
    """
    for choice in choices:
        text = _with(text, choice)
    return text


def parsed(text: str) -> dict:
    """The values of a params.yaml."""
    return YAML(typ="safe", pure=True).load(text)


def _with(text: str, choice: Choice) -> str:
    section: dict = YAML().load(text)[choice.section]
    *outer, name = choice.name.split(".")
    for key in outer:
        section = section[key]
    lines = text.split("\n")
    is_new = name not in section
    start, column = section.lc.key(list(section)[-1] if is_new else name)  # pyright: ignore[reportAttributeAccessIssue]
    end = start + 1
    while end < len(lines) and _continues(lines[end], column):
        end += 1
    if is_new:
        start = end
    line = f"{' ' * column}{name}: {_as_yaml(choice.value)}".rstrip()
    return "\n".join([*lines[:start], f"{line}  {MARK}{choice.reason}", *lines[end:]])


def _continues(line: str, column: int) -> bool:
    """Whether a line belongs to the value of a key in this column; a comment of the next key does not."""
    if not line.strip() or line.lstrip().startswith("#"):
        return False
    indent = len(line) - len(line.lstrip())
    return indent > column or (indent == column and re.match(r"-(\s|$)", line.lstrip()) is not None)


def _as_yaml(value) -> str:
    """A value on one line; nothing for null, as params.yaml has it."""
    return "" if value is None else json.dumps(value, ensure_ascii=False)
