"""robustness: corrupts images of the test part; finds how far results fall.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/split/split.json, build/boxes/boxes.json,
        build/train/train.json and weights.safetensors, metrics/metrics.json and what decided it
Writes  build/robustness/: provenance.json; metrics/robustness.json, metrics/envelope.svg
State   design/test_openings.jsonl, to which a line is added
Params  seed, robustness.*
Stops   when a corruption is named that these images cannot meet
Corruptions that move what an image shows are left out: boxes are held against where things were.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from radiotrace.pipeline import stage

if __name__ == "__main__":
    stage.check_parameters(sys.argv)  # before torch, whose import takes seconds

import numpy as np

from radiotrace import errors, records
from radiotrace.detection import charts, matching
from radiotrace.detection.decoding import Selection
from radiotrace.detection.model import TrainedDetector
from radiotrace.errors import StageError
from radiotrace.imaging import canonical_images, corruptions
from radiotrace.imaging.image import Image
from radiotrace.imaging.parts import spread
from radiotrace.learning import numerics
from radiotrace.pipeline import openings, params, randomness, runs
from radiotrace.records.dataset import Case, Dataset
from radiotrace.records.detection.boxes import Boxes
from radiotrace.records.detection.metrics import Metrics
from radiotrace.records.detection.robustness import Robustness
from radiotrace.records.detection.train import DetectionRun
from radiotrace.records.sections.detection.evaluate import EvaluateParams
from radiotrace.records.sections.detection.robustness import RobustnessParams
from radiotrace.records.typed import picked, plain
from radiotrace.statistics import detection_scores, resampling

HALF = np.array([0.5])
MOVES = ("motion", "rotation", "shift")  # what an image shows lies elsewhere then


class Tested:
    """A model on images of the test part.

    Args:
        scores: label -> score of the validation part.
    """

    def __init__(
        self,
        model: TrainedDetector,
        scores: dict[str, float],
        reference: Boxes,
        cases: Sequence[Case],
        measured: EvaluateParams,
        criterion: float,
    ):
        self.model, self.scores, self.reference, self.cases = model, scores, reference, cases
        self.measured, self.criterion = measured, criterion
        subjects = np.array([case.subject_id for case in cases])
        self.plan = resampling.Plan(subjects, measured.seed, measured.resamples)

    def row(self, images: Sequence[Image], severity: int) -> dict[str, Any]:
        """What is left of these images."""
        selection = picked(Selection, self.measured)
        predictions = [self.model.predicted(image, selection) for image in images]
        of_cases = [self.reference.cases[case.case_id] for case in self.cases]
        compared = [
            matching.image(boxes, prediction, self.model.names)
            for boxes, prediction in zip(of_cases, predictions, strict=True)
        ]
        mean = detection_scores.mean_precision_interval(compared, len(self.model.names), self.plan, HALF)
        rows = [
            matching.entry({}, boxes, prediction, self.scores, self.measured.hit_overlap)["labels"]
            for boxes, prediction in zip(of_cases, predictions, strict=True)
        ]
        precision, sensitivity = {}, {}
        for label, name in enumerate(self.model.names):
            [value] = detection_scores.average_precisions(detection_scores.matched(compared, label, HALF))
            n_true = sum(row[name]["n_true"] for row in rows)
            found = sum(row[name]["found"] for row in rows)
            precision[name] = None if np.isnan(value) else float(value)
            sensitivity[name] = found / n_true if n_true else None
        invented = sum(len(of_label["invented"]) for row in rows for of_label in row.values())
        return {
            "severity": severity,
            "map50": {
                "n_cases": len(images),
                "n_subjects": mean.n_subjects,
                "n_undefined": 0,
                "value": mean.value,
                **mean.interval.record(),
            },
            "ap50": precision,
            "sensitivity": sensitivity,
            "false_positives": invented / len(images),
            "holds": mean.value is not None and mean.value >= self.criterion,
        }


def corruption_rows(
    name: str, tested: Tested, images: Sequence[Image], settings: RobustnessParams
) -> list[dict[str, Any]]:
    """What is left at each severity of a corruption."""
    rows = []
    for severity in corruptions.SEVERITIES:
        changed = []
        for image, case in zip(images, tested.cases, strict=True):
            # severities of a case differ in strength alone
            rng = randomness.generator(settings.seed, name, case.case_id)
            changed.append(corruptions.apply_to_channels(name, severity, image, rng)[0])
        rows.append(tested.row(changed, severity))
    return rows


def envelope(rows: Sequence[dict[str, Any]]) -> int:
    """The strongest severity up to which all severities hold; 0 for none."""
    strongest = 0
    for row in rows:
        if not row["holds"]:
            break
        strongest = row["severity"]
    return strongest


def main(args):
    settings = RobustnessParams.of(params.load(args.params, "robustness", seed=True))
    run = DetectionRun.of(records.read(args.train, "train_detection"))
    metrics = Metrics.of(records.read(args.metrics_record, "metrics_detection"))
    measured = EvaluateParams.of(records.read(args.evaluate_provenance, "provenance")["params"])
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    split = records.read(args.split, "split")
    reference = Boxes.of(records.read(args.boxes, "boxes"))
    openings.read(args.openings)
    numerics.configure(run.params.numerics, settings.threads)
    model = TrainedDetector.of(run, args.weights)
    possible = [
        name
        for name in corruptions.names(model.recipe.channels, one_slice=model.recipe.axes == 2)
        if name not in MOVES
    ]
    names = list(settings.corruptions or possible)
    if unknown := [name for name in names if name not in possible]:
        raise StageError(
            "corruptions that these images cannot meet",
            [f"{name}: expected one of {', '.join(possible)}" for name in unknown],
            "Correct robustness.corruptions in params.yaml.",
        )
    test = {case.case_id: case for case in canonical_images.of_part(dataset, split, "test")}
    cases = [test[case_id] for case_id in spread(sorted(test), settings.cases)]
    scores = {name: metrics.decisions.operating_points[name].score for name in model.names}
    tested = Tested(model, scores, reference, cases, measured, settings.criterion_ap50)
    images = [canonical_images.image(args.volumes, case, model.recipe.channels) for case in cases]
    found = {}
    for number, name in enumerate(names, 1):
        found[name] = corruption_rows(name, tested, images, settings)
        errors.log(f"robustness: {number}/{len(names)} {name}")
    record = {
        "run_id": run.run_id,
        "part": "test",
        "excluded": plain(run.excluded),
        "n_cases": len(cases),
        "criterion_ap50": settings.criterion_ap50,
        "clean": tested.row(images, 1),
        "corruptions": found,
        "envelope": {name: envelope(rows) for name, rows in found.items()},
    }
    with stage.output_folder(args.out) as out:
        inputs = [args.dataset, args.split, args.boxes, args.train, args.weights, args.metrics_record]
        inputs.append(args.evaluate_provenance)
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
            "robustness",
            [case.case_id for case in cases],
            records.digest(record),
            "corruptions",
        )
        folder = Path(args.metrics)
        records.write(folder / "robustness.json", record, "robustness_detection")
        chart = charts.envelope(Robustness.of(records.canonical(record)))
        records.write_bytes(folder / "envelope.svg", chart)
    errors.log(f"robustness: wrote {args.metrics}/robustness.json")


parser = argparse.ArgumentParser(
    prog="robustness", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--boxes", required=True, help="record of the boxes")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--weights", required=True, help="trained weights")
parser.add_argument("--metrics-record", required=True, help="record of metrics")
parser.add_argument("--evaluate-provenance", required=True, help="record of what decided the evaluation")
parser.add_argument("--openings", required=True, help="ledger of what the test part was shown to")
parser.add_argument("--out", required=True, help="folder to write")
parser.add_argument("--metrics", required=True, help="folder of the small files that git keeps")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
