"""The record of where a model comes from: 'train', of one that was trained here, or 'imported_run', of one
that was made elsewhere. Stages after train take either."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radiotrace import records
from radiotrace.records.imported_run import ImportedRun
from radiotrace.records.train import TrainingRun

ModelRun = TrainingRun | ImportedRun


def is_imported(record: Mapping[str, Any]) -> bool:
    """Whether a record is of a model that was made elsewhere."""
    return "contract" in record


def read(path: str | Path) -> ModelRun:
    """The record of a model, checked against its schema.

    Raises:
        StageError: as records.read.
    """
    try:
        found = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError):
        found = None  # records.read says what is wrong
    if isinstance(found, dict) and is_imported(found):
        return ImportedRun.of(records.read(path, "imported_run"))
    return TrainingRun.of(records.read(path, "train"))


def of(record: Mapping[str, Any]) -> ModelRun:
    """Of a record that was checked."""
    return ImportedRun.of(record) if is_imported(record) else TrainingRun.of(record)


def not_possible(run: ModelRun) -> Mapping[str, str]:
    """Analysis -> why it cannot be made of this model; empty of one that was trained here."""
    if not isinstance(run, ImportedRun):
        return {}
    return {str(analysis): why for analysis, why in run.not_possible.items()}
