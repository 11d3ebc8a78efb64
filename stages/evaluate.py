"""evaluate: predicts the test part on the grid of the original images and compares with the reference.

Reads   data/, build/ingest/dataset.json, build/split/split.json, build/train/train.json and weights.safetensors
Writes  build/evaluate/: predictions/, provenance.json
        metrics/: metrics.json, cases.json, training.svg, test_cases.svg
Params  seed, evaluate.*
Stops   when a raw file was changed after ingest
The only stage that opens the test part's label maps.
"""
import argparse
import json
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from radiotrace import parallel, params, records, runs, stage
from radiotrace.evaluation import figures, metrics, statistics
from radiotrace.images import volumes
from radiotrace.learning import inference, networks, numerics
from radiotrace.stage import StageError


def compare(reference_zyx: np.ndarray, prediction_zyx: np.ndarray, labels: dict[str, str], spacing_zyx, tolerance_mm: float) -> dict:
    """Overlap, distance of surfaces and both volumes of each label, by name."""
    voxel_mm3 = float(np.prod(spacing_zyx))

    def row(reference, prediction):
        return {"dice": metrics.dice(reference, prediction),
                "surface_dice": metrics.surface_dice(reference, prediction, spacing_zyx, tolerance_mm),
                "hausdorff95_mm": metrics.hausdorff95(reference, prediction, spacing_zyx),
                "reference_mm3": int(reference.sum()) * voxel_mm3, "prediction_mm3": int(prediction.sum()) * voxel_mm3}

    return {name: row(reference_zyx == int(value), prediction_zyx == int(value)) for value, name in labels.items() if value != "0"}


@lru_cache(maxsize=1)  # once per process; the hash, because a worker of a cluster outlives the file
def load_network(spec_json: str, weights: str, sha256: str):
    """The trained network.

    Args:
        spec_json: canonical text of what networks.build takes.
        weights, sha256: its weights, and their hash by the record of the training run.

    Raises:
        StageError: the weights are of another run.
    """
    if (found := records.sha256(weights)) != sha256:
        raise StageError(f"{weights} was changed after training", [f"SHA-256 found {found}, expected {sha256}"],
                         "Run 'dvc checkout' to restore it, or 'dvc repro' to make it again.")
    network = networks.build(json.loads(spec_json), seed=0)
    networks.load_state(network, load_file(weights))
    return network.eval()


def configure(name: str, threads: int, expected: str) -> None:
    """numerics.configure, in a process that may stand elsewhere and may have computed before.

    Raises:
        StageError: it does not use the expected instruction set, and so would give other bytes.
    """
    try:
        found = numerics.configure(name, threads)
    except RuntimeError as error:
        found = str(error)
    if found != expected:
        raise StageError("a worker computes in another way than the machine of the stage", [f"found {found}, expected {expected}"],
                         "Use machines of one kind; restart workers that have run with other numerics.")


def original(case: dict, kind: str, raw: Path):
    """The image or label map of a case as it was handed in."""
    return volumes.read_canonical(raw / case[kind]["path"], case[kind]["sha256"])


def predict(case: dict, raw: Path, out: Path, weights: str, train: dict, p: dict, instructions: str) -> dict:
    """Writes the prediction of one case and returns its entry of the record 'cases'.

    Args:
        case: case_id, subject_id, and path and sha256 of image and label_map.
        train: network, weights_sha256, preprocessing, labels and numerics of the training run.
        p: the section evaluate of params.yaml.
        instructions: what numerics.configure says on the machine that runs the stage.
    """
    configure(train["numerics"], p["threads"], instructions)
    network = load_network(records.dumps(train["network"]), weights, train["weights_sha256"])
    reference, path = original(case, "label_map", raw), Path(f"{case['case_id']}.nii.gz")
    prediction, _ = inference.segment(original(case, "image", raw), network, train["preprocessing"])
    volumes.write(prediction, out / "predictions" / path)
    return {"case_id": case["case_id"], "subject_id": case["subject_id"],
            "prediction": path.as_posix(), "prediction_sha256": records.sha256(out / "predictions" / path),
            "labels": compare(volumes.array_zyx(reference), volumes.array_zyx(prediction), train["labels"],
                              volumes.to_zyx(reference.GetSpacing()), p["surface_tolerance_mm"])}


