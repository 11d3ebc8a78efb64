"""The card of a released detector: what it is, for who has its folder and nothing else."""

from collections.abc import Iterable, Mapping

from radiotrace.records.detection.metrics import Metrics
from radiotrace.records.detection.model import ReleasedDetector
from radiotrace.records.estimates import Estimate

CHOICES = "Which choices were made with a look at these cases, the evidence says."


def text(model: ReleasedDetector, metrics: Metrics, intended_use: Mapping) -> str:
    """Markdown. The evidence has a longer card, with verdicts and risks; each number is of a record.

    Args:
        metrics: of the evaluation of this very run.
        intended_use: design/intended_use.yaml of the study.
    """
    draft = " A draft, which nobody approved." if intended_use["status"] == "draft" else ""
    unknown = (
        " Nobody says whose an image is, so that each counts as a person: intervals may be too narrow."
        if metrics.subjects_unknown
        else ""
    )
    learnt = model.data
    boxes = ", ".join(f"{count} {name}" for name, count in sorted(learnt.train_boxes.items()))
    kind = "a picture" if model.network.axes == 2 else "a volume"
    parts = [
        f"# {intended_use['name']}, {intended_use['version']}",
        f"Run `{model.run_id[:12]}`. **{model.notice}** Whether its release is blocked, and by what, stands "
        "in the evidence of the study (`evidence/model_card.html`), and not here.",
        "## What it is for",
        f"{intended_use['purpose'].strip()}{draft}",
        "It must not be used:",
        _list(intended_use["must_not_be_used"]),
        "Known limits:",
        _list(intended_use["limits"]),
        "## What it does",
        f"It finds things in {kind} and puts a box around each: {', '.join(metrics.average_precision)}. A "
        "box is shown where its score is at least that of its label, which was chosen on the validation "
        "part.",
        "## What it takes and gives",
        _list(model.steps),
        "## How good it is",
        f"On the {metrics.part} part, which it has never seen: {metrics.n_cases} images.{unknown} Value, "
        "95 % interval.",
        _table(metrics),
        CHOICES,
        "## What it has learnt from",
        f"{learnt.train_cases} images with boxes ({boxes}), {learnt.validation_cases} images to choose by, "
        f"of {learnt.name or 'a data set'} (licence: {learnt.licence or 'nobody said'}; root SHA-256 "
        f"`{learnt.root_sha256}`). {len(metrics.excluded)} images were left out by people.",
        "## What this folder is",
        f"Licence: {model.licence or 'nobody said'}. `{model.file}` takes "
        f"{' x '.join(map(str, model.input.shape))} float32 and gives scores and corners of each cell; "
        f"`model.json` says every step. Against torch, {len(model.parity.cases)} images: scores differ by "
        f"{model.parity.score_difference_max:.2g} at most, corners of boxes by "
        f"{model.parity.corner_difference_max_voxels:.2g} voxels, {model.parity.shown_otherwise} boxes are "
        "shown by one alone.",
    ]
    return "\n\n".join(parts) + "\n"


def _table(metrics: Metrics) -> str:
    mean = metrics.mean_average_precision
    rows = [
        ["Mean average precision at an overlap of .50", said(mean.ap50)],
        ["Mean average precision, overlaps .50 to .95", said(mean.ap)],
    ]
    for name, precision in metrics.average_precision.items():
        point = metrics.operating_points[name]
        rows += [
            [f"Average precision at .50, {name} ({precision.n_true} boxes)", said(precision.ap50)],
            [f"Sensitivity, {name}, at a score of {point.score:.3f}", said(point.sensitivity)],
            [f"Precision, {name}", said(point.precision)],
            [f"False positives an image, {name}", said(point.false_positives, 2)],
        ]
    lines = ["| | value (95 % interval) |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def said(found: Estimate, digits: int = 3) -> str:
    """A number with its interval, for people."""
    if found.value is None:
        return "undefined"
    value = f"{found.value:.{digits}f}"
    if found.ci95_low is None or found.ci95_high is None:
        return f"{value} (no interval: {found.no_interval})"
    return f"{value} ({found.ci95_low:.{digits}f} to {found.ci95_high:.{digits}f})"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
