"""nnU-Net v2 and Radiotrace on the same fold of the same machine, each for the same time.

    python -m benchmarks.nnunet [--fold 0]

Makes .benchmarks/nnunet/ with an environment of its own for nnU-Net, plans and preprocesses there (not
counted), then trains Radiotrace with the recipe of benchmarks.crossval, and nnU-Net's 3d_fullres for as many
seconds. Both are judged on the held-out cases by the same metrics. nnU-Net gets what it lacks in so short a
time: its learning rate falls to 0 within the budget instead of over 1000 epochs. Neither mirrors at test
time. Reads data/ and build/ (of 'make run' or 'make pull'), prints a table and writes the Dice of each case
to benchmarks/nnunet.csv.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks import crossval
from radiotrace import records
from radiotrace.evidence.verify import workflow
from radiotrace.imaging import volumes
from radiotrace.pipeline import params
from radiotrace.pipeline.study import Study
from radiotrace.records.sections.segmentation.train import TrainParams
from radiotrace.records.train import TrainingRun
from radiotrace.segmentation import metrics

FOLDER = Path(".benchmarks/nnunet")
PATH = Path("benchmarks/nnunet.csv")
VERSION = "2.8.1"
DATASET = "Dataset004_Hippocampus"


def environment(folder: Path) -> dict[str, str]:
    """What nnU-Net reads: its folders below this one, and one process to draw patches beside the one that
    learns."""
    folders = {
        f"nnUNet_{name}": str((folder / name).absolute()) for name in ("raw", "preprocessed", "results")
    }
    return {
        **os.environ,
        **folders,
        "nnUNet_n_proc_DA": "1",
        "PATH": f"{(FOLDER / 'venv' / 'bin').absolute()}:{os.environ['PATH']}",
    }


def install() -> Path:
    """The Python of nnU-Net's environment, made when it is missing."""
    python = FOLDER / "venv/bin/python"
    if not (FOLDER / "installed").exists():
        torch = next(
            line
            for line in Path("requirements/learning.txt").read_text().split()
            if line.startswith("torch==")
        )
        subprocess.run([sys.executable, "-m", "venv", FOLDER / "venv"], check=True)
        subprocess.run(
            [
                python,
                "-m",
                "pip",
                "--disable-pip-version-check",
                "install",
                "--quiet",
                torch,
                f"nnunetv2=={VERSION}",
            ],
            check=True,
        )
        (FOLDER / "installed").touch()
    return python


def write_raw(entries: list[dict], labels: dict[str, str]) -> None:
    """The raw data, linked and described as nnU-Net wants them."""
    raw = FOLDER / "raw" / DATASET
    for kind, folder, suffix in (("image", "imagesTr", "_0000"), ("label_map", "labelsTr", "")):
        (raw / folder).mkdir(parents=True, exist_ok=True)
        for entry in entries:
            link = raw / folder / f"{entry['case_id']}{suffix}.nii.gz"
            link.unlink(missing_ok=True)
            link.symlink_to((Path("data") / entry[kind]["path"]).absolute())
    (raw / "dataset.json").write_text(
        json.dumps(
            {
                "channel_names": {"0": "MRI"},
                "labels": {name: int(value) for value, name in labels.items()},
                "numTraining": len(entries),
                "file_ending": ".nii.gz",
            }
        )
    )


def train_radiotrace(fold: int) -> tuple[float, Path]:
    """Seconds that stage train takes on the fold, and the folder of the predictions of what it holds out."""
    folder = FOLDER / "radiotrace"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    chosen = YAML().load(Path("params.yaml"))
    for name, value in ({"split.scheme": "nnunet", "split.fold": fold} | crossval.RECIPE).items():
        section, key = name.split(".")
        chosen[section][key] = value
    YAML().dump(chosen, folder / "params.yaml")

    def stage(name: str, **options) -> float:
        command = [
            sys.executable,
            "-m",
            workflow.of(Study(Path.cwd()))[name].module,
            "--params",
            str(folder / "params.yaml"),
            "--requirements",
            "requirements.txt",
        ]
        for option, value in options.items():
            command += [f"--{option}", str(value)]
        start = time.monotonic()
        subprocess.run(command, check=True)
        return time.monotonic() - start

    stage(
        "split",
        accepted="build/validate/accepted.json",
        design="design/requirements.yaml",
        out=folder / "split",
    )
    seconds = stage(
        "train",
        dataset="build/ingest/dataset.json",
        volumes="build/ingest/volumes",
        split=folder / "split/split.json",
        checkpoints=folder / "checkpoints",
        tensorboard=folder / "tensorboard",
        live=folder / "live",
        out=folder / "train",
    )
    stage(
        "evaluate",
        data="data",
        dataset="build/ingest/dataset.json",
        split=folder / "split/split.json",
        train=folder / "train/train.json",
        weights=folder / "train/weights.safetensors",
        members="members",
        openings=folder / "openings.jsonl",
        out=folder / "evaluate",
        metrics=folder / "metrics",
    )
    return seconds, folder / "evaluate/predictions"


