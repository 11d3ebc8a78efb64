"""ONNX: a network as a file without code, paths or traces, and the file as a network."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import onnx
import onnxruntime
import torch

from radiotrace.errors import StageError


def export(
    network: torch.nn.Module,
    multiple_zyx: Sequence[int],
    opset: int,
    channels: int = 1,
    one_slice: bool = False,
) -> bytes:
    """The network in evaluation mode as ONNX, with free n, z, y, x, which are called so.

    Two exports of the same weights are the same bytes, wherever the repository lies.

    Args:
        multiple_zyx: what z, y, x must be multiples of.
        channels: of the images that it takes.
        one_slice: whether it takes a slice at a time; z is 1 then, and not free.

    Raises:
        StageError: it cannot be written in this operator set.
    """
    edges = [step * number for step, number in zip(multiple_zyx, (2, 3, 4), strict=True)]
    free: dict = {0: torch.export.Dim("n", min=1)}
    for axis, name, step in zip((2, 3, 4), "zyx", multiple_zyx, strict=True):
        free[axis] = step * torch.export.Dim(name, min=1)
    if one_slice:
        edges[0] = 1
        del free[2]
    example = torch.zeros(2, channels, *edges)  # 1 would be taken for the only number there is
    return written(network, example, free, ("logits",), opset)


def written(
    network: torch.nn.Module, example: torch.Tensor, free: dict, outputs: Sequence[str], opset: int
) -> bytes:
    """A network of one image in evaluation mode as ONNX.

    Args:
        free: axis of the image -> its torch.export.Dim; other axes are as long as those of the example.
        outputs: names of what it gives, in its order.

    Raises:
        StageError: it cannot be written in this operator set.
    """
    # about torchvision, which is not here, and about torch's and DynUNet's own internals
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            network.eval(),
            (example,),
            dynamo=True,
            opset_version=opset,
            external_data=False,
            verbose=False,
            input_names=["image"],
            output_names=list(outputs),
            dynamic_shapes=(free,),
        )
    model = cast(torch.onnx.ONNXProgram, program).model_proto  # None only without dynamo
    found = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if found != [opset]:
        raise StageError(
            f"the network cannot be written in operator set {opset} of ONNX",
            [f"found {', '.join(map(str, found))}"],
            "Take another export.opset in params.yaml.",
        )
    _strip(model)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


class _WithOffsets(torch.nn.Module):
    def __init__(self, network: torch.nn.Module, offsets: Sequence[float]):
        super().__init__()
        self.network = network
        self.register_buffer("offsets", torch.tensor(offsets).view(1, -1, 1, 1, 1), persistent=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.network(image) + self.offsets


def with_offsets(network: torch.nn.Module, offsets: Sequence[float] | None) -> torch.nn.Module:
    """The network, in evaluation mode, that adds the offset of each label to its logits; itself where there
    are none."""
    return network.eval() if offsets is None else _WithOffsets(network, offsets).eval()


def saying(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """An ONNX file that has these texts about itself, sorted by their names."""
    model = onnx.load_from_string(content)
    onnx.helper.set_model_props(model, dict(sorted(metadata.items())))
    return model.SerializeToString(deterministic=True)


def stripped(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model itself, without source paths and stack traces."""
    _strip(model)
    return model


def _strip(message) -> None:
    """Empties every metadata_props and doc_string, at any depth: torch writes source paths and stack
    traces there."""
    for field, value in message.ListFields():
        if field.name in ("metadata_props", "doc_string"):
            message.ClearField(field.name)
        elif field.message_type is not None and field.message_type.full_name.startswith("onnx."):
            for inner in value if hasattr(value, "__len__") and not hasattr(value, "ListFields") else [value]:
                _strip(inner)


def network(content: bytes, threads: int):
    """An ONNX file as inference takes a network: (n, c, z, y, x) tensor -> logits tensor, on the
    processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda patch: torch.from_numpy(session.run(None, {name: np.ascontiguousarray(patch.numpy())})[0])
