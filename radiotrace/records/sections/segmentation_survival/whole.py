"""The sections of params.yaml that a segmentation with survival has: what
schemas/params_segmentation_survival.schema.json is made of.

No stage imports it: a stage has its own section alone.
"""

from dataclasses import dataclass
from typing import Literal

from radiotrace.records.sections.segmentation import train
from radiotrace.records.sections.segmentation.evaluate import EvaluateSection
from radiotrace.records.sections.segmentation.explain import ExplainSection
from radiotrace.records.sections.segmentation.export import ExportParams
from radiotrace.records.sections.segmentation.report import ReportParams
from radiotrace.records.sections.segmentation.robustness import RobustnessSection
from radiotrace.records.sections.segmentation_survival.hazard import HazardSection
from radiotrace.records.sections.segmentation_survival.release import ReleaseParams
from radiotrace.records.sections.segmentation_survival.survival import SurvivalSection
from radiotrace.records.typed import Record


@dataclass(frozen=True)
class TrainSection(train.TrainSection):
    """The section, with the networks that tell a hazard."""

    network: Literal["dynunet_hazard"]


@dataclass(frozen=True)
class SegmentationSurvivalParams(Record):
    """params.yaml of a segmentation with survival: the sections of its stages."""

    train: TrainSection
    hazard: HazardSection
    evaluate: EvaluateSection
    survival: SurvivalSection
    robustness: RobustnessSection
    explain: ExplainSection
    export: ExportParams
    release: ReleaseParams
    report: ReportParams
