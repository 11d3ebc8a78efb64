"""What a model of a table is told and what it tells: travels in its record to whoever predicts."""

from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Text

Kind = Literal["binary", "survival"]


@dataclass(frozen=True)
class Feature(Record):
    """A column that a model is told.

    Attributes:
        kind: number, or category, which stands as the place of its word in `categories`, from 0.
        unit: of a number; "" where it has none.
        minimum, maximum: what a number may be; null where nobody said.
        categories: in their order; () of a number.
    """

    name: Text
    kind: Literal["number", "category"]
    unit: str
    minimum: float | None
    maximum: float | None
    categories: Annotated[tuple[Text, ...], Rule(uniqueItems=True)]


@dataclass(frozen=True)
class Outcome(Record):
    """What a model tells the risk of.

    Attributes:
        name: of the event, the label 1; without: the word for its absence, the label 0.
        column: of cases.csv, that says whether it happened.
        kind: binary, or survival where a second column has the time to the event or to the end of follow-up.
        time_column, unit: of that; null where the kind is binary.
    """

    name: Text
    without: Text
    column: Text
    kind: Kind
    time_column: Text | None
    unit: str | None
