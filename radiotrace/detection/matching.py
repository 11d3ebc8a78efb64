"""Matching: which boxes of a prediction are which boxes of the reference, as records have both; for the
stage, the page, and who makes it again."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from radiotrace.detection import measures
from radiotrace.detection.measures import Counted
from radiotrace.records.detection.boxes import Box
from radiotrace.records.detection.prediction import FoundBox, Prediction
from radiotrace.statistics import boxes as geometry
from radiotrace.statistics.detection_scores import Image


def corners(rows: Sequence[Box | FoundBox]) -> np.ndarray:
    """(n, 6), along x, y, z; a picture has z from 0 to 1, which changes neither areas nor overlaps."""
    return np.array([(*row.low_voxels, *row.high_voxels) for row in rows], float).reshape(-1, 6)


def image(reference: Sequence[Box], prediction: Prediction, names: Sequence[str]) -> Image:
    """As detection_scores takes both."""
    return Image(
        corners(reference),
        np.array([names.index(box.label) for box in reference], int),
        corners(prediction.boxes),
        np.array([names.index(box.label) for box in prediction.boxes], int),
        np.array([box.score for box in prediction.boxes], float),
    )


def shown(prediction: Prediction, name: str, score: float) -> list[int]:
    """Positions of the boxes of a label whose score is at least so high, from the highest."""
    return [place for place, box in enumerate(prediction.boxes) if box.label == name and box.score >= score]


def of_label(
    reference: Sequence[Box], prediction: Prediction, name: str, score: float, overlap: float
) -> dict[str, Any]:
    """The row of a label in an entry of the record 'cases': what of it was found at a score.

    Args:
        overlap: IoU that a hit needs at least.
    """
    true = [place for place, box in enumerate(reference) if box.label == name]
    called = shown(prediction, name, score)
    overlaps = geometry.iou(
        corners([prediction.boxes[place] for place in called]), corners([reference[place] for place in true])
    )
    [match] = geometry.match(overlaps, np.array([overlap]))
    hit = {true[place] for place in match if place >= 0}
    missed = [place + 1 for place in true if place not in hit]
    invented = [place + 1 for place, of in zip(called, match, strict=True) if of < 0]
    counted = Counted(len(hit), len(missed), len(invented))
    return {
        "n_true": len(true),
        "n_shown": len(called),
        "found": counted.found,
        "missed": missed,
        "invented": invented,
        **measures.row(counted),
    }


def entry(
    about: Mapping[str, Any],
    reference: Sequence[Box],
    prediction: Prediction,
    scores: Mapping[str, float],
    overlap: float,
) -> dict[str, Any]:
    """An entry of the record 'cases'.

    Args:
        about: case_id, subject_id, prediction and prediction_sha256.
        scores: label -> score from which its boxes are shown.
    """
    return {
        **about,
        "labels": {
            name: of_label(reference, prediction, name, score, overlap) for name, score in scores.items()
        },
    }
