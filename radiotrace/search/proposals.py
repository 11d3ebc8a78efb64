"""Proposals: what a trial is to try, and whether it is to go on, out of the trials before it.

Optuna draws. Its study is made anew for each trial, out of the ledger, with a generator of the seed and the
number of the trial: so a search that was killed and goes on proposes what it would have proposed, which
Optuna's own resumed study does not (measured with Optuna 5.0.0: resumed after 5 of 20 trials it drew 5 points
twice).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from radiotrace.records.search import Parameter, SearchSpace, Trial

SAMPLER = "TPE"
VERSION = optuna.__version__
DIGITS = 4  # of a float that is drawn, so that it can be read and typed
STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


def parameters(space: SearchSpace, before: Sequence[Trial]) -> dict[str, Any]:
    """path -> value of the trial that follows these.

    Args:
        before: all trials before it, from number 0 on.
    """
    asked = _study(space, before).ask()
    return {parameter.path: _drawn(parameter, asked) for parameter in space.parameters}


def ends_after(space: SearchSpace, before: Sequence[Trial], curve: Sequence[float | None]) -> int | None:
    """The epoch, from 1, after which a trial is to be ended; None where it is to go on.

    Args:
        before: all trials before it.
        curve: its mean validation after each epoch so far, of which more is better; undefined counts as 0, as
            for patience.
    """
    if space.pruning.rule == "none":
        return None
    asked = _study(space, before).ask()
    for epoch, value in enumerate(curve, 1):
        asked.report(value or 0.0, epoch)
        if asked.should_prune():
            return epoch
    return None


def _study(space: SearchSpace, before: Sequence[Trial]) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(
            n_startup_trials=space.trials_random, seed=_seed(space.seed, len(before))
        ),
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=space.pruning.trials_before, n_warmup_steps=space.pruning.epochs_before + 1
        ),
    )
    distributions = {parameter.path: distribution(parameter) for parameter in space.parameters}
    for trial in before:
        stated = {
            parameter.path: _as_drawn(parameter, trial.parameters[parameter.path])
            for parameter in space.parameters
        }
        values = {epoch: value or 0.0 for epoch, value in enumerate(trial.curve, 1)}
        # A pruned trial is told by its curve alone; a failed one says nothing.
        study.add_trial(
            optuna.trial.create_trial(
                state=STATES[trial.state],
                value=trial.value,
                params=stated,
                distributions=distributions,
                intermediate_values={} if trial.state == "failed" else values,
            )
        )
    return study


def _seed(seed: int, number: int) -> int:
    """Of the generator of a trial."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def distribution(parameter: Parameter) -> BaseDistribution:
    """What Optuna draws a parameter from: a choice by its place in the list, since it takes no lists."""
    if parameter.values is not None:
        return CategoricalDistribution(list(range(len(parameter.values))))
    low, high, log = parameter.low or 0, parameter.high or 0, bool(parameter.log)
    return (
        IntDistribution(int(low), int(high), log)
        if parameter.kind == "int"
        else FloatDistribution(low, high, log)
    )


def _drawn(parameter: Parameter, asked: optuna.Trial) -> Any:
    path, low, high, log = parameter.path, parameter.low or 0, parameter.high or 0, bool(parameter.log)
    if parameter.values is not None:
        return parameter.values[asked.suggest_categorical(path, list(range(len(parameter.values))))]
    if parameter.kind == "int":
        return asked.suggest_int(path, int(low), int(high), log=log)
    # rounding may lead out of the range
    return min(max(float(f"{asked.suggest_float(path, low, high, log=log):.{DIGITS}g}"), low), high)


def _as_drawn(parameter: Parameter, value: Any) -> Any:
    """A value of the ledger as Optuna knows it."""
    if parameter.values is None:
        return value
    texts = [json.dumps(choice, sort_keys=True) for choice in parameter.values]
    return texts.index(json.dumps(_plain(value), sort_keys=True))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
