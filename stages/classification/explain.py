"""explain: shows for test cases where the score of each label comes from, and how far to trust that.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/train/train.json and weights.safetensors,
        metrics/metrics.json, metrics/cases.json
Writes  build/explain/: explain.json, provenance.json; metrics/explanations.svg
State   design/test_openings.jsonl, to which a line is added
Params  seed, explain.*
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from radiotrace.pipeline import stage

if __name__ == "__main__":
    stage.check_parameters(sys.argv)  # before torch, whose import takes seconds

import numpy as np

from radiotrace import errors, records
from radiotrace.classification import charts, explain, networks, results
from radiotrace.classification.model import TrainedClassifier
from radiotrace.imaging import canonical_images
from radiotrace.imaging.parts import spread
from radiotrace.inference import picture
from radiotrace.learning import numerics
from radiotrace.pipeline import openings, params, randomness, runs
from radiotrace.records.classification.train import ClassificationRun
from radiotrace.records.dataset import Case, Dataset
from radiotrace.records.sections.classification.explain import ExplainParams
from radiotrace.statistics import intervals

SHOWN = 8  # cases of the figure
METHOD = (
    "Grad-CAM of the last features by place (Selvaraju et al. 2017), of the log odds of a label; a fifth of "
    "the picture is blurred away to see what counts"
)


def explained(
    pixels: np.ndarray,
    case: Case,
    model: TrainedClassifier,
    randomised: list[networks.Classifier],
    settings: ExplainParams,
    label: int,
) -> tuple[dict[str, Any], np.ndarray]:
    """What the record says of a label of a case, but for its probability, and the map."""
    kind, network = model.kind, model.network
    heat = explain.grad_cam(network, pixels, label, kind)
    whole = explain.log_odds(network, pixels, label, kind)

    def drop(places: np.ndarray) -> float:
        return whole - explain.log_odds(network, explain.blurred_away(pixels, places), label, kind)

    shape = (pixels.shape[1], pixels.shape[2])
    by_chance = [
        drop(
            explain.random_places(shape, randomness.generator(settings.seed, "places", case.case_id, number))
        )
        for number in range(settings.repetitions)
    ]
    others = [explain.grad_cam(other, pixels, label, kind) for other in randomised]
    found = {
        "drop_top": drop(explain.top(heat)),
        "drop_random": float(np.mean(by_chance)),
        "correlation_random": explain.correlation(heat, others),
    }
    return found, heat


def checks(rows: list[dict[str, Any]], subject_of: dict[str, str], name: str) -> dict[str, Any]:
    """Over the explained cases, of a label."""

    def mean(values: dict[str, float]) -> dict[str, Any]:
        of_case = {case_id: (value, 1) for case_id, value in values.items()}
        return intervals.estimate(
            of_case, lambda sums: sums[0] / sums[1], subject_of, len(rows) - len(values)
        )

    of = {row["case_id"]: row["labels"][name] for row in rows}
    return {
        "gain": mean({case_id: row["drop_top"] - row["drop_random"] for case_id, row in of.items()}),
        "correlation_random": mean(
            {
                case_id: row["correlation_random"]
                for case_id, row in of.items()
                if row["correlation_random"] is not None
            }
        ),
    }


def main(args):
    settings = ExplainParams.of(params.load(args.params, "explain", seed=True))
    run = ClassificationRun.of(records.read(args.train, "train_classification"))
    told = {row["case_id"]: row for row in records.read(args.cases, "cases_classification")["cases"]}
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    openings.read(args.openings)
    numerics.configure(run.params.numerics, settings.threads)
    model = TrainedClassifier.of(run, args.weights)
    randomised = [
        networks.build(run.network, seed=settings.seed + 1 + number).eval()
        for number in range(settings.repetitions)
    ]
    entry_of = {case.case_id: case for case in dataset.cases if case.case_id in told}
    worst = sorted(told, key=lambda case_id: (results.truth_probability(told[case_id]), case_id))
    shown = worst[: SHOWN // 2]
    chosen = sorted({*shown, *spread(sorted(told), settings.cases)})
    shown += [case_id for case_id in chosen if case_id not in shown][: SHOWN - len(shown)]
    rows: list[dict[str, Any]] = []
    pictured: dict[str, tuple[str, np.ndarray, np.ndarray]] = {}
    for number, case_id in enumerate(chosen, 1):
        case = entry_of[case_id]
        pixels = picture.prepared(
            canonical_images.image(args.volumes, case, model.recipe.channels), model.recipe
        )
        of_labels = {}
        for label, name in enumerate(model.names):
            found, heat = explained(pixels, case, model, randomised, settings, label)
            row = told[case_id]["labels"][name]
            of_labels[name] = {"probability": row["probability"], **found}
            if case_id in shown and case_id not in pictured:
                is_so = "is" if row["positive"] else "is not"
                title = f"{case_id}: {row['probability']:.2f} {name}, {is_so}"
                pictured[case_id] = (title, pixels[0], heat)
        rows.append({"case_id": case_id, "labels": of_labels})
        if number % 10 == 0 or number == len(chosen):
            errors.log(f"explain: {number}/{len(chosen)} cases")
    subject_of = {case_id: told[case_id]["subject_id"] for case_id in chosen}
    rows = records.canonical(rows)
    record = {
        "run_id": run.run_id,
        "method": METHOD,
        "repetitions": settings.repetitions,
        "cases": rows,
        "checks": {name: checks(rows, subject_of, name) for name in model.names},
    }
    with stage.output_folder(args.out) as out:
        records.write(out / "explain.json", record, "explain_classification")
        inputs = [args.dataset, args.train, args.weights, args.cases]
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
            chosen,
            records.digest(record),
            "where scores come from",
        )
        content = charts.explanations([pictured[case_id] for case_id in shown], settings.pictures_in_chart)
        records.write_bytes(Path(args.metrics) / "explanations.svg", content)
    errors.log(f"explain: wrote {args.out}/")


parser = argparse.ArgumentParser(
    prog="explain", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--weights", required=True, help="trained weights")
parser.add_argument("--cases", required=True, help="record of the test cases")
parser.add_argument("--openings", required=True, help="ledger of what the test part was shown to")
parser.add_argument("--out", required=True, help="folder to write")
parser.add_argument("--metrics", required=True, help="folder of the small files that git keeps")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
