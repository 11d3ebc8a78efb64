"""What training knows of the second task: a picture and its class, a network, a Learner.

It stands on radiotrace/learning/ alone, as any task may.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from radiotrace.learning.cases import Cases
from radiotrace.learning.dropout import ChannelDropout
from radiotrace.learning.fit import Batch

CLASSES = ("disc", "ring")


@dataclass(frozen=True)
class Picture:
    """One case: intensities (1, y, x) float32, of one slice, and the number of its class in CLASSES."""

    pixels_zyx: torch.Tensor
    target: int

    @property
    def bytes(self) -> int:
        """In memory."""
        return self.pixels_zyx.nbytes


class PooledNetwork(nn.Module):
    """Two convolutions in the slice, pooling, one layer on top: (n, 1, z, y, x) -> logits (n, 2)."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(1, 8, (1, 3, 3), padding=(0, 1, 1)),
            nn.ReLU(),
            nn.AvgPool3d((1, 2, 2)),
            nn.Conv3d(8, 8, (1, 3, 3), padding=(0, 1, 1)),
            nn.ReLU(),
            ChannelDropout(8, 0.2),
        )
        self.head = nn.Linear(8, len(CLASSES))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(image).amax((2, 3, 4)))


def build(seed: int) -> PooledNetwork:
    """Freshly initialised."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return PooledNetwork()


@dataclass(frozen=True)
class ClassificationLearner:
    """As learning.fit.Learner says; its scores are the share of each class that is told rightly."""

    training: Cases[Picture]
    validation: Cases[Picture]
    network: nn.Module = field(default_factory=lambda: build(0))
    measure: str = "recall"

    @property
    def case_ids(self) -> Sequence[str]:
        """Of the train part."""
        return self.training.case_ids

    @property
    def validation_ids(self) -> Sequence[str]:
        """Of the validation part."""
        return self.validation.case_ids

    def batch(self, cases: Sequence[int], rngs: Sequence[np.random.Generator]) -> Batch:
        """Each picture, mirrored left to right half of the time."""
        images = []
        for case, rng in zip(cases, rngs, strict=True):
            pixels_zyx = self.training[case].pixels_zyx
            images.append(pixels_zyx.flip(2) if rng.random() < 0.5 else pixels_zyx)
        targets = torch.tensor([self.training[case].target for case in cases])
        return Batch(torch.stack(images)[:, None], targets)

    def loss(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Cross-entropy of each picture."""
        return functional.cross_entropy(output.float(), batch.targets, reduction="none")

    def validate(self, network: nn.Module, cases: Sequence[int]) -> list[tuple[int, bool]]:
        """Class and whether it was told, of each picture; all in one pass."""
        if not cases:
            return []
        read = [self.validation[case] for case in cases]
        with torch.inference_mode():
            told = network(torch.stack([one.pixels_zyx for one in read])[:, None]).argmax(1)
        return [(one.target, bool(one.target == found)) for one, found in zip(read, told, strict=True)]

    def scores(self, rows: list[tuple[int, bool]]) -> dict[str, float | None]:
        """Share of each class that was told; None where there is no picture of it."""
        found = {}
        for number, name in enumerate(CLASSES):
            of_class = [told for target, told in rows if target == number]
            found[name] = sum(of_class) / len(of_class) if of_class else None
        return found if rows else {}
