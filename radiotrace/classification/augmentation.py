"""How pictures are varied while a classifier learns, each by its own generator."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from radiotrace.learning import shading


@dataclass(frozen=True)
class Settings:
    """Of the section train.augmentation of params.yaml, where each is explained."""

    rotation_degrees: float
    scale: float
    shift_share: float
    mirror: tuple[str, ...]
    intensity: float


def varied(pixels_cyx: np.ndarray, settings: Settings, rng: np.random.Generator) -> torch.Tensor:
    """A picture turned, scaled, shifted and mirrored, with other contrast, brightness, noise and sharpness;
    (c, y, x) float32.

    Outside of the picture is its edge. All numbers are drawn whatever the settings, so that another setting
    does not change what else happens to a picture.
    """
    image = torch.from_numpy(pixels_cyx)[None]
    return shading.shaded(_moved(image, settings, rng)[0], settings.intensity, rng)


def _moved(image: torch.Tensor, settings: Settings, rng: np.random.Generator) -> torch.Tensor:
    angle = math.radians(settings.rotation_degrees) * rng.uniform(-1, 1)
    larger, longer = np.exp(settings.scale * rng.uniform(-1, 1, 2) * (1.0, 0.5))
    shift_x, shift_y = 2 * settings.shift_share * rng.uniform(-1, 1, 2)
    flip_x, flip_y = (
        -1.0 if axis in settings.mirror and coin < 0.5 else 1.0
        for axis, coin in zip("xy", rng.random(2), strict=True)
    )
    cos, sin = math.cos(angle), math.sin(angle)
    along_x = (flip_x * larger * cos, -flip_y * larger * longer * sin, shift_x)
    along_y = (flip_x * larger * sin, flip_y * larger * longer * cos, shift_y)
    matrix = torch.tensor([[along_x, along_y]], dtype=torch.float32)
    grid = functional.affine_grid(matrix, list(image.shape), align_corners=False)
    return functional.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)
