"""export: writes the model as ONNX with everything that inference needs, and shows that it predicts the same.

Reads   data/ (test images, no label maps), build/ingest/dataset.json, build/train/train.json and
        weights.safetensors, build/evaluate/results/predictions/, metrics/cases.json, metrics/metrics.json,
        design/intended_use.yaml
Writes  build/export/: model.onnx, model.json, MODEL_CARD.md, golden/, provenance.json
Params  export.*
Stops   when ONNX Runtime's logits differ from torch's by more than the tolerance, or its labels from those
        that were measured
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from radiotrace.pipeline import stage

if __name__ == "__main__":
    stage.check_parameters(sys.argv)  # before torch, whose import takes seconds

import numpy as np
import SimpleITK as sitk
import torch
from safetensors.torch import load_file

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.imaging import parts, volumes
from radiotrace.inference import model_record, onnx_network, recipe, release_card, sliding
from radiotrace.learning import architecture, numerics, onnx_model, trained
from radiotrace.learning.grown import Grown
from radiotrace.pipeline import params, runs
from radiotrace.pipeline.followed import followed
from radiotrace.records import model_run
from radiotrace.records.dataset import Case, Dataset
from radiotrace.records.metrics import Metrics
from radiotrace.records.model import Golden, Parity
from radiotrace.records.sections.segmentation.export import ExportParams


@dataclass(frozen=True)
class Compared:
    """A test case, labelled by the file.

    Attributes:
        label_map: on the image's own grid.
        logit_difference: the largest, from torch, of any voxel of any window.
        jaccard_distances: of each label but the background, to the label map that was measured.
    """

    case_id: str
    label_map: sitk.Image
    expected_dice_loss: float
    logit_difference: float
    voxels_different: int
    jaccard_distances: tuple[float, ...]

    @property
    def voxels(self) -> int:
        return self.label_map.GetNumberOfPixels()


def main(args):
    settings = ExportParams.of(params.load(args.params, "export"))
    train = model_run.read(args.train)
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    evaluated = {case["case_id"]: case for case in records.read(args.cases, "cases")["cases"]}
    metrics = Metrics.of(records.read(args.metrics, "metrics"))
    intended_use = params.load_yaml(args.intended_use)
    if broken := records.faults(intended_use, "intended_use"):
        raise StageError(
            f"{args.intended_use} breaks schemas/intended_use.schema.json",
            broken,
            f"Correct {args.intended_use}.",
        )
    if wrong := model_record.unknown_labels(train.labels, settings):
        raise StageError("params.yaml names labels that the data set has not", wrong, "Correct the names.")
    numerics.configure(train.params.numerics, settings.threads)
    spec, prepared = train.network, recipe.Recipe.of(train.preprocessing)
    network = trained.built(spec, load_file(args.weights))
    given = onnx_model.with_offsets(network, prepared.logit_offsets)
    body = architecture.body(network)
    if isinstance(body, Grown):
        file = body.file()  # as it was admitted: nothing is exported anew
    else:
        file = onnx_model.export(
            given, prepared.multiple_zyx, settings.opset, spec.image_channels, spec.one_slice
        )
    released = dataclasses.replace(prepared, logit_offsets=None)  # they are in the file
    runtime = onnx_network.of(file, settings.threads)

    described = {case.case_id: case for case in dataset.cases}
    chosen = parts.spread(list(evaluated), settings.parity_cases or len(evaluated))
    compared = [
        compare(described[case_id], evaluated[case_id], dataset, runtime, given, released, args)
        for case_id in followed(chosen, len(chosen), "export")
    ]
    parity = agreement(compared, settings.parity_tolerance)
    errors.log(
        f"export: {len(compared)} cases, largest difference of a logit {parity.max_logit_difference:.2g} "
        f"({parity.worst_case}), {parity.voxels_different} of {parity.voxels_compared} voxels labelled "
        "otherwise"
    )
    if wrong := model_record.disagreements(parity):
        raise StageError(
            "ONNX Runtime and torch disagree",
            wrong,
            "Look at the operators in build/export; or change export.opset or "
            "export.parity_tolerance in params.yaml.",
        )

    with stage.output_folder(args.out) as out:
        smallest = model_record.golden_cases(dataset, chosen, settings.golden_cases)
        made_of = {case.case_id: case for case in compared}
        golden = tuple(write_golden(out, case, made_of[case.case_id], Path(args.data)) for case in smallest)
        files = {
            path: records.sha256(out / path) for case in golden for path in (*case.images, case.label_map)
        }
        unsigned = model_record.Made("0" * 64, files, parity, golden)
        card = release_card.text(
            model_record.released(train, dataset, metrics.decisions, settings, unsigned),
            metrics,
            intended_use,
        )
        records.write_bytes(out / model_record.CARD, card.encode())
        files |= {model_record.CARD: records.sha256(out / model_record.CARD)}
        made = dataclasses.replace(unsigned, files=files)
        model = model_record.released(train, dataset, metrics.decisions, settings, made)
        content = onnx_model.saying(file, model_record.metadata(model))
        records.write_bytes(out / model_record.FILE, content)
        model = dataclasses.replace(model, sha256=records.sha256(out / model_record.FILE))
        records.write(out / model_record.RECORD, model.record(), "released_model")
        records.write(
            out / "provenance.json",
            runs.provenance(
                __file__,
                settings.record(),
                args.requirements,
                [args.dataset, args.cases, args.metrics, args.train, args.weights],
                architecture.choice(spec),
            ),
            "provenance",
        )
    errors.log(f"export: wrote {args.out}/model.onnx, {len(content) / 1e6:.1f} MB")


def compare(
    described: Case,
    evaluated: dict,
    dataset: Dataset,
    runtime: sliding.Network,
    given: torch.nn.Module,
    released: recipe.Recipe,
    args,
) -> Compared:
    """Labels a case with the file; each of its windows goes through torch, too.

    Args:
        evaluated: the case in the record of the evaluation.
        given: the network that the file was made of, offsets among it.
    """
    differences = []

    def both(patch: np.ndarray) -> np.ndarray:
        logits = runtime(patch)
        with torch.inference_mode():
            differences.append(np.abs(logits - given(torch.from_numpy(patch)).numpy()).max())
        return logits

    image = parts.image({"channels": parts.described_channels(dataset, described)}, Path(args.data))
    labelled = sliding.label(image, both, released)
    measured = volumes.read_canonical(
        Path(args.predictions) / evaluated["prediction"], evaluated["prediction_sha256"]
    )
    made_zyx, measured_zyx = volumes.array_zyx(labelled.label_map), volumes.array_zyx(measured)
    return Compared(
        described.case_id,
        labelled.label_map,
        labelled.expected_dice_loss,
        float(max(differences)),
        int((made_zyx != measured_zyx).sum()),
        tuple(
            jaccard_distance(made_zyx == int(value), measured_zyx == int(value))
            for value in dataset.dataset.labels
            if value != "0"
        ),
    )


def jaccard_distance(one: np.ndarray, other: np.ndarray) -> float:
    """1 - intersection over union of two masks; 0 where both are empty."""
    union = int((one | other).sum())
    return 1 - int((one & other).sum()) / union if union else 0.0


def agreement(compared: Sequence[Compared], tolerance: float) -> Parity:
    """How far the file is from torch.

    The Jaccard distance is a metric, and 1 - Dice = d / (2 - d) of it, which grows by 2 at most: to any
    reference, the Dice of two label maps differs by no more than twice their distance.
    """
    worst = max(compared, key=lambda case: case.logit_difference)
    distances = [distance for case in compared for distance in case.jaccard_distances]
    return Parity(
        cases=tuple(case.case_id for case in compared),
        tolerance=tolerance,
        max_logit_difference=worst.logit_difference,
        worst_case=worst.case_id,
        voxels_compared=sum(case.voxels for case in compared),
        voxels_different=sum(case.voxels_different for case in compared),
        dice_change_at_most=2 * float(np.mean(distances)),
    )


def write_golden(out: Path, case: Case, compared: Compared, raw: Path) -> Golden:
    """Copies the images of a case, and writes what the file makes of them."""
    images = model_record.golden_images(case)
    for source, path in zip(case.images, images, strict=True):
        records.write_bytes(out / path, (raw / source.path).read_bytes())
    label_map = model_record.golden_label_map(case)
    volumes.write(compared.label_map, out / label_map)
    values, counts = np.unique(volumes.array_zyx(compared.label_map), return_counts=True)
    voxels = {str(value): int(count) for value, count in zip(values, counts, strict=True)}
    return Golden(case.case_id, tuple(images), label_map, voxels, compared.expected_dice_loss)


parser = argparse.ArgumentParser(
    prog="export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--data", required=True, help="folder of raw data")
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--weights", required=True, help="trained weights")
parser.add_argument("--predictions", required=True, help="folder of predicted label maps")
parser.add_argument("--cases", required=True, help="record of the test cases")
parser.add_argument(
    "--metrics", required=True, help="record of the evaluation, with what was decided before it"
)
parser.add_argument("--intended-use", required=True, help="what people say that the model is for")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
