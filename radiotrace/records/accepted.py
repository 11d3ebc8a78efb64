"""The record 'accepted': the cases that go on, from the record of the data set; for the stage, and for who
derives it again."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, get_args

from radiotrace.records.dataset import Case, Dataset, Identity, known
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import CaseId, Exclusion, Labels, Part, Sha256, SubjectId


@dataclass(frozen=True)
class AcceptedCase(Record):
    """A case that goes on.

    Attributes:
        voxels_sha256: of its image.
        part: that the data set gives it; there where it gives one.
    """

    case_id: CaseId
    subject_id: SubjectId
    voxels_sha256: Sha256
    part: Part | None = None


@dataclass(frozen=True)
class Accepted(Record):
    """The cases that go on.

    Attributes:
        labels: value -> name.
        excluded: cases that people left out.
    """

    labels: Labels
    excluded: tuple[Exclusion, ...]
    cases: Annotated[tuple[AcceptedCase, ...], Rule(minItems=1)]


def excluded(exclude: Iterable[Exclusion]) -> tuple[Exclusion, ...]:
    """The cases that people left out, each once, sorted; of two reasons for a case the last.

    Args:
        exclude: of the section validate of params.yaml.
    """
    by_case = {entry.case_id: entry for entry in exclude}
    return tuple(by_case[case_id] for case_id in sorted(by_case))


def cases(dataset: Dataset, exclude: Iterable[Exclusion]) -> list[Case]:
    """The entries of the record 'dataset' that nobody left out."""
    left_out = {entry.case_id for entry in exclude}
    return [case for case in dataset.cases if case.case_id not in left_out]


def voxels_sha256(case: Case) -> str:
    """Of the voxels of an image: of its one channel, or the SHA-256 of digests, a line each, of several."""
    digests = [known(source.voxels_sha256) for source in case.images]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()


def given_part(dataset: Dataset, case: Case) -> Part | None:
    """The part that a data set gives a case in its column of parts; None where it gives none."""
    name = part_column(dataset.dataset)
    value = None if name is None else (case.values or {}).get(name)
    return next((part for part in get_args(Part) if part == value), None)


def part_column(dataset: Identity) -> str | None:
    """The column of cases.csv in which a data set gives each case a part; None where there is none."""
    return next((name for name, column in (dataset.columns or {}).items() if column.role == "part"), None)


def of_dataset(dataset: Dataset, exclude: Iterable[Exclusion]) -> Accepted:
    """Of a data set in which no case fails."""
    exclude = tuple(exclude)
    rows = tuple(
        AcceptedCase(case.case_id, case.subject_id, voxels_sha256(case), given_part(dataset, case))
        for case in cases(dataset, exclude)
    )
    return Accepted(labels=dataset.dataset.labels, excluded=excluded(exclude), cases=rows)
