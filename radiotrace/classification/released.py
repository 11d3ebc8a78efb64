"""Released: a classifier as one graph, from the prepared picture to calibrated probabilities."""

import torch
from torch import nn

from radiotrace.classification.calibrated import Calibrator
from radiotrace.classification.networks import Classifier
from radiotrace.classification.onnx_session import OUTPUTS
from radiotrace.inference.picture import Kind
from radiotrace.learning import onnx_model


class Calibrated(nn.Module):
    """A network, and what calibration makes of its logits: (n, c, y, x) -> logits (n, outputs), and
    probabilities of the labels after the first (n, labels - 1)."""

    kind: Kind
    slope: torch.Tensor
    intercept: torch.Tensor

    def __init__(self, network: Classifier, calibrator: Calibrator):
        super().__init__()
        self.network, self.kind = network, calibrator.kind
        self.temperature = calibrator.temperature or 1.0
        self.has_lines = bool(calibrator.lines)
        for name in ("slope", "intercept"):
            values = torch.tensor([getattr(line, name) for line in calibrator.lines], dtype=torch.float32)
            self.register_buffer(name, values, persistent=False)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.network(image)
        if self.has_lines:
            odds = logits if self.kind == "classes" else _odds(logits)
            return logits, torch.sigmoid(odds * self.slope + self.intercept)
        return logits, _probabilities(logits / self.temperature, self.kind)


def _odds(logits: torch.Tensor) -> torch.Tensor:
    """Of each label after the first against all others."""
    columns = []
    for label in range(1, logits.shape[1]):
        others = torch.cat([logits[:, :label], logits[:, label + 1 :]], 1)
        columns.append(logits[:, label] - torch.logsumexp(others, 1))
    return torch.stack(columns, 1)


def _probabilities(logits: torch.Tensor, kind: Kind) -> torch.Tensor:
    return torch.sigmoid(logits) if kind == "classes" else torch.softmax(logits, 1)[:, 1:]


def graph(network: Classifier, calibrator: Calibrator, shape_cyx: tuple[int, int, int], opset: int) -> bytes:
    """The file of the released network, of any number of pictures of one size.

    Raises:
        StageError: it cannot be written in this operator set.
    """
    example = torch.zeros(2, *shape_cyx)  # 1 would be taken for the only number there is
    free = {0: torch.export.Dim("n", min=1)}
    return onnx_model.written(Calibrated(network, calibrator).eval(), example, free, OUTPUTS, opset)
