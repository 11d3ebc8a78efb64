"""evaluate: finds things in the images of the test part and compares them with the reference.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/split/split.json, build/boxes/boxes.json,
        build/train/train.json and weights.safetensors
Writes  build/evaluate/results/: predictions/, provenance.json
        metrics/: headline.json, metrics.json, cases.json
State   design/test_openings.jsonl: one line for each model that was shown the test part
Params  seed, evaluate.*
Stops   when the test part is empty
Calibration and the scores from which boxes are shown are set on the validation part, before the test part is
opened.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from radiotrace.pipeline import stage

if __name__ == "__main__":
    stage.check_parameters(sys.argv)  # before torch, whose import takes seconds


from radiotrace import errors, records
from radiotrace.detection import matching, measures, methods, operating, results
from radiotrace.detection.decoding import Selection
from radiotrace.detection.model import TrainedDetector
from radiotrace.errors import StageError
from radiotrace.imaging import canonical_images
from radiotrace.learning import numerics
from radiotrace.pipeline import openings, params, runs
from radiotrace.records import measure_table
from radiotrace.records.dataset import Case, Dataset, known
from radiotrace.records.detection.boxes import Boxes
from radiotrace.records.detection.metrics import Decisions, Metrics
from radiotrace.records.detection.prediction import Prediction
from radiotrace.records.detection.train import DetectionRun
from radiotrace.records.sections.detection.evaluate import EvaluateParams
from radiotrace.records.typed import picked, plain
from radiotrace.statistics import subgroups


def predicted(
    cases: Sequence[Case], folder: Path, model: TrainedDetector, settings: EvaluateParams
) -> list[Prediction]:
    """The boxes of each case, as its file of predictions has them."""
    selection = picked(Selection, settings)
    found = []
    for case in cases:
        prediction = model.predicted(canonical_images.image(folder, case, model.recipe.channels), selection)
        # as a file has them: whoever reads it compares the very same
        found.append(Prediction.of(records.canonical(prediction.record())))
    return found


def groups_of(cases: Sequence[Case], reference: Boxes) -> dict[str, dict[str, str]]:
    """The groups of each case: by the attributes of cases.csv, and by what every image has."""
    given = sorted({name for case in cases for name in case.attributes})
    by_name = {name: {case.case_id: case.attributes.get(name, "") for case in cases} for name in given}
    images = {case.case_id: case.image for case in cases}
    intensities = {case_id: known(one.intensity) for case_id, one in images.items()}
    by_number = {
        "derived_brightness": {case_id: known(one.mean) for case_id, one in intensities.items()},
        "derived_contrast": {case_id: known(one.sd) for case_id, one in intensities.items()},
        "derived_boxes": {case_id: float(len(reference.cases[case_id])) for case_id in images},
    }
    return subgroups.groups(by_name, by_number)


def misfits(records_by_name: dict[str, dict]) -> list[str]:
    """Where the records cases, metrics and headline do not fit the table of measures, each with its place."""
    metrics = records.canonical(records_by_name["metrics"])
    return [
        *(f"metrics.json: {fault}" for fault in records.faults(metrics, "metrics_detection")),
        *measure_table.misfits_of_cases(metrics, records_by_name["cases"]["cases"], "cases_detection"),
        *measure_table.misfits_of_headline(metrics, records_by_name["headline"], "headline_detection"),
    ]


def write_predictions(
    out: Path, cases: Sequence[Case], predictions: Sequence[Prediction]
) -> list[dict[str, str]]:
    """Writes a file for each case; what an entry of the record 'cases' says of it."""
    rows = []
    for case, prediction in zip(cases, predictions, strict=True):
        file = f"{case.case_id}.json"
        records.write(out / "predictions" / file, prediction.record(), "prediction_detection")
        rows.append(
            {
                "case_id": case.case_id,
                "subject_id": case.subject_id,
                "prediction": file,
                "prediction_sha256": records.sha256(out / "predictions" / file),
            }
        )
    return rows


def main(args):
    settings = EvaluateParams.of(params.load(args.params, "evaluate", seed=True))
    if broken := operating.faults(settings.operating_point):
        raise StageError("evaluation cannot run as params.yaml says", broken, "Correct params.yaml.")
    run = DetectionRun.of(records.read(args.train, "train_detection"))
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    split = records.read(args.split, "split")
    reference = Boxes.of(records.read(args.boxes, "boxes"))
    openings.read(args.openings)  # a broken ledger stops the stage before the part is opened
    numerics.configure(run.params.numerics, settings.threads)
    model, folder = TrainedDetector.of(run, args.weights), Path(args.volumes)
    test, validation = (canonical_images.of_part(dataset, split, part) for part in ("test", "validation"))
    if not test:
        raise StageError("0 cases in the test part", way_out="Change split in params.yaml.")
    errors.log(f"evaluate: {len(validation)} validation cases")
    held_out = [
        matching.image(reference.cases[case.case_id], prediction, model.names)
        for case, prediction in zip(validation, predicted(validation, folder, model, settings), strict=True)
    ]
    found, said = results.decisions(held_out, model.names, settings)
    # as the record has it, so that whoever reads it computes with the same numbers
    decided = Decisions.of(records.canonical(found.record()))
    for line in said:
        errors.log(f"evaluate: warning: {line}")
    errors.log(f"evaluate: {len(test)} test cases")
    predictions = predicted(test, folder, model, settings)
    scores = {name: decided.operating_points[name].score for name in model.names}
    of_test = [reference.cases[case.case_id] for case in test]
    with stage.output_folder(args.out) as out:
        rows = records.canonical(
            [
                matching.entry(about, boxes, prediction, scores, settings.hit_overlap)
                for about, boxes, prediction in zip(
                    write_predictions(out, test, predictions), of_test, predictions, strict=True
                )
            ]
        )
        about = {"run_id": run.run_id, "part": "test", "excluded": plain(run.excluded)}
        summary = {
            **about,
            "subjects_unknown": dataset.dataset.subjects_unknown,
            "measures": [one.record() for one in measures.TABLE],
            "methods": methods.texts(settings),
            **results.Summary(rows, of_test, predictions, settings).all(decided, groups_of(test, reference)),
        }
        written = {
            "cases": {**about, "cases": rows},
            "metrics": summary,
            "headline": results.headline(Metrics.of(records.canonical(summary))),
        }
        # Before the opening is counted: what cannot be written was not shown.
        if wrong := misfits(written):
            raise ValueError("records do not fit the table of measures: " + "; ".join(wrong))
        inputs = [args.dataset, args.split, args.boxes, args.train, args.weights]
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
            "average precision, FROC, operating points, calibration, subgroups",
        )
        for name, record in written.items():
            records.write(Path(args.metrics) / f"{name}.json", record, f"{name}_detection")
    errors.log(f"evaluate: wrote {args.metrics}/ and {args.out}/")


parser = argparse.ArgumentParser(
    prog="evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--boxes", required=True, help="record of the boxes")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--weights", required=True, help="trained weights")
parser.add_argument("--openings", required=True, help="ledger of what the test part was shown to")
parser.add_argument("--out", required=True, help="folder to write")
parser.add_argument("--metrics", required=True, help="folder of the small files that git keeps")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
