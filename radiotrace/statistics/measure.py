"""A measure: what a task computes of a case, and all that anybody prints, checks or concludes of it.

A task has one table of them, such as radiotrace/segmentation/measures.py. Whoever adds a measure adds an
entry there, and the function that computes it: records, report, methods, model card and bills take it from
the table.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from radiotrace.records.measure_table import BOUNDS, Described
from radiotrace.statistics import intervals

NAME = re.compile(r"[a-z][a-z0-9_]*")
# Kind of a measure -> of the interval of its mean.
RULES = {
    "share": intervals.SHARE,
    "amount": intervals.AMOUNT,
    "count": intervals.COUNT,
    "signed": intervals.MEAN,
}


@dataclass(frozen=True, kw_only=True)
class Measure(Described):
    """One entry of a task's table: what the record says of a measure, and what only code needs.

    Attributes:
        definition: what it is and when it is undefined, for the methods; may have parameters of evaluate in
            braces, as str.format takes them: "within {surface_tolerance_mm:g} mm".
        of: its value, of what the task compares in a case; None where it is undefined.
        one_where_rightly_empty: whether it is 1 where reference and prediction are empty and that is no
            exception: agreement on nothing.
    """

    definition: str
    of: Callable[[Any], float | int | None]
    one_where_rightly_empty: bool = False

    @property
    def rule(self) -> intervals.Rule:
        """Of the interval of its mean."""
        return RULES[self.kind]

    def method(self, params: Mapping) -> str:
        """Definition and source, for who has the record and not the code.

        Args:
            params: of evaluate.
        """
        text = self.definition.format(**params)
        return f"{text} ({self.source})" if self.source else text


def table(*measures: Measure) -> tuple[Measure, ...]:
    """The measures in the order of the pages.

    Raises:
        ValueError: a name stands twice or cannot be a key, or a measure is of no kind that there is; names
            every fault.
    """
    names = [measure.name for measure in measures]
    faults = [f"{name} stands twice" for name in sorted(set(names)) if names.count(name) > 1]
    for measure in measures:
        if not NAME.fullmatch(measure.name):
            faults.append(f"{measure.name!r}: expected small letters, digits and _, and a letter first")
        if measure.kind not in BOUNDS:
            faults.append(f"{measure.name}: kind {measure.kind}, expected one of {', '.join(BOUNDS)}")
        if measure.one_where_rightly_empty and measure.kind != "share":
            faults.append(f"{measure.name}: kind {measure.kind} is 1 where nothing is there, expected share")
    if faults:
        raise ValueError("table of measures: " + "; ".join(faults))
    return measures
