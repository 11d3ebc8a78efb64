"""Table: from the record of a data set to the arrays that a model learns from.

What is told follows from the columns that dataset.json declares: a target of kind class alone is a binary
outcome; with a second target, a number, it is an event at that time, or its absence until then.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from radiotrace.records.dataset import Case, Column, Dataset
from radiotrace.records.tabular.feature import Feature, Outcome


@dataclass(frozen=True)
class Rows:
    """Cases as arrays.

    Attributes:
        case_ids, subjects: (n,), text.
        x: (n, k) float32, a column for each feature: a number, or the place of a category; NaN where it is
            not known.
        positive: (n,) bool, whether the event was seen.
        time: (n,) float64, when, or until when it was not seen; None of a binary outcome.
    """

    case_ids: tuple[str, ...]
    subjects: np.ndarray
    x: np.ndarray
    positive: np.ndarray
    time: np.ndarray | None

    def __len__(self) -> int:
        return len(self.case_ids)

    def chosen(self, places: np.ndarray) -> "Rows":
        """Some rows, by place or by a mask."""
        places = np.arange(len(self))[places]
        return Rows(
            tuple(self.case_ids[place] for place in places),
            self.subjects[places],
            self.x[places],
            self.positive[places],
            None if self.time is None else self.time[places],
        )


def faults(columns: Mapping[str, Column]) -> list[str]:
    """Why columns are nothing that a risk is learnt from; [] where they are."""
    events = [name for name, column in columns.items() if column.role == "target" and column.kind == "class"]
    several = [
        name for name, column in columns.items() if column.role == "target" and column.kind == "classes"
    ]
    times = _times(columns)
    found = []
    if len(events) != 1:
        found.append(
            f"dataset.json: columns: found {len(events)} targets of kind class, expected one, which says "
            "whether the event happened"
        )
    if several:
        found.append(f"dataset.json: columns: {', '.join(several)}: kind classes is of pictures")
    if len(times) > 1:
        found.append(
            f"dataset.json: columns: {', '.join(times)} are all targets of kind number, expected one at "
            "most, the time to the event or to the end of follow-up"
        )
    for name in times:
        if not columns[name].unit:
            found.append(f"dataset.json: columns: {name}: no unit, which a time must have")
    if not any(column.role == "feature" for column in columns.values()):
        found.append("dataset.json: columns: no feature, so that nothing is known that a risk could be of")
    for name, column in columns.items():
        if column.role == "feature" and column.kind == "number" and column.unit is None:
            found.append(f'dataset.json: columns: {name}: no unit; "" says that a number has none')
    return found


def _times(columns: Mapping[str, Column]) -> list[str]:
    return [name for name, column in columns.items() if column.role == "target" and column.kind == "number"]


def outcome_of(columns: Mapping[str, Column], labels: Mapping[str, str]) -> Outcome:
    """What is told, of columns without `faults`."""
    event = next(name for name, one in columns.items() if one.role == "target" and one.kind == "class")
    time = next(iter(_times(columns)), None)
    return Outcome(
        name=labels["1"],
        without=labels["0"],
        column=event,
        kind="binary" if time is None else "survival",
        time_column=time,
        unit=None if time is None else columns[time].unit,
    )


def features_of(columns: Mapping[str, Column]) -> tuple[Feature, ...]:
    """What is told to a model, sorted by name."""
    return tuple(
        Feature(
            name,
            "number" if column.kind == "number" else "category",
            column.unit or "",
            column.minimum,
            column.maximum,
            column.categories or (),
        )
        for name, column in sorted(columns.items())
        if column.role == "feature"
    )


def of_dataset(dataset: Dataset) -> tuple[Outcome, tuple[Feature, ...]]:
    """What is told, and of what."""
    columns = dataset.dataset.columns or {}
    return outcome_of(columns, dataset.dataset.labels), features_of(columns)


def cell(value: object, feature: Feature) -> float:
    """What stands in a column for a value of a record; NaN for None."""
    if isinstance(value, str):
        return float(feature.categories.index(value))
    return float(value) if isinstance(value, int | float) else np.nan


def rows_of(cases: Iterable[Case], outcome: Outcome, features: Sequence[Feature]) -> Rows:
    """Entries of the record 'dataset' as arrays, sorted by case_id."""
    ordered = sorted(cases, key=lambda case: case.case_id)
    values = [case.values or {} for case in ordered]
    x = np.array([[cell(row.get(one.name), one) for one in features] for row in values], np.float32)
    time = None
    if outcome.time_column is not None:
        time = np.array([row[outcome.time_column] for row in values], float)
    return Rows(
        tuple(case.case_id for case in ordered),
        np.array([case.subject_id for case in ordered], dtype=object),
        x.reshape(len(ordered), len(features)),
        np.array([row[outcome.column] == outcome.name for row in values], bool),
        time,
    )


def of_part(dataset: Dataset, split: Mapping, part: str) -> list[Case]:
    """Entries of the record 'dataset' of a part of the split, sorted by case_id.

    Args:
        split: the record.
    """
    there = split["cases"]
    return sorted(
        (case for case in dataset.cases if there.get(case.case_id, {}).get("part") == part),
        key=lambda case: case.case_id,
    )
