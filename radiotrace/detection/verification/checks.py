"""What verify makes again of a study of detection, level by level; as
radiotrace/segmentation/verification/checks.py says what a task has here."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.verify import believed, differences, judged
from radiotrace.evidence.verify.derived import TRAIN, Sources
from radiotrace.evidence.verify.judged import Judged
from radiotrace.evidence.verify.levels import Check, Clone
from radiotrace.pipeline import tasks
from radiotrace.records.dataset import Dataset
from radiotrace.records.detection.boxes import Boxes
from radiotrace.records.detection.metrics import Decisions, Metrics
from radiotrace.records.detection.prediction import Prediction
from radiotrace.records.sections.detection.evaluate import EvaluateParams

if TYPE_CHECKING:
    from radiotrace.detection.results import Summary

TASK = "detection"
BOXES = "build/boxes/boxes.json"
OPENED = {
    "evaluate": "metrics/metrics.json",
    "robustness": "metrics/robustness.json",
    "explain": "build/explain/explain.json",
}
# of metrics.json: what follows from cases alone, and what needs images
OF_CASES = ("n_cases", "n_subjects", "operating_points", "worst_cases")
NOT_OF_BOXES = ("subgroups",)
RELEASED = "the released graph finds what was measured"
PREDICTED = "the model predicts what was measured"
TOLERANCE = 1e-5  # of a score that is computed again on a machine of the same kind
TOLERANCE_VOXELS = 1e-2


def trained(sources: Sources) -> list[str]:
    """What the record of training says of its cases, labels and boxes: they are those of the split and of the
    reference."""
    from collections import Counter

    train, reference = sources.train, Boxes.of(sources["boxes"])
    keys = ("cases", "labels", "excluded", "params", "box_counts")
    stated = {key: train[key] for key in keys}
    made = {
        "cases": {part: sources.part(part) for part in train["cases"]},
        "labels": sources["split"]["labels"],
        "excluded": sources["split"]["excluded"],
        "params": sources.params("train"),
        "box_counts": dict(
            Counter(box.label for case_id in sources.part("train") for box in reference.cases[case_id])
        ),
    }
    return differences.compared(TRAIN, stated, made)


def reference_counts(sources: Sources) -> list[str]:
    """Counts of boxes, and which people left out, from the boxes and the parameters."""
    from collections import Counter

    stated, reference = sources["boxes"], Boxes.of(sources["boxes"])
    counts = Counter(box.label for boxes in reference.cases.values() for box in boxes)
    settings = sources.params("boxes")
    made = {
        "counts": {name: counts[name] for name in stated["counts"]},
        "empty": sum(not boxes for boxes in reference.cases.values()),
        "left_out": settings["left_out"],
        "source": settings["source"],
    }
    faults = differences.compared("boxes.json", {key: stated[key] for key in made}, made)
    there, expected = set(reference.cases), set(sources["split"]["cases"])
    faults += [f"boxes.json: {case_id} is not in the split" for case_id in sorted(there - expected)]
    return faults + [f"boxes.json: {case_id} is missing" for case_id in sorted(expected - there)]


def numbers_of_cases(sources: Sources) -> list[str]:
    """What each case says of its boxes: numbers agree with those of the reference, and with each other."""
    from radiotrace.detection.measures import Counted, row

    reference, faults = Boxes.of(sources["boxes"]), []
    for case in sources["cases"]["cases"]:
        boxes = reference.cases[case["case_id"]]
        for name, stated in case["labels"].items():
            own = {number for number, box in enumerate(boxes, 1) if box.label == name}
            made = {
                "n_true": len(own),
                "found": len(own) - len(stated["missed"]),
                "n_shown": stated["found"] + len(stated["invented"]),
                **row(Counted(stated["found"], len(stated["missed"]), len(stated["invented"]))),
            }
            place = f"cases.json: {case['case_id']}: {name}"
            faults += differences.compared(place, {key: stated[key] for key in made}, records.canonical(made))
            if strange := sorted(set(stated["missed"]) - own):
                faults.append(f"{place}: missed {strange} are no boxes of it")
    return faults


def headline(sources: Sources) -> list[str]:
    """The headline from the metrics."""
    from radiotrace.detection import results

    made = records.canonical(results.headline(Metrics.of(sources["metrics"])))
    return differences.compared("headline.json", sources["headline"], made)


def released(sources: Sources) -> list[str]:
    """What of model.json other records say."""
    model, train, decided = sources["model"], sources.train, sources["metrics"]["decisions"]
    keys = ("run_id", "weights_sha256", "network", "labels", "preprocessing")
    settings = sources.params("evaluate")
    made = {key: train[key] for key in keys} | {
        "lines": decided["lines"],
        "operating_points": decided["operating_points"],
        "selection": {key: settings[key] for key in ("score_min", "boxes_max", "suppress_overlap")},
    }
    return differences.compared("model.json", {key: model.get(key) for key in made}, made)


def envelope(sources: Sources) -> list[str]:
    """Which severities hold, and up to which all do."""
    stated = sources["robustness"]
    limit, faults = stated["criterion_ap50"], []
    for name, rows in stated["corruptions"].items():
        strongest, still = 0, True
        for row in rows:
            value = row["map50"]["value"]
            holds = value is not None and value >= limit
            still = still and holds
            strongest = row["severity"] if still else strongest
            if row["holds"] != holds:
                faults.append(f"robustness.json: {name} {row['severity']}: holds is {row['holds']}")
        if stated["envelope"].get(name) != strongest:
            found = stated["envelope"].get(name)
            faults.append(f"robustness.json: envelope of {name} is {found}, expected {strongest}")
    return faults


DERIVED = {
    "training is of the split, of its boxes and of its parameters": trained,
    "boxes are of the split and of their parameters": reference_counts,
    "what cases say of their boxes agrees": numbers_of_cases,
    "the headline follows from the metrics": headline,
    "the released model is the one that was measured": released,
    "the envelope follows from the severities": envelope,
}


def _prediction(run: Judged, case: dict) -> Prediction:
    """The boxes that were found in a case.

    Raises:
        StageError: the file is not the one that was recorded.
    """
    path = run.predictions / case["prediction"]
    if records.sha256(path) != case["prediction_sha256"]:
        raise StageError(f"{path} is not the prediction that was recorded", way_out="Run 'dvc checkout'.")
    return Prediction.of(json.loads(path.read_text("utf-8")))


def _reference(run: Judged) -> Boxes:
    """The boxes of the reference, which lie beside the predictions of a study."""
    root = run.predictions.parents[3]
    return Boxes.of(records.read(root / BOXES, "boxes"))


def again(run: Judged, fault: str | None = None) -> tuple[list[dict], "Summary"]:
    """The entry of each test case, made again from its boxes, under a seeded fault; and what follows of
    all."""
    from radiotrace.detection import matching, results

    settings, decided = EvaluateParams.of(run.params), Decisions.of(run.metrics["decisions"])
    reference = _reference(run)
    scores = {name: point.score for name, point in decided.operating_points.items()}
    predictions = [_prediction(run, case) for case in run.cases]
    if fault == "swap labels":
        names = list(scores)
        other = dict(zip(names, [*names[1:], names[0]], strict=True))
        predictions = [
            Prediction(tuple(replace(box, label=other[box.label]) for box in one.boxes))
            for one in predictions
        ]
    if fault == "shuffle cases":
        predictions = [*predictions[1:], predictions[0]]
    about = ("case_id", "subject_id", "prediction", "prediction_sha256")
    of_cases = [reference.cases[case["case_id"]] for case in run.cases]
    rows = [
        matching.entry({key: case[key] for key in about}, boxes, prediction, scores, settings.hit_overlap)
        for case, boxes, prediction in zip(run.cases, of_cases, predictions, strict=True)
    ]
    rows = records.canonical(rows)
    return rows, results.Summary(rows, of_cases, predictions, settings)


def _of_boxes(run: Judged, summary: "Summary") -> dict[str, Any]:
    """What of metrics.json follows from boxes."""
    made = records.canonical(summary.all(Decisions.of(run.metrics["decisions"]), {}))
    return {key: value for key, value in made.items() if key not in NOT_OF_BOXES}


def under(run: Judged, fault: str) -> dict:
    """The record 'metrics' under a seeded fault of the predictions."""
    _, summary = again(run, fault)
    return run.metrics | _of_boxes(run, summary)


def measured(clone: Clone) -> Check:
    """Level 4: each case's measures and all summaries, made again from boxes."""
    run = judged.read(clone.root, tasks.declared(TASK))
    rows, summary = again(run)
    faults = []
    for case, made in zip(run.cases, rows, strict=True):
        faults += differences.compared(f"metrics/cases.json: {case['case_id']}", case, made)
    for name, value in _of_boxes(run, summary).items():
        faults += differences.compared(f"metrics/metrics.json: {name}", run.metrics.get(name), value)
    return Check(4, believed.MEASURED, faults, ["subgroups: they need the record of images, level 5"])


