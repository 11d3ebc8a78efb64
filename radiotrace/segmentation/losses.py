"""Losses by name: one value for each sample, so that their mean does not depend on how a batch is cut up."""

from dataclasses import dataclass

import torch

NAMES = ["dice_ce", "dice_focal", "tversky", "focal_tversky"]
# above and below the line of a Dice coefficient, as in MONAI; without it, an empty label divides by 0
SMOOTHING = 1e-5
LEAST = 1e-6  # base of a power below 1, whose gradient has no bound at 0


@dataclass(frozen=True)
class Settings:
    """Which loss. Of the section train of params.yaml, where each value is explained.

    Attributes:
        loss: one of NAMES.
        class_weights: a positive number for each label, background first; None for equal ones.
        tversky_alpha, tversky_beta, focal_tversky_gamma, focal_gamma: as the functions below say.
    """

    loss: str
    class_weights: tuple[float, ...] | None
    tversky_alpha: float
    tversky_beta: float
    focal_tversky_gamma: float
    focal_gamma: float


def faults(settings: Settings, labels: int) -> list[str]:
    """What does not fit together, for so many labels with background."""
    weights = settings.class_weights
    if weights is not None and len(weights) != labels:
        return [f"train.class_weights: found {len(weights)} values, expected {labels} (background first)"]
    return []


def build(settings: Settings, labels: int) -> torch.nn.Module:
    """A loss: logits (n, heads, labels, z, y, x) and targets (n, labels, z, y, x) -> (n,) float32.

    Args:
        labels: number of labels with background, 2 at least.

    Raises:
        ValueError: the name is unknown, or the class weights are not as many as the labels.
    """
    if settings.loss not in NAMES:
        raise ValueError(f"unknown loss {settings.loss!r}")
    if broken := faults(settings, labels):
        raise ValueError(broken[0])
    return Loss(settings, labels)


class Loss(torch.nn.Module):
    """A loss over the heads of a deeply supervised network. Head h weighs 2^-h, the weights sum to 1.

    Source: Lee et al. 2015, arXiv:1409.5185; Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.
    """

    class_weights: torch.Tensor

    def __init__(self, settings: Settings, labels: int):
        super().__init__()
        self.settings = settings
        self.register_buffer(
            "class_weights", torch.tensor(settings.class_weights or [1] * labels, dtype=torch.float32)
        )

    def forward(self, heads_nhczyx: torch.Tensor, target_nczyx: torch.Tensor) -> torch.Tensor:
        """One value for each sample, (n,) float32, computed in float32.

        Args:
            heads_nhczyx: logits of any float type.
            target_nczyx: share of each label in each voxel, float: one-hot or soft; sums to 1 over the
                labels.

        Raises:
            ValueError: the shapes differ.
        """
        if heads_nhczyx[:, 0].shape != target_nczyx.shape:
            raise ValueError(
                f"target: found {tuple(target_nczyx.shape)}, expected {tuple(heads_nhczyx[:, 0].shape)}"
            )
        target = target_nczyx.flatten(2).float()
        weights = [2.0**-head for head in range(heads_nhczyx.shape[1])]
        values = [
            weight * self.one_head(torch.log_softmax(logits.flatten(2), 1, dtype=torch.float32), target)
            for weight, logits in zip(weights, heads_nhczyx.unbind(1), strict=True)
        ]
        return torch.stack(values).sum(0) / sum(weights)

    def one_head(self, log_p: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Logarithms of probabilities and targets, (n, labels, voxels) -> (n,)."""
        settings, p, weights = self.settings, log_p.exp(), self.class_weights
        if settings.loss == "dice_ce":
            return dice(p, target, weights) + cross_entropy(log_p, target, weights)
        if settings.loss == "dice_focal":
            return dice(p, target, weights) + focal(log_p, p, target, weights, settings.focal_gamma)
        gamma = settings.focal_tversky_gamma if settings.loss == "focal_tversky" else 1
        return tversky(p, target, weights, settings.tversky_alpha, settings.tversky_beta, gamma)


def cross_entropy(log_p: torch.Tensor, target: torch.Tensor, class_weights: torch.Tensor) -> torch.Tensor:
    """Mean over the voxels of -Σ w t log p, over the mean class weight. (n, labels, voxels) -> (n,).

    PyTorch divides by the weights of the labels that a batch holds, so that the value of a sample depends on
    its neighbours; a constant divisor does not.
    """
    return -((log_p * target).mean(-1) * class_weights).sum(-1) / class_weights.mean()


def focal(
    log_p: torch.Tensor, p: torch.Tensor, target: torch.Tensor, class_weights: torch.Tensor, gamma: float
) -> torch.Tensor:
    """Cross-entropy in which a voxel weighs (1 - p)^gamma: what is sure and right counts little.

    (n, labels, voxels) -> (n,).

    Source: Lin et al. 2017, arXiv:1708.02002, with softmax for sigmoid.
    """
    return cross_entropy(_power(1 - p, gamma) * log_p, target, class_weights)


def dice(p: torch.Tensor, target: torch.Tensor, class_weights: torch.Tensor) -> torch.Tensor:
    """1 - 2 Σ p t / (Σ p + Σ t), weighted mean over the labels but the background.

    (n, labels, voxels) -> (n,).

    A label that a sample lacks costs nearly 1 and has hardly a gradient until nearly no voxel is given to it.

    Source: Milletari et al. 2016, arXiv:1606.04797, with plain sums below the line, for soft targets too.
    """
    return _foreground_mean(1 - _tversky_index(p, target, 0.5, 0.5, SMOOTHING / 2), class_weights)


def tversky(
    p: torch.Tensor,
    target: torch.Tensor,
    class_weights: torch.Tensor,
    alpha: float,
    beta: float,
    gamma: float,
) -> torch.Tensor:
    """(1 - TI)^gamma with TI = TP / (TP + alpha FP + beta FN), weighted mean over the labels but the
    background.

    alpha weighs false positives, beta false negatives: alpha < beta favours recall. gamma 1 is the Tversky
    loss; below 1, the focal Tversky loss, labels that are nearly right count more. (n, labels, voxels) ->
    (n,).

    Source: Salehi et al. 2017, arXiv:1706.05721. Focal: Abraham and Khan 2019, arXiv:1810.07842, with three
    differences of notation: their exponent is 1/γ with γ = 4/3, which is gamma = 0.75 here, as in their code;
    their α = 0.7 weighs false negatives, which is beta here; they sum over the labels, and the mean differs
    by a constant factor.
    """
    deficit = (1 - _tversky_index(p, target, alpha, beta, SMOOTHING)).clamp_min(0)  # rounding gives -1e-7
    return _foreground_mean(_power(deficit, gamma), class_weights)


def _tversky_index(
    p: torch.Tensor, target: torch.Tensor, alpha: float, beta: float, smoothing: float
) -> torch.Tensor:
    """Of each label but the background: (n, labels, voxels) -> (n, labels - 1)."""
    p_sum, target_sum, both = (values.sum(-1)[:, 1:] for values in (p, target, p * target))
    return (both + smoothing) / (both + alpha * (p_sum - both) + beta * (target_sum - both) + smoothing)


def _foreground_mean(values: torch.Tensor, class_weights: torch.Tensor) -> torch.Tensor:
    """(n, labels - 1) -> (n,)"""
    return (values * class_weights[1:]).sum(-1) / class_weights[1:].sum()


def _power(base: torch.Tensor, exponent: float) -> torch.Tensor:
    """base ** exponent with a finite gradient, for a base of 0 or more."""
    return (base.clamp_min(LEAST) if exponent < 1 else base) ** exponent
