"""Tuning: settings of each kind of model, by cross-validation inside the train part, and the models fitted
with them.

Everything that rows decide is decided anew in each fold: what stands where something is not known, means,
weights, trees. Folds are by subject.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from radiotrace.errors import StageError
from radiotrace.pipeline import splits
from radiotrace.records.sections.tabular.train import TrainParams
from radiotrace.records.tabular.feature import Feature
from radiotrace.records.tabular.train import Candidate
from radiotrace.statistics import concordance, cox, discrimination
from radiotrace.tabular import encoding, fitting
from radiotrace.tabular.fitting import Boosting, NoFitError
from radiotrace.tabular.model import ModelName, RiskModel
from radiotrace.tabular.table import Rows

SELECTION = (
    "settings with the least mean loss over folds by subject inside the train part; everything that rows "
    "decide, imputation too, was decided in each fold; fitted again to the whole train part"
)


@dataclass(frozen=True)
class Chosen:
    """Settings of one kind of model.

    Attributes:
        ridge: of a linear model, else None. boosting: of trees, else None.
        candidates: all that were tried.
        areas: concordance of each fold with these settings; None where undefined.
    """

    ridge: float | None
    boosting: Boosting | None
    candidates: tuple[Candidate, ...]
    areas: tuple[float | None, ...]


def area(score: np.ndarray, rows: Rows) -> float | None:
    """Harrell's concordance; of a binary outcome the area under the ROC curve; None where undefined."""
    if rows.time is None:
        return discrimination.auroc(score, rows.positive)
    return concordance.c_index(score, rows.time, rows.positive)


def fitted(rows: Rows, features: Sequence[Feature], chosen: Chosen, horizon: float | None) -> RiskModel:
    """A model with these settings.

    Raises:
        NoFitError: the rows have no fit.
    """
    encoded = encoding.fitted(rows.x, features)
    z = encoded(rows.x)
    if chosen.boosting is not None:
        score = fitting.boosted(z, rows, chosen.boosting)
    else:
        score = fitting.linear(z, rows, chosen.ridge or 0.0)
    baseline = None if rows.time is None else cox.breslow(score(z), rows.time, rows.positive)
    return RiskModel(encoded, score, baseline, horizon)


def linear(rows: Rows, features: Sequence[Feature], settings: TrainParams) -> Chosen:
    """The ridge of the linear model."""

    def scores(learnt: Rows, held_out: Rows, ridge: float) -> np.ndarray:
        encoded = encoding.fitted(learnt.x, features)
        return fitting.linear(encoded(learnt.x), learnt, ridge)(encoded(held_out.x))[:, None]

    names = [f"ridge {ridge:g}" for ridge in settings.ridges]
    losses, scored = _by_folds(rows, settings, list(settings.ridges), scores)
    best = int(np.argmin([of.mean() for of in losses]))
    candidates = [
        _candidate(name, of[:, 0], None, place == best)
        for place, (name, of) in enumerate(zip(names, losses, strict=True))
    ]
    areas = tuple(area(staged[:, 0], held_out) for held_out, staged in scored[best])
    return Chosen(settings.ridges[best], None, tuple(candidates), areas)


def boosting(rows: Rows, features: Sequence[Feature], settings: TrainParams) -> Chosen:
    """Depth and number of trees."""
    of = settings.boosting
    grown = [
        Boosting(of.trees_max, depth, of.learning_rate, of.leaf_rows, settings.seed) for depth in of.depths
    ]

    def scores(learnt: Rows, held_out: Rows, with_: Boosting) -> np.ndarray:
        encoded = encoding.fitted(learnt.x, features)
        return fitting.boosted(encoded(learnt.x), learnt, with_).staged(encoded(held_out.x))[:, 1:]

    losses, scored = _by_folds(rows, settings, grown, scores)
    trees = [int(np.argmin(of.mean(0))) + 1 for of in losses]
    means = [of.mean(0)[n - 1] for of, n in zip(losses, trees, strict=True)]
    best = int(np.argmin(means))
    candidates = [
        _candidate(f"depth {one.depth}, {n} trees", of[:, n - 1], n, place == best)
        for place, (one, of, n) in enumerate(zip(grown, losses, trees, strict=True))
    ]
    one = grown[best]
    found = Boosting(trees[best], one.depth, one.learning_rate, one.leaf_rows, one.seed)
    areas = tuple(area(staged[:, trees[best] - 1], held_out) for held_out, staged in scored[best])
    return Chosen(None, found, tuple(candidates), areas)


TUNED: dict[ModelName, Callable[[Rows, Sequence[Feature], TrainParams], Chosen]] = {
    "linear": linear,
    "boosting": boosting,
}


def _by_folds(
    rows: Rows, settings: TrainParams, candidates: list, scores: Callable
) -> tuple[list[np.ndarray], list[list[tuple[Rows, np.ndarray]]]]:
    """Of each candidate its losses (folds, stages), and of each fold the rows that were held out with their
    scores (n, stages).

    Raises:
        StageError: a fold has no fit, or no event.
    """
    fold_of = splits.assign_folds(sorted(set(rows.subjects)), settings.folds, settings.seed)
    folds = np.array([fold_of[subject] for subject in rows.subjects])
    losses: list[list[np.ndarray]] = [[] for _ in candidates]
    scored: list[list[tuple[Rows, np.ndarray]]] = [[] for _ in candidates]
    for fold in range(settings.folds):
        learnt, held_out = rows.chosen(folds != fold), rows.chosen(folds == fold)
        for place, candidate in enumerate(candidates):
            try:
                staged = scores(learnt, held_out, candidate)
            except NoFitError as error:
                raise _no_fit(fold, settings, str(error)) from None
            of_stages = np.array([fitting.loss(score, held_out) for score in staged.T])
            if not np.isfinite(of_stages).all():
                raise _no_fit(fold, settings, "no event among the rows that are held out")
            losses[place].append(of_stages)
            scored[place].append((held_out, staged))
    return [np.array(of) for of in losses], scored


def _no_fit(fold: int, settings: TrainParams, why: str) -> StageError:
    return StageError(
        f"fold {fold + 1} of {settings.folds} inside the train part: {why}",
        way_out="Take fewer folds (train.folds in params.yaml), or more rows.",
    )


def _candidate(setting: str, losses: np.ndarray, trees: int | None, is_chosen: bool) -> Candidate:
    error = float(losses.std(ddof=1) / np.sqrt(len(losses)))
    return Candidate(setting, float(losses.mean()), error, trees, is_chosen)
