"""report: a page that says how good the risks are and where they fail; and charts.

Reads   the records of ingest, train, evaluate, robustness and explain, their figures,
        design/requirements.yaml, design/reviews.jsonl, design/test_openings.jsonl, stages/tabular/report.html
Writes  build/report/: index.html, which opens offline; provenance.json
        metrics/: discrimination.svg, reliability.svg, decision_curve.svg
Params  report.*
Computes no new number: every figure on the page is in a record.
"""

import argparse
import base64
import sys
from pathlib import Path
from typing import Any

import jinja2

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.evidence.bundle import contents
from radiotrace.evidence.design import requirements, reviews
from radiotrace.pipeline import openings, params, runs, stage
from radiotrace.records.dataset import Dataset
from radiotrace.records.sections.tabular.report import ReportParams
from radiotrace.records.tabular.explain import Explain
from radiotrace.records.tabular.metrics import Metrics
from radiotrace.records.tabular.robustness import Robustness
from radiotrace.records.tabular.train import TabularRun
from radiotrace.tabular import charts, report
from radiotrace.tabular.model_card import said

SCHEMAS = {
    "train": "train_tabular",
    "metrics": "metrics_tabular",
    "cases": "cases_tabular",
    "robustness": "robustness_tabular",
    "explain": "explain_tabular",
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
    "people": "Participants",
    "areas": "Discrimination",
    "calibration": "Calibration",
    "points": "Threshold",
    "benefit": "Net benefit",
    "fairness": "Groups",
    "transport": "Held out",
    "explanations": "Explanations",
    "robustness": "Robustness",
    "worst": "Worst cases",
    "model": "The model",
    "how": "How it was made",
    "records": "Records",
}


def number(value: float | None) -> str:
    """For people."""
    return "-" if value is None else f"{value:.3f}".replace("-", "−")


def plainly(value: float | None) -> str:
    """With as few digits as it has."""
    return "-" if value is None else f"{value:.4g}".replace("-", "−")


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


def main(args):
    settings = ReportParams.of(params.load(args.params, "report"))
    read = read_records(args)
    metrics, run = Metrics.of(read["metrics"]), TabularRun.of(read["train"])
    robustness, explain = Robustness.of(read["robustness"]), Explain.of(read["explain"])
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
    cases = read["cases"]["cases"]
    drawn = {
        "discrimination": charts.discrimination_chart(metrics, cases),
        "reliability": charts.reliability(metrics),
        "decision_curve": charts.decision_curve(metrics),
    }
    of_case = {case["case_id"]: case for case in cases}
    contributions = {case.case_id: case.contributions for case in explain.cases}
    worst = [
        {
            "case_id": row.case_id,
            "text": report.worst_text(of_case[row.case_id], contributions[row.case_id], metrics),
        }
        for row in metrics.worst_cases[: settings.worst_cases]
    ]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"number": number, "plainly": plainly, "svg": svg, "estimate": said}
    content = environment.from_string(Path(args.template).read_text("utf-8")).render(
        run=run,
        event=run.outcome.name,
        dataset=dataset.dataset,
        metrics=metrics,
        robustness=robustness,
        explain=explain,
        acceptance=acceptance,
        state=state,
        all_met=all_met,
        findings=report.findings(
            metrics, run, robustness, explain, contents.openings(run.run_id, opened)["n_models"]
        ),
        point_rows=report.POINTS,
        calibration_rows=report.CALIBRATION,
        fairness_rows=report.FAIRNESS,
        change_words=report.CHANGES,
        worst=worst,
        left_out=report.left_out(metrics),
        train_words=report.train_words(run),
        pictures=drawn | {name: Path(getattr(args, name)).read_bytes() for name in FIGURES},
        evidence=EVIDENCE,
        sections=[
            row
            for row in SECTIONS.items()
            if (row[0] != "transport" or run.held_out) and (row[0] != "fairness" or metrics.fairness)
        ],
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
