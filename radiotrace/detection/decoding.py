"""Decoding: from heat and sides by cell to boxes with scores, in two and three dimensions. NumPy alone, the
same for training, evaluation and whoever predicts."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from radiotrace.statistics import boxes as geometry


@dataclass(frozen=True)
class Boxes:
    """What was found in an image, from the highest score.

    Attributes:
        corners: (m, 4) or (m, 6): lower, then upper corner, in the order of the array's axes, in voxels.
        labels: (m,), from 0. scores: (m,).
    """

    corners: np.ndarray
    labels: np.ndarray
    scores: np.ndarray

    def above(self, thresholds: np.ndarray) -> "Boxes":
        """Those whose score reaches the threshold of their class."""
        kept = self.scores >= np.asarray(thresholds)[self.labels] if len(self.labels) else slice(0)
        return Boxes(self.corners[kept], self.labels[kept], self.scores[kept])


def peaks(heat: np.ndarray) -> np.ndarray:
    """Heat of cells that are the highest of the 3 along each axis around them, 0 elsewhere; (classes, …).

    It stands in the place of non-maximum suppression.

    Source: Zhou et al. 2019, arXiv:1904.07850.
    """
    around = ndimage.maximum_filter(heat, (1, *(3,) * (heat.ndim - 1)), mode="nearest")
    return np.where(heat == around, heat, 0)


def corners_of(sides: np.ndarray, cell_voxels: int) -> np.ndarray:
    """Boxes of every cell, (2 * axes, …), in voxels of the input; they may reach beyond it.

    Args:
        sides: (2 * axes, …), distances in cells from the middle of a cell to the lower sides, then to the
            upper ones.
    """
    cells = sides.shape[1:]
    axes = len(cells)
    middles = np.stack(np.meshgrid(*(np.arange(size) + 0.5 for size in cells), indexing="ij"))
    return np.concatenate([middles - sides[:axes], middles + sides[axes:]]) * cell_voxels


@dataclass(frozen=True)
class Selection:
    """Which boxes are taken.

    Attributes:
        score_min: that a box has at least.
        boxes_max: of a class, from the highest score.
        suppress_overlap: IoU with a higher box of its class above which a box is dropped; 1 keeps all.
    """

    score_min: float
    boxes_max: int
    suppress_overlap: float


def decoded(heat: np.ndarray, corners: np.ndarray, cell_voxels: int, selection: Selection) -> Boxes:
    """Boxes of one image, clipped to it.

    Args:
        heat: (classes, …), probabilities; or 0 where a cell is no peak.
        corners: (2 * axes, …), of the box of each cell.
    """
    parts = []
    upper = np.tile(np.array(heat.shape[1:]) * cell_voxels, 2)
    for label, of_class in enumerate(peaks(heat)):
        places = np.argwhere(of_class >= selection.score_min)
        scores = of_class[tuple(places.T)].astype(np.float64)
        order = np.argsort(-scores, kind="stable")
        found = np.clip(corners[(slice(None), *places[order].T)].T.astype(np.float64), 0, upper)
        kept = suppressed(found, selection.suppress_overlap)[: selection.boxes_max]
        parts.append((found[kept], np.full(len(kept), label), scores[order][kept]))
    found, labels, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(-scores, kind="stable")
    return Boxes(found[order], labels[order], scores[order])


def suppressed(corners: np.ndarray, overlap: float) -> np.ndarray:
    """Positions of boxes, from the highest score, that overlap no kept one by more than `overlap`."""
    if overlap >= 1 or not len(corners):
        return np.arange(len(corners))
    shared = geometry.iou(corners, corners) > overlap
    kept: list[int] = []
    for place in range(len(corners)):
        if not shared[place, kept].any():
            kept.append(place)
    return np.array(kept, int)
