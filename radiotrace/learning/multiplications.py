"""Multiplications: what one pass through an ONNX file costs, counted on the shapes that it really has.

planning/cost.py says beforehand what a network of a spec costs, near enough to plan; this counts a graph.
"""

import math
from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime

COUNTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def input_shape(content: bytes, free: Sequence[int]) -> tuple[int, ...]:
    """The shape of the input, one case.

    Args:
        content: of the file.
        free: sizes of the last axes, where the file leaves them open.
    """
    axes = onnx.load_from_string(content).graph.input[0].type.tensor_type.shape.dim
    sizes = [axis.dim_value for axis in axes]
    last = [size or other for size, other in zip(sizes[len(sizes) - len(free) :], free, strict=True)]
    return (1, *sizes[1 : len(sizes) - len(free)], *last)


def of_pass(content: bytes, shape: Sequence[int]) -> int:
    """Multiply-accumulates of convolutions and matrix products; what norms, activations and interpolation
    take is not counted.

    Args:
        content: of the file.
        shape: of its input.

    Raises:
        ValueError: nothing in the graph is counted.
    """
    model = onnx.load_from_string(content)
    graph = model.graph
    counted = [node for node in graph.node if node.op_type in COUNTED]
    if not counted:
        raise ValueError(f"found none of {', '.join(COUNTED)} in the graph")
    stored = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    given = {value.name for value in graph.input}
    named = {name for node in counted for name in (*node.input[:2], node.output[0])}
    asked = sorted(named - stored.keys() - given)
    del graph.output[:]
    graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in asked)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    entry = session.get_inputs()[0].name
    values = session.run(asked, {entry: np.zeros(shape, np.float32)})
    shapes = stored | {name: np.asarray(value).shape for name, value in zip(asked, values, strict=True)}
    return sum(_of_node(node, shapes | {entry: tuple(shape)}) for node in counted)


def _of_node(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    first, second = (shapes[name] for name in node.input[:2])
    out = math.prod(shapes[node.output[0]])
    if node.op_type == "Conv":  # weights: out, in of a group, kernel
        return out * math.prod(second[1:])
    if node.op_type == "ConvTranspose":  # weights: in, out of a group, kernel
        return math.prod(first) * math.prod(second[1:])
    if node.op_type == "Gemm":
        is_turned = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
        return out * first[0 if is_turned else 1]
    return out * first[-1]
