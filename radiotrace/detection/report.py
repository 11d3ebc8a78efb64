"""The report: what a person reads of an evaluation, from its records. Plain values in, text out."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from radiotrace.detection.drawing import Marked
from radiotrace.detection.model_card import said
from radiotrace.records.detection.boxes import Box, Boxes
from radiotrace.records.detection.explain import Explain
from radiotrace.records.detection.metrics import Metrics
from radiotrace.records.detection.prediction import Prediction
from radiotrace.records.detection.robustness import Robustness
from radiotrace.records.detection.train import DetectionRun

SHIFT = 0.1  # of sensitivity or precision, from validation to test, that is told


def state(acceptance: Mapping[str, Any]) -> tuple[str, bool]:
    """What stands above everything else, and whether all criteria are met."""
    rows = acceptance["results"]
    open_ones = [row["requirement"] for row in rows if row["verdict"] != "met"]
    if not rows:
        return "There is no criterion: nobody has said what this model must reach.", False
    if open_ones:
        return f"{len(open_ones)} of {len(rows)} criteria are not met: {', '.join(open_ones)}.", False
    return f"All {len(rows)} criteria are met.", True


def findings(
    metrics: Metrics, robustness: Robustness, explain: Explain, reference: Boxes, n_models: int
) -> list[str]:
    """How good, where it fails, and what is to be doubted."""
    mean = metrics.mean_average_precision
    found = [
        f"Mean average precision {said(mean.ap50)} at an overlap of .50, {said(mean.ap)} over overlaps .50 "
        "to .95."
    ]
    for name, point in metrics.operating_points.items():
        found.append(
            f"{name}: at a score of {point.score:.3f} {point.found} of {point.found + point.missed} found, "
            f"{point.missed} missed, {point.invented} invented; sensitivity {said(point.sensitivity)}, "
            f"precision {said(point.precision)}, {said(point.false_positives, 2)} false positives an image."
        )
        chosen = metrics.decisions.operating_points[name]
        for key in ("sensitivity", "precision"):
            before, after = getattr(chosen, key), getattr(point, key).value
            if before is not None and after is not None and abs(after - before) > SHIFT:
                found.append(
                    f"{name}: {key} was {before:.3f} on the validation part, where the score was chosen, and "
                    f"is {after:.3f} on the test part: the parts differ."
                )
    found += [
        f"{name}: no box of it in the test part; {n} were predicted." for name, n in mean.absent.items()
    ]
    weak = sorted(name for name, strongest in robustness.envelope.items() if strongest < 2)
    if weak:
        names = ", ".join(name.replace("_", " ") for name in weak)
        found.append(
            f"Mean average precision falls below {robustness.criterion_ap50:g} under the mildest or second "
            f"severity of {names}."
        )
    found.append(
        f"Of boxes that were looked into, {said(explain.needed, 2)} lose more of their score when they are "
        "blurred than when another place is."
    )
    if reference.overlapping:
        found.append(
            f"{reference.overlapping} pairs of boxes of the reference, of one label and in one image, "
            "overlap by more than four fifths: perhaps one thing was marked twice."
        )
    if metrics.subjects_unknown:
        found.append("Nobody says whose an image is: persons may stand in several parts.")
    if n_models > 1:
        found.append(f"The test part was shown to {n_models} models, of which this is the last.")
    return found


def left_out(metrics: Metrics, reference: Boxes) -> list[str]:
    """Reasons, each with the cases, or the boxes, that were left out for it."""
    of_reason: dict[str, list[str]] = defaultdict(list)
    for row in metrics.excluded:
        of_reason[row.reason].append(row.case_id)
    for one in reference.left_out:
        of_reason[one.reason].append(f"box {one.box} of {one.case_id}")
    return [f"{reason}: {', '.join(sorted(cases))}" for reason, cases in sorted(of_reason.items())]


def marked(entry: Mapping[str, Any], boxes: Sequence[Box], prediction: Prediction) -> Marked:
    """Boxes of a case by what became of them, at the score of the validation part.

    Args:
        entry: of the record 'cases'.
        boxes: of the reference.
    """
    missed = {number for row in entry["labels"].values() for number in row["missed"]}
    invented = sorted(number for row in entry["labels"].values() for number in row["invented"])
    return Marked(
        tuple(box for number, box in enumerate(boxes, 1) if number not in missed),
        tuple(boxes[number - 1] for number in sorted(missed)),
        tuple(prediction.boxes[number - 1] for number in invented),
    )


def worst_text(entry: Mapping[str, Any]) -> str:
    """What of a case was found, missed and invented."""
    return "; ".join(
        f"{name}: {row['found']} of {row['n_true']} found, {len(row['invented'])} invented"
        for name, row in entry["labels"].items()
        if row["n_true"] or row["n_shown"]
    )


def train_words(run: DetectionRun) -> str:
    """How it learnt."""
    counts = ", ".join(f"{count} {name}" for name, count in sorted(run.box_counts.items()))
    spec = run.network
    return (
        f"A detector of {run.weights:,} weights with cells of {spec.cell_voxels} voxels, {len(run.history)} "
        f"epochs over {len(run.cases.train)} images ({counts}). Weights are {run.selection}; "
        f"{run.in_effect.device}, {run.in_effect.instructions}, {run.in_effect.number_format}."
    )
