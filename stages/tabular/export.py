"""export: writes the model as ONNX with all that who predicts needs; shows that it tells the same.

Reads   build/ingest/dataset.json, build/train/train.json and weights.safetensors, metrics/metrics.json,
        metrics/cases.json, design/intended_use.yaml
Writes  build/export/: model.onnx, model.json, MODEL_CARD.md, provenance.json
Params  export.*
Stops   when ONNX Runtime's link values differ from the model's by more than the tolerance, or a case is
        called otherwise, also where cells are not known
"""

import argparse
import sys

import numpy as np

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.pipeline import params, runs, stage
from radiotrace.records.dataset import Dataset
from radiotrace.records.sections.tabular.export import ExportParams
from radiotrace.records.tabular.metrics import Metrics
from radiotrace.records.tabular.model import Data, Input, Output, Parity, ReleasedRisk
from radiotrace.records.tabular.train import TabularRun
from radiotrace.tabular import entries, graph, model, model_card, perturbations, table
from radiotrace.tabular.model import Line, RiskModel
from radiotrace.tabular.table import Rows

NOTICE = "Research software; not for diagnosis."


def steps(run: TabularRun, line: Line) -> tuple[str, ...]:
    """What the graph does to a row, in words."""
    adding = "standardise, weigh and add up" if run.network.name == "linear" else "add up"
    link = "logit" if run.outcome.kind == "binary" else "log(-log(1 - risk))"
    base = (
        ()
        if run.horizon is None
        else (
            f"add the log cumulative hazard of the baseline by {run.horizon:g} {run.outcome.unit} (Breslow)",
        )
    )
    return (
        "put the median, or the most frequent category, of the train part where a feature is not known, and "
        "add a column that says so where the train part had such rows",
        "make a column of 0 and 1 of each category but the first",
        f"{run.network.family}: {adding}",
        *base,
        f"calibrate: {line.intercept:.6g} + {line.slope:.6g} x value, on the scale of {link}; its inverse is "
        "the risk",
    )


def parity(
    content: bytes, fitted: RiskModel, line: Line, threshold: float, rows: Rows, tolerance: float
) -> Parity:
    """How the graph agrees with the model on the cases of the test part, as they are and with each feature in
    turn not known.

    Raises:
        StageError: it does not.
    """
    running = graph.session(content)
    tried = [rows.x, *(perturbations.lost(rows.x, place) for place in range(rows.x.shape[1]))]
    largest = np.zeros(len(rows))
    of_risk, otherwise = 0.0, 0
    for x in tried:
        values, found = fitted.link_values(x), running(x)
        risk = model.risks(values, fitted.kind, line)
        largest = np.maximum(largest, np.abs(found[graph.LINK] - values))
        of_risk = max(of_risk, float(np.abs(found[graph.RISK] - risk).max()))
        # a case at the threshold itself may fall on either side by the last digit
        near = np.abs(risk - threshold) < tolerance
        otherwise += int((((found[graph.RISK] >= threshold) != (risk >= threshold)) & ~near).sum())
    worst = int(largest.argmax())
    if not largest[worst] <= tolerance or otherwise:
        raise StageError(
            "ONNX Runtime and the fitted model disagree",
            [
                f"{rows.case_ids[worst]}: largest difference of a link value {largest[worst]:.3g}, expected "
                f"at most {tolerance:g}",
                f"{otherwise} cases are called otherwise, expected 0",
            ],
            "Change export.opset or export.parity_tolerance in params.yaml.",
        )
    return Parity(
        cases=rows.case_ids,
        worst_case=rows.case_ids[worst],
        link_difference_max=float(largest[worst]),
        probability_difference_max=of_risk,
        unknown_cells=int(rows.x.size - np.isnan(rows.x).sum()),
        called_otherwise=otherwise,
        tolerance=tolerance,
    )


def main(args):
    settings = ExportParams.of(params.load(args.params, "export"))
    run = TabularRun.of(records.read(args.train, "train_tabular"))
    metrics = Metrics.of(records.read(args.metrics, "metrics_tabular"))
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    evaluated = {row["case_id"] for row in records.read(args.cases, "cases_tabular")["cases"]}
    fitted = model.read(args.weights, run.weights_sha256, run.horizon)[run.network.name]
    decided, event = metrics.decisions, run.outcome.name
    line = entries.line_of(decided.record(), event)
    content = graph.written(
        fitted,
        line,
        len(run.features),
        settings.opset,
        {"run_id": run.run_id, "weights_sha256": run.weights_sha256},
    )
    test = [case for case in dataset.cases if case.case_id in evaluated]
    rows = table.rows_of(test, run.outcome, run.features)
    threshold = decided.operating_points[event].threshold
    agreed = parity(content, fitted, line, threshold, rows, settings.parity_tolerance)
    with stage.output_folder(args.out) as out:
        records.write_bytes(out / "model.onnx", content)
        record = ReleasedRisk(
            run_id=run.run_id,
            notice=NOTICE,
            file="model.onnx",
            sha256=records.sha256(out / "model.onnx"),
            weights_sha256=run.weights_sha256,
            network=run.network,
            outcome=run.outcome,
            horizon=run.horizon,
            features=run.features,
            fill=run.fill,
            labels=run.labels,
            modality=dataset.dataset.modality,
            licence=settings.licence,
            steps=steps(run, line),
            input=Input(graph.INPUT, "float32", ("n", "feature"), ("n", len(run.features))),
            output=Output(graph.RISK, "float32", ("n", "event"), "calibrated risk of the event"),
            link=Output(graph.LINK, "float32", ("n", "event"), "what it was made of, before calibration"),
            lines=decided.lines,
            operating_points=decided.operating_points,
            data=Data(
                name=dataset.dataset.name,
                licence=dataset.dataset.licence,
                root_sha256=dataset.dataset.root_sha256,
                train_cases=len(run.cases.train),
                validation_cases=len(run.cases.validation),
            ),
            parity=agreed,
        )
        records.write(out / "model.json", record.record(), "released_risk")
        intended = params.load_yaml(args.intended_use)
        records.write_bytes(out / "MODEL_CARD.md", model_card.text(record, metrics, intended).encode())
        inputs = [args.dataset, args.train, args.weights, args.metrics, args.cases, args.intended_use]
        records.write(
            out / "provenance.json",
            runs.provenance(__file__, settings.record(), args.requirements, inputs),
            "provenance",
        )
    errors.log(
        f"export: wrote {args.out}/: link values of {len(agreed.cases)} cases within "
        f"{agreed.link_difference_max:.2g} of the model's"
    )


parser = argparse.ArgumentParser(
    prog="export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--weights", required=True, help="fitted models")
parser.add_argument("--metrics", required=True, help="record of metrics")
parser.add_argument("--cases", required=True, help="record of the test cases")
parser.add_argument("--intended-use", required=True, help="design/intended_use.yaml")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
