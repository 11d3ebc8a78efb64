"""params.yaml: read as DVC reads it, checked whole against its schema, handed out one section at a time."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from radiotrace import records
from radiotrace.errors import StageError

Typed = TypeVar("Typed")


def load_yaml(path):
    """A YAML 1.2 file that people write: 1e-5 is a number, a key that stands twice is an error.

    Raises:
        StageError: the file is missing or is not YAML.
    """
    try:
        return YAML(typ="safe", pure=True).load(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        raise StageError(f"{path} is missing", way_out=f"Restore it with 'git checkout {path}'.") from None
    except (YAMLError, UnicodeDecodeError) as error:
        lines = [
            line.strip()
            for line in str(error).splitlines()
            if line.strip() and "http" not in line and line != "duplicate"
        ]
        raise StageError(f"{path} is not YAML", lines, "Correct the line that is named.") from None


def load(path, section: str, seed: bool = False) -> dict:
    """One section of params.yaml.

    Args:
        path: params.yaml.
        section: the name of a stage.
        seed: whether the stage draws random numbers, and so depends on the seed.

    Returns:
        The section's values, and `seed` where it is asked for.

    Raises:
        StageError: the file breaks schemas/params.schema.json anywhere, not only in this section; names every
            fault.
    """
    values = read(path)
    return {**values[section], **({"seed": values["seed"]} if seed else {})}


def read(path) -> dict:
    """The whole of params.yaml, checked.

    Raises:
        StageError: as load.
    """
    values = load_yaml(path)
    if broken := records.faults(values, "params"):
        raise StageError(
            f"{path} breaks schemas/params.schema.json",
            broken,
            f"Correct {path}; each value is explained there.",
        )
    return values


def typed(kind: type[Typed], section: Mapping[str, Any]) -> Typed:
    """The values of a section for which a dataclass has fields; lists become tuples.

    A section is checked against its schema before, so that a field which is missing here is a fault of the
    program.
    """
    values = {field.name: section[field.name] for field in dataclasses.fields(kind)}
    return kind(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    )
