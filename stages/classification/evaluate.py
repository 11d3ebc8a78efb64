"""evaluate: tells the classes of the pictures of the test part, compares with the reference, and says how
sure it is.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/split/split.json, build/train/train.json and
        weights.safetensors, members/
Writes  build/evaluate/results/: predictions/, provenance.json, reference.json, with which 'monitor'
        compares later pictures
        metrics/: headline.json, metrics.json, cases.json
State   design/test_openings.jsonl: one line for each model that was shown the test part
Params  seed, evaluate.*
Stops   when the test part is empty, or when a member of the ensemble saw it
Calibration and thresholds are set on the validation part, before the test part is opened.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from radiotrace.pipeline import stage

if __name__ == "__main__":
    stage.check_parameters(sys.argv)  # before torch, whose import takes seconds

import numpy as np

from radiotrace import errors, records
from radiotrace.classification import (
    augmentation,
    calibrated,
    entries,
    features,
    measures,
    methods,
    pictures,
    results,
    telling,
)
from radiotrace.classification.calibrated import Calibrator
from radiotrace.classification.model import TrainedClassifier
from radiotrace.classification.pictures import Target
from radiotrace.errors import StageError
from radiotrace.imaging import canonical_images
from radiotrace.inference import picture
from radiotrace.learning import members, numerics
from radiotrace.pipeline import openings, params, runs
from radiotrace.records import measure_table
from radiotrace.records.classification.metrics import Decisions, Metrics
from radiotrace.records.classification.train import ClassificationRun
from radiotrace.records.dataset import Case, Dataset, known
from radiotrace.records.sections.classification.evaluate import EvaluateParams
from radiotrace.records.typed import picked, plain
from radiotrace.statistics import discrimination, monitoring, subgroups
from radiotrace.statistics import uncertainty as flags


def predicted(
    cases: Sequence[Case],
    folder: Path,
    model: TrainedClassifier,
    others: Sequence[TrainedClassifier],
    settings: EvaluateParams,
) -> list[dict[str, Any]]:
    """Of each case its logits, and those of every pass, as the files of predictions have them."""
    pixels = np.stack(
        [
            picture.prepared(canonical_images.image(folder, case, model.recipe.channels), model.recipe)
            for case in cases
        ]
    )
    case_ids = [case.case_id for case in cases]
    variation = picked(augmentation.Settings, model.run.params.augmentation)
    places = model.places(pixels)
    passes = {
        "logits": model.told(places),
        entries.DROPOUT: model.dropped(places, case_ids, settings.seed, settings.dropout_passes),
        entries.AUGMENTATION: model.varied(
            pixels, case_ids, variation, settings.seed, settings.augmentation_passes
        ),
        entries.ENSEMBLE: np.stack([one.logits(pixels) for one in (model, *others)], 1)
        if others
        else np.zeros((len(cases), 0, 0)),
    }
    return [
        records.canonical({name: of_all[place].tolist() for name, of_all in passes.items()})
        for place in range(len(cases))
    ]


def monitored(
    cases: Sequence[Case],
    rows: Sequence[Mapping[str, Any]],
    folder: Path,
    model: TrainedClassifier,
    subjects_unknown: bool,
) -> list[dict[str, Any]]:
    """What later pictures are held against, of each case, as monitoring.reference takes it.

    Args:
        rows: entries of the record 'cases'.
    """
    images = [canonical_images.image(folder, case, model.recipe.channels) for case in cases]
    embeddings = model.embeddings(np.stack([picture.prepared(image, model.recipe) for image in images]))
    return [
        {
            "case_id": case.case_id,
            "subject_id": None if subjects_unknown else case.subject_id,
            "embedding": embedding,
            "features": features.describe(
                image,
                [row["labels"][name]["probability"] for name in model.names],
                model.names,
                row["uncertainty"][entries.ITSELF]["score"],
            ),
        }
        for case, row, image, embedding in zip(cases, rows, images, embeddings, strict=True)
    ]


def decide(
    predictions: Sequence[Mapping[str, Any]],
    cases: Sequence[Case],
    target: Target,
    settings: EvaluateParams,
) -> tuple[Decisions, list[str]]:
    """What is chosen on the validation part, and what is to be said of it."""
    positive = np.array([target.positives(case) for case in cases], bool).reshape(len(cases), -1)
    logits = np.array([one["logits"] for one in predictions], float).reshape(len(cases), -1)
    calibrator, said = calibrated.fitted(settings.calibration, logits, positive, target.kind, target.names)
    p = calibrator(logits) if len(cases) else np.zeros((0, len(target.names)))
    rule = results.rule_of(settings.operating_point)
    unsure = {
        case.case_id: entries.uncertainty(one, calibrator)
        for case, one in zip(cases, predictions, strict=True)
    }
    subject_of = {case.case_id: case.subject_id for case in cases}
    kinds = sorted({kind for scores in unsure.values() for kind in scores})
    rules: dict[str, dict[str, Any]] = {}
    for kind in kinds:
        of_case = {case_id: float(scores[kind]["score"] or 0) for case_id, scores in unsure.items()}
        rules[kind] = asdict(flags.threshold(of_case, subject_of, settings.flag_share))
    decided = {
        "part": "validation",
        "n_cases": len(cases),
        "temperature": calibrator.temperature,
        "lines": {name: line.record() for name, line in zip(target.names, calibrator.lines, strict=False)},
        "operating_points": {
            name: results.chosen(p[:, place], positive[:, place], rule).record()
            for place, name in enumerate(target.names)
        },
        "flag_above": {kind: rule.pop("above") for kind, rule in rules.items()},
        "flag_share": settings.flag_share,
        "flag_rule": rules,
    }
    return Decisions.of(records.canonical(decided)), said


def member_rows(
    predictions: Sequence[Mapping[str, Any]],
    cases: Sequence[Case],
    runs_of: Sequence[TrainedClassifier],
    target: Target,
) -> list[dict[str, Any]]:
    """Each run of the ensemble by itself, the evaluated one first; [] without others."""
    if len(runs_of) < 2:
        return []
    positive = np.array([target.positives(case) for case in cases], bool)
    rows = []
    for number, model in enumerate(runs_of):
        logits = np.array([one[entries.ENSEMBLE][number] for one in predictions], float)
        p = picture.probabilities(logits, target.kind)
        right = [
            set(telling.told(row, row >= results.HALF, model.labels, target.kind)) == set(target.of(case))
            for row, case in zip(p, cases, strict=True)
        ]
        rows.append(
            {
                "run_id": model.run.run_id,
                "weights_sha256": model.run.weights_sha256,
                "auroc": {
                    name: discrimination.auroc(p[:, place], positive[:, place])
                    for place, name in enumerate(target.names)
                },
                "accuracy": float(np.mean(right)),
            }
        )
    return rows


def groups_of(cases: Sequence[Case]) -> dict[str, dict[str, str]]:
    """The groups of each case: by the attributes of cases.csv, and by what every picture has."""
    given = sorted({name for case in cases for name in case.attributes})
    by_name = {name: {case.case_id: case.attributes.get(name, "") for case in cases} for name in given}
    images = {case.case_id: case.image for case in cases}
    by_name["derived_pixel_type"] = {case_id: known(one.pixel_type) for case_id, one in images.items()}
    intensities = {case_id: known(one.intensity) for case_id, one in images.items()}
    by_number = {
        "derived_brightness": {case_id: known(one.mean) for case_id, one in intensities.items()},
        "derived_contrast": {case_id: known(one.sd) for case_id, one in intensities.items()},
        "derived_picture_size": {
            case_id: float(np.prod(known(one.grid).size_voxels)) for case_id, one in images.items()
        },
    }
    return subgroups.groups(by_name, by_number)


def misfits(records_by_name: dict[str, dict]) -> list[str]:
    """Where the records cases, metrics and headline do not fit the table of measures, each with its place."""
    metrics = records.canonical(records_by_name["metrics"])
    return [
        *(f"metrics.json: {fault}" for fault in records.faults(metrics, "metrics_classification")),
        *measure_table.misfits_of_cases(metrics, records_by_name["cases"]["cases"], "cases_classification"),
        *measure_table.misfits_of_headline(metrics, records_by_name["headline"], "headline_classification"),
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


def main(args):
    settings = EvaluateParams.of(params.load(args.params, "evaluate", seed=True))
    results.rule_of(settings.operating_point)
    run = ClassificationRun.of(records.read(args.train, "train_classification"))
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    split = records.read(args.split, "split")
    openings.read(args.openings)  # a broken ledger stops the stage before the part is opened
    numerics.configure(run.params.numerics, settings.threads)
    model, target = TrainedClassifier.of(run, args.weights), pictures.target_of(dataset)
    test, validation = (canonical_images.of_part(dataset, split, part) for part in ("test", "validation"))
    if not test:
        raise StageError("0 cases in the test part", way_out="Change split in params.yaml.")
    beside = members.read(args.members, run.record(), split, "train_classification")
    others = [
        TrainedClassifier.of(ClassificationRun.of(record), f"{args.members}/{name}/{members.WEIGHTS}")
        for name, record in beside.items()
    ]
    folder, metrics_folder = Path(args.volumes), Path(args.metrics)
    errors.log(f"evaluate: {len(validation)} validation cases")
    held_out = predicted(validation, folder, model, others, settings) if validation else []
    decided, said = decide(held_out, validation, target, settings)
    for line in said:
        errors.log(f"evaluate: warning: {line}")
    errors.log(f"evaluate: {len(test)} test cases")
    predictions = predicted(test, folder, model, others, settings)
    calibrator = Calibrator.of(decided, target.kind, target.names)
    with stage.output_folder(args.out) as out:
        rows = records.canonical(
            [
                entries.entry(about, prediction, target.of(case), model.labels, calibrator, decided.record())
                for about, prediction, case in zip(
                    write_predictions(out, test, predictions), predictions, test, strict=True
                )
            ]
        )
        about = {"run_id": run.run_id, "part": "test", "excluded": plain(run.excluded)}
        summary = {
            **about,
            "subjects_unknown": dataset.dataset.subjects_unknown,
            "measures": [one.record() for one in measures.TABLE],
            "methods": methods.texts(settings),
            "members": member_rows(predictions, test, [model, *others], target),
            **results.Summary(rows, settings).all(decided.record(), groups_of(test)),
        }
        written = {
            "cases": {**about, "cases": rows},
            "metrics": summary,
            "headline": results.headline(Metrics.of(records.canonical(summary))),
        }
        # Before the opening is counted: what cannot be written was not shown.
        if wrong := misfits(written):
            raise ValueError("records do not fit the table of measures: " + "; ".join(wrong))
        above = decided.flag_above.get(entries.ITSELF)
        reference = monitoring.reference(
            monitored(test, rows, folder, model, dataset.dataset.subjects_unknown),
            run.run_id,
            run.weights_sha256,
            ["test"],
            settings.seed,
            None if above is None else {"feature": features.UNCERTAINTY, "above": above},
        )
        records.write(out / "reference.json", reference, "reference")
        inputs = [args.dataset, args.split, args.train, args.weights]
        inputs += [
            f"{args.members}/{name}/{file}" for name in beside for file in (members.RECORD, members.WEIGHTS)
        ]
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
            "discrimination, operating points, calibration, uncertainty, subgroups",
        )
        for name, record in written.items():
            records.write(metrics_folder / f"{name}.json", record, f"{name}_classification")
    errors.log(f"evaluate: wrote {args.metrics}/ and {args.out}/")


parser = argparse.ArgumentParser(
    prog="evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--weights", required=True, help="trained weights")
parser.add_argument(
    "--members", required=True, help="folder of other runs, which form an ensemble with this one"
)
parser.add_argument("--openings", required=True, help="ledger of what the test part was shown to")
parser.add_argument("--out", required=True, help="folder to write")
parser.add_argument("--metrics", required=True, help="folder of the small files that git keeps")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
