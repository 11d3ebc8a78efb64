"""survival: tells the survival of the test part, and compares it with what came of it, with Cox models on
measures of the same lesions, and with a network that learnt the outlines alone.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/split/split.json, build/train/: train.json,
        hazard.json, weights.safetensors and, where it is there, alone.safetensors
Writes  build/survival/: provenance.json
        metrics/: survival.json, survival_groups.svg, survival_calibration.svg, survival_aurocs.svg
State   design/test_openings.jsonl: one line for each model that was shown the test part
Params  seed, survival.*
Stops   when nobody in the test part had the event, when a horizon lies beyond all times, when an image does
        not fit the window
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from radiotrace.pipeline import stage

if __name__ == "__main__":
    stage.check_parameters(sys.argv)  # before torch, whose import takes seconds

import numpy as np
import torch
from torch import nn

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.inference import intensity
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture, numerics, trained
from radiotrace.pipeline import openings, params, randomness, runs
from radiotrace.pipeline.followed import followed
from radiotrace.records.dataset import Case, Dataset
from radiotrace.records.sections.segmentation_survival.survival import SurvivalParams
from radiotrace.records.segmentation_survival.hazard import Hazard
from radiotrace.records.segmentation_survival.survival import Survival
from radiotrace.records.split import Split
from radiotrace.records.train import TrainingRun
from radiotrace.records.typed import plain
from radiotrace.segmentation import dataset as volumes_of
from radiotrace.segmentation import metrics
from radiotrace.segmentation_survival import charts, joint, outcomes, results, telling
from radiotrace.segmentation_survival.outcomes import Outcomes
from radiotrace.statistics import concordance

ALONE = "alone.safetensors"
NOISE = 7  # a purpose that randomness is drawn for


@dataclass(frozen=True)
class Networks:
    """What tells.

    Attributes:
        body: of the network; alone: of the one that learnt the outlines alone, or None.
        recipe: of the network; recipe_alone: with the offsets of logits of the other one.
        labels: value -> name.
    """

    body: nn.Module
    alone: nn.Module | None
    recipe: Recipe
    recipe_alone: Recipe
    labels: dict[str, str]


def networks_of(run: TrainingRun, hazard: Hazard, weights: str) -> Networks:
    """The networks of a run.

    Args:
        weights: path of those of the network; the other's lie beside it.

    Raises:
        StageError: weights are of another run.
    """
    recipe = Recipe.of(run.preprocessing)
    network = trained.load(run.network, weights, run.weights_sha256)
    alone, recipe_alone = None, recipe
    if hazard.alone is not None:
        recipe_alone = replace(recipe, logit_offsets=hazard.alone.logit_offsets)
        path = str(Path(weights).with_name(ALONE))
        alone = architecture.body(trained.load(run.network, path, hazard.alone.weights_sha256))
    return Networks(architecture.body(network), alone, recipe, recipe_alone, dict(run.labels))


def observed(case: Case, folder: str, networks: Networks) -> dict[str, Any]:
    """What both networks say of a case, and what people drew; a row of the record without what came of it."""
    told, label_zyx, reference_zyx = telling.of_case(
        case, folder, networks.body, networks.recipe, networks.labels
    )
    image, _ = volumes_of.read_volumes(folder, case, networks.recipe.channels)
    reference = telling.measured(
        reference_zyx, image.values_czyx[0], image.grid.spacing_mm, networks.labels, 0.0
    )
    alone, alone_zyx = None, None
    if networks.alone is not None:
        alone, alone_zyx, _ = telling.of_case(
            case, folder, networks.alone, networks.recipe_alone, networks.labels
        )
    dice = metrics.dice_per_label(reference_zyx, label_zyx, networks.labels)
    of_alone: dict[str, float | None] = dict.fromkeys(dice)
    if alone_zyx is not None:
        of_alone = metrics.dice_per_label(reference_zyx, alone_zyx, networks.labels)
    return {
        "case_id": case.case_id,
        "subject_id": case.subject_id,
        "told": told.record(),
        "alone": None if alone is None else alone.record(),
        "reference": reference.record(),
        "dice": {name: (dice[name], of_alone[name]) for name in dice},
    }


def changed(
    cases: Sequence[Case], folder: str, networks: Networks, told: np.ndarray, found: Outcomes, settings
) -> list[dict[str, Any]]:
    """What changes of the images do to the log-hazards.

    Args:
        told: log-hazards of the images as they are, (n,).
    """
    amounts = [("scale", factor) for factor in settings.scale_changes]
    amounts += [("noise", sd) for sd in settings.noise_sd]
    risks = np.zeros((len(amounts), len(cases)))
    for place, case in enumerate(cases):
        image, _ = volumes_of.read_volumes(folder, case, networks.recipe.channels)
        for number, (kind, amount) in enumerate(amounts):
            values = np.array(image.values_czyx, np.float32)
            if kind == "scale":
                values[0] *= np.float32(amount)
            normalised = intensity.normalise_channels(values, networks.recipe.channels)
            if kind == "noise":
                rng = randomness.generator(settings.seed, NOISE, number, case.case_id)
                noise = rng.standard_normal(normalised.shape, np.float32) * np.float32(amount)
                normalised = (normalised + noise).astype(np.float32)
            risks[number, place], _ = joint.predict(
                torch.from_numpy(normalised), networks.body, networks.recipe
            )
    return [
        {
            "kind": kind,
            "amount": amount,
            "shift": float((row - told).mean()),
            "shift_absolute": float(np.abs(row - told).mean()),
            "c_index": concordance.c_index(row, found.time, found.event),
        }
        for (kind, amount), row in zip(amounts, risks, strict=True)
    ]


def faults(settings: SurvivalParams, hazard: Hazard, found: Outcomes) -> list[str]:
    """Why the test part says nothing of survival."""
    broken = []
    if not found.event.any():
        broken.append(f"0 of {len(found.time)} test cases had the event ({hazard.params.event})")
    if list(settings.horizons) != sorted(settings.horizons):
        broken.append(f"survival.horizons: found {list(settings.horizons)}, expected to rise")
    longest = float(found.time.max(initial=0.0))
    if settings.horizons[-1] >= longest:
        broken.append(
            f"survival.horizons: found {settings.horizons[-1]:g}, expected below {longest:g}, the longest "
            "time in the test part"
        )
    return broken


def weights_of(body: nn.Module, labels: dict[str, str]) -> dict[str, float]:
    """What the head makes of the volume of each label, of all, and of the highest value inside."""
    names = [f"log volume of {name}" for value, name in labels.items() if value != "0"]
    values = joint.weights(body)[: len(names) + 2].tolist()
    return dict(zip([*names, "log volume of all", "log highest value"], values, strict=True))


def rows_of(
    seen: list[dict[str, Any]], hazard: Hazard, learnt: Outcomes, found: Outcomes, settings
) -> list[dict]:
    """The cases of the record, as it has them."""
    risk = np.array([row["told"]["log_hazard"] for row in seen])
    chances, groups = results.of_case(risk, hazard, learnt, settings)
    rows = []
    for place, row in enumerate(seen):
        rows.append(
            {
                **row,
                "time": float(found.time[place]),
                "event": bool(found.event[place]),
                "survival": chances[place].tolist(),
                "risk_group": int(groups[place]),
            }
        )
    return records.canonical(rows)


def main(args):
    settings = SurvivalParams.of(params.load(args.params, "survival", seed=True))
    run = TrainingRun.of(records.read(args.train, "train"))
    hazard = Hazard.of(records.read(args.hazard, "hazard"))
    described = Dataset.of(records.read(args.dataset, "dataset"))
    split = Split.of(records.read(args.split, "split"))
    openings.read(args.openings)  # a broken ledger stops the stage before the part is opened
    time, event = hazard.params.time, hazard.params.event
    learnt = outcomes.of_cases(outcomes.of_part(described, split, "train"), time, event)
    cases = outcomes.of_part(described, split, "test")
    found = outcomes.of_cases(cases, time, event)
    if broken := faults(settings, hazard, found):
        raise StageError("survival cannot be judged", broken, "Change params.yaml, its split or survival.")
    numerics.configure(run.params.numerics, settings.threads)
    networks = networks_of(run, hazard, args.weights)
    seen = records.canonical(
        [observed(case, args.volumes, networks) for case in followed(cases, len(cases), "survival")]
    )
    rows = rows_of(seen, hazard, learnt, found, settings)
    told = np.array([row["told"]["log_hazard"] for row in rows])
    columns = described.dataset.columns or {}
    record = records.canonical(
        {
            "run_id": run.run_id,
            "part": "test",
            "excluded": plain(run.excluded),
            "unit": columns[time].unit or "",
            **results.summary(rows, hazard, learnt, found, results.attributes_of(cases), settings),
            "robustness": changed(cases, args.volumes, networks, told, found, settings),
            "burden_weights": weights_of(networks.body, networks.labels),
            "cases": rows,
        }
    )
    # Before the opening is counted: what cannot be written was not shown.
    if wrong := records.faults(record, "survival"):
        raise ValueError("the record 'survival' breaks its schema: " + "; ".join(wrong))
    pictures = charts.drawn(Survival.of(record))
    inputs = [args.dataset, args.split, args.train, args.hazard, args.weights]
    with stage.output_folder(args.out) as out:
        provenance = runs.provenance(
            __file__, settings.record(), args.requirements, inputs, architecture.choice(run.network)
        )
        records.write(out / "provenance.json", provenance, "provenance")
        # Counted before a number can be seen.
        openings.add(
            args.openings,
            run.run_id,
            run.weights_sha256,
            "survival",
            [case.case_id for case in cases],
            records.digest(record),
            "concordance, areas, Brier score, calibration of survival, risk groups, sharing",
        )
        for name, content in pictures.items():
            records.write_bytes(Path(args.metrics) / f"{name}.svg", content)
        records.write(Path(args.metrics) / "survival.json", record, "survival")
    index = record["network"]["c_index"]["harrell"]["value"]
    said = "undefined" if index is None else f"{index:.3f}"
    errors.log(f"survival: {len(rows)} test cases, {found.event.sum()} events, C-index {said}")
    errors.log(f"survival: wrote {args.metrics}/survival.json and {args.out}/")


parser = argparse.ArgumentParser(
    prog="survival", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--hazard", required=True, help="record of how survival was learnt")
parser.add_argument("--weights", required=True, help="trained weights; those of the other network lie beside")
parser.add_argument("--openings", required=True, help="ledger of what the test part was shown to")
parser.add_argument("--out", required=True, help="folder to write")
parser.add_argument("--metrics", required=True, help="folder of the small files that git keeps")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
