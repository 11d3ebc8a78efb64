"""The record 'explain_tabular'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.estimates import AmountEstimate, Estimate
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Amount, CaseId, CountFrom1, Sha256, Share, Text

Correlation = Annotated[float, Rule(minimum=-1, maximum=1)]


@dataclass(frozen=True)
class Importance(Record):
    """What a feature is worth to the model, on the test part.

    Attributes:
        shapley: mean distance from 0 of its Shapley values, on the scale of the link.
        permutation: by how much concordance falls when its values are shuffled among cases.
    """

    shapley: AmountEstimate
    permutation: Estimate


@dataclass(frozen=True)
class Dependence(Record):
    """Mean risk over the test part when a feature is set to a value in every case.

    Attributes:
        values: of a number; words of categories. risk: mean. low, high: tenth and ninetieth percentile of the
            risks of cases.
    """

    values: tuple[float | str, ...]
    risk: tuple[Share, ...]
    low: tuple[Share, ...]
    high: tuple[Share, ...]


@dataclass(frozen=True)
class ExplainedCase(Record):
    """A test case.

    Attributes:
        contributions: feature -> Shapley value, on the scale of the link; with `base` they add up to the link
            value of the case.
    """

    case_id: CaseId
    probability: Share
    contributions: Mapping[str, float]


@dataclass(frozen=True)
class Explain(Record):
    """What the risk of a case comes from: Shapley values, permutation importance, partial dependence.

    Attributes:
        base: mean link value of the background.
        background: rows of the train part that stand for what is not looked at.
        additivity_error: largest distance of base and contributions from the link value.
        rank_correlation: of both importances; null with fewer than three features.
    """

    run_id: Sha256
    method: Text
    base: float
    background: CountFrom1
    additivity_error: Amount
    rank_correlation: Correlation | None
    importance: Annotated[Mapping[str, Importance], Rule(minProperties=1)]
    dependence: Annotated[Mapping[str, Dependence], Rule(minProperties=1)]
    cases: Annotated[tuple[ExplainedCase, ...], Rule(minItems=1)]
