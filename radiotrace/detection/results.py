"""Results: all that the record of metrics says of test cases. Whoever has the boxes of the reference, those
of predictions, and what was decided on the validation part makes the same again."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from radiotrace.detection import calibrated, matching, measures, operating
from radiotrace.records.detection.boxes import Box
from radiotrace.records.detection.metrics import Decisions, Line, Metrics
from radiotrace.records.detection.prediction import Prediction
from radiotrace.records.sections.detection.evaluate import EvaluateParams
from radiotrace.statistics import detection_scores, intervals, probabilities, resampling, subgroups
from radiotrace.statistics.detection_scores import ALL, OVERLAPS, Image, Matches
from radiotrace.statistics.measure import Measure

MACRO = "mean_of_labels"
WORST = 12
SIZES = ("small", "medium", "large", "larger", "largest")
AP50, AP75 = 0, 5  # of OVERLAPS
KEYS = ("ap", "ap50", "ap75", "recall")  # rows of a label in resamples


def sizes(limits: Sequence[float]) -> dict[str, tuple[float, float]]:
    """Name -> area or volume from, to."""
    ends = [0.0, *sorted(limits), np.inf]
    return {SIZES[place]: (ends[place], ends[place + 1]) for place in range(len(ends) - 1)}


def decisions(
    images: Sequence[Image], names: Sequence[str], settings: EvaluateParams
) -> tuple[Decisions, list[str]]:
    """What is chosen on the validation part, and what is to be said of it."""
    points, lines, said = {}, {}, []
    for label, name in enumerate(names):
        points[name] = operating.chosen(images, label, settings.operating_point, settings.hit_overlap)
        if settings.calibration == "platt":
            matches = detection_scores.matched(images, label, np.array([settings.hit_overlap]))
            line = calibrated.fitted(matches.scores, matches.hit[0])
            if line is None:
                said.append(f"{name}: its scores cannot be calibrated on the validation part")
            else:
                lines[name] = line
    return Decisions("validation", len(images), lines, points), said


class Summary:
    """What the record of metrics says of cases.

    Args:
        cases: entries of the record 'cases', one at least.
        reference: boxes of each of these cases. predictions: of each.
        settings: of the stage evaluate.
    """

    def __init__(
        self,
        cases: Sequence[Mapping[str, Any]],
        reference: Sequence[Sequence[Box]],
        predictions: Sequence[Prediction],
        settings: EvaluateParams,
    ):
        self.cases, self.settings = cases, settings
        self.names = list(cases[0]["labels"])
        self.subject_of = {case["case_id"]: case["subject_id"] for case in cases}
        self.subjects = np.array([case["subject_id"] for case in cases])
        self.plan = resampling.Plan(self.subjects, settings.seed, settings.resamples)
        pairs = zip(reference, predictions, strict=True)
        self.images = [matching.image(boxes, prediction, self.names) for boxes, prediction in pairs]
        detection_scores.checked(self.images, len(self.names))

    def all(self, decided: Decisions, groups: dict[str, dict[str, str]]) -> dict[str, Any]:
        """The record 'metrics', but for where it comes from.

        Args:
            groups: attribute -> case -> group.
        """
        return {
            "n_cases": len(self.cases),
            "n_subjects": len(set(self.subject_of.values())),
            "decisions": decided.record(),
            **self.measures(),
            **self.precisions(),
            "froc": {name: self.froc(label) for label, name in enumerate(self.names)},
            "operating_points": {
                name: self.operating_point(name, decided.operating_points[name].score) for name in self.names
            },
            "calibration": {
                name: self.calibrations(label, decided.lines) for label, name in enumerate(self.names)
            },
            "subgroups": self.subgroups(groups),
            "worst_cases": self.worst_cases(),
        }

    def measures(self) -> dict[str, dict]:
        """Measure -> label, and the mean of a case's labels -> intervals.summary."""
        return {one.name: self._measure(one) for one in measures.TABLE}

    def _measure(self, one: Measure) -> dict[str, dict]:
        summaries = {}
        for key, names in {**{name: [name] for name in self.names}, MACRO: self.names}.items():
            values = {
                case["case_id"]: _mean([case["labels"][name][one.name] for name in names])
                for case in self.cases
            }
            summaries[key] = {
                **intervals.summary(values, self.subject_of, one.rule),
                "n_not_applicable": 0,
            }
        return summaries

    def _record(self, value: float | None, interval: intervals.Interval) -> dict[str, Any]:
        return {
            "n_cases": len(self.cases),
            "n_subjects": len(set(self.subject_of.values())),
            "n_undefined": 0,
            "value": value,
            **interval.record(),
        }

    def _drawn(self, value: float, values: np.ndarray) -> dict[str, Any]:
        """A number with the percentile interval of its resamples."""
        found = resampling.of_values(float(value), values, self.plan)
        return self._record(found.value, found.interval)

    def precisions(self) -> dict[str, dict]:
        """Average precision of each label, and its mean over those that have a box."""
        limits = sizes(self.settings.size_limits)
        by_label, absent, once, often = {}, {}, [], []
        for label, name in enumerate(self.names):
            matches = detection_scores.matched(self.images, label, OVERLAPS, ALL, self.settings.boxes_max)
            value = _rows(matches, np.ones((len(self.images), 1), int))[:, 0]
            values = resampling.resampled(lambda counts, of=matches: _rows(of, counts), self.plan)
            if matches.truth.sum():
                once.append(value)
                often.append(values)
            else:
                absent[name] = len(matches.scores)
            by_label[name] = {
                "n_true": int(matches.truth.sum()),
                "n_predicted": len(matches.scores),
                **{key: self._drawn(value[row], values[row]) for row, key in enumerate(KEYS)},
                "by_size": {size: self._of_size(label, name, ends) for size, ends in limits.items()},
            }
        mean = np.mean(once, 0) if once else np.full(len(KEYS), np.nan)
        means = np.mean(often, 0) if often else np.full((len(KEYS), self.settings.resamples), np.nan)
        of_all = {key: self._drawn(mean[row], means[row]) for row, key in enumerate(KEYS[:3])}
        return {"mean_average_precision": {**of_all, "absent": absent}, "average_precision": by_label}

    def _of_size(self, label: int, name: str, ends: tuple[float, float]) -> dict[str, Any]:
        matches = detection_scores.matched(self.images, label, OVERLAPS, ends, self.settings.boxes_max)
        precision = detection_scores.average_precisions(matches).mean()
        hits = {}
        for case, image in zip(self.cases, self.images, strict=True):
            row = case["labels"][name]
            of_size = [
                place + 1
                for place, (size, of) in enumerate(
                    zip(detection_scores.boxes.sizes(image.truth), image.truth_labels, strict=True)
                )
                if of == label and ends[0] <= size <= ends[1]
            ]
            found = sum(number not in row["missed"] for number in of_size)
            hits[case["case_id"]] = (found, len(of_size))
        return {
            "from_voxels": ends[0],
            "to_voxels": None if np.isinf(ends[1]) else ends[1],
            "n_true": sum(units for _, units in hits.values()),
            "n_found": sum(found for found, _ in hits.values()),
            "sensitivity": intervals.proportion(hits, self.subject_of),
            "ap": None if np.isnan(precision) else float(precision),
        }

    def froc(self, label: int) -> dict[str, Any]:
        """Sensitivity at each number of false positives an image."""
        points, overlap = self.settings.false_positives, self.settings.froc_overlap
        matches = detection_scores.matched(
            self.images, label, np.array([overlap]), ALL, self.settings.boxes_max
        )
        curve = detection_scores.froc(matches, {}, points)
        values = resampling.resampled(
            lambda counts: detection_scores.sensitivities(matches, points, counts), self.plan
        )
        value = detection_scores.sensitivities(matches, points)
        return {
            "overlap": overlap,
            "points": [
                {
                    "false_positives": point,
                    "sensitivity": self._drawn(value[row], values[row]),
                    "score": curve.threshold_at[point],
                }
                for row, point in enumerate(points)
            ],
            "mean_sensitivity": self._drawn(value.mean(), values.mean(0)),
        }

    def operating_point(self, name: str, score: float) -> dict[str, Any]:
        """What the score of the validation part comes to."""
        rows = {case["case_id"]: case["labels"][name] for case in self.cases}
        counts = {
            case_id: (row["found"], len(row["missed"]), len(row["invented"])) for case_id, row in rows.items()
        }
        found, missed, invented = (sum(column) for column in zip(*counts.values(), strict=True))
        return {
            "score": score,
            "found": found,
            "missed": missed,
            "invented": invented,
            "sensitivity": intervals.proportion(
                {case_id: (hit, hit + lost) for case_id, (hit, lost, _) in counts.items()}, self.subject_of
            ),
            "precision": intervals.proportion(
                {case_id: (hit, hit + false) for case_id, (hit, _, false) in counts.items()}, self.subject_of
            ),
            "f1": intervals.estimate(counts, _f1, self.subject_of, rule=intervals.SHARE),
            "false_positives": intervals.estimate(
                {case_id: (false, 1) for case_id, (_, _, false) in counts.items()},
                lambda sums: sums[0] / sums[1],
                self.subject_of,
                rule=intervals.COUNT,
            ),
        }

    def calibrations(self, label: int, lines: Mapping[str, Line]) -> dict[str, dict]:
        """How far scores are from the share of hits, before and after calibration."""
        overlap = np.array([self.settings.hit_overlap])
        matches = detection_scores.matched(self.images, label, overlap, ALL, self.settings.boxes_max)
        p = calibrated.probabilities_of(matches.scores, lines, self.names[label])
        return {"before": self._calibration(matches, matches.scores), "after": self._calibration(matches, p)}

    def _calibration(self, matches: Matches, p: np.ndarray) -> dict[str, Any]:
        hits, bins = matches.hit[0], self.settings.bins
        losses: dict[str, tuple[float, int]] = {}
        for place, case in enumerate(self.cases):
            own = matches.image == place
            losses[case["case_id"]] = (float(((p - hits) ** 2)[own].sum()), int(own.sum()))
        there = {case_id: row for case_id, row in losses.items() if row[1]}
        line = probabilities.recalibration(calibrated.odds(p), hits) if len(p) else None
        unclear = intervals.none(intervals.NOT_SHOWN)
        return {
            "n_boxes": len(p),
            "n_hits": int(hits.sum()),
            "brier": intervals.estimate(
                there, lambda sums: sums[0] / sums[1], self.subject_of, rule=intervals.AMOUNT
            ),
            "expected_error": self._record(probabilities.expected_error(p, hits, bins), unclear),
            # boxes of an image are alike, so that errors of independent ones would be too small
            "in_the_large": self._record(line.in_the_large if line else None, unclear),
            "slope": self._record(line.line.slope if line else None, unclear),
            "reliability": [
                {
                    "from": row.low,
                    "to": row.high,
                    "n": row.n,
                    "mean_probability": row.mean,
                    "share_hits": row.share,
                }
                for row in probabilities.reliability(p, hits, bins)
            ],
        }

    def subgroups(self, groups: dict[str, dict[str, str]]) -> dict[str, dict]:
        """Attribute -> group -> row of subgroups.compare, of the F1 of images."""
        rows_of: dict[str, dict] = defaultdict(dict)
        values = {case["case_id"]: _f1_of(case) for case in self.cases}
        n_min = self.settings.subgroup_subjects_min
        for row in subgroups.compare(values, groups, self.subject_of, n_min):
            rows_of[row["attribute"]][row["group"]] = {
                key: value for key, value in row.items() if key not in ("attribute", "group")
            }
        return dict(rows_of)

    def worst_cases(self) -> list[dict]:
        """Those with the smallest F1; undefined ones come last."""

        def rank(case: Mapping[str, Any]) -> tuple:
            value = _f1_of(case)
            return value is None, value or 0.0, case["case_id"]

        return [
            {
                "case_id": case["case_id"],
                "f1": _f1_of(case),
                "missed": sum(len(row["missed"]) for row in case["labels"].values()),
                "invented": sum(len(row["invented"]) for row in case["labels"].values()),
            }
            for case in sorted(self.cases, key=rank)[:WORST]
        ]


