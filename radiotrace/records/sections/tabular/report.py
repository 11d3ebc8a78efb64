"""Section report of the params.yaml of a study of tables, where each value is explained."""

from dataclasses import dataclass

from radiotrace.records.typed import Record
from radiotrace.records.values import CountFrom1


@dataclass(frozen=True)
class ReportParams(Record):
    """What the page shows."""

    worst_cases: CountFrom1
