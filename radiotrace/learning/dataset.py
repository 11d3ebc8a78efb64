"""Cases in memory, and the batches of an epoch as a function of (seed, epoch) alone."""
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from radiotrace.images import intensity, volumes
from radiotrace.learning import augmentation

ORDER, PATCH = 1, 2  # purposes that randomness is drawn for


@dataclass(frozen=True)
class Sample:
    """One case on the canonical grid: normalised image and label map, (z, y, x)."""
    case_id: str
    image_zyx: torch.Tensor
    label_zyx: torch.Tensor
    foreground_nzyx: torch.Tensor
    spacing_zyx: tuple


def load(folder, cases: list[dict], clip_percentiles) -> list[Sample]:
    """Reads and normalises cases.

    Args:
        folder: of canonical volumes.
        cases: entries of the record 'dataset'.
        clip_percentiles: for intensity.normalise.
    """
    samples = []
    for case in cases:
        image, label_map = (volumes.read_canonical(Path(folder) / case[kind]["volume"], case[kind]["volume_sha256"])
                            for kind in ("image", "label_map"))
        label = torch.from_numpy(volumes.array_zyx(label_map))
        samples.append(Sample(
            case["case_id"], torch.from_numpy(intensity.normalise(volumes.array_zyx(image), clip_percentiles)), label,
            label.nonzero(), volumes.to_zyx(image.GetSpacing())))
    return samples


def generator(seed: int, purpose: int, epoch: int, name: str = "") -> np.random.Generator:
    """The generator of one purpose in one epoch, for one case where a name is given. Order of use does not matter."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.random.default_rng([seed, purpose, epoch, number])


def batches(samples: list[Sample], batch_size: int, patch_zyx: tuple, settings: dict, seed: int, epoch: int):
    """The batches of one epoch: every case once, in a new order, a last incomplete batch left out.

    Yields:
        case ids, images (n, 1, z, y, x) float32, label maps (n, 1, z, y, x) uint8.
    """
    order = generator(seed, ORDER, epoch).permutation(len(samples))
    batch_size = min(batch_size, len(samples))
    for start in range(0, len(samples) - batch_size + 1, batch_size):
        chosen = [samples[index] for index in order[start:start + batch_size]]
        patches = [augmentation.draw_patch(sample.image_zyx, sample.label_zyx, sample.foreground_nzyx, patch_zyx,
                                           sample.spacing_zyx, settings, generator(seed, PATCH, epoch, sample.case_id))
                   for sample in chosen]
        images, label_maps = zip(*patches, strict=True)
        yield [sample.case_id for sample in chosen], torch.stack(images), torch.stack(label_maps)


def steps_per_epoch(samples: list[Sample], batch_size: int) -> int:
    """How many batches `batches` yields."""
    return len(samples) // min(batch_size, len(samples))
