"""robustness: corrupts and attacks pictures of the test part; finds how far results fall.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/split/split.json, build/train/train.json and
        weights.safetensors, metrics/metrics.json
Writes  build/robustness/: provenance.json; metrics/robustness.json, metrics/envelope.svg
State   design/test_openings.jsonl, to which a line is added
Params  seed, robustness.*
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
import torch

from radiotrace import errors, records
from radiotrace.classification import charts, corruptions, losses, pictures, telling
from radiotrace.classification.calibrated import Calibrator
from radiotrace.classification.model import TrainedClassifier
from radiotrace.classification.pictures import Target
from radiotrace.imaging import canonical_images
from radiotrace.imaging.image import Image
from radiotrace.imaging.parts import spread
from radiotrace.inference import picture
from radiotrace.learning import numerics
from radiotrace.pipeline import openings, params, randomness, runs
from radiotrace.records.classification.metrics import Metrics
from radiotrace.records.classification.robustness import Robustness
from radiotrace.records.classification.train import ClassificationRun
from radiotrace.records.dataset import Case, Dataset
from radiotrace.records.sections.classification.robustness import RobustnessParams
from radiotrace.records.typed import plain
from radiotrace.statistics import discrimination


class Tested:
    """A model on pictures of the test part.

    Args:
        thresholds: of each label, from the validation part.
    """

    def __init__(
        self,
        model: TrainedClassifier,
        calibrator: Calibrator,
        thresholds: Sequence[float],
        target: Target,
        cases: Sequence[Case],
    ):
        self.model, self.calibrator, self.target, self.cases = model, calibrator, target, cases
        self.thresholds = np.array(thresholds)
        self.positive = np.array([target.positives(case) for case in cases], bool)
        self.subjects = np.array([case.subject_id for case in cases])

    def told(self, pixels_ncyx: np.ndarray) -> list[tuple[str, ...]]:
        """The classes that are told of prepared pictures."""
        p = self.calibrator(self.model.logits(pixels_ncyx))
        return [telling.told(row, row >= self.thresholds, self.model.labels, self.target.kind) for row in p]

    def right(self, told: Sequence[tuple[str, ...]], positions: Sequence[int] | None = None) -> float:
        """Share of cases of which exactly what they have was told."""
        cases = self.cases if positions is None else [self.cases[place] for place in positions]
        return float(
            np.mean([set(one) == set(self.target.of(case)) for one, case in zip(told, cases, strict=True)])
        )

    def areas(self, pixels_ncyx: np.ndarray) -> dict[str, dict[str, Any]]:
        """Label -> area under the ROC curve."""
        p = self.calibrator(self.model.logits(pixels_ncyx))
        found = {}
        for place, name in enumerate(self.target.names):
            area = discrimination.delong(p[:, place], self.positive[:, place], self.subjects)
            found[name] = {
                "n_cases": len(p),
                "n_subjects": len(set(self.subjects)),
                "n_undefined": 0,
                "value": area.value,
                **area.interval.record(),
            }
        return found


def prepared(images: Sequence[Image], recipe) -> np.ndarray:
    """(n, c, y, x)."""
    return np.stack([picture.prepared(image, recipe) for image in images])


def corruption_rows(
    name: str,
    tested: Tested,
    images: Sequence[Image],
    before: Sequence[tuple[str, ...]],
    settings: RobustnessParams,
) -> list[dict[str, Any]]:
    """What is left at each severity of a corruption."""
    rows = []
    for severity in range(1, corruptions.SEVERITIES + 1):
        changed = []
        for image, case in zip(images, tested.cases, strict=True):
            rng = randomness.generator(settings.seed, name, case.case_id, severity)
            changed.append(image.with_values(corruptions.corrupted(image.values_czyx, name, severity, rng)))
        pixels = prepared(changed, tested.model.recipe)
        areas, told = tested.areas(pixels), tested.told(pixels)
        rows.append(
            {
                "severity": severity,
                "amount": float(corruptions.TABLE[name][1][severity - 1]),
                "auroc": areas,
                "accuracy": tested.right(told),
                "changed": float(np.mean([one != other for one, other in zip(told, before, strict=True)])),
                "holds": all(
                    area["value"] is not None and area["value"] >= settings.criterion_auroc
                    for area in areas.values()
                ),
            }
        )
    return rows


def attack_rows(tested: Tested, pixels: np.ndarray, settings: RobustnessParams) -> list[dict[str, Any]]:
    """What is left under attacks of each size, by one step and by several."""
    case_ids = [case.case_id for case in tested.cases]
    chosen = set(spread(case_ids, settings.adversarial.cases))
    positions = [place for place, case_id in enumerate(case_ids) if case_id in chosen]
    target = torch.from_numpy(np.stack([tested.target.vector(tested.cases[place]) for place in positions]))
    criterion = losses.Criterion(tested.target.kind, 0.0, 0.0, (1.0,) * tested.target.outputs)
    before = tested.right(tested.told(pixels[positions]), positions)
    rows = []
    for eps in settings.adversarial.eps_sd:
        for steps in sorted({1, settings.adversarial.steps}):
            changed = corruptions.attacked(
                tested.model.network,
                pixels[positions],
                lambda logits: criterion(logits, target),
                eps,
                steps,
            )
            rows.append(
                {
                    "eps_sd": eps,
                    "steps": steps,
                    "n_cases": len(positions),
                    "accuracy_before": before,
                    "accuracy": tested.right(tested.told(changed), positions),
                }
            )
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
    run = ClassificationRun.of(records.read(args.train, "train_classification"))
    decided = Metrics.of(records.read(args.metrics_record, "metrics_classification")).decisions
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    split = records.read(args.split, "split")
    openings.read(args.openings)
    numerics.configure(run.params.numerics, settings.threads)
    model, target = TrainedClassifier.of(run, args.weights), pictures.target_of(dataset)
    cases = canonical_images.of_part(dataset, split, "test")
    calibrator = Calibrator.of(decided, target.kind, target.names)
    thresholds = [decided.operating_points[name].threshold for name in target.names]
    tested = Tested(model, calibrator, thresholds, target, cases)
    images = [canonical_images.image(args.volumes, case, model.recipe.channels) for case in cases]
    pixels = prepared(images, model.recipe)
    before = tested.told(pixels)
    names = settings.corruptions or tuple(corruptions.TABLE)
    found = {}
    for number, name in enumerate(names, 1):
        found[name] = corruption_rows(name, tested, images, before, settings)
        errors.log(f"robustness: {number}/{len(names)} {name}")
    record = {
        "run_id": run.run_id,
        "part": "test",
        "excluded": plain(run.excluded),
        "n_cases": len(cases),
        "criterion_auroc": settings.criterion_auroc,
        "clean": tested.areas(pixels),
        "clean_accuracy": tested.right(before),
        "corruptions": found,
        "envelope": {name: envelope(rows) for name, rows in found.items()},
        "attacks": attack_rows(tested, pixels, settings),
    }
    with stage.output_folder(args.out) as out:
        inputs = [args.dataset, args.split, args.train, args.weights, args.metrics_record]
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
            "corruptions and attacks",
        )
        folder = Path(args.metrics)
        records.write(folder / "robustness.json", record, "robustness_classification")
        chart = charts.envelope(Robustness.of(records.canonical(record)))
        records.write_bytes(folder / "envelope.svg", chart)
    errors.log(f"robustness: wrote {args.metrics}/robustness.json")


parser = argparse.ArgumentParser(
    prog="robustness", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--weights", required=True, help="trained weights")
parser.add_argument("--metrics-record", required=True, help="record of metrics")
parser.add_argument("--openings", required=True, help="ledger of what the test part was shown to")
parser.add_argument("--out", required=True, help="folder to write")
parser.add_argument("--metrics", required=True, help="folder of the small files that git keeps")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
