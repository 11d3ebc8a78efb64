"""Operating points: the score from which boxes of a label are shown, chosen on the validation part."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from radiotrace.records.detection.metrics import ChosenPoint
from radiotrace.records.sections.detection.evaluate import OperatingSection
from radiotrace.statistics import detection_scores
from radiotrace.statistics.detection_scores import Image

UNCHOSEN = 0.5  # score where the validation part has no box of a label


def faults(rule: OperatingSection) -> list[str]:
    """What a rule lacks, by the names of params.yaml."""
    if rule.rule == "false_positives" and rule.most is None:
        return ["evaluate.operating_point.most: found null, expected false positives an image"]
    if rule.rule == "sensitivity" and rule.least is None:
        return ["evaluate.operating_point.least: found null, expected a sensitivity"]
    return []


def words(rule: OperatingSection) -> str:
    """A rule, for people."""
    return {
        "f1": "the highest F1 of all boxes",
        "false_positives": f"the highest sensitivity with at most {rule.most} false positives an image",
        "sensitivity": f"the fewest false positives with a sensitivity of {rule.least} at least",
    }[rule.rule]


def chosen(images: Sequence[Image], label: int, rule: OperatingSection, overlap: float) -> ChosenPoint:
    """The score of a label; a half where the part has no box of it, or no prediction, which its rule says.

    Args:
        overlap: IoU that a hit needs at least.
    """
    matches = detection_scores.matched(images, label, np.array([overlap]))
    n_true = int(matches.truth.sum())
    if not n_true or not len(matches.scores):
        return _none(f"{UNCHOSEN:g}: {n_true} boxes and {len(matches.scores)} predictions to choose by")
    last = np.flatnonzero(np.append(matches.scores[1:] != matches.scores[:-1], True))
    hits = np.cumsum(matches.hit[0])[last]
    alarms = np.cumsum(~matches.hit[0])[last]
    if rule.rule == "f1":
        # of equal ones the highest score: argmax takes the first
        best = int(np.argmax(2 * hits / (hits + alarms + n_true)))
    elif rule.rule == "false_positives":
        allowed = np.flatnonzero(alarms / len(images) <= (rule.most or 0))
        if not len(allowed):
            return _none(f"{UNCHOSEN:g}: even the highest score has more false positives", n_true)
        best = int(allowed[np.argmax(hits[allowed])])
    else:
        enough = np.flatnonzero(hits / n_true >= (rule.least or 1))
        if not len(enough):
            return _none(f"{UNCHOSEN:g}: no score has a sensitivity of {rule.least}", n_true)
        best = int(enough[0])
    return ChosenPoint(
        score=float(matches.scores[last[best]]),
        rule=words(rule),
        sensitivity=float(hits[best] / n_true),
        precision=float(hits[best] / (hits[best] + alarms[best])),
        false_positives=float(alarms[best] / len(images)),
        n_true=n_true,
    )


def _none(reason: str, n_true: int = 0) -> ChosenPoint:
    nothing: dict[str, Any] = {"sensitivity": None, "precision": None, "false_positives": 0.0}
    return ChosenPoint(score=UNCHOSEN, rule=reason, n_true=n_true, **nothing)
