"""Scores: what a fitted model adds up of an encoded row, as arrays that a file can hold.

A score is a logit of a binary outcome, and a log hazard, but for its baseline, of an event in time.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

LEAF = -1  # child of a node that has none


@dataclass(frozen=True)
class Linear:
    """A weighted sum of standardised columns.

    Attributes:
        centre, scale, weight: (m,) float64.
        intercept: added to the sum.
    """

    centre: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    intercept: float

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """(n,) float64, of encoded rows (n, m)."""
        standard = (np.asarray(z, np.float64) - self.centre) / self.scale
        return self.intercept + standard @ self.weight

    def arrays(self) -> dict[str, np.ndarray]:
        """As the file of weights has it."""
        return {
            "centre": self.centre,
            "scale": self.scale,
            "weight": self.weight,
            "intercept": np.array([self.intercept]),
        }


@dataclass(frozen=True)
class Trees:
    """A sum of regression trees; arrays are (trees, nodes), padded with leaves.

    Attributes:
        column: int64, that a node asks. threshold: float32; at most that goes left.
        left, right: int64, the children; LEAF for none. value: float64, of a leaf.
        start: what the sum begins with.
    """

    column: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    start: float

    def leaves(self, z: np.ndarray) -> np.ndarray:
        """(n, trees), the leaf that each row comes to."""
        rows = np.arange(len(z))[:, None]
        trees = np.arange(len(self.column))[None]
        node = np.zeros((len(z), len(self.column)), np.int64)
        while (inner := self.left[trees, node] != LEAF).any():
            goes_left = z[rows, self.column[trees, node]] <= self.threshold[trees, node]
            child = np.where(goes_left, self.left[trees, node], self.right[trees, node])
            node = np.where(inner, child, node)
        return node

    def staged(self, z: np.ndarray) -> np.ndarray:
        """(n, trees + 1), the sum after each tree, with that of none first."""
        values = self.value[np.arange(len(self.column))[None], self.leaves(np.asarray(z, np.float32))]
        return self.start + np.concatenate([np.zeros((len(z), 1)), np.cumsum(values, 1)], 1)

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """(n,) float64, of encoded rows (n, m) float32."""
        return self.staged(z)[:, -1]

    def first(self, n_trees: int) -> "Trees":
        """The first trees alone."""
        kept = slice(n_trees)
        return Trees(
            self.column[kept],
            self.threshold[kept],
            self.left[kept],
            self.right[kept],
            self.value[kept],
            self.start,
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """As the file of weights has it."""
        return {
            "split_column": self.column,
            "threshold": self.threshold,
            "left": self.left,
            "right": self.right,
            "value": self.value,
            "start": np.array([self.start]),
        }


def of(arrays: Mapping[str, np.ndarray]) -> Linear | Trees:
    """From the file of weights."""
    if "weight" in arrays:
        return Linear(arrays["centre"], arrays["scale"], arrays["weight"], float(arrays["intercept"][0]))
    return Trees(
        arrays["split_column"],
        arrays["threshold"],
        arrays["left"],
        arrays["right"],
        arrays["value"],
        float(arrays["start"][0]),
    )


def rounded_down(threshold: np.ndarray) -> np.ndarray:
    """The largest float32 that is no larger: for a float32 x, x <= t holds of both or of neither."""
    near = threshold.astype(np.float32)
    above = near.astype(np.float64) > threshold
    return np.where(above, np.nextafter(near, np.float32(-np.inf)), near).astype(np.float32)
