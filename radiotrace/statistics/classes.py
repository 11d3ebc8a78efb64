"""Several classes, of which a case has one, or several labels, of which it may have any number.

Both are one class against the rest, column by column. A class that a statistic is undefined for, as one
without a positive case, is None and counted; the macro mean is over the others, and says of how many.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from radiotrace.statistics.discrimination import defined


@dataclass(frozen=True)
class OverClasses:
    """A statistic of each class against the rest.

    Attributes:
        by_class: name -> value, None where undefined.
        macro: mean over the classes that have one; None where none has.
        micro: of all pairs of case and class together; None where undefined.
        n_undefined: classes without a value.
    """

    by_class: dict[str, float | None]
    macro: float | None
    micro: float | None
    n_undefined: int


def one_hot(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """(n, classes) bool of the number of each case's class, (n,).

    Raises:
        ValueError: a number is not that of a class.
    """
    labels = np.asarray(labels)
    if ((labels < 0) | (labels >= n_classes)).any():
        raise ValueError(f"classes {np.unique(labels).tolist()}, expected 0 to {n_classes - 1}")
    return labels[:, None] == np.arange(n_classes)


def one_vs_rest(
    statistic: Callable[[np.ndarray, np.ndarray], float | None],
    scores: np.ndarray,
    truth: np.ndarray,
    names: list[str],
    known: np.ndarray | None = None,
) -> OverClasses:
    """A statistic of one class, such as `discrimination.auroc`, of each class.

    Args:
        statistic: (scores (n,), positive (n,) bool) -> value, None or NaN where undefined.
        scores: (n, classes). Micro puts scores of several classes into one order: they must be comparable.
        truth: (n, classes) bool, as `one_hot` gives it, or several labels.
        known: (n, classes) bool, which of truth is known; what is not is left out. None: all.

    Raises:
        ValueError: shapes differ.
    """
    known = np.ones(truth.shape, bool) if known is None else known
    shapes = {scores.shape, truth.shape, known.shape}
    if len(shapes) > 1 or truth.shape[1:] != (len(names),):
        raise ValueError(f"shapes {sorted(shapes)} and {len(names)} names, expected (n, {len(names)})")
    by_class = {}
    for column, name in enumerate(names):
        kept = known[:, column]
        by_class[name] = _defined(statistic(scores[kept, column], truth[kept, column]))
    values = [value for value in by_class.values() if value is not None]
    return OverClasses(
        by_class,
        float(np.mean(values)) if values else None,
        _defined(statistic(scores[known], truth[known])),
        len(names) - len(values),
    )


def _defined(value: float | None) -> float | None:
    return None if value is None else defined(value)


def confusion_matrix(truth: np.ndarray, called: np.ndarray, n_classes: int) -> np.ndarray:
    """(classes, classes) integer: cases of each true class (row) by what they are called (column).

    Args:
        truth, called: (n,), the number of a class.

    Raises:
        ValueError: a number is not that of a class.
    """
    rows, columns = one_hot(truth, n_classes), one_hot(called, n_classes)
    return rows.astype(int).T @ columns.astype(int)


@dataclass(frozen=True)
class Called:
    """What calls of one class a case come to.

    Attributes:
        accuracy: share that is right; it is also micro sensitivity, PPV and F1. balanced_accuracy: mean
            sensitivity of the classes that have a case. macro_f1: mean of the classes that have a case or a
            call. kappa: Cohen's, agreement beyond chance; None where chance alone agrees fully.
        sensitivity, ppv, f1: name -> value, None where undefined.
        n_without_case: classes that no case has.
    """

    accuracy: float | None
    balanced_accuracy: float | None
    macro_f1: float | None
    kappa: float | None
    sensitivity: dict[str, float | None]
    ppv: dict[str, float | None]
    f1: dict[str, float | None]
    n_without_case: int


def of_matrix(matrix: np.ndarray, names: list[str]) -> Called:
    """Measures of a confusion matrix; everything is None without a case.

    Source: kappa: Cohen 1960, doi:10.1177/001316446002000104; macro F1 as the mean of F1: Opitz & Burst 2019,
    arXiv:1911.03347.
    """
    right, of_class, of_call = (
        np.asarray(row, float) for row in (np.diag(matrix), matrix.sum(1), matrix.sum(0))
    )
    n = matrix.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity, ppv, f1 = right / of_class, right / of_call, 2 * right / (of_class + of_call)
        by_chance = float(np.divide(of_class @ of_call, float(n) ** 2))
        agreed = float(np.divide(right.sum(), n))
        kappa = float(np.divide(agreed - by_chance, 1 - by_chance))
    by_class = [dict(zip(names, map(defined, side), strict=True)) for side in (sensitivity, ppv, f1)]
    return Called(
        accuracy=defined(agreed),
        balanced_accuracy=_mean(sensitivity),
        macro_f1=_mean(f1),
        kappa=kappa if np.isfinite(kappa) else None,
        sensitivity=by_class[0],
        ppv=by_class[1],
        f1=by_class[2],
        n_without_case=int((of_class == 0).sum()),
    )


def _mean(values: np.ndarray) -> float | None:
    """Of those that are defined."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else None
