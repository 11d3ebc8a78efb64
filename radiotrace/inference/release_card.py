"""The card of a released model: what it is, for who has its folder and nothing else."""

from collections.abc import Iterable, Mapping

from radiotrace.records.metric_parts import MeasureRow, Summary
from radiotrace.records.metrics import Metrics
from radiotrace.records.model import ReleasedModel

ALL = "mean_of_labels"
# Beside the headline: of an error with a sign, how large it is in a single case.
BESIDE = ("volume_error_absolute_percent",)


def text(model: ReleasedModel, metrics: Metrics, intended_use: Mapping) -> str:
    """Markdown. The evidence has a longer card, with verdicts and risks; each number is of a record.

    Args:
        metrics: of the evaluation of this very run.
        intended_use: design/intended_use.yaml of the study.
    """
    draft = " A draft, which nobody approved." if intended_use["status"] == "draft" else ""
    parts = [
        f"# {intended_use['name']}, {intended_use['version']}",
        f"Run `{model.run_id[:12]}`. **{model.notice}** Whether its release is blocked, and by what, stands "
        "in the evidence of the repository (`evidence/model_card.html`, `evidence/verification.html`), and "
        "not here.",
        "## What it is for",
        f"{intended_use['purpose'].strip()}{draft}",
        "It must not be used:",
        _list(intended_use["must_not_be_used"]),
        "Known limits:",
        _list(intended_use["limits"]),
        "## What it does",
        _labels(model),
        "## What it takes",
        _takes(model),
        "## How good it is",
        f"On the {metrics.part} part, {_seen(model)}: {metrics.n_cases} cases of "
        f"{metrics.n_subjects} subjects. Mean, 95 % interval over subjects.",
        _measures(model, metrics),
        "Which choices were made with a look at these cases, the evidence says (`evidence/model_card.html`).",
        _review(model, metrics),
        "## What it has learnt from",
        _learnt(model),
        "## What this folder is",
        _folder(model),
    ]
    return "\n\n".join(parts) + "\n"


def _seen(model: ReleasedModel) -> str:
    if model.learnt_from is not None:
        return "which it has never seen"
    return "of which nobody here can show that it has never seen it"


def _labels(model: ReleasedModel) -> str:
    rows = []
    for value, detail in model.label_details.items():
        codes = [code for code in (detail.code, detail.modifier) if code]
        said = ", ".join(f"{code.meaning} ({code.scheme} {code.value})" for code in codes) or "no code"
        rows.append([value, model.labels[value], said, detail.colour])
    return "It labels each voxel of an image.\n\n" + _table(["value", "label", "code", "colour"], rows)


def _takes(model: ReleasedModel) -> str:
    learnt, steps = model.images, model.preprocessing
    said = "It has learnt from these" if model.learnt_from else "It was tried on these"
    channels = [f"{channel.name} ({channel.modality})" for channel in steps.channels or ()]
    ranges = [
        ["spacing, mm", *_along(learnt.spacing_mm.low, learnt.spacing_mm.high)],
        ["size, mm", *_along(learnt.size_mm.low, learnt.size_mm.high)],
    ]
    return (
        f"{', '.join(channels) or model.modality or 'Images of a modality that nobody named'}. {said}, "
        f"along the axes of {steps.orientation}; an image far beyond is refused:\n\n"
        + _table(["", "x", "y", "z"], ranges)
    )


def _along(low: Iterable[float], high: Iterable[float]) -> list[str]:
    return [
        f"{least:.4g}" if least == most else f"{least:.4g} to {most:.4g}"
        for least, most in zip(low, high, strict=True)
    ]


def _measures(model: ReleasedModel, metrics: Metrics) -> str:
    rows = [row for row in metrics.measures if row.headline or row.name in BESIDE]
    names = [model.labels[value] for value in model.label_details]
    if len(names) > 1:
        names.append(ALL)
    table = [
        [f"{row.title}, {row.unit}" if row.unit else row.title]
        + [_summary(metrics.of_measure[row.name][name], row) for name in names]
        for row in rows
    ]
    return _table(["", *("mean of labels" if name == ALL else name for name in names)], table)


def _summary(found: Summary, row: MeasureRow) -> str:
    if found.mean is None:
        return "-"
    said = f"{found.mean:.{row.digits}f}"
    if found.ci95_low is None or found.ci95_high is None:
        return f"{said} (no interval)"
    return f"{said} ({found.ci95_low:.{row.digits}f} to {found.ci95_high:.{row.digits}f})"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _review(model: ReleasedModel, metrics: Metrics) -> str:
    if model.review_above is None:
        return "No threshold was set above which a prediction goes to an expert."
    return (
        f"A prediction whose expected Dice loss is above {model.review_above:.4f} is marked for an expert; "
        f"the threshold was set on the validation part. {_found_by_it(metrics)}"
    )


def _found_by_it(metrics: Metrics) -> str:
    score = metrics.uncertainty.get("prediction")
    if score is None or score.auroc.value is None:
        return "How well that finds poor cases is not known."
    said = f"How well that tells poor cases from others (AUROC; 0.5 is chance): {score.auroc.value:.2f}"
    if score.auroc.ci95_low is None or score.auroc.ci95_high is None:
        return f"{said}, without an interval."
    return f"{said} ({score.auroc.ci95_low:.2f} to {score.auroc.ci95_high:.2f})."


def _learnt(model: ReleasedModel) -> str:
    learnt = model.learnt_from
    if learnt is None:
        return "It was trained elsewhere, and its training was not seen here:\n\n" + _list(
            model.unknown or ()
        )
    left_out = f" {len(model.excluded)} cases were left out by people." if model.excluded else ""
    return (
        f"{learnt.cases} cases of {learnt.subjects} subjects (train and validation parts) of the data set "
        f"with the root SHA-256 `{learnt.data_root_sha256}`, licence: "
        f"{model.data_licence or 'nobody said'}.{left_out}"
    )


def _folder(model: ReleasedModel) -> str:
    golden = ", ".join(case.case_id for case in model.golden)
    tried = (
        f"`golden/` has {golden}, of the test part, with what the file made of them: `python -m radiotrace "
        "predict FOLDER --self-test` tries whether it does so here."
        if golden
        else "It has no case to try it with."
    )
    return (
        f"Licence: {model.licence or 'nobody said'}. `{model.file}` takes float32 of the axes "
        f"{', '.join(model.input.axes)} and gives logits; `model.json` says every step before and after, and "
        f"the SHA-256 of each file that predicting takes. {tried} Against {_other(model)}, "
        f"{len(model.parity.cases)} test cases: logits differ by {model.parity.max_logit_difference:.2g} at "
        f"most, {model.parity.voxels_different} of "
        f"{model.parity.voxels_compared} voxels are labelled otherwise."
    )


def _other(model: ReleasedModel) -> str:
    return "torch" if model.learnt_from is not None else "the form that was evaluated"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
