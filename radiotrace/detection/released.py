"""Released: a detector as one graph, from the prepared image to scores and corners of each cell.

The maximum of the 3 cells along each axis stands in the graph, in the place of non-maximum suppression, so
that any runtime has its operators.
"""

from collections.abc import Callable

import numpy as np
import onnxruntime
import torch
from torch import nn
from torch.nn import functional

from radiotrace.detection.networks import Detector
from radiotrace.learning import onnx_model

OUTPUTS = ("scores", "corners")


class Peaks(nn.Module):
    """A network and what is made of its cells: (n, c, …) -> scores (n, classes, …), 0 where a cell is not the
    highest around; corners (n, 2 * axes, …), in voxels of the input."""

    def __init__(self, network: Detector, cell_voxels: int):
        super().__init__()
        self.network, self.cell_voxels = network, cell_voxels

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = self.network(image)
        heat = torch.sigmoid(found.heat)
        axes = heat.ndim - 2
        pool = functional.max_pool2d if axes == 2 else functional.max_pool3d
        around = pool(heat, 3, 1, 1)
        scores = torch.where(heat == around, heat, torch.zeros_like(heat))
        ends = []
        for axis in range(axes):
            middle = torch.arange(heat.shape[2 + axis], dtype=torch.float32, device=heat.device) + 0.5
            ends.append(middle.reshape([-1 if place == axis else 1 for place in range(axes)]))
        lower = [ends[axis] - found.sides[:, axis] for axis in range(axes)]
        upper = [ends[axis] + found.sides[:, axes + axis] for axis in range(axes)]
        return scores, torch.stack([*lower, *upper], 1) * self.cell_voxels


def graph(network: Detector, channels: int, axes: int, multiple: int, cell_voxels: int, opset: int) -> bytes:
    """The file of the released network, of any number of images of one size.

    Args:
        multiple: of which sides of an image are multiples.

    Raises:
        StageError: it cannot be written in this operator set.
    """
    edges = [multiple * (2 + place) for place in range(axes)]
    example = torch.zeros(2, channels, *edges)  # 1 would be taken for the only number there is
    free: dict = {0: torch.export.Dim("n", min=1)}
    for axis, name in enumerate("zyx"[-axes:], 2):
        free[axis] = multiple * torch.export.Dim(name, min=1)
    return onnx_model.written(Peaks(network, cell_voxels).eval(), example, free, OUTPUTS, opset)


def session(content: bytes, threads: int) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The released file in ONNX Runtime: a prepared image (c, …) float32 -> scores (classes, …) and corners
    (2 * axes, …)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    running = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores, corners = running.run(list(OUTPUTS), {"image": values[None]})
        return np.asarray(scores)[0], np.asarray(corners)[0]

    return run
