"""The learner of detection: varied windows with their boxes, a loss over cells, and average precision.

learning.fit trains with it; what a step, a process or an epoch is, it does not know.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from radiotrace.detection import augmentation, decoding, targets
from radiotrace.detection.decoding import Selection
from radiotrace.detection.examples import Example
from radiotrace.detection.losses import Criterion
from radiotrace.detection.networks import Found
from radiotrace.learning.cases import Cases
from radiotrace.learning.fit import Batch
from radiotrace.statistics import detection_scores
from radiotrace.statistics.detection_scores import Image

HALF = np.array([0.5])
FOLLOWED = Selection(score_min=0.01, boxes_max=100, suppress_overlap=0.6)


@dataclass(frozen=True)
class DetectionLearner:
    """As learning.fit.Learner says.

    Attributes:
        network: takes (n, c, …); gives Found.
        training, validation: the cases of the two parts.
        names: of the labels.
        window: voxels of a window along the axes of the array.
        cell_voxels: edge of a cell of the network's output.
        variation: of the images.
        device: where the network computes.
    """

    network: nn.Module
    criterion: Criterion
    training: Cases[Example]
    validation: Cases[Example]
    names: tuple[str, ...]
    window: tuple[int, ...]
    cell_voxels: int
    variation: augmentation.Settings
    device: torch.device
    measure: str = "ap50"

    @property
    def case_ids(self) -> Sequence[str]:
        """Of the train part."""
        return self.training.case_ids

    @property
    def validation_ids(self) -> Sequence[str]:
        """Of the validation part."""
        return self.validation.case_ids

    def batch(self, cases: Sequence[int], rngs: Sequence[np.random.Generator]) -> Batch:
        """Windows (n, c, …), and heat, sides and weight of their cells, all float32."""
        images, of_windows = [], []
        for case, rng in zip(cases, rngs, strict=True):
            one = self.training[case]
            window = augmentation.drawn(one.values.shape[1:], self.window, self.variation, rng)
            seen = window.of_image(torch.from_numpy(one.values))
            images.append(augmentation.shaded(seen, self.variation, rng))
            corners, labels = window.of_boxes(one.corners, one.labels)
            of_windows.append(
                targets.of_boxes(corners, labels, len(self.names), tuple(seen.shape[1:]), self.cell_voxels)
            )
        stacked = {
            name: torch.from_numpy(np.stack([getattr(one, name) for one in of_windows]))
            for name in ("heat", "sides", "weight")
        }
        return Batch(torch.stack(images), stacked)

    def loss(self, output: Found, batch: Batch) -> torch.Tensor:
        """Of each window, (n,) float32."""
        return self.criterion(output, batch.targets)

    def validate(self, network: nn.Module, cases: Sequence[int]) -> list[Image]:
        """Boxes of the reference, and boxes that were found."""
        rows = []
        for case in cases:
            one = self.validation[case]
            with torch.inference_mode():
                found = network(torch.from_numpy(one.values)[None].to(self.device))
            heat = torch.sigmoid(found.heat[0].float()).cpu().numpy()
            corners = decoding.corners_of(found.sides[0].float().cpu().numpy(), self.cell_voxels)
            boxes = decoding.decoded(heat, corners, self.cell_voxels, FOLLOWED)
            rows.append(Image(one.corners, one.labels, boxes.corners, boxes.labels, boxes.scores))
        return rows

    def scores(self, rows: list[Image]) -> dict[str, float | None]:
        """Average precision of each label at an overlap of a half; None where the part has no box of it."""
        if not rows:
            return {}
        found = {}
        for label, name in enumerate(self.names):
            [value] = detection_scores.average_precisions(detection_scores.matched(rows, label, HALF))
            found[name] = None if np.isnan(value) else float(value)
        return found
