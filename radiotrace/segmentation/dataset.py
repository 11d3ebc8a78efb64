"""A case as segmentation learns from it: image, label map, and where its labels are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from radiotrace.imaging import volumes
from radiotrace.imaging.channels import Channel
from radiotrace.imaging.image import Image
from radiotrace.inference import intensity
from radiotrace.pipeline import randomness
from radiotrace.records.dataset import Case, known

FOREGROUND = 3  # a purpose that randomness is drawn for, beside those of learning.order
# kept of each label to centre patches on, as nnU-Net does; more would only cost memory
FOREGROUND_VOXELS = 10_000


@dataclass(frozen=True)
class Sample:
    """One case on the canonical grid: normalised image (c, z, y, x) and label map (z, y, x)."""

    case_id: str
    image_czyx: torch.Tensor
    label_zyx: torch.Tensor
    foreground: list[torch.Tensor]  # of each label that occurs, indices of some of its voxels, (n, 3)
    spacing_zyx: tuple

    @property
    def bytes(self) -> int:
        return sum(tensor.nbytes for tensor in (self.image_czyx, self.label_zyx, *self.foreground))


def read(folder, entry: Case, channels: Sequence[Channel]) -> Sample:
    """Reads and normalises one case, an entry of the record 'dataset'.

    Args:
        channels: of the recipe, as many as the case has.
    """
    image, label_zyx = read_volumes(folder, entry, channels)
    label = torch.from_numpy(label_zyx)
    return Sample(
        entry.case_id,
        torch.from_numpy(intensity.normalise_channels(image.values_czyx, channels)),
        label,
        foreground(label, entry.case_id),
        volumes.to_zyx(image.grid.spacing_mm),
    )


def read_volumes(folder, entry: Case, channels: Sequence[Channel]) -> tuple[Image, np.ndarray]:
    """The image of a case, its intensities as they are, and its label map (z, y, x)."""
    *of_channels, label_map = (
        volumes.read_canonical(Path(folder) / known(source.volume), known(source.volume_sha256))
        for source in entry.sources
    )
    return Image.of(of_channels, channels), volumes.array_zyx(label_map)


def foreground(label_zyx: torch.Tensor, case_id: str) -> list[torch.Tensor]:
    """Indices (n, 3) of at most FOREGROUND_VOXELS voxels of each label that occurs, the background left
    out."""
    boxes = []
    for label in label_zyx.unique():
        if label == 0:
            continue
        voxels = (label_zyx == label).nonzero().to(torch.int32)
        if len(voxels) > FOREGROUND_VOXELS:
            kept = randomness.generator(0, FOREGROUND, 0, case_id).choice(
                len(voxels), FOREGROUND_VOXELS, replace=False
            )
            voxels = voxels[np.sort(kept)]
        boxes.append(voxels)
    return boxes
