"""explain: shows for boxes of test cases where their scores come from, and how far to trust that.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/train/train.json and weights.safetensors,
        metrics/metrics.json, metrics/cases.json and build/evaluate/results/predictions/
Writes  build/explain/: explain.json, provenance.json; metrics/explanations.svg
State   design/test_openings.jsonl, to which a line is added
Params  seed, explain.*
Stops   when no box is shown in any of the cases
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from radiotrace.pipeline import stage

if __name__ == "__main__":
    stage.check_parameters(sys.argv)  # before torch, whose import takes seconds

import numpy as np

from radiotrace import errors, records
from radiotrace.detection import charts, examples, explain, networks, preparation
from radiotrace.detection.model import TrainedDetector
from radiotrace.errors import StageError
from radiotrace.imaging import canonical_images
from radiotrace.imaging.parts import spread
from radiotrace.learning import numerics
from radiotrace.pipeline import openings, params, randomness, runs
from radiotrace.records.dataset import Dataset
from radiotrace.records.detection.metrics import Metrics
from radiotrace.records.detection.prediction import FoundBox, Prediction
from radiotrace.records.detection.train import DetectionRun
from radiotrace.records.sections.detection.explain import ExplainParams
from radiotrace.records.typed import plain
from radiotrace.statistics import intervals

SHOWN = 6  # boxes of the figure


def prediction_of(folder: Path, row: Mapping[str, Any]) -> Prediction:
    """The boxes that were found in a case.

    Raises:
        StageError: the file is not the one that was recorded.
    """
    path = folder / row["prediction"]
    if records.sha256(path) != row["prediction_sha256"]:
        raise StageError(f"{path} is not the prediction that was recorded", way_out="Run 'dvc checkout'.")
    return Prediction.of(json.loads(path.read_text("utf-8")))


def chosen_boxes(prediction: Prediction, scores: Mapping[str, float], most: int) -> list[FoundBox]:
    """Shown boxes of a case, as many of each label as there is room for, from the highest score."""
    shown: dict[str, list[FoundBox]] = {name: [] for name in scores}
    for box in prediction.boxes:
        if box.score >= scores[box.label]:
            shown[box.label].append(box)
    found: list[FoundBox] = []
    while len(found) < most and any(shown.values()):
        for rows in shown.values():
            if rows and len(found) < most:
                found.append(rows.pop(0))
    return found


def explained(
    box: FoundBox,
    case_id: str,
    values: np.ndarray,
    model: TrainedDetector,
    randomised: Sequence[networks.Detector],
    settings: ExplainParams,
) -> tuple[dict[str, Any], np.ndarray]:
    """What the record says of a box, and the map of what sways it."""
    [corners] = preparation.to_input(*examples.corners_of([box]), model.recipe)
    heat, _ = model.cells(values)
    cell = explain.cell_of(corners, model.names.index(box.label), model.run.network.cell_voxels, heat)
    shape = values.shape[1:]
    region = explain.region_of(corners, shape)
    sway = explain.gradient(model.network, values, cell)
    others = [explain.share_inside(explain.gradient(network, values, cell), region) for network in randomised]
    before = explain.score(model.network, values, cell)
    at_random = []
    for number in range(settings.repetitions):
        corner_names = [f"{value:g}" for value in (*box.low_voxels, *box.high_voxels)]
        rng = randomness.generator(settings.seed, "elsewhere", case_id, *corner_names, number)
        other = explain.elsewhere(region, shape, rng)
        at_random.append(before - explain.score(model.network, explain.blurred(values, other), cell))
    size = float(np.prod([along.stop - along.start for along in region]))
    row = {
        "case_id": case_id,
        **box.record(),
        "inside": explain.share_inside(sway, region),
        "inside_at_random": float(np.mean(others)),
        "area": size / float(np.prod(shape)),
        "drop": before - explain.score(model.network, explain.blurred(values, region), cell),
        "drop_elsewhere": float(np.mean(at_random)),
    }
    return row, sway


def summary(rows: Sequence[Mapping[str, Any]], subject_of: Mapping[str, str]) -> dict[str, dict]:
    """Over boxes, with intervals over subjects."""

    def mean(of) -> dict[str, Any]:
        sums: dict[str, tuple[float, int]] = {}
        for row in rows:
            total, count = sums.get(row["case_id"], (0.0, 0))
            sums[row["case_id"]] = (total + float(of(row)), count + 1)
        return intervals.estimate(
            sums, lambda totals: totals[0] / totals[1], dict(subject_of), rule=intervals.SHARE
        )

    return {
        "inside": mean(lambda row: row["inside"]),
        "inside_at_random": mean(lambda row: row["inside_at_random"]),
        "beyond_random": mean(lambda row: row["inside"] > row["inside_at_random"]),
        "needed": mean(lambda row: row["drop"] > row["drop_elsewhere"]),
    }


def main(args):
    settings = ExplainParams.of(params.load(args.params, "explain", seed=True))
    run = DetectionRun.of(records.read(args.train, "train_detection"))
    metrics = Metrics.of(records.read(args.metrics_record, "metrics_detection"))
    told = {row["case_id"]: row for row in records.read(args.cases, "cases_detection")["cases"]}
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    openings.read(args.openings)
    numerics.configure(run.params.numerics, settings.threads)
    model = TrainedDetector.of(run, args.weights)
    randomised = [
        networks.build(run.network, seed=settings.seed + 1 + number).eval()
        for number in range(settings.repetitions)
    ]
    scores = {name: metrics.decisions.operating_points[name].score for name in model.names}
    entry_of = {case.case_id: case for case in dataset.cases}
    rows: list[dict[str, Any]] = []
    pictured: list[charts.Explained] = []
    case_ids = spread(sorted(told), settings.cases)
    for number, case_id in enumerate(case_ids, 1):
        prediction = prediction_of(Path(args.predictions), told[case_id])
        image = canonical_images.image(args.volumes, entry_of[case_id], model.recipe.channels)
        values = preparation.prepared(image, model.recipe)
        for box in chosen_boxes(prediction, scores, settings.boxes):
            row, sway = explained(box, case_id, values, model, randomised, settings)
            rows.append(row)
            of_label = sum(one.label == box.label for one in pictured)
            if of_label < SHOWN // len(model.names):
                [corners] = preparation.to_input(*examples.corners_of([box]), model.recipe)
                pictured.append(charts.Explained(case_id, box.label, row["inside"], values, sway, corners))
        errors.log(f"explain: {number}/{len(case_ids)} cases")
    if not rows:
        raise StageError("no box is shown in any of the cases", way_out="Raise explain.cases in params.yaml.")
    subject_of = {case_id: row["subject_id"] for case_id, row in told.items()}
    rows = records.canonical(rows)
    record = {
        "run_id": run.run_id,
        "part": "test",
        "excluded": plain(run.excluded),
        "n_cases": len(case_ids),
        "repetitions": settings.repetitions,
        **summary(rows, subject_of),
        "boxes": rows,
    }
    with stage.output_folder(args.out) as out:
        records.write(out / "explain.json", record, "explain_detection")
        inputs = [args.dataset, args.train, args.weights, args.metrics_record, args.cases]
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
            "explain",
            case_ids,
            records.digest(record),
            "where scores of boxes come from",
        )
        content = charts.explanations(pictured, settings.pictures_in_chart)
        records.write_bytes(Path(args.metrics) / "explanations.svg", content)
    errors.log(f"explain: wrote {args.out}/ with {len(rows)} boxes")


parser = argparse.ArgumentParser(
    prog="explain", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--weights", required=True, help="trained weights")
parser.add_argument("--metrics-record", required=True, help="record of metrics")
parser.add_argument("--cases", required=True, help="record of the test cases")
parser.add_argument("--predictions", required=True, help="folder of predictions")
parser.add_argument("--openings", required=True, help="ledger of what the test part was shown to")
parser.add_argument("--out", required=True, help="folder to write")
parser.add_argument("--metrics", required=True, help="folder of the small files that git keeps")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
