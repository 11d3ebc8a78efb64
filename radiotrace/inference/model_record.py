"""The record 'model' of the released file, as it follows from a run.

Called by the stage export and by verify, and by nothing that trains, so that its parameters are theirs alone.
"""

from radiotrace.records.dataset import Dataset
from radiotrace.records.model import Parity, ReleasedModel, Tensor
from radiotrace.records.sections.segmentation.export import ExportParams
from radiotrace.records.train import TrainingRun
from radiotrace.records.typed import picked

AXES = ("n", "channel", "z", "y", "x")
FILE = "model.onnx"
INPUT = Tensor("image", "float32", AXES)
OUTPUT = Tensor("logits", "float32", AXES)


def released(
    train: TrainingRun, dataset: Dataset, settings: ExportParams, sha256: str, parity: Parity
) -> ReleasedModel:
    """The record 'model': all but the file's hash and the measured parity follows from the training run, the
    data set and the parameters.

    Args:
        sha256: of the released file.
    """
    return picked(
        ReleasedModel,
        train,
        notice="Research software; not for diagnosis.",
        file=FILE,
        sha256=sha256,
        format="onnx",
        opset=settings.opset,
        modality=dataset.dataset.modality,
        input=INPUT,
        output=OUTPUT,
        parity=parity,
        params=settings,
    )
