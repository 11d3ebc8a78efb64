"""The learner of classification: varied pictures, a loss over their classes, and the area under the ROC
curve.

learning.fit trains with it; what a step, a process or an epoch is, it does not know.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from radiotrace.classification import augmentation
from radiotrace.classification.losses import Criterion
from radiotrace.classification.pictures import Sample, Target
from radiotrace.inference import picture
from radiotrace.learning.cases import Cases
from radiotrace.learning.fit import Batch
from radiotrace.statistics import discrimination

BATCH = 64  # pictures that are told at once

Row = tuple[tuple[float, ...], tuple[float, ...]]  # probabilities of a case, and what it has


@dataclass(frozen=True)
class ClassificationLearner:
    """As learning.fit.Learner says.

    Attributes:
        network: takes (n, c, y, x); gives logits (n, outputs).
        training, validation: the cases of the two parts.
        drawn: positions in `training`, each as often as its case is drawn in an epoch.
        target: what is told of a case.
        variation: of the pictures.
        device: where the network computes.
    """

    network: nn.Module
    criterion: Criterion
    training: Cases[Sample]
    validation: Cases[Sample]
    drawn: tuple[int, ...]
    target: Target
    variation: augmentation.Settings
    device: torch.device
    measure: str = "auroc"

    @property
    def case_ids(self) -> Sequence[str]:
        """Of the train part, each as often as it is drawn; a repeated one with its number, so that it is
        varied in another way."""
        times: dict[int, int] = {}
        names = []
        for place in self.drawn:
            times[place] = times.get(place, 0) + 1
            name = self.training.case_ids[place]
            names.append(name if times[place] == 1 else f"{name}#{times[place]}")
        return names

    @property
    def validation_ids(self) -> Sequence[str]:
        """Of the validation part."""
        return self.validation.case_ids

    def batch(self, cases: Sequence[int], rngs: Sequence[np.random.Generator]) -> Batch:
        """Pictures (n, c, y, x), and what each has, (n, outputs), both float32."""
        samples = [self.training[self.drawn[case]] for case in cases]
        images = [
            augmentation.varied(sample.pixels_cyx, self.variation, rng)
            for sample, rng in zip(samples, rngs, strict=True)
        ]
        return Batch(torch.stack(images), torch.from_numpy(np.stack([one.target for one in samples])))

    def loss(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Of each picture, (n,) float32."""
        return self.criterion(output, batch.targets)

    def validate(self, network: nn.Module, cases: Sequence[int]) -> list[Row]:
        """Probabilities of each picture, and what it has."""
        rows: list[Row] = []
        for start in range(0, len(cases), BATCH):
            read = [self.validation[case] for case in cases[start : start + BATCH]]
            images = torch.from_numpy(np.stack([sample.pixels_cyx for sample in read])).to(self.device)
            with torch.inference_mode():
                logits = network(images).float().cpu().numpy()
            told = picture.probabilities(logits, self.target.kind)
            has = [sample.target[1:] if self.target.kind == "class" else sample.target for sample in read]
            rows += [(tuple(map(float, p)), tuple(map(float, y))) for p, y in zip(told, has, strict=True)]
        return rows

    def scores(self, rows: list[Row]) -> dict[str, float | None]:
        """Area under the ROC curve of each label but the first; None where the part has it in all cases, or
        in none."""
        if not rows:
            return {}
        told, has = (np.array(column) for column in zip(*rows, strict=True))
        return {
            name: discrimination.auroc(told[:, place], has[:, place] > 0)
            for place, name in enumerate(self.target.names)
        }
