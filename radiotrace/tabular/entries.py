"""Entries of the record 'cases', out of the link values of each model and what was decided on the validation
part; for the stage, and for who makes them again."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from radiotrace.records.tabular.feature import Outcome
from radiotrace.statistics.survival import Groups
from radiotrace.tabular import measures, model
from radiotrace.tabular.measures import Told
from radiotrace.tabular.model import AS_IT_IS, Line
from radiotrace.tabular.table import Rows

LINK_VALUES = "link_values"  # key of a file of predictions


def known_by(rows: Rows, horizon: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Whether the event happened, of an event in time by the horizon, and whether that is known, (n,)
    bool."""
    if rows.time is None or horizon is None:
        return rows.positive, np.ones(len(rows), bool)
    happened = rows.positive & (rows.time <= horizon)
    return happened, happened | (rows.time > horizon)


def weights(rows: Rows, horizon: float | None) -> np.ndarray:
    """What each case counts in a mean, (n,): 1 of a binary outcome; of an event in time the inverse of the
    chance of being still followed at its time or at the horizon, whichever comes first, and 0 of who was
    censored before.

    Source: Graf et al. 1999; Kaplan-Meier of being followed, in these very rows.
    """
    if rows.time is None or horizon is None:
        return np.ones(len(rows))
    groups = Groups(rows.time, rows.positive)
    before, after = groups.still_observed(np.ones((len(rows), 1), int))
    happened, known = known_by(rows, horizon)
    still = np.where(happened, before[:, 0], groups.at(after, horizon)[0])
    return np.where(known & (still > 0), 1 / np.where(still > 0, still, 1.0), 0.0)


def line_of(decided: Mapping[str, Any], name: str) -> Line:
    """The calibration that was decided; none where there was none."""
    found = decided["lines"].get(name)
    return AS_IT_IS if found is None else Line(found["slope"], found["intercept"])


def entries(
    about: Sequence[Mapping[str, Any]],
    predictions: Sequence[Mapping[str, Any]],
    rows: Rows,
    outcome: Outcome,
    horizon: float | None,
    released: str,
    decided: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Entries of the record 'cases'.

    Args:
        about: case_id, subject_id, prediction and prediction_sha256 of each, in the order of the rows.
        predictions: content of these files.
        released: name of the released model.
        decided: the part 'decisions' of the record of metrics.
    """
    happened, known = known_by(rows, horizon)
    weight = weights(rows, horizon)
    threshold = decided["operating_points"][outcome.name]["threshold"]
    line = line_of(decided, outcome.name)
    found = []
    for place, (row, prediction) in enumerate(zip(about, predictions, strict=True)):
        values = prediction[LINK_VALUES]
        risk = float(model.risks(np.array(values[released]), outcome.kind, line))
        positive = bool(happened[place]) if known[place] else None
        told = Told(positive, float(weight[place]), risk)
        by_model = {name: float(model.risks(np.array(value), outcome.kind)) for name, value in values.items()}
        entry = {
            "positive": positive,
            "event": bool(rows.positive[place]),
            "time": None if rows.time is None else float(rows.time[place]),
            "weight": told.weight,
            "called": risk >= threshold,
            "probability": risk,
            "uncalibrated": by_model[released],
            "by_model": by_model,
            **measures.row(told),
        }
        found.append({**row, "labels": {outcome.name: entry}})
    return found
