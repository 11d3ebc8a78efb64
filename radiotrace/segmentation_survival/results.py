"""Results: all that the record 'survival' says of the test part but what needs images. Whoever has the cases
of that record, the record 'hazard' and cases.csv makes the same again."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from radiotrace.records.dataset import Case
from radiotrace.records.sections.segmentation_survival.survival import SurvivalParams
from radiotrace.records.segmentation_survival.hazard import Hazard, ToldCase
from radiotrace.segmentation_survival import ways
from radiotrace.segmentation_survival.outcomes import Outcomes
from radiotrace.segmentation_survival.ways import Way
from radiotrace.statistics import (
    agreement,
    concordance,
    intervals,
    resampling,
    survival,
    survival_scores,
)

MACRO = "mean_of_labels"
N_PAIRED = 50  # subjects: fewer leave the interval of a difference of two C-indices too narrow
GAP = intervals.Rule(n_all=N_PAIRED, lowest=-1, highest=1)
BRIER = intervals.Rule(n_all=N_PAIRED, lowest=0, highest=1)
METHODS = {
    "c_index": "Share of comparable pairs in which who has the event earlier has the higher risk: Harrell et "
    "al. 1996; Uno et al. 2011, of events before the last horizon.",
    "auroc": "Cumulative/dynamic area at each horizon, weighted by the inverse chance of being uncensored: "
    "Uno et al. 2007.",
    "integrated_brier": "Brier score under censoring (Graf et al. 1999), by the trapezoidal rule over the "
    "horizons, divided by their span.",
    "interval": "Over subjects: of what remains when one subject is left out (statistics/intervals.py); of a "
    "difference paired, the same subjects left out of both.",
    "calibration": "Groups of similar predicted risk against 1 - Kaplan-Meier; slope of a Cox model on "
    "log(-log S): Austin et al. 2020, McLernon et al. 2023.",
    "risk_groups": "Cut at quantiles of the log-hazard in the train part; Kaplan-Meier; log-rank test.",
    "others": "Cox models, fitted on the train part on measures of what the same network outlines there, and "
    "judged on what it outlines in the test part.",
    "sharing": "A second network with the same initial weights and the same samples, whose loss is that of "
    "the outlines alone; differences of Dice are paired by case.",
    "robustness": "The same network on changed images: the first channel multiplied, or with white noise.",
}


def estimate(
    statistic: Callable, subjects: np.ndarray, rule: intervals.Rule = intervals.AREA, n_undefined: int = 0
) -> dict[str, Any]:
    """A number of all cases with its interval over subjects, as the records have it.

    Args:
        statistic: counts (n, m) -> (m,), NaN where undefined.
    """
    value = float(np.ravel(statistic(np.ones((len(subjects), 1), np.int64)))[0]) if len(subjects) else np.nan
    defined = bool(np.isfinite(value))
    found = (
        resampling.jackknife(statistic, subjects, rule) if defined else intervals.none(intervals.UNDEFINED)
    )
    return {
        "n_cases": len(subjects),
        "n_subjects": len(np.unique(subjects)),
        "n_undefined": n_undefined,
        "value": value if defined else None,
        **found.record(),
    }


def integrated_brier(way: Way, found: Outcomes, horizons: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(m,), of counts (n, m)."""
    scores = survival_scores.briers(way.survival(horizons), found.time, found.event, horizons, counts)
    return survival_scores.integrated(scores, horizons)


def scores(way: Way, found: Outcomes, settings: SurvivalParams) -> dict[str, Any]:
    """All measures of one way.

    Args:
        found: outcomes of the test part.
    """
    horizons = np.array(settings.horizons, float)
    pairs = concordance.Pairs(way.risk, found.time, found.event)
    tau = float(horizons[-1])
    areas = concordance.time_aurocs(way.risk, found.time, found.event, horizons)

    def mean_area(counts):
        return concordance.time_aurocs(way.risk, found.time, found.event, horizons, counts).mean(0)

    return {
        "what": way.what,
        "c_index": {
            "harrell": estimate(lambda counts: pairs.concordance(counts), found.subjects),
            "uno": estimate(lambda counts: pairs.concordance(counts, "uno", tau), found.subjects),
        },
        "auroc": [None if np.isnan(area) else float(area) for area in areas],
        "mean_auroc": estimate(mean_area, found.subjects),
        "integrated_brier": estimate(
            lambda counts: integrated_brier(way, found, horizons, counts), found.subjects, BRIER
        ),
        "calibration": [
            calibration(way, found, float(horizon), settings.calibration_groups) for horizon in horizons
        ],
        "hazard_ratios": None if way.hazard_ratios is None else dict(way.hazard_ratios),
    }


