"""Telling: from probabilities of a case to the classes that are told, and how unsure that is. NumPy alone,
the same for evaluation and for whoever predicts."""

from collections.abc import Sequence

import numpy as np

from radiotrace.inference.picture import Kind


def told(p: np.ndarray, called: np.ndarray, labels: Sequence[str], kind: str) -> tuple[str, ...]:
    """The classes that are told of a case.

    Args:
        p, called: of the labels after the first.
        labels: all, in their order.
        kind: class: the one called where there are two, else the most probable; classes: all that are called.
    """
    names = labels[1:]
    if kind == "classes":
        return tuple(name for name, one in zip(names, called, strict=True) if one)
    if len(names) == 1:
        return (names[0] if called[0] else labels[0],)
    return (labels[int(np.concatenate([[1 - p.sum()], p]).argmax())],)


def with_rest(p: np.ndarray, kind: Kind) -> np.ndarray:
    """Probabilities of everything that excludes each other: (…, labels) of a case with one class,
    (…, labels - 1, 2) where each label is there or not."""
    if kind == "class":
        return np.concatenate([1 - p.sum(-1, keepdims=True), p], -1)
    return np.stack([1 - p, p], -1)


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


def _entropy(whole: np.ndarray) -> np.ndarray:
    """In nats over the last axis; what is 0 adds nothing."""
    p = np.clip(whole, 0, 1)
    return -(p * np.log(np.where(p > 0, p, 1))).sum(-1)
