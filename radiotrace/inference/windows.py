"""Inference: from an image to a label map on its own grid. The one way in which this project predicts."""

import numpy as np
import SimpleITK as sitk
import torch
from monai.inferers.utils import sliding_window_inference

from radiotrace.errors import StageError
from radiotrace.imaging import channels, volumes
from radiotrace.imaging.image import Image, on
from radiotrace.inference import intensity, preparation
from radiotrace.inference.preparation import Seen
from radiotrace.inference.recipe import Recipe


def segment(image: Image, network, recipe: Recipe) -> tuple[sitk.Image, np.ndarray]:
    """Labels every voxel of an image.

    Args:
        image: of any orientation and spacing.
        network: callable, (1, c, z, y, x) float32 tensor -> logits (1, labels, z, y, x) tensor.

    Returns:
        The label map, uint8, on the image's own grid, and the logits (labels, z, y, x) on the canonical
        grid.

    Raises:
        StageError: the image has other channels than the recipe.
    """
    seen, image_czyx = prepare(image, recipe)
    logits = predict(image_czyx, network, recipe)
    on_grid = shares(logits, seen)
    return on(np.argmax(on_grid, 0).astype(np.uint8), image.grid), logits.numpy()


def shares(logits: torch.Tensor, seen: Seen) -> list[np.ndarray]:
    """The probability of each label, (z, y, x) float32, on the image's own grid.

    Args:
        logits: (labels, z, y, x), on the canonical grid.
        seen: the image on that grid.
    """
    probabilities, grid = torch.softmax(logits, 0).numpy(), seen.own_grid.record()
    # Probabilities, not labels, are interpolated: borders stay smooth where spacings differ.
    return seen.back(
        [volumes.array_zyx(volumes.onto(on(share, seen.image.grid), grid)) for share in probabilities]
    )


def prepare(image: Image, recipe: Recipe) -> tuple[Seen, torch.Tensor]:
    """The image on the canonical grid, and its voxels, normalised, (c, z, y, x) float32.

    Raises:
        StageError: the image has other channels than the recipe.
    """
    if wrong := channels.unlike(image.channels, recipe.channels):
        raise StageError(
            "the image has other channels than the model takes",
            wrong,
            "Give the model the channels that it was trained on, in their order.",
        )
    seen = preparation.seen(image, recipe)
    return seen, torch.from_numpy(intensity.normalise_channels(seen.image.values_czyx, recipe.channels))


def predict(
    image_czyx: torch.Tensor, network, recipe: Recipe, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """Logits (labels, z, y, x) of a normalised image: in one pass where it fits the window, else in
    overlapping windows.

    The image lies in the middle; what is added around it is 0, the mean. Only a window at a time goes to the
    device; the logits are on the processor, the offsets of `balance` among them.
    """
    with torch.inference_mode():
        return differentiable(image_czyx, network, recipe, device)


def differentiable(
    image_czyx: torch.Tensor, network, recipe: Recipe, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """As `predict`, and with a gradient, for which all windows are kept in memory."""
    logits = sliding_window_inference(
        image_czyx[None],
        window(image_czyx.shape[1:], recipe),
        1,
        network,
        overlap=0.5,
        mode="gaussian",
        sw_device=device,
        device="cpu",
    )
    return logits[0].float() + torch.tensor(recipe.logit_offsets or 0.0).view(-1, 1, 1, 1)


def window(shape_zyx, recipe: Recipe) -> list[int]:
    """Edges of what goes through the network in one pass, in voxels, z, y, x.

    The window shrinks to the image, rounded up to what the network can halve, but not below the patches of
    training: norms over a sample then see as much of the empty ground around a small image as they have
    learnt from. A network that takes a slice at a time gets one.
    """
    return [
        1 if patch == 1 else max(patch, min(limit, -(-edge // step) * step))
        for limit, patch, edge, step in zip(
            volumes.to_zyx(recipe.window_voxels),
            volumes.to_zyx(recipe.patch_voxels),
            shape_zyx,
            recipe.multiple_zyx,
            strict=True,
        )
    ]


def one_pass(
    image_czyx: torch.Tensor, recipe: Recipe, centre_zyx
) -> tuple[torch.Tensor, tuple[slice, ...], tuple[slice, ...]]:
    """What `predict` hands to the network where an image fits the window; where it does not, the window
    around a place.

    Args:
        image_czyx: normalised.
        centre_zyx: the place, in voxels; it matters along the axes alone along which the image does not fit.

    Returns:
        The patch (c, z, y, x); the part of the image, of its z, y, x, that is in it; and where in the patch
        this part lies.
    """
    of_image, inside, added = [], [], []
    shape_zyx = image_czyx.shape[1:]
    for edge, size, centre in zip(window(shape_zyx, recipe), shape_zyx, centre_zyx, strict=True):
        kept, before = min(edge, size), max(edge - size, 0) // 2
        start = min(max(round(centre) - edge // 2, 0), size - kept)
        of_image.append(slice(start, start + kept))
        inside.append(slice(before, before + kept))
        added = [before, edge - kept - before, *added]  # torch begins with the last axis
    cut_out = image_czyx[(slice(None), *of_image)]
    return torch.nn.functional.pad(cut_out, added), tuple(of_image), tuple(inside)
