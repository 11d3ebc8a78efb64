"""Detection: objects that are found, missed and made up, for labels of which a case may have several, or
none."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class Objects:
    """Connected components of one label in one case."""

    reference: int  # there are
    found: int  # of them
    false_positive: int  # predicted, but not there

    def __add__(self, other: "Objects") -> "Objects":
        return Objects(
            self.reference + other.reference,
            self.found + other.found,
            self.false_positive + other.false_positive,
        )

    @property
    def sensitivity(self) -> float | None:
        """Share of the objects that was found; None where there is none."""
        return self.found / self.reference if self.reference else None


def objects(reference: np.ndarray, prediction: np.ndarray, overlap_min: float) -> Objects:
    """Objects of a label; voxels that share a face, an edge or a corner are of one object.

    Args:
        reference, prediction: bool arrays of one shape.
        overlap_min: an object of the reference is found, and one of the prediction is right, where at least
            this share of its voxels lies in the other mask; in (0, 1]. One prediction over two objects finds
            both.

    Raises:
        ValueError: the shapes differ.
    """
    if reference.shape != prediction.shape:
        raise ValueError(f"shapes differ: {reference.shape} and {prediction.shape}")
    there, right = (
        _covered(reference, prediction) >= overlap_min,
        _covered(prediction, reference) >= overlap_min,
    )
    return Objects(len(there), int(there.sum()), int((~right).sum()))


def _covered(mask: np.ndarray, other_mask: np.ndarray) -> np.ndarray:
    """Share of each component of a mask that lies in the other."""
    labelled, number = cast("tuple[np.ndarray, int]", ndimage.label(mask, np.ones((3,) * mask.ndim)))
    return (
        ndimage.mean(other_mask.astype(float), labelled, np.arange(1, number + 1)) if number else np.empty(0)
    )
