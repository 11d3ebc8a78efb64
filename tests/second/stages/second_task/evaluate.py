"""evaluate: tells the class of each picture of the test part, and compares.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/split/split.json, build/train/train.json and
        weights.safetensors
Writes  build/evaluate/results/: predictions/, provenance.json
        metrics/: cases.json, metrics.json, headline.json
State   design/test_openings.jsonl, to which a line is added
Params  evaluate.*
Stops   when the test part is empty, or a case of it is no picture of one class
"""

import argparse
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.learning import numerics, state
from radiotrace.pipeline import openings, params, runs, stage
from radiotrace.second_task import learner, measures, pictures


def told(case: dict, folder: Path, network) -> dict:
    """The prediction of a picture: the class that is told, and its logits."""
    with torch.inference_mode():
        logits = network(torch.from_numpy(pictures.pixels(case, folder))[None, None])[0]
    return {
        "told": learner.CLASSES[int(logits.argmax())],
        "logits": dict(zip(learner.CLASSES, logits.tolist(), strict=True)),
    }


def main(args):
    p = params.load(args.params, "evaluate")
    train = records.read(args.train, "train_second_task")
    dataset, split = records.read(args.dataset, "dataset"), records.read(args.split, "split")
    numerics.configure(train["params"]["numerics"], p["threads"])
    network = learner.build(0)
    state.load(network, load_file(args.weights))
    network.eval()
    test = pictures.of_part(dataset, split, "test")
    if not test:
        raise StageError(
            "0 cases in the test part", way_out="Take a larger share in params.yaml under split."
        )
    rows = []
    with stage.output_folder(args.out) as out:
        for case in sorted(test, key=lambda one: one["case_id"]):
            answer, file = told(case, Path(args.volumes), network), f"{case['case_id']}.json"
            records.write_bytes(out / "predictions" / file, records.dumps(answer).encode())
            reference = pictures.class_of(case, split["labels"])
            rows.append(
                {
                    "case_id": case["case_id"],
                    "subject_id": case["subject_id"],
                    "prediction": file,
                    "prediction_sha256": records.sha256(out / "predictions" / file),
                    "labels": measures.row(reference, answer["told"], list(learner.CLASSES)),
                }
            )
        shared = {"run_id": train["run_id"], "part": "test", "excluded": split["excluded"]}
        metrics = {
            **shared,
            "n_cases": len(rows),
            "n_subjects": len({row["subject_id"] for row in rows}),
            "measures": [one.record() for one in measures.TABLE],
            "methods": {one.name: one.method(p) for one in measures.TABLE},
            **measures.summaries(rows),
        }
        inputs = [args.dataset, args.split, args.train, args.weights]
        records.write(
            out / "provenance.json", runs.provenance(__file__, p, args.requirements, inputs), "provenance"
        )
        # Counted before a number can be seen.
        openings.add(
            args.openings,
            train["run_id"],
            train["weights_sha256"],
            "evaluate",
            [row["case_id"] for row in rows],
            records.digest(metrics),
            "recall",
        )
        folder = Path(args.metrics)
        records.write(folder / "cases.json", {**shared, "cases": rows}, "cases_second_task")
        records.write(folder / "metrics.json", metrics, "metrics_second_task")
        records.write(folder / "headline.json", measures.headline(metrics), "headline_second_task")
    errors.log(f"evaluate: wrote {args.metrics}/ and {args.out}/")


parser = argparse.ArgumentParser(
    prog="evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--weights", required=True, help="trained weights")
parser.add_argument("--openings", required=True, help="ledger of what the test part was shown to")
parser.add_argument("--out", required=True, help="folder to write")
parser.add_argument("--metrics", required=True, help="folder of the small files that git keeps")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
