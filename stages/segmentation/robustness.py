"""robustness: how accuracy falls when test images are corrupted or attacked, and how repeatable predictions
are under small shifts.

Reads   data/, build/ingest/dataset.json, build/split/split.json, build/train/train.json and
        weights.safetensors
Writes  build/robustness/: cases.json, provenance.json
        metrics/: robustness.json, envelope.svg
State   design/test_openings.jsonl: one line for each model that was shown the test part
Params  seed, robustness.*
Stops   when a raw file was changed after ingest
Corrupted and shifted images are compared on the grid of the original image, without what was moved out of it;
attacked ones on the canonical grid,
where the network sees them.
"""

import argparse
import sys
from itertools import islice
from pathlib import Path

from radiotrace.pipeline import stage

if __name__ == "__main__":
    stage.check_parameters(sys.argv)  # before torch, whose import takes seconds

import numpy as np
import torch

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.imaging import channels, corruptions, parts, volumes
from radiotrace.imaging.image import Image
from radiotrace.inference import preparation, windows
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture, numerics, trained
from radiotrace.learning.trained import TrainedModel
from radiotrace.pipeline import openings, parallel, params, randomness, runs
from radiotrace.records import model_run
from radiotrace.records.dataset import Dataset
from radiotrace.records.sections.segmentation.robustness import RobustnessParams
from radiotrace.records.typed import plain
from radiotrace.segmentation import adversarial, figures_robustness, metrics, robustness

SHIFTS, ATTACKS = "shifts", "adversarial"  # what is done to a case beside corrupting it
# length of all steps of PGD together, in eps, as Madry et al. chose: more than from one border to the other
STEPS_REACH = 2.5


def measure(
    work: tuple[dict, str], raw: Path, model: TrainedModel, settings: RobustnessParams, instructions: str
) -> dict:
    """A piece of the entry of a case in the record 'robustness_cases'.

    Args:
        work: a case of parts.cases; and which piece of its entry: a corruption, SHIFTS (and the image as
            it is), or ATTACKS.
        settings: the section robustness of params.yaml, and the seed.
        instructions: what numerics.configure says on the machine that runs the stage.
    """
    case, piece = work
    network = trained.ready(model, settings.threads, instructions)
    image, label_map = parts.image(case, raw), parts.label_map(case, raw)
    reference_zyx = volumes.array_zyx(label_map)

    def scores(changed: Image, movement=None) -> dict:
        predicted = predict(changed, movement, network, model.recipe)
        return {
            "dice": metrics.dice_per_label(
                reference_zyx[predicted["known"]], predicted["label_zyx"][predicted["known"]], model.labels
            ),
            "volume_mm3": {
                name: int((predicted["moved_zyx"] == int(value)).sum())
                * float(np.prod(volumes.to_zyx(image.grid.spacing_mm)))
                for value, name in model.labels.items()
                if value != "0"
            },
        }

    def corrupted(severity):
        rng = randomness.generator(settings.seed, f"{piece}\n{case['case_id']}")
        return scores(*corruptions.apply_to_channels(piece, severity, image, rng))["dice"]

    def shifted(shift_voxels):
        movement = (np.eye(3), -np.array(volumes.to_zyx(shift_voxels), float))
        values_czyx = [corruptions.moved(image_zyx, movement) for image_zyx in image.values_czyx]
        changed = image.with_values(np.stack(values_czyx))
        return {"shift_voxels": shift_voxels, **scores(changed, movement)}

    if piece == ATTACKS:
        return {ATTACKS: attack(case["case_id"], image, label_map, network, model, settings)}
    if piece == SHIFTS:
        clean = scores(image.with_values(image.values_czyx.astype(np.float32)))
        chosen = robustness.shifts_of(image.grid.size_voxels)
        shifts = [{"shift_voxels": (0, 0, 0), **clean}, *map(shifted, chosen)]
        return {"clean": clean["dice"], SHIFTS: shifts, "repeatability": robustness.repeatability(shifts)}
    return {"corruptions": {piece: [corrupted(severity) for severity in corruptions.SEVERITIES]}}


def entry(case: dict, results: list[dict]) -> dict:
    """The entry of a case, out of its parts."""
    return {
        "case_id": case["case_id"],
        "subject_id": case["subject_id"],
        ATTACKS: None,
        **{key: value for result in results for key, value in result.items()},
        "corruptions": {
            name: rows for result in results for name, rows in result.get("corruptions", {}).items()
        },
    }


def predict(changed: Image, movement, network, recipe: Recipe) -> dict[str, np.ndarray]:
    """Label maps of an image whose content may have been moved.

    Args:
        movement: as of corruptions.apply.

    Returns:
        moved_zyx: as predicted; label_zyx: brought back to where the content was; known: bool, the part of it
            that was seen.
    """
    prediction, logits = windows.segment(changed, network, recipe)
    moved_zyx = volumes.array_zyx(prediction)
    if movement is None:
        return {"moved_zyx": moved_zyx, "label_zyx": moved_zyx, "known": np.ones(moved_zyx.shape, bool)}
    shares = windows.shares(torch.from_numpy(logits), preparation.seen(changed, recipe))
    back, known = corruptions.moved_back(np.stack(shares), movement)
    return {"moved_zyx": moved_zyx, "label_zyx": np.argmax(back, 0), "known": known}


