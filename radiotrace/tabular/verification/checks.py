"""What verify makes again of a study of a table, level by level; as
radiotrace/segmentation/verification/checks.py says what a task has here."""

import json
from typing import Any

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.verify import believed, differences, judged
from radiotrace.evidence.verify.derived import TRAIN, Sources
from radiotrace.evidence.verify.judged import Judged
from radiotrace.evidence.verify.levels import Check, Clone
from radiotrace.pipeline import tasks
from radiotrace.records import accepted
from radiotrace.records.dataset import Dataset
from radiotrace.records.sections.tabular.evaluate import EvaluateParams
from radiotrace.records.sections.validate import ValidateParams
from radiotrace.records.tabular.feature import Outcome
from radiotrace.records.tabular.metrics import Metrics

TASK = "tabular"
OPENED = {
    "evaluate": "metrics/metrics.json",
    "robustness": "metrics/robustness.json",
    "explain": "build/explain/explain.json",
}
ABOUT = ("case_id", "subject_id", "prediction", "prediction_sha256")
RELEASED = "the released graph tells what was measured"
PREDICTED = "the model predicts what was measured"
ROWS = "rows of the table are those of the data set"
TOLERANCE = 1e-6  # of a link value that is computed again on a machine of the same kind
ADDITIVE = 1e-6  # of Shapley values and the base, as records have them, against the link value


def accepted_rows(sources: Sources) -> list[str]:
    """Accepted rows and all that was found of them, from the record of the data set."""
    from radiotrace.tabular import checks

    limits = ValidateParams.of(sources.params("validate"))
    dataset = Dataset.of(sources["dataset"])
    kept = accepted.cases(dataset, limits.exclude)
    made = [
        finding._asdict() | {"case_id": finding.case_id or None}
        for finding in checks.of_records(dataset.dataset, kept, limits)
    ]
    return [
        *differences.compared(
            "accepted.json", sources["accepted"], accepted.of_dataset(dataset, limits.exclude).record()
        ),
        *differences.compared("findings.json: findings", sources["findings"]["findings"], made),
        *differences.compared(
            "findings.json",
            {key: sources["findings"][key] for key in ("cases_checked", "errors", "warnings")},
            {"cases_checked": len(kept), "errors": 0, "warnings": len(made)},
        ),
    ]


def trained(sources: Sources) -> list[str]:
    """What the record of training says of its cases and columns: they are those of split and data set."""
    from radiotrace.tabular import table

    train, dataset = sources.train, Dataset.of(sources["dataset"])
    outcome, features = table.of_dataset(dataset)
    made = {
        "cases": {part: sources.part(part) for part in train["cases"]},
        "labels": sources["split"]["labels"],
        "excluded": sources["split"]["excluded"],
        "params": sources.params("train"),
        "outcome": outcome.record(),
        "features": [one.record() for one in features],
        "horizon": sources.params("train")["horizon"],
    }
    return differences.compared(TRAIN, {key: train[key] for key in made}, made)


def metrics(sources: Sources) -> list[str]:
    """What of metrics.json follows from cases.json, from the data set, and from what was decided."""
    stated = sources["metrics"]
    made = _summary(
        sources["cases"]["cases"],
        stated,
        Dataset.of(sources["dataset"]),
        sources["split"],
        sources.params("evaluate"),
    )
    return differences.compared("metrics.json", {key: stated.get(key) for key in made}, made)


def _summary(cases: list[dict], stated: dict, dataset: Dataset, split: dict, params: dict) -> dict[str, Any]:
    """The record 'metrics', but for what other records decide."""
    from radiotrace.tabular import results, table

    outcome, features = table.of_dataset(dataset)
    settings = EvaluateParams.of(params)
    parts = {part: table.of_part(dataset, split, part) for part in ("train", "validation", "test")}
    summary = results.Summary(cases, outcome, stated["horizon"], settings)
    return records.canonical(
        {
            **results.characteristics(parts, outcome, features),
            **summary.all(stated["decisions"], stated["model"], results.groups_of(parts["test"])),
        }
    )


def headline(sources: Sources) -> list[str]:
    """The headline from the metrics."""
    from radiotrace.tabular import results

    made = records.canonical(results.headline(Metrics.of(sources["metrics"])))
    return differences.compared("headline.json", sources["headline"], made)


