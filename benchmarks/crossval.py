"""Cross-validation: trains and evaluates folds as DVC experiments, keeps each case's metrics, prints the
tables.

    python -m benchmarks.crossval run nnunet                       # five folds of nnU-Net ->
            benchmarks/crossval/nnunet.csv
    python -m benchmarks.crossval run subjects                     # five folds that share no subject ->
            subjects.csv
    python -m benchmarks.crossval run nnunet --folds 0             # one fold again: 'git diff' stays empty,
            or shows what differs
    python -m benchmarks.crossval run nnunet --folds 0 --seeds 1 2 --out benchmarks/crossval/seeds.csv
                                                                   # other seeds than the 0 of nnunet.csv
    python -m benchmarks.crossval table                            # means, intervals and differences of what
            the files hold

A fold trains as params.yaml says, but for 36 passes over its cases: as many as 20 minutes on two cores hold;
those of params.yaml leave 'make run' within 15 with all stages. Here the pipeline runs up to evaluate,
without uncertainty. It is 'dvc exp run --temp', so it stands in 'dvc exp show' with everything that it was
made of. A fold that was killed goes on from its last epoch. The CSV holds rows of folds and seeds that were
not run as they were.
"""

import argparse
import csv
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from radiotrace import records
from radiotrace.segmentation import metrics
from radiotrace.statistics import intervals

FOLDER = Path("benchmarks/crossval")
MEASURES = ("dice", "surface_dice", "hausdorff95_mm", "reference_mm3", "prediction_mm3")
PLAIN = {"evaluate.dropout_passes": 0, "evaluate.augmentation_passes": 0}  # Dice and distances alone
RECIPE = {"train.epochs": 36} | PLAIN  # where a fold differs from params.yaml


def experiment(name: str, parameters: dict[str, object]) -> float:
    """Runs the pipeline up to evaluate, with these parameters, as the experiment of this name.

    Returns:
        Seconds; next to none where DVC had it already.
    """
    subprocess.run(["dvc", "exp", "remove", "--quiet", name], check=False, capture_output=True)
    command = ["dvc", "exp", "run", "--temp", "--name", name]
    for key, value in parameters.items():
        command += ["--set-param", f"{key}={value}"]
    start = time.monotonic()
    subprocess.run(
        [*command, "evaluate"],
        check=True,
        env={"RADIOTRACE_CHECKPOINTS": str(Path(".checkpoints").absolute()), **os.environ},
    )
    return time.monotonic() - start


def read_experiment(name: str, path: str) -> dict | None:
    """A record that git keeps, as the experiment left it; None where there is no such experiment."""
    refs = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname)", "refs/exps"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    found = [ref for ref in refs if ref.rsplit("/", 1)[1] == name]
    if not found:
        return None
    return json.loads(
        subprocess.run(
            ["git", "show", f"{found[0]}:{path}"], check=True, capture_output=True, text=True
        ).stdout
    )


def rows_of(cases: list[dict], **where) -> list[dict]:
    """One row a case: its ids, which run it is of, and each measure of each label."""
    return [
        {
            "case_id": case["case_id"],
            "subject_id": case["subject_id"],
            **where,
            **{
                f"{measure}_{label}": row[measure]
                for measure in MEASURES
                for label, row in case["labels"].items()
            },
        }
        for case in cases
    ]


