"""Perturbations: rows as they come where measuring and writing down go less well than in the study."""

from collections.abc import Callable, Sequence

import numpy as np

from radiotrace.records.tabular.feature import Feature

Change = Callable[[np.ndarray, float, np.ndarray, Sequence[Feature], np.random.Generator], np.ndarray]


def noise(
    x: np.ndarray, amount: float, train: np.ndarray, features: Sequence[Feature], rng: np.random.Generator
) -> np.ndarray:
    """Numbers off by so many standard deviations of the train part, normal, within their declared range."""
    found = x.astype(np.float64)
    for place, feature in enumerate(features):
        drawn = rng.standard_normal(len(x))
        if feature.kind != "number":
            continue
        known = train[~np.isnan(train[:, place]), place]
        spread = float(known.std()) if len(known) else 0.0
        low = -np.inf if feature.minimum is None else feature.minimum
        high = np.inf if feature.maximum is None else feature.maximum
        found[:, place] = np.clip(found[:, place] + amount * spread * drawn, low, high)
    return found.astype(np.float32)


def missing(
    x: np.ndarray, amount: float, train: np.ndarray, features: Sequence[Feature], rng: np.random.Generator
) -> np.ndarray:
    """So large a share of cells that is not known, any of them alike."""
    return np.where(rng.random(x.shape) < amount, np.nan, x).astype(np.float32)


def mistaken(
    x: np.ndarray, amount: float, train: np.ndarray, features: Sequence[Feature], rng: np.random.Generator
) -> np.ndarray:
    """So large a share of cells that has the value of somebody else, of the train part."""
    others = np.stack([train[rng.integers(0, len(train), len(x)), place] for place in range(x.shape[1])], 1)
    return np.where(rng.random(x.shape) < amount, others, x).astype(np.float32)


TABLE: dict[str, Change] = {"noise": noise, "missing": missing, "mistaken": mistaken}


def lost(x: np.ndarray, place: int) -> np.ndarray:
    """Rows in which a feature is not known of anybody."""
    found = x.copy()
    found[:, place] = np.nan
    return found
