"""The network with both answers, as it is trained and as stages take it up after training."""

from typing import cast

import numpy as np
import torch
from torch import nn

from radiotrace.errors import StageError
from radiotrace.inference import windows
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture

WAY_OUT = "Enlarge train.patch_voxels and train.window_voxels in params.yaml."


class Joint(nn.Module):
    """A network that tells labels and a log-hazard, as learning.fit takes it.

    Gives (heads, log-hazard) in training mode, and logits in evaluation mode, so that whoever predicts label
    maps needs to know nothing of hazards.

    Attributes:
        network: of architecture.build, of one of its networks that have `told`.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    @property
    def body(self) -> nn.Module:
        """The network itself, with `told` and `head`."""
        return architecture.body(self.network)

    def forward(self, image: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        if not self.training:
            return self.network(image)
        logits, log_hazard = told(self.body, image)
        return logits[:, None], log_hazard


def told(body: nn.Module, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (n, labels, z, y, x) and log-hazards (n,) of images (n, c, z, y, x)."""
    return cast(tuple[torch.Tensor, torch.Tensor], body.told(image))  # pyright: ignore[reportCallIssue]


@torch.inference_mode()
def seen(image_czyx: torch.Tensor, body: nn.Module, recipe: Recipe) -> np.ndarray:
    """What the head sees of a normalised image, (p,) float64.

    Raises:
        StageError: as `whole`.
    """
    return body.seen(whole(image_czyx, recipe))[0].double().numpy()  # pyright: ignore


def weights(body: nn.Module) -> torch.Tensor:
    """(p,), of what the head sees; a part of the network."""
    return body.head.risk.weight.data[0]  # pyright: ignore


def offsets(body: nn.Module) -> torch.Tensor:
    """(k,), of a discrete hazard."""
    return body.head.offsets  # pyright: ignore


def fits(shape_zyx: tuple[int, ...], recipe: Recipe) -> bool:
    """Whether an image goes through the network in one pass: a hazard of a part of a body is none."""
    edges = windows.window(shape_zyx, recipe)
    return all(size <= edge for size, edge in zip(shape_zyx, edges, strict=True))


def whole(image_czyx: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """The image as it goes through the network in one pass, (1, c, z, y, x), in the middle of its window.

    Raises:
        StageError: it does not fit the window.
    """
    shape_zyx = tuple(image_czyx.shape[1:])
    if not fits(shape_zyx, recipe):
        found = " x ".join(map(str, shape_zyx))
        most = " x ".join(map(str, windows.window(shape_zyx, recipe)))
        raise StageError(
            "an image does not fit the window: a hazard is of a whole image",
            [f"found {found} voxels, expected {most} at most"],
            WAY_OUT,
        )
    centre_zyx = [(edge - 1) / 2 for edge in shape_zyx]
    patch, _, _ = windows.one_pass(image_czyx, recipe, centre_zyx)
    return patch[None]


@torch.inference_mode()
def predict(image_czyx: torch.Tensor, body: nn.Module, recipe: Recipe) -> tuple[float, np.ndarray]:
    """The log-hazard of a normalised image, and its label map (z, y, x) uint8 on the canonical grid, offsets
    of the logits among it.

    Raises:
        StageError: as `whole`.
    """
    logits, log_hazard = told(body, whole(image_czyx, recipe))
    inside = _inside(tuple(image_czyx.shape[1:]), recipe)
    shifted = logits[0].float() + torch.tensor(recipe.logit_offsets or 0.0).view(-1, 1, 1, 1)
    return float(log_hazard[0]), shifted[(slice(None), *inside)].argmax(0).to(torch.uint8).numpy()


def _inside(shape_zyx: tuple[int, ...], recipe: Recipe) -> tuple[slice, ...]:
    starts = [
        (edge - size) // 2 for edge, size in zip(windows.window(shape_zyx, recipe), shape_zyx, strict=True)
    ]
    return tuple(slice(start, start + size) for start, size in zip(starts, shape_zyx, strict=True))
