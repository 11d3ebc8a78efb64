"""What the records 'metrics' of every task have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.cases import MeasureName
from radiotrace.records.estimates import Mean
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Amount, Count, CountFrom1, Share, Text

FlagShare = Annotated[float, Rule(exclusiveMinimum=0, maximum=1)]


@dataclass(frozen=True)
class Summary(Mean):
    """A measure over cases.

    Attributes:
        n_not_applicable: cases that it says nothing of.
    """

    n_not_applicable: Count
    median: float | None
    min: float | None
    max: float | None
    sd: Amount | None


@dataclass(frozen=True)
class ShareSummary(Summary):
    """Of a measure from 0 to 1."""

    mean: Share | None
    ci95_low: Share | None
    ci95_high: Share | None
    median: Share | None
    min: Share | None
    max: Share | None


@dataclass(frozen=True)
class AmountSummary(Summary):
    """Of a measure from 0 on."""

    mean: Amount | None
    ci95_low: Amount | None
    ci95_high: Amount | None
    median: Amount | None
    min: Amount | None
    max: Amount | None


@dataclass(frozen=True)
class FlagRule(Record):
    """What a threshold rests on, and is worth.

    Attributes:
        needed: subjects without which there is none.
    """

    n_subjects: Count
    needed: CountFrom1
    share_expected: Share | None
    share_ci95_low: Share | None
    share_ci95_high: Share | None


@dataclass(frozen=True)
class MeasureRow(Record):
    """A row of the table of measures, as measure_table.Described explains it."""

    name: MeasureName
    title: Text
    unit: str
    digits: Count
    better: Literal["larger", "smaller"] | None
    source: str
    kind: Literal["share", "amount", "count", "signed"]
    can_be_undefined: bool
    headline: bool


OfLabels = Annotated[Mapping[str, Summary], Rule(minProperties=1)]
SharesOfLabels = Annotated[Mapping[str, ShareSummary], Rule(minProperties=1)]
AmountsOfLabels = Annotated[Mapping[str, AmountSummary], Rule(minProperties=1)]
