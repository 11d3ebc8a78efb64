"""Results: all that the record of metrics says of the cases of the test part. Whoever has the records of
cases and of the data set, and what was decided on the validation part, makes the same again."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from radiotrace.records.dataset import Case
from radiotrace.records.sections.tabular.evaluate import EvaluateParams
from radiotrace.records.tabular.feature import Feature, Outcome
from radiotrace.records.tabular.metrics import Metrics
from radiotrace.statistics import (
    concordance,
    decision_curves,
    discrimination,
    intervals,
    probabilities,
    resampling,
    subgroups,
    survival,
    survival_scores,
)
from radiotrace.statistics.operating_points import SHARES
from radiotrace.tabular import decisions, measures, model, table
from radiotrace.tabular.table import Rows

MACRO = "mean_of_labels"
WORST = 20
THRESHOLDS = np.round(np.arange(0.05, 0.96, 0.05), 2)  # of the decision curve
POINTS = ("sensitivity", "specificity", "ppv", "npv")
CURVE_POINTS = 40  # that are kept of a smooth curve
NORMAL = 1.959963984540054  # quantile of 95 %
RATIO = intervals.Rule(intervals.LOG, lowest=0)


@dataclass(frozen=True)
class Judged:
    """The cases of the test part as arrays.

    Attributes:
        subjects: (n,). positive: (n,) bool, by the horizon; False where it is not known. known: (n,) bool.
        weight: (n,), as entries.weights. risk, before: (n,), after and before calibration.
        by_model: name -> (n,), before calibration. event: (n,) bool. time: (n,), or None.
        horizon: of an event in time.
    """

    case_ids: tuple[str, ...]
    subjects: np.ndarray
    positive: np.ndarray
    known: np.ndarray
    weight: np.ndarray
    risk: np.ndarray
    before: np.ndarray
    by_model: Mapping[str, np.ndarray]
    event: np.ndarray
    time: np.ndarray | None
    horizon: float | None

    @property
    def subject_of(self) -> dict[str, str]:
        """case -> subject."""
        return dict(zip(self.case_ids, map(str, self.subjects), strict=True))

    def chosen(self, mask: np.ndarray) -> "Judged":
        """Some of the cases, with the weights that they have among all."""
        places = np.flatnonzero(mask)
        return Judged(
            tuple(self.case_ids[place] for place in places),
            self.subjects[places],
            self.positive[places],
            self.known[places],
            self.weight[places],
            self.risk[places],
            self.before[places],
            {name: values[places] for name, values in self.by_model.items()},
            self.event[places],
            None if self.time is None else self.time[places],
            self.horizon,
        )


def judged(cases: Sequence[Mapping[str, Any]], name: str, horizon: float | None) -> Judged:
    """Of entries of the record 'cases'.

    Args:
        name: of the event.
    """
    rows = [case["labels"][name] for case in cases]

    def column(key: str) -> np.ndarray:
        return np.array([row[key] for row in rows], float)

    return Judged(
        case_ids=tuple(case["case_id"] for case in cases),
        subjects=np.array([case["subject_id"] for case in cases], dtype=object),
        positive=np.array([bool(row["positive"]) for row in rows]),
        known=np.array([row["positive"] is not None for row in rows]),
        weight=column("weight"),
        risk=column("probability"),
        before=column("uncalibrated"),
        by_model={
            model_name: np.array([row["by_model"][model_name] for row in rows], float)
            for model_name in sorted(rows[0]["by_model"])
        },
        event=np.array([row["event"] for row in rows], bool),
        time=None if horizon is None else column("time"),
        horizon=horizon,
    )


def concordance_of(of: Judged, risk: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """counts (n, …) -> concordance (…): Harrell's, or the area under the ROC curve."""
    if of.time is None:
        return lambda counts: discrimination.areas(risk, of.positive, counts)
    pairs = concordance.Pairs(risk, of.time, of.event)
    return lambda counts: pairs.concordance(survival.flattened(np.asarray(counts)), "harrell", None).reshape(
        np.shape(counts)[1:]
    )


