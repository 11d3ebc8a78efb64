"""Results: from what was found in each case to the record 'metrics'.

Every number has its n and its interval over subjects.
"""

from collections import defaultdict
from typing import cast

import numpy as np

from radiotrace.records.headline import (
    BeforeAndAfter,
    Brief,
    BriefCalibration,
    BriefUncertainty,
    Headline,
)
from radiotrace.records.metrics import Calibration, Metrics
from radiotrace.records.typed import picked
from radiotrace.segmentation import detection, measures, overlap, ranking
from radiotrace.segmentation.measures import Pair
from radiotrace.statistics import agreement, calibration, intervals, subgroups, uncertainty
from radiotrace.statistics.measure import Measure
from radiotrace.statistics.uncertainty import Threshold

MACRO = ranking.MACRO
UNDEFINED, SCORE = "undefined", "score"  # what a case without a label is; see compare


def compare(
    reference_zyx: np.ndarray,
    prediction_zyx: np.ndarray,
    labels: dict[str, str],
    spacing_zyx,
    tolerance_mm: float,
    overlap_min: float,
    empty_reference: str = UNDEFINED,
) -> dict[str, dict]:
    """Everything that is measured of each label but the background, by name.

    Args:
        reference_zyx, prediction_zyx: integer label maps of one shape.
        labels: value -> name.
        spacing_zyx: edges of a voxel, in mm.
        tolerance_mm: as surfaces.compare takes it.
        overlap_min: as detection.objects takes it.
        empty_reference: what a case without the label is. UNDEFINED: an exception, in which overlap is
            undefined where nothing is predicted either. SCORE: a case like any other, in which overlap is 1
            where nothing is predicted, else 0.

    Returns:
        Name -> the measures of the table, both volumes, the reference's components, and objects; None where
        undefined.
    """
    rows = {}
    for value, name in labels.items():
        if value != "0":
            masks = reference_zyx == int(value), prediction_zyx == int(value)
            pair = Pair(*masks, spacing_zyx, tolerance_mm)
            rightly_empty = empty_reference == SCORE and pair.is_empty
            # as keywords: a measure of the name of a fact is an error
            rows[name] = dict(**_facts(pair, overlap_min), **_measured(pair, rightly_empty))
    return rows


def _facts(pair: Pair, overlap_min: float) -> dict:
    """What a row says of the masks that is no measure."""
    objects = detection.objects(pair.reference, pair.prediction, overlap_min)
    return {
        "reference_mm3": pair.reference_mm3,
        "prediction_mm3": pair.prediction_mm3,
        "reference_components": overlap.components(pair.reference),
        "objects_found": objects.found,
        "objects_false_positive": objects.false_positive,
    }


def _measured(pair: Pair, rightly_empty: bool) -> dict[str, float | int | None]:
    """Every measure of the table."""
    return {
        measure.name: 1.0 if rightly_empty and measure.one_where_rightly_empty else measure.of(pair)
        for measure in measures.TABLE
    }


