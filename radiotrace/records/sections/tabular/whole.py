"""The sections of params.yaml that a study of tables has: what schemas/params_tabular.schema.json is made of.

No stage imports it: a stage has its own section alone.
"""

from dataclasses import dataclass

from radiotrace.records.sections.tabular.evaluate import EvaluateSection
from radiotrace.records.sections.tabular.explain import ExplainSection
from radiotrace.records.sections.tabular.export import ExportParams
from radiotrace.records.sections.tabular.report import ReportParams
from radiotrace.records.sections.tabular.robustness import RobustnessSection
from radiotrace.records.sections.tabular.train import TrainSection
from radiotrace.records.typed import Record


@dataclass(frozen=True)
class TabularParams(Record):
    """params.yaml of a study of tables: the sections of the stages that are its own."""

    train: TrainSection
    evaluate: EvaluateSection
    robustness: RobustnessSection
    explain: ExplainSection
    export: ExportParams
    report: ReportParams
