"""Explain: where in an image the score of a box comes from, and two checks of that; in two and three
dimensions."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from radiotrace.detection.networks import Detector

BLUR_SHARE = 0.25  # of the edge of a box, the SD of the blur that takes it away


@dataclass(frozen=True)
class Cell:
    """A cell of the network's output.

    Attributes:
        label: of the heat, from 0.
        place: along the axes of the output.
    """

    label: int
    place: tuple[int, ...]


def cell_of(corners: np.ndarray, label: int, cell_voxels: int, heat: np.ndarray) -> Cell:
    """The cell that gave a box: the highest peak of its label about the middle of the box.

    Args:
        corners: (2 * axes,), in voxels of the input.
        heat: (classes, …), of the same image.
    """
    axes = len(corners) // 2
    low = np.floor(corners[:axes] / cell_voxels).astype(int)
    high = np.maximum(np.ceil(corners[axes:] / cell_voxels).astype(int), low + 1)
    region = tuple(slice(max(0, a), b) for a, b in zip(low, high, strict=True))
    inside = heat[label][region]
    place = np.unravel_index(int(inside.argmax()), inside.shape)
    return Cell(label, tuple(int(a + max(0, b)) for a, b in zip(place, low, strict=True)))


def gradient(network: Detector, values: np.ndarray, cell: Cell) -> np.ndarray:
    """How far each voxel sways the log odds of a cell: the size of the gradient, summed over channels, (…).

    Source: Simonyan et al. 2014, arXiv:1312.6034.
    """
    image = torch.from_numpy(values)[None].requires_grad_(True)
    logit = network(image).heat[(0, cell.label, *cell.place)]
    (found,) = torch.autograd.grad(logit.float(), image)
    return found[0].abs().sum(0).numpy()


def region_of(corners: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The voxels of a box, one at least along each axis."""
    axes = len(shape)
    low = np.clip(np.floor(corners[:axes]).astype(int), 0, np.array(shape) - 1)
    high = np.clip(np.ceil(corners[axes:]).astype(int), low + 1, shape)
    return tuple(slice(a, b) for a, b in zip(low, high, strict=True))


def share_inside(sway: np.ndarray, region: tuple[slice, ...]) -> float:
    """Of all sway, what lies in a box; 0 where nothing sways."""
    total = float(sway.sum(dtype=np.float64))
    return float(sway[region].sum(dtype=np.float64)) / total if total else 0.0


def blurred(values: np.ndarray, region: tuple[slice, ...]) -> np.ndarray:
    """The image with a box blurred away."""
    edges = [along.stop - along.start for along in region]
    sigma = [max(1.0, BLUR_SHARE * edge) for edge in edges]
    margin = [int(np.ceil(3 * one)) for one in sigma]
    shape = values.shape[1:]
    around = tuple(
        slice(max(0, along.start - more), min(size, along.stop + more))
        for along, more, size in zip(region, margin, shape, strict=True)
    )
    smooth = ndimage.gaussian_filter(values[(slice(None), *around)], (0, *sigma), mode="nearest")
    inner = tuple(
        slice(along.start - outer.start, along.stop - outer.start)
        for along, outer in zip(region, around, strict=True)
    )
    changed = values.copy()
    changed[(slice(None), *region)] = smooth[(slice(None), *inner)]
    return changed


def elsewhere(
    region: tuple[slice, ...], shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[slice, ...]:
    """A box of this size at another place of the image."""
    moved = []
    for along, size in zip(region, shape, strict=True):
        edge = along.stop - along.start
        start = int(rng.integers(0, size - edge + 1))
        moved.append(slice(start, start + edge))
    return tuple(moved)


def score(network: Detector, values: np.ndarray, cell: Cell) -> float:
    """Of a cell and the cells around it, the highest: a peak may move by one."""
    with torch.inference_mode():
        heat = torch.sigmoid(network(torch.from_numpy(values)[None]).heat[0, cell.label].float()).numpy()
    around = tuple(slice(max(0, place - 1), place + 2) for place in cell.place)
    return float(heat[around].max())
