"""report: a page that says how good the classifier is and where it fails; and charts.

Reads   build/ingest/volumes/ (for pictures), the records of ingest, train, evaluate, robustness and explain,
        their figures, design/requirements.yaml, design/reviews.jsonl, design/test_openings.jsonl,
        stages/classification/report.html
Writes  build/report/: index.html, which opens offline; provenance.json
        metrics/: areas.svg, reliability.svg, decision_curve.svg, risk_coverage.svg, training.svg
Params  report.*
Computes no new number: every figure on the page is in a record.
"""

import argparse
import base64
import io
import sys
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image as Picture

from radiotrace import errors, records
from radiotrace.classification import charts, report
from radiotrace.classification.model_card import said
from radiotrace.errors import StageError
from radiotrace.evidence.bundle import contents
from radiotrace.evidence.design import requirements, reviews
from radiotrace.imaging import canonical_images, channels
from radiotrace.pipeline import openings, params, runs, stage
from radiotrace.records.classification.explain import Explain
from radiotrace.records.classification.metrics import Metrics
from radiotrace.records.classification.robustness import Robustness
from radiotrace.records.classification.train import ClassificationRun
from radiotrace.records.dataset import Case, Dataset
from radiotrace.records.sections.classification.report import ReportParams

SCHEMAS = {
    "train": "train_classification",
    "metrics": "metrics_classification",
    "cases": "cases_classification",
    "robustness": "robustness_classification",
    "explain": "explain_classification",
}
FIGURES = ("envelope", "explanations")  # of earlier stages
# Pages of the evidence, which the last stage writes after this one: name -> title.
EVIDENCE = {
    "model_card": "Model card",
    "verification": "Verification",
    "traceability": "Traceability",
    "risks": "Risks",
    "compliance": "Standards",
    "sbom": "Bill of materials",
}
SECTIONS = {
    "short": "In short",
    "requirements": "Requirements",
    "areas": "Discrimination",
    "points": "Operating points",
    "calibration": "Calibration",
    "benefit": "Net benefit",
    "uncertainty": "Uncertainty",
    "subgroups": "Subgroups",
    "seeds": "Other seeds",
    "robustness": "Robustness",
    "explanations": "Explanations",
    "worst": "Worst cases",
    "training": "Training",
    "how": "How it was made",
    "records": "Records",
}


def number(value: float | None) -> str:
    """For people."""
    return "-" if value is None else f"{value:.3f}".replace("-", "−")


def svg(content: bytes) -> str:
    """A chart as the address of an image."""
    return "data:image/svg+xml;base64," + base64.b64encode(content).decode()


def png(folder: Path, case: Case, edge: int) -> str:
    """The first channel of a picture as the address of an image, its longer edge of so many pixels."""
    values = canonical_images.image(folder, case, channels_of(case)).values_czyx[0, 0].astype(np.float64)
    low, high = values.min(), values.max()
    grey = np.rint((values - low) / ((high - low) or 1.0) * 255).astype(np.uint8)
    shown, scale = Picture.fromarray(grey), edge / max(grey.shape)
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    buffer = io.BytesIO()
    shown.resize(size, Picture.Resampling.NEAREST if scale > 1 else Picture.Resampling.BOX).save(
        buffer, "PNG"
    )
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def channels_of(case: Case):
    """As many as the case has, without names."""
    return [channels.named(None)] * len(case.images)


def read_records(args) -> dict[str, Any]:
    """Of the stages before.

    Raises:
        StageError: they are not of one run.
    """
    found = {name: records.read(getattr(args, name), schema) for name, schema in SCHEMAS.items()}
    run_id = found["train"]["run_id"]
    if wrong := [
        f"{name}: found {record['run_id'][:12]}, expected {run_id[:12]}"
        for name, record in found.items()
        if record["run_id"] != run_id
    ]:
        raise StageError("records are not of one run", wrong, "Run 'dvc repro'.")
    return found