def calibration(way: Way, found: Outcomes, horizon: float, groups: int) -> dict[str, Any]:
    """Of one way at one horizon."""
    predicted = way.survival(np.array([horizon]))[:, 0]
    seen = survival_scores.at_horizon(predicted, found.time, found.event, horizon, groups)
    rows = [
        {
            "n": row.n,
            "n_events": row.n_events,
            "predicted": row.predicted,
            "observed": row.observed,
            **row.interval.record(),
        }
        for row in seen.rows
    ]
    return {
        "horizon": horizon,
        "rows": rows,
        "predicted": seen.predicted,
        "observed": seen.observed,
        "ratio": {
            "n_cases": len(found.time),
            "n_subjects": len(np.unique(found.subjects)),
            "n_undefined": 0,
            "value": seen.ratio,
            **seen.ratio_interval.record(),
        },
        "slope": seen.slope,
        "slope_error": seen.slope_error,
        "slope_reason": seen.slope_reason,
    }


def against(network: Way, other: Way, found: Outcomes, settings: SurvivalParams) -> dict[str, Any]:
    """The network minus another way, paired."""
    horizons = np.array(settings.horizons, float)
    both = [concordance.Pairs(way.risk, found.time, found.event) for way in (network, other)]

    def of_pairs(counts):
        first, second = (pairs.concordance(counts) for pairs in both)
        return first - second

    def of_briers(counts):
        first, second = (integrated_brier(way, found, horizons, counts) for way in (network, other))
        return first - second

    return {
        "c_index": estimate(of_pairs, found.subjects, GAP),
        "integrated_brier": estimate(of_briers, found.subjects, GAP),
    }


def brier_without(found: Outcomes, horizons: np.ndarray) -> float | None:
    """Integrated Brier score of the Kaplan-Meier curve of these cases; None where nobody was followed to the
    last horizon."""
    curve = survival_scores.without_predictors(found.time, found.event, horizons)
    if np.isnan(curve).any():
        return None
    each = survival_scores.briers(curve, found.time, found.event, horizons)
    value = float(survival_scores.integrated(each, horizons))
    return value if np.isfinite(value) else None


def cuts(hazard: Hazard, learnt: Outcomes, groups: int) -> np.ndarray:
    """Log-hazards at which risk groups begin but the first, (groups - 1,): quantiles of the train part."""
    of_train = np.array([hazard.cases[case_id].log_hazard for case_id in learnt.case_ids])
    return np.quantile(of_train, np.arange(1, groups) / groups)


