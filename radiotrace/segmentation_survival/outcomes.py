"""Outcomes: when each case had the event, or was last seen without it, from the columns of cases.csv."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from radiotrace.records.dataset import Case, Dataset
from radiotrace.records.split import Split

WAY_OUT = (
    "Declare both under 'columns' of dataset.json with role target and kind number, and name them in "
    "params.yaml under hazard.time and hazard.event; docs/segmentation-survival.md has an example."
)


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes:
        time: from the image until the event, or until it was last known that there was none; in the unit of
            its column.
        event: whether it was seen; else the case is censored.
    """

    time: float
    event: bool


@dataclass(frozen=True)
class Outcomes:
    """Of several cases, in their order.

    Attributes:
        case_ids, subjects: (n,).
        time, event: (n,), float64 and bool.
    """

    case_ids: tuple[str, ...]
    subjects: np.ndarray
    time: np.ndarray
    event: np.ndarray


def faults(dataset: Dataset, time: str, event: str) -> list[str]:
    """Where the columns are not declared, or a case has no outcome that can be; [] where all holds.

    Args:
        time, event: names of the columns.
    """
    columns = dataset.dataset.columns or {}
    broken = []
    for name in (time, event):
        declared = columns.get(name)
        if declared is None:
            broken.append(f"dataset.json declares no column {name}; found {', '.join(columns) or 'none'}")
        elif declared.kind != "number":
            broken.append(f"column {name}: found kind {declared.kind}, expected number")
    if broken:
        return broken
    for case in dataset.cases:
        found = {name: (case.values or {}).get(name) for name in (time, event)}
        at = found[time]
        if not isinstance(at, float | int) or not at > 0:
            broken.append(f"{case.case_id}: {time}: found {at}, expected a number above 0")
        if found[event] not in (0, 1):
            broken.append(f"{case.case_id}: {event}: found {found[event]}, expected 1 (seen) or 0 (censored)")
    return broken


def of_case(case: Case, time: str, event: str) -> Outcome:
    """Of an entry of the record 'dataset' in which there are no `faults`."""
    values = case.values or {}
    return Outcome(float(values[time]), values[event] == 1)  # pyright: ignore[reportArgumentType]


def of_cases(cases: Sequence[Case], time: str, event: str) -> Outcomes:
    """Of entries of the record 'dataset' in which there are no `faults`."""
    each = [of_case(case, time, event) for case in cases]
    return Outcomes(
        tuple(case.case_id for case in cases),
        np.array([case.subject_id for case in cases]),
        np.array([outcome.time for outcome in each], float),
        np.array([outcome.event for outcome in each], bool),
    )


def of_part(dataset: Dataset, split: Split, part: str) -> list[Case]:
    """The entries of a part of the split, sorted by case."""
    chosen = [
        case
        for case in dataset.cases
        if case.case_id in split.cases and split.cases[case.case_id].part == part
    ]
    return sorted(chosen, key=lambda case: case.case_id)
