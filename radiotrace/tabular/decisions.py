"""Decisions: what is chosen on the validation part, before the test part is opened: calibration and the
threshold."""

from typing import Any

import numpy as np
from scipy import optimize

from radiotrace.records.sections.tabular.evaluate import EvaluateParams
from radiotrace.records.tabular.feature import Outcome
from radiotrace.statistics import cox, operating_points, probabilities, survival
from radiotrace.statistics.operating_points import Rule
from radiotrace.tabular import entries, model
from radiotrace.tabular.model import AS_IT_IS, Line
from radiotrace.tabular.table import Rows

EVENTS_MIN = 10  # of the validation part, and cases without, below which nothing is calibrated on it
REACH = 50.0  # how far a link value is shifted at most
HALF = 0.5


def shift(link_values: np.ndarray, observed: float) -> float:
    """What is added to link values of an event in time, that the mean risk is the share that was observed.

    Raises:
        ValueError: the share is 0 or 1, which no finite shift gives.
    """
    if not 0 < observed < 1:
        raise ValueError(f"a share of {observed}, expected above 0 and below 1")

    def gap(added: float) -> float:
        return float(model.risks(link_values + added, "survival").mean()) - observed

    found: Any = optimize.brentq(gap, -REACH, REACH, xtol=1e-12)
    return float(found)


def line(values: np.ndarray, rows: Rows, horizon: float | None) -> tuple[Line | None, str | None]:
    """Calibration on a part, and why there is none.

    Args:
        values: (n,), link values.

    Returns:
        Of a binary outcome Platt's line; of an event in time the slope of a Cox model on the link value, and
        the shift that gives the mean risk which Kaplan-Meier shows by the horizon.
    """
    happened, known = entries.known_by(rows, horizon)
    n_events, n_others = int(happened.sum()), int((known & ~happened).sum())
    if min(n_events, n_others) < EVENTS_MIN:
        return None, (
            f"{n_events} cases with the event and {n_others} without in the validation part, expected "
            f"{EVENTS_MIN} of each"
        )
    if rows.time is None or horizon is None:
        [found] = probabilities.fit_platt(values, rows.positive).lines
        if found.slope is None or found.intercept is None:
            return None, found.reason or "no line"
        return Line(found.slope, found.intercept), None
    until = np.minimum(rows.time, horizon)
    found = cox.fit(values[:, None], until, rows.positive & (rows.time <= horizon))
    left = survival.kaplan_meier(rows.time, rows.positive).at(horizon)
    if found.reason is not None or left is None:
        return None, found.reason or survival.NOT_SEEN
    slope = float(found.coefficients[0])
    return Line(slope, shift(slope * values, 1 - left)), None


def rule_of(settings: EvaluateParams) -> Rule:
    """How a threshold is chosen, where params.yaml gives none."""
    if settings.sensitivity_least is None:
        return Rule("youden", np.nan, np.nan)
    return Rule("sensitivity", settings.sensitivity_least, np.nan)


def threshold(
    risk: np.ndarray, rows: Rows, horizon: float | None, settings: EvaluateParams
) -> dict[str, Any]:
    """The risk from which a case is called, of cases whose outcome is known by the horizon."""
    happened, known = entries.known_by(rows, horizon)
    risk, happened = risk[known], happened[known]
    if settings.threshold is not None:
        value, words = settings.threshold, "params.yaml gives it"
    else:
        rule = rule_of(settings)
        found = operating_points.choose(risk, happened, rule)
        is_there = found.threshold is not None and np.isfinite(found.threshold)
        value = float(found.threshold or HALF) if is_there else HALF
        words = rule.words if is_there else f"{HALF:g}: {found.reason or 'the rule calls no case'}"
    called = risk >= value
    return {
        "threshold": value,
        "rule": words,
        "sensitivity": float(called[happened].mean()) if happened.any() else None,
        "specificity": float((~called[~happened]).mean()) if (~happened).any() else None,
    }


def prevalence(rows: Rows, horizon: float | None) -> float:
    """Share of rows that have the event, by Kaplan-Meier where there is a horizon."""
    if rows.time is None or horizon is None:
        return float(rows.positive.mean())
    left = survival.kaplan_meier(rows.time, rows.positive).at(horizon)
    if left is None:
        raise ValueError(f"nobody was followed to {horizon}")
    return 1 - left


def decide(
    values: np.ndarray,
    validation: Rows,
    train: Rows,
    outcome: Outcome,
    horizon: float | None,
    settings: EvaluateParams,
) -> dict[str, Any]:
    """The part 'decisions' of the record of metrics.

    Args:
        values: (n,), link values of the released model on the validation part.
    """
    found, reason = (
        line(values, validation, horizon) if settings.calibration == "line" else (None, "none was asked for")
    )
    risk = model.risks(values, outcome.kind, found or AS_IT_IS)
    return {
        "part": "validation",
        "n_cases": len(validation),
        "n_events": int(validation.positive.sum()),
        "lines": {} if found is None else {outcome.name: vars(found)},
        "lines_reason": reason,
        "operating_points": {outcome.name: threshold(risk, validation, horizon, settings)},
        "prevalence": {outcome.name: prevalence(train, horizon)},
    }
