"""Numbers with their interval, as several records have them."""

from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Amount, Count, Share, Text

Signed = Annotated[float, Rule(minimum=-1, maximum=1)]


@dataclass(frozen=True)
class Counted(Record):
    """How much a number rests on.

    Attributes:
        n_undefined: cases in which it is undefined.
    """

    n_cases: Count
    n_subjects: Count
    n_undefined: Count


@dataclass(frozen=True)
class Mean(Counted):
    """A mean over cases with its 95 % interval over subjects.

    Attributes:
        no_interval: why there is no interval; null where there is.
    """

    mean: float | None
    ci95_low: float | None
    ci95_high: float | None
    no_interval: Text | None


@dataclass(frozen=True)
class ShareMean(Mean):
    """From 0 to 1."""

    mean: Share | None
    ci95_low: Share | None
    ci95_high: Share | None


@dataclass(frozen=True)
class Estimate(Counted):
    """A number with its 95 % interval over subjects.

    Attributes:
        no_interval: why there is no interval; null where there is.
    """

    value: float | None
    ci95_low: float | None
    ci95_high: float | None
    no_interval: Text | None


@dataclass(frozen=True)
class ShareEstimate(Estimate):
    """From 0 to 1."""

    value: Share | None
    ci95_low: Share | None
    ci95_high: Share | None


@dataclass(frozen=True)
class AmountEstimate(Estimate):
    """From 0 on."""

    value: Amount | None
    ci95_low: Amount | None
    ci95_high: Amount | None


@dataclass(frozen=True)
class SignedEstimate(Estimate):
    """From -1 to 1."""

    value: Signed | None
    ci95_low: Signed | None
    ci95_high: Signed | None