def released(sources: Sources) -> list[str]:
    """What of model.json other records say."""
    model, train, decided = sources["model"], sources.train, sources["metrics"]["decisions"]
    keys = ("run_id", "weights_sha256", "network", "outcome", "horizon", "features", "fill", "labels")
    made = {key: train[key] for key in keys} | {key: decided[key] for key in ("lines", "operating_points")}
    return differences.compared("model.json", {key: model.get(key) for key in made}, made)


def envelope(sources: Sources) -> list[str]:
    """Which severities hold, and up to which all do."""
    stated, faults = sources["robustness"], []
    for name, rows in stated["changes"].items():
        strongest, still = 0, True
        for row in rows:
            mean = row["concordance_mean"]
            holds = mean is not None and mean >= stated["criterion"]
            still = still and holds
            strongest += still
            if row["holds"] != holds:
                faults.append(f"robustness.json: {name} {row['amount']}: holds is {row['holds']}")
        if stated["envelope"].get(name) != strongest:
            found = stated["envelope"].get(name)
            faults.append(f"robustness.json: envelope of {name} is {found}, expected {strongest}")
    return faults


def explained(sources: Sources) -> list[str]:
    """Contributions and base add up to the link value whose risk was told."""
    import numpy as np

    from radiotrace.tabular import entries, model

    stated, decided = sources["explain"], sources["metrics"]["decisions"]
    outcome = Outcome.of(sources["metrics"]["outcome"])
    line = entries.line_of(decided, outcome.name)
    told = {row["case_id"]: row["labels"][outcome.name]["probability"] for row in sources["cases"]["cases"]}
    faults = []
    if sorted(row["case_id"] for row in stated["cases"]) != sorted(told):
        faults.append("explain.json: its cases are not those that were evaluated")
    for row in stated["cases"]:
        summed = np.array(stated["base"] + sum(row["contributions"].values()))
        risk = float(model.risks(summed, outcome.kind, line))
        if abs(risk - told.get(row["case_id"], np.nan)) > ADDITIVE + stated["additivity_error"]:
            faults.append(
                f"explain.json: {row['case_id']}: contributions add up to a risk of {risk:.6f}, told was "
                f"{told.get(row['case_id'])}"
            )
    return faults


DERIVED = {
    # in the place of what every study has: the checks of a table are others
    "accepted cases follow from the data set": accepted_rows,
    "training is of the split, of the columns and of its parameters": trained,
    "summaries follow from cases": metrics,
    "the headline follows from the metrics": headline,
    "the released model is the one that was measured": released,
    "the envelope follows from the severities": envelope,
    "explanations add up to what was told": explained,
}


def _prediction(run: Judged, case: dict) -> dict[str, Any]:
    """The file of a case.

    Raises:
        StageError: it is not the one that was recorded.
    """
    path = run.predictions / case["prediction"]
    if records.sha256(path) != case["prediction_sha256"]:
        raise StageError(f"{path} is not the prediction that was recorded", way_out="Run 'dvc checkout'.")
    return json.loads(path.read_text("utf-8"))


def entries(run: Judged, fault: str | None = None) -> list[dict]:
    """The entry of each test case, made again from its link values and the table, under a seeded fault."""
    from radiotrace.tabular import entries as made
    from radiotrace.tabular import table

    dataset = Dataset.of(run.dataset)
    outcome, features = table.of_dataset(dataset)
    test = table.of_part(dataset, run.split, "test")
    predictions = [_prediction(run, case) for case in run.cases]
    if fault == "shuffle cases":
        predictions = [*predictions[1:], predictions[0]]
    return records.canonical(
        made.entries(
            [{key: case[key] for key in ABOUT} for case in run.cases],
            predictions,
            table.rows_of(test, outcome, features),
            outcome,
            run.metrics["horizon"],
            run.metrics["model"],
            run.metrics["decisions"],
        )
    )


def under(run: Judged, fault: str) -> dict:
    """The record 'metrics' under a seeded fault of the predictions."""
    rows = entries(run, fault)
    return run.metrics | _summary(rows, run.metrics, Dataset.of(run.dataset), run.split, run.params)


