"""Choosing among the series of a collection."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from radiotrace.download.errand import Request
from radiotrace.errors import StageError
from radiotrace.records.download import Selection


class OfASubject(Protocol):
    """A series of whatever source."""

    @property
    def subject(self) -> str:
        """Whose it is."""
        ...

    @property
    def modality(self) -> str:
        """As DICOM has it."""
        ...


Some = TypeVar("Some", bound=OfASubject)


def chosen(
    every: Sequence[Some], request: Request, by_default: Sequence[str]
) -> tuple[list[Some], Selection]:
    """The series that were asked for, and what that was: of the first subjects by name that have any.

    Raises:
        StageError: there are none; says which modalities there are.
    """
    modalities = tuple(sorted(set(request.modalities or by_default)))
    there = sorted({series.modality for series in every})
    if missing := [modality for modality in modalities if modality not in there]:
        raise StageError(
            f"the collection has no series of {', '.join(missing)}",
            way_out=f"Of these there are some: {', '.join(there) or 'none'}; name them with --modality.",
        )
    fitting = [series for series in every if series.modality in modalities]
    subjects = sorted({series.subject for series in fitting})[: request.subjects]
    return [series for series in fitting if series.subject in set(subjects)], Selection(
        modalities, request.subjects
    )
