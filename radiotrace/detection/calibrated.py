"""Calibrated: how likely a box of some score is a hit, as a line on its log odds, which is fitted to the
boxes of the validation part."""

from collections.abc import Mapping

import numpy as np
from scipy import special

from radiotrace.records.detection.metrics import Line
from radiotrace.statistics import probabilities

SMALLEST = 1e-6  # of a score, whose log odds are taken


def odds(scores: np.ndarray) -> np.ndarray:
    """Log odds of scores, which are kept off 0 and 1."""
    return special.logit(np.clip(np.asarray(scores, float), SMALLEST, 1 - SMALLEST))


def fitted(scores: np.ndarray, hits: np.ndarray) -> Line | None:
    """The line of a label; None where there is none, as where all boxes are hits, or where it would turn the
    order of scores round.

    Source: Platt 1999; as logistic recalibration, Cox 1958, doi:10.2307/2333203.
    """
    if not len(scores):
        return None
    found = probabilities.recalibration(odds(scores), hits).line
    if found.slope is None or found.intercept is None or found.slope <= 0:
        return None
    return Line(found.slope, found.intercept)


def probabilities_of(scores: np.ndarray, lines: Mapping[str, Line], name: str) -> np.ndarray:
    """How likely boxes of a label are hits; their scores where it has no line."""
    if name not in lines:
        return np.asarray(scores, float)
    return special.expit(lines[name].slope * odds(scores) + lines[name].intercept)
