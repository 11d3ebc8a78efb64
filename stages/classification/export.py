"""export: writes the model as ONNX with all that inference needs; shows that it tells the same.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/split/split.json, build/train/train.json and
        weights.safetensors, metrics/metrics.json, metrics/cases.json
Writes  build/export/: model.onnx, model.json, MODEL_CARD.md, provenance.json
Params  export.*
Stops   when ONNX Runtime's logits differ from torch's by more than the tolerance, or a label of a test case
        is called otherwise
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from radiotrace.pipeline import stage

if __name__ == "__main__":
    stage.check_parameters(sys.argv)  # before torch, whose import takes seconds

import numpy as np

from radiotrace import errors, records
from radiotrace.classification import (
    model_card,
    onnx_session,
    pictures,
    released,
    released_classifier,
)
from radiotrace.classification.calibrated import Calibrator
from radiotrace.classification.model import BATCH, TrainedClassifier
from radiotrace.errors import StageError
from radiotrace.imaging import canonical_images
from radiotrace.inference import picture
from radiotrace.learning import numerics, onnx_model
from radiotrace.pipeline import params, runs
from radiotrace.records.classification.metrics import Metrics
from radiotrace.records.classification.model import (
    Data,
    EdgesPixels,
    Input,
    Output,
    Parity,
    ReleasedClassifier,
)
from radiotrace.records.classification.train import ClassificationRun
from radiotrace.records.dataset import Case, Dataset, known
from radiotrace.records.sections.classification.export import ExportParams

NOTICE = "Research software; not for diagnosis."
MEANINGS = {
    "logits": "of each label where a case has one class; of each after the first where it may have several",
    "probabilities": "of each label after the first, calibrated on the validation part",
}


def steps(recipe: picture.PictureRecipe) -> tuple[str, ...]:
    """What is done to a picture, in words."""
    height, width = recipe.input_yx
    clips = ", ".join(
        f"{channel.name or 'the channel'} {channel.percentiles[0]:g} to {channel.percentiles[1]:g}"
        for channel in recipe.channels
    )
    spacing = "its own spacing kept" if recipe.spacing_mm is None else f"spacing {recipe.spacing_mm} mm x y z"
    return (
        f"turn it so that x, y, z point to {', '.join(recipe.orientation)}; {spacing}",
        f"clip each channel to percentiles of the picture itself ({clips}; linear between ranks, float64)",
        "subtract the mean, divide by the SD of all pixels (ddof 0); zeros where all are equal",
        f"resize to {width} x {height} pixels: each new pixel is a mean of old ones whose weights fall "
        "linearly with distance over one new pixel (one old one where the picture grows); as it is where the "
        "size is so",
        "hand it to the graph as (n, channel, y, x) float32",
    )


def parity(
    model: TrainedClassifier,
    content: bytes,
    cases: Sequence[Case],
    folder: Path,
    calibrator: Calibrator,
    thresholds: Sequence[float],
    settings: ExportParams,
) -> Parity:
    """How the graph agrees with the network on the cases of the test part.

    Raises:
        StageError: it does not.
    """
    graph = onnx_session.session(content, settings.threads)
    largest: dict[str, float] = {}
    of_probability, otherwise = 0.0, 0
    for start in range(0, len(cases), BATCH):
        of_batch = cases[start : start + BATCH]
        pixels = np.stack(
            [
                picture.prepared(canonical_images.image(folder, case, model.recipe.channels), model.recipe)
                for case in of_batch
            ]
        )
        logits = model.logits(pixels)
        p, found = calibrator(logits), graph(pixels)
        differences = np.abs(found["logits"] - logits).max(1)
        largest |= {case.case_id: float(one) for case, one in zip(of_batch, differences, strict=True)}
        of_probability = max(of_probability, float(np.abs(found["probabilities"] - p).max()))
        limits = np.array(thresholds)
        # a case at the threshold itself may fall on either side by the last digit
        at_limit = np.abs(p - limits) < settings.parity_tolerance
        otherwise += int((((found["probabilities"] >= limits) != (p >= limits)) & ~at_limit).sum())
    worst = max(sorted(largest), key=lambda case_id: largest[case_id])
    if not largest[worst] <= settings.parity_tolerance or otherwise:
        raise StageError(
            "ONNX Runtime and torch disagree",
            [
                f"{worst}: largest difference of a logit {largest[worst]:.3g}, expected at most "
                f"{settings.parity_tolerance:g}",
                f"{otherwise} labels are called otherwise, expected 0",
            ],
            "Change export.opset or export.parity_tolerance in params.yaml.",
        )
    return Parity(
        cases=tuple(sorted(largest)),
        worst_case=worst,
        logit_difference_max=largest[worst],
        probability_difference_max=of_probability,
        called_otherwise=otherwise,
        tolerance=settings.parity_tolerance,
    )


def edges_of(cases: Sequence[Case]) -> EdgesPixels:
    """How large the pictures are that it has learnt from."""
    sizes = [tuple(known(case.image.grid).size_voxels) for case in cases]
    shorter, longer = zip(*map(released_classifier.edges_of, sizes), strict=True)
    return EdgesPixels(min(shorter), max(shorter), min(longer), max(longer))


def main(args):
    settings = ExportParams.of(params.load(args.params, "export"))
    run = ClassificationRun.of(records.read(args.train, "train_classification"))
    metrics = Metrics.of(records.read(args.metrics, "metrics_classification"))
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    learnt = set(run.cases.train)
    evaluated = {row["case_id"] for row in records.read(args.cases, "cases_classification")["cases"]}
    numerics.configure(run.params.numerics, settings.threads)
    model, target = TrainedClassifier.of(run, args.weights), pictures.target_of(dataset)
    decided = metrics.decisions
    calibrator = Calibrator.of(decided, target.kind, target.names)
    thresholds = [decided.operating_points[name].threshold for name in target.names]
    shape_cyx = (len(model.recipe.channels), *model.recipe.input_yx)
    content = released.graph(model.network, calibrator, shape_cyx, settings.opset)
    content = onnx_model.saying(content, {"run_id": run.run_id, "weights_sha256": run.weights_sha256})
    cases = [case for case in dataset.cases if case.case_id in evaluated]
    agreed = parity(model, content, cases, Path(args.volumes), calibrator, thresholds, settings)
    with stage.output_folder(args.out) as out:
        records.write_bytes(out / "model.onnx", content)
        record = ReleasedClassifier(
            run_id=run.run_id,
            notice=NOTICE,
            file="model.onnx",
            sha256=records.sha256(out / "model.onnx"),
            weights_sha256=run.weights_sha256,
            network=run.network,
            target=run.target,
            labels=run.labels,
            modality=dataset.dataset.modality,
            licence=settings.licence,
            steps=steps(model.recipe),
            preprocessing=run.preprocessing,
            input=Input("image", "float32", ("n", "channel", "y", "x"), ("n", *shape_cyx)),
            output=Output("probabilities", "float32", ("n", "label"), MEANINGS["probabilities"]),
            logits=Output("logits", "float32", ("n", "label"), MEANINGS["logits"]),
            temperature=decided.temperature,
            lines=decided.lines,
            operating_points=decided.operating_points,
            review_above=decided.flag_above.get("prediction"),
            edges_pixels=edges_of([case for case in dataset.cases if case.case_id in learnt]),
            data=Data(
                name=dataset.dataset.name,
                licence=dataset.dataset.licence,
                root_sha256=dataset.dataset.root_sha256,
                train_cases=len(run.cases.train),
                validation_cases=len(run.cases.validation),
                subjects_unknown=dataset.dataset.subjects_unknown,
            ),
            parity=agreed,
        )
        records.write(out / "model.json", record.record(), "released_classifier")
        intended = params.load_yaml(args.intended_use)
        records.write_bytes(out / "MODEL_CARD.md", model_card.text(record, metrics, intended).encode())
        inputs = [args.dataset, args.train, args.weights, args.metrics, args.cases, args.intended_use]
        records.write(
            out / "provenance.json",
            runs.provenance(__file__, settings.record(), args.requirements, inputs),
            "provenance",
        )
    errors.log(
        f"export: wrote {args.out}/: logits of {len(agreed.cases)} cases within "
        f"{agreed.logit_difference_max:.2g} of torch's"
    )


parser = argparse.ArgumentParser(
    prog="export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--weights", required=True, help="trained weights")
parser.add_argument("--metrics", required=True, help="record of metrics")
parser.add_argument("--cases", required=True, help="record of the test cases")
parser.add_argument("--intended-use", required=True, help="design/intended_use.yaml")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
