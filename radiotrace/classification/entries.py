"""Entries of the record 'cases', out of the logits of each pass and what was decided on the validation part;
for the stage, and for who makes them again."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from radiotrace.classification import results, telling
from radiotrace.classification.calibrated import Calibrator
from radiotrace.inference import picture

ITSELF, DROPOUT, AUGMENTATION, ENSEMBLE = "prediction", "dropout", "augmentation", "ensemble"


def uncertainty(prediction: Mapping[str, Any], calibrator: Calibrator) -> dict[str, dict[str, float | None]]:
    """Kind -> scores of a case.

    Args:
        prediction: logits, and the passes of each kind, as the stage writes them. Members of an ensemble are
            not calibrated, each of which would need a line of its own.
    """
    kind = calibrator.kind
    found = {ITSELF: telling.scores(calibrator(np.array([prediction["logits"]], float)), kind)}
    for name in (DROPOUT, AUGMENTATION):
        if prediction[name]:
            found[name] = telling.scores(calibrator(np.array(prediction[name], float)), kind)
    if prediction[ENSEMBLE]:
        found[ENSEMBLE] = telling.scores(
            picture.probabilities(np.array(prediction[ENSEMBLE], float), kind), kind
        )
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
        "told": list(telling.told(p, called, labels, calibrator.kind)),
        "labels": results.label_rows(p, raw, [name in reference for name in names], thresholds, names),
        "uncertainty": unsure,
        "flagged": {
            kind: None if above is None else unsure[kind]["score"] > above
            for kind, above in decided["flag_above"].items()
        },
    }