def draw(metrics: Metrics, run: ClassificationRun, cases: list[dict]) -> dict[str, bytes]:
    """The charts of this stage, by name."""
    told = {
        name: charts.Told(
            np.array([case["labels"][name]["probability"] for case in cases]),
            np.array([case["labels"][name]["positive"] for case in cases]),
        )
        for name in metrics.discrimination
    }
    return {
        "areas": charts.areas(metrics, told),
        "reliability": charts.reliability(metrics.calibration),
        "decision_curve": charts.decision_curve(metrics),
        "risk_coverage": charts.risk_coverage(metrics),
        "training": charts.training(run.history),
    }


def main(args):
    settings = ReportParams.of(params.load(args.params, "report"))
    read = read_records(args)
    metrics, run = Metrics.of(read["metrics"]), ClassificationRun.of(read["train"])
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    opened, reviewed = openings.read(args.openings), reviews.read(args.reviews)
    acceptance = requirements.acceptance(
        requirements.load(args.design),
        read["metrics"],
        reviewed,
        opened,
        contents.test_part(run.run_id, opened),
    )
    state, all_met = report.state(acceptance)
    drawn = draw(metrics, run, read["cases"]["cases"])
    entries = {case.case_id: case for case in dataset.cases}
    rows = {case["case_id"]: case for case in read["cases"]["cases"]}
    worst = [
        {
            "case_id": row.case_id,
            "picture": png(Path(args.volumes), entries[row.case_id], settings.picture_pixels),
            "text": report.worst_text(rows[row.case_id]),
        }
        for row in metrics.worst_cases[: settings.worst_cases]
    ]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"number": number, "svg": svg, "estimate": said}
    content = environment.from_string(Path(args.template).read_text("utf-8")).render(
        run_id=run.run_id,
        dataset=dataset.dataset,
        metrics=metrics,
        robustness=Robustness.of(read["robustness"]),
        explain=Explain.of(read["explain"]),
        acceptance=acceptance,
        state=state,
        all_met=all_met,
        findings=report.findings(
            metrics,
            Robustness.of(read["robustness"]),
            contents.openings(run.run_id, opened)["n_models"],
        ),
        point_rows=report.POINTS,
        worst=worst,
        left_out=report.left_out(metrics),
        train_words=report.train_words(run),
        pictures=drawn | {name: Path(getattr(args, name)).read_bytes() for name in FIGURES},
        evidence=EVIDENCE,
        sections=[row for row in SECTIONS.items() if row[0] != "seeds" or metrics.members],
    )
    inputs = [getattr(args, name) for name in (*SCHEMAS, "dataset", *FIGURES)]
    inputs += [args.design, args.reviews, args.openings, args.template]
    for name, chart in drawn.items():
        records.write_bytes(Path(args.metrics_folder) / f"{name}.svg", chart)
    with stage.output_folder(args.out) as out:
        records.write_bytes(out / "index.html", content.encode())
        records.write(
            out / "provenance.json",
            runs.provenance(__file__, settings.record(), args.requirements, inputs),
            "provenance",
        )
    errors.log(f"report: wrote {args.out}/index.html, {len(content) / 1e6:.1f} MB")


parser = argparse.ArgumentParser(
    prog="report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
for option, meaning in {
    "dataset": "record of the data set",
    "volumes": "folder of canonical volumes",
    "train": "record of the training run",
    "metrics": "record of metrics",
    "cases": "record of test cases",
    "robustness": "record of robustness",
    "explain": "record of explanations",
    "envelope": "figure",
    "explanations": "figure",
    "design": "requirements.yaml",
    "reviews": "what of the design was reviewed",
    "openings": "ledger of what the test part was shown to",
    "template": "the page",
    "out": "folder of the page and of the record of what decided it",
    "metrics-folder": "folder of the small files that git keeps",
}.items():
    parser.add_argument(f"--{option}", required=True, help=meaning)

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
