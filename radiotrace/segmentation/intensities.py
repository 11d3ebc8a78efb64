"""Intensities of the labelled voxels of a part: by them images are normalised whose values have a unit, as CT
has, where mean and SD of each image would take away what tells tissues apart.

Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z, "CT normalization".
"""

from collections.abc import Sequence

import numpy as np

from radiotrace.errors import StageError
from radiotrace.imaging import channels
from radiotrace.imaging.channels import Channel
from radiotrace.pipeline import randomness
from radiotrace.records.dataset import Case
from radiotrace.records.preprocessing import Intensities
from radiotrace.segmentation import dataset

PURPOSE = 4  # that randomness is drawn for, beside those of learning.order and segmentation.dataset
VOXELS = 4096  # drawn from each case, with replacement: every case weighs as much
DIGITS = 7  # kept: the last ones depend on how a processor sums


def of_labels(
    folder, entries: Sequence[Case], declared: Sequence[Channel], normalise_by, clip_percentiles
) -> list[Intensities | None]:
    """What each channel is normalised by; None where each image is by its own.

    Args:
        folder: of canonical volumes.
        entries: of the record 'dataset', the cases of the train part. Cases without a label say nothing.
        normalise_by, clip_percentiles: of the section train.

    Raises:
        StageError: no voxel is labelled, or a channel is the same in all of them.
    """
    wanted = [by == "labels" for by in channels.of_each(declared, normalise_by)]
    if not any(wanted):
        return [None] * len(declared)
    drawn = []
    for entry in entries:
        image, label_zyx = dataset.read_volumes(folder, entry, declared)
        labelled_cn = image.values_czyx[:, label_zyx > 0]
        if labelled_cn.shape[1]:
            rng = randomness.generator(0, PURPOSE, 0, entry.case_id)
            drawn.append(labelled_cn[:, rng.integers(labelled_cn.shape[1], size=VOXELS)].astype(np.float64))
    percentiles = channels.of_each(declared, clip_percentiles)
    found, faults = [], []
    for number, channel in enumerate(declared):
        values = np.concatenate([sample_cn[number] for sample_cn in drawn]) if drawn else np.zeros(1)
        low, high = np.percentile(values, percentiles[number])
        clipped = np.clip(values, low, high)
        if wanted[number] and low == high:
            faults.append(f"{channel.name or 'the channel'}: {low:g} in all labelled voxels")
        numbers = (float(f"{value:.{DIGITS}g}") for value in (low, high, clipped.mean(), clipped.std()))
        found.append(Intensities(*numbers) if wanted[number] else None)
    if faults:
        raise StageError(
            "images cannot be normalised by the labelled voxels",
            faults,
            "Set train.normalise_by to image, or correct the label maps.",
        )
    return found
