"""The sections of params.yaml that a segmentation with an imported model has: what
schemas/params_imported_segmentation.schema.json is made of.

No stage imports it: a stage has its own section alone.
"""

from dataclasses import dataclass

from radiotrace.records.imported_run import ImportedParams
from radiotrace.records.sections.segmentation.distil import DistilSection
from radiotrace.records.sections.segmentation.evaluate import EvaluateSection
from radiotrace.records.sections.segmentation.explain import ExplainSection
from radiotrace.records.sections.segmentation.export import ExportParams
from radiotrace.records.sections.segmentation.optimize import OptimizeParams
from radiotrace.records.sections.segmentation.report import ReportParams
from radiotrace.records.sections.segmentation.robustness import RobustnessSection
from radiotrace.records.typed import Record


@dataclass(frozen=True)
class ImportedSegmentationParams(Record):
    """params.yaml of a segmentation with an imported model: the sections of the stages that are its own."""

    train: ImportedParams
    evaluate: EvaluateSection
    robustness: RobustnessSection
    report: ReportParams
    export: ExportParams
    distil: DistilSection
    optimize: OptimizeParams
    explain: ExplainSection
