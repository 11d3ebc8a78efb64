"""report: a page that says how good the detector is, what it missed and what it invented; and charts.

Reads   build/ingest/volumes/ (for pictures), the records of ingest, boxes, train, evaluate, robustness and
        explain, their figures, design/requirements.yaml, design/reviews.jsonl, design/test_openings.jsonl,
        stages/detection/report.html
Writes  build/report/: index.html, which opens offline; provenance.json
        metrics/: froc.svg, precision.svg, reliability.svg, training.svg
Params  report.*
Computes no new number: every figure on the page is in a record.
"""

import argparse
import base64
import json
import sys
from pathlib import Path
from typing import Any

import jinja2

from radiotrace import errors, records
from radiotrace.detection import charts, drawing, matching, report
from radiotrace.detection.model_card import said
from radiotrace.errors import StageError
from radiotrace.evidence.bundle import contents
from radiotrace.evidence.design import requirements, reviews
from radiotrace.imaging import canonical_images, channels
from radiotrace.pipeline import openings, params, runs, stage
from radiotrace.records.dataset import Dataset
from radiotrace.records.detection.boxes import Boxes
from radiotrace.records.detection.explain import Explain
from radiotrace.records.detection.metrics import Metrics
from radiotrace.records.detection.prediction import Prediction
from radiotrace.records.detection.robustness import Robustness
from radiotrace.records.detection.train import DetectionRun
from radiotrace.records.sections.detection.report import ReportParams

SCHEMAS = {
    "train": "train_detection",
    "metrics": "metrics_detection",
    "cases": "cases_detection",
    "robustness": "robustness_detection",
    "explain": "explain_detection",
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
    "precision": "Average precision",
    "froc": "False positives",
    "points": "At the chosen scores",
    "sizes": "By size",
    "worst": "Missed and invented",
    "calibration": "Calibration",
    "subgroups": "Subgroups",
    "robustness": "Robustness",
    "explanations": "Explanations",
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


def read_predictions(folder: Path, cases: list[dict]) -> dict[str, Prediction]:
    """Case -> the boxes that were found in it.

    Raises:
        StageError: a file is not the one that was recorded.
    """
    found = {}
    for case in cases:
        path = folder / case["prediction"]
        if records.sha256(path) != case["prediction_sha256"]:
            raise StageError(f"{path} is not the prediction that was recorded", way_out="Run 'dvc checkout'.")
        found[case["case_id"]] = Prediction.of(json.loads(path.read_text("utf-8")))
    return found


def main(args):
    settings = ReportParams.of(params.load(args.params, "report"))
    read = read_records(args)
    metrics, run = Metrics.of(read["metrics"]), DetectionRun.of(read["train"])
    robustness, explain = Robustness.of(read["robustness"]), Explain.of(read["explain"])
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    reference = Boxes.of(records.read(args.boxes, "boxes"))
    measured = records.read(args.evaluate_provenance, "provenance")["params"]
    opened, reviewed = openings.read(args.openings), reviews.read(args.reviews)
    acceptance = requirements.acceptance(
        requirements.load(args.design),
        read["metrics"],
        reviewed,
        opened,
        contents.test_part(run.run_id, opened),
    )
    state, all_met = report.state(acceptance)
    rows = {case["case_id"]: case for case in read["cases"]["cases"]}
    predictions = read_predictions(Path(args.predictions), list(rows.values()))
    names = list(metrics.average_precision)
    images = [
        matching.image(reference.cases[case_id], prediction, names)
        for case_id, prediction in predictions.items()
    ]
    drawn = {
        "precision": charts.precision(metrics, images, measured["hit_overlap"]),
        "froc": charts.froc(metrics),
        "reliability": charts.reliability(metrics.calibration),
        "training": charts.training(run.history),
    }
    entries = {case.case_id: case for case in dataset.cases}
    worst = []
    for row in metrics.worst_cases[: settings.worst_cases]:
        case_id = row.case_id
        image = canonical_images.image(
            args.volumes, entries[case_id], [channels.named(None)] * len(entries[case_id].images)
        )
        marked = report.marked(rows[case_id], reference.cases[case_id], predictions[case_id])
        content = drawing.jpeg(image.values_czyx, marked, settings.picture_pixels)
        worst.append(
            {
                "case_id": case_id,
                "picture": "data:image/jpeg;base64," + base64.b64encode(content).decode(),
                "text": report.worst_text(rows[case_id]),
            }
        )
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"number": number, "svg": svg, "estimate": said}
    content = environment.from_string(Path(args.template).read_text("utf-8")).render(
        run_id=run.run_id,
        dataset=dataset.dataset,
        metrics=metrics,
        reference=reference,
        explain=explain,
        acceptance=acceptance,
        state=state,
        all_met=all_met,
        findings=report.findings(
            metrics, robustness, explain, reference, contents.openings(run.run_id, opened)["n_models"]
        ),
        worst=worst,
        left_out=report.left_out(metrics, reference),
        train_words=report.train_words(run),
        pictures=drawn | {name: Path(getattr(args, name)).read_bytes() for name in FIGURES},
        colours={"found": drawing.FOUND, "missed": drawing.MISSED, "invented": drawing.INVENTED},
        evidence=EVIDENCE,
        sections=list(SECTIONS.items()),
    )
    inputs = [getattr(args, name) for name in (*SCHEMAS, "dataset", "boxes", "evaluate_provenance", *FIGURES)]
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
    "boxes": "record of the boxes",
    "train": "record of the training run",
    "metrics": "record of metrics",
    "cases": "record of test cases",
    "predictions": "folder of predictions",
    "evaluate-provenance": "record of what decided the evaluation",
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
