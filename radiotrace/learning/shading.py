"""Shading: how intensities of an image are varied while a network learns, by a generator; of pictures and of
volumes."""

import math

import numpy as np
import torch
from torch.nn import functional

NOISE_CHANCE, BLUR_CHANCE = 0.3, 0.2


def shaded(image: torch.Tensor, amount: float, rng: np.random.Generator) -> torch.Tensor:
    """An image (c, y, x) or (c, z, y, x) with other contrast, brightness, noise and sharpness.

    All numbers are drawn whatever the amount, so that another one does not change what else happens to an
    image.

    Args:
        amount: multiplies every change; 0 leaves the image as it is.
    """
    gamma, gain, shift, noise_sd = rng.standard_normal(4)
    noisy, blurred = rng.random(2)
    noise = torch.from_numpy(rng.standard_normal(tuple(image.shape)).astype(np.float32))
    if not amount:
        return image
    axes = tuple(range(1, image.ndim))
    low, high = image.amin(axes, keepdim=True), image.amax(axes, keepdim=True)
    width = (high - low).clamp_min(1e-6)
    image = ((image - low) / width) ** math.exp(0.25 * amount * gamma) * width + low
    image = image * math.exp(0.15 * amount * gain) + 0.2 * amount * shift
    if noisy < NOISE_CHANCE * min(amount, 1):
        image = image + 0.1 * amount * abs(noise_sd) * noise
    if blurred < BLUR_CHANCE * min(amount, 1):
        pool = functional.avg_pool2d if len(axes) == 2 else functional.avg_pool3d
        image = pool(functional.pad(image[None], (1, 1) * len(axes), mode="replicate"), 3, 1)[0]
    return image
