"""export: writes the model as ONNX, and shows that it tells the same.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/train/train.json and weights.safetensors,
        metrics/cases.json
Writes  build/export/: model.onnx, model.json, provenance.json
Params  export.*
Stops   when ONNX Runtime's logits differ from torch's by more than the tolerance
"""

import argparse
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.learning import numerics, onnx_model, state
from radiotrace.pipeline import params, runs, stage
from radiotrace.second_task import learner, pictures

MULTIPLE = (2, 2, 2)  # of the edges of an image: one pooling


def main(args):
    p = params.load(args.params, "export")
    train, dataset = records.read(args.train, "train_second_task"), records.read(args.dataset, "dataset")
    evaluated = [case["case_id"] for case in records.read(args.cases, "cases_second_task")["cases"]]
    described = {case["case_id"]: case for case in dataset["cases"]}
    numerics.configure(train["params"]["numerics"], p["threads"])
    network = learner.build(0)
    state.load(network, load_file(args.weights))
    content = onnx_model.export(network, MULTIPLE, p["opset"])
    exported, largest = onnx_model.network(content, p["threads"]), 0.0
    for case_id in evaluated:
        image = torch.from_numpy(pictures.pixels(described[case_id], Path(args.volumes)))[None, None]
        with torch.inference_mode():
            largest = max(largest, float((network(image) - exported(image)).abs().max()))
    if not largest <= p["parity_tolerance"]:
        raise StageError(
            "ONNX Runtime and torch disagree",
            [f"largest difference of a logit {largest:.3g}, tolerance {p['parity_tolerance']:g}"],
            "Change export.opset or export.parity_tolerance in params.yaml.",
        )
    with stage.output_folder(args.out) as out:
        records.write_bytes(out / "model.onnx", content)
        records.write(
            out / "model.json",
            {
                "run_id": train["run_id"],
                "notice": "Research software; not for diagnosis.",
                "file": "model.onnx",
                "sha256": records.sha256(out / "model.onnx"),
                "weights_sha256": train["weights_sha256"],
                "network": {"name": "pooled"},
                "labels": train["labels"],
                "modality": dataset["dataset"]["modality"],
                "input": {"name": "image", "type": "float32", "axes": ["n", "channel", "z", "y", "x"]},
                "output": {"name": "logits", "type": "float32", "axes": ["n", "class"]},
                "parity": {"cases": evaluated, "max_logit_difference": largest},
            },
            "model_second_task",
        )
        inputs = [args.dataset, args.train, args.weights, args.cases]
        records.write(
            out / "provenance.json", runs.provenance(__file__, p, args.requirements, inputs), "provenance"
        )
    errors.log(f"export: wrote {args.out}/model.onnx")


parser = argparse.ArgumentParser(
    prog="export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--weights", required=True, help="trained weights")
parser.add_argument("--cases", required=True, help="record of the test cases")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
