"""Models from elsewhere for tests, made by code: ONNX files in several layouts, and their contracts."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from radiotrace.records.contract import (
    ContractChannel,
    ContractInput,
    ContractOutput,
    ModelContract,
    Normalisation,
    Origin,
)

LABELS = {"0": "background", "1": "anterior", "2": "posterior"}
NAMES = tuple(LABELS.values())
PATCH, WINDOW = (16, 20, 12), (32, 32, 32)
UNKNOWN = Origin("unknown", "unknown", "unknown", "unknown")
BY_IMAGE = Normalisation("image", (0.5, 99.5))


def contract(
    layout: str = "channel_first",
    axes: Sequence[str] = ("z", "y", "x"),
    gives: str = "logits",
    activation: str = "softmax",
    overlap: str = "exclusive",
    labels: Sequence[str] = NAMES,
    multiple: int = 1,
    window: tuple[int, int, int] = WINDOW,
    name: str | None = None,
    patch: tuple[int, int, int] = PATCH,
    origin: Origin = UNKNOWN,
) -> ModelContract:
    """A contract of one channel, as those phantoms have that projects.create writes."""
    channel = ContractChannel("MRI", "MRI", BY_IMAGE)
    return ModelContract(
        "small",
        ContractInput(layout, tuple(axes), "LPS", None, patch, window, multiple, (channel,)),  # type: ignore[arg-type]
        ContractOutput(gives, activation, tuple(labels), overlap, name),  # type: ignore[arg-type]
        origin,
    )


def weights(channels: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (channels, 1, 3, 3, 3), unequal along each axis, and bias."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(channels, 1, 3, 3, 3)).astype(np.float32), rng.normal(size=channels).astype(
        np.float32
    )


def convolution(
    layout: str = "channel_first",
    axes: Sequence[str] = ("z", "y", "x"),
    activation: str = "",
    channels: int = 3,
    opset: int = 18,
) -> bytes:
    """One convolution over z, y, x, in a layout; its output behind an operator such as Softmax."""
    kernel, bias = weights(channels)
    inside, own = ["n", "c", "z", "y", "x"], ["n", "c", *axes]
    if layout == "channel_last":
        own = ["n", *axes, "c"]
    there = [own.index(axis) for axis in inside]
    back = [inside.index(axis) for axis in own]
    nodes = [
        helper.make_node("Transpose", ["volume"], ["turned"], perm=there),
        helper.make_node("Conv", ["turned", "kernel", "bias"], ["made"], pads=[1] * 6),
        helper.make_node("Transpose", ["made"], ["given"], perm=back),
    ]
    if activation:
        axis = own.index("c")
        further = {"axis": axis} if activation == "Softmax" else {}
        nodes.append(helper.make_node(activation, ["given"], ["shares"], **further))
    dims = {"n": "n", "z": "z", "y": "y", "x": "x"}
    return file(
        nodes,
        [dims.get(axis, 1) for axis in own],
        [dims.get(axis, channels) for axis in own],
        {"kernel": kernel, "bias": bias},
        nodes[-1].output[0],
        opset,
    )


def file(
    nodes: Sequence[onnx.NodeProto],
    taken: Sequence[int | str],
    given: Sequence[int | str],
    constants: dict[str, np.ndarray],
    output: str,
    opset: int = 18,
    domains: Sequence[str] = (),
) -> bytes:
    """An ONNX file that takes "volume"."""
    graph = helper.make_graph(
        list(nodes),
        "made_elsewhere",
        [helper.make_tensor_value_info("volume", TensorProto.FLOAT, list(taken))],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, list(given))],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9).SerializeToString()


def voxels() -> bytes:
    """A classifier of voxels, as skl2onnx writes a logistic regression of one feature."""
    nodes = [
        helper.make_node(
            "LinearClassifier",
            ["volume"],
            ["label", "scores"],
            domain="ai.onnx.ml",
            classlabels_ints=[0, 1, 2],
            coefficients=[-1.0, 0.3, 1.2],
            intercepts=[0.5, 0.1, -0.4],
            post_transform="SOFTMAX",
        ),
        helper.make_node("Normalizer", ["scores"], ["shares"], domain="ai.onnx.ml", norm="L1"),
    ]
    return file(nodes, ["n", 1], ["n", 3], {}, "shares", domains=["ai.onnx.ml"])


def altered(content: bytes, change) -> bytes:
    """A file after a change of its parsed form."""
    model = onnx.load_from_string(content)
    change(model)
    return model.SerializeToString()
