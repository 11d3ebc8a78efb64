"""search: parameters of training that do best on the validation part, each trial an experiment of DVC."""

import argparse
import json

from radiotrace import errors
from radiotrace.commands import revisions, tables
from radiotrace.commands.of_study import with_study
from radiotrace.errors import StageError
from radiotrace.records.search import SearchSpace, Trial

PINS = "requirements/search.txt"


def search(args) -> None:
    """Searches for parameters of training on the validation part alone: each trial trains as an experiment of
    DVC, and goes into a ledger; the same command goes on after a kill."""
    if args.trials < 1:
        raise StageError(f"--trials: found {args.trials}, expected 1 or more")
    trials, space, experiments = _modules()
    study = args.study
    asked = space.read(args.space)
    if broken := space.faults(asked, study.folder):
        raise StageError(
            f"{args.space} does not fit this study",
            broken,
            "Correct it; docs/search.md says what it may have.",
        )
    stages = space.stages_of_a_trial(study.folder)
    base_sha256 = space.base_sha256(asked, study.folder)
    if args.show:
        done = trials.read(args.ledger, asked, base_sha256)
    else:
        trainer = experiments.Experiments(
            study, asked.name, args.ledger, lambda run, path: revisions.read(run, path)[0]
        )
        trainer.refuse_a_changed_tree()
        errors.log(
            f"search: each trial runs {', '.join(stages)}; none of them is given the test part's ledger"
        )
        done = trials.run(asked, args.ledger, base_sha256, args.trials, trainer, errors.log)
    best = trials.best(done)
    print(with_study(text(asked, done, best), study.place))
    if best is None:
        raise StageError(
            f"none of {len(done)} trials of {args.ledger} is complete",
            way_out="Their reasons stand above; correct the space, or ask for more --trials.",
        )


def options(parser) -> None:
    """The command's arguments."""
    # with a default that leaves --study as it is, where nothing stands here
    parser.add_argument(
        "study",
        nargs="?",
        default=argparse.SUPPRESS,
        metavar="STUDY",
        help="studies/NAME, as --study names it",
    )
    parser.add_argument(
        "--space", default="design/search.yaml", help="what may be chosen; default: design/search.yaml"
    )
    parser.add_argument(
        "--trials", type=int, default=20, help="how many in all, with those that the ledger has; default: 20"
    )
    parser.add_argument(
        "--ledger",
        default="design/search_trials.jsonl",
        help="file of the trials, to be committed; default: design/search_trials.jsonl",
    )
    parser.add_argument(
        "--show", action="store_true", help="print the trials of the ledger and train nothing"
    )


def _modules():
    """Those that need Optuna, which no other command does."""
    try:
        from radiotrace.search import experiments, space, trials
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise StageError(
            "search needs Optuna, which is not installed",
            way_out=f"Run 'pip install -r {PINS}', or 'make install'.",
        ) from None
    return trials, space, experiments


def text(space: SearchSpace, trials: list[Trial], best: Trial | None) -> str:
    """The trials for people, best first, then those that were ended, then those that failed.

    Args:
        best: that with the highest validation.
    """
    paths = [parameter.path for parameter in space.parameters]
    states = ("complete", "pruned", "failed")
    ordered = sorted(
        trials, key=lambda trial: (states.index(trial.state), -(trial.value or 0.0), trial.number)
    )
    rows: list[tuple[str, ...]] = [("trial", "state", "validation", "epochs", *paths)]
    for trial in ordered:
        last = trial.value if trial.value is not None else next(iter(trial.curve[::-1]), None)
        drawn = (json.dumps(trial.parameters[path]) for path in paths)
        rows.append((trial.experiment, trial.state, tables.number(last), str(len(trial.curve)), *drawn))
    counts = [f"{sum(trial.state == state for trial in trials)} {state}" for state in states]
    lines = [tables.aligned(rows), "", f"{len(trials)} trials: {', '.join(counts)}"]
    lines += [f"{trial.experiment}: {trial.reason}" for trial in trials if trial.state == "failed"]
    if best is not None:
        complete = sum(trial.state == "complete" for trial in trials)
        lines += [
            f"Chosen on the validation part alone: {best.experiment}, "
            f"{best.measure} {tables.number(best.value)}",
            f"As the best of {complete} it flatters; what it is worth says the test part, once.",
            f"Next: dvc exp apply {best.experiment}; dvc repro",
        ]
    return "\n".join(lines)
