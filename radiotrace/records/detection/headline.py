"""The record 'headline_detection'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.cases import MeasureName
from radiotrace.records.headline import Brief
from radiotrace.records.typed import FURTHER, Record, Rule
from radiotrace.records.values import CountFrom1, Sha256, Share

OfLabels = Annotated[Mapping[str, Share | None], Rule(minProperties=1)]


@dataclass(frozen=True)
class Headline(Record):
    """The few numbers that `dvc metrics diff` shows; metrics.json has all of them, with n.

    Attributes:
        map, map50: mean average precision over labels, COCO's and at an overlap of a half.
        froc: label -> mean sensitivity over the points of FROC.
        measures: measure -> label -> a measure of the table of metrics.json that is shown where few are.
    """

    run_id: Sha256
    n_cases: CountFrom1
    n_subjects: CountFrom1
    map: Share | None
    map50: Share | None
    ap50: OfLabels
    froc: OfLabels
    precision: OfLabels
    measures: Annotated[Mapping[MeasureName, Annotated[Mapping[str, Brief], Rule(minProperties=1)]], FURTHER]
