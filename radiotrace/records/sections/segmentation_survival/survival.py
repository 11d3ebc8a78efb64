"""Section survival of the params.yaml of a segmentation with survival, where each value is explained."""

from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.sections.segmentation_survival.hazard import Horizon
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Amount, CountFrom1, Seed


@dataclass(frozen=True)
class SurvivalSection(Record):
    """What is measured of survival, and how.

    Attributes:
        horizons: times, in the unit of the column of times, rising.
        risk_groups: of equal size in the train part.
        ridge: of the Cox models of features.
        scale_changes: factors by which the first channel is multiplied, to see how a hazard depends on it.
    """

    horizons: Annotated[tuple[Horizon, ...], Rule(minItems=2, uniqueItems=True)]
    risk_groups: Annotated[int, Rule(minimum=2, maximum=4)]
    calibration_groups: Annotated[int, Rule(minimum=2, maximum=10)]
    ridge: Amount
    subgroup_subjects_min: CountFrom1
    scale_changes: Annotated[tuple[Horizon, ...], Rule(uniqueItems=True)]
    noise_sd: Annotated[tuple[Horizon, ...], Rule(uniqueItems=True)]
    threads: CountFrom1


@dataclass(frozen=True)
class SurvivalParams(SurvivalSection):
    """The section, and the seed."""

    seed: Seed
