"""Targets: boxes of an image as what the network is to give in each cell, in two and three dimensions.

Boxes are (lower corner, upper corner) in the order of the array's axes, (y1, x1, y2, x2) or (z1, y1, x1, z2,
y2, x2), in voxels of the network's input; voxel i covers i to i + 1.
"""

from dataclasses import dataclass

import numpy as np

SPREAD = 0.54  # share of a box within which a cell learns of it
SIGMAS = 6.0  # standard deviations across that part


@dataclass(frozen=True)
class CellTargets:
    """What a network is to give for an image.

    Attributes:
        heat: (classes, …) float32: 1 in the cell of a middle, falling off around it, 0 elsewhere.
        sides: (2 * axes, …) float32, in cells, of the box that a cell is to give; 0 where none.
        weight: (…) float32: how much a cell counts for its box; over the cells of one box they sum to 1.
    """

    heat: np.ndarray
    sides: np.ndarray
    weight: np.ndarray


def of_boxes(
    boxes: np.ndarray, labels: np.ndarray, classes: int, shape: tuple[int, ...], cell_voxels: int
) -> CellTargets:
    """Targets of the boxes of one image.

    A cell that several boxes reach learns the smallest. A middle outside of the image has no cell: its box is
    left out.

    Args:
        boxes: (n, 4) or (n, 6). labels: (n,), from 0.
        shape: of the input in voxels, multiples of `cell_voxels`.

    Source: Liu et al. 2019, arXiv:1909.00700 (TTFNet): a Gaussian over the middle of a box weights both heat
    and sides. Unlike there, a box counts as much as any other, whatever its size.
    """
    cells = tuple(size // cell_voxels for size in shape)
    axes = len(cells)
    heat = np.zeros((classes, *cells), np.float32)
    sides = np.zeros((2 * axes, *cells), np.float32)
    weight = np.zeros(cells, np.float32)
    low, high = boxes[:, :axes] / cell_voxels, boxes[:, axes:] / cell_voxels
    middle = (low + high) / 2
    inside = ((middle >= 0) & (middle < np.array(cells))).all(1)
    by_size = sorted(np.flatnonzero(inside), key=lambda box: -float(np.prod(high[box] - low[box])))
    of_cell = np.full(cells, -1)
    for box in by_size:
        peak = np.floor(middle[box]).astype(int)
        reach = np.maximum((high[box] - low[box]) / 2 * SPREAD, 0.5)
        sigma = (2 * reach + 1) / SIGMAS
        radius = np.floor(reach).astype(int)
        start = np.maximum(peak - radius, 0)
        stop = np.minimum(peak + radius + 1, cells)
        region = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        away = np.ogrid[tuple(slice(a - p, b - p) for a, b, p in zip(start, stop, peak, strict=True))]
        gauss = np.exp(-sum(d**2 / (2 * s**2) for d, s in zip(away, sigma, strict=True))).astype(np.float32)
        np.maximum(heat[labels[box]][region], gauss, out=heat[labels[box]][region])
        places = np.ogrid[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
        for axis, place in enumerate(places):
            sides[axis][region] = place + 0.5 - low[box, axis]
            sides[axes + axis][region] = high[box, axis] - place - 0.5
        weight[region] = gauss
        of_cell[region] = box
    for box in by_size:
        own = of_cell == box
        if own.any():
            weight[own] /= weight[own].sum()
    # a cell whose middle lies outside of a very thin box still needs distances above 0
    np.maximum(sides, 1e-3, out=sides, where=weight > 0)
    return CellTargets(heat, sides, weight)
