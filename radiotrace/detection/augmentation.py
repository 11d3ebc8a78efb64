"""How images and their boxes are varied while a detector learns, each by its own generator; in two and three
dimensions."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from radiotrace.learning import shading

SEEN = 0.25  # share of a box that must lie in the window for it to count there


@dataclass(frozen=True)
class Settings:
    """Of the section train.augmentation of params.yaml, where each is explained."""

    scale: float
    stretch: float
    mirror: tuple[str, ...]
    turn: bool
    intensity: float
    colour: float


@dataclass(frozen=True)
class Window:
    """A part of an image, scaled and mirrored: voxel i of it lies at origin + step * (i + .5) of the image.

    Attributes:
        origin, step: of each axis of the array, in voxels; a negative step mirrors.
        size: of each axis.
        turned: whether the last two axes change places afterwards.
    """

    origin: np.ndarray
    step: np.ndarray
    size: tuple[int, ...]
    turned: bool

    def of_boxes(self, corners: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes and labels of what lies in the window, clipped to it."""
        axes = len(self.size)
        ends = (corners.reshape(-1, 2, axes) - self.origin) / self.step
        ends = np.sort(ends, 1)
        inside = np.clip(ends, 0, np.array(self.size))
        share = (inside[:, 1] - inside[:, 0]).prod(1) / (ends[:, 1] - ends[:, 0]).prod(1)
        if self.turned:
            inside = np.concatenate([inside[..., :-2], inside[..., :-3:-1]], -1)
        kept = share >= SEEN
        return inside.reshape(-1, 2 * axes)[kept], labels[kept]

    def of_image(self, image: torch.Tensor) -> torch.Tensor:
        """The window of an image (c, …); outside of the image is its edge."""
        axes = len(self.size)
        full = torch.tensor(image.shape[1:], dtype=torch.float64)
        step, origin = torch.from_numpy(self.step), torch.from_numpy(self.origin)
        size = torch.tensor(self.size, dtype=torch.float64)
        scale = step * size / full
        shift = 2 * (origin + step * size / 2) / full - 1
        # the matrix takes x first, the last axis of the array
        matrix = torch.zeros(1, axes, axes + 1)
        for place in range(axes):
            matrix[0, place, place] = scale[axes - 1 - place]
            matrix[0, place, axes] = shift[axes - 1 - place]
        grid = functional.affine_grid(matrix, [1, image.shape[0], *self.size], align_corners=False)
        seen = functional.grid_sample(
            image[None], grid, mode="bilinear", padding_mode="border", align_corners=False
        )[0]
        return seen.transpose(-1, -2).contiguous() if self.turned else seen


def drawn(
    shape: tuple[int, ...], size: tuple[int, ...], settings: Settings, rng: np.random.Generator
) -> Window:
    """A window of an image of a shape. Where the image is larger, its place is drawn; where it is smaller, it
    lies somewhere within.

    All numbers are drawn whatever the settings, so that another setting changes nothing else.
    """
    axes = len(size)
    larger = math.exp(settings.scale * rng.uniform(-1, 1))
    longer = np.exp(settings.stretch * rng.uniform(-1, 1, axes))
    flips, places, coin = rng.random(axes), rng.random(axes), rng.random()
    names = "zyx"[-axes:]
    step = longer / larger
    room = np.array(shape) - step * np.array(size)
    origin = places * room
    mirrored = np.array([name in settings.mirror for name in names]) & (flips < 0.5)
    origin = np.where(mirrored, origin + step * np.array(size), origin)
    step = np.where(mirrored, -step, step)
    turned = settings.turn and size[-1] == size[-2] and coin < 0.5
    return Window(origin, step, tuple(size), turned)


def shaded(image: torch.Tensor, settings: Settings, rng: np.random.Generator) -> torch.Tensor:
    """An image (c, …) with other intensities, and of several channels with another balance of them."""
    image = shading.shaded(image, settings.intensity, rng)
    gain, shift = torch.from_numpy(rng.standard_normal((2, len(image))).astype(np.float32))
    of_channel = (len(image), *(1,) * (image.ndim - 1))
    image = image * torch.exp(0.15 * settings.colour * gain).reshape(of_channel)
    return image + (0.2 * settings.colour * shift).reshape(of_channel)
