"""The learner of lesions and survival: the learner of segmentation, and beside its loss that of a hazard.

learning.fit trains with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from radiotrace.learning.fit import Batch
from radiotrace.segmentation.learner import SegmentationLearner
from radiotrace.segmentation_survival import joint, losses
from radiotrace.segmentation_survival.outcomes import Outcome


@dataclass(frozen=True)
class Survival:
    """How survival is learnt. Of the section hazard of params.yaml, where each is explained.

    Attributes:
        loss: one of losses.NAMES.
        weight: of that loss, beside 1 for the outlines.
        edges: ends of the intervals of a discrete hazard.
    """

    loss: str
    weight: float
    edges: tuple[float, ...]


@dataclass(frozen=True)
class JointLearner:
    """As learning.fit.Learner says.

    Attributes:
        network: of `joint`.
        outlines: the learner of the outlines, on the same network: its samples, loss and score.
        outcomes: of the train part, in the order of its cases.
        survival: how it is learnt.
    """

    network: joint.Joint
    outlines: SegmentationLearner
    outcomes: Sequence[Outcome]
    survival: Survival
    measure: str = "dice"

    @property
    def case_ids(self) -> Sequence[str]:
        return self.outlines.case_ids

    @property
    def validation_ids(self) -> Sequence[str]:
        return self.outlines.validation_ids

    def batch(self, cases: Sequence[int], rngs: Sequence[np.random.Generator]) -> Batch:
        """As the outlines have it; the targets with times and events (n,) float32."""
        patches = self.outlines.batch(cases, rngs)
        of_cases = [self.outcomes[case] for case in cases]
        targets = {
            "labels": patches.targets,
            "time": torch.tensor([outcome.time for outcome in of_cases], dtype=torch.float32),
            "event": torch.tensor([outcome.event for outcome in of_cases], dtype=torch.float32),
        }
        return Batch(patches.inputs, targets)

    def loss(self, output: tuple[torch.Tensor, torch.Tensor], batch: Batch) -> torch.Tensor:
        """Of each sample, (n,) float32. That of Cox compares the samples of a batch, which train therefore
        never cuts up."""
        heads, log_hazard = output
        targets = batch.targets
        outlines = self.outlines.loss(heads, Batch(batch.inputs, targets["labels"]))
        if not self.survival.weight:
            return outlines
        time, event = targets["time"], targets["event"]
        if self.survival.loss == "cox":
            of_hazard = losses.cox(log_hazard.float(), time, event)
        else:
            edges = torch.as_tensor(self.survival.edges, dtype=torch.float32, device=time.device)
            offsets = joint.offsets(self.network.body)
            of_hazard = losses.discrete(log_hazard.float(), offsets, time, event, edges)
        return outlines + self.survival.weight * of_hazard

    def validate(self, network: nn.Module, cases: Sequence[int]) -> list[dict[str, float | None]]:
        """Dice of each label of whole cases, as segmentation has it. A hazard is not followed: a validation
        part has too few events to tell one epoch from another."""
        return self.outlines.validate(network, cases)

    def scores(self, rows: list[dict[str, float | None]]) -> dict[str, float | None]:
        """Mean Dice of each label."""
        return self.outlines.scores(rows)
