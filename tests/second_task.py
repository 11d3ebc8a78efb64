"""A second task, as small as a task can be: is there a disc or a ring in a picture of 16 x 16 pixels?

It stands on radiotrace/learning/ alone, as a task of radiotrace/ would, and shows what a task must bring:
what is read of a case, a network, and a Learner.
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
from radiotrace.pipeline import randomness

CLASSES = ("disc", "ring")
EDGE = 16  # of a picture, in pixels
NOISE, SHIFT = 11, 2  # purpose that randomness is drawn for; farthest that a figure lies from the middle


@dataclass(frozen=True)
class Picture:
    """One case: intensities (y, x) float32, and the number of its class."""

    pixels_yx: torch.Tensor
    target: int

    @property
    def bytes(self) -> int:
        return self.pixels_yx.nbytes


def picture(case_id: str) -> Picture:
    """The phantom of a case, such as "ring_3": off the middle, of two unequal radii, in noise."""
    rng = randomness.generator(0, NOISE, case_id)
    centre_y, centre_x = EDGE / 2 + rng.uniform(-SHIFT, SHIFT, 2)
    y, x = np.mgrid[:EDGE, :EDGE]
    distance = np.hypot((y - centre_y) / 5, (x - centre_x) / 4)
    name = case_id.split("_")[0]
    inside = distance < 1 if name == "disc" else (distance < 1) & (distance > 0.6)
    pixels = inside + rng.normal(0, 0.1, inside.shape)
    return Picture(torch.from_numpy(pixels.astype(np.float32)), CLASSES.index(name))


def pictures(case_ids: Sequence[str], cache_mb: float = 1) -> Cases[Picture]:
    return Cases(case_ids, lambda index: picture(case_ids[index]), cache_mb)


class PooledNetwork(nn.Module):
    """Two convolutions, pooling, one layer on top: (n, 1, y, x) -> logits (n, 2)."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(),
            ChannelDropout(8, 0.2),
        )
        self.head = nn.Linear(8, len(CLASSES))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(image).amax((2, 3)))


def build(seed: int) -> PooledNetwork:
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
        return self.training.case_ids

    @property
    def validation_ids(self) -> Sequence[str]:
        return self.validation.case_ids

    def batch(self, cases: Sequence[int], rngs: Sequence[np.random.Generator]) -> Batch:
        """Each picture, mirrored left to right half of the time."""
        images = []
        for case, rng in zip(cases, rngs, strict=True):
            pixels_yx = self.training[case].pixels_yx
            images.append(pixels_yx.flip(1) if rng.random() < 0.5 else pixels_yx)
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
            told = network(torch.stack([one.pixels_yx for one in read])[:, None]).argmax(1)
        return [(one.target, bool(one.target == found)) for one, found in zip(read, told, strict=True)]

    def scores(self, rows: list[tuple[int, bool]]) -> dict[str, float | None]:
        found = {}
        for number, name in enumerate(CLASSES):
            of_class = [told for target, told in rows if target == number]
            found[name] = sum(of_class) / len(of_class) if of_class else None
        return found if rows else {}
