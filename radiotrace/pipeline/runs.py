"""What decides a result: code closure, parameters, pins, inputs; and the run_id that is their SHA-256."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.pipeline import pins, study
from radiotrace.pipeline.closure import ROOT, code_closure


def provenance(
    script,
    params: dict,
    requirements: Iterable[Path | str],
    inputs: list,
    choices: Mapping[str, Sequence[str]] | None = None,
) -> dict:
    """The record of what decides a stage's outputs.

    Args:
        script: the stage's file.
        params: its section of params.yaml and the seed.
        requirements: files of pins; those that they name count too.
        inputs: the files that it read, named as on its command line. A folder is stood for by the record that
            lists its files by SHA-256.
        choices: as code_closure takes them.

    Returns:
        A record of schema 'provenance'. Its digest does not change with machine, path or clock.

    Raises:
        StageError: an input's path is absolute, so that the record would say where the study lies.
    """
    if absolute := [str(path) for path in inputs if Path(path).is_absolute()]:
        raise StageError(
            f"{len(absolute)} paths on the command line are absolute",
            absolute,
            "Name them as dvc.yaml does, relative to the folder of the study.",
        )
    return {
        "stage": Path(script).stem,
        "code": {path: records.sha256(ROOT / path) for path in code_closure([script], choices=choices)},
        "params": params,
        "requirements_sha256": {
            _inside(name): records.sha256(pins.home() / name) for name in pins.files(requirements)
        },
        "inputs": {study.named(Path(path).as_posix()): records.sha256(path) for path in inputs},
    }


def _inside(name: str) -> str:
    """A path as a record may have it: of a file outside the repository its name alone."""
    return Path(name).name if Path(name).is_absolute() else name


def run_id(provenance_record: dict) -> str:
    """SHA-256 of a provenance record: same code, parameters, pins and inputs, same id."""
    return records.digest(provenance_record)
