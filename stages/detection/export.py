"""export: writes the model as ONNX with all that inference needs; shows that it finds the same.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/train/train.json and weights.safetensors,
        metrics/metrics.json, metrics/cases.json, design/intended_use.yaml
Writes  build/export/: model.onnx, model.json, MODEL_CARD.md, provenance.json
Params  export.*
Stops   when ONNX Runtime's scores or corners differ from torch's by more than the tolerances, or a box of a
        test case is shown by one and not by the other
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
from radiotrace.detection import decoding, model_card, preparation, released
from radiotrace.detection.decoding import Selection
from radiotrace.detection.model import TrainedDetector
from radiotrace.detection.preparation import ImageRecipe
from radiotrace.errors import StageError
from radiotrace.imaging import canonical_images
from radiotrace.learning import numerics, onnx_model
from radiotrace.pipeline import params, runs
from radiotrace.records.dataset import Case, Dataset
from radiotrace.records.detection import model as released_records
from radiotrace.records.detection.metrics import Decisions, Metrics
from radiotrace.records.detection.model import Data, Parity, ReleasedDetector, Tensor
from radiotrace.records.detection.train import DetectionRun
from radiotrace.records.sections.detection.evaluate import EvaluateParams
from radiotrace.records.sections.detection.export import ExportParams
from radiotrace.records.typed import picked

NOTICE = "Research software; not for diagnosis."


def steps(recipe: ImageRecipe, selection: Selection) -> tuple[str, ...]:
    """What is done to an image, and to what the graph gives, in words."""
    clips = ", ".join(
        f"{channel.name or 'the channel'} {channel.percentiles[0]:g} to {channel.percentiles[1]:g}"
        for channel in recipe.channels
    )
    axes = "zyx"[-recipe.axes :]
    shrink = " x ".join(str(factor) for factor in recipe.shrink[::-1])
    order = ", ".join(axes)
    spacing = "its own spacing kept" if recipe.spacing_mm is None else f"spacing {recipe.spacing_mm} mm x y z"
    return (
        f"turn it so that x, y, z point to {', '.join(recipe.orientation)}; {spacing}",
        f"clip each channel to percentiles of the image itself ({clips}; linear between ranks, float64)",
        "subtract the mean, divide by the SD of all voxels (ddof 0); zeros where all are equal",
        f"repeat the last voxels until {' and '.join(axes[::-1])} are multiples of {shrink}; take the mean "
        f"of each block of {shrink} voxels",
        f"repeat the last voxels until each side is a multiple of {recipe.multiple}",
        f"hand it to the graph as (n, channel, {order}) float32",
        f"of each label take the cells with a score of {selection.score_min:g} at least; their corners are "
        f"lower {order}, then upper {order}, in voxels of what was handed in: clip them to it",
        "from the highest score, drop a box that overlaps a kept one of its label by more than "
        f"{selection.suppress_overlap:g} (IoU); keep {selection.boxes_max} of a label",
        f"multiply corners by {shrink} ({' '.join(axes[::-1])}) for voxels of the image, and clip them to it",
        "show a box whose score is at least that of its label in operating_points",
    )


def parity(
    model: TrainedDetector,
    content: bytes,
    cases: Sequence[Case],
    folder: Path,
    decided: Decisions,
    selection: Selection,
    settings: ExportParams,
) -> Parity:
    """How the graph agrees with the network on the cases of the test part.

    Raises:
        StageError: it does not.
    """
    graph = released.session(content, settings.threads)
    cell_voxels = model.run.network.cell_voxels
    thresholds = np.array([decided.operating_points[name].score for name in model.names])
    largest: dict[str, float] = {}
    of_corner, otherwise = 0.0, 0
    for case in cases:
        image = canonical_images.image(folder, case, model.recipe.channels)
        values = preparation.prepared(image, model.recipe)
        heat, corners = model.cells(values)
        scores, found = graph(values)
        tops = decoding.peaks(heat)
        # where rounding decides which of two equal neighbours is higher, one of both has 0: compared as boxes
        both = (tops > 0) & (scores > 0)
        largest[case.case_id] = float(np.abs(tops - scores)[both].max(initial=0.0))
        taken = (scores >= selection.score_min).any(0)
        of_corner = max(of_corner, float(np.abs(corners - found)[:, taken].max(initial=0.0)))
        shown = [
            decoding.decoded(*cells, cell_voxels, selection).above(thresholds)
            for cells in ((heat, corners), (scores, found))
        ]
        of_label = [np.bincount(boxes.labels, minlength=len(model.names)) for boxes in shown]
        otherwise += int(np.abs(of_label[0] - of_label[1]).sum())
    worst = max(largest, key=lambda case_id: (largest[case_id], case_id))
    agreed = Parity(
        cases=tuple(case.case_id for case in cases),
        worst_case=worst,
        score_difference_max=largest[worst],
        corner_difference_max_voxels=of_corner,
        shown_otherwise=otherwise,
        score_tolerance=settings.score_tolerance,
        corner_tolerance_voxels=settings.corner_tolerance_voxels,
    )
    faults = []
    if not largest[worst] <= settings.score_tolerance:
        faults.append(
            f"{worst}: scores differ by {largest[worst]:.3g}, expected {settings.score_tolerance:g} at most"
        )
    if not of_corner <= settings.corner_tolerance_voxels:
        faults.append(
            f"corners differ by {of_corner:.3g} voxels, expected {settings.corner_tolerance_voxels:g} at most"
        )
    if otherwise:
        faults.append(f"{otherwise} boxes are shown by one and not by the other")
    if faults:
        raise StageError(
            "ONNX Runtime and torch differ",
            faults,
            "Raise export.score_tolerance or export.corner_tolerance_voxels only if you know why.",
        )
    return agreed


def main(args):
    settings = ExportParams.of(params.load(args.params, "export"))
    run = DetectionRun.of(records.read(args.train, "train_detection"))
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    metrics = Metrics.of(records.read(args.metrics, "metrics_detection"))
    evaluated = {row["case_id"] for row in records.read(args.cases, "cases_detection")["cases"]}
    measured = records.read(args.evaluate_provenance, "provenance")["params"]
    selection = picked(Selection, EvaluateParams.of(measured))
    if metrics.run_id != run.run_id:
        raise StageError("the evaluation is of another run", way_out="Run 'dvc repro'.")
    numerics.configure(run.params.numerics, settings.threads)
    model = TrainedDetector.of(run, args.weights)
    spec, n_channels = run.network, len(model.recipe.channels)
    content = released.graph(
        model.network, n_channels, spec.axes, model.recipe.multiple, spec.cell_voxels, settings.opset
    )
    content = onnx_model.saying(content, {"run_id": run.run_id, "weights_sha256": run.weights_sha256})
    cases = [case for case in dataset.cases if case.case_id in evaluated]
    agreed = parity(model, content, cases, Path(args.volumes), metrics.decisions, selection, settings)
    along = tuple("zyx"[-spec.axes :])
    with stage.output_folder(args.out) as out:
        records.write_bytes(out / "model.onnx", content)
        record = ReleasedDetector(
            run_id=run.run_id,
            notice=NOTICE,
            file="model.onnx",
            sha256=records.sha256(out / "model.onnx"),
            weights_sha256=run.weights_sha256,
            network=spec,
            labels=run.labels,
            modality=dataset.dataset.modality,
            licence=settings.licence,
            steps=steps(model.recipe, selection),
            preprocessing=run.preprocessing,
            input=Tensor(
                "image",
                "float32",
                ("n", "channel", *along),
                ("n", n_channels, *along),
                f"a prepared image; {', '.join(along)} are multiples of {model.recipe.multiple}",
            ),
            output=Tensor(
                "scores",
                "float32",
                ("n", "label", *along),
                ("n", spec.classes, *(f"{axis}/{spec.cell_voxels}" for axis in along)),
                "of a box whose middle lies in the cell, before calibration; 0 where a cell beside it has a "
                "higher one; labels by their values, from 1",
            ),
            corners=Tensor(
                "corners",
                "float32",
                ("n", "corner", *along),
                ("n", 2 * spec.axes, *(f"{axis}/{spec.cell_voxels}" for axis in along)),
                f"lower {', '.join(along)}, then upper {', '.join(along)}, in voxels of the input",
            ),
            selection=picked(released_records.Selection, selection),
            lines=metrics.decisions.lines,
            operating_points=metrics.decisions.operating_points,
            data=Data(
                name=dataset.dataset.name,
                licence=dataset.dataset.licence,
                root_sha256=dataset.dataset.root_sha256,
                train_cases=len(run.cases.train),
                validation_cases=len(run.cases.validation),
                train_boxes=run.box_counts,
                subjects_unknown=dataset.dataset.subjects_unknown,
            ),
            parity=agreed,
        )
        records.write(out / "model.json", record.record(), "released_detector")
        intended = params.load_yaml(args.intended_use)
        records.write_bytes(out / "MODEL_CARD.md", model_card.text(record, metrics, intended).encode())
        inputs = [args.dataset, args.train, args.weights, args.metrics, args.cases, args.intended_use]
        inputs.append(args.evaluate_provenance)
        records.write(
            out / "provenance.json",
            runs.provenance(__file__, settings.record(), args.requirements, inputs),
            "provenance",
        )
    errors.log(
        f"export: wrote {args.out}/: scores of {len(agreed.cases)} cases within "
        f"{agreed.score_difference_max:.2g} of torch's, corners within "
        f"{agreed.corner_difference_max_voxels:.2g} voxels"
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
parser.add_argument("--evaluate-provenance", required=True, help="record of what decided the evaluation")
parser.add_argument("--intended-use", required=True, help="design/intended_use.yaml")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
