"""params.yaml: read as DVC reads it, checked whole against its schema, handed out one section at a time."""

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from radiotrace import records
from radiotrace.errors import StageError


def load_yaml(path):
    """A YAML 1.2 file that people write: 1e-5 is a number, a key that stands twice is an error.

    Raises:
        StageError: the file is missing or is not YAML.
    """
    try:
        return YAML(typ="safe", pure=True).load(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        raise StageError(f"{path} is missing", way_out=f"Restore it with 'git checkout {path}'.") from None
    except IsADirectoryError:
        raise StageError(f"{path} is a folder, expected a file") from None
    # of the library: a date that there is not, a number of 5,000 digits, !!int of a word; nested too deeply
    except (YAMLError, ValueError, LookupError, RecursionError) as error:
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
        StageError: the file breaks its schemas anywhere, not only in this section; names every fault.
    """
    values = read(path)
    return {**values[section], **({"seed": values["seed"]} if seed else {})}


def task(path) -> str:
    """The task of a params.yaml.

    Raises:
        StageError: as load.
    """
    return read(path)["task"]


def read(path) -> dict:
    """The whole of params.yaml, checked.

    Raises:
        StageError: as load.
    """
    values = load_yaml(path)
    if broken := faults(values):
        raise StageError(
            f"{path} breaks its schemas, schemas/params*.schema.json",
            broken,
            f"Correct {path}; each value is explained there.",
        )
    return values


def faults(values) -> list[str]:
    """What is wrong with a parsed params.yaml; [] when all holds.

    Sections that every study has are described in schemas/params.schema.json, those of a task in
    schemas/params_<task>.schema.json.
    """
    if not isinstance(values, dict):
        return records.faults(values, "params")
    known, task = tasks(), values.get("task")
    if task not in known:
        named = "nothing" if task is None else repr(task)
        return [f"task: found {named}, expected one of {', '.join(known)}"]
    sections = records.schema(f"params_{task}")["properties"]
    of_task = {key: value for key, value in values.items() if key in sections}
    shared = {key: value for key, value in values.items() if key not in sections}
    return sorted([*records.faults(shared, "params"), *records.faults(of_task, f"params_{task}")])


def tasks() -> list[str]:
    """The tasks whose parameters are described, sorted."""
    schema_paths = records.SCHEMAS.glob("params_*.schema.json")
    return sorted(path.name.removeprefix("params_").removesuffix(".schema.json") for path in schema_paths)
