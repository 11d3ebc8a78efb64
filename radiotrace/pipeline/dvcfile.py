"""dvc.yaml, with what it takes from params.yaml put in, as DVC does before it runs anything."""

import re
import shlex
from pathlib import Path
from typing import Any

from radiotrace.errors import StageError
from radiotrace.pipeline import params

WORKFLOW, PARAMS = "dvc.yaml", "params.yaml"
START = re.compile(r"cd (\.\.(?:/\.\.)*) && (?=python )")  # the command of a study that is not the first one
# Packages of which code takes one module, which a value of params.yaml names.
CHOICES = {"radiotrace.learning.networks": "train.network"}
TAKEN = re.compile(r"\$\{([\w.]+)\}")


def load(root) -> dict:
    """dvc.yaml of a folder, parsed.

    Raises:
        StageError: a file cannot be read, or params.yaml lacks a value that dvc.yaml takes.
        OSError: a file is missing.
    """
    root = Path(root)
    described = params.load_yaml(root / WORKFLOW)
    return put_in(described, parameters(root)) if _takes(described) else described


def command(entry: dict) -> tuple[str, list[str]]:
    """The folder in which the command of a stage starts, as the study sees it, and the command's words.

    Args:
        entry: of dvc.yaml.

    Raises:
        KeyError, ValueError: it has no command, or one that no shell would take.
    """
    text, folder = entry["cmd"], "."
    if start := START.match(text):
        text, folder = text[start.end() :], start[1]
    return folder, shlex.split(text)


def parameters(root) -> dict:
    """params.yaml of a folder, parsed, whatever it says."""
    return params.load_yaml(Path(root) / PARAMS)


def put_in(node, values: dict) -> Any:
    """A parsed dvc.yaml, or a part of it, where ${section.name} is the value of params.yaml."""
    if isinstance(node, dict):
        return {key: put_in(item, values) for key, item in node.items()}
    if isinstance(node, list):
        return [put_in(item, values) for item in node]
    return TAKEN.sub(lambda match: str(value(values, match[1])), node) if isinstance(node, str) else node


def value(values: dict, name: str):
    """The value of section.name.

    Raises:
        StageError: there is none.
    """
    for key in name.split("."):
        if not isinstance(values, dict) or key not in values:
            raise StageError(f"{WORKFLOW} takes {name} from {PARAMS}, which has no such value")
        values = values[key]
    return values


def _takes(node) -> bool:
    if isinstance(node, dict):
        return any(_takes(item) for item in node.values())
    if isinstance(node, list):
        return any(_takes(item) for item in node)
    return isinstance(node, str) and TAKEN.search(node) is not None
