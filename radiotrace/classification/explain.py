"""Explain: where in a picture the score of a label comes from, and how far such a map is to be trusted."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage, stats
from torch.nn import functional

from radiotrace.classification.networks import Classifier
from radiotrace.inference.picture import Kind

TOP = 0.2  # of the picture, that is blurred away
BLUR_SHARE = 0.15  # of the picture's width, what it is blurred by


def score(logits: torch.Tensor, label: int, kind: Kind) -> torch.Tensor:
    """Log odds of a label after the first, (n,).

    Args:
        label: from 0, of the labels after the first.
    """
    if kind == "classes":
        return logits[:, label]
    others = torch.cat([logits[:, : label + 1], logits[:, label + 2 :]], 1)
    return logits[:, label + 1] - torch.logsumexp(others, 1)


def grad_cam(network: Classifier, pixels_cyx: np.ndarray, label: int, kind: Kind) -> np.ndarray:
    """A map (y, x) from 0 to 1 of what speaks for a label; all zeros where nothing does.

    Source: Selvaraju et al. 2017, arXiv:1610.02391, of the last features by place.
    """
    with torch.no_grad():
        places = network.places(torch.from_numpy(pixels_cyx)[None])
    places = places.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(score(network.told(places), label, kind).sum(), places)
    with torch.no_grad():
        raw = functional.relu((gradient.mean((2, 3), keepdim=True) * places).sum(1, keepdim=True))
        size = pixels_cyx.shape[1:]
        found = functional.interpolate(raw, size, mode="bilinear", align_corners=False)[0, 0].numpy()
    highest = float(found.max())
    return found / highest if highest > 0 else np.zeros(size, np.float32)


def log_odds(network: Classifier, pixels_cyx: np.ndarray, label: int, kind: Kind) -> float:
    """Of a label."""
    with torch.inference_mode():
        return float(score(network(torch.from_numpy(pixels_cyx)[None]), label, kind)[0])


def blurred_away(pixels_cyx: np.ndarray, places_yx: np.ndarray) -> np.ndarray:
    """A picture of which some places have nothing but what blur leaves.

    Args:
        places_yx: bool (y, x).
    """
    sigma = BLUR_SHARE * pixels_cyx.shape[2]
    smooth = ndimage.gaussian_filter(pixels_cyx, (0, sigma, sigma), mode="nearest")
    return np.where(places_yx, smooth, pixels_cyx).astype(np.float32)


def top(heat_yx: np.ndarray) -> np.ndarray:
    """The places that a map ranks highest, bool (y, x); of equal ones the first."""
    n = max(1, round(TOP * heat_yx.size))
    order = np.argsort(-heat_yx.ravel(), kind="stable")
    chosen = np.zeros(heat_yx.size, bool)
    chosen[order[:n]] = True
    return chosen.reshape(heat_yx.shape)


def random_places(shape_yx: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """As many places as `top` has, that hang together as those of a map do: the highest of smooth noise."""
    sigma = BLUR_SHARE * shape_yx[1]
    return top(ndimage.gaussian_filter(rng.standard_normal(shape_yx), sigma, mode="nearest"))


def correlation(heat_yx: np.ndarray, others: Sequence[np.ndarray]) -> float | None:
    """Mean rank correlation of a map with others; None where it, or all of them, are flat.

    Source: Adebayo et al. 2018, arXiv:1810.03292.
    """
    if not np.ptp(heat_yx):
        return None
    found = np.array(
        [stats.spearmanr(heat_yx.ravel(), other.ravel())[0] for other in others if np.ptp(other)]
    )
    return float(np.clip(found.mean(), -1, 1)) if found.size else None
