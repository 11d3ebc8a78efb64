"""The sections of params.yaml that a classification has: what schemas/params_classification.schema.json is
made of.

No stage imports it: a stage has its own section alone.
"""

from dataclasses import dataclass

from radiotrace.records.sections.classification.evaluate import EvaluateSection
from radiotrace.records.sections.classification.explain import ExplainSection
from radiotrace.records.sections.classification.export import ExportParams
from radiotrace.records.sections.classification.report import ReportParams
from radiotrace.records.sections.classification.robustness import RobustnessSection
from radiotrace.records.sections.classification.train import TrainSection
from radiotrace.records.typed import Record


@dataclass(frozen=True)
class ClassificationParams(Record):
    """params.yaml of a classification: the sections of the stages that are its own."""

    train: TrainSection
    evaluate: EvaluateSection
    robustness: RobustnessSection
    explain: ExplainSection
    export: ExportParams
    report: ReportParams
