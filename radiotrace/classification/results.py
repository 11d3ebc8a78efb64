"""Results: the entries of cases, and all that the record of metrics says of them. Whoever has the record of
cases and what was decided on the validation part makes the same again."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

import numpy as np

from radiotrace.classification import measures
from radiotrace.classification.measures import Told
from radiotrace.records.classification.metrics import (
    ChosenPoint,
    Metrics,
)
from radiotrace.records.sections.classification.evaluate import EvaluateParams, OperatingSection
from radiotrace.statistics import (
    decision_curves,
    discrimination,
    intervals,
    operating_points,
    probabilities,
    resampling,
    subgroups,
    uncertainty,
)
from radiotrace.statistics.operating_points import Rule
from radiotrace.statistics.uncertainty import Threshold

MACRO = "mean_of_labels"
HALF = 0.5
WORST = 10
THRESHOLDS = np.round(np.arange(0.05, 0.96, 0.05), 2)  # of the decision curve
# of which operating_points.at makes no interval
DRAWN = {"f1": False, "balanced_accuracy": False, "matthews": True}
SHARES = ("sensitivity", "specificity", "ppv", "npv", "accuracy")


def rule_of(settings: OperatingSection) -> Rule:
    """How a threshold is chosen.

    Raises:
        ValueError: the rule lacks its number.
    """
    return Rule(
        settings.rule,
        np.nan if settings.least is None else settings.least,
        np.nan if settings.cost_ratio is None else settings.cost_ratio,
    )


def chosen(p: np.ndarray, positive: np.ndarray, rule: Rule) -> ChosenPoint:
    """The threshold of a label on the validation part; a half where it has none, or no finite one."""
    found = operating_points.choose(p, positive, rule)
    is_there = found.threshold is not None and np.isfinite(found.threshold)
    words = rule.words if is_there else f"{HALF:g}: {found.reason or 'the rule calls no case'}"
    return ChosenPoint(
        threshold=cast(float, found.threshold) if is_there else HALF,
        rule=words,
        sensitivity=found.sensitivity if is_there else None,
        specificity=found.specificity if is_there else None,
        n_positive=found.n_positive,
        n_negative=found.n_negative,
    )


def label_rows(
    p: np.ndarray,
    raw: np.ndarray,
    positive: Sequence[bool],
    thresholds: Sequence[float],
    names: Sequence[str],
) -> dict[str, dict]:
    """The part 'labels' of an entry of the record 'cases'.

    Args:
        p, raw: (names,), probabilities after and before calibration.
    """
    rows = {}
    for place, name in enumerate(names):
        one = Told(bool(positive[place]), bool(p[place] >= thresholds[place]), float(p[place]))
        rows[name] = {
            "positive": one.positive,
            "called": one.called,
            "probability": one.probability,
            "uncalibrated": float(raw[place]),
            **measures.row(one),
        }
    return rows


def is_right(case: Mapping[str, Any]) -> bool:
    """Whether exactly what a case has was told."""
    return set(case["reference"]) == set(case["told"])


def truth_probability(case: Mapping[str, Any]) -> float:
    """What the network thought of the truth, at worst over labels."""
    return min(
        row["probability"] if row["positive"] else 1 - row["probability"] for row in case["labels"].values()
    )


class Summary:
    """What the record of metrics says of cases.

    Args:
        cases: entries of the record 'cases', one at least.
        settings: of the stage evaluate.
    """

    def __init__(self, cases: list[dict], settings: EvaluateParams):
        self.cases, self.settings = cases, settings
        self.names = list(cases[0]["labels"])
        self.subject_of = {case["case_id"]: case["subject_id"] for case in cases}
        self.subjects = np.array([case["subject_id"] for case in cases])

    def column(self, name: str, key: str) -> np.ndarray:
        """A number of a label, of each case."""
        return np.array([case["labels"][name][key] for case in self.cases])

    def all(self, decided: Mapping[str, Any], groups: dict[str, dict[str, str]]) -> dict[str, Any]:
        """The record 'metrics', but for where it comes from.

        Args:
            decided: the part 'decisions'.
            groups: attribute -> case -> group.
        """
        points = {name: row["threshold"] for name, row in decided["operating_points"].items()}
        return {
            "n_cases": len(self.cases),
            "n_subjects": len(set(self.subject_of.values())),
            "decisions": decided,
            **self.measures(),
            "discrimination": {name: self.discrimination(name) for name in self.names},
            "operating_points": {name: self.operating_point(name, points[name]) for name in self.names},
            "at_half": {name: self.operating_point(name, HALF) for name in self.names},
            "confusion": self.confusion(),
            "calibration": {
                name: {
                    "before": self.calibration(name, "uncalibrated"),
                    "after": self.calibration(name, "probability"),
                }
                for name in self.names
            },
            "decision_curve": {name: self.decision_curve(name) for name in self.names},
            "uncertainty": self.uncertainties(decided),
            "subgroups": self.subgroups(groups),
            "worst_cases": self.worst_cases(),
        }

    def measures(self) -> dict[str, dict]:
        """Measure -> label, and the mean of a case's labels -> intervals.summary."""
        return {one.name: self._measure(one) for one in measures.TABLE}

    def _measure(self, one) -> dict[str, dict]:
        summaries = {}
        for key, names in {**{name: [name] for name in self.names}, MACRO: self.names}.items():
            values: dict[str, float | None] = {
                case["case_id"]: float(np.mean([case["labels"][name][one.name] for name in names]))
                for case in self.cases
            }
            summaries[key] = {
                **intervals.summary(values, self.subject_of, one.rule),
                "n_not_applicable": 0,
            }
        return summaries

    def _record(self, value: float | None, interval: intervals.Interval, n_undefined: int = 0) -> dict:
        return {
            "n_cases": len(self.cases) - n_undefined,
            "n_subjects": len(set(self.subject_of.values())),
            "n_undefined": n_undefined,
            "value": value,
            **interval.record(),
        }

    def _plan(self, positive: np.ndarray) -> resampling.Plan:
        return resampling.Plan(
            self.subjects,
            self.settings.seed,
            self.settings.resamples,
            resampling.strata_of(self.subjects, positive),
        )

    def _drawn(self, statistic, positive: np.ndarray) -> dict:
        """A number with a bootstrap interval by subject."""
        found = resampling.bootstrap(statistic, self._plan(positive))
        return self._record(found.value, found.interval)

    def discrimination(self, name: str) -> dict:
        """Areas under both curves."""
        return self._discrimination(self.column(name, "probability"), self.column(name, "positive"), True)

    def _discrimination(self, p: np.ndarray, positive: np.ndarray, with_precision: bool) -> dict:
        area = discrimination.delong(p, positive, self.subjects if len(p) == len(self.subjects) else None)
        found: dict[str, Any] = {"n_positive": area.n_positive, "n_negative": area.n_negative}
        if with_precision:
            found |= {
                "prevalence": area.n_positive / len(p),
                "auprc": self._drawn(
                    lambda counts: discrimination.average_precisions(p, positive, counts), positive
                ),
            }
        return found | {"auroc": self._record(area.value, area.interval)}

    def operating_point(self, name: str, threshold: float) -> dict:
        """What a threshold comes to."""
        p, positive = self.column(name, "probability"), self.column(name, "positive")
        point = operating_points.at(p, positive, threshold, self.subjects)
        found: dict[str, Any] = {"threshold": threshold}
        found |= {key: int(value) for key, value in asdict(point.confusion).items()}
        for key in SHARES:
            found[key] = self._record(point.measures[key].value, point.measures[key].interval)
        for key in DRAWN:
            found[key] = self._drawn(operating_points.values(key, p, positive, threshold), positive)
        return found

    def confusion(self) -> dict[str, dict[str, int]]:
        """What cases have -> what was told -> cases, where each has one class; else {}."""
        if any(len(case["reference"]) != 1 or len(case["told"]) != 1 for case in self.cases):
            return {}
        counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for case in self.cases:
            counts[case["reference"][0]][case["told"][0]] += 1
        named = sorted({*counts, *(name for row in counts.values() for name in row)})
        return {name: {other: counts[name][other] for other in named} for name in named}

    def calibration(self, name: str, key: str) -> dict:
        """How far probabilities of a label are from what happens."""
        p, positive = self.column(name, key).astype(float), self.column(name, "positive")
        inside = np.clip(p, measures.SMALLEST, 1 - measures.SMALLEST)
        line = probabilities.recalibration(probabilities.logits(inside), positive)
        smooth = probabilities.smooth_calibration(p, positive)
        bins = self.settings.bins
        return {
            "brier": self._mean((p - positive) ** 2),
            "log_loss_nats": self._mean(-np.log(np.where(positive, inside, 1 - inside))),
            "expected_error": self._record(
                probabilities.expected_error(p, positive, bins), intervals.none(intervals.NOT_SHOWN)
            ),
            "in_the_large": self._with_error(line.in_the_large, line.in_the_large_error),
            "slope": self._with_error(line.line.slope, line.line.slope_error),
            "mean_gap": None if smooth is None else smooth.ici,
            "reliability": [
                {
                    "from": row.low,
                    "to": row.high,
                    "n": row.n,
                    "mean_probability": row.mean,
                    "share_positive": row.share,
                    "ci95_low": row.interval.low,
                    "ci95_high": row.interval.high,
                }
                for row in probabilities.reliability(p, positive, bins)
            ],
        }

    def _mean(self, values: np.ndarray) -> dict:
        rows = {case["case_id"]: (float(value), 1) for case, value in zip(self.cases, values, strict=True)}
        return intervals.estimate(
            rows, lambda sums: sums[0] / sums[1], self.subject_of, rule=intervals.AMOUNT
        )

    def _with_error(self, value: float | None, error: float | None) -> dict:
        """A number with the interval of its standard error; none where subjects have several cases."""
        if value is None or error is None:
            return self._record(None, intervals.none(intervals.UNDEFINED))
        if len(set(self.subject_of.values())) < len(self.cases):
            return self._record(value, intervals.none(intervals.NOT_SHOWN))
        reach = 1.959963984540054 * error
        return self._record(value, intervals.Interval(value - reach, value + reach))

    def decision_curve(self, name: str) -> list[dict]:
        """Net benefit at thresholds from .05 to .95."""
        p, positive = self.column(name, "probability").astype(float), self.column(name, "positive")
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
            for point in decision_curves.curve(p, positive, THRESHOLDS, self._plan(positive))
        ]

    def uncertainties(self, decided: Mapping[str, Any]) -> dict[str, dict]:
        """Kind of uncertainty -> whether it finds what was told wrongly."""
        return {
            kind: self._uncertainty(kind, _threshold(above, decided["flag_rule"][kind]))
            for kind, above in decided["flag_above"].items()
        }

    def _uncertainty(self, kind: str, limit: Threshold | None) -> dict:
        scores = np.array([case["uncertainty"][kind]["score"] for case in self.cases])
        wrong = np.array([not is_right(case) for case in self.cases])
        area = discrimination.delong(scores, wrong, self.subjects)
        risks = wrong.astype(float)
        return {
            "auroc": self._record(area.value, area.interval),
            "aurc": self._record(float(uncertainty.aurc(scores, risks)), intervals.none(intervals.NOT_SHOWN)),
            "n_wrong": int(wrong.sum()),
            "risk_coverage": uncertainty.risk_coverage(scores, risks).tolist(),
            "flag_above": None if limit is None else limit.above,
            "flagging": None if limit is None else self._flagging(kind, limit),
        }

    def _flagging(self, kind: str, limit: Threshold) -> dict:
        above = cast(float, limit.above)  # _threshold makes none without it
        flagged_of = {case["case_id"]: case["uncertainty"][kind]["score"] > above for case in self.cases}
        wrong = {case["case_id"] for case in self.cases if not is_right(case)}
        kept = [case for case in self.cases if not flagged_of[case["case_id"]]]
        subjects = {self.subject_of[case] for case, flagged in flagged_of.items() if flagged}
        n_subjects = len(set(self.subject_of.values()))

        def share(hits: dict[str, tuple]) -> dict:
            return intervals.proportion(hits, self.subject_of)

        return {
            "flagged": sum(flagged_of.values()),
            "flagged_share": share({case: (flagged, 1) for case, flagged in flagged_of.items()}),
            "wrong": len(wrong),
            "caught": sum(flagged_of[case] for case in wrong),
            "caught_share": share({case: (flagged_of[case], 1) for case in sorted(wrong)}),
            "accuracy_kept": float(np.mean([is_right(case) for case in kept])) if kept else None,
            "flagged_subjects": len(subjects),
            "n_subjects": n_subjects,
            "surprise": uncertainty.surprise(len(subjects), n_subjects, limit),
        }

    def subgroups(self, groups: dict[str, dict[str, str]]) -> dict[str, dict]:
        """Attribute -> group -> row of subgroups.compare, of the share that is told rightly, and areas."""
        rows_of: dict[str, dict] = defaultdict(dict)
        values: dict[str, float | None] = {case["case_id"]: float(is_right(case)) for case in self.cases}
        n_min = self.settings.subgroup_subjects_min
        for row in subgroups.compare(values, groups, self.subject_of, n_min):
            of = groups[row["attribute"]]
            inside = np.array([of.get(case["case_id"]) == row["group"] for case in self.cases])
            rows_of[row["attribute"]][row["group"]] = {
                key: value for key, value in row.items() if key not in ("attribute", "group")
            } | {"areas": {name: self._area_inside(name, inside) for name in self.names}}
        return dict(rows_of)

    def _area_inside(self, name: str, inside: np.ndarray) -> dict:
        p, positive = self.column(name, "probability")[inside], self.column(name, "positive")[inside]
        subjects = self.subjects[inside]
        area = discrimination.delong(p, positive, subjects)
        return {
            "n_positive": area.n_positive,
            "n_negative": area.n_negative,
            "auroc": {
                "n_cases": len(p),
                "n_subjects": len(set(subjects)),
                "n_undefined": 0,
                "value": area.value,
                **area.interval.record(),
            },
        }

    def worst_cases(self) -> list[dict]:
        """Those of which the truth was thought least probable."""
        ranked = sorted(self.cases, key=lambda case: (truth_probability(case), case["case_id"]))
        return [
            {
                "case_id": case["case_id"],
                "accuracy": float(np.mean([row["accuracy"] for row in case["labels"].values()])),
                "truth_probability": truth_probability(case),
            }
            for case in ranked[:WORST]
        ]


def _threshold(above: float | None, rule: dict) -> Threshold | None:
    """A threshold as evaluate decided it; None where there were too few subjects for one."""
    return None if above is None else Threshold(above, **rule)


def headline(metrics: Metrics) -> dict[str, Any]:
    """The few numbers that `dvc metrics diff` shows."""
    return {
        "run_id": metrics.run_id,
        "n_cases": metrics.n_cases,
        "n_subjects": metrics.n_subjects,
        "auroc": {name: row.auroc.value for name, row in metrics.discrimination.items()},
        "auprc": {name: row.auprc.value for name, row in metrics.discrimination.items()},
        "sensitivity": {name: row.sensitivity.value for name, row in metrics.operating_points.items()},
        "specificity": {name: row.specificity.value for name, row in metrics.operating_points.items()},
        "calibration_slope": {name: row.after.slope.value for name, row in metrics.calibration.items()},
        "expected_error": {name: row.after.expected_error.value for name, row in metrics.calibration.items()},
        "uncertainty_auroc": {kind: row.auroc.value for kind, row in metrics.uncertainty.items()},
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
