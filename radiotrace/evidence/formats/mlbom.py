"""The bill of the model, as CycloneDX 1.6 with a model card: its file, the data it learnt from, what was
measured and in which group.

A plain dict, because cyclonedx-python-lib 11.12.0 drops a model card that it reads and writes again.
"""

from dataclasses import dataclass

from radiotrace.evidence.formats import components, distributions, sbom
from radiotrace.records import measure_table

MODEL, DATA = "model", "dataset"


@dataclass(frozen=True)
class RunRecords:
    """Records of one run that the bill is made of."""

    model: dict
    dataset: dict
    metrics: dict
    split: dict


def mlbom(run: RunRecords, runtime: dict, intended_use: dict, approach: str) -> dict:
    """The bill of the model: its file, the data it learnt from, and what was measured with which interval
    and in which group.

    Args:
        runtime: sbom.runtime, which lists what the model needs to run.
        intended_use: design/intended_use.yaml.
        approach: what the model does, such as "semantic segmentation of volumes".
    """
    model, metrics = run.model, run.metrics
    name = f"{model['network']['name']} of run {model['run_id'][:12]}"
    card = {
        "modelParameters": _parameters(model, approach),
        "quantitativeAnalysis": {"performanceMetrics": _performance(metrics)},
        "considerations": _considerations(run, intended_use),
        "properties": components.properties_of(
            [
                ("radiotrace:status_of_considerations", intended_use["status"]),
                *((f"radiotrace:method:{topic}", text) for topic, text in sorted(metrics["methods"].items())),
            ]
        ),
    }
    component = {
        "type": "machine-learning-model",
        "bom-ref": MODEL,
        "name": name,
        "version": model["run_id"],
        "hashes": [{"alg": "SHA-256", "content": model["sha256"]}],
        "modelCard": card,
        "properties": components.properties_of(
            [
                ("radiotrace:run_id", model["run_id"]),
                ("radiotrace:file", model["file"]),
                ("radiotrace:weights_sha256", model["weights_sha256"]),
            ]
        ),
    }
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "authors": runtime["metadata"]["authors"],
            "component": component,
            "properties": components.properties_of(
                (f"radiotrace:{omitted}", reason) for omitted, reason in sbom.LEFT_OUT.items()
            ),
        },
        "components": [_data(run.dataset, run.split)],
        "dependencies": [{"ref": MODEL, "dependsOn": [DATA]}],
        "externalReferences": [
            {
                "type": "bom",
                "url": sbom.link(runtime),
                "comment": "what the product that made this model ran on",
            }
        ],
    }
    return document | {"serialNumber": sbom.serial(document)}


def _parameters(model: dict, approach: str) -> dict:
    """Input, output and architecture."""
    return {
        "approach": {"type": "supervised"},
        "task": approach,
        "architectureFamily": model["network"].get("family", "convolutional neural network"),
        "modelArchitecture": model["network"]["name"],
        "datasets": [{"ref": DATA}],
        "inputs": [{"format": _format(model["input"])}],
        "outputs": [{"format": _format(model["output"])}],
    }


def _format(tensor: dict) -> str:
    return f"{tensor['name']}: {tensor['type']}, axes {' '.join(tensor['axes'])}"


def _data(dataset: dict, split: dict) -> dict:
    """The data set, with the root hash over its files: it is many files, and none has a hash here."""
    about = dataset["dataset"]
    counts = {f"radiotrace:{counted}": about[counted] for counted in ("cases", "subjects")}
    counts |= {
        f"radiotrace:{counted}_{part}": row[counted]
        for part, row in sorted(split["counts"].items())
        for counted in ("cases", "subjects")
    }
    contents = {"properties": components.properties_of((counted, str(n)) for counted, n in counts.items())}
    return {
        "type": "data",
        "bom-ref": DATA,
        "name": about["name"] or "unknown",
        "version": about["version"] or "unknown",
        "description": about["description"] or "unknown",
        "licenses": [_licence(about["licence"] or "unknown")],
        "data": [{"type": "dataset", "name": about["name"] or "unknown", "contents": contents}],
        "properties": components.properties_of([("radiotrace:root_sha256", about["root_sha256"])]),
    }


def _licence(text: str) -> dict:
    """People write 'CC-BY-SA 4.0' for CC-BY-SA-4.0."""
    dashed = text.replace(" ", "-")
    return components.licence_entry(dashed if distributions.expression(dashed) else text, "declared")


def _performance(metrics: dict) -> list[dict]:
    """A row for each measure and label, then calibration, then the first measure for each group. An undefined
    value or bound is a word, not left out.

    Calibration and groups are there where the task measures them.
    """
    part = f"{metrics['part']} part"
    rows = []
    for metric in measure_table.read(metrics):
        for label, summary in sorted(metrics[metric].items()):
            place = "mean of labels" if label == "mean_of_labels" else f"label {label}"
            rows.append(_row(f"mean {metric}", f"{part}, {place}", summary))
    for of, when, summaries in _calibration(metrics):
        for metric in ("expected_error", "brier"):
            place = f"{part}, {of}{when} it was scaled" if of else f"{part}, {when} temperature scaling"
            rows.append(_row(f"calibration {metric}", place, (summaries or {}).get(metric)))
    leading = measure_table.leading(metrics).name
    for attribute, groups in sorted(metrics.get("subgroups", {}).items()):
        for group, summary in sorted(groups.items()):
            place = f"{part}, {attribute} is {group}, mean of labels"
            if summary["insufficient_n"]:
                place += ", too few to judge"
            rows.append(_row(f"mean {leading}", place, summary))
    return rows


def _calibration(metrics: dict) -> list[tuple[str, str, dict | None]]:
    """Of what, before and after scaling; of all labels together ("") or of each, as the task measures it; []
    where calibration is no part of it."""
    calibration = metrics.get("calibration") or {}
    if "before" in calibration:
        return [("", when, calibration[when]) for when in ("before", "after")]
    return [
        (f"label {label}, ", when, both[when])
        for label, both in sorted(calibration.items())
        for when in ("before", "after")
    ]


def _row(metric: str, place: str, summary: dict | None) -> dict:
    if summary is None:
        return {"type": metric, "value": "undefined", "slice": place}
    counts = (
        f"{summary['n_cases']} cases of {summary['n_subjects']} subjects, "
        f"undefined in {summary['n_undefined']}"
    )
    return {
        "type": metric,
        "value": _text(summary["mean"] if "mean" in summary else summary["value"]),
        "slice": f"{place}; {counts}",
        "confidenceInterval": {
            "lowerBound": _text(summary["ci95_low"]),
            "upperBound": _text(summary["ci95_high"]),
        },
    }


def _text(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.9g}"


def _considerations(run: RunRecords, intended_use: dict) -> dict:
    """Users, purpose and limits: those that people wrote, then those that the records show."""
    limits = [
        *intended_use["must_not_be_used"],
        *intended_use["limits"],
        run.model["notice"],
        f"One data set: {run.dataset['dataset']['name']}; modality {run.model['modality']}. "
        f"These records show no other.",
    ]
    if run.metrics["excluded"]:
        limits.append(f"{len(run.metrics['excluded'])} cases were left out of the evaluation")
    return {
        "users": [f"{user['who']}: {user['does']}" for user in intended_use["users"]],
        "useCases": [intended_use["purpose"]],
        "technicalLimitations": limits,
    }
