"""Inference: from a volume to a label map on its own grid. The one way in which this project predicts."""

import numpy as np
import SimpleITK as sitk
import torch
from monai.inferers import sliding_window_inference

from radiotrace.imaging import volumes
from radiotrace.inference import intensity
from radiotrace.inference.recipe import Recipe


def segment(volume: sitk.Image, network, recipe: Recipe) -> tuple[sitk.Image, np.ndarray]:
    """Labels every voxel of a volume.

    Args:
        volume: 3-D, scalar, of any orientation and spacing.
        network: callable, (1, 1, z, y, x) float32 tensor -> logits (1, labels, z, y, x) tensor.

    Returns:
        The label map, uint8, on the volume's own grid, and the logits (labels, z, y, x) on the canonical
        grid.
    """
    turned, image = prepare(volume, recipe)
    logits = predict(image, network, recipe)
    probabilities = torch.softmax(logits, 0).numpy()
    grid = volumes.grid(volume)
    # Probabilities, not labels, are interpolated: borders stay smooth where spacings differ.
    on_grid = [
        volumes.array_zyx(volumes.onto(volumes.from_array(channel, turned), grid))
        for channel in probabilities
    ]
    return volumes.from_array(np.argmax(on_grid, 0).astype(np.uint8), volume), logits.numpy()


def prepare(volume: sitk.Image, recipe: Recipe) -> tuple[sitk.Image, torch.Tensor]:
    """The volume on the canonical grid, and its voxels, normalised, (z, y, x) float32."""
    turned = volumes.canonical(volume, recipe.orientation, recipe.spacing_mm, is_label_map=False)
    return turned, torch.from_numpy(intensity.normalise(volumes.array_zyx(turned), recipe.clip_percentiles))


def predict(image_zyx: torch.Tensor, network, recipe: Recipe, device="cpu") -> torch.Tensor:
    """Logits (labels, z, y, x) of a normalised image: in one pass where it fits the window, else in
    overlapping windows.

    The image lies in the middle; what is added around it is 0, the mean. Only a window at a time goes to the
    device; the logits are on the processor, the offsets of `balance` among them.
    """
    with torch.inference_mode():
        return differentiable(image_zyx, network, recipe, device)


def differentiable(image_zyx: torch.Tensor, network, recipe: Recipe, device="cpu") -> torch.Tensor:
    """As `predict`, and with a gradient, for which all windows are kept in memory."""
    logits = sliding_window_inference(
        image_zyx[None, None],
        window(image_zyx.shape, recipe),
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
    learnt from.
    """
    step = recipe.multiple
    return [
        max(patch, min(limit, -(-edge // step) * step))
        for limit, patch, edge in zip(
            volumes.to_zyx(recipe.window_voxels),
            volumes.to_zyx(recipe.patch_voxels),
            shape_zyx,
            strict=True,
        )
    ]


def one_pass(
    image_zyx: torch.Tensor, recipe: Recipe, centre_zyx
) -> tuple[torch.Tensor, tuple[slice, ...], tuple[slice, ...]]:
    """What `predict` hands to the network where an image fits the window; where it does not, the window
    around a place.

    Args:
        image_zyx: normalised.
        centre_zyx: the place, in voxels; it matters along the axes alone along which the image does not fit.

    Returns:
        The patch (z, y, x); the part of the image that is in it; and where in the patch this part lies.
    """
    part, inside, added = [], [], []
    for edge, size, centre in zip(window(image_zyx.shape, recipe), image_zyx.shape, centre_zyx, strict=True):
        kept, before = min(edge, size), max(edge - size, 0) // 2
        start = min(max(round(centre) - edge // 2, 0), size - kept)
        part.append(slice(start, start + kept))
        inside.append(slice(before, before + kept))
        added = [before, edge - kept - before, *added]  # torch begins with the last axis
    return torch.nn.functional.pad(image_zyx[tuple(part)], added), tuple(part), tuple(inside)
