"""Calibrated: from the logits of a case to probabilities, by what was decided on the validation part."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from radiotrace.inference import picture
from radiotrace.inference.picture import Kind
from radiotrace.records.classification.metrics import Decisions, Line
from radiotrace.statistics import probabilities


@dataclass(frozen=True)
class Calibrator:
    """What is made of logits.

    Attributes:
        temperature: that all are divided by; None for none.
        lines: of each name; () for none. Of one class a case with two labels, and of several, a line turns
            the logit of each label's probability.
    """

    kind: Kind
    temperature: float | None = None
    lines: tuple[Line, ...] = ()

    @classmethod
    def of(cls, decided: Decisions, kind: Kind, names: tuple[str, ...]) -> "Calibrator":
        """Of the record."""
        lines = tuple(decided.lines[name] for name in names) if decided.lines else ()
        return cls(kind, decided.temperature, lines)

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities of the labels after the first, (n, labels - 1), of logits as
        picture.probabilities takes them."""
        if self.temperature is not None:
            return picture.probabilities(logits / self.temperature, self.kind)
        raw = picture.probabilities(logits, self.kind)
        if not self.lines:
            return raw
        slopes, intercepts = (np.array([getattr(line, name) for line in self.lines]) for name in LINE)
        return special.expit(slopes * log_odds(logits, self.kind) + intercepts)


LINE = ("slope", "intercept")


def log_odds(logits: np.ndarray, kind: Kind) -> np.ndarray:
    """Of each label after the first, (n, labels - 1): its logit against all other labels together."""
    if kind == "classes":
        return logits.astype(np.float64)
    values = logits.astype(np.float64)
    columns = []
    for label in range(1, values.shape[1]):
        others = np.delete(values, label, axis=1)
        columns.append(values[:, label] - special.logsumexp(others, axis=1))
    return np.stack(columns, 1)


def fitted(
    how: str, logits: np.ndarray, positive: np.ndarray, kind: Kind, names: tuple[str, ...]
) -> tuple[Calibrator, list[str]]:
    """The calibrator of the validation part, and what is to be said of it.

    Args:
        how: platt, temperature or none. Platt's lines are for labels that are told one by one; where a case
            has one class of three or more, probabilities must add up to 1, so that a temperature is taken.
        logits: (n, outputs). positive: (n, names) bool.

    Source: Platt 1999; Guo et al. 2017, arXiv:1706.04599.
    """
    if how == "none" or not len(logits):
        return Calibrator(kind), []
    if how == "temperature" or (kind == "class" and len(names) > 1):
        return Calibrator(kind, temperature=_temperature(logits, positive, kind)), []
    found, said = [], []
    for name, scores, has in zip(names, log_odds(logits, kind).T, positive.T, strict=True):
        [line] = probabilities.fit_platt(scores, has).lines
        if line.slope is None or line.intercept is None or line.slope <= 0:
            why = line.reason or f"slope {line.slope:g}"
            said.append(f"{name}: no line of calibration ({why}); probabilities stay as they are")
            found.append(Line(1.0, 0.0))
        else:
            found.append(Line(line.slope, line.intercept))
    return Calibrator(kind, lines=tuple(found)), said


def _temperature(logits: np.ndarray, positive: np.ndarray, kind: Kind) -> float:
    """Of the least log loss."""
    if kind == "classes":
        return probabilities.fit_temperature(logits.ravel(), positive.ravel())
    number = np.where(positive.any(1), 1 + positive.argmax(1), 0)
    return probabilities.fit_temperature(logits, number)
