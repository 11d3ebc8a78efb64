"""Comparison of two runs on the same cases, case by case: run B minus run A."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import stats

from radiotrace.errors import StageError
from radiotrace.records.comparison import Paired, Row
from radiotrace.records.measure_table import Better
from radiotrace.statistics import intervals

Verdict = Literal["non-inferior", "not shown"]
NEITHER = "of this metric more is neither better nor worse"
REFERENCE = "reference_mm3"
HOW = {
    "pairs": "Cases of both runs, B minus A, where both are defined. mean_of_labels: mean over the labels of "
    "a case, where both define all of "
    "them; its n_undefined_b_only counts cases in which any label is defined in A only.",
    "difference": "Mean over cases, with its 95 % interval over subjects: the wider of Student's and Hall's "
    "(1992), of which the latter mends "
    "skewness. None for fewer than 10 subjects, and none where all subjects differ alike, from "
    "which no spread can be told.",
    "median_difference": "Median of the subjects' mean differences, with its 95 % interval between order "
    "statistics (Hettmansperger and Sheather "
    "1986).",
    "wilcoxon_p": "Signed-rank test of the subjects' mean differences, two-sided; zeros are ranked and their "
    "ranks left out (Pratt 1959); exact up "
    "to 50 subjects without ties and zeros, and up to 13 with them, else by the normal "
    "approximation. Null where all differences "
    "are 0. Not adjusted for the number of labels.",
    "verdict": "non-inferior where the 95 % interval of the difference, whose lower bound is that of a "
    "one-sided 97.5 % interval, lies above "
    "-margin; where smaller is better, below +margin. 'not shown' where it does not, and where B "
    "leaves undefined what A defines. Null, "
    "with the reason in no_verdict, where a case is in one run only, without an interval, and for "
    "a metric of which more is neither "
    "better nor worse.",
}


@dataclass(frozen=True)
class Aim:
    """Whether more of a metric is better.

    Attributes:
        better: None where nothing says, or neither is.
        reason: which of both; stands where there is no verdict.
    """

    better: Better
    reason: str = NEITHER


def compare(a: dict, b: dict, metric: str, margin: float, aim: Aim) -> Paired:
    """Paired differences of a metric, for each label and for the mean of a case's labels.

    Args:
        a, b: records of schema 'cases', of which more may be in each row than is known here.
        metric: any number of a row that both have.
        margin: by how much B may be worse, in the metric's unit.
        aim: of the metric.

    Raises:
        StageError: the runs have no case or metric in common, or were not evaluated against the same
            references; every fault.

    Source: Hall 1992, J. R. Statist. Soc. B 54:221; Wilcoxon 1945, doi:10.2307/3001968; Pratt 1959,
    doi:10.1080/01621459.1959.10501526; non-inferiority: Piaggio et al. 2012, doi:10.1001/jama.2012.87802.
    """
    if broken := faults(a, b):
        raise StageError(
            "the runs cannot be compared", broken, "Compare runs on the same cases with the same label maps."
        )
    if metric not in (known := metrics(a, b)):
        raise StageError(f"no metric {metric!r} in both runs", [f"there are {', '.join(known) or 'none'}"])
    ours, theirs = _by_id(a), _by_id(b)
    both = sorted(ours.keys() & theirs.keys())
    subject_of = {case_id: ours[case_id]["subject_id"] for case_id in both}
    labels = list(ours[both[0]]["labels"])
    pairs = {
        name: {
            case_id: [(ours[case_id]["labels"][name][metric], theirs[case_id]["labels"][name][metric])]
            for case_id in both
        }
        for name in labels
    }
    pairs["mean_of_labels"] = {case_id: [pairs[name][case_id][0] for name in labels] for case_id in both}
    alone = [
        f"{len(more.keys() - less.keys())} cases are in run {run} only"
        for run, more, less in (("A", ours, theirs), ("B", theirs, ours))
        if more.keys() - less.keys()
    ]
    return Paired(
        metric=metric,
        better=aim.better,
        margin=float(margin),
        n_cases=len(both),
        n_subjects=len(set(subject_of.values())),
        only_a=tuple(sorted(ours.keys() - theirs.keys())),
        only_b=tuple(sorted(theirs.keys() - ours.keys())),
        rows={name: _row(values, subject_of, aim, margin, alone) for name, values in pairs.items()},
        how=HOW,
    )


def faults(a: dict, b: dict) -> list[str]:
    """Why two runs may not be compared; [] where they may."""
    faults = [
        f"run {name}: {case_id} stands twice" for name, run in (("A", a), ("B", b)) for case_id in _twice(run)
    ]
    for name, run in (("A", a), ("B", b)):
        faults += [f"run {name}: {fault}" for fault in _not_finite(run)]
    if a.get("part") != b.get("part"):
        faults.append(f"run A is of part {a.get('part')}, run B of part {b.get('part')}")
    ours, theirs = _by_id(a), _by_id(b)
    if not ours.keys() & theirs.keys():
        faults.append(f"no case in common: {len(ours)} in run A, {len(theirs)} in run B")
    both = sorted(ours.keys() & theirs.keys())
    for case_id in both:
        our_case, their_case, first = ours[case_id], theirs[case_id], ours[both[0]]
        if our_case["subject_id"] != their_case["subject_id"]:
            faults.append(
                f"{case_id}: subject {our_case['subject_id']} in run A, {their_case['subject_id']} in run B"
            )
        if our_case["labels"].keys() != their_case["labels"].keys():
            faults.append(
                f"{case_id}: labels {', '.join(our_case['labels'])} in run A, "
                f"{', '.join(their_case['labels'])} in run B"
            )
            continue
        if our_case["labels"].keys() != first["labels"].keys():
            here, there = (", ".join(case["labels"]) for case in (our_case, first))
            faults.append(f"{case_id}: labels {here} in both runs, but {there} in {both[0]}")
        for name, row in our_case["labels"].items():
            volumes_mm3 = [side.get(REFERENCE) for side in (row, their_case["labels"][name])]
            if None in volumes_mm3 or not np.isclose(*volumes_mm3, rtol=1e-6, atol=0):
                faults.append(
                    f"{case_id}: reference of {name} {volumes_mm3[0]} mm3 in run A, "
                    f"{volumes_mm3[1]} mm3 in run B"
                )
    return faults


def _not_finite(run: dict) -> list[str]:
    """Numbers that are NaN or infinite, which JSON does not know but Python reads."""
    return [
        f"{case['case_id']}: {metric} of {label} is {value}; what is undefined is null"
        for case in run["cases"]
        for label, row in case["labels"].items()
        for metric, value in row.items()
        if isinstance(value, float) and not np.isfinite(value)
    ]


def metrics(a: dict, b: dict) -> list[str]:
    """What every row of both runs has as a number or as undefined, but for the reference's volume."""
    rows = [row for run in (a, b) for case in run["cases"] for row in case["labels"].values()]
    named = set.intersection(
        *(
            {name for name, value in row.items() if value is None or type(value) in (int, float)}
            for row in rows
        )
    )
    return sorted(named - {REFERENCE})


