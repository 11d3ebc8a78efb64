"""The report: what a person reads of an evaluation, from its records. Plain values in, text out."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from radiotrace.classification.model_card import said
from radiotrace.records.classification.metrics import Metrics
from radiotrace.records.classification.robustness import Robustness
from radiotrace.records.classification.train import ClassificationRun

POINTS = (
    ("sensitivity", "sensitivity"),
    ("specificity", "specificity"),
    ("ppv", "PPV"),
    ("npv", "NPV"),
    ("f1", "F1"),
    ("accuracy", "accuracy"),
    ("balanced_accuracy", "balanced accuracy"),
    ("matthews", "Matthews correlation"),
)
SHIFT = 0.1  # of sensitivity or specificity, from validation to test, that is told


def state(acceptance: Mapping[str, Any]) -> tuple[str, bool]:
    """What stands above everything else, and whether all criteria are met."""
    rows = acceptance["results"]
    open_ones = [row["requirement"] for row in rows if row["verdict"] != "met"]
    if not rows:
        return "There is no criterion: nobody has said what this model must reach.", False
    if open_ones:
        return f"{len(open_ones)} of {len(rows)} criteria are not met: {', '.join(open_ones)}.", False
    return f"All {len(rows)} criteria are met.", True


def findings(metrics: Metrics, robustness: Robustness, n_models: int) -> list[str]:
    """How good, where it fails, and what is to be doubted."""
    found = []
    for name, area in metrics.discrimination.items():
        point, chosen = metrics.operating_points[name], metrics.decisions.operating_points[name]
        found.append(
            f"{name}: AUROC {said(area.auroc)}; at {point.threshold:.3f} sensitivity "
            f"{said(point.sensitivity)}, specificity {said(point.specificity)}, accuracy "
            f"{said(point.accuracy)}."
        )
        found += _shift(name, point, chosen)
        slope = metrics.calibration[name].after.slope
        if slope.value is not None and slope.ci95_high is not None and slope.ci95_high < 1:
            found.append(f"{name}: probabilities are too extreme on the test part, slope {said(slope, 2)}.")
    weak = sorted(name for name, strongest in robustness.envelope.items() if strongest < 2)
    if weak:
        names = ", ".join(name.replace("_", " ") for name in weak)
        found.append(
            f"AUROC falls below {robustness.criterion_auroc:g} under the mildest or second severity of "
            f"{names}."
        )
    if metrics.subjects_unknown:
        found.append("Nobody says whose a picture is: persons may stand in several parts.")
    if n_models > 1:
        found.append(f"The test part was shown to {n_models} models, of which this is the last.")
    return found


def _shift(name: str, point, chosen) -> list[str]:
    """Where a threshold does not hold on the test part what it held on the validation part."""
    found = []
    for key in ("sensitivity", "specificity"):
        before, after = getattr(chosen, key), getattr(point, key).value
        if before is not None and after is not None and abs(after - before) > SHIFT:
            found.append(
                f"{name}: {key} was {before:.3f} on the validation part, where the threshold was chosen, and "
                f"is {after:.3f} on the test part: the parts differ."
            )
    return found


def left_out(metrics: Metrics) -> list[str]:
    """Reasons, each with the cases that were left out for it."""
    of_reason: dict[str, list[str]] = defaultdict(list)
    for row in metrics.excluded:
        of_reason[row.reason].append(row.case_id)
    return [f"{reason}: {', '.join(sorted(cases))}" for reason, cases in sorted(of_reason.items())]


def worst_text(case: Mapping[str, Any]) -> str:
    """What a worst case has, and what was told."""
    has = ", ".join(case["reference"]) or "none"
    told = ", ".join(case["told"]) or "none"
    p = "; ".join(f"{name} {row['probability']:.3f}" for name, row in case["labels"].items())
    return f"has {has}; told {told} ({p})"


def train_words(run: ClassificationRun) -> str:
    """How it learnt."""
    counts = ", ".join(f"{count} {name}" for name, count in sorted(run.class_counts.items()))
    drawn = ", ".join(f"{name} {times}" for name, times in sorted(run.repeats.items()))
    return (
        f"{run.network.name} of {run.weights:,} weights, {len(run.history)} epochs over "
        f"{len(run.cases.train)} pictures ({counts}); drawn in an epoch, times: {drawn}. Weights are "
        f"{run.selection}; {run.in_effect.device}, {run.in_effect.instructions}, "
        f"{run.in_effect.number_format}."
    )
