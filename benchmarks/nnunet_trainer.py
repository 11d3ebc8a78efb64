"""nnU-Net's trainer for so many seconds; run by benchmarks.nnunet in nnU-Net's own environment, not in this
project's.

    python benchmarks/nnunet_trainer.py FOLD SECONDS THREADS PREDICTIONS REPORT
"""

import json
import sys
import time
from pathlib import Path

import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.paths import nnUNet_raw
from nnunetv2.run.run_training import get_trainer_from_args

DATASET = "Dataset004_Hippocampus"


def main(fold: int, seconds: float, threads: int, predictions: Path, report: Path) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(fold)
    trainer = get_trainer_from_args(
        DATASET, "3d_fullres", fold, "nnUNetTrainer", "nnUNetPlans", False, device=torch.device("cpu")
    )
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
    held_out = trainer.do_split()[1]
    predictions.mkdir(parents=True)
    images = Path(nnUNet_raw) / DATASET / "imagesTr"
    predictor.predict_from_files_sequential(
        [[str(images / f"{case}_0000.nii.gz")] for case in held_out],
        [str(predictions / case) for case in held_out],
    )
    report.write_text(json.dumps({"seconds": spent, "patches": patches}))
    sys.stdout.flush()


if __name__ == "__main__":
    fold, seconds, threads, predictions, report = sys.argv[1:]
    main(int(fold), float(seconds), int(threads), Path(predictions), Path(report))
