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
    prediction,
    robustness,
    split,
    timing,
    train,
    variants,
)
from radiotrace.records.sections import whole
from radiotrace.records.sections.imported_segmentation import whole as imported_segmentation
from radiotrace.records.sections.segmentation import whole as segmentation

# Schema -> the dataclass that it is made of. The other files of schemas/ are written by people.
TABLE = {
    "accepted": accepted.Accepted,
    "cases": cases.Cases,
    "comparison": comparison.Comparison,
    "conversion": conversion.Conversion,
    "dataset": dataset.Dataset,
    "distilled": distilled.Distilled,
    "download": download.Download,
    "download_catalogue": download_catalogue.Catalogue,
    "findings": findings.Findings,
    "headline": headline.Headline,
    "import_source": imported_run.Source,
    "imported_run": imported_run.ImportedRun,
    "metrics": metrics.Metrics,
    "model_contract": contract.ModelContract,
    "params": whole.Params,
    "params_imported_segmentation": imported_segmentation.ImportedSegmentationParams,
    "params_segmentation": segmentation.SegmentationParams,
    "predicted_image": prediction.Prediction,
    "released_model": model.ReleasedModel,
    "released_variants": variants.Variants,
    "robustness": robustness.Robustness,
    "split": split.Split,
    "timing": timing.Timing,
    "train": train.TrainingRun,
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
