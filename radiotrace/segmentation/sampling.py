"""Several predictions of one image, which differ as much as the network is unsure."""

from collections.abc import Iterator

import numpy as np
import torch

from radiotrace.imaging import volumes
from radiotrace.inference import windows
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import dropout
from radiotrace.pipeline import randomness
from radiotrace.segmentation import augmentation

SHIFT_VOXELS = 1  # along each axis, at most; as far as the default recipe shifts its patches


def generators(seed: int, kind: str, case_id: str, passes: int) -> list[np.random.Generator]:
    """A generator for each pass of one kind over one case; the first ones stay when more are asked for."""
    return [randomness.generator(seed, f"{kind} {case_id}", number) for number in range(passes)]


def with_dropout(
    image_czyx: torch.Tensor, network, recipe: Recipe, generators: list[np.random.Generator], bf16: bool
) -> Iterator[np.ndarray]:
    """Monte-Carlo dropout: probabilities (labels, z, y, x), once for each generator, which draws the channels
    to do without.

    Args:
        image_czyx: normalised, on the canonical grid.
        network, recipe: as windows.predict takes them. A network without dropout gives the same every time.
        bf16: whether to multiply in bfloat16, as training does; about four times as fast as float32.

    Source: Gal and Ghahramani 2016, arXiv:1506.02142.
    """
    for rng in generators:
        dropout.draw(network, [rng])
        try:
            shares = probabilities(image_czyx, network, recipe, bf16)
        finally:
            dropout.draw(network, None)
        yield shares


def with_augmentation(
    image_czyx: torch.Tensor, network, recipe: Recipe, generators: list[np.random.Generator], bf16: bool
) -> Iterator[np.ndarray]:
    """Test-time augmentation: the image shifted by whole voxels in the empty ground around it, and its
    intensities varied as in training, each time; predictions are shifted back. Where the network takes a
    slice at a time, there is no ground across it.

    Args:
        image_czyx, network, recipe, generators, bf16: as with_dropout takes them.

    Source: Wang et al. 2019, doi:10.1016/j.neucom.2019.01.103.
    """
    ground = np.full(3, 2 * SHIFT_VOXELS)  # added along each axis, on both sides together
    ground[np.array(volumes.to_zyx(recipe.patch_voxels)) == 1] = 0
    for rng in generators:
        before = np.minimum(rng.integers(0, 2 * SHIFT_VOXELS, 3, endpoint=True), ground)
        # torch wants the last axis first
        edges = zip(before[::-1], ground[::-1], strict=True)
        padding = [int(edge) for low, both in edges for edge in (low, both - low)]
        varied = augmentation.vary_intensity(image_czyx, 1.0, rng)
        shares = probabilities(torch.nn.functional.pad(varied, padding), network, recipe, bf16)
        shape_zyx = image_czyx.shape[1:]
        inside = (slice(start, start + edge) for start, edge in zip(before, shape_zyx, strict=True))
        yield shares[(slice(None), *inside)]


def probabilities(image_czyx: torch.Tensor, network, recipe: Recipe, bf16: bool = False) -> np.ndarray:
    """Softmax of windows.predict, (labels, z, y, x) float32."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits = windows.predict(image_czyx, network, recipe)
    return torch.softmax(logits, 0).numpy()
