"""What verify makes again of a study of classification, level by level; as
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
from radiotrace.records.classification.metrics import Decisions, Metrics
from radiotrace.records.dataset import Dataset
from radiotrace.records.sections.classification.evaluate import EvaluateParams

TASK = "classification"
OPENED = {
    "evaluate": "metrics/metrics.json",
    "robustness": "metrics/robustness.json",
    "explain": "build/explain/explain.json",
}
# of metrics.json, what needs more than its cases: level 5
NOT_OF_CASES = ("subgroups", "members")
RELEASED = "the released graph calls what was measured"
PREDICTED = "the model predicts what was measured"
TOLERANCE = 1e-6  # of a logit that is computed again on a machine of the same kind


def trained(sources: Sources) -> list[str]:
    """What the record of training says of its cases and labels: they are those of the split."""
    train = sources.train
    keys = ("cases", "labels", "excluded", "params")
    stated = {key: train[key] for key in keys}
    made = {
        "cases": {part: sources.part(part) for part in train["cases"]},
        "labels": sources["split"]["labels"],
        "excluded": sources["split"]["excluded"],
        "params": sources.params("train"),
    }
    return differences.compared(TRAIN, stated, made)


def metrics(sources: Sources) -> list[str]:
    """What of metrics.json follows from cases.json, and from what was decided."""
    from radiotrace.classification import results  # here, because it takes seconds to import

    stated, rows = sources["metrics"], sources["cases"]["cases"]
    settings = EvaluateParams.of(sources.params("evaluate"))
    made = _of_cases(results.Summary(rows, settings).all(stated["decisions"], {}))
    return differences.compared("metrics.json", {key: stated.get(key) for key in made}, made)


def _of_cases(made: dict[str, Any]) -> dict[str, Any]:
    """What follows from cases alone, as records have it."""
    return {key: value for key, value in records.canonical(made).items() if key not in NOT_OF_CASES}


def headline(sources: Sources) -> list[str]:
    """The headline from the metrics."""
    from radiotrace.classification import results

    made = records.canonical(results.headline(Metrics.of(sources["metrics"])))
    return differences.compared("headline.json", sources["headline"], made)


def released(sources: Sources) -> list[str]:
    """What of model.json other records say."""
    model, train, decided = sources["model"], sources.train, sources["metrics"]["decisions"]
    keys = ("run_id", "weights_sha256", "network", "target", "labels", "preprocessing")
    made = {key: train[key] for key in keys} | {
        key: decided[key] for key in ("temperature", "lines", "operating_points")
    }
    return differences.compared("model.json", {key: model.get(key) for key in made}, made)


def envelope(sources: Sources) -> list[str]:
    """Which severities hold, and up to which all do."""
    stated = sources["robustness"]
    limit, faults = stated["criterion_auroc"], []
    for name, rows in stated["corruptions"].items():
        strongest, still = 0, True
        for row in rows:
            values = [area["value"] for area in row["auroc"].values()]
            holds = all(value is not None and value >= limit for value in values)
            still = still and holds
            strongest = row["severity"] if still else strongest
            if row["holds"] != holds:
                faults.append(f"robustness.json: {name} {row['severity']}: holds is {row['holds']}")
        if stated["envelope"].get(name) != strongest:
            found = stated["envelope"].get(name)
            faults.append(f"robustness.json: envelope of {name} is {found}, expected {strongest}")
    return faults


DERIVED = {
    "training is of the split and of its parameters": trained,
    "summaries follow from cases": metrics,
    "the headline follows from the metrics": headline,
    "the released model is the one that was measured": released,
    "the envelope follows from the severities": envelope,
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
    """The entry of each test case, made again from its logits and the class in cases.csv, under a seeded
    fault."""
    from radiotrace.classification import entries as made
    from radiotrace.classification import pictures
    from radiotrace.classification.calibrated import Calibrator

    dataset, decided = Dataset.of(run.dataset), run.metrics["decisions"]
    target = pictures.target_of(dataset)
    calibrator = Calibrator.of(Decisions.of(decided), target.kind, target.names)
    labels = tuple(target.labels[str(value)] for value in range(len(target.labels)))
    entry_of = {case.case_id: case for case in dataset.cases}
    predictions = [_prediction(run, case) for case in run.cases]
    if fault == "swap labels":
        predictions = [one | {"logits": _swapped(one["logits"], target.kind)} for one in predictions]
    if fault == "shuffle cases":
        predictions = [*predictions[1:], predictions[0]]
    about = ("case_id", "subject_id", "prediction", "prediction_sha256")
    return [
        made.entry(
            {key: case[key] for key in about},
            prediction,
            target.of(entry_of[case["case_id"]]),
            labels,
            calibrator,
            decided,
        )
        for case, prediction in zip(run.cases, predictions, strict=True)
    ]


def _swapped(logits: list[float], kind: str) -> list[float]:
    """Logits of each label in the place of the next; of labels that are told one by one, turned round."""
    return [-value for value in logits] if kind == "classes" else [*logits[1:], logits[0]]


def under(run: Judged, fault: str) -> dict:
    """The record 'metrics' under a seeded fault of the predictions."""
    from radiotrace.classification import results

    rows = records.canonical(entries(run, fault))
    summary = results.Summary(rows, EvaluateParams.of(run.params))
    return run.metrics | _of_cases(summary.all(run.metrics["decisions"], {}))


def measured(clone: Clone) -> Check:
    """Level 4: each case's measures and all summaries, made again from logits and classes."""
    from radiotrace.classification import results

    run, faults = judged.read(clone.root, tasks.declared(TASK)), []
    rows = records.canonical(entries(run))
    for case, again in zip(run.cases, rows, strict=True):
        faults += differences.compared(f"metrics/cases.json: {case['case_id']}", case, again)
    made = _of_cases(results.Summary(rows, EvaluateParams.of(run.params)).all(run.metrics["decisions"], {}))
    for name, value in made.items():
        faults += differences.compared(f"metrics/metrics.json: {name}", run.metrics.get(name), value)
    return Check(
        4, believed.MEASURED, faults, ["subgroups and members: they need pictures and weights, level 5"]
    )


