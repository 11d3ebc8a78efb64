"""The sections of params.yaml that a segmentation has: what schemas/params_segmentation.schema.json is made
of.

No stage imports it: a stage has its own section alone.
"""

from dataclasses import dataclass
from typing import Literal

from radiotrace.records.sections.segmentation import train
from radiotrace.records.sections.segmentation.distil import DistilSection
from radiotrace.records.sections.segmentation.evaluate import EvaluateSection
from radiotrace.records.sections.segmentation.explain import ExplainSection
from radiotrace.records.sections.segmentation.export import ExportParams
from radiotrace.records.sections.segmentation.optimize import OptimizeParams
from radiotrace.records.sections.segmentation.report import ReportParams
from radiotrace.records.sections.segmentation.robustness import RobustnessSection
from radiotrace.records.typed import Record


@dataclass(frozen=True)
class TrainSection(train.TrainSection):
    """The section, with the networks that there are."""

    network: Literal["dynunet", "unet", "attention_unet", "segresnet", "deeplabv3plus", "densenet"]


@dataclass(frozen=True)
class SegmentationParams(Record):
    """params.yaml of a segmentation: the sections of the stages that are its own."""

    train: TrainSection
    evaluate: EvaluateSection
    robustness: RobustnessSection
    report: ReportParams
    export: ExportParams
    distil: DistilSection
    optimize: OptimizeParams
    explain: ExplainSection
