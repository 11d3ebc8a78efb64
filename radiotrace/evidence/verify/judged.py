"""Judged: a run as its test part was judged, which level 4 and seeded faults of predictions measure again."""

from dataclasses import dataclass
from pathlib import Path

from radiotrace import records
from radiotrace.pipeline.tasks import Task


@dataclass(frozen=True)
class Judged:
    """The records behind the metrics of a run, and where raw files and predictions lie.

    Attributes:
        dataset, split, metrics: records.
        cases: entries of the record 'cases'.
        params: of the stage evaluate.
        data, predictions: folders.
    """

    dataset: dict
    split: dict
    metrics: dict
    cases: list[dict]
    params: dict
    data: Path
    predictions: Path


def read(root: Path, task: Task) -> Judged:
    """The run that stands in the folder of a study.

    Raises:
        StageError: a record is missing or broken.
    """
    results = root / "build/evaluate/results"
    return Judged(
        dataset=records.read(root / "build/ingest/dataset.json", "dataset"),
        split=records.read(root / "build/split/split.json", "split"),
        metrics=records.read(root / "metrics/metrics.json", task.records["metrics"]),
        cases=records.read(root / "metrics/cases.json", task.records["cases"])["cases"],
        params=records.read(results / "provenance.json", "provenance")["params"],
        data=root / "data",
        predictions=results / "predictions",
    )