def write(path: Path, rows: list[dict]) -> None:
    """CSV; an undefined value is an empty cell."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow(
            {key: f"{value:.9g}" if isinstance(value, float) else value for key, value in row.items()}
        )
    records.write_bytes(path, text.getvalue().encode())


def read(path: Path) -> list[dict]:
    """Rows as write got them."""

    def value(key, text):
        if key in ("case_id", "subject_id", "variant"):
            return text
        return int(text) if key in ("fold", "seed") else float(text) if text else None

    with open(path, newline="") as file:
        return [{key: value(key, text) for key, text in row.items()} for row in csv.DictReader(file)]


def run(args) -> None:
    """Trains and evaluates the folds, one after the other, and puts their cases into the CSV."""
    path = Path(args.out or FOLDER / f"{args.scheme}.csv")
    for seed in args.seeds:
        for fold in args.folds:
            name = f"crossval-{args.scheme}-fold{fold}-seed{seed}"
            chosen = dict(setting.split("=", 1) for setting in args.set_param)
            seconds = experiment(
                name, {"split.scheme": args.scheme, "split.fold": fold, "seed": seed} | RECIPE | chosen
            )
            found = rows_of(read_experiment(name, "metrics/cases.json")["cases"], fold=fold, seed=seed)
            kept = (
                [row for row in read(path) if (row["fold"], row["seed"]) != (fold, seed)]
                if path.exists()
                else []
            )
            write(path, sorted(kept + found, key=lambda row: (row["seed"], row["case_id"])))
            print(
                f"crossval: fold {fold}, seed {seed}: {seconds / 60:.1f} minutes up to evaluate; mean Dice "
                f"{mean(found, 'dice'):.4f}",
                flush=True,
            )


def labels(rows: list[dict]) -> list[str]:
    """Names of the labels, as the columns have them."""
    return [key.removeprefix("dice_") for key in rows[0] if key.startswith("dice_")]


def of_case(row: dict, measure: str) -> float | None:
    """Mean over the labels of a case; None where none is defined."""
    return metrics.mean_defined(row[f"{measure}_{label}"] for label in labels([row]))


def mean(rows: list[dict], measure: str) -> float:
    return metrics.mean_defined(of_case(row, measure) for row in rows)


def interval(values: dict[str, float | None], subjects: dict[str, str], digits: int = 4) -> str:
    """Mean and 95 % interval over subjects, as text; the mean alone where it has none."""
    found = intervals.summary(values, subjects)
    mean, low, high = (
        None if found[key] is None else f"{found[key]:z.{digits}f}"
        for key in ("mean", "ci95_low", "ci95_high")
    )
    return mean if low is None else f"{mean} ({low} to {high})"


def difference(one: list[dict], other: list[dict]) -> str:
    """Mean Dice of the other minus that of one, case by case, with its 95 % interval over subjects."""
    first, second = ({row["case_id"]: of_case(row, "dice") for row in rows} for rows in (one, other))
    paired = {
        case: None if None in (first[case], second[case]) else second[case] - first[case]
        for case in sorted(first.keys() & second.keys())
    }
    return interval(paired, {row["case_id"]: row["subject_id"] for row in one})


def folds_table(rows: list[dict]) -> str:
    """Each fold, and all cases with intervals, as Markdown."""
    names = labels(rows)
    lines = [
        "| held out | cases | " + " | ".join(f"Dice {name}" for name in names) + " | Dice, mean | "
        "surface Dice | HD95, mm |",
        "|---" * (len(names) + 5) + "|",
    ]
    for fold in sorted({row["fold"] for row in rows}):
        held_out = [row for row in rows if row["fold"] == fold]
        cells = [f"{metrics.mean_defined(row[f'dice_{name}'] for row in held_out):.4f}" for name in names]
        cells += [
            f"{mean(held_out, 'dice'):.4f}",
            f"{mean(held_out, 'surface_dice'):.4f}",
            f"{mean(held_out, 'hausdorff95_mm'):.3f}",
        ]
        lines.append(f"| fold {fold} | {len(held_out)} | " + " | ".join(cells) + " |")
    subjects = {row["case_id"]: row["subject_id"] for row in rows}
    cells = [interval({row["case_id"]: row[f"dice_{name}"] for row in rows}, subjects) for name in names]
    cells += [
        interval({row["case_id"]: of_case(row, measure) for row in rows}, subjects, digits)
        for measure, digits in (("dice", 4), ("surface_dice", 4), ("hausdorff95_mm", 3))
    ]
    return "\n".join([*lines, f"| all | {len(rows)} | " + " | ".join(cells) + " |"])


def volumes_line(rows: list[dict]) -> str:
    """By how much the predicted volume of each label differs from the reference's, in sum over the cases."""

    def excess(name):
        predicted, true = (
            sum(row[f"{measure}_mm3_{name}"] for row in rows) for measure in ("prediction", "reference")
        )
        return f"{name} {100 * (predicted / true - 1):+.1f} %"

    return "Predicted volumes in sum, against the references': " + ", ".join(map(excess, labels(rows)))


