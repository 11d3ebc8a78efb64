"""The recipe: how an image becomes what a network takes, and back; and the record 'model', which says so of
the released file.

Needs neither torch nor images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from radiotrace.imaging.channels import Channel, named, normalised

AXES = ["n", "channel", "z", "y", "x"]
FILE, FORMAT = "model.onnx", "onnx"
NOTICE = "Research software; not for diagnosis."
INPUT = {"name": "image", "type": "float32", "axes": AXES}
OUTPUT = {"name": "logits", "type": "float32", "axes": AXES}


@dataclass(frozen=True)
class Recipe:
    """How an image becomes what a network takes, and back.

    Travels in the record of the run to every place that predicts. Three values are along x, y, z, as there.

    Attributes:
        orientation: three letters that say where x, y, z point to, such as "LPS".
        spacing_mm: of the grid that the network sees; None keeps that of each image.
        channels: of every image, in the order in which the network takes them, and how each is normalised.
        patch_voxels: edges of what the network was trained on, and the least that goes through it; 1 along z
            where it takes a slice at a time.
        window_voxels: largest edges that go through it in one pass.
        multiple: what every edge but that of one slice must be a multiple of.
        logit_offsets: of each label, background first, that balance volumes; None where the run had none.
    """

    orientation: str
    spacing_mm: tuple[float, float, float] | None
    channels: tuple[Channel, ...]
    patch_voxels: tuple[int, int, int]
    window_voxels: tuple[int, int, int]
    multiple: int
    logit_offsets: tuple[float, ...] | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Recipe":
        """Of "preprocessing" in the record of a run or of a model.

        Of one channel it has clip_percentiles in the place of "channels", and does not say its name.
        """
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in record.items()
        }
        if "channels" in record:
            values["channels"] = tuple(Channel.of(row) for row in record["channels"])
        else:
            values["channels"] = normalised((named(None),), values.pop("clip_percentiles"))
        return cls(**values)

    def record(self) -> dict[str, Any]:
        """As records have it: without logit_offsets where there are none, and with clip_percentiles in the
        place of one channel."""
        values = {
            key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()
        }
        values |= of_channels(values.pop("channels"))
        if self.logit_offsets is None:
            del values["logit_offsets"]
        return values


def of_channels(channels: Sequence[Channel]) -> dict[str, Any]:
    """What "preprocessing" says of channels: of one, how it is normalised and not what it is."""
    if len(channels) == 1:
        return {"clip_percentiles": list(channels[0].percentiles)}
    return {"channels": [channel.record() for channel in channels]}


def record(train: dict, dataset: dict, p: dict, sha256: str, parity: dict) -> dict:
    """The record 'model': all but the file's hash and the parity follow from the training run, the data set
    and the parameters.

    Args:
        train, dataset: the records.
        p: the section export of params.yaml.
        sha256: of the released file.
        parity: cases, max_logit_difference, voxels_compared and voxels_different, as the stage export
            measured them.
    """
    return {
        "run_id": train["run_id"],
        "notice": NOTICE,
        "file": FILE,
        "sha256": sha256,
        "weights_sha256": train["weights_sha256"],
        "format": FORMAT,
        "opset": p["opset"],
        "network": train["network"],
        "labels": train["labels"],
        "modality": dataset["dataset"]["modality"],
        "preprocessing": train["preprocessing"],
        "input": INPUT,
        "output": OUTPUT,
        "parity": {**parity, "tolerance": p["parity_tolerance"]},
        "params": p,
        "excluded": train["excluded"],
    }
