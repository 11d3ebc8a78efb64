"""Losses of a classifier, picture by picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from radiotrace.inference.picture import Kind


@dataclass(frozen=True)
class Criterion:
    """How far logits are from what a picture has.

    Attributes:
        kind: whether a picture has one class, or some of several.
        focal_gamma: 0 is cross-entropy; more lets pictures that are told rightly count for less.
        smoothing: share of the target that is spread over all classes.
        weights: of each output; mean 1 over the cases.
    """

    kind: Kind
    focal_gamma: float
    smoothing: float
    weights: tuple[float, ...]

    def __call__(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """(n,) float32.

        Args:
            logits, target: (n, outputs); target 1 for what a picture has.

        Source: focal loss, Lin et al. 2017, arXiv:1708.02002; label smoothing, Szegedy et al. 2016,
        arXiv:1512.00567.
        """
        logits, weights = logits.float(), torch.tensor(self.weights, device=logits.device)
        if self.kind == "class":
            soft = target * (1 - self.smoothing) + self.smoothing / target.shape[1]
            log_p = functional.log_softmax(logits, 1)
            terms = -soft * (1 - log_p.exp()) ** self.focal_gamma * log_p
            return (terms * weights).sum(1)
        soft = target * (1 - self.smoothing) + self.smoothing / 2
        log_yes, log_no = functional.logsigmoid(logits), functional.logsigmoid(-logits)
        yes = -soft * (1 - log_yes.exp()) ** self.focal_gamma * log_yes * weights
        no = -(1 - soft) * (1 - log_no.exp()) ** self.focal_gamma * log_no
        return (yes + no).mean(1)


def weights(counts: Sequence[int], n_cases: int, kind: Kind, power: float) -> tuple[float, ...]:
    """Of each output: how much rarer its class is, to a power.

    One class a case: the ratio of the mean count to its own, brought to mean 1 over the cases. Several: the
    ratio of cases without it to cases with it.
    """
    if kind == "classes":
        return tuple((max(n_cases - count, 1) / max(count, 1)) ** power for count in counts)
    raw = [(n_cases / (len(counts) * max(count, 1))) ** power for count in counts]
    mean = sum(weight * count for weight, count in zip(raw, counts, strict=True)) / n_cases
    return tuple(weight / mean for weight in raw)
