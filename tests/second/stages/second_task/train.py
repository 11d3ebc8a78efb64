"""train: fits the network to the train part and follows it on the validation part.

Reads   build/ingest/dataset.json, build/ingest/volumes/, build/split/split.json
Writes  build/train/: weights.safetensors, train.json, provenance.json
State   .checkpoints/<run_id>/
Params  seed, train.*
Stops   when training cannot run as params.yaml says
"""

import argparse
import sys
from pathlib import Path

import torch
from safetensors.torch import save

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.learning import checkpoints, devices, fit, numerics, state
from radiotrace.learning.cases import Cases
from radiotrace.pipeline import params, runs, stage
from radiotrace.records.sections.second_task.train import TrainParams
from radiotrace.records.typed import picked
from radiotrace.second_task import learner, pictures


def cases(
    entries: list[dict], folder: Path, labels: dict[str, str], cache_mb: float
) -> Cases[learner.Picture]:
    """The pictures of a part, read when their turn comes."""

    def read(index: int) -> learner.Picture:
        case = entries[index]
        number = learner.CLASSES.index(pictures.class_of(case, labels))
        return learner.Picture(torch.from_numpy(pictures.pixels(case, folder)), number)

    return Cases([case["case_id"] for case in entries], read, cache_mb)


def main(args):
    section = TrainParams.of(params.load(args.params, "train", seed=True))
    numerics.configure(section.numerics, section.threads)
    described = records.read(args.dataset, "dataset")
    split = records.read(args.split, "split")
    parts = {
        part: cases(pictures.of_part(described, split, part), args.volumes, split["labels"], section.cache_mb)
        for part in ("train", "validation")
    }
    settings, hardware = picked(fit.Settings, section), picked(devices.Hardware, section)
    broken = [
        *devices.faults(hardware),
        *fit.faults(settings, hardware, len(parts["train"]), len(parts["validation"])),
    ]
    if broken:
        raise StageError("training cannot run as params.yaml says", broken, "Correct params.yaml.")
    provenance = runs.provenance(__file__, section.record(), args.requirements, [args.dataset, args.split])
    run_id = runs.run_id(provenance)
    classifier = learner.ClassificationLearner(
        parts["train"], parts["validation"], learner.build(section.seed)
    )
    folder = Path(args.checkpoints) / run_id
    ema, history = fit.fit(classifier, settings, devices.launch(hardware), folder)
    with stage.output_folder(args.out) as out:
        tensors = {name: value.detach().contiguous() for name, value in state.of(ema).items()}
        records.write_bytes(out / "weights.safetensors", save(tensors))
        records.write(
            out / "train.json",
            {
                "run_id": run_id,
                "weights_sha256": records.sha256(out / "weights.safetensors"),
                "labels": split["labels"],
                "params": section.record(),
                "history": history,
                "selection": "the averaged weights after the last epoch",
                "excluded": split["excluded"],
                "cases": {part: list(found.case_ids) for part, found in parts.items()},
            },
            "train_second_task",
        )
        records.write(out / "provenance.json", provenance, "provenance")
    checkpoints.forget(folder)
    errors.log(f"train: wrote {args.out}/")


parser = argparse.ArgumentParser(
    prog="train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--checkpoints", required=True, help="folder of resumable states")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
