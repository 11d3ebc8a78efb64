"""Transport: how a model does in a group of people that it has not learnt from, such as another site or a
later time; inside the train part, so that the test part stays closed.

Source: internal-external cross-validation, Steyerberg & Harrell 2016, doi:10.1016/j.jclinepi.2015.04.005.
"""

from collections.abc import Sequence

import numpy as np

from radiotrace.records.dataset import Case
from radiotrace.records.tabular.feature import Feature
from radiotrace.records.tabular.train import HeldOut
from radiotrace.statistics import probabilities, survival_scores
from radiotrace.tabular import model, tuning
from radiotrace.tabular.fitting import NoFitError
from radiotrace.tabular.model import RiskModel
from radiotrace.tabular.table import Rows
from radiotrace.tabular.tuning import Chosen


def faults(cases: Sequence[Case], attributes: Sequence[str]) -> list[str]:
    """Attributes by which nobody can be held out; [] where all have two groups at least."""
    found = []
    for name in attributes:
        groups = {case.attributes[name] for case in cases if name in case.attributes}
        if len(groups) < 2:
            found.append(
                f"train.held_out_by: {name}: found {len(groups)} groups in the train part, expected an "
                "attribute of cases.csv with two at least"
            )
    return found


def held_out(
    cases: Sequence[Case],
    rows: Rows,
    features: Sequence[Feature],
    chosen: Chosen,
    horizon: float | None,
    attributes: Sequence[str],
) -> tuple[HeldOut, ...]:
    """Each group of each attribute, judged by a model that was fitted to all others.

    Args:
        cases, rows: of the train part, in one order.
    """
    found = []
    for name in attributes:
        group_of = np.array([case.attributes.get(name, "") for case in cases])
        for group in sorted(set(group_of) - {""}):
            inside = group_of == group
            judged = rows.chosen(inside)
            counts = len(judged), int(judged.positive.sum())
            try:
                fitted = tuning.fitted(rows.chosen(~inside), features, chosen, horizon)
                found.append(HeldOut(name, group, *counts, *_judged(fitted, judged), None))
            except NoFitError as error:
                found.append(HeldOut(name, group, *counts, None, None, None, f"no fit: {error}"))
    return tuple(found)


def _judged(fitted: RiskModel, rows: Rows) -> tuple[float | None, float | None, float | None]:
    """Concordance, slope, and observed over predicted."""
    values = fitted.link_values(rows.x)
    concordance = tuning.area(values, rows)
    risk = model.risks(values, fitted.kind)
    if rows.time is None or fitted.horizon is None:
        line = probabilities.recalibration(values, rows.positive).line
        ratio = float(rows.positive.sum() / risk.sum())
        return concordance, line.slope, ratio
    found = survival_scores.at_horizon(1 - risk, rows.time, rows.positive, fitted.horizon)
    return concordance, found.slope, found.ratio
