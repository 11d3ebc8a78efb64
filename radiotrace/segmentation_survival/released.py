"""The file that tells both, as torch writes it and as ONNX Runtime runs it, and what its record says that
follows from other records."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import onnxruntime
import torch
from torch import nn

from radiotrace.inference.recipe import Recipe
from radiotrace.records.segmentation_survival.hazard import Hazard
from radiotrace.segmentation_survival import joint
from radiotrace.segmentation_survival.outcomes import Outcomes
from radiotrace.statistics import cox

FILE = "prognosis.onnx"
OUTPUTS = {
    "logits": "Of each voxel of the window and each label, background first; offsets that balance volumes "
    "are in it. Its largest decides.",
    "log_hazard": "Of the subject: the higher, the earlier the event is expected. Only differences between "
    "subjects, and the baseline, give it a meaning.",
}
LIMITS = (
    "A log-hazard is of one whole image: of a part of it, or of several fields, it is none.",
    "The first channel must be what it was in training, in the same unit: a factor in it changes the "
    "log-hazard.",
    "Times and censoring are those of the data set; a chance by a time holds for subjects like them.",
)


class Both(nn.Module):
    """The network in evaluation mode, with both answers and the offsets of its logits."""

    def __init__(self, body: nn.Module, recipe: Recipe):
        super().__init__()
        self.body = body
        labels = torch.tensor(recipe.logit_offsets or (0.0,)).view(1, -1, 1, 1, 1)
        self.register_buffer("offsets", labels, persistent=False)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, c, z, y, x) -> logits (n, labels, z, y, x) and log-hazards (n,)."""
        logits, log_hazard = joint.told(self.body, image)
        return logits + cast(torch.Tensor, self.offsets), log_hazard


def session(content: bytes, threads: int) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The file as a function of prepared windows (n, c, z, y, x) float32 -> logits and log-hazards."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    running = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits, log_hazard = running.run(list(OUTPUTS), {"image": np.ascontiguousarray(image)})
        return np.asarray(logits), np.asarray(log_hazard)

    return run


def baseline(hazard: Hazard, learnt: Outcomes) -> dict[str, Any]:
    """Of a log-hazard of 0.

    Args:
        learnt: outcomes of the train part.
    """
    if hazard.offsets is not None:
        return {
            "kind": "discrete",
            "time": list(hazard.edges),
            "survival": None,
            "offsets": list(hazard.offsets),
        }
    of_train = np.array([hazard.cases[case_id].log_hazard for case_id in learnt.case_ids])
    made = cox.breslow(of_train, learnt.time, learnt.event)
    return {
        "kind": "proportional",
        "time": made.time.tolist(),
        "survival": np.exp(-made.hazard).tolist(),
        "offsets": None,
    }
