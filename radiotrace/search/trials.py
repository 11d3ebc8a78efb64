"""Trials: one after the other, each a line of the ledger as soon as it is decided; which of them is best."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from radiotrace.errors import StageError
from radiotrace.records import ledgers
from radiotrace.records.search import SearchSpace, Trial
from radiotrace.search import proposals
from radiotrace.search import space as spaces
from radiotrace.search.experiments import Trained

SCHEMA = "search_trial"
FAILED_MAX = 3  # in a row: then it is not the parameters


class Trainer(Protocol):
    """What trains a trial; of DVC, experiments.Experiments."""

    def name(self, number: int) -> str:
        """Of a trial."""
        ...

    def train(
        self, number: int, values: dict[str, Any], is_over: Callable[[Sequence[float | None]], bool]
    ) -> Trained:
        """Trains with these values by path; may stop once a curve of validation is_over."""
        ...

    def keep(self, number: int, values: dict[str, Any], why: str) -> None:
        """Keeps a trial that was ended or failed."""
        ...

    def forget(self, number: int) -> None:
        """Removes what only an unfinished trial needs."""
        ...


def read(path: str | Path, space: SearchSpace, base_sha256: str) -> list[Trial]:
    """The trials of a ledger; [] where there is none yet.

    Raises:
        StageError: it is broken, or of another search: another space, seed, version of Optuna, data, code or
            parameters. Names all that differs.
    """
    trials = [Trial.of(line) for line in ledgers.read(path, SCHEMA)]
    expected = {
        "search": space.name,
        "seed": space.seed,
        "space_sha256": spaces.sha256(space),
        "base_sha256": base_sha256,
        "sampler": proposals.SAMPLER,
        "version": proposals.VERSION,
    }
    faults = [
        f"line {line}: number is {trial.number}, expected {line - 1}"
        for line, trial in enumerate(trials, 1)
        if trial.number != line - 1
    ]
    for key, value in expected.items():
        other = next((trial for trial in trials if getattr(trial, key) != value), None)
        if other:
            faults.append(f"{key}: found {getattr(other, key)} in trial {other.number}, expected {value}")
    if faults:
        raise StageError(
            f"{path} is of another search",
            faults,
            "A search that goes on must be the one that began: take back what changed; or begin another, "
            "with a space of another name and another --ledger.",
        )
    return trials


def run(
    space: SearchSpace,
    path: str | Path,
    base_sha256: str,
    count: int,
    trainer: Trainer,
    say: Callable[[str], None],
) -> list[Trial]:
    """Trials up to so many in all, those of the ledger among them.

    Returns:
        All trials.

    Raises:
        StageError: as read; or the last trials all failed.
    """
    trials = read(path, space, base_sha256)
    if trials:
        say(f"search: going on after {len(trials)} trials of {path}")
        _settle(space, trials[-1], trainer)  # which a kill may have kept from it
    while len(trials) < count:
        number = len(trials)
        drawn = proposals.parameters(space, trials)
        listed = ", ".join(f"{path}={value}" for path, value in drawn.items())
        say(f"search: trial {number} of {count}: {listed}")
        trained = trainer.train(
            number,
            _values(space, drawn),
            lambda curve: proposals.ends_after(space, trials, curve) is not None,
        )
        trial = _decided(space, trials, drawn, trained, base_sha256, trainer.name(number))
        ledgers.add(path, [trial.record()], SCHEMA)
        trials.append(Trial.of(trial.record()))
        _settle(space, trials[-1], trainer)
        say(f"search: trial {number} {said(trial)}")
        if len(trials) >= FAILED_MAX and all(trial.state == "failed" for trial in trials[-FAILED_MAX:]):
            raise StageError(
                f"the last {FAILED_MAX} trials failed",
                [f"trial {trial.number}: {trial.reason}" for trial in trials[-FAILED_MAX:]],
                "They stand in the ledger, and what each printed in execution/search/. Correct the cause; "
                "the same command goes on.",
            )
    return trials


def _values(space: SearchSpace, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """All that a trial sets, by path."""
    return {fixed.path: fixed.value for fixed in space.fixed} | dict(drawn)


def _settle(space: SearchSpace, trial: Trial, trainer: Trainer) -> None:
    """What is left to do of a trial that stands in the ledger; doing it again changes nothing."""
    if trial.reason is not None:
        trainer.keep(trial.number, _values(space, trial.parameters), f"{trial.state}: {trial.reason}")
    trainer.forget(trial.number)


def _decided(
    space: SearchSpace,
    before: Sequence[Trial],
    drawn: dict[str, Any],
    trained: Trained,
    base_sha256: str,
    experiment: str,
) -> Trial:
    """The line of a trial. It depends on the curve alone and not on when somebody looked at it: what was
    trained beyond the epoch that decides is left out."""
    epoch = proposals.ends_after(space, before, trained.curve)
    state, reason, value = "complete", trained.fault, None
    if epoch is not None:
        state = "pruned"
        reason = f"after epoch {epoch} its best validation lay below the median of the complete trials"
    elif reason is not None:
        state = "failed"
    else:
        value = trained.curve[-1]
    is_complete = state == "complete"
    return Trial(
        search=space.name,
        number=len(before),
        experiment=experiment,
        seed=space.seed,
        space_sha256=spaces.sha256(space),
        base_sha256=base_sha256,
        sampler=proposals.SAMPLER,
        version=proposals.VERSION,
        parameters=drawn,
        state=state,
        measure=trained.measure,
        value=value,
        curve=trained.curve[:epoch],
        reason=reason,
        run_id=trained.run_id if is_complete else None,
        weights_sha256=trained.weights_sha256 if is_complete else None,
    )


def said(trial: Trial) -> str:
    """What became of a trial, for a terminal."""
    if trial.value is not None:
        return f"complete: validation {trial.measure} {trial.value:.4f}"
    return f"{trial.state}: {trial.reason}"


def best(trials: Sequence[Trial]) -> Trial | None:
    """The complete trial with the highest validation, of equals the first; None where none is complete."""
    complete = [trial for trial in trials if trial.value is not None]
    return max(complete, key=lambda trial: (trial.value, -trial.number), default=None)
