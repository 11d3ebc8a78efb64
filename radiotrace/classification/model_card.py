"""The card of a released classifier: what it is, for who has its folder and nothing else."""

from collections.abc import Iterable, Mapping

from radiotrace.records.classification.metrics import Metrics
from radiotrace.records.classification.model import ReleasedClassifier
from radiotrace.records.estimates import Estimate

CHOICES = "Which choices were made with a look at these cases, the evidence says."


def text(model: ReleasedClassifier, metrics: Metrics, intended_use: Mapping) -> str:
    """Markdown. The evidence has a longer card, with verdicts and risks; each number is of a record.

    Args:
        metrics: of the evaluation of this very run.
        intended_use: design/intended_use.yaml of the study.
    """
    draft = " A draft, which nobody approved." if intended_use["status"] == "draft" else ""
    unknown = (
        " Nobody says whose a picture is, so that each counts as a person: intervals may be too narrow."
        if metrics.subjects_unknown
        else ""
    )
    named = ", ".join(f"{value} {name}" for value, name in sorted(model.labels.items()))
    several = "one class" if model.target.kind == "class" else "any number of classes"
    learnt = model.data
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
        f"It tells {several} of a picture: {named}. A label is called where its calibrated probability is at "
        "least its threshold, which was chosen on the validation part.",
        "## What it takes",
        _list(model.steps),
        "## How good it is",
        f"On the {metrics.part} part, which it has never seen: {metrics.n_cases} pictures.{unknown} Value, "
        "95 % interval.",
        _table(metrics),
        CHOICES,
        "## What it has learnt from",
        f"{learnt.train_cases} pictures, {learnt.validation_cases} to choose by, of "
        f"{learnt.name or 'a data set'} (licence: {learnt.licence or 'nobody said'}; root SHA-256 "
        f"`{learnt.root_sha256}`). {len(metrics.excluded)} pictures were left out by people.",
        "## What this folder is",
        f"Licence: {model.licence or 'nobody said'}. `{model.file}` takes "
        f"{' x '.join(map(str, model.input.shape))} float32 and gives logits and calibrated probabilities; "
        f"`model.json` says every step. Against torch, {len(model.parity.cases)} pictures: logits differ by "
        f"{model.parity.logit_difference_max:.2g} at most, {model.parity.called_otherwise} labels are called "
        "otherwise.",
    ]
    return "\n\n".join(parts) + "\n"


def _table(metrics: Metrics) -> str:
    rows = []
    for name, area in metrics.discrimination.items():
        point = metrics.operating_points[name]
        rows += [
            [f"AUROC, {name}", said(area.auroc)],
            [f"AUPRC, {name} (a guess: {area.prevalence:.3f})", said(area.auprc)],
            [f"Sensitivity, {name}, at {point.threshold:.3f}", said(point.sensitivity)],
            [f"Specificity, {name}, at {point.threshold:.3f}", said(point.specificity)],
            [f"Accuracy, {name}", said(point.accuracy)],
            [f"Slope of calibration, {name} (1 at best)", said(metrics.calibration[name].after.slope)],
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
