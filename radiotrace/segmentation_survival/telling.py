"""What a trained network says of a case: its log-hazard, and what a radiologist would measure of the lesions
that it outlines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from scipy import ndimage
from torch import nn

from radiotrace.inference import intensity
from radiotrace.inference.recipe import Recipe
from radiotrace.records.dataset import Case
from radiotrace.records.segmentation_survival.hazard import ToldCase
from radiotrace.segmentation import dataset
from radiotrace.segmentation_survival import joint

MM3_PER_ML = 1000.0
TOUCHING = ndimage.generate_binary_structure(3, 3)  # voxels that touch at a corner are of one lesion


def measured(
    label_zyx: np.ndarray,
    first_zyx: np.ndarray,
    spacing_mm: Sequence[float],
    labels: Mapping[str, str],
    log_hazard: float,
) -> ToldCase:
    """What a label map says of lesions.

    Args:
        label_zyx: (z, y, x), integers.
        first_zyx: (z, y, x), the first channel as the file has it, such as SUV.
        spacing_mm: along x, y, z.
        labels: value -> name; "0" is the background.
    """
    lesion = label_zyx > 0
    ml = float(np.prod(spacing_mm)) / MM3_PER_ML
    volumes = {
        name: ml * int(np.count_nonzero(label_zyx == int(value)))
        for value, name in labels.items()
        if value != "0"
    }
    highest = float(first_zyx[lesion].max()) if lesion.any() else None
    return ToldCase(log_hazard, volumes, highest, _components(lesion))


def _components(lesion_zyx: np.ndarray) -> int:
    _, count = cast(tuple[np.ndarray, int], ndimage.label(lesion_zyx, TOUCHING))
    return count


def of_case(
    entry: Case, folder: str | Path, body: nn.Module, recipe: Recipe, labels: Mapping[str, str]
) -> tuple[ToldCase, np.ndarray, np.ndarray]:
    """What the network says of a case, its label map and the reference, (z, y, x) on the canonical grid.

    Args:
        entry: of the record 'dataset'.
        folder: of canonical volumes.
        body: the network itself, in evaluation mode.

    Raises:
        StageError: the image does not fit the window.
    """
    image, reference_zyx = dataset.read_volumes(folder, entry, recipe.channels)
    normalised = torch.from_numpy(intensity.normalise_channels(image.values_czyx, recipe.channels))
    log_hazard, label_zyx = joint.predict(normalised, body, recipe)
    told = measured(label_zyx, image.values_czyx[0], image.grid.spacing_mm, labels, log_hazard)
    return told, label_zyx, reference_zyx