class Summary:
    """Summaries of the rows of one part, which share cases and subjects.

    Args:
        cases: entries of the record 'cases'.
        empty_reference: as compare took it.
    """

    def __init__(self, cases: list[dict], empty_reference: str = UNDEFINED):
        self.cases, self.empty_reference = cases, empty_reference
        self.names = list(cases[0]["labels"])
        self.subject_of = {case["case_id"]: case["subject_id"] for case in cases}

    def _estimate(
        self, rows: dict, statistic, n_undefined: int = 0, rule=intervals.MEAN, stratum_of=None
    ) -> dict:
        return intervals.estimate(rows, statistic, self.subject_of, n_undefined, rule, stratum_of)

    def measures(self) -> dict[str, dict]:
        """Measure -> label, and the mean of a case's labels -> statistics.summary, and n_not_applicable.

        A measure applies to a label of a case unless the study's cases need not have it, this case has not,
        and the measure says nothing without it. In the mean of labels a case is undefined where any label
        that the measure applies to is.
        """
        return {measure.name: self._of_labels(measure) for measure in measures.TABLE}

    def _of_labels(self, measure: Measure) -> dict[str, dict]:
        summaries = {name: self._measure(measure, [name]) for name in self.names}
        return {**summaries, MACRO: self._measure(measure, self.names)}

    def _measure(self, measure: Measure, names: list[str]) -> dict:
        values = {}
        for case in self.cases:
            rows = [case["labels"][name] for name in names]
            applying = [row[measure.name] for row in rows if self._applies(row, measure)]
            if applying:
                values[case["case_id"]] = ranking.mean_of_all(applying)
        return {
            **intervals.summary(values, self.subject_of, measure.rule),
            "n_not_applicable": len(self.cases) - len(values),
        }

    def _applies(self, row: dict, measure: Measure) -> bool:
        says_nothing = row["reference_mm3"] == 0 and row[measure.name] is None
        return not (self.empty_reference == SCORE and says_nothing)

    def volume_agreement(self) -> dict[str, dict]:
        """Label -> Bland-Altman of the volumes in mm³, the slope of its differences and Lin's concordance
        with their intervals."""
        agreement_of = {}
        for name in self.names:
            pairs = {
                case["case_id"]: (
                    case["labels"][name]["reference_mm3"],
                    case["labels"][name]["prediction_mm3"],
                )
                for case in self.cases
            }
            limits = agreement.bland_altman(*np.array(list(pairs.values())).T)
            # squares of large volumes that hardly differ would cancel
            centre = float(np.mean(list(pairs.values())))
            sums = {case: agreement.moments(*np.array([pair]).T - centre) for case, pair in pairs.items()}
            slopes = {
                case: agreement.slope_sums(*np.array([pair]).T, origin=centre) for case, pair in pairs.items()
            }
            agreement_of[name] = {
                "bland_altman_mm3": limits,
                "slope": self._estimate(slopes, agreement.slope),
                "concordance": self._estimate(sums, agreement.concordance, rule=intervals.CORRELATION),
            }
        return agreement_of

    def detection(self) -> dict[str, dict]:
        """Label -> how many objects there are, were found and were made up, and how many cases have it, with
        intervals.

        Of objects: sensitivity and false positives a case. Of cases: case_sensitivity, the share of those
        with the label in which any of it is predicted where it is (an object is found); case_specificity, the
        share of those without it in which none is predicted.
        """
        detection_of = {}
        for name in self.names:
            rows = {case["case_id"]: case["labels"][name] for case in self.cases}
            with_label = {case_id: row for case_id, row in rows.items() if row["reference_components"]}
            without = {case_id: row for case_id, row in rows.items() if not row["reference_components"]}
            detection_of[name] = {
                "n_objects": sum(row["reference_components"] for row in rows.values()),
                "n_found": sum(row["objects_found"] for row in rows.values()),
                "n_false_positive": sum(row["objects_false_positive"] for row in rows.values()),
                "n_cases_with": len(with_label),
                "n_cases_without": len(without),
                "sensitivity": self._share(
                    {key: (row["objects_found"], row["reference_components"]) for key, row in rows.items()}
                ),
                "false_positives_per_case": self._estimate(
                    {key: (row["objects_false_positive"], 1) for key, row in rows.items()},
                    lambda total: total[0] / total[1],
                    rule=intervals.COUNT,
                ),
                "case_sensitivity": self._share(
                    {key: (row["objects_found"] > 0, 1) for key, row in with_label.items()}
                ),
                "case_specificity": self._share(
                    {key: (row["prediction_components"] == 0, 1) for key, row in without.items()}
                ),
            }
        return detection_of

    def _share(self, hits: dict[str, tuple]) -> dict:
        """Share of what is hit, of case -> (hits, of), with its interval over subjects."""
        return intervals.proportion(hits, self.subject_of)

    def calibration(
        self,
        tallies: dict[str, calibration.Tally],
        inside: dict[str, calibration.Tally],
        labels: dict[str, str],
    ) -> dict:
        """Errors of calibration, and the bins of the reliability diagram.

        Args:
            tallies: case -> sums over the voxels that count, those around the organ among them.
            inside: case -> sums over the voxels of a label alone, by reference or prediction.
            labels: value -> name, with the background.

        Returns:
            n_voxels, n_voxels_inside; expected_error of the label that wins, pooled over all voxels that
            count, most of which are sure background; expected_error_of_case, the mean over cases of that of
            one case, in which cases cannot make up for each other; expected_error_inside, pooled over the
            voxels inside; expected_error_of_label, of each against the others; brier and
            negative_log_likelihood_nats of a voxel, by mean; reliability: bins of the winning label.
        """
        total = _added(tallies)

        def error(tallies_by_case, row):
            rows = {
                case: np.concatenate([tally.voxels[row], tally.confidence[row] - tally.hits[row]])
                for case, tally in tallies_by_case.items()
            }
            # No interval: |Σ| of what is 0 in truth is above 0 in every sample, so that none covers.
            return self._estimate(
                rows,
                lambda sums: _ratio(np.abs(sums[len(sums) // 2 :]).sum(0), sums[: len(sums) // 2].sum(0)),
                rule=intervals.UNCOVERED,
            )

        def mean(name):
            rows = {case: (getattr(tally, name), tally.voxels[0].sum()) for case, tally in tallies.items()}
            return self._estimate(rows, lambda sums: _ratio(sums[0], sums[1]), rule=intervals.AMOUNT)

        of_case = {
            case: (calibration.expected_error(case_tally)[0], 1)
            for case, case_tally in tallies.items()
            if case_tally.voxels[0].any()
        }
        bins = total.voxels.shape[1]
        return {
            "n_voxels": int(total.voxels[0].sum()),
            "n_voxels_inside": int(_added(inside).voxels[0].sum()),
            "expected_error": error(tallies, 0),
            "expected_error_inside": error(inside, 0),
            "expected_error_of_case": self._estimate(
                of_case, lambda sums: _ratio(sums[0], sums[1]), len(tallies) - len(of_case), intervals.AMOUNT
            ),
            "expected_error_of_label": {
                name: error(tallies, 1 + int(value)) for value, name in labels.items()
            },
            "brier": mean("brier"),
            "negative_log_likelihood_nats": mean("nll"),
            "reliability": [
                {
                    "from": index / bins,
                    "to": (index + 1) / bins,
                    "n_voxels": int(voxels),
                    "mean_probability": confidence / voxels if voxels else None,
                    "share_right": hits / voxels if voxels else None,
                }
                for index, (voxels, confidence, hits) in enumerate(
                    zip(*(sums[0] for sums in total.sums()[:3]), strict=True)
                )
            ],
        }

    def uncertainties(self, decisions: dict, poor_below: float) -> dict[str, dict]:
        """Kind of uncertainty -> `uncertainty`, for each on which something was decided.

        Args:
            decisions: flag_above and flag_rule of each kind, as evaluate decides them on the validation part.
        """
        return {
            kind: self.uncertainty(kind, poor_below, _threshold(limit, decisions["flag_rule"][kind]))
            for kind, limit in decisions["flag_above"].items()
        }

    def uncertainty(self, kind: str, poor_below: float, limit: Threshold | None) -> dict:
        """Whether a score finds the bad cases.

        Args:
            kind: of the scores in the cases' entry "uncertainty".
            poor_below: mean Dice of labels below which a case is poor.
            limit: where a subject goes to an expert; None where no part was there to set it.

        Returns:
            aurc, with aurc_best of scores that know the Dice and aurc_random of scores that know nothing;
            spearman, with the Dice; auroc, of poor cases: each with its interval; the risk-coverage curve, of
            risk 1 - Dice; score, entropy_nats and mutual_information_nats, means over cases, the last None
            where one prediction is all there is; and flagging. Cases without a Dice are counted and left out.
        """
        known = [case for case in self.cases if ranking.macro(case, "dice") is not None]
        scores, dice = (
            np.array([case["uncertainty"][kind]["score"] for case in known]),
            np.array([ranking.macro(case, "dice") for case in known]),
        )
        risks, poor = 1 - dice, dice < poor_below
        units = {case["case_id"]: unit for case, unit in zip(known, np.eye(len(known)), strict=True)}
        with_poor = {case["subject_id"] for case, is_poor in zip(known, poor, strict=True) if is_poor}
        strata = {subject: subject in with_poor for subject in self.subject_of.values()}
        risk = intervals.Rule(intervals.LOG, highest=1)

        def number(statistic, rule, stratum_of=None):
            return self._estimate(
                units, intervals.of_rows(statistic), len(self.cases) - len(known), rule, stratum_of
            )

        return {
            "aurc": number(lambda rows: uncertainty.aurc(scores[rows], risks[rows]), risk),
            "aurc_best": number(lambda rows: uncertainty.aurc(risks[rows], risks[rows]), risk),
            "aurc_random": number(lambda rows: risks[rows].mean() if len(rows) else np.nan, intervals.SHARE),
            "spearman": number(
                lambda rows: uncertainty.spearman(scores[rows], dice[rows]), intervals.RANK_CORRELATION
            ),
            "auroc": number(lambda rows: uncertainty.auroc(scores[rows], poor[rows]), intervals.AREA, strata),
            "score": self._mean_score(kind, "score", intervals.SHARE),
            "entropy_nats": self._mean_score(kind, "entropy", intervals.AMOUNT),
            "mutual_information_nats": self._mean_score(kind, "mutual_information", intervals.AMOUNT),
            "poor_below_dice": poor_below,
            "n_poor": int(poor.sum()),
            "risk_coverage": uncertainty.risk_coverage(scores, risks).tolist(),
            "flag_above": None if limit is None else limit.above,
            "flagging": None if limit is None else self._flagging(known, kind, limit, poor_below),
        }

    def _mean_score(self, kind: str, name: str, rule: intervals.Rule) -> dict | None:
        """Mean over cases of a number of their uncertainty; None where they have none."""
        values = {case["case_id"]: case["uncertainty"][kind][name] for case in self.cases}
        if None in values.values():
            return None
        return self._estimate(
            {case: (value, 1) for case, value in values.items()},
            lambda sums: _ratio(sums[0], sums[1]),
            rule=rule,
        )

    def _flagging(self, known: list[dict], kind: str, limit: Threshold, poor_below: float) -> dict:
        """uncertainty.flagging of the cases with a Dice, with shares by case and by subject, and how the
        shares compare with the aim.

        Returns:
            also flagged_share, of all cases, and caught_share, of the poor ones, with intervals;
            flagged_subjects of n_subjects, those with a flagged case; surprise, as uncertainty.surprise gives
            it of them.
        """
        scores, dice = (
            np.array([case["uncertainty"][kind]["score"] for case in known]),
            np.array([ranking.macro(case, "dice") for case in known]),
        )
        above = cast(float, limit.above)  # _threshold makes none without it
        flagged_of = {case["case_id"]: case["uncertainty"][kind]["score"] > above for case in self.cases}
        poor_ids = {
            case["case_id"] for case, case_dice in zip(known, dice, strict=True) if case_dice < poor_below
        }
        subjects = {self.subject_of[case] for case, flagged in flagged_of.items() if flagged}
        n_subjects = len(set(self.subject_of.values()))
        return {
            **uncertainty.flagging(scores, dice, above, poor_below),
            "flagged": sum(flagged_of.values()),
            "flagged_share": self._share({case: (flagged, 1) for case, flagged in flagged_of.items()}),
            "caught_share": self._share({case: (flagged_of[case], 1) for case in poor_ids}),
            "flagged_subjects": len(subjects),
            "n_subjects": n_subjects,
            "surprise": uncertainty.surprise(len(subjects), n_subjects, limit),
        }

    def subgroups(self, groups: dict[str, dict[str, str]], n_min: int) -> dict[str, dict]:
        """Attribute -> group -> row of subgroups.compare, of the mean Dice of labels."""
        rows_of = defaultdict(dict)
        values = {case["case_id"]: ranking.macro(case, "dice") for case in self.cases}
        for row in subgroups.compare(values, groups, self.subject_of, n_min):
            rows_of[row["attribute"]][row["group"]] = {
                key: value for key, value in row.items() if key not in ("attribute", "group")
            }
        return dict(rows_of)


def headline(metrics: Metrics) -> Headline:
    """The few numbers that `dvc metrics diff` shows."""
    agreement_of, after = metrics.volume_agreement, metrics.calibration.after
    return Headline(
        run_id=metrics.run_id,
        n_cases=metrics.n_cases,
        n_subjects=metrics.n_subjects,
        volume_concordance={name: row.concordance.value for name, row in agreement_of.items()},
        calibration=BeforeAndAfter(
            _brief_calibration(metrics.calibration.before),
            None if after is None else _brief_calibration(after),
        ),
        uncertainty={
            kind: BriefUncertainty(row.aurc.value, row.spearman.value, row.auroc.value)
            for kind, row in metrics.uncertainty.items()
        },
        subgroup_gap_dice={
            attribute: {group: row.gap for group, row in rows.items()}
            for attribute, rows in metrics.subgroups.items()
        },
        volume_slope={name: row.slope.value for name, row in agreement_of.items()},
        measures={
            name: {label: picked(Brief, row) for label, row in metrics.of_measure[name].items()}
            for name, measure in metrics.table().items()
            if measure.headline
        },
    )


def _brief_calibration(full: Calibration) -> BriefCalibration:
    return BriefCalibration(
        expected_error=full.expected_error.value,
        brier=full.brier.value,
        negative_log_likelihood_nats=full.negative_log_likelihood_nats.value,
        expected_error_of_case=full.expected_error_of_case.value,
        expected_error_inside=full.expected_error_inside.value,
    )


def _threshold(above: float | None, rule: dict) -> Threshold | None:
    """A threshold as evaluate decided it; None where there were too few subjects for one."""
    return None if above is None else Threshold(above, **rule)


def _added(tallies: dict[str, calibration.Tally]) -> calibration.Tally:
    """The sums of all cases, one at least."""
    return sum(
        tallies.values(),
        calibration.Tally(*(np.zeros_like(sums) for sums in next(iter(tallies.values())).sums())),
    )


def _ratio(above, below):
    """above / below, NaN where nothing is below the line."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, above / np.where(below > 0, below, 1), np.nan)