def _unlike(
    case_id: str, stated: Prediction, found: Prediction, tolerance: float, voxels: float
) -> list[str]:
    """Where boxes are not those that were measured; those of each label near its lowest score apart, of which
    rounding decides whether they are kept."""
    import numpy as np

    lowest: dict[str, float] = {}
    for box in stated.boxes:
        lowest[box.label] = min(lowest.get(box.label, 1.0), box.score)
    faults = []
    for label in sorted({box.label for one in (stated, found) for box in one.boxes}):
        limit = lowest.get(label, 0.0) + tolerance
        # of equal scores either may come first
        old, new = (
            sorted(
                (box for box in one.boxes if box.label == label and box.score > limit),
                key=lambda box: (np.round(box.low_voxels, 1).tolist(), np.round(box.high_voxels, 1).tolist()),
            )
            for one in (stated, found)
        )
        if len(old) != len(new):
            faults.append(f"{case_id}: {len(new)} boxes of {label}, measured {len(old)}")
            continue
        for before, after in zip(old, new, strict=True):
            corners = np.subtract(
                (*before.low_voxels, *before.high_voxels), (*after.low_voxels, *after.high_voxels)
            )
            if not (abs(before.score - after.score) <= tolerance and np.abs(corners).max() <= voxels):
                faults.append(f"{case_id}: {label} {after.score:.6f}, measured {before.score:.6f}")
    return faults


