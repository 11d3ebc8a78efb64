"""Reliability: how much of a label is found and how much is called it wrongly, with intervals over subjects,
out of the record of cases of any task."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from radiotrace.records.network_comparison import Rate, Reliability
from radiotrace.statistics import intervals

HOW = {
    "segmentation": "Sensitivity and specificity of the voxels of each case, by mean over cases where they "
    "are defined, with the 95 % interval over subjects. Specificity counts all voxels without the label, so "
    "that it grows with the empty ground around an organ.",
    "classification": "Share of the cases with the label in which it is told, and of those without it in "
    "which it is not, at the threshold of the validation part, with the 95 % interval over subjects.",
}


def of_labels(cases: Sequence[Mapping[str, Any]]) -> dict[str, Reliability]:
    """Label -> its rates.

    Args:
        cases: of a record of cases: of each label sensitivity and specificity, or whether a case is positive
            and called so.

    Raises:
        ValueError: rows have neither.
    """
    subject_of = {case["case_id"]: case["subject_id"] for case in cases}
    return {
        label: _of_label({case["case_id"]: case["labels"][label] for case in cases}, subject_of)
        for label in cases[0]["labels"]
    }


def kind(cases: Sequence[Mapping[str, Any]]) -> str:
    """Which of HOW holds of these cases."""
    row = next(iter(cases[0]["labels"].values()))
    return "classification" if "called" in row else "segmentation"


def _of_label(rows: Mapping[str, Mapping[str, Any]], subject_of: dict[str, str]) -> Reliability:
    first = next(iter(rows.values()))
    if "called" in first:
        sensitivity, specificity = (
            _share(
                {case: row["called"] == has for case, row in rows.items() if row["positive"] == has},
                subject_of,
            )
            for has in (True, False)
        )
    elif "sensitivity" in first and "specificity" in first:
        sensitivity, specificity = (
            _mean({case: row[name] for case, row in rows.items()}, subject_of)
            for name in ("sensitivity", "specificity")
        )
    else:
        raise ValueError(f"found {', '.join(sorted(first))}, expected called, or sensitivity and specificity")
    return Reliability(sensitivity, specificity, _rest(sensitivity), _rest(specificity))


def _share(is_right: dict[str, bool], subject_of: dict[str, str]) -> Rate:
    """Of cases."""
    return _rate(
        intervals.proportion({case: (int(right), 1) for case, right in is_right.items()}, subject_of), "value"
    )


def _mean(values: dict[str, float | None], subject_of: dict[str, str]) -> Rate:
    """Of shares of cases."""
    return _rate(intervals.summary(values, subject_of, intervals.SHARE), "mean")


def _rate(found: Mapping[str, Any], value: str) -> Rate:
    names = [field.name for field in fields(Rate) if field.name != "value"]
    return Rate(found[value], **{name: found[name] for name in names})


def _rest(rate: Rate) -> Rate:
    """1 - a rate."""
    value, low, high = (
        None if number is None else 1 - number for number in (rate.value, rate.ci95_high, rate.ci95_low)
    )
    return Rate(value, low, high, rate.no_interval, rate.n_cases, rate.n_subjects)
