"""Cases through a bounded cache, and the steps of an epoch as a function of (seed, epoch) alone."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from radiotrace.imaging import volumes
from radiotrace.inference import intensity
from radiotrace.pipeline import randomness
from radiotrace.segmentation import augmentation

ORDER, PATCH, FOREGROUND = 1, 2, 3  # purposes that randomness is drawn for
# kept of each label to centre patches on, as nnU-Net does; more would only cost memory
FOREGROUND_VOXELS = 10_000


@dataclass(frozen=True)
class Sample:
    """One case on the canonical grid: normalised image and label map, (z, y, x)."""

    case_id: str
    image_zyx: torch.Tensor
    label_zyx: torch.Tensor
    foreground: list[torch.Tensor]  # of each label that occurs, indices of some of its voxels, (n, 3)
    spacing_zyx: tuple

    @property
    def bytes(self) -> int:
        return sum(tensor.nbytes for tensor in (self.image_zyx, self.label_zyx, *self.foreground))


class Cases:
    """The cases of a part, read when they are asked for; those used last stay in memory, up to a limit.

    Args:
        folder: of canonical volumes.
        entries: of the record 'dataset'.
        clip_percentiles: for intensity.normalise.
        cache_mb: largest sum of the samples kept, in 10^6 bytes; the one in use is kept in any case.
    """

    def __init__(self, folder, entries: list[dict], clip_percentiles, cache_mb: float):
        self.folder, self.entries, self.clip_percentiles, self.limit = (
            Path(folder),
            entries,
            clip_percentiles,
            cache_mb * 1e6,
        )
        self.cached: OrderedDict[int, Sample] = OrderedDict()
        self.held = 0
        self.case_ids = [entry["case_id"] for entry in entries]

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Sample:
        if index not in self.cached:
            self.cached[index] = read(self.folder, self.entries[index], self.clip_percentiles)
            self.held += self.cached[index].bytes
        self.cached.move_to_end(index)
        while self.held > self.limit and len(self.cached) > 1:
            self.held -= self.cached.popitem(last=False)[1].bytes
        return self.cached[index]

    def __iter__(self):
        return (self[index] for index in range(len(self)))


def read(folder, entry: dict, clip_percentiles) -> Sample:
    """Reads and normalises one case, an entry of the record 'dataset'."""
    image, label_map = (
        volumes.read_canonical(Path(folder) / entry[kind]["volume"], entry[kind]["volume_sha256"])
        for kind in ("image", "label_map")
    )
    label = torch.from_numpy(volumes.array_zyx(label_map))
    return Sample(
        entry["case_id"],
        torch.from_numpy(intensity.normalise(volumes.array_zyx(image), clip_percentiles)),
        label,
        foreground(label, entry["case_id"]),
        volumes.to_zyx(image.GetSpacing()),
    )


def foreground(label_zyx: torch.Tensor, case_id: str) -> list[torch.Tensor]:
    """Indices (n, 3) of at most FOREGROUND_VOXELS voxels of each label that occurs, the background left
    out."""
    found = []
    for label in label_zyx.unique():
        if label == 0:
            continue
        voxels = (label_zyx == label).nonzero().to(torch.int32)
        if len(voxels) > FOREGROUND_VOXELS:
            kept = randomness.generator(0, FOREGROUND, 0, case_id).choice(
                len(voxels), FOREGROUND_VOXELS, replace=False
            )
            voxels = voxels[np.sort(kept)]
        found.append(voxels)
    return found


@dataclass(frozen=True)
class Plan:
    """How an epoch is cut into steps, and a step into the shares of processes and their micro-batches.

    Patches drawn in one step do not depend on the number of processes or micro-batches: those only share them
    out.
    """

    batch_size: int  # patches of a step, over all processes
    processes: int = 1
    accumulate: int = 1  # micro-batches of a step on one process
    patches_per_case: int = 1

    def steps(self, cases: int) -> int:
        """Steps of an epoch; a last incomplete one is left out."""
        return cases * self.patches_per_case // self.size(cases)

    def size(self, cases: int) -> int:
        """Patches of a step: as asked, or as many as an epoch has and the shares allow.

        Raises:
            ValueError: an epoch has fewer patches than there are shares.
        """
        shares = self.processes * self.accumulate
        size = min(self.batch_size, cases * self.patches_per_case) // shares * shares
        if not size:
            raise ValueError(f"{cases * self.patches_per_case} patches for {shares} shares")
        return size

    def epoch(self, cases: int, seed: int, epoch: int) -> list[list[tuple[int, int]]]:
        """For each step, its patches as (case index, which patch of the case), in a new order each epoch."""
        order = randomness.generator(seed, ORDER, epoch, "").permutation(cases * self.patches_per_case)
        size = self.size(cases)
        return [
            [(int(number) % cases, int(number) // cases) for number in order[start : start + size]]
            for start in range(0, len(order) - size + 1, size)
        ]

    def shares(self, patches: list, part: int) -> list[list]:
        """The micro-batch number `part` of each process."""
        size = len(patches) // (self.processes * self.accumulate)
        firsts = [(process * self.accumulate + part) * size for process in range(self.processes)]
        return [patches[first : first + size] for first in firsts]


def epoch(
    cases: Cases,
    plan: Plan,
    process: int,
    patch_zyx: tuple,
    labels: int,
    settings: dict,
    seed: int,
    epoch: int,
):
    """The steps of an epoch, as one process sees them.

    Yields:
        for each step, its micro-batches: the case ids of all processes' patches, one process after the other;
            this process's images (n, 1, z, y, x) float32; their targets (n, labels, z, y, x) float32; their
            generators, for what else is random about them.
    """
    for patches in plan.epoch(len(cases), seed, epoch):
        micro_batches = []
        for part in range(plan.accumulate):
            shares = plan.shares(patches, part)
            rngs = [
                randomness.generator(seed, PATCH, epoch, f"{cases.case_ids[index]}/{number}")
                for index, number in shares[process]
            ]
            images, targets = zip(
                *(
                    augmentation.draw_patch(cases[index], patch_zyx, labels, settings, rng)
                    for (index, _), rng in zip(shares[process], rngs, strict=True)
                ),
                strict=True,
            )
            case_ids = [cases.case_ids[index] for share in shares for index, _ in share]
            micro_batches.append((case_ids, torch.stack(images), torch.stack(targets), rngs))
        yield micro_batches
