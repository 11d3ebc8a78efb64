"""The learner of segmentation: patches of image and label map, a loss over them, and Dice.

learning.fit trains with it; what a step, a process or an epoch is, it does not know.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from radiotrace.imaging import volumes
from radiotrace.imaging.channels import Channel
from radiotrace.inference import windows
from radiotrace.inference.recipe import Recipe
from radiotrace.learning.cases import Cases
from radiotrace.learning.fit import Batch
from radiotrace.records.dataset import Case
from radiotrace.segmentation import augmentation, dataset, metrics
from radiotrace.segmentation.dataset import Sample


def cases(folder, entries: Sequence[Case], channels: Sequence[Channel], cache_mb: float) -> Cases[Sample]:
    """The cases of a part.

    Args:
        folder: of canonical volumes.
        entries: of the record 'dataset'.
        channels: of the recipe.
        cache_mb: as Cases takes it.
    """

    def sample(index: int) -> Sample:
        return dataset.read(folder, entries[index], channels)

    return Cases([entry.case_id for entry in entries], sample, cache_mb)


@dataclass(frozen=True)
class SegmentationLearner:
    """As learning.fit.Learner says.

    Attributes:
        network: takes (n, c, z, y, x); gives (n, heads, labels, z, y, x) in training mode, and logits
            (n, labels, z, y, x) in evaluation mode.
        criterion: of losses.build, on the device.
        training, validation: the cases of the two parts.
        labels: value -> name; "0" is the background.
        variation: of the patches.
        recipe: as inference takes it; its patch is that of training.
        device: where the network computes.
    """

    network: nn.Module
    criterion: nn.Module
    training: Cases[Sample]
    validation: Cases[Sample]
    labels: dict[str, str]
    variation: augmentation.Settings
    recipe: Recipe
    device: torch.device
    measure: str = "dice"

    @property
    def case_ids(self) -> Sequence[str]:
        return self.training.case_ids

    @property
    def validation_ids(self) -> Sequence[str]:
        return self.validation.case_ids

    def batch(self, cases: Sequence[int], rngs: Sequence[np.random.Generator]) -> Batch:
        """A random patch of each case: images (n, c, z, y, x), and the share of each label in each voxel,
        (n, labels, z, y, x), both float32."""
        patch_zyx = volumes.to_zyx(self.recipe.patch_voxels)
        images, targets = [], []
        for case, rng in zip(cases, rngs, strict=True):
            image, target = augmentation.draw_patch(
                self.training[case], patch_zyx, len(self.labels), self.variation, rng
            )
            images.append(image)
            targets.append(target)
        return Batch(torch.stack(images), torch.stack(targets))

    def loss(self, output: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Of each patch over the heads, full resolution first, (n,) float32."""
        return self.criterion(output, batch.targets)

    def validate(self, network: nn.Module, cases: Sequence[int]) -> list[dict[str, float | None]]:
        """Dice of each label of whole cases, on the canonical grid."""
        rows = []
        for case in cases:
            sample = self.validation[case]
            logits = windows.predict(sample.image_czyx, network, self.recipe, self.device)
            prediction = logits.argmax(0).numpy()
            rows.append(metrics.dice_per_label(sample.label_zyx.numpy(), prediction, self.labels))
        return rows

    def scores(self, rows: list[dict[str, float | None]]) -> dict[str, float | None]:
        """Mean Dice of each label over the cases where it is defined; {} without cases."""
        if not rows:
            return {}
        names = [name for value, name in self.labels.items() if value != "0"]
        return {name: metrics.mean_defined(row[name] for row in rows) for name in names}
