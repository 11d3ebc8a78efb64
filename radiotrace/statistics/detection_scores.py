"""Detection: average precision as COCO defines it, and sensitivity against false positives an image (FROC).

Images are matched once; what follows takes `counts`, (images, …), how often each image is drawn, so that
`resampling` gives it an interval over subjects. A class without a true box has no average precision: it is
left out of every mean, and named.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from radiotrace.statistics import boxes, resampling
from radiotrace.statistics.discrimination import defined

OVERLAPS = np.round(np.arange(0.5, 1, 0.05), 2)
RECALLS = np.linspace(0, 1, 101)
# of the area of a true box, in pixels, both ends inside; for volumes and other units give others
AREAS: dict[str, tuple[float, float]] = {
    "small": (0, 32**2),
    "medium": (32**2, 96**2),
    "large": (96**2, np.inf),
}
ALL = (0.0, np.inf)
DETECTIONS = 100  # the highest scores of a class and an image
FALSE_POSITIVES = (0.125, 0.25, 0.5, 1, 2, 4, 8)  # an image, as LUNA16 has them


@dataclass(frozen=True)
class Image:
    """True and predicted boxes of one image.

    Attributes:
        truth: (n, 4) or (n, 6), as `boxes` has them. truth_labels: (n,), the number of each one's class.
        predicted: (m, 4) or (m, 6). labels, scores: (m,).
    """

    truth: np.ndarray
    truth_labels: np.ndarray
    predicted: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Matches:
    """Predictions of one class in all images, from the highest score, and what they are at each overlap.

    Attributes:
        scores, image: (m,). hit, ignored: (t, m); what is neither is a false positive.
        truth: (images,), true boxes that count.
        truth_sizes, truth_found: of each true box that counts, (n,) its size and (t, n) the number of the
            prediction that is it, -1 for none. truth_image: (n,).
    """

    scores: np.ndarray
    image: np.ndarray
    hit: np.ndarray
    ignored: np.ndarray
    truth: np.ndarray
    truth_sizes: np.ndarray
    truth_found: np.ndarray
    truth_image: np.ndarray


def checked(images: Sequence[Image], n_classes: int) -> None:
    """Raises:
    ValueError: names every fault of every image: boxes that are none, true boxes without a size, which
        nothing can find, classes that are none, scores that are NaN, numbers that do not fit.
    """
    faults = []
    for number, image in enumerate(images):
        sides = (
            ("true boxes", image.truth, image.truth_labels),
            ("predictions", image.predicted, image.labels),
        )
        for what, side, labels in sides:
            try:
                side = boxes.checked(side, what)
            except ValueError as fault:
                faults.append(f"image {number}: {fault}")
                continue
            if len(side) != len(labels):
                faults.append(f"image {number}: {len(side)} {what} and {len(labels)} classes")
            if strange := sorted({int(label) for label in labels if not 0 <= label < n_classes}):
                faults.append(f"image {number}: {what} of class {strange}, expected 0 to {n_classes - 1}")
            if what == "true boxes" and (n := int((boxes.sizes(side) == 0).sum())):
                faults.append(f"image {number}: {n} true boxes have no size")
        if len(image.scores) != len(image.labels) or np.isnan(np.asarray(image.scores, float)).any():
            faults.append(
                f"image {number}: {len(image.scores)} scores for {len(image.labels)} predictions, "
                "expected as many, none NaN"
            )
    if faults:
        raise ValueError("\n".join(faults))


def matched(
    images: Sequence[Image],
    label: int,
    overlaps: np.ndarray = OVERLAPS,
    area: tuple[float, float] = ALL,
    detections: int = DETECTIONS,
) -> Matches:
    """Matches the predictions of one class in each image.

    Args:
        overlaps: (t,), IoU that a hit needs at least.
        area: of true boxes that count, both ends inside. A prediction that is one of the others is ignored,
            and one that is none and has another size itself.
        detections: of each image the highest scores are kept.
    """
    parts = [_of_image(image, label, overlaps, area, detections) for image in images]
    n_of = [len(part["scores"]) for part in parts]
    scores = np.concatenate([part["scores"] for part in parts] or [np.empty(0)])
    of_image = np.repeat(np.arange(len(parts)), n_of)
    order = np.argsort(-scores, kind="stable")
    place = np.empty(len(order) + 1, int)
    place[order], place[-1] = np.arange(len(order)), -1
    empty = np.empty((len(overlaps), 0), bool)
    hit, ignored = (
        np.concatenate([part[side] for part in parts] or [empty], 1)[:, order] for side in ("hit", "ignored")
    )
    starts = np.cumsum([0, *n_of])
    found = [
        np.where(part["found"] < 0, -1, part["found"] + start)
        for part, start in zip(parts, starts[:-1], strict=True)
    ]
    truth = np.array([len(part["sizes"]) for part in parts], int)
    return Matches(
        scores[order],
        of_image[order],
        hit,
        ignored,
        truth,
        np.concatenate([part["sizes"] for part in parts] or [np.empty(0)]),
        place[np.concatenate(found or [empty.astype(int)], 1)],
        np.repeat(np.arange(len(parts)), truth),
    )


def _of_image(image: Image, label: int, overlaps: np.ndarray, area: tuple, detections: int) -> dict:
    """Predictions of an image by score: what each is; of true boxes that count, size and prediction."""
    truth = boxes.checked(image.truth)[np.asarray(image.truth_labels) == label]
    mine = np.flatnonzero(np.asarray(image.labels) == label)
    scores = np.asarray(image.scores, float)
    mine = mine[np.argsort(-scores[mine], kind="stable")][:detections]
    predicted = boxes.checked(image.predicted)[mine]
    truth_sizes = boxes.sizes(truth)
    outside = (truth_sizes < area[0]) | (truth_sizes > area[1])
    match = boxes.match(boxes.iou(predicted, truth), overlaps, outside)
    own = boxes.sizes(predicted)
    own_outside = (own < area[0]) | (own > area[1])
    is_match = match >= 0
    of_ignored = is_match & (outside[match] if len(truth) else False)
    found = np.full((len(overlaps), len(truth)), -1)
    rows, columns = np.nonzero(is_match)
    found[rows, match[rows, columns]] = columns
    return {
        "scores": scores[mine],
        "hit": is_match & ~of_ignored,
        "ignored": of_ignored | (~is_match & own_outside),
        "sizes": truth_sizes[~outside],
        "found": found[:, ~outside],
    }


def average_precisions(matches: Matches, counts: np.ndarray | None = None) -> np.ndarray:
    """Average precision at each overlap: the mean over 101 recalls of the highest precision at that recall
    or more, 0 where no score reaches it.

    Args:
        counts: (images, …), how often each image is drawn; None for once.

    Returns:
        (t, …), NaN without a true box.

    Source: Lin et al. 2014, arXiv:1405.0312, as pycocotools' COCOeval.accumulate has it.
    """
    return _in_blocks(matches, counts, lambda block: _precisions(matches, block))


def _in_blocks(matches: Matches, counts: np.ndarray | None, statistic: Callable) -> np.ndarray:
    """A statistic of counts (images, m) -> (k, m), of counts of any shape; so few resamples at once that
    their predictions fit into a block, since there may be many more of them than images."""
    counts = np.ones(len(matches.truth), int) if counts is None else np.asarray(counts)
    flat = counts.reshape(len(counts), int(np.prod(counts.shape[1:])))
    size = max(1, resampling.BLOCK // max(len(matches.scores), 1))
    blocks = [statistic(flat[:, start : start + size]) for start in range(0, flat.shape[1], size)]
    values = np.concatenate(blocks, 1)
    return values.reshape(len(values), *counts.shape[1:])


def _precisions(matches: Matches, counts: np.ndarray) -> np.ndarray:
    """Args: counts: (images, m). Returns: (t, m)."""
    truth = matches.truth @ counts
    drawn = counts[matches.image]
    rows = []
    for hit, ignored in zip(matches.hit, matches.ignored, strict=True):
        hits = np.cumsum(drawn * hit[:, None], 0)
        called = np.cumsum(drawn * ~ignored[:, None], 0)
        precision = np.divide(hits, called, out=np.zeros(hits.shape), where=called > 0)
        envelope = np.maximum.accumulate(precision[::-1], 0)[::-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            recall = hits / truth
        rows.append([_mean_precision(*column) for column in zip(recall.T, envelope.T, truth, strict=True)])
    return np.array(rows, float)


def _mean_precision(recall: np.ndarray, envelope: np.ndarray, truth: int) -> float:
    if not truth:
        return np.nan
    place = np.searchsorted(recall, RECALLS, "left")
    return float(np.append(envelope, 0.0)[place].mean())


def recalls(matches: Matches, counts: np.ndarray | None = None) -> np.ndarray:
    """Share of true boxes that any kept prediction finds, at each overlap, (t, …); NaN without a true box."""
    counts = np.ones(len(matches.truth), int) if counts is None else np.asarray(counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.tensordot(matches.hit, counts[matches.image], (1, 0)) / (
            np.tensordot(matches.truth, counts, (0, 0)).astype(float)
        )


@dataclass(frozen=True)
class Precision:
    """Of one class, or the mean of those that have a true box.

    Attributes:
        ap: mean over overlaps .50 to .95. ap50, ap75: at those overlaps. by_size: name of a size -> ap of
            true boxes of it, None where there are none. recall: mean over overlaps of the share found (COCO's
            AR).
        n_true, n_predicted: boxes; of predictions those that are kept.
    """

    ap: float | None
    ap50: float | None
    ap75: float | None
    by_size: dict[str, float | None]
    recall: float | None
    n_true: int
    n_predicted: int


@dataclass(frozen=True)
class Detected:
    """Average precision of all classes.

    Attributes:
        by_class: name -> Precision, of classes with a true box.
        mean: over these; of a size over those that have a true box of it.
        absent: names of classes without a true box -> predictions of them, all of them false.
    """

    by_class: dict[str, Precision]
    mean: Precision
    absent: dict[str, int]


def evaluate(
    images: Sequence[Image],
    names: list[str],
    areas: dict[str, tuple[float, float]] = AREAS,
    detections: int = DETECTIONS,
) -> Detected:
    """COCO's average precision of each class and their mean.

    Args:
        names: of the classes, by number.
        areas: name of a size -> area or volume from, to.

    Raises:
        ValueError: as `checked`.
    """
    checked(images, len(names))
    by_class, absent = {}, {}
    for label, name in enumerate(names):
        matches = matched(images, label, OVERLAPS, ALL, detections)
        if not matches.truth.sum():
            absent[name] = len(matches.scores)
            continue
        of_size = {size: matched(images, label, OVERLAPS, area, detections) for size, area in areas.items()}
        precision = average_precisions(matches)
        by_class[name] = Precision(
            float(precision.mean()),
            float(precision[0]),
            float(precision[5]),
            {size: defined(average_precisions(found).mean()) for size, found in of_size.items()},
            float(recalls(matches).mean()),
            int(matches.truth.sum()),
            len(matches.scores),
        )
    return Detected(by_class, _mean(list(by_class.values()), list(areas)), absent)


def _mean(rows: list[Precision], of_sizes: list[str]) -> Precision:
    def mean(values) -> float | None:
        values = [value for value in values if value is not None]
        return float(np.mean(values)) if values else None

    return Precision(
        mean(row.ap for row in rows),
        mean(row.ap50 for row in rows),
        mean(row.ap75 for row in rows),
        {size: mean(row.by_size[size] for row in rows) for size in of_sizes},
        mean(row.recall for row in rows),
        sum(row.n_true for row in rows),
        sum(row.n_predicted for row in rows),
    )


def mean_precision_interval(
    images: Sequence[Image], n_classes: int, plan: resampling.Plan, overlaps: np.ndarray = OVERLAPS
) -> resampling.Resampled:
    """Mean average precision over classes and overlaps with its bootstrap interval by subject.

    Args:
        plan: whose each image is. A resample that lacks a class which the images have is undefined.
        overlaps: OVERLAPS, or [0.5] for mAP50.
    """
    checked(images, n_classes)
    classes = [matched(images, label, overlaps) for label in range(n_classes)]
    present = [matches for matches in classes if matches.truth.sum()]

    def of_counts(counts):
        if not present:
            return np.full(counts.shape[1:], np.nan)
        return np.mean([average_precisions(matches, counts).mean(0) for matches in present], axis=0)

    return resampling.bootstrap(of_counts, plan)


@dataclass(frozen=True)
class Froc:
    """Sensitivity against false positives an image.

    Attributes:
        thresholds, false_positives, sensitivity: (k,), at each distinct score, from the highest.
        at: false positives an image -> highest sensitivity with at most so many; 0 where even the highest
            score has more.
        threshold_at: the score that has it; None where there is none.
        by_size: name of a size -> sensitivity among true boxes of it at the same scores as `at`; None where
            there are none.
        score: mean of `at`.
        All sensitivities are None, and the curve has NaN, without a true box.
    """

    thresholds: np.ndarray
    false_positives: np.ndarray
    sensitivity: np.ndarray
    at: dict[float, float | None]
    threshold_at: dict[float, float | None]
    by_size: dict[str, dict[float, float | None]]
    score: float | None
    n_true: int
    n_images: int


def froc(
    matches: Matches,
    areas: dict[str, tuple[float, float]] = AREAS,
    points: Sequence[float] = FALSE_POSITIVES,
) -> Froc:
    """FROC of one class.

    A second box on a true one is a false positive, since a reader has to look at it. Sensitivity between two
    scores is that of the higher score: nothing is interpolated.

    Args:
        matches: of one overlap, `matched(images, label, np.array([0.1]))`, of all sizes.
        areas: name of a size -> area or volume from, to.
        points: false positives an image.

    Raises:
        ValueError: there is no image, matches are of several overlaps, or some are ignored.

    Source: Bunch et al. 1978; points: Setio et al. 2017, doi:10.1016/j.media.2017.06.015.
    """
    if len(matches.hit) != 1 or matches.ignored.any() or not len(matches.truth):
        raise ValueError(
            f"matches of {len(matches.truth)} images, {len(matches.hit)} overlaps and "
            f"{matches.ignored.sum()} ignored predictions, expected images, one overlap and none"
        )
    last = _last_of_ties(matches.scores)
    n_true, n_images = int(matches.truth.sum()), len(matches.truth)
    false_positives = np.cumsum(~matches.hit[0])[last] / n_images
    with np.errstate(invalid="ignore"):
        sensitivity = np.cumsum(matches.hit[0])[last] / np.float64(n_true)
    at, threshold_at, kept_at = {}, {}, {}
    for point in points:
        n_scores = int((false_positives <= point).sum())
        kept_at[point] = last[n_scores - 1] + 1 if n_scores else 0
        threshold_at[point] = float(matches.scores[last[n_scores - 1]]) if n_scores else None
        at[point] = (float(sensitivity[n_scores - 1]) if n_scores else 0.0) if n_true else None
    by_size = {}
    for size, (low, high) in areas.items():
        inside = (matches.truth_sizes >= low) & (matches.truth_sizes <= high)
        found = matches.truth_found[0][inside]
        by_size[size] = {
            point: float(((found >= 0) & (found < kept)).mean()) if inside.any() else None
            for point, kept in kept_at.items()
        }
    values = [value for value in at.values() if value is not None]
    return Froc(
        matches.scores[last],
        false_positives,
        sensitivity,
        at,
        threshold_at,
        by_size,
        float(np.mean(values)) if values else None,
        n_true,
        n_images,
    )


def _last_of_ties(scores: np.ndarray) -> np.ndarray:
    """Places of the last of each distinct score, of scores from the highest."""
    return np.flatnonzero(np.append(scores[1:] != scores[:-1], np.ones(min(len(scores), 1), bool)))


def sensitivities(matches: Matches, points: Sequence[float], counts: np.ndarray | None = None) -> np.ndarray:
    """Sensitivity at so many false positives an image, (points, …), as `froc`, for `resampling`.

    Args:
        counts: (images, …), how often each image is drawn; None for once.

    Returns:
        NaN without a true box or an image.
    """
    return _in_blocks(matches, counts, lambda block: _sensitivities(matches, points, block))


def _sensitivities(matches: Matches, points: Sequence[float], counts: np.ndarray) -> np.ndarray:
    """Args: counts: (images, m). Returns: (points, m)."""
    drawn, last = counts[matches.image], _last_of_ties(matches.scores)
    hits, alarms = (
        np.concatenate([np.zeros((1, counts.shape[1]), int), np.cumsum(drawn * side[:, None], 0)[last]])
        for side in (matches.hit[0], ~matches.hit[0])
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = hits / (matches.truth @ counts).astype(float)
        per_image = alarms / counts.sum(0).astype(float)
    rows = []
    for point in points:
        place = np.maximum((per_image <= point).sum(0) - 1, 0)
        rows.append(np.take_along_axis(sensitivity, place[None], 0)[0])
    return np.array(rows)
