"""What each choice of the recipe is worth: one change at a time, on nnU-Net's fold 0, as queued DVC
experiments.

    python -m benchmarks.ablations queue                # queues all; or those that are named: queue baseline
            mirror-x
    dvc queue start --jobs 2                            # runs them, two at a time: each computes on one
            thread
    python -m benchmarks.ablations collect              # their cases -> benchmarks/ablations.csv
    python -m benchmarks.ablations table                # against the baseline, case by case

All but those of equal time train for 8 passes, so that a sweep takes an afternoon; a change that pays only in
a longer run is not seen here. collect keeps the rows of variants that have no experiment here. Without any, a
variant stands in the table without a number. Seeds tell how large a difference has to be.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks import crossval

PATH = Path("benchmarks/ablations.csv")
COMMON = {
    "split.scheme": "nnunet",
    "split.fold": 0,
    "train.threads": 1,
    "evaluate.threads": 1,
    "train.epochs": 8,
} | crossval.PLAIN
VARIANTS = {
    "baseline": {},
    "seed-1": {"seed": 1},
    "seed-2": {"seed": 2},
    # Width: the same passes first, then the passes that fit into the baseline's time (benchmarks.step).
    "wider-below": {"train.features": "[16,48,96,192]"},
    "wider-below-equal-time": {"train.features": "[16,48,96,192]", "train.epochs": 6},
    "features-24": {"train.features": "[24,48,96,192]"},
    "features-24-equal-time": {"train.features": "[24,48,96,192]", "train.epochs": 5},
    "features-32-equal-time": {"train.features": "[32,64,128,256]", "train.epochs": 3},
    "mirror-x": {"train.augmentation.mirror_axes": "[x]"},
    "mirror-all": {"train.augmentation.mirror_axes": "[x,y,z]"},
    "batch-1-rate-0.001": {"train.batch_size": 1, "train.learning_rate": 0.001},
    "rate-0.0005": {"train.learning_rate": 0.0005},
    "rate-0.003": {"train.learning_rate": 0.003},
    "batch-4-rate-0.0015": {"train.batch_size": 4},
    "batch-4-rate-0.003": {"train.batch_size": 4, "train.learning_rate": 0.003},
    "rate-falls-to-0": {"train.learning_rate_end": 0},
    "no-average": {"train.ema_share": 0},
    "no-average-rate-falls-to-0": {"train.ema_share": 0, "train.learning_rate_end": 0},
    "no-deep-supervision": {"train.deep_supervision": 0},
    "deep-supervision-2": {"train.deep_supervision": 2},
    "group-norm": {"train.norm": "group"},
    "pixelshuffle": {"train.upsampling": "pixelshuffle"},
    "no-dropout": {"train.dropout": 0},
    "patch-of-every-image": {"train.patch_voxels": "[48,64,48]"},
    "shift-4": {"train.augmentation.shift_voxels": 4},
    "no-augmentation": {"train.augmentation.affine_share": 0, "train.augmentation.intensity": 0},
    "nnunet-augmentation": {"train.augmentation.affine_share": 0.6, "train.augmentation.intensity": 1},
    "wider-affine": {
        "train.augmentation.rotation_degrees": 30,
        "train.augmentation.scale_min": 0.75,
        "train.augmentation.scale_max": 1.33,
    },
    "weight-decay-0.3": {"train.weight_decay": 0.3},
    "dice-focal": {"train.loss": "dice_focal"},
    "tversky": {"train.loss": "tversky"},
    "focal-tversky": {"train.loss": "focal_tversky"},
    "float32": {"train.precision": "fp32"},
}


def experiment(name: str) -> str:
    """What DVC calls the experiment of a variant."""
    return f"ablation-{name.replace('.', '_')}"


def queue(args) -> None:
    """Queues variants, those left out that have an experiment already."""
    there = subprocess.run(
        ["dvc", "exp", "list", "--all-commits", "--name-only"], check=True, capture_output=True, text=True
    ).stdout.split()
    waiting = subprocess.run(
        ["dvc", "queue", "status"], check=True, capture_output=True, text=True
    ).stdout.split()
    for name in args.variants or VARIANTS:
        if experiment(name) in there + waiting:
            continue
        command = ["dvc", "exp", "run", "--queue", "--name", experiment(name)]
        for key, value in (COMMON | VARIANTS[name]).items():
            command += ["--set-param", f"{key}={value}"]
        subprocess.run([*command, "evaluate"], check=True)


def collect(args) -> None:
    """Writes the cases of every variant that has run."""
    kept, rows = crossval.read(PATH) if PATH.exists() else [], []
    for name in VARIANTS:
        if found := crossval.read_experiment(experiment(name), "metrics/cases.json"):
            rows += crossval.rows_of(found["cases"], variant=name)
        else:
            rows += [row for row in kept if row["variant"] == name]
    crossval.write(PATH, rows)


def ledger(rows: list[dict]) -> str:
    """Each variant with its mean Dice and its difference from the baseline, as Markdown."""
    of_variant = {name: [row for row in rows if row["variant"] == name] for name in VARIANTS}
    lines = ["| variant | changes | Dice, mean | minus baseline, case by case |", "|---|---|---|---|"]
    for name, changed in VARIANTS.items():
        settings = ", ".join(f"`{key}={value}`" for key, value in changed.items())
        dice = difference = ""
        if found := of_variant[name]:
            dice = f"{crossval.mean(found, 'dice'):.4f}"
            difference = "" if name == "baseline" else crossval.difference(of_variant["baseline"], found)
        lines.append(f"| {name} | {settings} | {dice or 'none'} | {difference} |")
    return "\n".join(lines)


def table(args) -> None:
    """Prints each variant with its mean Dice and its difference from the baseline, as Markdown."""
    print(ledger(crossval.read(PATH)))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.ablations", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for function in (queue, collect, table):
        command = commands.add_parser(function.__name__, help=function.__doc__)
        command.set_defaults(function=function)
        if function is queue:
            command.add_argument("variants", nargs="*", metavar="VARIANT", help=", ".join(VARIANTS))
    args = parser.parse_args()
    # choices would refuse an empty list
    if unknown := sorted(set(getattr(args, "variants", [])) - set(VARIANTS)):
        parser.error(f"found {', '.join(unknown)}; expected names out of {', '.join(VARIANTS)}")
    args.function(args)


if __name__ == "__main__":
    sys.exit(main())
