"""The record 'comparison'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Amount, CaseId, Count, CountFrom1, Part, Sha256, Share, Text

Commit = Annotated[str, Rule(pattern="^[0-9a-f]{40}$")]


@dataclass(frozen=True)
class Run(Record):
    """A run that is compared.

    Attributes:
        name: as it was asked for.
        commit: null of a file.
    """

    name: Text
    commit: Commit | None
    cases_sha256: Sha256
    run_id: Sha256
    part: Part


@dataclass(frozen=True)
class Row(Record):
    """Paired differences of a label, or of the mean of labels; `how` says how each was made.

    Attributes:
        n_undefined_b_only: cases that B leaves undefined and A defines.
        n_zero: subjects without a difference.
        no_interval: why there is no interval; null where there is.
        no_verdict: why there is no verdict; null where there is.
    """

    n_cases: Count
    n_subjects: Count
    n_undefined_a: Count
    n_undefined_b: Count
    n_undefined_b_only: Count
    mean_a: float | None
    mean_b: float | None
    difference: float | None
    difference_ci95_low: float | None
    difference_ci95_high: float | None
    no_interval: Text | None
    median_difference: float | None
    median_difference_ci95_low: float | None
    median_difference_ci95_high: float | None
    n_zero: Count
    wilcoxon_p: Share | None
    verdict: Literal["non-inferior", "not shown"] | None
    no_verdict: Text | None


@dataclass(frozen=True)
class Paired(Record):
    """Two runs, case by case, whatever they are called.

    Attributes:
        better: null where neither larger nor smaller is.
        margin: by how much B may be worse, in the metric's unit.
        only_a, only_b: cases of one run alone, which do not count.
        rows: label, or mean of labels -> differences.
        how: key of a row -> how it was made.
    """

    metric: Text
    better: Literal["larger", "smaller"] | None
    margin: Amount
    n_cases: CountFrom1
    n_subjects: CountFrom1
    only_a: Annotated[tuple[CaseId, ...], Rule(uniqueItems=True)]
    only_b: Annotated[tuple[CaseId, ...], Rule(uniqueItems=True)]
    rows: Annotated[Mapping[str, Row], Rule(minProperties=1, required=["mean_of_labels"])]
    how: Annotated[Mapping[str, Text], Rule(minProperties=1)]


@dataclass(frozen=True)
class Comparison(Paired):
    """Two runs, case by case, on the same references: B minus A."""

    run_a: Run
    run_b: Run