def seeds_table(rows: list[dict]) -> str:
    """Mean Dice of each seed on the same cases, its difference from the first with an interval, and mean
    and SD over seeds, as Markdown."""
    by_seed = {
        seed: [row for row in rows if row["seed"] == seed] for seed in sorted({row["seed"] for row in rows})
    }
    first, *others = by_seed
    lines = [f"| seed | cases | Dice, mean | minus seed {first}, case by case |", "|---|---|---|---|"]
    lines += [
        f"| {seed} | {len(found)} | {mean(found, 'dice'):.4f} | "
        f"{difference(by_seed[first], found) if seed in others else ''} |"
        for seed, found in by_seed.items()
    ]
    means = [mean(found, "dice") for found in by_seed.values()]
    return "\n".join([*lines, f"| mean, SD | | {np.mean(means):.4f}, {np.std(means, ddof=1):.4f} | |"])


def leaked(rows: list[dict]) -> list[dict]:
    """Rows of the cases whose subject has another case in another fold, which the network has learnt from."""
    folds = {}
    for row in rows:
        folds.setdefault(row["subject_id"], set()).add(row["fold"])
    return [row for row in rows if len(folds[row["subject_id"]]) > 1]


def leak_line(apart: list[dict], together: list[dict]) -> str:
    """What it is worth to have learnt from the other cases of a subject: of all cases, of those that this
    concerns, and of the others.

    Nothing but chance should move the others: what they differ by is what two trainings differ by.
    """
    concerned = leaked(apart)
    ids = {row["case_id"] for row in concerned}
    others = [row for row in apart if row["case_id"] not in ids]
    return (
        "Dice with subjects kept together minus Dice on nnU-Net's folds, case by case: "
        f"all {len(apart)} cases {difference(apart, together)}; "
        f"the {len(concerned)} whose subject was learnt from on nnU-Net's folds "
        f"{difference(concerned, together)}"
        + (f"; the {len(others)} others {difference(others, together)}" if others else "")
    )


def with_first_seed(others: list[dict], rows: list[dict]) -> list[dict]:
    """Rows of other seeds, and before them those of the same folds in nnunet.csv."""
    folds = {row["fold"] for row in others}
    return [row for row in rows if row["fold"] in folds] + others


def table(args) -> None:
    """Prints the tables of the CSV files that are there."""
    schemes = {path.stem: read(path) for path in sorted(FOLDER.glob("*.csv")) if path.stem != "seeds"}
    for name, rows in schemes.items():
        print(f"{name}\n\n{folds_table(rows)}\n\n{volumes_line(rows)}\n")
    if {"nnunet", "subjects"} <= schemes.keys():
        print(f"{leak_line(schemes['nnunet'], schemes['subjects'])}\n")
    if (path := FOLDER / "seeds.csv").exists():
        print(f"seeds\n\n{seeds_table(with_first_seed(read(path), schemes['nnunet']))}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.crossval", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("run", help=run.__doc__)
    command.add_argument("scheme", choices=("nnunet", "subjects"))
    command.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    command.add_argument("--seeds", type=int, nargs="+", default=[0])
    command.add_argument(
        "--set-param",
        "-S",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of another recipe",
    )
    command.add_argument("--out", help="CSV to write; default: benchmarks/crossval/SCHEME.csv")
    command.set_defaults(function=run)
    commands.add_parser("table", help=table.__doc__).set_defaults(function=table)
    args = parser.parse_args()
    if args.function is run and not args.out and (args.set_param or args.seeds != [0]):
        parser.error(
            "--out is needed with --set-param and with other seeds than 0: the published rows are "
            "of the recipe as it is, and of seed 0"
        )
    args.function(args)


if __name__ == "__main__":
    sys.exit(main())
