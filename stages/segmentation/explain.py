"""explain: shows for the worst and the median test case what moves the score of each label, and how far to
trust that.

Reads   data/ (test images, no reference), build/ingest/dataset.json, build/train/train.json and
        weights.safetensors,
        build/evaluate/results/predictions/, metrics/cases.json
Writes  build/explain/: maps/, explain.json, provenance.json
        metrics/: explanations.svg
State   design/test_openings.jsonl: one line for each model that was shown the test part
Params  seed, explain.*
Stops   when this run has no such label or level as params.yaml asks for
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radiotrace.pipeline import stage

if __name__ == "__main__":
    stage.check_parameters(sys.argv)  # before torch, whose import takes seconds

import numpy as np
import torch

from radiotrace import errors, records
from radiotrace.drawing import heatmaps
from radiotrace.errors import StageError
from radiotrace.imaging import parts, volumes
from radiotrace.imaging.image import Image, on
from radiotrace.inference import preparation, windows
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture, numerics, trained
from radiotrace.pipeline import openings, params, runs
from radiotrace.records import model_run
from radiotrace.records.dataset import Dataset
from radiotrace.records.network import NetworkSpec
from radiotrace.records.sections.segmentation.explain import ExplainParams
from radiotrace.records.typed import plain
from radiotrace.segmentation import explain, ranking

WEIGHTS, PLACES = range(2)  # what is drawn at random
METHOD = (
    "Seg-Grad-CAM: the gradient of the sum of the label's logits, over the voxels where it is "
    "predicted, weighs the channels of a level; "
    "their weighted sum, cut off below 0, interpolated linearly, divided by its highest value"
)
OF_SEVERAL = (
    "Channels of the image are not told apart: a map is of all of them together, and what is taken out is "
    "taken out of each"
)
TITLE = (
    "Seg-Grad-CAM, level {level} (1/{step} of the full resolution): where a change of features would "
    "move a label's score.\n"
    "Not a proof of reasoning; another level gives another map."
)
MEANING = "0: would not raise the score, 1: highest value of the map"


@dataclass(frozen=True)
class Model:
    """What is explained, and what it is compared with.

    Attributes:
        network: the trained one, in evaluation mode.
        others: the same with random weights.
        spec: what all of them were built from.
    """

    network: torch.nn.Module
    others: list
    spec: NetworkSpec
    recipe: Recipe


def faults(
    settings: ExplainParams, labels: Mapping[str, str], spec: NetworkSpec, no_maps: bool = False
) -> list[str]:
    """Where the section explain of params.yaml asks for what a run has not.

    Args:
        labels: value -> name.
        spec: of its network.
        no_maps: whether none can be made of it, so that no level is asked for.
    """
    names, there = [name for value, name in labels.items() if value != "0"], architecture.levels(spec)
    faults = []
    if unknown := sorted(set(settings.labels or []) - set(names)):
        faults.append(f"explain.labels: found {', '.join(unknown)}, expected some of {', '.join(names)}")
    if settings.level not in there and not no_maps:
        faults.append(
            f"explain.level: found {settings.level}, expected {there[0]} to {there[-1]} for "
            f"{spec.name} with {len(spec.features)} levels"
        )
    return faults


def explain_label(
    model: Model,
    image_czyx: torch.Tensor,
    mask_zyx: np.ndarray,
    spacing_zyx,
    label: int,
    settings: ExplainParams,
    seed: list[int],
) -> tuple[dict, np.ndarray]:
    """What the record says of one label of one case, and its map on the canonical grid: 0 to 1, and 0 where
    nothing was explained.

    Args:
        image_czyx: normalised.
        mask_zyx: bool, where the label is predicted; one voxel at least.
        settings: the section explain of params.yaml, and the seed.
        seed: of the random places.
    """
    patch, of_image, inside = windows.one_pass(
        image_czyx, model.recipe, explain.centre(mask_zyx, spacing_zyx)
    )
    on_patch = np.zeros(patch.shape[1:], bool)
    on_patch[inside] = mask_zyx[of_image]

    def activation(network, level):
        return explain.seg_grad_cam(
            network, architecture.level(network, model.spec, level), patch, label, on_patch
        )[inside]

    def segment(image):
        return (windows.predict(image, model.network, model.recipe).argmax(0) == label).numpy()

    maps = {level: activation(model.network, level) for level in architecture.levels(model.spec)}
    measured = explain.measures(
        maps,
        settings.level,
        [activation(random_network, settings.level) for random_network in model.others],
        mask_zyx[of_image],
        spacing_zyx,
        settings.near_mm,
        image_czyx[(slice(None), *of_image)],
        segment,
        [np.random.default_rng([*seed, number]) for number in range(settings.repetitions)],
    )
    whole = np.zeros(mask_zyx.shape, np.float32)
    whole[of_image] = explain.scaled(maps[settings.level])
    return measured | {
        "predicted_voxels": int(mask_zyx.sum()),
        "whole_image": whole[of_image].shape == whole.shape,
        "window_start_voxels": volumes.to_zyx([side.start for side in of_image]),
        "window_voxels": volumes.to_zyx(whole[of_image].shape),
    }, whole


def explain_case(
    model: Model,
    image: Image,
    prediction,
    labels: dict[str, str],
    settings: ExplainParams,
    seed: list[int],
) -> tuple[dict, dict, Image]:
    """Each label of one case: what the record says of it, and mask and map on the canonical grid; and the
    image on that grid.

    Args:
        image, prediction: image and label map as evaluate had them.
        labels: value -> name, of those to explain.
        seed: of the case.

    Returns:
        name -> what `explain_label` says; name -> (mask, map); both None for a label that is predicted
        nowhere.
    """
    seen, image_czyx = windows.prepare(image, model.recipe)
    turned = seen.image
    predicted_zyx = volumes.array_zyx(preparation.of_label_map(prediction, image, model.recipe))
    rows, maps = dict.fromkeys(labels.values()), dict.fromkeys(labels.values())
    for value, name in labels.items():
        if (mask := predicted_zyx == int(value)).any():
            rows[name], heat = explain_label(
                model,
                image_czyx,
                mask,
                volumes.to_zyx(turned.grid.spacing_mm),
                int(value),
                settings,
                [*seed, int(value)],
            )
            maps[name] = mask, heat
    return rows, maps, turned


def method(channels: int) -> str:
    """What the record says of the maps of an image of so many channels."""
    return METHOD if channels == 1 else f"{METHOD}. {OF_SEVERAL}"


def figure_row(title: str, image: Image, map_zyx: np.ndarray, mask_zyx: np.ndarray) -> dict:
    """A row of heatmaps.overlays over the first channel, turned to LPS so that every case is seen from the
    same side.

    Args:
        image: on the canonical grid.
        map_zyx, mask_zyx: arrays on it.
    """
    shown = (image.volume(), on(map_zyx, image.grid), on(mask_zyx.astype(np.uint8), image.grid))
    turned = [volumes.canonical(volume, "LPS", None, is_label_map=True) for volume in shown]
    arrays, spacing_zyx = (
        [volumes.array_zyx(volume) for volume in turned],
        volumes.to_zyx(turned[0].GetSpacing()),
    )
    return {
        "title": title,
        "image_zyx": arrays[0],
        "map_zyx": arrays[1],
        "mask_zyx": arrays[2] > 0,
        "spacing_zyx": spacing_zyx,
        "centre_zyx": explain.centre(arrays[2] > 0, spacing_zyx),
    }


def main(args):
    settings = ExplainParams.of(params.load(args.params, "explain", seed=True))
    openings.read(args.openings)  # a broken ledger stops the stage before the part is opened
    train = model_run.read(args.train)
    evaluated = records.read(args.cases, "cases")["cases"]
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    described = {case.case_id: parts.described_channels(dataset, case) for case in dataset.cases}
    spec = train.network
    impossible = model_run.not_possible(train).get("explain")
    if broken := faults(settings, train.labels, spec, bool(impossible)):
        raise StageError(
            f"{len(broken)} parameters do not fit this run",
            broken,
            "Correct params.yaml, then run 'dvc repro'.",
        )
    labels = {
        value: name
        for value, name in train.labels.items()
        if value != "0" and (settings.labels is None or name in settings.labels)
    }
    numerics.configure(train.params.numerics, settings.threads)
    seeds = (
        np.random.default_rng([settings.seed, WEIGHTS]).integers(2**31, size=settings.repetitions).tolist()
    )
    model = Model(
        trained.load(spec, args.weights, train.weights_sha256),
        [] if impossible else [trained.at_random(spec, seed, args.weights) for seed in seeds],
        spec,
        Recipe.of(train.preprocessing),
    )
    with stage.output_folder(args.out) as out:
        cases, rows = [], []
        chosen = ranking.worst_median_best(evaluated)
        for rank, case in [
            (rank, case)
            for rank in ("worst", "median")
            for case in evaluated
            if case["case_id"] == chosen[rank]
        ]:
            case_id = case["case_id"]
            image = parts.image({"channels": described[case_id]}, Path(args.data))
            entry_of: dict[str, Any] = dict.fromkeys(labels.values())
            maps: dict[str, Any] = dict.fromkeys(labels.values())
            if not impossible:
                entry_of, maps, image = explain_case(
                    model,
                    image,
                    volumes.read_canonical(
                        Path(args.predictions) / case["prediction"], case["prediction_sha256"]
                    ),
                    labels,
                    settings,
                    [settings.seed, PLACES, *case_id.encode()],
                )
            for value, name in labels.items():
                dice = ranking.dice_text({name: case["labels"][name]})
                title = f"{rank} of {len(evaluated)} test cases: {case_id}, Dice {dice}"
                if maps[name] is None:
                    why = "no map can be made of this model" if impossible else "it is predicted nowhere"
                    rows.append({"title": f"{title}; {why}", "map_zyx": None})
                    continue
                path = Path("maps") / f"{case_id}_{value}.nii.gz"
                volumes.write(on(maps[name][1], image.grid), out / path)
                entry_of[name] |= {"map": path.as_posix(), "map_sha256": records.sha256(out / path)}
                rows.append(figure_row(title, image, *maps[name][::-1]))
            cases.append(
                {"rank": rank, "case_id": case_id, "subject_id": case["subject_id"], "labels": entry_of}
            )
            errors.log(f"explain: {rank} case, {case_id}")
        record = {
            "run_id": train.run_id,
            "part": "test",
            "excluded": plain(train.excluded),
            "n_test_cases": len(evaluated),
            "method": method(len(model.recipe.channels)),
            "definitions": explain.DEFINITIONS,
            "level": settings.level,
            "near_mm": settings.near_mm,
            "repetitions": settings.repetitions,
            "n_maps": sum(entry is not None for case in cases for entry in case["labels"].values()),
            "n_undefined": sum(entry is None for case in cases for entry in case["labels"].values()),
            "cases": cases,
            **({"not_possible": impossible} if impossible else {}),
        }
        records.write(out / "explain.json", record, "explain")
        records.write(
            out / "provenance.json",
            runs.provenance(
                __file__,
                settings.record(),
                args.requirements,
                [args.dataset, args.cases, args.train, args.weights],
                architecture.choice(spec),
            ),
            "provenance",
        )
        # Counted before a picture can be seen.
        openings.add(
            args.openings,
            train.run_id,
            train.weights_sha256,
            "explain",
            [case["case_id"] for case in evaluated],
            records.digest(record),
            "explanations",
        )
        records.write_bytes(
            Path(args.metrics) / "explanations.svg",
            heatmaps.overlays(rows, TITLE.format(level=settings.level, step=2**settings.level), MEANING),
        )
    errors.log(f"explain: wrote {args.out}/ and {args.metrics}/explanations.svg")


parser = argparse.ArgumentParser(
    prog="explain", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--data", required=True, help="folder of raw data")
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--weights", required=True, help="trained weights")
parser.add_argument("--predictions", required=True, help="folder of predicted label maps")
parser.add_argument("--cases", required=True, help="record of the test cases")
parser.add_argument("--out", required=True, help="folder to write")
parser.add_argument("--openings", required=True, help="ledger of what the test part was shown to")
parser.add_argument("--metrics", required=True, help="folder of the small files that git keeps")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
