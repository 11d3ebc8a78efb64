"""Sliding: labels of an image, window by window, in NumPy. The network is a callable.

What a reader of model.json is told to do (records/model.py, Inference) is done here. learning's way, which
has a gradient and a device, is windows.py; a test holds both together.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import SimpleITK as sitk

from radiotrace.errors import StageError
from radiotrace.imaging import channels, turning, volumes
from radiotrace.imaging.image import Grid, Image, on
from radiotrace.inference import intensity, preparation
from radiotrace.inference.preparation import Seen
from radiotrace.inference.recipe import Recipe

# (1, c, z, y, x) float32 -> logits (1, labels, z, y, x)
Network = Callable[[np.ndarray], np.ndarray]
OVERLAP = 0.5  # of a window with the next
SIGMA = 0.125  # of the weight of a voxel in its window, as a share of the window's edge
WEIGHT_MIN = 0.001


@dataclass(frozen=True)
class Labelled:
    """A label map, and how sure it is.

    Attributes:
        label_map: uint8, on the image's own grid.
        expected_dice_loss: as statistics.uncertainty has it, of the logits on the grid that the network saw.
    """

    label_map: sitk.Image
    expected_dice_loss: float


def label(image: Image, network: Network, recipe: Recipe) -> Labelled:
    """Labels every voxel of an image.

    Where the network sees voxels of the image's own spacing, no more than the logits of one row of windows
    are in memory at a time.

    Args:
        image: of any orientation and spacing.

    Raises:
        StageError: the image has other channels than the recipe, or intensities or logits are no numbers.
        VolumeError: resampled, it would be larger than any volume that is read.
    """
    if wrong := channels.unlike(image.channels, recipe.channels):
        raise StageError(
            "the image has other channels than the model takes",
            wrong,
            "Give the model the channels that it was trained on, in their order.",
        )
    normalised, seen = _prepared(image, recipe)
    loss = _ExpectedLoss()
    if seen.image.grid == seen.turned_grid:
        labels_zyx = _labels(slabs(normalised, network, recipe), loss)
        label_map = turning.back(on(labels_zyx, seen.turned_grid), seen.own_grid)
    else:
        logits = logits_of(normalised, network, recipe)
        loss.add(logits)
        label_map = _resampled(logits, seen.image.grid, seen.own_grid)
    return Labelled(seen.labelled(label_map, image.grid), loss.value)


def _prepared(image: Image, recipe: Recipe) -> tuple[np.ndarray, Seen]:
    """What the network sees, (c, z, y, x) float32, and on which grid. Voxels that are not normalised are let
    go."""
    seen = preparation.seen(image, recipe)
    with np.errstate(all="ignore"):  # what comes of it is looked at
        normalised = intensity.normalise_channels(seen.image.values_czyx, recipe.channels)
    if not np.isfinite(normalised).all():
        raise StageError(
            "intensities cannot be normalised: their spread is too large or too small for a number"
        )
    header = replace(seen.image, values_czyx=np.zeros(0))
    return normalised, replace(seen, image=header)


def logits_of(image_czyx: np.ndarray, network: Network, recipe: Recipe) -> np.ndarray:
    """Logits (labels, z, y, x) float32 of a normalised image, the offsets of `balance` among them."""
    logits, filled = np.zeros(0, np.float32), 0
    for rows in slabs(image_czyx, network, recipe):
        if not logits.size:
            logits = np.empty((len(rows), *image_czyx.shape[1:]), np.float32)
        logits[:, filled : filled + rows.shape[1]] = rows
        filled += rows.shape[1]
    return logits


def slabs(image_czyx: np.ndarray, network: Network, recipe: Recipe) -> Iterator[np.ndarray]:
    """The logits of a normalised image, (labels, rows along z, y, x) float32, as soon as no further window
    adds to these rows. Whoever keeps them copies them: they are overwritten when the next are asked for.

    The image lies in the middle of the windows; what is added around it is 0, the mean. Where windows lie on
    each other, their logits are averaged, each with the weight that its voxel has.

    Source: the sliding windows of MONAI 1.6.1, with the weight that nnU-Net gives.
    """
    shape_zyx = image_czyx.shape[1:]
    edges = window(shape_zyx, recipe)
    added = [max(edge - size, 0) for edge, size in zip(edges, shape_zyx, strict=True)]
    before = [number // 2 for number in added]
    padded = image_czyx
    if any(added):  # a large image, to which nothing is added, is not copied
        padded = np.pad(image_czyx, [(0, 0), *((b, a - b) for b, a in zip(before, added, strict=True))])
    inside = tuple(slice(b, b + size) for b, size in zip(before[1:], shape_zyx[1:], strict=True))
    offsets = np.array(recipe.logit_offsets or (0.0,), np.float32).reshape(-1, 1, 1, 1)
    weight = importance(edges)
    rows_z, rows_y, rows_x = (starts(size, edge) for size, edge in zip(padded.shape[1:], edges, strict=True))
    kept = range(before[0], before[0] + shape_zyx[0])  # rows of the padded image that are the image's
    total = weights = np.zeros(0)
    for begin, end in zip(rows_z, [*rows_z[1:], padded.shape[1]], strict=True):
        for y in rows_y:
            for x in rows_x:
                part = (slice(None), slice(y, y + edges[1]), slice(x, x + edges[2]))
                patch = np.ascontiguousarray(padded[None, :, begin : begin + edges[0], part[1], part[2]])
                logits = np.asarray(network(patch)[0], np.float32)
                if logits.shape[1:] != patch.shape[2:]:
                    raise StageError(
                        "the network gives another grid than it is given",
                        [f"logits of {logits.shape[1:]}, expected {patch.shape[2:]} (z y x)"],
                    )
                if not np.isfinite(logits).all():
                    raise StageError("the network gives logits that are no numbers")
                if not total.size:
                    total = np.zeros((len(logits), edges[0], *padded.shape[2:]), np.float32)
                    weights = np.zeros(total.shape[1:], np.float32)
                total[(slice(None), *part)] += logits * weight
                weights[part] += weight
        done = end - begin
        first, last = max(begin, kept.start), min(end, kept.stop)
        if first < last:
            rows = slice(first - begin, last - begin)
            finished = total[(slice(None), rows, *inside)]
            finished /= weights[(rows, *inside)]
            finished += offsets
            yield finished
        total[:, : edges[0] - done] = total[:, done:]
        weights[: edges[0] - done] = weights[done:]
        total[:, edges[0] - done :] = 0
        weights[edges[0] - done :] = 0


def window(shape_zyx: Sequence[int], recipe: Recipe) -> tuple[int, ...]:
    """Edges of what goes through the network in one pass, in voxels, z, y, x, as windows.window."""
    return tuple(
        1 if patch == 1 else max(patch, min(limit, -(-edge // step) * step))
        for limit, patch, edge, step in zip(
            volumes.to_zyx(recipe.window_voxels),
            volumes.to_zyx(recipe.patch_voxels),
            shape_zyx,
            recipe.multiple_zyx,
            strict=True,
        )
    )


def starts(size: int, edge: int) -> list[int]:
    """Where windows of an edge begin along an axis: a step after each other, the last one moved back to end
    with the axis.

    Args:
        size: of the axis, at least the edge.
    """
    step = edge if size == edge else max(int(edge * (1 - OVERLAP)), 1)
    found = [0]
    while found[-1] + edge < size:
        found.append(min(found[-1] + step, size - edge))
    return found


def importance(edges_zyx: Sequence[int]) -> np.ndarray:
    """The weight of each voxel of a window, (z, y, x) float32: a Gaussian around its middle, nowhere below
    WEIGHT_MIN."""
    along = []
    for edge in edges_zyx:
        from_middle = np.arange(edge, dtype=np.float32) - (edge - 1) / 2
        along.append(np.exp(-(from_middle**2) / np.float32(2 * (SIGMA * edge) ** 2)))
    weight = along[0][:, None, None] * along[1][None, :, None] * along[2][None, None, :]
    return np.maximum(weight, max(float(weight.min()), WEIGHT_MIN)).astype(np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities over the first axis, in the type of the logits."""
    powers = np.exp(logits - logits.max(0))
    return powers / powers.sum(0)