def predicted(clone: Clone) -> list[str]:
    """Level 5: the boxes of each test case, found again."""
    from radiotrace.detection.decoding import Selection
    from radiotrace.detection.model import TrainedDetector
    from radiotrace.imaging import canonical_images
    from radiotrace.learning import numerics
    from radiotrace.records.detection.train import DetectionRun
    from radiotrace.records.typed import picked

    root = clone.root
    of = judged.read(root, tasks.declared(TASK))
    run = DetectionRun.of(records.read(root / "build/train/train.json", "train_detection"))
    settings = EvaluateParams.of(of.params)
    numerics.configure(run.params.numerics, settings.threads)
    model = TrainedDetector.of(run, root / "build/train/weights.safetensors")
    entry_of = {case.case_id: case for case in Dataset.of(of.dataset).cases}
    faults = []
    for case in of.cases:
        image = canonical_images.image(
            root / "build/ingest/volumes", entry_of[case["case_id"]], model.recipe.channels
        )
        found = model.predicted(image, picked(Selection, settings))
        faults += _unlike(case["case_id"], _prediction(of, case), found, TOLERANCE, TOLERANCE_VOXELS)
    return faults


def released_again(clone: Clone) -> list[str]:
    """Level 5: what model.onnx finds in each test case, by model.json alone, against what was measured."""
    import hashlib

    from radiotrace.detection import decoding, examples, preparation
    from radiotrace.detection import model as trained_model
    from radiotrace.detection import released as graph_of
    from radiotrace.detection.preparation import ImageRecipe
    from radiotrace.imaging import canonical_images
    from radiotrace.records.detection.model import ReleasedDetector
    from radiotrace.records.typed import picked

    root = clone.root
    run = judged.read(root, tasks.declared(TASK))
    model = ReleasedDetector.of(records.read(root / "build/export/model.json", "released_detector"))
    content = (root / "build/export" / model.file).read_bytes()
    if (digest := hashlib.sha256(content).hexdigest()) != model.sha256:
        return [f"build/export/{model.file}: SHA-256 {digest}, stated {model.sha256}"]
    graph = graph_of.session(content, 1)
    recipe = ImageRecipe.of(model.preprocessing, model.network.axes)
    names = examples.names_of(model.labels)
    selection = picked(decoding.Selection, model.selection)
    entry_of = {case.case_id: case for case in Dataset.of(run.dataset).cases}
    faults = []
    for case in run.cases:
        image = canonical_images.image(
            root / "build/ingest/volumes", entry_of[case["case_id"]], recipe.channels
        )
        cells = graph(preparation.prepared(image, recipe))
        boxes = decoding.decoded(*cells, model.network.cell_voxels, selection)
        found = trained_model.prediction(boxes, image.grid.size_voxels, recipe, names)
        agreed = model.parity
        faults += _unlike(
            case["case_id"],
            _prediction(run, case),
            found,
            agreed.score_tolerance,
            agreed.corner_tolerance_voxels * float(max(recipe.shrink)),
        )
    return faults


LEVELS = {
    4: ((believed.MEASURED, measured),),
    5: ((PREDICTED, predicted), (RELEASED, released_again)),
}
