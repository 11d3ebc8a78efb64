"""Explain: what the risk of a case comes from, by feature of the table, not by encoded column."""

from collections.abc import Callable, Iterator, Sequence
from math import factorial

import numpy as np

from radiotrace.records.tabular.feature import Feature
from radiotrace.tabular import model
from radiotrace.tabular.model import Line, RiskModel
from radiotrace.tabular.scores import LEAF, Linear, Trees


def shapley(fitted: RiskModel, x: np.ndarray, background: np.ndarray) -> tuple[np.ndarray, float]:
    """Shapley values of link values, exact: what a feature adds, by mean over all orders in which features
    are taken from a case and the others from a row of the background, and over these rows.

    Args:
        x: (n, k), cases. background: (b, k), rows that stand for what is not looked at.

    Returns:
        (n, k), and the mean link value of the background; together they add up to the link value of a case.

    Source: Lundberg & Lee 2017, arXiv:1705.07874; of trees Lundberg et al. 2020,
    doi:10.1038/s42256-019-0138-9, interventional.
    """
    z, others = fitted.encoding(x), fitted.encoding(background)
    base = float(fitted.link_values(background).mean())
    owner = fitted.encoding.column
    if isinstance(fitted.score, Linear):
        of_column = (z - others.mean(0, dtype=np.float64)) / fitted.score.scale * fitted.score.weight
        found = np.zeros(x.shape)
        np.add.at(found.T, owner, of_column.T)
        return found, base
    return _of_trees(fitted.score, z, others, owner, x.shape[1]), base


def _of_trees(trees: Trees, z: np.ndarray, others: np.ndarray, owner: np.ndarray, k: int) -> np.ndarray:
    """A leaf counts for a set of features where each feature that its path asks agrees with the path in the
    case, for those in the set, or in the row of the background, for the others. Of that game, in which some
    must be in the set and some must not, the values are known."""
    found = np.zeros((len(z), k))
    for tree in range(len(trees.column)):
        for value, path in _leaves(trees, tree):
            if not value or not path:
                continue
            asked = sorted({int(owner[column]) for column, _, _ in path})
            of_case = _agrees(z, path, owner, asked)
            of_other = _agrees(others, path, owner, asked)
            found[:, asked] += value * _of_leaf(of_case, of_other)
    return found


def _agrees(rows: np.ndarray, path: list, owner: np.ndarray, asked: list[int]) -> np.ndarray:
    """(n, features asked) bool: whether rows go along a path as far as a feature decides."""
    agrees = np.ones((len(rows), len(asked)), bool)
    for column, threshold, is_left in path:
        agrees[:, asked.index(int(owner[column]))] &= (rows[:, column] <= threshold) == is_left
    return agrees


def _of_leaf(of_case: np.ndarray, of_other: np.ndarray) -> np.ndarray:
    """(n, features asked), by mean over the background.

    With a features that only the case agrees in and b that only the other does, each of the former has
    (a - 1)! b! / (a + b)!, each of the latter -a! (b - 1)! / (a + b)!; none where a feature agrees in
    neither.
    """
    n_asked = of_case.shape[1]
    gains, losses = np.zeros((n_asked + 1, n_asked + 1)), np.zeros((n_asked + 1, n_asked + 1))
    for a in range(n_asked + 1):
        for b in range(n_asked + 1 - a):
            whole = factorial(a + b)
            gains[a, b] = factorial(a - 1) * factorial(b) / whole if a else 0.0
            losses[a, b] = factorial(a) * factorial(b - 1) / whole if b else 0.0
    case, other = of_case[:, None], of_other[None]
    counts = np.all(case | other, axis=2)
    only_case, only_other = case & ~other, other & ~case
    a, b = only_case.sum(2), only_other.sum(2)
    each = only_case * gains[a, b][..., None] - only_other * losses[a, b][..., None]
    return (each * counts[..., None]).mean(1)


def _leaves(trees: Trees, tree: int) -> Iterator[tuple[float, list[tuple[int, float, bool]]]]:
    """Of each leaf its value and the path to it: column, threshold, and whether it goes left."""
    open_nodes: list[tuple[int, list]] = [(0, [])]
    while open_nodes:
        node, path = open_nodes.pop()
        if trees.left[tree, node] == LEAF:
            yield float(trees.value[tree, node]), path
            continue
        column, threshold = int(trees.column[tree, node]), float(trees.threshold[tree, node])
        open_nodes.append((int(trees.right[tree, node]), [*path, (column, threshold, False)]))
        open_nodes.append((int(trees.left[tree, node]), [*path, (column, threshold, True)]))


def shuffled(x: np.ndarray, place: int, rng: np.random.Generator) -> np.ndarray:
    """Rows in which one feature is that of another case."""
    found = x.copy()
    found[:, place] = rng.permutation(found[:, place])
    return found


def drop(
    whole: Callable[[np.ndarray], np.ndarray], without: Sequence[Callable[[np.ndarray], np.ndarray]]
) -> Callable[[np.ndarray], np.ndarray]:
    """counts -> concordance minus its mean over several shuffles.

    Source: Breiman 2001, doi:10.1023/A:1010933404324; Fisher, Rudin & Dominici 2019, arXiv:1801.01489.
    """

    def of_counts(counts):
        return whole(counts) - np.mean([one(counts) for one in without], 0)

    return of_counts


def grid(feature: Feature, values: np.ndarray, n: int) -> np.ndarray:
    """Values at which dependence is looked at: quantiles of what is known, from the fifth percentile to the
    95th, each once; of a category, all.

    Args:
        values: of the train part, with NaN.
    """
    if feature.kind == "category":
        return np.arange(len(feature.categories), dtype=np.float32)
    known = values[~np.isnan(values)]
    if not len(known):
        return np.zeros(0, np.float32)
    return np.unique(np.quantile(known, np.linspace(0.05, 0.95, n)).astype(np.float32))


def dependence(
    fitted: RiskModel, line: Line, x: np.ndarray, place: int, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Risk where a feature is set to each value in every case: mean, tenth and ninetieth percentile of cases.

    Source: Friedman 2001, doi:10.1214/aos/1013203451; of cases Goldstein et al. 2015,
    doi:10.1080/10618600.2014.907095.
    """
    rows = []
    for value in values:
        changed = x.copy()
        changed[:, place] = value
        rows.append(model.risks(fitted.link_values(changed), fitted.kind, line))
    risks = np.array(rows).reshape(len(values), len(x))
    return risks.mean(1), np.quantile(risks, 0.1, axis=1), np.quantile(risks, 0.9, axis=1)
