"""Checks of a table: what radiotrace/imaging/column_checks.py finds of declared columns, and leaks: columns
that know the outcome, identifiers, and rows that stand twice.

All of it follows from the record 'dataset', so that verify finds the same. What people alone can know, that
a column was written down later, dataset.json says under known_later, and ingest holds it.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from radiotrace.imaging import column_checks
from radiotrace.imaging.finding import Finding
from radiotrace.records.dataset import Case, Identity
from radiotrace.records.sections.validate import ValidateParams
from radiotrace.records.tabular.feature import Feature
from radiotrace.statistics import discrimination
from radiotrace.tabular import table
from radiotrace.tabular.table import Rows

# Area under the ROC curve of one column alone, from which it is taken for the outcome in other words, and
# from which people should look; of whether it is known at all.
AREA_ERROR, AREA_WARNING, MISSING_AREA = 0.995, 0.95, 0.8
IDENTIFIER_SHARE = 0.95  # of different whole numbers among rows
ROWS_MIN = 20  # below which nothing is said of a column by its numbers


def of_records(dataset: Identity, cases: Sequence[Case], limits: ValidateParams) -> list[Finding]:
    """All findings, in the order of case and check.

    Args:
        dataset: the part 'dataset' of the record 'dataset'.
        cases: entries of that record that nobody left out.
        limits: the section validate of params.yaml, of which a table has no limits of its own.
    """
    columns = dataset.columns or {}
    outcome, features = table.outcome_of(columns, dataset.labels), table.features_of(columns)
    rows = table.rows_of(cases, outcome, features)
    found = [
        *column_checks.findings(dataset, cases),
        *_times(rows),
        *_alike(cases, [one.name for one in features]),
    ]
    for place, feature in enumerate(features):
        found += _of_column(feature, rows.x[:, place], rows)
    return sorted(found, key=lambda one: (one.case_id, one.check, one.found))


def _times(rows: Rows) -> list[Finding]:
    """An event at time 0 or before is no outcome that could have been told."""
    if rows.time is None:
        return []
    return [
        Finding(rows.case_ids[place], "time_zero", f"time {rows.time[place]:g}", "above 0", "error")
        for place in np.flatnonzero(rows.time <= 0)
    ]


def _alike(cases: Sequence[Case], features: Sequence[str]) -> list[Finding]:
    """Rows that are equal throughout, and rows of equal features with another outcome."""
    whole, told = defaultdict(list), defaultdict(list)
    for case in cases:
        whole[case.image.voxels_sha256].append(case)
        values = case.values or {}
        told[tuple(values.get(name) for name in features)].append(case)
    found = []
    for same in whole.values():
        for case in same[1:]:
            others = "of the same subject" if case.subject_id == same[0].subject_id else "of another subject"
            found.append(
                Finding(
                    case.case_id,
                    "duplicate_row",
                    f"stands twice, as {same[0].case_id} {others}",
                    "each row once: it would be learnt and judged at once",
                    "warning",
                )
            )
    for same in told.values():
        if len({case.image.voxels_sha256 for case in same}) > 1:
            found.append(
                Finding(
                    same[-1].case_id,
                    "same_features",
                    f"equal in every feature to {same[0].case_id}, with another outcome or group",
                    "different people, or one that has a subject_id",
                    "warning",
                )
            )
    return found


def _of_column(feature: Feature, values: np.ndarray, rows: Rows) -> list[Finding]:
    """What a column alone gives away."""
    name, known = feature.name, ~np.isnan(values)
    found = []
    if not known.any() or len(np.unique(values[known])) == 1:
        words = "nothing is known" if not known.any() else "all rows are alike"
        found.append(Finding("", "constant_column", f"{name}: {words}", "what differs", "warning"))
    if len(values) < ROWS_MIN:
        return found
    if _is_identifier(feature, values[known]):
        found.append(
            Finding(
                "",
                "identifier",
                f"{name}: {len(np.unique(values[known]))} different whole numbers in {known.sum()} rows, "
                "without a gap",
                "a measurement: numbers that count rows say when somebody came, or who it is",
                "error",
            )
        )
    if (missing := _area((~known).astype(float), rows.positive)) is not None and missing >= MISSING_AREA:
        found.append(
            Finding(
                "",
                "missing_tells",
                f"{name}: whether it is known has an area of {missing:.3f} for the outcome",
                f"below {MISSING_AREA:g}: was it written down because of the outcome?",
                "error",
            )
        )
    area = _area(values[known].astype(float), rows.positive[known])
    if feature.kind == "number" and area is not None and area >= AREA_WARNING:
        is_certain = area >= AREA_ERROR
        found.append(
            Finding(
                "",
                "tells_alone",
                f"{name}: has an area of {area:.3f} for the outcome by itself",
                f"below {AREA_ERROR if is_certain else AREA_WARNING:g}: is it the outcome in other words, or "
                "was it written down later?",
                "error" if is_certain else "warning",
            )
        )
    return found


def _area(values: np.ndarray, positive: np.ndarray) -> float | None:
    """Area under the ROC curve, on whichever side is the larger; None where a class is empty."""
    area = discrimination.auroc(values, positive) if len(values) else None
    return None if area is None else max(area, 1 - area)


def _is_identifier(feature: Feature, values: np.ndarray) -> bool:
    """Whether whole numbers count rows: each but for a few once, without a gap."""
    if feature.kind != "number" or len(values) < ROWS_MIN or (values != np.round(values)).any():
        return False
    n = len(np.unique(values))
    return n >= IDENTIFIER_SHARE * len(values) and np.ptp(values) < len(values) / IDENTIFIER_SHARE
