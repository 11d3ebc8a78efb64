"""Corruptions of pictures, each in five severities; and attacks.

The kinds that a chest X-ray may meet are those of MedMNIST-C (Di Salvo et al. 2024, arXiv:2406.17536), made
anew in NumPy, SciPy and Pillow; severities are our own, and so are the numbers.
"""

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

SEVERITIES = 5

# of the width of a picture's values: what a change is a share of
Values = np.ndarray


def _noise(rng: np.random.Generator, like: Values) -> Values:
    return rng.standard_normal(like.shape)


def gaussian_noise(v: Values, amount: float, rng: np.random.Generator) -> Values:
    return v + amount * _noise(rng, v)


def speckle_noise(v: Values, amount: float, rng: np.random.Generator) -> Values:
    return v + amount * v * _noise(rng, v)


def impulse_noise(v: Values, amount: float, rng: np.random.Generator) -> Values:
    where, white = rng.random(v.shape) < amount, rng.random(v.shape) < 0.5
    return np.where(where, white.astype(float), v)


def shot_noise(v: Values, amount: float, rng: np.random.Generator) -> Values:
    return rng.poisson(np.clip(v, 0, 1) * amount) / amount


def blur(v: Values, amount: float, rng: np.random.Generator) -> Values:
    return ndimage.gaussian_filter(v, (0, amount, amount), mode="nearest")


def pixelation(v: Values, amount: float, rng: np.random.Generator) -> Values:
    height, width = v.shape[1:]
    small = (max(2, round(width * amount)), max(2, round(height * amount)))
    return np.stack(
        [
            np.asarray(
                Image.fromarray(channel.astype(np.float32))
                .resize(small, Image.Resampling.BOX)
                .resize((width, height), Image.Resampling.NEAREST)
            )
            for channel in v
        ]
    )


def jpeg(v: Values, amount: float, rng: np.random.Generator) -> Values:
    def squeezed(channel: Values) -> Values:
        file = io.BytesIO()
        grey = Image.fromarray(np.rint(np.clip(channel, 0, 1) * 255).astype(np.uint8))
        grey.save(file, "JPEG", quality=int(amount))
        return np.asarray(Image.open(io.BytesIO(file.getvalue())), float) / 255

    return np.stack([squeezed(channel) for channel in v])


def brighter(v: Values, amount: float, rng: np.random.Generator) -> Values:
    return np.clip(v + amount, 0, 1)


def darker(v: Values, amount: float, rng: np.random.Generator) -> Values:
    return np.clip(v - amount, 0, 1)


def more_contrast(v: Values, amount: float, rng: np.random.Generator) -> Values:
    return np.clip((v - v.mean()) * amount + v.mean(), 0, 1)


def less_contrast(v: Values, amount: float, rng: np.random.Generator) -> Values:
    # what little contrast is left is stored in as many steps as eight bits have
    return np.rint(((v - v.mean()) * amount + v.mean()) * 255) / 255


def gamma(v: Values, amount: float, rng: np.random.Generator) -> Values:
    return np.clip(v, 0, 1) ** amount


def rotation(v: Values, amount: float, rng: np.random.Generator) -> Values:
    angle = amount * rng.choice([-1.0, 1.0])
    return ndimage.rotate(v, angle, (1, 2), reshape=False, order=1, mode="nearest")


def shift(v: Values, amount: float, rng: np.random.Generator) -> Values:
    along = amount * np.array(v.shape[1:]) * rng.choice([-1.0, 1.0], 2)
    return ndimage.shift(v, (0, *along), order=1, mode="nearest")


# Name -> what it does, and how much of it at each severity.
TABLE: dict[str, tuple[Callable[[Values, float, np.random.Generator], Values], tuple[float, ...]]] = {
    "gaussian_noise": (gaussian_noise, (0.02, 0.04, 0.08, 0.12, 0.18)),
    "speckle_noise": (speckle_noise, (0.05, 0.1, 0.15, 0.25, 0.35)),
    "impulse_noise": (impulse_noise, (0.005, 0.01, 0.03, 0.06, 0.1)),
    "shot_noise": (shot_noise, (1000, 400, 150, 60, 30)),
    "blur": (blur, (0.3, 0.5, 0.8, 1.1, 1.5)),
    "pixelation": (pixelation, (0.9, 0.75, 0.6, 0.5, 0.4)),
    "jpeg": (jpeg, (80, 60, 40, 25, 12)),
    "brighter": (brighter, (0.05, 0.1, 0.2, 0.3, 0.4)),
    "darker": (darker, (0.05, 0.1, 0.2, 0.3, 0.4)),
    "more_contrast": (more_contrast, (1.2, 1.5, 1.8, 2.2, 3.0)),
    "less_contrast": (less_contrast, (0.8, 0.6, 0.4, 0.25, 0.12)),
    "gamma_up": (gamma, (1.2, 1.5, 1.8, 2.2, 3.0)),
    "gamma_down": (gamma, (0.85, 0.7, 0.55, 0.45, 0.33)),
    "rotation": (rotation, (5, 10, 15, 20, 30)),
    "shift": (shift, (0.03, 0.06, 0.09, 0.12, 0.18)),
}


def corrupted(values_czyx: np.ndarray, name: str, severity: int, rng: np.random.Generator) -> np.ndarray:
    """A picture with a corruption, of the same shape and width of values.

    Args:
        values_czyx: of one slice; its lowest and highest value are what black and white are.
        severity: from 1.
    """
    low, high = float(values_czyx.min()), float(values_czyx.max())
    width = (high - low) or 1.0
    function, amounts = TABLE[name]
    changed = function((values_czyx[:, 0].astype(float) - low) / width, amounts[severity - 1], rng)
    return (np.asarray(changed) * width + low)[:, None]


def attacked(
    network: torch.nn.Module,
    pixels_ncyx: np.ndarray,
    loss: Callable[[torch.Tensor], torch.Tensor],
    eps: float,
    steps: int,
) -> np.ndarray:
    """Prepared pictures changed by at most eps in every pixel so that a loss rises: projected gradient
    descent from the picture itself, 2.5 eps in all steps together; one step of eps is FGSM.

    Args:
        loss: logits -> (n,).
        eps: in SD of the normalised picture.

    Source: Goodfellow et al. 2015, arXiv:1412.6572; Madry et al. 2018, arXiv:1706.06083.
    """
    start = torch.from_numpy(pixels_ncyx)
    now, length = start.clone(), eps if steps == 1 else 2.5 * eps / steps
    for _ in range(steps):
        now.requires_grad_(True)
        (gradient,) = torch.autograd.grad(loss(network(now)).sum(), now)
        with torch.no_grad():
            now = start + (now + length * gradient.sign() - start).clamp(-eps, eps)
    return now.detach().numpy()
