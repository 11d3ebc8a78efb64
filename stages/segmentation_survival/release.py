"""release: writes the network as ONNX with both answers, labels and log-hazard, and shows that it tells
the same.

Reads   build/ingest/dataset.json, build/ingest/volumes/ (test images, no label maps), build/split/split.json,
        build/train/: train.json, hazard.json, weights.safetensors; metrics/survival.json
Writes  build/release/: prognosis.onnx, prognosis.json, provenance.json
Params  release.*
Stops   when ONNX Runtime's answers differ from torch's, or from those that were measured, by more than the
        tolerance
"""

import argparse
import hashlib
import sys

from radiotrace.pipeline import stage

if __name__ == "__main__":
    stage.check_parameters(sys.argv)  # before torch, whose import takes seconds

import numpy as np
import torch

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.imaging import volumes
from radiotrace.inference import intensity
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture, numerics, onnx_model, trained
from radiotrace.pipeline import params, runs
from radiotrace.pipeline.followed import followed
from radiotrace.records.dataset import Case, Dataset
from radiotrace.records.sections.segmentation_survival.release import ReleaseParams
from radiotrace.records.segmentation_survival.hazard import Hazard
from radiotrace.records.split import Split
from radiotrace.records.train import TrainingRun
from radiotrace.records.typed import plain
from radiotrace.segmentation import dataset as volumes_of
from radiotrace.segmentation_survival import joint, outcomes, released


def compared(
    case: Case, folder: str, both: released.Both, run, recipe: Recipe, measured: float
) -> dict[str, float]:
    """How far the file is from torch, and from what was measured, in one case.

    Args:
        run: of released.session.
        measured: log-hazard of the record 'survival'.
    """
    image, _ = volumes_of.read_volumes(folder, case, recipe.channels)
    normalised = torch.from_numpy(intensity.normalise_channels(image.values_czyx, recipe.channels))
    window = joint.whole(normalised, recipe)
    with torch.inference_mode():
        logits, _ = both(window)
    of_file, log_hazard = run(window.numpy())
    of_torch = logits.numpy()
    return {
        "log_hazard": abs(float(log_hazard[0]) - measured),
        "logit": float(np.abs(of_file - of_torch).max()),
        "voxels_different": int((of_file.argmax(1) != of_torch.argmax(1)).sum()),
        "voxels": int(np.prod(window.shape[2:])),
    }


def main(args):
    settings = ReleaseParams.of(params.load(args.params, "release"))
    run = TrainingRun.of(records.read(args.train, "train"))
    hazard = Hazard.of(records.read(args.hazard, "hazard"))
    described = Dataset.of(records.read(args.dataset, "dataset"))
    split = Split.of(records.read(args.split, "split"))
    measured = {
        row["case_id"]: row["told"]["log_hazard"] for row in records.read(args.survival, "survival")["cases"]
    }
    numerics.configure(run.params.numerics, settings.threads)
    recipe = Recipe.of(run.preprocessing)
    network = trained.load(run.network, args.weights, run.weights_sha256)
    both = released.Both(architecture.body(network), recipe).eval()
    window_zyx = volumes.to_zyx(recipe.window_voxels)
    example = torch.zeros(2, run.network.image_channels, *window_zyx)  # 1 would be taken for the only number
    content = onnx_model.written(
        both, example, {0: torch.export.Dim("n", min=1)}, tuple(released.OUTPUTS), settings.opset
    )
    file = released.session(content, settings.threads)
    cases = outcomes.of_part(described, split, "test")
    found = {
        case.case_id: compared(case, args.volumes, both, file, recipe, measured[case.case_id])
        for case in followed(cases, len(cases), "release")
    }
    worst = max(found, key=lambda case_id: found[case_id]["log_hazard"])
    parity = {
        "cases": list(found),
        "tolerance": settings.tolerance,
        "max_log_hazard_difference": found[worst]["log_hazard"],
        "max_logit_difference": max(row["logit"] for row in found.values()),
        "worst_case": worst,
        "voxels_different": sum(row["voxels_different"] for row in found.values()),
        "voxels": sum(row["voxels"] for row in found.values()),
    }
    errors.log(
        f"release: {len(found)} cases, largest difference of a log-hazard "
        f"{parity['max_log_hazard_difference']:.2g} ({worst}), of a logit "
        f"{parity['max_logit_difference']:.2g}"
    )
    broken = [
        f"{name.replace('_', ' ')}: found {parity[f'max_{name}_difference']:.3g}, expected "
        f"{settings.tolerance:g} at most"
        for name in ("log_hazard", "logit")
        if parity[f"max_{name}_difference"] > settings.tolerance
    ]
    if broken:
        raise StageError(
            "ONNX Runtime and torch disagree",
            broken,
            "Change release.opset or release.tolerance in params.yaml.",
        )
    learnt = outcomes.of_cases(
        outcomes.of_part(described, split, "train"), hazard.params.time, hazard.params.event
    )
    columns = described.dataset.columns or {}
    record = records.canonical(
        {
            "run_id": run.run_id,
            "file": released.FILE,
            "sha256": hashlib.sha256(content).hexdigest(),
            "weights_sha256": run.weights_sha256,
            "network": run.network.record(),
            "preprocessing": run.preprocessing.record(),
            "window_voxels": list(recipe.window_voxels),
            "labels": plain(run.labels),
            "outputs": released.OUTPUTS,
            "unit": columns[hazard.params.time].unit or "",
            "baseline": released.baseline(hazard, learnt),
            "limits": list(released.LIMITS),
            "params": settings.record(),
            "parity": parity,
        }
    )
    inputs = [args.dataset, args.split, args.train, args.hazard, args.weights, args.survival]
    with stage.output_folder(args.out) as out:
        records.write_bytes(out / released.FILE, content)
        records.write(out / "prognosis.json", record, "released_hazard")
        provenance = runs.provenance(
            __file__, settings.record(), args.requirements, inputs, architecture.choice(run.network)
        )
        records.write(out / "provenance.json", provenance, "provenance")
    errors.log(f"release: wrote {args.out}/{released.FILE}, {len(content) / 1e6:.1f} MB")


parser = argparse.ArgumentParser(
    prog="release", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--hazard", required=True, help="record of how survival was learnt")
parser.add_argument("--weights", required=True, help="trained weights")
parser.add_argument("--survival", required=True, help="record of survival in the test part")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
