"""The bill of the model, as CycloneDX 1.6 with a model card: its file, the data it learnt from, what was
measured and in which group.

A plain dict, because cyclonedx-python-lib 11.12.0 drops a model card that it reads and writes again.
"""

from radiotrace.evidence.formats import components, distributions, sbom
from radiotrace.records import measure_table

MODEL, DATA = "model", "dataset"


def mlbom(
    model: dict,
    dataset: dict,
    metrics: dict,
    split: dict,
    runtime: dict,
    intended_use: dict,
    approach: str,
) -> dict:
    """The bill of the model: its file, the data it learnt from, what was measured with which interval, in
    which group.

    Args:
        model, dataset, metrics, split: the records of one run.
        runtime: sbom.runtime; the model and the network behind it stand on what it lists.
        intended_use: design/intended_use.yaml.
        approach: what the model does, such as "semantic segmentation of volumes".
    """
    name = f"{model['network']['name']} of run {model['run_id'][:12]}"
    card = {
        "modelParameters": _parameters(model, approach),
        "quantitativeAnalysis": {"performanceMetrics": _performance(metrics)},
        "considerations": _considerations(model, dataset, metrics, intended_use),
        "properties": components.properties_of(
            [
                ("radiotrace:status_of_considerations", intended_use["status"]),
                *((f"radiotrace:method:{what}", how) for what, how in sorted(metrics["methods"].items())),
            ]
        ),
    }
    made = {
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
            "component": made,
            "properties": components.properties_of(
                (f"radiotrace:{what}", why) for what, why in sbom.LEFT_OUT.items()
            ),
        },
        "components": [_data(dataset, split)],
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
    """What goes in and out, and what learnt it."""
    ends = {
        way: f"{model[way]['name']}: {model[way]['type']}, axes {' '.join(model[way]['axes'])}"
        for way in ("input", "output")
    }
    return {
        "approach": {"type": "supervised"},
        "task": approach,
        "architectureFamily": "convolutional neural network",
        "modelArchitecture": model["network"]["name"],
        "datasets": [{"ref": DATA}],
        "inputs": [{"format": ends["input"]}],
        "outputs": [{"format": ends["output"]}],
    }


def _data(dataset: dict, split: dict) -> dict:
    """The data set, by the root hash over its files; no hash of a file, for it is many."""
    about = dataset["dataset"]
    counts = {f"radiotrace:{what}": about[what] for what in ("cases", "subjects")}
    counts |= {
        f"radiotrace:{what}_{part}": row[what]
        for part, row in sorted(split["counts"].items())
        for what in ("cases", "subjects")
    }
    contents = {"properties": components.properties_of((what, str(n)) for what, n in counts.items())}
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
    return components.spelt(dashed if distributions.expression(dashed) else text, "declared")


def _performance(metrics: dict) -> list[dict]:
    """A row per measure of the record's table and label, then the first measure per group; an undefined value
    or bound is said, not left out.

    Calibration and groups are there where the task measures them.
    """
    part = f"{metrics['part']} part"
    rows = [
        _row(
            f"mean {metric}",
            f"{part}, {'mean of labels' if label == 'mean_of_labels' else f'label {label}'}",
            summary,
        )
        for metric in measure_table.read(metrics)
        for label, summary in sorted(metrics[metric].items())
    ]
    rows += [
        _row(
            f"calibration {metric}",
            f"{part}, {when} temperature scaling",
            (found or {}).get(metric),
        )
        for when, found in _calibration(metrics)
        for metric in ("expected_error", "brier")
    ]
    leading = measure_table.leading(metrics).name
    return rows + [
        _row(
            f"mean {leading}",
            f"{part}, {attribute} is {group}, mean of "
            f"labels" + (", too few to judge" if row["insufficient_n"] else ""),
            row,
        )
        for attribute, groups in sorted(metrics.get("subgroups", {}).items())
        for group, row in sorted(groups.items())
    ]


def _calibration(metrics: dict) -> list[tuple[str, dict | None]]:
    """Before and after scaling, where calibration is part of the task."""
    found = metrics.get("calibration")
    return [(when, found[when]) for when in ("before", "after")] if found else []


def _row(metric: str, where: str, summary: dict | None) -> dict:
    if summary is None:
        return {"type": metric, "value": "undefined", "slice": where}
    counts = (
        f"{summary['n_cases']} cases of {summary['n_subjects']} subjects, "
        f"undefined in {summary['n_undefined']}"
    )
    return {
        "type": metric,
        "value": _text(summary["mean"] if "mean" in summary else summary["value"]),
        "slice": f"{where}; {counts}",
        "confidenceInterval": {
            "lowerBound": _text(summary["ci95_low"]),
            "upperBound": _text(summary["ci95_high"]),
        },
    }


def _text(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.9g}"


def _considerations(model: dict, dataset: dict, metrics: dict, intended_use: dict) -> dict:
    """Whom and what the model is for, and its limits: as people wrote them, then those that the records
    show."""
    said = [
        model["notice"],
        f"One data set: {dataset['dataset']['name']}; modality {model['modality']}. "
        f"These records show no other.",
    ]
    said += (
        [f"{len(metrics['excluded'])} cases were left out of the evaluation"] if metrics["excluded"] else []
    )
    return {
        "users": [f"{one['who']}: {one['does']}" for one in intended_use["users"]],
        "useCases": [intended_use["purpose"]],
        "technicalLimitations": [*intended_use["must_not_be_used"], *intended_use["limits"], *said],
    }
