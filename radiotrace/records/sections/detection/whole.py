"""The sections of params.yaml that a detection has: what schemas/params_detection.schema.json is made of.

No stage imports it: a stage has its own section alone.
"""

from dataclasses import dataclass

from radiotrace.records.sections.detection.boxes import BoxesParams
from radiotrace.records.sections.detection.evaluate import EvaluateSection
from radiotrace.records.sections.detection.explain import ExplainSection
from radiotrace.records.sections.detection.export import ExportParams
from radiotrace.records.sections.detection.report import ReportParams
from radiotrace.records.sections.detection.robustness import RobustnessSection
from radiotrace.records.sections.detection.train import TrainSection
from radiotrace.records.typed import Record


@dataclass(frozen=True)
class DetectionParams(Record):
    """params.yaml of a detection: the sections of the stages that are its own."""

    boxes: BoxesParams
    train: TrainSection
    evaluate: EvaluateSection
    robustness: RobustnessSection
    explain: ExplainSection
    export: ExportParams
    report: ReportParams
