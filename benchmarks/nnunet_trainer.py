"""nnU-Net's trainer for so many seconds; run by benchmarks.nnunet and benchmarks.planning in nnU-Net's own
environment, not in this project's.

    python benchmarks/nnunet_trainer.py JOB

JOB is a JSON file: dataset, configuration, fold (a number, or "all"), seed, seconds, threads; images, of each
case to predict the files of its channels, or null for the cases that the fold holds out; predictions, a
folder to write; report, a file to write.
"""

import json
import resource
import sys
import time
from pathlib import Path

import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.paths import nnUNet_raw
from nnunetv2.run.run_training import get_trainer_from_args


def train(trainer, seconds: float) -> dict:
    """Trains for so long; what it came to. The learning rate falls to 0 within that time."""
    trainer.on_train_start()
    trainer.network.train()
    start, patches, said = time.monotonic(), 0, 0.0
    while (spent := time.monotonic() - start) < seconds:
        for group in trainer.optimizer.param_groups:
            group["lr"] = trainer.initial_lr * (1 - spent / seconds) ** 0.9
        batch = next(trainer.dataloader_train)
        loss = float(trainer.train_step(batch)["loss"])
        patches += len(batch["data"])
        if spent - said > 30:
            said = spent
            print(
                f"nnunet: {spent:.0f} of {seconds:.0f} s  {patches} patches  loss {loss:.3f}",
                file=sys.stderr,
                flush=True,
            )
    spent = time.monotonic() - start
    for loader in (trainer.dataloader_train, trainer.dataloader_val):
        loader._finish()  # as its own on_train_end does; its processes would outlive this one
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {"seconds": spent, "patches": patches, "peak_mb": peak}


def held_out(trainer, dataset: str) -> dict[str, list[str]]:
    """The only channel of each case that the fold holds out."""
    images = Path(nnUNet_raw) / dataset / "imagesTr"
    return {case: [str(images / f"{case}_0000.nii.gz")] for case in trainer.do_split()[1]}


def predict(trainer, images: dict[str, list[str]], out: Path) -> None:
    """Label maps of these cases, by the weights as they are."""
    trainer.set_deep_supervision_enabled(False)
    trainer.network.eval()
    predictor = nnUNetPredictor(
        use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        trainer.configuration_manager,
        [trainer.network.state_dict()],
        trainer.dataset_json,
        type(trainer).__name__,
        trainer.inference_allowed_mirroring_axes,
    )
    out.mkdir(parents=True)
    predictor.predict_from_files_sequential(list(images.values()), [str(out / case) for case in images])


def main(job: dict) -> None:
    torch.set_num_threads(job["threads"])
    torch.manual_seed(job["seed"])
    trainer = get_trainer_from_args(
        job["dataset"],
        job["configuration"],
        job["fold"],
        "nnUNetTrainer",
        "nnUNetPlans",
        False,
        device=torch.device("cpu"),
    )
    report = train(trainer, job["seconds"])
    images = held_out(trainer, job["dataset"]) if job["images"] is None else job["images"]
    predict(trainer, images, Path(job["predictions"]))
    Path(job["report"]).write_text(json.dumps(report))
    sys.stdout.flush()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
