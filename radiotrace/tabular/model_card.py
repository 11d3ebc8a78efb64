"""The card of a released risk model: what it is, for who has its folder and nothing else."""

from collections.abc import Iterable, Mapping

from radiotrace.records.estimates import Estimate
from radiotrace.records.tabular.feature import Feature
from radiotrace.records.tabular.metrics import Metrics
from radiotrace.records.tabular.model import ReleasedRisk

CHOICES = "Which choices were made with a look at these cases, the evidence says."


def text(model: ReleasedRisk, metrics: Metrics, intended_use: Mapping) -> str:
    """Markdown. The evidence has a longer card, with verdicts and risks; each number is of a record.

    Args:
        metrics: of the evaluation of this very run.
        intended_use: design/intended_use.yaml of the study.
    """
    draft = " A draft, which nobody approved." if intended_use["status"] == "draft" else ""
    learnt, event = model.data, model.outcome.name
    threshold = model.operating_points[event]
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
        f"It tells the risk of {told(model)}. It is {model.network.family}. A case is called from a risk of "
        f"{threshold.threshold:.3f} on: {threshold.rule}.",
        "## What it takes",
        "One row a case, a column for each feature in this order, float32, NaN for what is not known:",
        _features(model.features, model.fill),
        _list(model.steps),
        "## How good it is",
        f"On the {metrics.part} part, which it has never seen: {metrics.n_cases} cases of "
        f"{metrics.n_subjects} subjects. Value, 95 % interval.",
        _table(metrics),
        CHOICES,
        "## What it has learnt from",
        f"{learnt.train_cases} cases, {learnt.validation_cases} to choose by, of "
        f"{learnt.name or 'a data set'} (licence: {learnt.licence or 'nobody said'}; root SHA-256 "
        f"`{learnt.root_sha256}`). {len(metrics.excluded)} cases were left out by people.",
        "## What this folder is",
        f"Licence: {model.licence or 'nobody said'}. `{model.file}` takes `{model.input.name}` "
        f"({' x '.join(map(str, model.input.shape))}, float32) and gives `{model.link.name}` and "
        f"`{model.output.name}`; `model.json` says every step. Against the fitted model, "
        f"{len(model.parity.cases)} cases and {model.parity.unknown_cells} cells taken away: link values "
        f"differ by {model.parity.link_difference_max:.2g} at most, {model.parity.called_otherwise} cases "
        "are called otherwise.",
    ]
    return "\n\n".join(parts) + "\n"


def told(model: ReleasedRisk) -> str:
    """What is told, in words."""
    if model.horizon is None:
        return model.outcome.name
    return f"{model.outcome.name} within {model.horizon:g} {model.outcome.unit}"


def _features(features: Iterable[Feature], fill: Mapping[str, float | str]) -> str:
    lines = ["| feature | unit or words, with their numbers | range | where not known |", "|---|---|---|---|"]
    for one in features:
        words = (
            ", ".join(f"{number} {word}" for number, word in enumerate(one.categories)) or one.unit or "none"
        )
        ends = ["" if end is None else f"{end:g}" for end in (one.minimum, one.maximum)]
        value = fill[one.name]
        stands = value if isinstance(value, str) else f"{value:g}"
        lines.append(f"| {one.name} | {words} | {' to '.join(ends) if any(ends) else ''} | {stands} |")
    return "\n".join(lines)


def _table(metrics: Metrics) -> str:
    event = metrics.outcome.name
    found, point = metrics.discrimination[event], metrics.operating_points[event]
    of = metrics.calibration[event].after
    rows = [
        ["Concordance", said(found.concordance)],
        ["AUROC" if metrics.horizon is None else "AUROC by the horizon", said(found.auroc)],
        ["Slope of calibration (1 at best)", said(of.slope)],
        ["Observed over predicted (1 at best)", said(of.ratio)],
        ["Mean gap to what happens", said(of.expected_error)],
        ["Brier score", said(of.brier, 4)],
        ["Brier score, scaled (0: no better than no feature)", said(of.scaled_brier)],
        [f"Called from {point.threshold:.3f} on", said(point.called)],
        ["Sensitivity", said(point.sensitivity)],
        ["Specificity", said(point.specificity)],
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