def group_of(risk: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """(n,), the number of each one's group, from the lowest risk."""
    return np.searchsorted(begins, risk, "right")


def risk_groups(risk: np.ndarray, begins: np.ndarray, found: Outcomes) -> dict[str, Any]:
    """Kaplan-Meier of each group, and whether they differ."""
    numbers, curves = group_of(risk, begins), []
    for number in range(len(begins) + 1):
        inside = numbers == number
        curve = survival.kaplan_meier(found.time[inside], found.event[inside])
        curves.append(
            {
                "above": float(begins[number - 1]) if number else None,
                "n": int(inside.sum()),
                "n_events": int(found.event[inside].sum()),
                "median": curve.quantile()[0],
                "time": curve.time.tolist(),
                "survival": curve.survival.tolist(),
                "at_risk": curve.at_risk.tolist(),
            }
        )
    test = survival.log_rank(found.time, found.event, numbers)
    return {
        "curves": curves,
        "log_rank": {
            "statistic": test.statistic,
            "degrees_of_freedom": test.freedom,
            "p": test.p,
        },
    }


def follow_up(found: Outcomes) -> float | None:
    """Median time until censoring, by reverse Kaplan-Meier."""
    return survival.kaplan_meier(found.time, ~found.event).quantile()[0]


def sharing(rows: Sequence[Mapping[str, Any]], subjects: np.ndarray) -> dict[str, Any]:
    """Dice of the network minus that of the one that learnt the outlines alone, mean over cases where both
    are defined.

    Args:
        rows: of the record 'survival'.
    """
    subject_of = {row["case_id"]: str(subject) for row, subject in zip(rows, subjects, strict=True)}
    differences: dict[str, dict[str, float | None]] = {}
    for row in rows:
        of_labels = {name: _difference(pair) for name, pair in row["dice"].items()}
        known = [value for value in of_labels.values() if value is not None]
        of_labels[MACRO] = float(np.mean(known)) if known else None
        for name, value in of_labels.items():
            differences.setdefault(name, {})[row["case_id"]] = value
    return {"dice": {name: _mean(of_case, subject_of) for name, of_case in differences.items()}}


def _difference(pair: Sequence[float | None]) -> float | None:
    with_hazard, alone = pair
    return None if with_hazard is None or alone is None else with_hazard - alone


def _mean(of_case: Mapping[str, float | None], subject_of: dict[str, str]) -> dict[str, Any]:
    defined = {case_id: (value, 1.0) for case_id, value in of_case.items() if value is not None}
    rule = intervals.Rule(lowest=-1, highest=1)
    return intervals.estimate(
        defined, lambda sums: sums[0] / sums[1], subject_of, len(of_case) - len(defined), rule
    )


def agree(pairs: Mapping[str, tuple[float, float]], subject_of: dict[str, str]) -> dict[str, Any]:
    """Agreement of case -> (reference, prediction)."""
    columns = np.array(list(pairs.values()), float).reshape(-1, 2).T
    centre = float(columns.mean()) if columns.size else 0.0
    sums = {
        case_id: tuple(agreement.moments(*np.array([pair]).T - centre)) for case_id, pair in pairs.items()
    }
    return {
        "n": len(pairs),
        **agreement.bland_altman(*columns),
        "concordance": intervals.estimate(
            sums, agreement.concordance, subject_of, rule=intervals.CORRELATION
        ),
    }


def burden(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Volume and highest value, of the network's outlines against the reference."""
    subject_of = {row["case_id"]: row["subject_id"] for row in rows}
    volumes, highest = {}, {}
    for row in rows:
        reference, told = row["reference"], row["told"]
        volumes[row["case_id"]] = (
            sum(reference["volume_ml"].values()),
            sum(told["volume_ml"].values()),
        )
        if reference["suvmax"] is not None and told["suvmax"] is not None:
            highest[row["case_id"]] = (reference["suvmax"], told["suvmax"])
    return {"volume_ml": agree(volumes, subject_of), "suvmax": agree(highest, subject_of)}


def subgroups(
    risk: np.ndarray, found: Outcomes, attributes: Mapping[str, Mapping[str, str]], n_min: int
) -> dict[str, Any]:
    """Attribute -> value -> C-index among those who have it.

    Args:
        attributes: name -> case -> value.
    """
    told: dict[str, Any] = {}
    for name, value_of in sorted(attributes.items()):
        values = np.array([value_of.get(case_id, "") for case_id in found.case_ids])
        for value in sorted(set(values) - {""}):
            inside = values == value
            pairs = concordance.Pairs(risk[inside], found.time[inside], found.event[inside])
            n = len(np.unique(found.subjects[inside]))
            told.setdefault(name, {})[value] = {
                "n": int(inside.sum()),
                "n_events": int(found.event[inside].sum()),
                "insufficient_n": n < n_min,
                "c_index": estimate(pairs.concordance, found.subjects[inside]),
            }
    return told


def attributes_of(cases: Sequence[Case]) -> dict[str, dict[str, str]]:
    """Attribute -> case -> value, of those that cases.csv has."""
    names = sorted({name for case in cases for name in case.attributes})
    return {
        name: {case.case_id: case.attributes[name] for case in cases if name in case.attributes}
        for name in names
    }


def summary(
    rows: Sequence[Mapping[str, Any]],
    hazard: Hazard,
    learnt: Outcomes,
    found: Outcomes,
    attributes: Mapping[str, Mapping[str, str]],
    settings: SurvivalParams,
) -> dict[str, Any]:
    """What of the record 'survival' follows from its cases, the record 'hazard' and cases.csv.

    Args:
        rows: the cases of the record, in the order of `found`.
        learnt, found: outcomes of the train and of the test part.

    Raises:
        ValueError: a Cox model has no fit.
    """
    told = [ToldCase.of(row["told"]) for row in rows]
    of_train = [hazard.cases[case_id] for case_id in learnt.case_ids]
    network = ways.network(hazard, told, learnt)
    others: dict[str, Way | None] = {
        "volume": ways.volume(of_train, told, learnt),
        "features": ways.features(of_train, told, learnt, settings.ridge, ways.FEATURES),
        "alone": None,
    }
    if hazard.alone is not None:
        others["alone"] = ways.features(
            [hazard.alone.cases[case_id] for case_id in learnt.case_ids],
            [ToldCase.of(row["alone"]) for row in rows],
            learnt,
            settings.ridge,
            ways.ALONE,
        )
    horizons = np.array(settings.horizons, float)
    of_nobody = brier_without(found, horizons)
    begins = cuts(hazard, learnt, settings.risk_groups)
    return {
        "n_cases": len(rows),
        "n_subjects": len(np.unique(found.subjects)),
        "n_events": int(found.event.sum()),
        "time": hazard.params.time,
        "event": hazard.params.event,
        "follow_up": follow_up(found),
        "horizons": list(settings.horizons),
        "methods": dict(METHODS),
        "network": scores(network, found, settings),
        "others": {
            name: None if way is None else scores(way, found, settings) for name, way in others.items()
        },
        "comparisons": {
            name: None if way is None else against(network, way, found, settings)
            for name, way in others.items()
        },
        "brier_without": of_nobody,
        "risk_groups": risk_groups(network.risk, begins, found),
        "sharing": None if hazard.alone is None else sharing(rows, found.subjects),
        "burden": burden(rows),
        "subgroups": subgroups(network.risk, found, attributes, settings.subgroup_subjects_min),
    }


def of_case(
    risk: np.ndarray, hazard: Hazard, learnt: Outcomes, settings: SurvivalParams
) -> tuple[np.ndarray, np.ndarray]:
    """Of each log-hazard (n,): the chance of no event by each horizon, (n, k), and its risk group, (n,)."""
    told = [ToldCase(float(value), {}, None, 0) for value in risk]
    way = ways.network(hazard, told, learnt)
    begins = cuts(hazard, learnt, settings.risk_groups)
    return way.survival(np.array(settings.horizons, float)), group_of(np.asarray(risk), begins)
