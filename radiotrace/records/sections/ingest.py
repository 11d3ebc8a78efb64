"""Section ingest of params.yaml, where each value is explained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Orientation, SpacingMm, Text


@dataclass(frozen=True)
class IngestParams(Record):
    """How images and tables are brought in."""

    orientation: Orientation
    spacing_mm: SpacingMm | None
    missing_words: tuple[Text, ...]
    bands: Mapping[str, Annotated[tuple[float, ...], Rule(minItems=1)]]