def _rows(matches: Matches, counts: np.ndarray) -> np.ndarray:
    """(KEYS, resamples) of a label."""
    precision = detection_scores.average_precisions(matches, counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = detection_scores.recalls(matches, counts).mean(0)
    return np.stack([precision.mean(0), precision[AP50], precision[AP75], recall])


def _f1(sums: np.ndarray) -> np.ndarray:
    total = 2 * sums[0] + sums[1] + sums[2]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, 2 * sums[0] / total, np.nan)


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _f1_of(case: Mapping[str, Any]) -> float | None:
    """Of an image, by mean over labels in which it is defined."""
    return _mean([row["f1"] for row in case["labels"].values()])


def headline(metrics: Metrics) -> dict[str, Any]:
    """The few numbers that `dvc metrics diff` shows."""
    mean = metrics.mean_average_precision
    return {
        "run_id": metrics.run_id,
        "n_cases": metrics.n_cases,
        "n_subjects": metrics.n_subjects,
        "map": mean.ap.value,
        "map50": mean.ap50.value,
        "ap50": {name: row.ap50.value for name, row in metrics.average_precision.items()},
        "froc": {name: row.mean_sensitivity.value for name, row in metrics.froc.items()},
        "precision": {name: row.precision.value for name, row in metrics.operating_points.items()},
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