def predicted(clone: Clone) -> list[str]:
    """Level 5: the logits of each test case, computed again."""
    import numpy as np

    from radiotrace.classification.model import TrainedClassifier
    from radiotrace.imaging import canonical_images
    from radiotrace.inference import picture
    from radiotrace.learning import numerics
    from radiotrace.records.classification.train import ClassificationRun

    root = clone.root
    judged_run = judged.read(root, tasks.declared(TASK))
    run = ClassificationRun.of(records.read(root / "build/train/train.json", "train_classification"))
    numerics.configure(run.params.numerics, judged_run.params["threads"])
    model = TrainedClassifier.of(run, root / "build/train/weights.safetensors")
    entry_of = {case.case_id: case for case in Dataset.of(judged_run.dataset).cases}
    folder, faults = root / "build/ingest/volumes", []
    pixels = np.stack(
        [
            picture.prepared(
                canonical_images.image(folder, entry_of[case["case_id"]], model.recipe.channels), model.recipe
            )
            for case in judged_run.cases
        ]
    )
    for case, logits in zip(judged_run.cases, model.logits(pixels), strict=True):
        stated = np.array(_prediction(judged_run, case)["logits"])
        if stated.shape != logits.shape or not np.abs(stated - logits).max() <= TOLERANCE:
            found = ", ".join(f"{value:.6g}" for value in logits)
            faults.append(f"{case['prediction']}: logits {found}, stated {stated.tolist()}")
    return faults


def released_again(clone: Clone) -> list[str]:
    """Level 5: what model.onnx calls on each test case, against what was measured."""
    import hashlib

    import numpy as np

    from radiotrace.classification import onnx_session
    from radiotrace.imaging import canonical_images
    from radiotrace.inference import picture
    from radiotrace.inference.picture import PictureRecipe
    from radiotrace.records.classification.model import ReleasedClassifier

    root = clone.root
    run = judged.read(root, tasks.declared(TASK))
    model = ReleasedClassifier.of(records.read(root / "build/export/model.json", "released_classifier"))
    content = (root / "build/export" / model.file).read_bytes()
    if (digest := hashlib.sha256(content).hexdigest()) != model.sha256:
        return [f"build/export/{model.file}: SHA-256 {digest}, stated {model.sha256}"]
    graph, recipe = onnx_session.session(content, 1), PictureRecipe.of(model.preprocessing)
    entry_of = {case.case_id: case for case in Dataset.of(run.dataset).cases}
    faults = []
    for case in run.cases:
        image = canonical_images.image(
            root / "build/ingest/volumes", entry_of[case["case_id"]], recipe.channels
        )
        [p] = graph(picture.prepared(image, recipe)[None])["probabilities"]
        for value, (name, row) in zip(p, case["labels"].items(), strict=True):
            if not abs(float(value) - row["probability"]) <= model.parity.tolerance:
                faults.append(f"{case['case_id']}: {name} {value:.6f}, measured {row['probability']:.6f}")
        if not np.isfinite(p).all():
            faults.append(f"{case['case_id']}: the graph gives values that are not finite")
    return faults


LEVELS = {
    4: ((believed.MEASURED, measured),),
    5: ((PREDICTED, predicted), (RELEASED, released_again)),
}