def _by_id(run: dict) -> dict[str, dict]:
    return {case["case_id"]: case for case in run["cases"]}


def _twice(run: dict) -> list[str]:
    ids = [case["case_id"] for case in run["cases"]]
    return sorted({case_id for case_id in ids if ids.count(case_id) > 1})


def _row(pairs: dict[str, list[tuple]], subject_of: dict, aim: Aim, margin: float, alone: list[str]) -> Row:
    """Args: pairs: case -> (of A, of B) of each label that is averaged over; alone: what says that cases
    are in one run only."""
    means = {case: np.mean(rows, 0) for case, rows in pairs.items() if all(None not in pair for pair in rows)}
    # Rounded as records are: 0.3 - 0.2 and 0.2 - 0.1 are one rank.
    differences = {case: round(float(b - a), 9) for case, (a, b) in means.items()}
    interval = intervals.mean_interval(differences, subject_of)
    sums = intervals.by_subject(
        {case: (difference, 1.0) for case, difference in differences.items()}, subject_of
    )
    of_subjects = np.round(sums[0] / sums[1], 9) if differences else np.empty(0)
    median = intervals.median(of_subjects)
    b_only = sum(any(b is None and a is not None for a, b in rows) for rows in pairs.values())
    no_verdict = _no_verdict(aim, alone, interval)
    mean_a, mean_b = np.mean(list(means.values()), 0).tolist() if means else (None, None)
    return Row(
        n_cases=len(means),
        n_subjects=len(of_subjects),
        n_zero=int((of_subjects == 0).sum()),
        n_undefined_a=sum(any(a is None for a, _ in rows) for rows in pairs.values()),
        n_undefined_b=sum(any(b is None for _, b in rows) for rows in pairs.values()),
        n_undefined_b_only=b_only,
        mean_a=mean_a,
        mean_b=mean_b,
        difference=float(np.mean(list(differences.values()))) if differences else None,
        difference_ci95_low=interval.low,
        difference_ci95_high=interval.high,
        no_interval=interval.no_interval,
        median_difference=median["median"],
        median_difference_ci95_low=median["ci95_low"],
        median_difference_ci95_high=median["ci95_high"],
        wilcoxon_p=_wilcoxon_p(of_subjects),
        verdict=None if no_verdict else _verdict(aim.better, interval, margin, b_only),
        no_verdict=no_verdict,
    )


def _wilcoxon_p(differences: np.ndarray) -> float | None:
    """Of the signed-rank test; None where no difference is other than 0."""
    if not differences.any():
        return None
    test: Any = stats.wilcoxon(differences, zero_method="pratt")
    return float(test.pvalue)


def _no_verdict(aim: Aim, alone: list[str], interval: intervals.Interval) -> str | None:
    """Why nothing can be said; None where something can."""
    if aim.better is None:
        return aim.reason
    if alone:
        return "; ".join(alone)
    return None if interval.no_interval is None else f"no interval: {interval.no_interval}"


def _verdict(better: Better, interval: intervals.Interval, margin: float, n_undefined_b_only: int) -> Verdict:
    if interval.low is None or interval.high is None:
        raise ValueError("there is no verdict without an interval")
    # at the margin is not within
    within = round(interval.low, 9) > -margin if better == "larger" else round(interval.high, 9) < margin
    return "non-inferior" if within and not n_undefined_b_only else "not shown"