class Summary:
    """What the test part comes to.

    Args:
        cases: entries of the record 'cases'.
        outcome, horizon: what is told.
        settings: the section evaluate.
    """

    def __init__(
        self,
        cases: Sequence[Mapping[str, Any]],
        outcome: Outcome,
        horizon: float | None,
        settings: EvaluateParams,
    ):
        self.cases, self.outcome, self.horizon, self.settings = cases, outcome, horizon, settings
        self.name = outcome.name
        self.of = judged(cases, outcome.name, horizon)
        self.subject_of = self.of.subject_of
        self.n_subjects = len(set(self.subject_of.values()))

    def all(
        self, decided: Mapping[str, Any], released: str, groups: Mapping[str, Mapping[str, str]]
    ) -> dict[str, Any]:
        """The record 'metrics', but for where it comes from and what it says of other parts.

        Args:
            decided: the part 'decisions'.
            released: name of the released model.
            groups: attribute -> case -> group.
        """
        point = decided["operating_points"][self.name]["threshold"]
        base = decided["prevalence"][self.name]
        return {
            "n_cases": len(self.cases),
            "n_subjects": self.n_subjects,
            "decisions": decided,
            **self.measures(),
            "discrimination": {self.name: self.discrimination()},
            "operating_points": {self.name: self.operating_point(point)},
            "calibration": {
                self.name: {
                    "before": self.calibration(self.of.before, base),
                    "after": self.calibration(self.of.risk, base),
                }
            },
            "decision_curve": {self.name: self.decision_curve()},
            "comparison": {self.name: self.comparison(released)},
            "subgroups": self.subgroups(groups),
            "fairness": {
                attribute: self.fairness(group_of, point) for attribute, group_of in sorted(groups.items())
            },
            "worst_cases": self.worst_cases(),
        }

    def _record(self, value: float | None, interval: intervals.Interval, of: Judged | None = None) -> dict:
        of = of or self.of
        is_defined = value is not None and np.isfinite(value)
        return {
            "n_cases": len(of.case_ids),
            "n_subjects": len(set(of.subjects)),
            "n_undefined": 0,
            "value": float(value) if is_defined and value is not None else None,
            **(interval if is_defined else intervals.none(intervals.UNDEFINED)).record(),
        }

    def _plan(self, of: Judged) -> resampling.Plan:
        strata = resampling.strata_of(of.subjects, of.event) if len(of.subjects) else None
        return resampling.Plan(of.subjects, self.settings.seed, self.settings.resamples, strata)

    def measures(self) -> dict[str, dict]:
        """Measure -> event, and the mean of labels, which is of the one that there is."""
        found = {}
        for one in measures.TABLE:
            values = {case["case_id"]: case["labels"][self.name][one.name] for case in self.cases}
            row = {**intervals.summary(values, self.subject_of, one.rule), "n_not_applicable": 0}
            found[one.name] = {self.name: row, MACRO: row}
        return found

    def discrimination(self) -> dict:
        """How well risks rank cases."""
        of = self.of
        known = {
            "n_positive": int(of.positive.sum()),
            "n_negative": int((of.known & ~of.positive).sum()),
            "n_unknown": int((~of.known).sum()),
            "prevalence": decisions.prevalence(_rows(of), of.horizon) if self._is_followed() else None,
        }
        concordant = self.concordance(of, of.risk)
        if of.time is None or of.horizon is None:
            precise = resampling.bootstrap(
                lambda counts: discrimination.average_precisions(of.risk, of.positive, counts), self._plan(of)
            )
            auprc = self._record(precise.value, precise.interval)
            return known | {"concordance": concordant, "auroc": concordant, "uno": None, "auprc": auprc}
        time, horizon = of.time, of.horizon
        pairs = concordance.Pairs(of.risk, time, of.event)

        def uno(counts):
            return pairs.concordance(counts, "uno", horizon)

        def at_horizon(counts):
            return concordance.time_aurocs(of.risk, time, of.event, np.array([horizon]), counts)[0]

        return known | {
            "concordance": concordant,
            "auroc": self._ranked(of, at_horizon),
            "uno": self._ranked(of, uno),
            "auprc": None,
        }

    def _is_followed(self) -> bool:
        of = self.of
        if of.time is None or of.horizon is None:
            return True
        return survival.kaplan_meier(of.time, of.event).at(of.horizon) is not None

    def concordance(self, of: Judged, risk: np.ndarray) -> dict:
        """Concordance of some cases, with its interval."""
        if of.time is None:
            area = discrimination.delong(risk, of.positive, of.subjects)
            return self._record(area.value, area.interval, of)
        return self._ranked(of, concordance_of(of, risk))

    def _ranked(self, of: Judged, statistic: Callable) -> dict:
        """A statistic of ranks, 0 to 1, with a jackknife interval by subject."""
        if not len(of.case_ids):
            return self._record(None, intervals.none(intervals.UNDEFINED), of)
        value = float(np.asarray(statistic(np.ones((len(of.case_ids), 1), int))).ravel()[0])
        strata = resampling.strata_of(of.subjects, of.event)
        return self._record(value, resampling.jackknife(statistic, of.subjects, strata=strata), of)

    def share(self, of: Judged, hits: np.ndarray, units: np.ndarray) -> dict:
        """A share of cases, weighted where some are censored."""
        if of.time is None:
            rows = {
                case: (int(hit), int(unit)) for case, hit, unit in zip(of.case_ids, hits, units, strict=True)
            }
            return intervals.proportion(rows, of.subject_of)
        weighted = {
            case: (weight * hit, weight * unit)
            for case, weight, hit, unit in zip(of.case_ids, of.weight, hits, units, strict=True)
            if weight * unit > 0
        }
        return intervals.estimate(weighted, _ratio, of.subject_of, int((~of.known).sum()), intervals.SHARE)

    def called_share(self, of: Judged, threshold: float) -> dict:
        """Share of cases whose risk is at least a threshold, whatever happened to them."""
        hits = {case: (int(risk >= threshold), 1) for case, risk in zip(of.case_ids, of.risk, strict=True)}
        return intervals.proportion(hits, of.subject_of)

    def operating_point(self, threshold: float, of: Judged | None = None) -> dict:
        """What a threshold comes to."""
        of = of or self.of
        called = of.risk >= threshold
        found = {"threshold": threshold, "called": self.called_share(of, threshold)}
        for name in POINTS:
            hits, units = SHARES[name](of.positive, called)
            found[name] = self.share(of, hits & of.known, units & of.known)
        return found

    def calibration(self, risk: np.ndarray, base: float) -> dict:
        """How far risks are from what happens.

        Args:
            base: risk of every case by a model without features.
        """
        of = self.of
        by_error = {
            case: (weight * (risk_of - positive) ** 2, weight * (base - positive) ** 2)
            for case, weight, risk_of, positive in zip(of.case_ids, of.weight, risk, of.positive, strict=True)
        }
        n_cases = len(of.case_ids)
        brier = intervals.estimate(
            {case: (row[0], 1) for case, row in by_error.items()},
            _ratio,
            self.subject_of,
            rule=intervals.AMOUNT,
        )
        scaled = intervals.estimate(by_error, lambda sums: 1 - _ratio(sums), self.subject_of)
        found = {"brier": brier, "scaled_brier": scaled, **self._agreement(risk)}
        if of.time is None or of.horizon is None:
            smooth = probabilities.smooth_calibration(risk, of.positive)
        else:
            pseudo = survival_scores.pseudo_events(of.time, of.event, of.horizon)
            is_there = bool(np.isfinite(pseudo).all())
            smooth = probabilities.smooth_calibration_of(risk, pseudo) if is_there else None
        error = None if smooth is None else smooth.ici
        found |= {
            "expected_error": self._record(error, intervals.none(intervals.NOT_SHOWN)),
            "median_error": None if smooth is None else smooth.e50,
            "largest_error": None if smooth is None else smooth.e_max,
            "curve": [] if smooth is None else _curve(smooth),
        }
        if n_cases != len(risk):
            raise ValueError(f"{len(risk)} risks of {n_cases} cases")
        return found

    def _agreement(self, risk: np.ndarray) -> dict:
        """Observed over predicted, in the large, slope, and cases of similar risk."""
        of = self.of
        if of.time is None or of.horizon is None:
            found = probabilities.recalibration(
                probabilities.logits(np.clip(risk, measures.SMALLEST, 1 - measures.SMALLEST)), of.positive
            )
            rows = {
                case: (float(positive), float(one))
                for case, positive, one in zip(of.case_ids, of.positive, risk, strict=True)
            }
            return {
                "ratio": intervals.estimate(rows, _ratio, self.subject_of, rule=RATIO),
                "in_the_large": self._with_error(found.in_the_large, found.in_the_large_error),
                "slope": self._with_error(found.line.slope, found.line.slope_error),
                "reliability": [
                    _bin(row.n, row.mean, row.share, row.interval)
                    for row in probabilities.reliability(risk, of.positive, self.settings.bins)
                ],
            }
        at = survival_scores.at_horizon(1 - risk, of.time, of.event, of.horizon, self.settings.bins)
        return {
            "ratio": self._record(at.ratio, at.ratio_interval),
            "in_the_large": self._in_the_large(risk, at),
            "slope": self._with_error(at.slope, at.slope_error),
            "reliability": [_bin(row.n, row.predicted, row.observed, row.interval) for row in at.rows],
        }

    def _in_the_large(self, risk: np.ndarray, at: survival_scores.AtHorizon) -> dict:
        """The shift of link values that gives the share which Kaplan-Meier shows, and those of its ends."""
        if at.observed is None or at.predicted is None or not 0 < at.observed < 1:
            return self._record(None, intervals.none(intervals.UNDEFINED))
        values = model.linked(risk, "survival")
        interval = at.ratio_interval
        if interval.low is not None and interval.high is not None:
            ends = (interval.low * at.predicted, interval.high * at.predicted)
            if all(0 < end < 1 for end in ends):
                low, high = (decisions.shift(values, end) for end in ends)
                interval = intervals.Interval(low, high)
        return self._record(decisions.shift(values, at.observed), interval)

    def _with_error(self, value: float | None, error: float | None) -> dict:
        """A number with the interval of its standard error; none where subjects have several cases."""
        if value is None or error is None:
            return self._record(None, intervals.none(intervals.UNDEFINED))
        if self.n_subjects < len(self.cases):
            return self._record(value, intervals.none(intervals.NOT_SHOWN))
        return self._record(value, intervals.Interval(value - NORMAL * error, value + NORMAL * error))

    def decision_curve(self) -> list[dict]:
        """Net benefit at thresholds from .05 to .95."""
        of = self.of
        if of.time is None or of.horizon is None:
            points = decision_curves.curve(of.risk, of.positive, THRESHOLDS, self._plan(of))
        else:
            points = decision_curves.curve_by(
                of.risk, of.time, of.event, of.horizon, THRESHOLDS, self._plan(of)
            )
        return [
            {
                "threshold": point.threshold,
                "model": point.model,
                "treat_all": point.treat_all,
                "over_all_low": point.gain_over_all.interval.low,
                "over_all_high": point.gain_over_all.interval.high,
                "over_none_low": point.gain_over_none.interval.low,
                "over_none_high": point.gain_over_none.interval.high,
            }
            for point in points
        ]

    def comparison(self, released: str) -> dict[str, dict]:
        """Each other model against the released one, both before calibration."""
        return {
            name: self._compared(self.of.by_model[released], risk)
            for name, risk in self.of.by_model.items()
            if name != released
        }

    def _compared(self, first: np.ndarray, second: np.ndarray) -> dict:
        of = self.of
        if of.time is None:
            pair = discrimination.delong_paired(first, second, of.positive, of.subjects)
            gap = self._record(pair.difference, pair.interval)
        else:
            both = concordance.gap(first, second, of.time, of.event, self._plan(of)).gap
            gap = self._record(both.value, both.interval)
        errors = {
            case: (weight * (risk - positive) ** 2, 1)
            for case, weight, risk, positive in zip(of.case_ids, of.weight, second, of.positive, strict=True)
        }
        return {
            "concordance": self.concordance(of, second),
            "gap": gap,
            "brier": intervals.estimate(errors, _ratio, self.subject_of, rule=intervals.AMOUNT),
        }

    def subgroups(self, groups: Mapping[str, Mapping[str, str]]) -> dict[str, dict]:
        """Attribute -> group -> row of subgroups.compare, of the square of outcome minus risk."""
        of = self.of
        values: dict[str, float | None] = {
            case: float((risk - positive) ** 2) if known else None
            for case, risk, positive, known in zip(of.case_ids, of.risk, of.positive, of.known, strict=True)
        }
        rows_of: dict[str, dict] = defaultdict(dict)
        given = {name: dict(group_of) for name, group_of in groups.items()}
        for row in subgroups.compare(values, given, self.subject_of, self.settings.subgroup_subjects_min):
            rows_of[row["attribute"]][row["group"]] = {
                key: value for key, value in row.items() if key not in ("attribute", "group")
            }
        return dict(rows_of)

    def fairness(self, group_of: Mapping[str, str], threshold: float) -> dict:
        """What groups of an attribute come to, and how far they are apart."""
        of = self.of
        mask_of = {
            group: np.array([group_of.get(case) == group for case in of.case_ids])
            for group in sorted(set(group_of.values()))
        }
        mask_of = {group: mask for group, mask in mask_of.items() if mask.any()}
        n_min = self.settings.subgroup_subjects_min
        compared = [group for group, mask in mask_of.items() if len(set(of.subjects[mask])) >= n_min]
        return {
            "groups": {group: self._group(of.chosen(mask), threshold) for group, mask in mask_of.items()},
            "compared": compared,
            **self._apart([mask_of[group] for group in compared], threshold),
        }

    def _group(self, of: Judged, threshold: float) -> dict:
        point = self.operating_point(threshold, of)
        rows = {
            case: (weight * positive, float(risk))
            for case, weight, positive, risk in zip(of.case_ids, of.weight, of.positive, of.risk, strict=True)
        }
        return {
            "n_cases": len(of.case_ids),
            "n_events": int(of.positive.sum()),
            "concordance": self.concordance(of, of.risk),
            **{name: point[name] for name in ("called", "sensitivity", "specificity")},
            "ratio": intervals.estimate(rows, _ratio, of.subject_of, rule=RATIO),
        }

    def _apart(self, masks: Sequence[np.ndarray], threshold: float) -> dict:
        """Largest minus smallest over groups, with bootstrap intervals."""
        of = self.of
        called = of.risk >= threshold
        parts = [of.chosen(mask) for mask in masks]
        ranked = [concordance_of(part, part.risk) for part in parts]

        def over(counts, hits: np.ndarray, units: np.ndarray) -> np.ndarray:
            """A share in each group, (groups, …)."""
            shares = []
            for mask in masks:
                with np.errstate(invalid="ignore", divide="ignore"):
                    shares.append(hits[mask] @ counts[mask] / (units[mask] @ counts[mask]))
            return np.array(shares)

        known = of.weight * of.known
        statistics: dict[str, Callable] = {
            "demographic_parity": lambda counts: _range(over(counts, called * 1.0, np.ones(len(called)))),
            "equal_opportunity": lambda counts: _range(
                over(counts, known * of.positive * called, known * of.positive)
            ),
            "calibration": lambda counts: _range(
                np.log(_above_zero(over(counts, of.weight * of.positive, of.risk)))
            ),
            "concordance": lambda counts: _range(
                np.array([one(counts[mask]) for one, mask in zip(ranked, masks, strict=True)])
            ),
        }

        def odds(counts):
            false_alarms = over(counts, known * ~of.positive * called, known * ~of.positive)
            return np.maximum(statistics["equal_opportunity"](counts), _range(false_alarms))

        statistics["equalised_odds"] = odds
        return {name: self._drawn(statistic, masks) for name, statistic in statistics.items()}

    def _drawn(self, statistic: Callable, masks: Sequence[np.ndarray]) -> dict:
        inside = np.any(masks, 0) if len(masks) else np.zeros(len(self.of.case_ids), bool)
        of = self.of.chosen(inside)
        if len(masks) < 2:
            return self._record(None, intervals.none(intervals.UNDEFINED), of)
        found = resampling.bootstrap(statistic, self._plan(self.of))
        return self._record(found.value, found.interval, of)

    def worst_cases(self) -> list[dict]:
        """Whose risk was furthest from what happened."""
        rows = [(case["case_id"], case["labels"][self.name]) for case in self.cases]
        ranked = sorted(rows, key=lambda row: (-row[1]["brier"], row[0]))
        return [
            {"case_id": case_id, "brier": row["brier"], "probability": row["probability"]}
            for case_id, row in ranked[:WORST]
        ]


