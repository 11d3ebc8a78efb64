"""What a search for parameters is asked for, and what came of it: the space in a study's design, and the
lines of the ledger of its trials."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from radiotrace.records.typed import LEFT_OUT, Record, Rule
from radiotrace.records.values import Count, CountFrom1, Seed, Sha256, Text

ParameterPath = Annotated[str, Rule(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$")]
SearchName = Annotated[str, Rule(pattern="^[a-z][a-z0-9-]{0,30}$")]


@dataclass(frozen=True)
class Parameter(Record):
    """A parameter that is searched, and why.

    Attributes:
        path: its section and name in params.yaml, such as train.learning_rate.
        kind: float and int lie between low and high; choice is one of values.
        log: whether orders of magnitude are as likely as each other.
        values: of any kind that params.yaml takes, lists and null among them.
    """

    RULES: ClassVar = {
        "if": {"properties": {"kind": {"const": "choice"}}},
        "then": {
            "required": ["values"],
            "not": {"anyOf": [{"required": ["low"]}, {"required": ["high"]}, {"required": ["log"]}]},
        },
        "else": {"required": ["low", "high"], "not": {"required": ["values"]}},
    }

    path: ParameterPath
    kind: Literal["float", "int", "choice"]
    reason: Text
    low: float | None = None
    high: float | None = None
    log: bool | None = None
    values: Annotated[tuple[Any, ...], Rule(minItems=2)] | None = None


@dataclass(frozen=True)
class Fixed(Record):
    """A parameter that has another value in every trial than in params.yaml, and why."""

    path: ParameterPath
    value: Any
    reason: Text


@dataclass(frozen=True)
class Pruning(Record):
    """When a trial is ended before its last epoch.

    Attributes:
        rule: median ends a trial whose best validation so far lies below the median that complete trials had
            at the same epoch; none ends none.
        trials_before: complete trials that there must be.
        epochs_before: epochs that each trial gets.
    """

    rule: Literal["median", "none"]
    trials_before: CountFrom1
    epochs_before: Count


@dataclass(frozen=True)
class SearchSpace(Record):
    """What a search for parameters may choose from.

    Attributes:
        name: how its experiments begin: NAME-0000 is the first.
        seed: decides with the number of a trial what is drawn for it.
        trials_random: trials that are drawn at random before the sampler learns from those that there are.
        fixed: what differs from params.yaml in every trial, such as a shorter training.
    """

    name: SearchName
    seed: Seed
    trials_random: CountFrom1
    parameters: Annotated[tuple[Parameter, ...], Rule(minItems=1)]
    pruning: Pruning
    fixed: Annotated[tuple[Fixed, ...], LEFT_OUT] = ()


@dataclass(frozen=True)
class Trial(Record):
    """A line of the ledger of a search: one trial.

    Attributes:
        search: name of the space.
        number: from 0.
        experiment: its name in DVC.
        space_sha256: of the space; base_sha256: of all else that decides a trial, files and parameters.
        sampler, version: which drew the parameters, and the version of Optuna that has it.
        parameters: path -> what was drawn.
        state: complete; pruned, ended on its validation curve; failed.
        measure: of the validation part, such as dice, of which more is better; null where no epoch ended.
        value: its mean after the last epoch, of the weights that are the model; null unless complete.
        curve: its mean after each epoch, up to that which decided.
        reason: why it was ended or failed; null where it is complete.
        run_id, weights_sha256: of what was trained; null unless complete.
    """

    RULES: ClassVar = {
        "if": {"properties": {"state": {"const": "complete"}}},
        "then": {
            "properties": {
                "value": {"type": "number"},
                "measure": {"type": "string"},
                "reason": {"type": "null"},
                "run_id": {"type": "string"},
                "weights_sha256": {"type": "string"},
            }
        },
        "else": {
            "properties": {
                "value": {"type": "null"},
                "reason": {"type": "string"},
                "run_id": {"type": "null"},
                "weights_sha256": {"type": "null"},
            }
        },
    }

    search: SearchName
    number: Count
    experiment: Text
    seed: Seed
    space_sha256: Sha256
    base_sha256: Sha256
    sampler: Text
    version: Text
    parameters: Annotated[Mapping[ParameterPath, Any], Rule(minProperties=1)]
    state: Literal["complete", "pruned", "failed"]
    measure: Text | None
    value: float | None
    curve: tuple[float | None, ...]
    reason: Text | None
    run_id: Sha256 | None
    weights_sha256: Sha256 | None
