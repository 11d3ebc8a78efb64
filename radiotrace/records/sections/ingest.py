"""Section ingest of params.yaml, where each value is explained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.preprocessing import BiasField, Crop
from radiotrace.records.typed import LEFT_OUT, Record, Rule
from radiotrace.records.values import Orientation, SpacingMm, Text


@dataclass(frozen=True)
class IngestParams(Record):
    """How images and tables are brought in."""

    orientation: Orientation
    spacing_mm: SpacingMm | None
    missing_words: tuple[Text, ...]
    bands: Mapping[str, Annotated[tuple[float, ...], Rule(minItems=1)]]
    crop: Annotated[Crop | None, LEFT_OUT] = None
    bias_field: Annotated[BiasField | None, LEFT_OUT] = None