def _rows(of: Judged) -> Rows:
    empty = np.zeros((len(of.case_ids), 0), np.float32)
    return Rows(of.case_ids, of.subjects, empty, of.event, of.time)


def _ratio(sums: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[0] / sums[1]


def _range(values: np.ndarray) -> np.ndarray:
    """Largest minus smallest over the first axis; NaN where any is."""
    return values.max(0) - values.min(0)


def _above_zero(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)


def _bin(n: int, mean: float, share: float | None, interval: intervals.Interval) -> dict:
    return {
        "n": n,
        "mean_probability": mean,
        "share_positive": share,
        "ci95_low": interval.low,
        "ci95_high": interval.high,
    }


def _curve(smooth: probabilities.Smooth) -> list[dict]:
    places = np.unique(np.linspace(0, len(smooth.p) - 1, CURVE_POINTS).round().astype(int))
    return [{"risk": float(smooth.p[place]), "observed": float(smooth.observed[place])} for place in places]


def groups_of(cases: Sequence[Case]) -> dict[str, dict[str, str]]:
    """Attribute -> case -> group, of what cases.csv has beside features."""
    names = sorted({name for case in cases for name in case.attributes})
    return {
        name: {case.case_id: case.attributes[name] for case in cases if name in case.attributes}
        for name in names
    }


def characteristics(
    parts: Mapping[str, Sequence[Case]], outcome: Outcome, features: Sequence[Feature]
) -> dict[str, Any]:
    """What the parts of the split are like: the parts 'characteristics' and 'outcomes' of the record."""
    described: dict[str, dict] = {}
    outcomes: dict[str, dict] = {}
    for part, cases in parts.items():
        if not cases:
            continue
        rows = table.rows_of(cases, outcome, features)
        described[part] = {
            one.name: _characteristic(one, rows.x[:, place]) for place, one in enumerate(features)
        }
        outcomes[part] = {
            "n_cases": len(rows),
            "n_events": int(rows.positive.sum()),
            "median_follow_up": None
            if rows.time is None
            else survival.kaplan_meier(rows.time, ~rows.positive).quantile()[0],
        }
    return {"characteristics": described, "outcomes": outcomes}


def _characteristic(feature: Feature, values: np.ndarray) -> dict:
    known = values[~np.isnan(values)].astype(float)
    found: dict[str, Any] = {
        "n_cases": len(values),
        "n_missing": len(values) - len(known),
        "median": None,
        "quarter": None,
        "three_quarters": None,
        "shares": {},
    }
    if not len(known):
        return found
    if feature.kind == "category":
        counts = np.bincount(known.astype(int), minlength=len(feature.categories)) / len(known)
        return found | {"shares": dict(zip(feature.categories, map(float, counts), strict=True))}
    names = ("quarter", "median", "three_quarters")
    return found | dict(zip(names, map(float, np.quantile(known, (0.25, 0.5, 0.75))), strict=True))


def headline(metrics: Metrics) -> dict[str, Any]:
    """The few numbers that `dvc metrics diff` shows."""
    return {
        "run_id": metrics.run_id,
        "n_cases": metrics.n_cases,
        "n_subjects": metrics.n_subjects,
        "concordance": {name: row.concordance.value for name, row in metrics.discrimination.items()},
        "auroc": {name: row.auroc.value for name, row in metrics.discrimination.items()},
        "sensitivity": {name: row.sensitivity.value for name, row in metrics.operating_points.items()},
        "specificity": {name: row.specificity.value for name, row in metrics.operating_points.items()},
        "calibration_slope": {name: row.after.slope.value for name, row in metrics.calibration.items()},
        "calibration_ratio": {name: row.after.ratio.value for name, row in metrics.calibration.items()},
        **{
            name: {
                label: {
                    "mean": row.mean,
                    "ci95_low": row.ci95_low,
                    "ci95_high": row.ci95_high,
                    "n_undefined": row.n_undefined,
                }
                for label, row in metrics.of_measure[name].items()
            }
            for name, one in metrics.table().items()
            if one.headline
        },
    }
