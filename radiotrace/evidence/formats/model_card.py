"""The model card: what a user of the model should know, where every number is a reference into the bundle.

Sections follow the model card of FDA's draft on AI-enabled device software functions (January 2025), in our
own words.
"""

from radiotrace.evidence.design.compliance import resolve
from radiotrace.records import measure_table

SUMMARY = ("mean", "ci95_low", "ci95_high", "n_subjects")  # of a measure, from metrics.json
JUDGEMENT = ("observed", "threshold", "verdict", "prespecified")  # of a criterion, from acceptance.json


def card(intended_use: dict, bundle: dict[str, dict], digests: dict[str, str]) -> dict:
    """The record 'model_card'.

    Args:
        intended_use: design/intended_use.yaml; its prose has the status that stands there.
        bundle: file of the bundle -> its content; digests: file -> SHA-256.
    """

    def refer(file, pointer):
        return {
            "value": resolve(bundle[file], pointer),
            "file": file,
            "pointer": pointer,
            "sha256": digests[file],
        }

    def prose(*keys):
        return {
            "status": intended_use["status"],
            "file": "intended_use.json",
            "text": {key: intended_use[key] for key in keys},
        }

    def refer_to_each(file, pointer, keys):
        return {key: refer(file, f"{pointer}/{key}") for key in keys}

    metrics = bundle["metrics.json"]
    performance = {}
    for name, measure in measure_table.read(metrics).items():
        if measure.headline:
            performance[name] = {
                label: refer_to_each("metrics.json", f"/{name}/{label}", SUMMARY) for label in metrics[name]
            }
    calibration = {
        when: refer("metrics.json", f"{place}/expected_error/value")
        for when, place in calibration_places(metrics.get("calibration", {})).items()
    }
    counts = {
        part: refer_to_each("split.json", f"/counts/{part}", ("cases", "subjects"))
        for part in bundle["split.json"]["counts"]
    }
    leading = measure_table.leading(metrics).name
    worst = {
        row["case_id"]: refer("metrics.json", f"/worst_cases/{number}/{leading}")
        for number, row in enumerate(metrics.get("worst_cases", [])[:5])
    }
    requirements = {
        result["requirement"]: refer_to_each("acceptance.json", f"/results/{number}", JUDGEMENT)
        for number, result in enumerate(bundle["acceptance.json"]["results"])
    }
    # of a model that was made elsewhere: the data above are what it is tried on
    elsewhere = {}
    if "imported_run.json" in bundle:
        origin = "/contract/origin"
        elsewhere = {
            "trained_elsewhere_by": refer("imported_run.json", f"{origin}/by"),
            "trained_elsewhere_on": refer("imported_run.json", f"{origin}/data"),
            "cases_of_this_study_in_its_training": refer("imported_run.json", f"{origin}/study_cases"),
            "not_known_of_its_training": refer("imported_run.json", "/unknown"),
        }
    return {
        "run_id": metrics["run_id"],
        "notice": intended_use["notice"],
        "device": {
            "about": prose("name", "version", "release_date", "medical_device", "safety_class"),
            "model_sha256": refer("model.json", "/sha256"),
            "weights_sha256": refer("model.json", "/weights_sha256"),
            "tensors_sha256": refer("checkpoints.json", "/tensors/sha256"),
            "network": refer("model.json", "/network/name"),
        },
        "intended_use": prose(
            "purpose",
            "medical_indication",
            "users",
            "population",
            "environment",
            "inputs",
            "outputs",
            "autonomy",
        ),
        "limits": prose("must_not_be_used", "limits"),
        "development_data": {
            "name": refer("dataset.json", "/dataset/name"),
            "licence": refer("dataset.json", "/dataset/licence"),
            "root_sha256": refer("dataset.json", "/dataset/root_sha256"),
            "parts": counts,
            **elsewhere,
        },
        "performance": {
            "part": refer("metrics.json", "/part"),
            "measures": performance,
            "calibration_error": calibration,
            "lowest_dice": worst,
            "models_that_saw_this_test_part": refer("openings.json", "/n_models"),
        },
        "requirements": requirements,
        "risks": {
            "unacceptable_or_open": refer("risks.json", "/gaps"),
            "anomalies": refer("anomalies.json", "/anomalies"),
        },
        "release_blocked": refer("traceability.json", "/release_blocked"),
    }


def calibration_places(calibration: dict) -> dict[str, str]:
    """When -> pointer into metrics.json: before and after scaling, of all labels together, or "LABEL, before"
    and the like of each, as the task measures it."""
    if "before" in calibration:
        return {when: f"/calibration/{when}" for when, found in calibration.items() if found is not None}
    return {
        f"{label}, {when}": f"/calibration/{label}/{when}"
        for label, both in calibration.items()
        for when in both
    }
