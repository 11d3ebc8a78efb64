"""report: a page that says how good outlines and survival are, and where they fail; and charts.

Reads   data/ (test images and label maps, for pictures), the records of train, evaluate, survival,
        robustness, explain and release, their figures, build/evaluate/results/predictions/,
        design/requirements.yaml, design/reviews.jsonl, design/test_openings.jsonl,
        stages/segmentation_survival/report.html
Writes  build/report/: index.html, which opens offline; provenance.json
        metrics/: distribution.svg, bland_altman.svg, calibration.svg
Params  report.*
Computes no new number: every figure on the page is in a record.
"""

import argparse
import base64
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from radiotrace import errors, records
from radiotrace.drawing import charts, thumbnails
from radiotrace.errors import StageError
from radiotrace.evidence.bundle import contents
from radiotrace.evidence.design import requirements, reviews
from radiotrace.imaging import parts, volumes
from radiotrace.pipeline import openings, params, runs, stage
from radiotrace.records.dataset import Dataset
from radiotrace.records.metrics import Calibration, Metrics
from radiotrace.records.robustness import Robustness
from radiotrace.records.sections.segmentation.report import ReportParams
from radiotrace.records.segmentation_survival.hazard import Hazard
from radiotrace.records.segmentation_survival.released import ReleasedHazard
from radiotrace.records.segmentation_survival.survival import Survival
from radiotrace.segmentation import ranking
from radiotrace.segmentation import report as of_outlines
from radiotrace.segmentation_survival import report

SCHEMAS = {
    "train": "train",
    "hazard": "hazard",
    "metrics": "metrics",
    "cases": "cases",
    "survival": "survival",
    "robustness": "robustness",
    "explain": "explain",
    "prognosis": "released_hazard",
}
FIGURES = ("envelope", "explanations", "training", "groups", "risks", "areas")  # of earlier stages
WORST = 8
SECTIONS = {
    "short": "In short",
    "requirements": "Requirements",
    "survival": "Survival",
    "sharing": "Sharing",
    "outlines": "Outlines",
    "burden": "Lesion burden",
    "calibration": "Calibration",
    "subgroups": "Subgroups",
    "robustness": "Robustness",
    "explanations": "Explanations",
    "worst": "Worst cases",
    "training": "Training",
    "how": "How it was made",
    "records": "Records",
}
EVIDENCE = {
    "model_card": "Model card",
    "verification": "Verification",
    "traceability": "Traceability",
    "risks": "Risks",
    "compliance": "Standards",
    "sbom": "Bill of materials",
}


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


def bars(calibration: Calibration | None) -> list[charts.Bar]:
    """Bins of a reliability curve; none where nothing was calibrated."""
    rows = calibration.reliability if calibration else ()
    return [charts.Bar(row.n_voxels, row.mean_probability, row.share_right) for row in rows]


def draw(metrics: Metrics, cases: list[dict]) -> dict[str, bytes]:
    """The charts of this stage, by name."""
    dice_of, volumes_of = {}, {}
    for name in cases[0]["labels"]:
        rows = {case["case_id"]: case["labels"][name] for case in cases}
        dice_of[name] = {case_id: row["dice"] for case_id, row in rows.items()}
        volumes_of[name] = {
            case_id: (row["reference_mm3"], row["prediction_mm3"]) for case_id, row in rows.items()
        }
    before, after = metrics.calibration.before, metrics.calibration.after
    return {
        "distribution": charts.distribution(dice_of, "Dice", lower_is_worse=True),
        "bland_altman": charts.bland_altman(volumes_of),
        "calibration": charts.reliability(bars(before), bars(after), metrics.decisions.temperature),
    }


