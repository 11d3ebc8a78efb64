"""monitor, of a classifier: what is compared of new pictures, their features, what is told of them, and what
the network sees in them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from radiotrace import records
from radiotrace.commands import new_pictures
from radiotrace.commands.new_pictures import Pictures, Unfit
from radiotrace.errors import StageError, log

Subjects = Callable[[str, list[str], list[str]], dict[str, str]]


def observed(args, weights_sha256: str, subjects: Subjects) -> tuple[list[dict[str, Any]], list[str]]:
    """Each new picture, as monitoring.report takes it, and the SHA-256 of their files.

    Args:
        weights_sha256: of the model whose reference it is.
        subjects: reads a table of cases -> subjects (commands/monitor.py).

    Raises:
        StageError: records are of another model, or pictures are no good; every fault.
    """
    import numpy as np

    from radiotrace.classification import features, telling
    from radiotrace.classification.calibrated import Calibrator
    from radiotrace.classification.model import BATCH, TrainedClassifier
    from radiotrace.inference import picture
    from radiotrace.learning import numerics
    from radiotrace.records.classification.metrics import Metrics
    from radiotrace.records.classification.train import ClassificationRun

    run = ClassificationRun.of(records.read(args.train, "train_classification"))
    metrics = Metrics.of(records.read(args.metrics, "metrics_classification"))
    faults = []
    if weights_sha256 != run.weights_sha256:
        faults.append(
            f"{args.reference}: SHA-256 of the weights: found {weights_sha256}, expected {run.weights_sha256}"
        )
    if metrics.run_id != run.run_id:
        faults.append(f"{args.metrics}: run found {metrics.run_id}, expected {run.run_id}")
    if args.channels is not None:
        faults.append("--channels: a picture is one file; the model takes no such option")
    if not Path(args.weights).is_file():
        faults.append(f"{args.weights} is missing")
    if faults:
        raise StageError(
            f"nothing was compared: these are not of the model of {args.train}",
            faults,
            "Name the records that were written with this model; 'dvc pull' brings those of the locked run.",
        )
    numerics.configure(run.params.numerics, run.params.threads)
    model = TrainedClassifier.of(run, args.weights)
    calibrator = Calibrator.of(metrics.decisions, model.kind, model.names)
    found = new_pictures.listed([Path(name) for name in args.new_cases], faults)
    subject_of = subjects(args.subjects, [one.case_id for one in found], faults) if args.subjects else {}
    reader, recipe = Pictures(model.recipe.channels), model.recipe
    images, first_with = {}, {}
    for one in found:
        try:
            image, read = reader.read(one)
            images[one.case_id] = new_pictures.turned(image, recipe.orientation, recipe.spacing_mm)
        except Unfit as unfit:
            faults += [f"{one.case_id}: {finding}" for finding in unfit.findings]
            continue
        if (first := first_with.setdefault(read.sha256, one.case_id)) != one.case_id:
            faults.append(f"{one.case_id}: the same bytes as {first}")
    if faults:
        raise StageError(f"{len(faults)} faults in NEW_CASES", faults, "Correct them, or leave them out.")
    names, cases = sorted(images), []
    for start in range(0, len(names), BATCH):
        of_batch = names[start : start + BATCH]
        pixels = np.stack([picture.prepared(images[name], recipe) for name in of_batch])
        p, embeddings = calibrator(model.logits(pixels)), model.embeddings(pixels)
        for name, row, embedding in zip(of_batch, p, embeddings, strict=True):
            score = telling.scores(row[None], model.kind)["score"] or 0.0
            cases.append(
                {
                    "case_id": name,
                    "subject_id": subject_of.get(name),
                    "embedding": embedding,
                    "features": features.describe(images[name], row.tolist(), model.names, score),
                }
            )
        log(f"monitor: {len(cases)}/{len(names)} pictures")
    return cases, sorted(first_with)
