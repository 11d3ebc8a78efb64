"""Reading: a data folder whose cases are rows of cases.csv, without images.

dataset.json says which columns are what (radiotrace/imaging/columns.py), and which are known only after the
moment at which the risk is to be told. `formats.Dataset` stands for it, as for folders of images, so that
what follows knows one shape; the file of each case is the table itself.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.imaging import channels, columns, tables
from radiotrace.imaging.columns import Value
from radiotrace.imaging.formats import CASE_ID, CASE_ID_LENGTH_MAX, LABEL_NAME, Case, Dataset
from radiotrace.records.dataset import Column

DECLARATION, TABLE = "dataset.json", "cases.csv"
KNOWN_LATER = "known_later"
MODALITY = "other"  # the word of intended_use.yaml for what is neither MRI nor CT
TEXTS = {
    "name": ("name",),
    "version": ("release", "version"),
    "licence": ("licence", "license"),
    "citation": ("reference", "citation"),
    "description": ("description",),
}
KEYS = {*(key for keys in TEXTS.values() for key in keys), "modality", "labels", "columns", KNOWN_LATER}
WAY_OUT = "Correct the data set (docs/tabular.md), then run 'make manifest' and 'dvc repro'."


def read_dataset(
    folder: Path | str, missing_words: tuple[str, ...] = (), bands: Mapping[str, Any] | None = None
) -> Dataset:
    """Reads dataset.json and cases.csv.

    Args:
        missing_words: that mean "not known", whatever their case.
        bands: attribute -> where its bands begin, as tables.grouped takes them.

    Raises:
        StageError: names every fault of both files, such as a feature that is known only later.
    """
    faults: list[str] = []
    found, table, later = _read(Path(folder), faults)
    notes: list[str] = []
    values_of: dict[str, dict[str, Value]] = {}
    groups_of: dict[str, dict[str, str]] = {}
    if table is not None:
        values_of = columns.values_of(table, found.columns, found.labels, missing_words, faults)
        left_out = {name for name, column in found.columns.items() if not column.attribute} | set(later)
        limits = {name: list(values) for name, values in (bands or {}).items()}
        groups_of = tables.grouped(
            tables.without(table, left_out), list(missing_words), limits, faults, notes
        )
    _stop(folder, faults)
    cases = [
        replace(case, attributes=groups_of[case.case_id], values=values_of[case.case_id])
        for case in found.cases
    ]
    return replace(found, cases=cases, notes=tuple(notes))


def read_declaration(folder: Path | str) -> Dataset:
    """As `read_dataset`, but for what stands in the columns: which words mean "not known" is for params.yaml
    to say.

    Raises:
        StageError: names every fault of both files that is none of a cell.
    """
    faults: list[str] = []
    found, _, _ = _read(Path(folder), faults)
    _stop(folder, faults)
    return found


def _stop(folder: Path | str, faults: list[str]) -> None:
    if faults:
        raise StageError(f"{len(faults)} faults in {folder}/{DECLARATION} and {TABLE}", faults, WAY_OUT)


def _read(folder: Path, faults: list[str]) -> tuple[Dataset, tables.Table | None, list[str]]:
    """What is declared, with cases that have neither values nor groups; the table; and columns that are known
    only later.

    Raises:
        StageError: a file is missing, or dataset.json is no JSON.
    """
    contents = {name: _bytes(folder / name, faults) for name in (DECLARATION, TABLE)}
    if faults:
        raise StageError(f"{folder}/ is no table with its declaration", faults, WAY_OUT)
    declared = _parsed(contents[DECLARATION], folder / DECLARATION)
    faults += [
        f"{DECLARATION}: {key!r}: expected {', '.join(sorted(KEYS))} only"
        for key in sorted(declared.keys() - KEYS)
    ]
    labels = _labels(declared.get("labels"), faults)
    of_columns = columns.declared(declared.get("columns"), labels, faults)
    later = _known_later(declared.get(KNOWN_LATER, []), of_columns, faults)
    table = tables.read(contents[TABLE], TABLE, faults)
    subject_of = {} if table is None else table.subject_of
    if table is not None:
        faults += _case_faults(subject_of)
    found = Dataset(
        _identity(declared, faults),
        labels,
        (channels.named(None),),
        [Case(case_id, (TABLE,), None, subject_of[case_id]) for case_id in sorted(subject_of)],
        {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()},
        columns=of_columns,
    )
    return found, table, later


def row_sha256(values: Mapping[str, Any]) -> str:
    """SHA-256 of what stands in the declared columns of a row: equal for rows that nothing tells apart."""
    return records.digest(dict(values))


def _bytes(path: Path, faults: list[str]) -> bytes:
    if path.is_file():
        return path.read_bytes()
    faults.append(f"{path} is missing")
    return b""


def _parsed(data: bytes, path: Path) -> dict:
    def once(pairs):
        names = [name for name, _ in pairs]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(map(repr, twice))} stands twice, and nobody knows which is meant")
        return dict(pairs)

    def refused(name):
        raise ValueError(f"{name} is not a finite number")

    try:
        declared = json.loads(data.decode("utf-8-sig"), object_pairs_hook=once, parse_constant=refused)
    except (ValueError, RecursionError) as error:
        raise StageError(f"{path} is not JSON: {error}", way_out=WAY_OUT) from None
    if not isinstance(declared, dict):
        raise StageError(f"{path}: found {type(declared).__name__}, expected an object", way_out=WAY_OUT)
    return declared


def _labels(found: Any, faults: list[str]) -> dict[str, str]:
    """Value -> name: 0 is the absence of the event, 1 the event."""
    is_good = (
        isinstance(found, dict)
        and set(found) == {"0", "1"}
        and all(isinstance(name, str) and LABEL_NAME.fullmatch(name) for name in found.values())
        and len(set(found.values())) == 2
    )
    if not is_good:
        faults.append(
            f'{DECLARATION}: labels: found {found!r}, expected {{"0": the word for no event, "1": the word '
            "for the event}, of which the second is the disease"
        )
        return {}
    return {value: found[value] for value in ("0", "1")}


def _known_later(found: Any, of_columns: Mapping[str, Column], faults: list[str]) -> list[str]:
    """Columns that say what happened after the moment of the prediction: none may be a feature or a group."""
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        faults.append(f"{DECLARATION}: {KNOWN_LATER}: found {found!r}, expected a list of columns")
        return []
    for name in found:
        if name in of_columns and of_columns[name].role != "target":
            faults.append(
                f"{DECLARATION}: {name}: is a {of_columns[name].role} and under {KNOWN_LATER}; what is known "
                "only later cannot tell the risk. Take it out of columns"
            )
    return found


def _case_faults(subject_of: Mapping[str, str]) -> list[str]:
    faults = [
        f"{case_id[:60]!r}: expected a case_id that begins with a letter or digit and has letters, digits "
        f"and . _ - alone, {CASE_ID_LENGTH_MAX} at most"
        for case_id in sorted(subject_of)
        if not CASE_ID.fullmatch(case_id) or len(case_id) > CASE_ID_LENGTH_MAX
    ]
    return faults or ([] if subject_of else [f"{TABLE}: 0 cases"])


def _identity(declared: Mapping[str, Any], faults: list[str]) -> dict[str, str | None]:
    texts: dict[str, str | None] = {}
    for name, keys in TEXTS.items():
        value = next((declared[key] for key in keys if declared.get(key)), None)
        if value is not None and not (isinstance(value, str) and value.isprintable()):
            faults.append(f"{DECLARATION}: {name}: found {str(value)[:60]!r}, expected text on one line")
            value = None
        texts[name] = value
    if declared.get("modality", MODALITY) not in (MODALITY, {"0": MODALITY}):
        faults.append(
            f"{DECLARATION}: modality: found {declared['modality']!r}, expected {MODALITY!r} or none"
        )
    return texts | {"modality": MODALITY}