def picture(case: dict, entry: dict, labels: Mapping[str, str], args, per_mm: float) -> bytes:
    """One case in three planes, of its first channel.

    Args:
        case: of parts.cases. entry: of the record 'cases'. labels: value -> name.
    """
    raw, predictions = Path(args.data), Path(args.predictions)
    prediction = volumes.read_canonical(predictions / entry["prediction"], entry["prediction_sha256"])
    turned = [
        volumes.canonical(volume, "LPS", None, is_label_map=True)
        for volume in (parts.image(case, raw).volume(), parts.label_map(case, raw), prediction)
    ]
    image, reference, predicted = map(volumes.array_zyx, turned)
    values = {name: int(value) for value, name in labels.items() if value != "0"}
    outlines = [(reference == values[name], predicted == values[name]) for name in entry["labels"]]
    return thumbnails.planes(image, outlines, volumes.to_zyx(turned[0].GetSpacing()), per_mm)


def worst(args, read: dict, dataset: Dataset, settings: ReportParams) -> list[dict[str, Any]]:
    """The cases of lowest Dice, with pictures, and what was told of their survival."""
    split = records.read(args.split, "split")
    test, told = (
        parts.cases(dataset, split, "test"),
        {row["case_id"]: row for row in read["survival"]["cases"]},
    )
    rows = []
    for entry in ranking.ranked(read["cases"]["cases"])[:WORST]:
        case_id = entry["case_id"]
        made = picture(test[case_id], entry, split["labels"], args, settings.pixels_per_mm.small)
        of_survival = told[case_id]
        seen = "event" if of_survival["event"] else "censored"
        rows.append(
            {
                "case_id": case_id,
                "picture": "data:image/png;base64," + base64.b64encode(made).decode(),
                "text": f"Dice {ranking.dice_text(entry['labels'])}",
                "survival": f"log-hazard {of_survival['told']['log_hazard']:.2f}, "
                f"{seen} after {of_survival['time']:g} {read['survival']['unit']}",
            }
        )
    return rows


def main(args):
    settings = ReportParams.of(params.load(args.params, "report"))
    read = read_records(args)
    metrics, survival = Metrics.of(read["metrics"]), Survival.of(read["survival"])
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    run_id = metrics.run_id
    opened, reviewed = openings.read(args.openings), reviews.read(args.reviews)
    acceptance = requirements.acceptance(
        requirements.load(args.design),
        read["metrics"] | {"survival": read["survival"]},
        reviewed,
        opened,
        contents.test_part(run_id, opened),
    )
    state, all_met = report.state(acceptance)
    drawn = draw(metrics, read["cases"]["cases"])
    given = {name: Path(getattr(args, name)).read_bytes() for name in FIGURES}
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {
        "number": of_outlines.number,
        "mean": of_outlines.interval,
        "estimate": report.estimate,
        "readable": of_outlines.readable,
        "svg": lambda content: "data:image/svg+xml;base64," + base64.b64encode(content).decode(),
    }
    content = environment.from_string(Path(args.template).read_text("utf-8")).render(
        run_id=run_id,
        dataset=dataset.dataset,
        metrics=metrics,
        measures=of_outlines.measures(metrics),
        labels=list(read["cases"]["cases"][0]["labels"]),
        survival=survival,
        ways=report.ways(survival),
        comparisons=report.comparisons(survival),
        hazard=Hazard.of(read["hazard"]),
        prognosis=ReleasedHazard.of(read["prognosis"]),
        robustness=Robustness.of(read["robustness"]),
        acceptance=acceptance,
        state=state,
        all_met=all_met,
        findings=report.findings(metrics, survival, contents.openings(run_id, opened)["n_models"]),
        worst=worst(args, read, dataset, settings),
        pictures=drawn | given,
        evidence=EVIDENCE,
        sections=list(SECTIONS.items()),
    )
    inputs = [getattr(args, name) for name in (*SCHEMAS, "dataset", "split", *FIGURES)]
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
    "data": "folder of raw data",
    "dataset": "record of the data set",
    "split": "record of the split",
    "train": "record of the training run",
    "hazard": "record of how survival was learnt",
    "metrics": "record of metrics",
    "cases": "record of test cases",
    "survival": "record of survival",
    "robustness": "record of robustness",
    "explain": "record of explanations",
    "prognosis": "record of the released file with both answers",
    "predictions": "folder of predicted label maps",
    "envelope": "figure",
    "explanations": "figure",
    "training": "figure",
    "groups": "figure",
    "risks": "figure",
    "areas": "figure",
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
