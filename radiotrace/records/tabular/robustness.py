"""The record 'robustness_tabular'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.estimates import ShareEstimate
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Amount, CountFrom1, Exclusion, Part, Sha256, Share, Text


@dataclass(frozen=True)
class Severity(Record):
    """What is left when rows are changed, by mean over repetitions.

    Attributes:
        amount: in the unit of the change.
        concordance: of the first repetition, with its interval; mean over all repetitions beside it.
        risk_change: mean distance of a risk from what it was.
        called_otherwise: share of cases that are called otherwise.
        holds: whether the mean concordance is at least that of the criterion.
    """

    amount: Amount
    concordance: ShareEstimate
    concordance_mean: Share | None
    risk_change: Share
    called_otherwise: Share
    holds: bool


@dataclass(frozen=True)
class Lost(Record):
    """What is left when a feature is not known of anybody.

    Attributes:
        concordance_drop: by how much concordance falls; below 0 where it rises.
    """

    concordance: ShareEstimate
    concordance_drop: float | None
    risk_change: Share
    called_otherwise: Share


@dataclass(frozen=True)
class Beyond(Record):
    """Test cases with a value outside what the train part has.

    Attributes:
        train_low, train_high: of the train part.
    """

    train_low: float
    train_high: float
    cases: tuple[Text, ...]


@dataclass(frozen=True)
class Robustness(Record):
    """How far risks and their ranks fall when rows are noisy, incomplete or mistaken.

    Attributes:
        clean: concordance without.
        changes: what is done -> severities, mildest first.
        envelope: what is done -> how many severities, from the mildest, hold.
        lost: feature -> what is left without it.
        beyond: feature -> test cases whose number is further out than any of the train part; where there are.
    """

    run_id: Sha256
    part: Part
    excluded: tuple[Exclusion, ...]
    n_cases: CountFrom1
    criterion: Share
    repeats: CountFrom1
    clean: ShareEstimate
    changes: Annotated[Mapping[str, Annotated[tuple[Severity, ...], Rule(minItems=1)]], Rule(minProperties=1)]
    envelope: Mapping[str, Annotated[int, Rule(minimum=0)]]
    lost: Annotated[Mapping[str, Lost], Rule(minProperties=1)]
    beyond: Mapping[str, Beyond]
