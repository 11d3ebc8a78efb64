"""The table of measures in the record 'metrics': what a reader needs to know of each to print and to check
it.

A task writes the table from its measures (radiotrace/statistics/measure.py); reports, the model card, bills
and the commands read it here, so that they know no task. The table is a list: its order is that of the pages,
and keys of a record are sorted. The keyword 'tabled' of metrics.schema.json holds the record against its own
table; `misfits_of_…` hold the records beside it, which have none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal

from radiotrace import records

Better = Literal["larger", "smaller"] | None
Kind = Literal["share", "amount", "count", "signed"]
# Kind -> lowest and highest value; None where there is no such bound.
BOUNDS: dict[Kind, tuple[float | None, float | None]] = {
    "share": (0, 1),
    "amount": (0, None),
    "count": (0, None),
    "signed": (None, None),
}
SUMMARISED = ("mean", "ci95_low", "ci95_high")  # numbers of a summary that the headline shows


@dataclass(frozen=True, kw_only=True)
class Described:
    """A row of the table.

    Attributes:
        name: key in every record, with the unit where there is one: "hausdorff95_mm".
        title: for people: "HD95".
        unit: as it is printed: "mm"; "" of a pure number.
        digits: after the point, where a value or its mean is printed.
        better: whether more is better, or less; None where neither is.
        source: where it is defined: author, year, DOI; "" where its name says it all.
        kind: which values there can be. share: 0 to 1; amount: 0 or more; count: a whole number, 0 or more;
            signed: any.
        can_be_undefined: whether a case may have null.
        headline: whether it stands where few do: headline.json, the model card, the page's list of cases.
    """

    name: str
    title: str
    unit: str = ""
    digits: int
    better: Better
    source: str = ""
    kind: Kind
    can_be_undefined: bool = True
    headline: bool = False

    @property
    def heading(self) -> str:
        """Title and unit, as a column or a row is headed."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def record(self) -> dict:
        """As the table has it, also of a class that knows more."""
        row = asdict(self)
        return {field.name: row[field.name] for field in fields(Described)}


def read(metrics: Mapping) -> dict[str, Described]:
    """Name -> row of the table of a record 'metrics', in its order; a later version may say more in a row."""
    names = [field.name for field in fields(Described)]
    rows = (Described(**{name: row[name] for name in names}) for row in metrics["measures"])
    return {row.name: row for row in rows}


def leading(metrics: Mapping) -> Described:
    """The measure that stands first, by which cases are ranked and groups compared.

    Raises:
        ValueError: the record has no measure.
    """
    for row in read(metrics).values():
        return row
    raise ValueError("the table of measures is empty")


def misfits_of_cases(metrics: Mapping, cases: Iterable[Mapping], schema: str = "cases") -> list[str]:
    """Where cases have another measure than the table, or a value that it cannot have.

    Args:
        metrics: the record, of which only the table is looked at.
        cases: entries of the record 'cases'.
        schema: of that record.

    Returns:
        A line for each fault, with its place; [] where all fits.
    """
    table = read(metrics)
    labels = records.schema(schema)["properties"]["cases"]["items"]["properties"]["labels"]
    facts = labels["additionalProperties"]["properties"].keys() - table.keys()
    faults = []
    for case in cases:
        for label, row in case["labels"].items():
            place = f"cases.json: {case['case_id']}: {label}"
            faults += _names(place, row.keys() - facts, table)
            for name in sorted(row.keys() & table.keys()):
                faults += [f"{place}: {fault}" for fault in _value(table[name], row[name], of_case=True)]
    return faults


def misfits_of_headline(metrics: Mapping, headline: Mapping, schema: str = "headline") -> list[str]:
    """Where the record 'headline' has other measures than those that the table gives it; as
    misfits_of_cases."""
    table = {name: row for name, row in read(metrics).items() if row.headline}
    facts = records.schema(schema)["properties"].keys()
    faults = _names("headline.json", headline.keys() - facts, table)
    for name in sorted(headline.keys() & table.keys()):
        for label, summary in headline[name].items():
            for key in SUMMARISED:
                place = f"headline.json: {label}: {key}"
                faults += [f"{place}: {fault}" for fault in _value(table[name], summary[key])]
    return faults


def _names(place: str, stated: set[str], table: Mapping) -> list[str]:
    """Measures that are missing, and names that are none, each with its place."""
    missing = [f"{place}: {name} is missing" for name in table if name not in stated]
    return missing + [f"{place}: {name} is no measure of the table" for name in sorted(stated - table.keys())]


def _value(row: Described, value, of_case: bool = False) -> list[str]:
    """What is wrong with a value of a measure; the mean of counts need not be whole."""
    if value is None:
        return (
            [f"{row.name} is undefined, which it cannot be"] if of_case and not row.can_be_undefined else []
        )
    lowest, highest = BOUNDS[row.kind]
    if of_case and row.kind == "count" and not isinstance(value, int):
        return [f"{row.name} is {value}, expected a whole number"]
    if lowest is not None and value < lowest:
        return [f"{row.name} is {value}, expected {lowest} or more"]
    if highest is not None and value > highest:
        return [f"{row.name} is {value}, expected {highest} or less"]
    return []