def measured(clone: Clone) -> Check:
    """Level 4: each case's measures and all summaries, made again from link values and the table."""
    run, faults = judged.read(clone.root, tasks.declared(TASK)), []
    rows = entries(run)
    for case, again in zip(run.cases, rows, strict=True):
        faults += differences.compared(f"metrics/cases.json: {case['case_id']}", case, again)
    made = _summary(rows, run.metrics, Dataset.of(run.dataset), run.split, run.params)
    for name, value in made.items():
        faults += differences.compared(f"metrics/metrics.json: {name}", run.metrics.get(name), value)
    return Check(4, believed.MEASURED, faults)


def of_table(clone: Clone) -> list[str]:
    """Level 4: the record of the data set, made again from data/."""
    from radiotrace.records.sections.ingest import IngestParams
    from radiotrace.tabular import reading

    root = clone.root
    if not (root / "data").is_dir():
        raise StageError(f"{root / 'data'} is not there", way_out="Run 'make pull'.")
    stated = records.read(root / "build/ingest/dataset.json", "dataset")
    taken = records.read(root / "build/ingest/provenance.json", "provenance")["params"]
    settings = IngestParams.of(taken)
    found = reading.read_dataset(root / "data", settings.missing_words, settings.bands)
    made = {
        case.case_id: {
            "subject_id": case.subject_id,
            "attributes": case.attributes,
            "values": records.canonical(dict(case.values)),
            "row": reading.row_sha256(case.values),
        }
        for case in found.cases
    }
    known = {
        case["case_id"]: {
            "subject_id": case["subject_id"],
            "attributes": case["attributes"],
            "values": case.get("values", {}),
            "row": case["image"]["voxels_sha256"],
        }
        for case in stated["cases"]
    }
    return differences.compared("build/ingest/dataset.json: rows", known, made)


def predicted(clone: Clone) -> list[str]:
    """Level 5: the link values of each test case, computed again."""
    from radiotrace.records.tabular.train import TabularRun
    from radiotrace.tabular import entries as made
    from radiotrace.tabular import model, table

    root = clone.root
    judged_run = judged.read(root, tasks.declared(TASK))
    run = TabularRun.of(records.read(root / "build/train/train.json", "train_tabular"))
    models = model.read(root / "build/train/weights.safetensors", run.weights_sha256, run.horizon)
    dataset = Dataset.of(judged_run.dataset)
    rows = table.rows_of(table.of_part(dataset, judged_run.split, "test"), run.outcome, run.features)
    values = {name: one.link_values(rows.x) for name, one in models.items()}
    faults = []
    for place, case in enumerate(judged_run.cases):
        stated = _prediction(judged_run, case)[made.LINK_VALUES]
        for name, of in values.items():
            if not abs(stated.get(name, float("nan")) - of[place]) <= TOLERANCE:
                faults.append(f"{case['prediction']}: {name}: {of[place]:.6g}, stated {stated.get(name)}")
    return faults


def released_again(clone: Clone) -> list[str]:
    """Level 5: what model.onnx tells of each test case, against what was measured."""
    import hashlib

    from radiotrace.records.tabular.model import ReleasedRisk
    from radiotrace.tabular import graph, table

    root = clone.root
    run = judged.read(root, tasks.declared(TASK))
    model = ReleasedRisk.of(records.read(root / "build/export/model.json", "released_risk"))
    content = (root / "build/export" / model.file).read_bytes()
    if (digest := hashlib.sha256(content).hexdigest()) != model.sha256:
        return [f"build/export/{model.file}: SHA-256 {digest}, stated {model.sha256}"]
    dataset = Dataset.of(run.dataset)
    rows = table.rows_of(table.of_part(dataset, run.split, "test"), model.outcome, model.features)
    risks = graph.session(content)(rows.x)[graph.RISK]
    return [
        f"{case['case_id']}: risk {float(risk):.6f}, measured {told:.6f}"
        for case, risk in zip(run.cases, risks, strict=True)
        if not abs(float(risk) - (told := case["labels"][model.outcome.name]["probability"]))
        <= model.parity.tolerance
    ]


LEVELS = {
    4: ((believed.MEASURED, measured), (ROWS, of_table)),
    5: ((PREDICTED, predicted), (RELEASED, released_again)),
}
