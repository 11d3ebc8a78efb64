"""What verify makes again of a study of the second task."""

import json
from pathlib import Path

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.verify import believed, differences, judged
from radiotrace.evidence.verify.derived import TRAIN, Sources
from radiotrace.evidence.verify.judged import Judged
from radiotrace.evidence.verify.levels import Check, Clone
from radiotrace.pipeline import tasks

TASK = "second_task"
OPENED = {"evaluate": "metrics/metrics.json"}


def trained(sources: Sources) -> list[str]:
    """What the record of training says of its cases and labels: they are those of the split."""
    train = sources.train
    stated = {key: train[key] for key in ("cases", "labels", "excluded", "params")}
    made = {
        "cases": {part: sources.part(part) for part in train["cases"]},
        "labels": sources["split"]["labels"],
        "excluded": sources["split"]["excluded"],
        "params": sources.params("train"),
    }
    return differences.compared(TRAIN, stated, made)


def metrics(sources: Sources) -> list[str]:
    """The summaries of metrics.json from cases.json."""
    from radiotrace.second_task import measures  # here, because it takes seconds to import

    stated, rows = sources["metrics"], sources["cases"]["cases"]
    made = {
        **measures.summaries(rows),
        "measures": [one.record() for one in measures.TABLE],
        "run_id": sources.train["run_id"],
        "n_cases": len(rows),
    }
    return differences.compared("metrics.json", {key: stated.get(key) for key in made}, made)


def headline(sources: Sources) -> list[str]:
    """The headline from the metrics."""
    from radiotrace.second_task import measures

    return differences.compared("headline.json", sources["headline"], measures.headline(sources["metrics"]))


DERIVED = {
    "training is of the split and of its parameters": trained,
    "summaries follow from cases": metrics,
    "the headline follows from the metrics": headline,
}


def told(path: Path, sha256: str) -> str:
    """The class that a prediction tells.

    Raises:
        StageError: it is not the one that was recorded.
    """
    if records.sha256(path) != sha256:
        raise StageError(f"{path} is not the prediction that was recorded", way_out="Run 'dvc checkout'.")
    return json.loads(path.read_text("utf-8"))["told"]


def entries(run: Judged, fault: str = "") -> list[dict]:
    """The entry of each test case, measured again from predictions and references, under a seeded fault."""
    from radiotrace.second_task import measures, pictures

    labels = run.split["labels"]
    classes = [name for value, name in labels.items() if value != "0"]
    reference = {
        case["case_id"]: pictures.class_of(case, labels)
        for case in pictures.of_part(run.dataset, run.split, "test")
    }
    answers = [told(run.predictions / case["prediction"], case["prediction_sha256"]) for case in run.cases]
    if fault == "swap labels":
        answers = [classes[1 - classes.index(name)] for name in answers]
    if fault == "shuffle cases":
        answers = [*answers[1:], answers[0]]
    return [
        case | {"labels": measures.row(reference[case["case_id"]], answer, classes)}
        for case, answer in zip(run.cases, answers, strict=True)
    ]


def under(run: Judged, fault: str) -> dict:
    """The record 'metrics' under a seeded fault of the predictions."""
    from radiotrace.second_task import measures

    return run.metrics | measures.summaries(entries(run, fault))


def measured(clone: Clone) -> Check:
    """Level 4: each case's measures and all summaries, made again from predictions and references."""
    from radiotrace.second_task import measures

    run, faults = judged.read(clone.root, tasks.declared(TASK)), []
    made = entries(run)
    for case, again in zip(run.cases, made, strict=True):
        faults += differences.compared(f"metrics/cases.json: {case['case_id']}", case, again)
    for name, value in measures.summaries(made).items():
        faults += differences.compared(f"metrics/metrics.json: {name}", run.metrics.get(name), value)
    return Check(4, believed.MEASURED, faults)


LEVELS = {4: ((believed.MEASURED, measured),)}
