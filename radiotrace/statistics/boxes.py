"""Boxes in two or three dimensions: overlap, and which prediction is which true box.

A box is its lower and its upper corner, (x1, y1, x2, y2) or (x1, y1, z1, x2, y2, z2) or any other order of
axes that is the same in all boxes of an image; arrays of boxes are (n, 4) or (n, 6), of one unit.
"""

import numpy as np


def checked(boxes: np.ndarray, what: str = "boxes") -> np.ndarray:
    """Boxes as float64; no box at all may have any shape.

    Raises:
        ValueError: they are not (n, 4) or (n, 6), a number is not finite, or a lower corner lies above the
            upper one.
    """
    boxes = np.asarray(boxes, float)
    if not boxes.size:
        return boxes.reshape(0, boxes.shape[1] if boxes.ndim == 2 and boxes.shape[1] in (4, 6) else 4)
    if boxes.ndim != 2 or boxes.shape[1] not in (4, 6):
        raise ValueError(f"{what} {boxes.shape}, expected (n, 4) or (n, 6)")
    half = boxes.shape[1] // 2
    faults = []
    if n := int((~np.isfinite(boxes)).any(1).sum()):
        faults.append(f"{n} are not finite")
    if n := int((boxes[:, :half] > boxes[:, half:]).any(1).sum()):
        faults.append(f"of {n} the lower corner is above the upper one")
    if faults:
        raise ValueError(f"{what}: {'; '.join(faults)}")
    return boxes


def sizes(boxes: np.ndarray) -> np.ndarray:
    """Area or volume of each, (n,); 0 for one that has no extent along some axis."""
    half = boxes.shape[1] // 2
    return np.prod(boxes[:, half:] - boxes[:, :half], axis=1)


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair, (n, m), in [0, 1]; 0 where both have no size.

    Raises:
        ValueError: as `checked`, and where one has two dimensions and the other three.

    Source: Jaccard 1912, doi:10.1111/j.1469-8137.1912.tb05611.x; for boxes: Everingham et al. 2010,
    doi:10.1007/s11263-009-0275-4.
    """
    first, second = checked(first), checked(second)
    if not len(first) or not len(second):
        return np.zeros((len(first), len(second)))
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"boxes of {first.shape[1] // 2} and of {second.shape[1] // 2} dimensions")
    half = first.shape[1] // 2
    low = np.maximum(first[:, None, :half], second[None, :, :half])
    high = np.minimum(first[:, None, half:], second[None, :, half:])
    both = np.clip(high - low, 0, None).prod(-1)
    either = sizes(first)[:, None] + sizes(second) - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def match(overlap: np.ndarray, thresholds: np.ndarray, ignored: np.ndarray | None = None) -> np.ndarray:
    """Gives each prediction, from the highest score, the true box of most overlap that is left.

    Args:
        overlap: (m, n), of each prediction, sorted by score, with each true box.
        thresholds: (t,), the overlap that a match needs at least.
        ignored: (n,), true boxes that are taken only where no other is left, for who matches them counts
            neither way. None: none.

    Returns:
        (t, m), number of the true box; -1 where there is none. Of equal overlaps the last true box is taken.

    Source: as pycocotools' COCOeval.evaluateImg has it (Lin et al. 2014, arXiv:1405.0312), without crowds.
    """
    n_predicted, n_true = overlap.shape
    thresholds = np.asarray(thresholds, float)
    found = np.full((len(thresholds), n_predicted), -1)
    if not n_true:
        return found
    ignored = np.zeros(n_true, bool) if ignored is None else ignored
    needed = np.minimum(thresholds, 1 - 1e-10)[:, None]
    free = np.ones((len(thresholds), n_true), bool)
    rows = np.arange(len(thresholds))
    for number, overlaps in enumerate(overlap):
        possible = free & (overlaps >= needed)
        best = np.full(len(thresholds), -1)
        for kind in (~ignored, ignored):
            of_kind = np.where(possible & kind, overlaps, -1.0)[:, ::-1]
            place = n_true - 1 - of_kind.argmax(1)
            best = np.where((best < 0) & (possible & kind).any(1), place, best)
        found[:, number] = best
        free[rows[best >= 0], best[best >= 0]] = False
    return found
