"""Adversarial perturbations: small changes of an image that make its network err.

What they find is a drop, not a bound: others may find more.

All take an image (n, 1, …) as the network sees it, and the reference (n, …), integers; the network is a
callable that gives logits (n, labels, …) with a gradient. What comes back differs from the image by eps at
most in every voxel.
"""

import numpy as np
import torch
import torch.nn.functional as F


def fgsm(network, image: torch.Tensor, reference: torch.Tensor, eps: float) -> torch.Tensor:
    """Fast gradient sign method: eps in every voxel, up where the mean cross-entropy grows with it, else
    down.

    Source: Goodfellow et al. 2015, arXiv:1412.6572.
    """
    return image + eps * _gradient(network, image, cross_entropy, reference).sign()


def pgd(
    network,
    image: torch.Tensor,
    reference: torch.Tensor,
    eps: float,
    step: float,
    steps: int,
    rng: np.random.Generator | None,
    loss=None,
) -> torch.Tensor:
    """Projected gradient descent: many steps of the fast gradient sign method, each brought back within eps.

    Args:
        step: length of one, in each voxel.
        rng: draws the start within eps of the image; None starts at the image.
        loss: (logits, reference, number of the step, steps) -> a number to increase. None: mean
            cross-entropy.

    Source: Madry et al. 2018, arXiv:1706.06083.
    """
    adversarial = image
    if rng is not None:
        adversarial = image + torch.from_numpy(rng.uniform(-eps, eps, tuple(image.shape))).to(image)
    for number in range(1, steps + 1):
        slope = _gradient(network, adversarial, loss or cross_entropy, reference, number, steps)
        adversarial = (adversarial + step * slope.sign()).clamp(image - eps, image + eps)
    return adversarial


def segpgd(
    network,
    image: torch.Tensor,
    reference: torch.Tensor,
    eps: float,
    step: float,
    steps: int,
    rng: np.random.Generator | None,
) -> torch.Tensor:
    """PGD for dense prediction: first at voxels that are still right, in the end at all alike.

    Source: Gu et al. 2022, arXiv:2207.12391.
    """
    return pgd(network, image, reference, eps, step, steps, rng, segmentation_loss)


def noise(image: torch.Tensor, eps: float, rng: np.random.Generator) -> torch.Tensor:
    """No attack: eps up or down by chance in every voxel. What attacks of this size must be compared with."""
    return image + torch.from_numpy(rng.choice([-eps, eps], tuple(image.shape))).to(image)


def cross_entropy(
    logits: torch.Tensor, reference: torch.Tensor, number: int = 1, steps: int = 1
) -> torch.Tensor:
    """Mean over voxels; whichever step it is."""
    return F.cross_entropy(logits, reference)


def segmentation_loss(logits: torch.Tensor, reference: torch.Tensor, number: int, steps: int) -> torch.Tensor:
    """Cross-entropy, voxels that are right weighted by 1 - λ and wrong ones by λ = (number - 1) / (2 steps),
    over all voxels.

    Args:
        number: of the step, from 1.
    """
    of_wrong = (number - 1) / (2 * steps)
    wrong = logits.argmax(1) != reference
    return (
        F.cross_entropy(logits, reference, reduction="none") * torch.where(wrong, of_wrong, 1 - of_wrong)
    ).mean()


def _gradient(network, image, loss, *facts) -> torch.Tensor:
    """Of the loss, with respect to the image."""
    image = image.detach().requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(loss(network(image), *facts), image)[0]