def plan_and_preprocess(folder: Path, dataset: str, configuration: str) -> None:
    """nnU-Net's own plan of a data set below a folder, and its preprocessed cases."""
    number = str(int(dataset.removeprefix("Dataset")[:3]))
    command = [FOLDER / "venv/bin/nnUNetv2_plan_and_preprocess", "-d", number, "-c", configuration]
    subprocess.run([*command, "-np", "2", "-npfp", "2"], check=True, env=environment(folder))


def train_nnunet(python: Path, folder: Path, job: dict) -> tuple[dict, Path]:
    """What benchmarks/nnunet_trainer.py tells of the training, and the folder of its predictions.

    Args:
        job: as that file says, without what is written.
    """
    out, report = folder / "predictions", folder / "report.json"
    shutil.rmtree(out, ignore_errors=True)
    path = folder / "job.json"
    path.write_text(json.dumps({**job, "predictions": str(out), "report": str(report)}))
    subprocess.run([python, "benchmarks/nnunet_trainer.py", path], check=True, env=environment(folder))
    return json.loads(report.read_text()), out


def rows_of(
    entries: list[dict],
    predictions: Path,
    labels: dict[str, str],
    variant: str,
    data: Path = Path("data"),
) -> list[dict]:
    """Dice of each label, of the cases that have a prediction."""
    found = []
    for entry in entries:
        if (path := predictions / f"{entry['case_id']}.nii.gz").exists():
            reference, prediction = (
                volumes.array_zyx(volumes.read(file)) for file in (data / entry["label_map"]["path"], path)
            )
            found.append(
                {
                    "case_id": entry["case_id"],
                    "subject_id": entry["subject_id"],
                    "variant": variant,
                    **{
                        f"dice_{name}": dice
                        for name, dice in metrics.dice_per_label(reference, prediction, labels).items()
                    },
                }
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.nnunet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fold", type=int, default=0)
    args = parser.parse_args()
    settings = TrainParams.of(params.load("params.yaml", "train", seed=True))
    described = records.read("build/ingest/dataset.json", "dataset")
    labels, entries = described["dataset"]["labels"], described["cases"]
    python = install()
    write_raw(entries, labels)
    seconds, ours = train_radiotrace(args.fold)
    plan_and_preprocess(FOLDER, DATASET, "3d_fullres")
    job = {
        "dataset": DATASET,
        "configuration": "3d_fullres",
        "fold": args.fold,
        "seed": args.fold,
        "seconds": seconds,
        "threads": settings.threads,
        "images": None,
    }
    theirs, theirs_predictions = train_nnunet(python, FOLDER, job)
    trained = TrainingRun.of(records.read(FOLDER / "radiotrace/train/train.json", "train"))
    patches = len(trained.history) * (len(trained.cases.train) // settings.batch_size) * settings.batch_size
    print(
        "\n| | minutes of training | patches seen | s a patch | Dice, mean | cases "
        "|\n|---|---|---|---|---|---|"
    )
    rows = {}
    for name, spent, seen, predictions in (
        ("Radiotrace", seconds, patches, ours),
        (f"nnU-Net {VERSION}, 3d_fullres", theirs["seconds"], theirs["patches"], theirs_predictions),
    ):
        rows[name] = rows_of(entries, predictions, labels, name)
        print(
            f"| {name} | {spent / 60:.1f} | {seen:,} | {spent / seen:.3f} | "
            f"{crossval.mean(rows[name], 'dice'):.4f} | {len(rows[name])} |"
        )
    one, other = rows.values()
    print(f"\nDice of Radiotrace minus nnU-Net's, case by case: {crossval.difference(other, one)}")
    crossval.write(PATH, one + other)


if __name__ == "__main__":
    sys.exit(main())