@dataclass
class _ExpectedLoss:
    """statistics.uncertainty.expected_dice_loss of logits that come row by row: per label the sum of its
    probability where it wins, the sum everywhere, and how many voxels it wins."""

    sums: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def add(self, logits: np.ndarray) -> np.ndarray:
        """Takes rows, (labels, z, y, x), and returns their labels, uint8."""
        labels_zyx = np.empty(logits.shape[1:], np.uint8)
        for z, labels_yx in enumerate(labels_zyx):  # one by one: float64 of all of them is large
            labels_yx[:] = self._add_row(logits[:, z])
        return labels_zyx

    def _add_row(self, logits: np.ndarray) -> np.ndarray:
        winner = logits.argmax(0)
        probabilities = softmax(logits.astype(np.float64))
        found = [
            (share[winner == value].sum(), share.sum(), (winner == value).sum())
            for value, share in enumerate(probabilities)
        ]
        self.sums = np.array(found, float) + (self.sums if self.sums.size else 0)
        return winner

    @property
    def value(self) -> float:
        losses = [1 - 2 * inside / (whole + voxels) for inside, whole, voxels in self.sums[1:] if voxels]
        return float(np.clip(np.mean(losses), 0, 1)) if losses else 0.0


def _labels(rows: Iterator[np.ndarray], loss: _ExpectedLoss) -> np.ndarray:
    """(z, y, x) uint8 of all rows."""
    return np.concatenate([loss.add(logits) for logits in rows])


def _resampled(logits: np.ndarray, seen: Grid, own: Grid) -> sitk.Image:
    """The label map on the image's own grid. Probabilities, not labels, are interpolated, so that borders
    stay smooth where spacings differ; one label at a time, of which the first wins where two are alike."""
    highest = logits.max(0)
    log_sum = highest + np.log(np.exp(logits - highest).sum(0))
    best = np.full(own.size_voxels[::-1], -1, np.float32)
    labels_zyx = np.zeros(best.shape, np.uint8)
    for value, of_label in enumerate(logits):
        share = np.exp(of_label - log_sum)
        there = volumes.array_zyx(volumes.onto(on(share, seen), own.record()))
        wins = there > best
        labels_zyx[wins] = value
        np.maximum(best, there, out=best)
    return on(labels_zyx, own)
