"""export: writes the model as ONNX with everything that inference needs, and shows that it predicts the same.

Reads   data/ (test images, no label maps), build/ingest/dataset.json, build/train/train.json and
        weights.safetensors,
        build/evaluate/results/predictions/, metrics/cases.json, metrics/metrics.json
Writes  build/export/: model.onnx, model.json, provenance.json
Params  export.*
Stops   when ONNX Runtime's logits differ from torch's by more than the tolerance
"""

import argparse
import sys
from pathlib import Path

from radiotrace.pipeline import stage

if __name__ == "__main__":
    stage.check_parameters(sys.argv)  # before torch, whose import takes seconds

import numpy as np
from safetensors.torch import load_file

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.imaging import parts, volumes
from radiotrace.inference import model_record, onnx_network, recipe, sliding, windows
from radiotrace.learning import architecture, numerics, onnx_model, state
from radiotrace.pipeline import params, runs
from radiotrace.records.dataset import Dataset
from radiotrace.records.metrics import Metrics
from radiotrace.records.model import Parity
from radiotrace.records.sections.segmentation.export import ExportParams
from radiotrace.records.train import TrainingRun


def main(args):
    settings = ExportParams.of(params.load(args.params, "export"))
    train = TrainingRun.of(records.read(args.train, "train"))
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    evaluated = {case["case_id"]: case for case in records.read(args.cases, "cases")["cases"]}
    decisions = Metrics.of(records.read(args.metrics, "metrics")).decisions
    described = {case.case_id: parts.described_channels(dataset, case) for case in dataset.cases}
    numerics.configure(train.params.numerics, settings.threads)
    spec, prepared = train.network, recipe.Recipe.of(train.preprocessing)
    network = architecture.build(spec, seed=0)
    state.load(network, load_file(args.weights))
    content = onnx_model.export(
        network, prepared.multiple_zyx, settings.opset, spec.image_channels, spec.one_slice
    )
    exported = onnx_network.of(content, settings.threads)

    parity_cases = parts.spread(list(evaluated), settings.parity_cases)
    largest, compared, different = 0.0, 0, 0
    for case_id in parity_cases:
        image = parts.image({"channels": described[case_id]}, Path(args.data))
        label_map = sliding.label(image, exported, prepared).label_map
        _, image_czyx = windows.prepare(image, prepared)
        logits = sliding.logits_of(image_czyx.numpy(), exported, prepared)
        logits_torch = windows.predict(image_czyx, network, prepared).numpy()
        evaluated_map = volumes.read_canonical(
            Path(args.predictions) / evaluated[case_id]["prediction"], evaluated[case_id]["prediction_sha256"]
        )
        largest = max(largest, float(np.abs(logits - logits_torch).max()))
        compared += int(np.prod(label_map.GetSize()))
        different += int((volumes.array_zyx(label_map) != volumes.array_zyx(evaluated_map)).sum())
    errors.log(
        f"export: {len(parity_cases)} cases, largest difference of a logit {largest:.2g}, {different} "
        f"of {compared} voxels labelled otherwise"
    )
    if not largest <= settings.parity_tolerance:
        raise StageError(
            "ONNX Runtime and torch disagree",
            [f"largest difference of a logit {largest:.3g}, tolerance {settings.parity_tolerance:g}"],
            "Look at the operators in build/export; or change export.opset or "
            "export.parity_tolerance in params.yaml.",
        )

    with stage.output_folder(args.out) as out:
        records.write_bytes(out / model_record.FILE, content)
        parity = Parity(tuple(parity_cases), settings.parity_tolerance, largest, compared, different)
        model = model_record.released(
            train, dataset, decisions, settings, records.sha256(out / model_record.FILE), parity
        )
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
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
