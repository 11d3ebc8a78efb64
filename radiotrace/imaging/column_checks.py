"""Checks of the declared columns of cases.csv: what a model is to tell, what it is told, and given parts."""

from collections import Counter
from collections.abc import Sequence

from radiotrace.imaging.columns import PARTS
from radiotrace.imaging.finding import Finding
from radiotrace.records.accepted import part_column
from radiotrace.records.dataset import Case, Column, Identity

MISSING_SHARE = 0.2  # of the cells of a feature, above which it is a warning


def findings(dataset: Identity, cases: Sequence[Case]) -> list[Finding]:
    """Numbers out of their range, classes that nobody has, features that are rarely known, and counts that
    are not those that were published."""
    columns = dataset.columns or {}
    found = []
    for name, column in columns.items():
        if column.kind == "number":
            found += _out_of_range(name, column, cases)
        if column.kind in ("class", "classes"):
            found += _without_cases(name, dataset, cases)
        if column.role == "feature":
            found += _rarely_known(name, cases)
    return found + _not_as_published(dataset, cases)


def _out_of_range(name: str, column: Column, cases: Sequence[Case]) -> list[Finding]:
    lowest = -float("inf") if column.minimum is None else column.minimum
    highest = float("inf") if column.maximum is None else column.maximum
    unit = f" {column.unit}" if column.unit else ""
    found = []
    for case in cases:
        value = (case.values or {}).get(name)
        if isinstance(value, float | int) and not lowest <= value <= highest:
            expected = f"{lowest:g} to {highest:g}{unit} (columns of dataset.json)"
            found.append(Finding(case.case_id, "column_range", f"{name} {value:g}{unit}", expected, "error"))
    return found


def _named(case: Case, name: str) -> tuple[str, ...]:
    """The classes of a case."""
    value = (case.values or {}).get(name, ())
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, tuple) else ()


def _without_cases(name: str, dataset: Identity, cases: Sequence[Case]) -> list[Finding]:
    there = {label for case in cases for label in _named(case, name)}
    return [
        Finding("", "class_without_cases", f"{name}: no case is {label}", "some of each class", "error")
        for label in dataset.labels.values()
        if label not in there
    ]


def _rarely_known(name: str, cases: Sequence[Case]) -> list[Finding]:
    missing = sum(name not in (case.values or {}) for case in cases)
    if missing <= MISSING_SHARE * len(cases):
        return []
    expected = f"at most {MISSING_SHARE:.0%}"
    found = f"{name} is not known of {missing} of {len(cases)} cases"
    return [Finding("", "column_missing", found, expected, "warning")]


def _not_as_published(dataset: Identity, cases: Sequence[Case]) -> list[Finding]:
    """Counts of a class in a part that are not those that the data set was published with."""
    published, of_parts = dataset.published_cases or {}, part_column(dataset)
    target = next((name for name, one in (dataset.columns or {}).items() if one.kind == "class"), None)
    if of_parts is None or target is None:
        return []
    counts = Counter(
        ((case.values or {}).get(of_parts), label) for case in cases for label in _named(case, target)
    )
    return [
        Finding(
            "",
            "published_cases",
            f"{part}: {counts[part, label]} cases are {label}",
            f"{expected}, as published: is the file a damaged or a changed copy?",
            "warning",
        )
        for part in PARTS
        for label, expected in sorted(published.get(part, {}).items())
        if counts[part, label] != expected
    ]
