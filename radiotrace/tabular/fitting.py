"""Fitting: a linear score and boosted trees, of a binary outcome by its likelihood and of an event in time by
Cox's partial likelihood.

Both kinds of model take the same encoded rows. scikit-learn's logistic regression and regression trees do the
binary case and each step; Cox's model is that of radiotrace/statistics/cox.py.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from radiotrace.statistics import cox
from radiotrace.tabular.scores import LEAF, Linear, Trees, rounded_down
from radiotrace.tabular.table import Rows

SMALLEST = 1e-12  # hazard or variance, below which a leaf says nothing


class NoFitError(ValueError):
    """The rows have no fit, with the reason."""


@dataclass(frozen=True)
class Boosting:
    """How trees are grown.

    Attributes:
        trees: how many. depth: of each. learning_rate: share of each that is added.
        leaf_rows: that a leaf must have. seed: that decides between equal splits.
    """

    trees: int
    depth: int
    learning_rate: float
    leaf_rows: int
    seed: int


def linear(z: np.ndarray, rows: Rows, ridge: float) -> Linear:
    """A logistic regression, or Cox's model, with ridge / 2 times the squares of standardised weights taken
    off the log likelihood.

    Args:
        z: (n, m), encoded rows.
        ridge: above 0, so that columns that depend on each other have a fit.

    Raises:
        NoFitError: the outcome is one and the same in all rows, or the likelihood has no maximum.

    Source: Hoerl & Kennard 1970; of Cox's model Verweij & Van Houwelingen 1994, doi:10.1002/sim.4780132307.
    """
    z = np.asarray(z, np.float64)
    centre, scale = z.mean(0), z.std(0)
    scale = np.where(scale > 1e-12 * np.maximum(1.0, np.abs(centre)), scale, 1.0)
    standard = (z - centre) / scale
    if rows.time is None:
        if len(np.unique(rows.positive)) < 2:
            raise NoFitError("all rows have the same outcome")
        model = LogisticRegression(C=1 / ridge, solver="newton-cholesky", tol=1e-8, max_iter=200)
        model.fit(standard, rows.positive)
        weight = np.asarray(model.coef_, np.float64)[0]
        return Linear(centre, scale, weight, float(np.asarray(model.intercept_)[0]))
    found = cox.fit(standard, rows.time, rows.positive, ridge)
    if found.reason is not None:
        raise NoFitError(found.reason)
    return Linear(centre, scale, found.coefficients, -float(found.centre @ found.coefficients))


def boosted(z: np.ndarray, rows: Rows, settings: Boosting) -> Trees:
    """Gradient boosting: each tree is grown to what the sum so far leaves, and each of its leaves takes a
    Newton step.

    Of a binary outcome this is scikit-learn's GradientBoostingClassifier. Of an event in time the residual is
    the martingale's, and the second derivative is taken for the cumulative hazard, as if that were known.

    Raises:
        NoFitError: the outcome is one and the same in all rows.

    Source: Friedman 2001, doi:10.1214/aos/1013203451; of Cox's likelihood Ridgeway 1999; Therneau et al.
    1990, doi:10.1093/biomet/77.1.147, for the residuals.
    """
    if not rows.positive.any() or (rows.time is None and rows.positive.all()):
        raise NoFitError("all rows have the same outcome")
    z = np.asarray(z, np.float32)
    share = rows.positive.mean()
    start = float(special.logit(share)) if rows.time is None else 0.0
    score, grown = np.full(len(z), start), []
    for number in range(settings.trees):
        residual, curvature = _derivatives(score, rows)
        tree = DecisionTreeRegressor(
            max_depth=settings.depth,
            min_samples_leaf=settings.leaf_rows,
            random_state=settings.seed + number,
        )
        tree.fit(z, residual)
        leaf_of = tree.apply(z)
        n_nodes = tree.tree_.node_count
        steps = np.bincount(leaf_of, residual, n_nodes), np.bincount(leaf_of, curvature, n_nodes)
        value = np.where(steps[1] > SMALLEST, steps[0] / np.maximum(steps[1], SMALLEST), 0.0)
        value *= settings.learning_rate
        score = score + value[leaf_of]
        grown.append((tree.tree_, value))
    return _padded(grown, start)


def _derivatives(score: np.ndarray, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Of the log likelihood by each row's score: the first, and minus the second."""
    if rows.time is None:
        p = special.expit(score)
        return rows.positive - p, p * (1 - p)
    hazard = cox.breslow(score, rows.time, rows.positive).at(rows.time) * np.exp(score)
    return rows.positive - hazard, hazard


def _padded(grown: list, start: float) -> Trees:
    width = max((tree.node_count for tree, _ in grown), default=1)
    shape = (len(grown), width)
    column, threshold = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
    left, right = np.full(shape, LEAF, np.int64), np.full(shape, LEAF, np.int64)
    values = np.zeros(shape)
    for number, (tree, value) in enumerate(grown):
        inner = tree.children_left != LEAF
        here = (number, slice(tree.node_count))
        column[here] = np.where(inner, tree.feature, 0)
        threshold[here] = rounded_down(np.where(inner, tree.threshold, 0.0))
        left[here], right[here] = tree.children_left, tree.children_right
        values[here] = np.where(inner, 0.0, value)
    return Trees(column, threshold, left, right, values, start)


def loss(score: np.ndarray, rows: Rows) -> float:
    """How badly scores tell rows that they were not fitted to; less is better.

    Of a binary outcome the mean log loss in nats; of an event in time minus the partial log likelihood an
    event, which needs no baseline. NaN where the rows have no event.
    """
    if rows.time is None:
        sign = np.where(rows.positive, 1.0, -1.0)
        return float(np.logaddexp(0, -sign * score).mean()) if len(score) else np.nan
    found = cox.partial_log_likelihood(score, rows.time, rows.positive)
    return np.nan if found is None else -found / int(rows.positive.sum())