def summarise(cases: list[dict], resamples: int, seed: int) -> dict:
    """Dice, distance of surfaces and volume error (prediction minus reference) over cases: each label, and the mean of a case's labels.

    Args:
        cases: entries of the record 'cases'.
    """
    subject_of = {case["case_id"]: case["subject_id"] for case in cases}

    def over_cases(value_of):
        names = list(cases[0]["labels"])
        values = {name: {case["case_id"]: value_of(case["labels"][name]) for case in cases} for name in names}
        values["mean_of_labels"] = {case["case_id"]: metrics.mean_defined(values[name][case["case_id"]] for name in names) for case in cases}
        return {name: statistics.summary(values[name], subject_of, resamples, seed) for name in values}

    def error_percent(row):
        return 100 * (row["prediction_mm3"] - row["reference_mm3"]) / row["reference_mm3"] if row["reference_mm3"] else None

    return {"n_cases": len(cases), "n_subjects": len(set(subject_of.values())),
            **{measure: over_cases(lambda row, measure=measure: row[measure]) for measure in ("dice", "surface_dice", "hausdorff95_mm")},
            "volume_error_mm3": over_cases(lambda row: row["prediction_mm3"] - row["reference_mm3"]),
            "volume_error_percent": over_cases(error_percent)}


def worst_median_best(cases: list[dict]) -> dict[str, str]:
    """Which cases to show: those of lowest, median and highest mean Dice over labels; undefined counts as lowest."""
    def mean(case):
        value = metrics.mean_defined(row["dice"] for row in case["labels"].values())
        return (-1.0 if value is None else value, case["case_id"])

    ranked = [case["case_id"] for case in sorted(cases, key=mean)]
    return {"worst": ranked[0], "median": ranked[len(ranked) // 2], "best": ranked[-1]}


def dice_text(rows: dict) -> str:
    """Dice of each label of one case, for a title."""
    return ", ".join(f"{name} " + ("undefined" if row["dice"] is None else f"{row['dice']:.2f}") for name, row in rows.items())


def figure_row(title: str, image, reference, prediction) -> dict:
    """Arrays for figures.outlines, turned to LPS so that every case is seen from the same side."""
    turned = [volumes.canonical(volume, "LPS", None, is_label_map=True) for volume in (image, reference, prediction)]
    return {"title": title, "spacing_zyx": volumes.to_zyx(turned[0].GetSpacing()),
            **dict(zip(("image_zyx", "reference_zyx", "prediction_zyx"), map(volumes.array_zyx, turned), strict=True))}


def main(args):
    p = params.load(args.params, "evaluate", seed=True)
    train = records.read(args.train, "train")
    instructions = numerics.configure(train["params"]["numerics"], p["threads"])
    described = {case["case_id"]: case for case in records.read(args.dataset, "dataset")["cases"]}
    split = records.read(args.split, "split")
    labels, raw, metrics_folder = train["labels"], Path(args.data), Path(args.metrics)
    test = {case_id: {"case_id": case_id, "subject_id": row["subject_id"],
                      **{kind: {key: described[case_id][kind][key] for key in ("path", "sha256")} for kind in ("image", "label_map")}}
            for case_id, row in sorted(split["cases"].items()) if row["part"] == "test"}
    trained = {**{key: train[key] for key in ("network", "weights_sha256", "preprocessing", "labels")}, "numerics": train["params"]["numerics"]}
    with stage.output_folder(args.out) as out, parallel.pool(args, p["threads"]) as each:
        cases = []
        for case in each(predict, test.values(), raw=raw, out=out, weights=args.weights, train=trained, p=p, instructions=instructions):
            cases.append(case)
            if (number := len(cases)) % 10 == 0 or number == len(test):
                stage.log(f"evaluate: {number}/{len(test)} cases")
        rows_of = {case["case_id"]: case["labels"] for case in cases}
        shown = [figure_row(f"{rank} of {len(test)} test cases: {case_id}, Dice {dice_text(rows_of[case_id])}",
                            original(test[case_id], "image", raw), original(test[case_id], "label_map", raw),
                            volumes.read(out / "predictions" / f"{case_id}.nii.gz"))
                 for rank, case_id in worst_median_best(cases).items()]
        pictures = {"test_cases.svg": figures.outlines(shown, labels), "training.svg": figures.training_curve(train["history"])}
        summary = {"run_id": train["run_id"], "part": "test", "excluded": train["excluded"],
                   "surface_tolerance_mm": p["surface_tolerance_mm"], **summarise(cases, p["resamples"], p["seed"])}
        records.write(out / "provenance.json", runs.provenance(
            __file__, p, args.requirements, [args.dataset, args.split, args.train, args.weights]), "provenance")
        for name, content in pictures.items():
            records.write_bytes(metrics_folder / name, content)
        records.write(metrics_folder / "cases.json", {
            "run_id": train["run_id"], "part": "test", "excluded": train["excluded"], "cases": cases}, "cases")
        records.write(metrics_folder / "metrics.json", summary, "metrics")
    stage.log(f"evaluate: wrote {args.metrics}/ and {args.out}/")


parser = argparse.ArgumentParser(prog="evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                 parents=[parallel.options()])
parser.add_argument("--data", required=True, help="folder of raw data")
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--split", required=True, help="record of the split")
parser.add_argument("--train", required=True, help="record of the training run")
parser.add_argument("--weights", required=True, help="trained weights")
parser.add_argument("--out", required=True, help="folder to write")
parser.add_argument("--metrics", required=True, help="folder of the small files that git keeps")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
