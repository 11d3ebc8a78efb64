"""The learner of a smaller segmentation network, which a trained one teaches.

learning.fit trains with it as with that of segmentation/learner.py, whose patches, labels and scores it has.
"""

from dataclasses import dataclass

import torch
from torch import nn

from radiotrace.learning.fit import Batch
from radiotrace.segmentation.learner import SegmentationLearner


@dataclass(frozen=True, kw_only=True)
class TaughtLearner(SegmentationLearner):
    """As learning.fit.Learner says.

    Attributes:
        teacher: in evaluation mode, on the device; its logits are those before any offsets.
        in_bf16: whether it multiplies in bfloat16.
        temperature: that logits of both are divided by.
        teacher_weight: of the teacher's share of the loss, beside 1 for that of the labels.
    """

    teacher: nn.Module
    in_bf16: bool
    temperature: float
    teacher_weight: float

    def loss(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Of each patch, (n,) float32: as labels have it, and how far the head of full resolution is from
        what the teacher says of the same augmented patch."""
        # a sample's logits do not depend on the others, so that a step may be cut up here, too
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.in_bf16):
            taught = self.teacher(batch.inputs)
        told = softened(output[:, 0], taught, self.temperature)
        return super().loss(output, batch) + self.teacher_weight * told


def softened(logits: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """T² times the Kullback-Leibler divergence of softmax(logits / T) from softmax(teacher / T), in nats,
    mean over voxels; (n, labels, z, y, x) of both -> (n,) float32.

    T² keeps gradients alike for every T. 0 where both agree.

    Source: Hinton et al. 2015, arXiv:1503.02531.
    """
    ours, theirs = (
        torch.log_softmax(values.flatten(2).float() / temperature, 1) for values in (logits, teacher)
    )
    return temperature**2 * (theirs.exp() * (theirs - ours)).sum(1).mean(1)