def attack(
    case_id: str, original: Image, label_map, network, model: TrainedModel, settings: RobustnessParams
) -> dict:
    """Dice of each label on the canonical grid: of the image as it is, and under each attack at each eps."""
    recipe = model.recipe
    image = windows.prepare(original, recipe)[1][None]
    reference = volumes.array_zyx(preparation.of_label_map(label_map, original, recipe))
    target, steps = torch.from_numpy(reference.astype(np.int64))[None], settings.adversarial.steps

    def logits_of(attacked):
        return windows.differentiable(attacked[0], network, recipe)[None]

    def dice(attacked):
        prediction = windows.predict(attacked[0], network, recipe).argmax(0).numpy()
        return metrics.dice_per_label(reference, prediction, model.labels)

    def attack_of(name, eps):
        rng, step = randomness.generator(settings.seed, f"{name}\n{case_id}"), STEPS_REACH * eps / steps
        return {
            "noise": lambda: adversarial.noise(image, eps, rng),
            "fgsm": lambda: adversarial.fgsm(logits_of, image, target, eps),
            "pgd": lambda: adversarial.pgd(logits_of, image, target, eps, step, steps, rng),
            "segpgd": lambda: adversarial.segpgd(logits_of, image, target, eps, step, steps, rng),
        }[name]()

    return {
        "clean": dice(image),
        "attacks": {
            name: [{"eps_sd": eps, "dice": dice(attack_of(name, eps))} for eps in settings.adversarial.eps_sd]
            for name in ("noise", "fgsm", "pgd", "segpgd")
        },
    }


def main(args):
    settings = RobustnessParams.of(params.load(args.params, "robustness", seed=True))
    train = model_run.read(args.train)
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    model = TrainedModel.of(train, args.weights)
    instructions = numerics.configure(model.numerics, settings.threads)
    openings.read(args.openings)  # a broken ledger stops the stage before the part is opened
    test = parts.cases(dataset, records.read(args.split, "split"), "test")
    chosen = parts.spread(list(test), settings.cases)
    one_slice = parts.are_pictures(dataset)
    names = settings.corruptions or corruptions.names(channels.of_dataset(dataset.dataset), one_slice)
    if useless := sorted(set(names) & set(corruptions.NEEDS_SLICES)) if one_slice else []:
        raise StageError(
            f"robustness.corruptions: {', '.join(useless)} cannot befall pictures of one slice",
            way_out="Take it out of params.yaml, then run 'dvc repro'.",
        )
    head = {"run_id": train.run_id, "part": "test", "excluded": plain(train.excluded)}
    with stage.output_folder(args.out) as out, parallel.pool(args, settings.threads) as each:
        no_attack = model_run.not_possible(train).get("adversarial")
        attacked = [] if no_attack else parts.spread(chosen, settings.adversarial.cases)
        # Parts of cases, which are few and unlike: in small pieces, the longest not last, work leaves no
        # processor idle.
        work = {case_id: [SHIFTS, *([ATTACKS] if case_id in attacked else []), *names] for case_id in chosen}
        measured = each(
            measure,
            [(test[case_id], piece) for case_id in chosen for piece in work[case_id]],
            raw=Path(args.data),
            model=model,
            settings=settings,
            instructions=instructions,
        )
        cases = []
        for case_id in chosen:
            cases.append(entry(test[case_id], list(islice(measured, len(work[case_id])))))
            errors.log(f"robustness: {len(cases)}/{len(chosen)} cases")
        cases = records.canonical(cases)  # as the record has them: who has it alone gets the same summaries
        summary = robustness.summarise(cases, settings.criterion_dice)
        for name, rows in summary["corruptions"].items():
            rows |= {"unit": corruptions.TABLE[name].unit, "strengths": corruptions.TABLE[name].strengths}
        if no_attack:
            summary |= {"adversarial": None, "no_attack_because": no_attack}
            errors.log(f"robustness: no attacks: {no_attack}")
        else:
            summary["adversarial"] |= {
                "steps": settings.adversarial.steps,
                "step_per_eps": STEPS_REACH / settings.adversarial.steps,
            }
        record = {**head, **summary}
        records.write(out / "cases.json", {**head, "cases": cases}, "robustness_cases")
        records.write(
            out / "provenance.json",
            runs.provenance(
                __file__,
                settings.record(),
                args.requirements,
                [args.dataset, args.split, args.train, args.weights],
                architecture.choice(model.network),
            ),
            "provenance",
        )
        # Counted before a number can be seen.
        openings.add(
            args.openings,
            train.run_id,
            train.weights_sha256,
            "robustness",
            list(test),
            records.digest(record),
            f"accuracy under corruption{', shift and attack' if attacked else ' and shift'}",
        )
        records.write_bytes(Path(args.metrics) / "envelope.svg", figures_robustness.envelope(summary))
        records.write(Path(args.metrics) / "robustness.json", record, "robustness")
    errors.log(
        f"robustness: wrote {args.metrics}/robustness.json, {args.metrics}/envelope.svg and {args.out}/"
    )


parser = argparse.ArgumentParser(
    prog="robustness",
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
    parents=[parallel.options()],
)
parser.add_argument("--data", required=True, help="folder of raw data")
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--weights", required=True, help="trained weights")
parser.add_argument("--out", required=True, help="folder to write")
parser.add_argument("--openings", required=True, help="ledger of what the test part was shown to")
parser.add_argument("--metrics", required=True, help="folder of the small files that git keeps")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
