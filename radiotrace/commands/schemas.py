"""schemas: writes the files of schemas/ that follow from dataclasses.

'make deps' runs it; tests/test_generated_schemas.py holds the files against the code.
"""

import json
import sys

from radiotrace import records
from radiotrace.records import (
    accepted,
    cases,
    comparison,
    contract,
    conversion,
    dataset,
    distilled,
    download,
    download_catalogue,
    findings,
    headline,
    imported_run,
    json_schema,
    metrics,
    model,
    network_comparison,
    prediction,
    robustness,
    search,
    split,
    timing,
    train,
    variants,
)
from radiotrace.records.classification import cases as cases_of_classes
from radiotrace.records.classification import explain as explain_of_classes
from radiotrace.records.classification import headline as headline_of_classes
from radiotrace.records.classification import metrics as metrics_of_classes
from radiotrace.records.classification import model as released_classifier
from radiotrace.records.classification import prediction as prediction_of_classes
from radiotrace.records.classification import robustness as robustness_of_classes
from radiotrace.records.classification import train as train_of_classes
from radiotrace.records.detection import boxes as boxes_of_detection
from radiotrace.records.detection import cases as cases_of_detection
from radiotrace.records.detection import explain as explain_of_detection
from radiotrace.records.detection import headline as headline_of_detection
from radiotrace.records.detection import metrics as metrics_of_detection
from radiotrace.records.detection import model as released_detector
from radiotrace.records.detection import prediction as prediction_of_detection
from radiotrace.records.detection import robustness as robustness_of_detection
from radiotrace.records.detection import train as train_of_detection
from radiotrace.records.sections import whole
from radiotrace.records.sections.classification import whole as classification
from radiotrace.records.sections.detection import whole as detection
from radiotrace.records.sections.imported_segmentation import whole as imported_segmentation
from radiotrace.records.sections.segmentation import whole as segmentation
from radiotrace.records.sections.segmentation_survival import whole as segmentation_survival
from radiotrace.records.sections.tabular import whole as tabular
from radiotrace.records.segmentation_survival import hazard, released, survival
from radiotrace.records.tabular import cases as cases_of_tables
from radiotrace.records.tabular import explain as explain_of_tables
from radiotrace.records.tabular import headline as headline_of_tables
from radiotrace.records.tabular import metrics as metrics_of_tables
from radiotrace.records.tabular import model as released_risk
from radiotrace.records.tabular import robustness as robustness_of_tables
from radiotrace.records.tabular import train as train_of_tables

# Schema -> the dataclass that it is made of. The other files of schemas/ are written by people.
TABLE = {
    "accepted": accepted.Accepted,
    "boxes": boxes_of_detection.Boxes,
    "cases": cases.Cases,
    "cases_classification": cases_of_classes.Cases,
    "cases_detection": cases_of_detection.Cases,
    "cases_tabular": cases_of_tables.Cases,
    "comparison": comparison.Comparison,
    "conversion": conversion.Conversion,
    "dataset": dataset.Dataset,
    "distilled": distilled.Distilled,
    "download": download.Download,
    "download_catalogue": download_catalogue.Catalogue,
    "epochs_classification": train_of_classes.Epochs,
    "epochs_detection": train_of_detection.Epochs,
    "epochs_tabular": train_of_tables.Epochs,
    "explain_classification": explain_of_classes.Explain,
    "explain_detection": explain_of_detection.Explain,
    "explain_tabular": explain_of_tables.Explain,
    "findings": findings.Findings,
    "hazard": hazard.Hazard,
    "headline": headline.Headline,
    "headline_classification": headline_of_classes.Headline,
    "headline_detection": headline_of_detection.Headline,
    "headline_tabular": headline_of_tables.Headline,
    "import_source": imported_run.Source,
    "imported_run": imported_run.ImportedRun,
    "metrics": metrics.Metrics,
    "metrics_classification": metrics_of_classes.Metrics,
    "metrics_detection": metrics_of_detection.Metrics,
    "metrics_tabular": metrics_of_tables.Metrics,
    "model_contract": contract.ModelContract,
    "network_comparison": network_comparison.NetworkComparison,
    "network_timing": network_comparison.NetworkTiming,
    "params": whole.Params,
    "params_classification": classification.ClassificationParams,
    "params_detection": detection.DetectionParams,
    "params_imported_segmentation": imported_segmentation.ImportedSegmentationParams,
    "params_segmentation": segmentation.SegmentationParams,
    "params_segmentation_survival": segmentation_survival.SegmentationSurvivalParams,
    "params_tabular": tabular.TabularParams,
    "predicted_classes": prediction_of_classes.PredictedClasses,
    "predicted_image": prediction.Prediction,
    "prediction_detection": prediction_of_detection.Prediction,
    "released_classifier": released_classifier.ReleasedClassifier,
    "released_detector": released_detector.ReleasedDetector,
    "released_hazard": released.ReleasedHazard,
    "released_model": model.ReleasedModel,
    "released_risk": released_risk.ReleasedRisk,
    "released_variants": variants.Variants,
    "robustness": robustness.Robustness,
    "robustness_classification": robustness_of_classes.Robustness,
    "robustness_detection": robustness_of_detection.Robustness,
    "robustness_tabular": robustness_of_tables.Robustness,
    "search_space": search.SearchSpace,
    "search_trial": search.Trial,
    "split": split.Split,
    "survival": survival.Survival,
    "timing": timing.Timing,
    "train": train.TrainingRun,
    "train_classification": train_of_classes.ClassificationRun,
    "train_detection": train_of_detection.DetectionRun,
    "train_tabular": train_of_tables.TabularRun,
}


def written(name: str) -> str:
    """The text of a schema."""
    return json.dumps(json_schema.of(TABLE[name]), indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Writes the files."""
    for name in TABLE:
        records.write_bytes(f"schemas/{name}.schema.json", written(name).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
