"""Entries of the record 'cases', out of the logits of each pass and what was decided on the validation part;
for the stage, and for who makes them again."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

from radiotrace.classification import results
from radiotrace.classification.calibrated import Calibrator
from radiotrace.inference import picture
from radiotrace.inference.picture import Kind

ITSELF, DROPOUT, AUGMENTATION, ENSEMBLE = "prediction", "dropout", "augmentation", "ensemble"


def with_rest(p: np.ndarray, kind: Kind) -> np.ndarray:
    """Probabilities of everything that excludes each other: (…, labels) of a case with one class,
    (…, labels - 1, 2) where each label is there or not."""
    if kind == "class":
        return np.concatenate([1 - p.sum(-1, keepdims=True), p], -1)
    return np.stack([1 - p, p], -1)


def _entropy(whole: np.ndarray) -> np.ndarray:
    """In nats over the last axis."""
    return special.entr(np.clip(whole, 0, 1)).sum(-1)


def scores(passes: np.ndarray, kind: Kind) -> dict[str, float | None]:
    """How unsure passes are: entropy of their mean probability, as a share of the most that it can be, and
    what they disagree by (mutual information, nats; None of one pass).

    Args:
        passes: (passes, labels - 1), probabilities.
    """
    whole = with_rest(passes, kind)
    of_mean, of_each = _entropy(whole.mean(0)), _entropy(whole).mean(0)
    score = float(np.mean(of_mean) / np.log(whole.shape[-1]))
    mutual = max(float(np.mean(of_mean - of_each)), 0.0) if len(passes) > 1 else None
    return {"score": min(max(score, 0.0), 1.0), "mutual_information": mutual}


def uncertainty(prediction: Mapping[str, Any], calibrator: Calibrator) -> dict[str, dict[str, float | None]]:
    """Kind -> scores of a case.

    Args:
        prediction: logits, and the passes of each kind, as the stage writes them. Members of an ensemble are
            not calibrated, each of which would need a line of its own.
    """
    kind = calibrator.kind
    found = {ITSELF: scores(calibrator(np.array([prediction["logits"]], float)), kind)}
    for name in (DROPOUT, AUGMENTATION):
        if prediction[name]:
            found[name] = scores(calibrator(np.array(prediction[name], float)), kind)
    if prediction[ENSEMBLE]:
        found[ENSEMBLE] = scores(picture.probabilities(np.array(prediction[ENSEMBLE], float), kind), kind)
    return found


def entry(
    about: Mapping[str, Any],
    prediction: Mapping[str, Any],
    reference: Sequence[str],
    labels: Sequence[str],
    calibrator: Calibrator,
    decided: Mapping[str, Any],
) -> dict[str, Any]:
    """An entry of the record 'cases'.

    Args:
        about: case_id, subject_id, prediction and prediction_sha256.
        prediction: content of that file.
        reference: classes that the case has.
        labels: all, in their order.
        decided: the part 'decisions' of the record of metrics.
    """
    names = tuple(labels[1:])
    logits = np.array([prediction["logits"]], float)
    p, raw = calibrator(logits)[0], picture.probabilities(logits, calibrator.kind)[0]
    thresholds = [decided["operating_points"][name]["threshold"] for name in names]
    called = p >= np.array(thresholds)
    unsure = uncertainty(prediction, calibrator)
    return {
        **about,
        "reference": list(reference),
        "told": list(results.told(p, called, labels, calibrator.kind)),
        "labels": results.label_rows(p, raw, [name in reference for name in names], thresholds, names),
        "uncertainty": unsure,
        "flagged": {
            kind: None if above is None else unsure[kind]["score"] > above
            for kind, above in decided["flag_above"].items()
        },
    }
