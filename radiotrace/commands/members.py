"""members: other trained runs, taken beside the model as the members of a deep ensemble."""

import hashlib
import json
from pathlib import Path

from radiotrace import records
from radiotrace.commands import of_task, revisions, tables
from radiotrace.commands.of_study import with_study
from radiotrace.errors import StageError
from radiotrace.learning.members import RECORD, WEIGHTS
from radiotrace.pipeline import stage, tasks
from radiotrace.records import model_run
from radiotrace.records.train import TrainingRun

NAME_LENGTH = 12  # of a run_id, as logs show it


def members(args) -> None:
    """Takes other trained runs as members of a deep ensemble with the model; without a run, leaves the
    ensemble out."""
    schema = schema_of_train(args)
    files, rows, errors = {}, [("member", "run", "seed", "learnt from", "network")], []
    for run in args.runs:
        try:
            record, weights = (revisions.read(run, f"{args.train}/{name}")[0] for name in (RECORD, WEIGHTS))
            train = _checked(record, weights, run, schema)
        except StageError as error:
            errors.append(error)
            continue
        name = train.run_id[:NAME_LENGTH]
        files |= {f"{name}/{RECORD}": record, f"{name}/{WEIGHTS}": weights}
        rows.append(
            (
                name,
                run,
                str(train.params.seed),
                f"{len(train.cases.train)} cases",
                train.network.name,
            )
        )
    if errors:
        raise StageError(
            f"{len(errors)} of {len(args.runs)} runs cannot be taken; {args.members} stays as it was",
            [line for error in errors for line in (error.headline, *error.findings)],
            errors[0].way_out,
        )
    kept = {
        path.name: path.read_bytes()
        for path in Path(args.members).glob("*")
        # those two are of earlier members
        if path.is_file() and path.suffix != ".dvc" and path.name != ".gitignore"
    }
    with stage.output_folder(args.members) as out:
        for name, content in (kept | files).items():
            records.write_bytes(out / name, content)
    if not files:
        print(with_study(f"{args.members}/ has no member; next: dvc repro", args.study.place))
        return
    print(tables.aligned(rows))
    taken = " ".join(f"{args.members}/{row[0]}" for row in rows[1:])
    print(with_study(f"Next: dvc add {taken} && dvc repro", args.study.place))


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "runs", metavar="RUN", nargs="*", help="git revision or name of an experiment, in which train has run"
    )
    parser.add_argument(
        "--train",
        default="build/train",
        help="folder of the trained network in each run; default: build/train",
    )
    parser.add_argument("--members", default="members", help="folder to write; default: members")


def schema_of_train(args) -> str:
    """The schema of a run of the study's task.

    Raises:
        StageError: no stage of the task takes members.
    """
    task = of_task.of_study(args.study)
    if task is None:
        return tasks.TRAIN
    options = {option for declared in task.stages.values() for option in declared.options}
    if "members" not in options:
        raise of_task.unknown("members", task, "none of its stages takes an ensemble")
    return task.records[tasks.TRAIN]


def _checked(record: bytes, weights: bytes, run: str, schema: str) -> TrainingRun:
    """The record 'train' of a run, whose weights are those that it states."""
    way_out = "Name a run that this version of Radiotrace has trained."
    try:
        checked = json.loads(record)
    except ValueError as error:
        raise StageError(f"{run}: {RECORD} is not JSON", [str(error)], way_out) from None
    if broken := records.faults(checked, schema):
        raise StageError(f"{run}: {RECORD} breaks schemas/{schema}.schema.json", broken, way_out)
    if model_run.is_imported(checked):
        raise StageError(f"{run}: an imported model is no member of an ensemble", way_out=way_out)
    train = TrainingRun.of(checked)
    if (digest := hashlib.sha256(weights).hexdigest()) != train.weights_sha256:
        raise StageError(
            f"{run}: {WEIGHTS} is of another run",
            [f"SHA-256 found {digest}, expected {train.weights_sha256}"],
            way_out,
        )
    return train
