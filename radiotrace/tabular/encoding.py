"""Encoding: from what a table says to the numbers that a model adds up or splits at.

What is not known is put in place here, with values of the very rows that a model is fitted to, and so anew in
each fold: an imputation that has seen other rows would carry what they know. The released graph has the same
steps in it (radiotrace/tabular/graph.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from radiotrace.records.tabular.feature import Feature

VALUE, MISSING = -1, -2  # codes of encoded columns that are no category


@dataclass(frozen=True)
class Encoding:
    """How k features become m numbers.

    Attributes:
        fill: (k,) float32, what stands where a feature is not known: the median of a number, the most
            frequent category.
        column: (m,) int64, the feature of each encoded column.
        code: (m,) int64, VALUE for the number itself, MISSING for whether it is not known, else the category
            of which the column is 1; the first category has no column.
    """

    fill: np.ndarray
    column: np.ndarray
    code: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(n, m) float32, of (n, k) with NaN."""
        raw = np.asarray(x, np.float32)[:, self.column]
        missing = np.isnan(raw)
        filled = np.where(missing, self.fill[self.column], raw)
        is_category = (filled == self.code).astype(np.float32)
        return np.where(
            self.code == VALUE,
            filled,
            np.where(self.code == MISSING, missing.astype(np.float32), is_category),
        ).astype(np.float32)

    def names(self, features: Sequence[Feature]) -> tuple[str, ...]:
        """Of the encoded columns: "age_years", "grade = III", "age_years is not known"."""
        names = []
        for column, code in zip(self.column, self.code, strict=True):
            feature = features[column]
            if code == VALUE:
                names.append(feature.name)
            elif code == MISSING:
                names.append(f"{feature.name} is not known")
            else:
                names.append(f"{feature.name} = {feature.categories[code]}")
        return tuple(names)

    def arrays(self) -> dict[str, np.ndarray]:
        """As the file of weights has it."""
        return {"fill": self.fill, "column": self.column, "code": self.code}

    @staticmethod
    def of(arrays: Mapping[str, np.ndarray]) -> "Encoding":
        """From the file of weights."""
        return Encoding(arrays["fill"], arrays["column"], arrays["code"])


def fitted(x: np.ndarray, features: Sequence[Feature]) -> Encoding:
    """The encoding that rows give.

    Args:
        x: (n, k) float32, NaN where it is not known. A feature that is known in no row stands as 0, or as
            its first category. Whether a feature is not known becomes a column of its own where both occur.
    """
    fill, column, code = [], [], []
    for place, feature in enumerate(features):
        known = x[~np.isnan(x[:, place]), place]
        if feature.kind == "number":
            fill.append(float(np.median(known)) if len(known) else 0.0)
            codes = [VALUE]
        else:
            n_categories = len(feature.categories)
            counts = np.bincount(known.astype(int), minlength=n_categories)
            fill.append(float(counts.argmax()))
            codes = list(range(1, n_categories))
        if 0 < len(known) < len(x):
            codes.append(MISSING)
        column += [place] * len(codes)
        code += codes
    return Encoding(np.array(fill, np.float32), np.array(column, np.int64), np.array(code, np.int64))
