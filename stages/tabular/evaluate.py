"""evaluate: tells the risk of the cases of the test part, and compares with what happened.

Reads   build/ingest/dataset.json, build/split/split.json, build/train/train.json and weights.safetensors
Writes  build/evaluate/results/: predictions/, provenance.json
        metrics/: headline.json, metrics.json, cases.json
State   design/test_openings.jsonl: one line for each model that was shown the test part
Params  seed, evaluate.*
Stops   when the test part is empty
Calibration and the threshold are set on the validation part, before the test part is opened.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.pipeline import openings, params, runs, stage
from radiotrace.records import measure_table
from radiotrace.records.dataset import Case, Dataset
from radiotrace.records.sections.tabular.evaluate import EvaluateParams
from radiotrace.records.tabular.metrics import Metrics
from radiotrace.records.tabular.train import TabularRun
from radiotrace.records.typed import plain
from radiotrace.tabular import decisions, entries, measures, methods, model, results, table
from radiotrace.tabular.model import RiskModel
from radiotrace.tabular.table import Rows


def predicted(models: Mapping[str, RiskModel], rows: Rows) -> list[dict[str, Any]]:
    """Of each case the link value of each model, as the files of predictions have them."""
    values = {name: one.link_values(rows.x) for name, one in models.items()}
    return [
        records.canonical({entries.LINK_VALUES: {name: float(of[place]) for name, of in values.items()}})
        for place in range(len(rows))
    ]


def write_predictions(out: Path, cases: Sequence[Case], predictions: Sequence[dict]) -> list[dict[str, str]]:
    """Writes a file for each case; what an entry of the record 'cases' says of it."""
    rows = []
    for case, prediction in zip(cases, predictions, strict=True):
        file = f"{case.case_id}.json"
        records.write_bytes(out / "predictions" / file, records.dumps(prediction).encode())
        rows.append(
            {
                "case_id": case.case_id,
                "subject_id": case.subject_id,
                "prediction": file,
                "prediction_sha256": records.sha256(out / "predictions" / file),
            }
        )
    return rows


def misfits(records_by_name: Mapping[str, dict]) -> list[str]:
    """Where the records cases, metrics and headline do not fit the table of measures, each with its place."""
    metrics = records.canonical(records_by_name["metrics"])
    return [
        *(f"metrics.json: {fault}" for fault in records.faults(metrics, "metrics_tabular")),
        *measure_table.misfits_of_cases(metrics, records_by_name["cases"]["cases"], "cases_tabular"),
        *measure_table.misfits_of_headline(metrics, records_by_name["headline"], "headline_tabular"),
    ]


def main(args):
    settings = EvaluateParams.of(params.load(args.params, "evaluate", seed=True))
    run = TabularRun.of(records.read(args.train, "train_tabular"))
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    split = records.read(args.split, "split")
    openings.read(args.openings)  # a broken ledger stops the stage before the part is opened
    models = model.read(args.weights, run.weights_sha256, run.horizon)
    parts = {part: table.of_part(dataset, split, part) for part in ("train", "validation", "test")}
    test = parts["test"]
    if not test:
        raise StageError("0 cases in the test part", way_out="Change split in params.yaml.")
    rows = {part: table.rows_of(cases, run.outcome, run.features) for part, cases in parts.items()}
    released = run.network.name
    held_out = predicted(models, rows["validation"])
    values = np.array([one[entries.LINK_VALUES][released] for one in held_out])
    decided = records.canonical(
        decisions.decide(values, rows["validation"], rows["train"], run.outcome, run.horizon, settings)
    )
    if decided["lines_reason"] and settings.calibration != "none":
        errors.log(f"evaluate: warning: no calibration: {decided['lines_reason']}")
    errors.log(f"evaluate: {len(test)} test cases")
    predictions = predicted(models, rows["test"])
    with stage.output_folder(args.out) as out:
        about = write_predictions(out, test, predictions)
        judged = records.canonical(
            entries.entries(about, predictions, rows["test"], run.outcome, run.horizon, released, decided)
        )
        of_run = {"run_id": run.run_id, "part": "test", "excluded": plain(run.excluded)}
        summary = {
            **of_run,
            "outcome": run.outcome.record(),
            "horizon": run.horizon,
            "model": released,
            "measures": [one.record() for one in measures.TABLE],
            "methods": methods.texts(settings),
            **results.characteristics(parts, run.outcome, run.features),
            **results.Summary(judged, run.outcome, run.horizon, settings).all(
                decided, released, results.groups_of(test)
            ),
        }
        written = {
            "cases": {**of_run, "cases": judged},
            "metrics": summary,
            "headline": results.headline(Metrics.of(records.canonical(summary))),
        }
        # Before the opening is counted: what cannot be written was not shown.
        if wrong := misfits(written):
            raise ValueError("records do not fit the table of measures: " + "; ".join(wrong))
        inputs = [args.dataset, args.split, args.train, args.weights]
        records.write(
            out / "provenance.json",
            runs.provenance(__file__, settings.record(), args.requirements, inputs),
            "provenance",
        )
        # Counted before a number can be seen.
        openings.add(
            args.openings,
            run.run_id,
            run.weights_sha256,
            "evaluate",
            [case.case_id for case in test],
            records.digest(summary),
            "discrimination, calibration, operating point, net benefit, subgroups, fairness",
        )
        for name, record in written.items():
            records.write(Path(args.metrics) / f"{name}.json", record, f"{name}_tabular")
    errors.log(f"evaluate: wrote {args.metrics}/ and {args.out}/")


parser = argparse.ArgumentParser(
    prog="evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--weights", required=True, help="fitted models")
parser.add_argument("--openings", required=True, help="ledger of what the test part was shown to")
parser.add_argument("--out", required=True, help="folder to write")
parser.add_argument("--metrics", required=True, help="folder of the small files that git keeps")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
