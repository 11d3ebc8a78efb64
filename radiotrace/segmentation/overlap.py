"""Overlap: how many voxels of a mask are right, and how many are not."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class Confusion:
    """Voxels of a mask by what the reference says.

    A share is None where it is undefined: nothing below the line.
    """

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def dice(self) -> float | None:
        """2 TP / (2 TP + FP + FN). Source: Dice 1945, doi:10.2307/1932409."""
        return _share(
            2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative
        )

    @property
    def iou(self) -> float | None:
        """TP / (TP + FP + FN). Source: Jaccard 1912, doi:10.1111/j.1469-8137.1912.tb05611.x."""
        return _share(self.true_positive, self.true_positive + self.false_positive + self.false_negative)

    @property
    def sensitivity(self) -> float | None:
        """TP / (TP + FN): share of the reference that was found."""
        return _share(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> float | None:
        """TN / (TN + FP).

        Grows with the empty ground around an organ: compare only within one field of view.
        """
        return _share(self.true_negative, self.true_negative + self.false_positive)

    @property
    def ppv(self) -> float | None:
        """TP / (TP + FP): share of the prediction that is right."""
        return _share(self.true_positive, self.true_positive + self.false_positive)

    @property
    def npv(self) -> float | None:
        """TN / (TN + FN). Grows with the empty ground, too."""
        return _share(self.true_negative, self.true_negative + self.false_negative)


def confusion(reference: np.ndarray, prediction: np.ndarray) -> Confusion:
    """Counts of two bool arrays of one shape.

    Raises:
        ValueError: the shapes differ.
    """
    if reference.shape != prediction.shape:
        raise ValueError(f"shapes differ: {reference.shape} and {prediction.shape}")
    both, n_reference, n_prediction = (
        int((reference & prediction).sum()),
        int(reference.sum()),
        int(prediction.sum()),
    )
    return Confusion(
        both, n_prediction - both, n_reference - both, reference.size - n_reference - n_prediction + both
    )


def components(mask: np.ndarray) -> int:
    """Connected components; voxels that share a face, an edge or a corner connect."""
    return ndimage.label(mask, np.ones((3,) * mask.ndim))[1]  # pyright: ignore[reportIndexIssue]


def _share(above: int, below: int) -> float | None:
    return above / below if below else None
