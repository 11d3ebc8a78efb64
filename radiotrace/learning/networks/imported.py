"""imported:

A network that was made elsewhere. Its file of weights holds one ONNX graph, as inference/adapted.py writes
it, and which of its nodes end a level. Where torch can compute every operator of the graph, it does, so that
there are gradients and levels; else ONNX Runtime computes, and there are none.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import nn

from radiotrace.errors import StageError
from radiotrace.learning.grown import Grown
from radiotrace.learning.networks.layers import Architecture
from radiotrace.records.network import NetworkSpec

ONNX, LEVELS = "onnx", "levels"  # names in the file of weights
Values = dict[str, Any]
Operator = Callable[[list[Any], dict[str, Any]], Any]


def tensors_of(content: bytes, levels: Sequence[int]) -> dict[str, torch.Tensor]:
    """What the file of weights holds.

    Args:
        content: of the adapted file.
        levels: number of the node that ends each level, the finest first; empty where there are none.
    """
    return {
        ONNX: torch.from_numpy(np.frombuffer(content, np.uint8).copy()),
        LEVELS: torch.tensor(list(levels), dtype=torch.int64),
    }


def untranslated(content: bytes) -> list[str]:
    """The operators of a graph that torch does not compute here, sorted."""
    graph = onnx.load_from_string(content).graph
    return sorted({_named(node) for node in graph.node if _named(node) not in OPERATORS})


def _named(node: onnx.NodeProto) -> str:
    return ":".join(part for part in (node.domain, node.op_type) if part)


class Imported(Grown):
    """Takes (n, channel, z, y, x) and gives logits (n, label, z, y, x), as the graph says."""

    def __init__(self):
        super().__init__()
        self.nodes: list[
            Node
        ] = []  # with their type; weights are buffers of this module, and no node has any
        self.steps = nn.ModuleList()  # the same, for who looks for a layer
        self.logits = nn.Identity()
        self._content = b""
        self._levels: list[int] = []
        self._by_runtime = False
        self._session: Any = None
        self._constants: Values = {}

    def grow(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """As Grown has it.

        Raises:
            ValueError: the tensors are of another kind of network.
        """
        if tensors.keys() != {ONNX, LEVELS}:
            raise ValueError(f"weights of another network: {sorted(tensors)[:3]} …")
        self._content = tensors[ONNX].numpy().tobytes()
        self._levels = tensors[LEVELS].tolist()
        graph = onnx.load_from_string(self._content).graph
        self._by_runtime = bool(untranslated(self._content))
        self._constants = {"": None}
        for number, tensor in enumerate(graph.initializer):
            value = torch.from_numpy(numpy_helper.to_array(tensor).copy())
            if value.is_floating_point():
                self.register_buffer(f"weight_{number}", value)
            self._constants[tensor.name] = value
        if self._by_runtime:
            return
        for sparse in graph.sparse_initializer:
            raise ValueError(f"{sparse.values.name}: sparse weights are not computed here")
        last_use: dict[str, int] = {}
        for number, node in enumerate(graph.node):
            last_use |= dict.fromkeys(node.input, number)
        for number, node in enumerate(graph.node):
            done = [name for name in set(node.input) if last_use[name] == number]
            self.nodes.append(Node(node, done))
        self.steps.extend(self.nodes)

    def file(self) -> bytes:
        """As Grown has it."""
        return self._content

    def scramble(self, seed: int) -> None:
        """As Grown has it."""
        rng = np.random.default_rng(seed)
        for _, value in sorted(self.named_buffers()):
            flat = value.view(-1)
            flat.copy_(flat[torch.from_numpy(rng.permutation(flat.numel()))])

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if self._by_runtime:
            return self.logits(self._run(image))
        values: Values = {**self._constants, "image": image}
        for node in self.nodes:
            values.update(node(values))
            for name in node.done:
                if name not in self._constants:
                    values.pop(name, None)
        return self.logits(values["logits"])

    def _run(self, image: torch.Tensor) -> torch.Tensor:
        if image.requires_grad:
            raise StageError("the imported network has no gradient here", untranslated(self._content))
        if self._session is None:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            options.log_severity_level = 3
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
            self._session = onnxruntime.InferenceSession(
                self._content, options, providers=["CPUExecutionProvider"]
            )
        given = {"image": np.ascontiguousarray(image.detach().numpy(), np.float32)}
        return torch.from_numpy(np.asarray(self._session.run(["logits"], given)[0]))

    def ends(self, level: int) -> nn.Module:
        """The module that ends a level; of a network without levels that which gives the logits."""
        return self.nodes[self._levels[level]].out if self._levels else self.logits


class Node(nn.Module):
    """A node of the graph.

    Attributes:
        done: names of values that no later node takes.
        out: what its first output passes through, for who listens.
    """

    def __init__(self, node: onnx.NodeProto, done: list[str]):
        super().__init__()
        self.inputs, self.outputs, self.done = list(node.input), list(node.output), done
        self.kind = _named(node)
        self.attributes = {one.name: _attribute(one) for one in node.attribute}
        self.out = nn.Identity()

    def forward(self, values: Values) -> Values:
        made = OPERATORS[self.kind]([values[name] for name in self.inputs], self.attributes)
        results = made if isinstance(made, tuple) else (made,)
        found = dict(zip(self.outputs, results, strict=False))
        first = found[self.outputs[0]]
        if isinstance(first, torch.Tensor) and first.dim() == 5 and first.is_floating_point():
            found[self.outputs[0]] = self.out(first)
        return found


def _attribute(attribute: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return torch.from_numpy(numpy_helper.to_array(value).copy())
    return value.decode() if isinstance(value, bytes) else value


def shapes(network: Imported, image: torch.Tensor) -> list[tuple[int, ...] | None]:
    """Shape of what each node gives of an image; None of what is no map over space."""
    found: list[tuple[int, ...] | None] = [None] * len(network.nodes)

    def keep(number: int):
        def hook(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
            found[number] = tuple(output.shape)

        return hook

    handles = [node.out.register_forward_hook(keep(number)) for number, node in enumerate(network.nodes)]
    try:
        with torch.inference_mode():
            network(image)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _pads(attributes: Mapping[str, Any], image: torch.Tensor, kernel: Sequence[int]) -> list[int]:
    """Added before and behind each axis, first all before, as ONNX has it."""
    dims = len(kernel)
    automatic = attributes.get("auto_pad", "NOTSET")
    if automatic in ("NOTSET", ""):
        return list(attributes.get("pads", [0] * 2 * dims))
    if automatic == "VALID":
        return [0] * 2 * dims
    strides, dilations = (attributes.get(name, [1] * dims) for name in ("strides", "dilations"))
    before, behind = [], []
    for edge, size, stride, dilation in zip(image.shape[2:], kernel, strides, dilations, strict=True):
        reach = (size - 1) * dilation + 1
        total = max((-(-edge // stride) - 1) * stride + reach - edge, 0)
        small = total // 2
        before.append(small if automatic == "SAME_UPPER" else total - small)
        behind.append(total - before[-1])
    return [*before, *behind]


def _padded(image: torch.Tensor, pads: Sequence[int], value: float = 0.0) -> tuple[torch.Tensor, list[int]]:
    """The image with what torch's layers cannot add, and what they can: equal numbers on both sides."""
    dims = len(pads) // 2
    before, behind = list(pads[:dims]), list(pads[dims:])
    if before == behind and value == 0.0:
        return image, before
    pairs = [number for one in zip(before[::-1], behind[::-1], strict=True) for number in one]
    return F.pad(image, pairs, value=value), [0] * dims


def _conv(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    image, weight, *rest = inputs
    dims = weight.dim() - 2
    image, padding = _padded(image, _pads(attributes, image, weight.shape[2:]))
    convolve = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[dims]
    return convolve(
        image,
        weight,
        rest[0] if rest else None,
        stride=attributes.get("strides", [1] * dims),
        padding=padding,
        dilation=attributes.get("dilations", [1] * dims),
        groups=attributes.get("group", 1),
    )


def _conv_transposed(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    image, weight, *rest = inputs
    dims = weight.dim() - 2
    strides = list(attributes.get("strides", [1] * dims))
    dilations = list(attributes.get("dilations", [1] * dims))
    further = list(attributes.get("output_padding", [0] * dims))
    pads = list(attributes.get("pads", [0] * 2 * dims))
    automatic = attributes.get("auto_pad", "NOTSET")
    shape = attributes.get("output_shape")
    if shape is not None or automatic in ("SAME_UPPER", "SAME_LOWER"):
        pads = []
        edges = list(zip(image.shape[2:], strides, weight.shape[2:], dilations, further, strict=True))
        wanted = shape or [edge * stride for edge, stride, *_ in edges]
        totals = [
            stride * (edge - 1) + extra + (size - 1) * dilation + 1 - target
            for (edge, stride, size, dilation, extra), target in zip(edges, wanted, strict=True)
        ]
        smaller = [max(total, 0) // 2 for total in totals]
        larger = [max(total, 0) - small for total, small in zip(totals, smaller, strict=True)]
        pads = [*larger, *smaller] if automatic == "SAME_LOWER" else [*smaller, *larger]
    convolve = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}[dims]
    full = convolve(
        image,
        weight,
        rest[0] if rest else None,
        stride=strides,
        output_padding=further if any(further) else 0,
        groups=attributes.get("group", 1),
        dilation=dilations,
    )
    cut = [slice(None), slice(None)]
    for place in range(dims):
        cut.append(slice(pads[place], full.shape[2 + place] - pads[dims + place]))
    return full[tuple(cut)]


def _pool(inputs: list[Any], attributes: dict[str, Any], largest: bool) -> torch.Tensor:
    image, kernel = inputs[0], list(attributes["kernel_shape"])
    dims = len(kernel)
    strides = list(attributes.get("strides", [1] * dims))
    pads = _pads(attributes, image, kernel)
    rounded_up = bool(attributes.get("ceil_mode", 0))
    if largest:
        image, padding = _padded(image, pads, float("-inf"))
        pool = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[dims]
        dilations = attributes.get("dilations", [1] * dims)
        return pool(image, kernel, strides, padding, dilation=dilations, ceil_mode=rounded_up)
    counted = bool(attributes.get("count_include_pad", 0))
    if pads[:dims] != pads[dims:]:
        counts = torch.ones_like(image[:1, :1])
        image, _ = _padded(image, pads)
        counts, _ = _padded(counts, pads, 0.0)
        pool = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[dims]
        mean = pool(image, kernel, strides, 0, rounded_up)
        return mean if counted else mean / pool(counts, kernel, strides, 0, rounded_up)
    pool = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[dims]
    return pool(image, kernel, strides, pads[:dims], rounded_up, counted)


def _instance_norm(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    image, weight, bias = inputs
    return F.instance_norm(image, weight=weight, bias=bias, eps=attributes.get("epsilon", 1e-5))


def _batch_norm(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    image, weight, bias, mean, variance = inputs
    return F.batch_norm(image, mean, variance, weight, bias, eps=attributes.get("epsilon", 1e-5))


def _group_norm(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    image, weight, bias = inputs
    each = image.shape[1] // weight.numel()  # before operator set 21 there is one for each group
    weight, bias = weight.repeat_interleave(each), bias.repeat_interleave(each)
    return F.group_norm(image, attributes["num_groups"], weight, bias, attributes.get("epsilon", 1e-5))


def _layer_norm(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    image, weight, *rest = inputs
    axis = attributes.get("axis", -1) % image.dim()
    return F.layer_norm(
        image, image.shape[axis:], weight, rest[0] if rest else None, attributes.get("epsilon", 1e-5)
    )


def _prelu(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    image, slope = inputs
    return torch.where(image < 0, image * slope, image)


def _resize(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    """Nearest neighbours by whole factors, and linear by half pixels: what networks upsample with."""
    image, scales, sizes = inputs[0], *_further(inputs, 2, 3)
    if sizes is not None:
        target = [int(size) for size in sizes]
    else:
        target = [int(edge * float(scale)) for edge, scale in zip(image.shape, scales, strict=True)]
    mode = attributes.get("mode", "nearest")
    places = attributes.get("coordinate_transformation_mode", "half_pixel")
    edges, wanted = list(image.shape[2:]), target[2:]
    if list(image.shape[:2]) != target[:2] or attributes.get("axes") is not None:
        raise ValueError("Resize of samples or channels is not computed here")
    if mode == "nearest":
        if any(new % old for old, new in zip(edges, wanted, strict=True)):
            raise ValueError(f"Resize from {edges} to {wanted}: nearest is computed by whole factors alone")
        for axis, (old, new) in enumerate(zip(edges, wanted, strict=True)):
            image = image.repeat_interleave(new // old, 2 + axis)
        return image
    names = {1: "linear", 2: "bilinear", 3: "trilinear"}
    if mode != "linear" or places not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        raise ValueError(f"Resize by {mode}, {places} is not computed here")
    aligned = places == "align_corners"
    return F.interpolate(image, wanted, mode=names[len(wanted)], align_corners=aligned)


def _further(inputs: list[Any], *places: int) -> list[Any]:
    """Inputs that may be missing: None for those, and for tensors without a value."""
    found = [inputs[place] if place < len(inputs) else None for place in places]
    return [None if one is None or one.numel() == 0 else one for one in found]


def _reshape(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    image, shape = inputs
    wanted = [int(edge) for edge in shape]
    if not attributes.get("allowzero", 0):
        wanted = [image.shape[place] if edge == 0 else edge for place, edge in enumerate(wanted)]
    return image.reshape(wanted)


def _slice(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    image, starts, ends = inputs[:3]
    axes, steps = _further(inputs, 3, 4)
    chosen = range(len(starts)) if axes is None else [int(axis) for axis in axes]
    for number, axis in enumerate(chosen):
        step, edge = 1 if steps is None else int(steps[number]), image.shape[axis]
        places = range(edge)[slice(_bound(starts[number]), _bound(ends[number], step), step)]
        image = image.index_select(axis, torch.tensor(list(places), dtype=torch.int64))
    return image


def _bound(value: torch.Tensor, step: int = 1) -> int | None:
    number = int(value)
    return None if step < 0 and number < -(2**31) else number


def _gather(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    data, places = inputs
    axis = attributes.get("axis", 0) % data.dim()
    flat = places.reshape(-1).to(torch.int64)
    flat = torch.where(flat < 0, flat + data.shape[axis], flat)
    found = data.index_select(axis, flat)
    return found.reshape(*data.shape[:axis], *places.shape, *data.shape[axis + 1 :])


def _axes(inputs: list[Any], attributes: dict[str, Any]) -> list[int] | None:
    [given] = _further(inputs, 1)
    if given is not None:
        return [int(axis) for axis in given]
    return list(attributes["axes"]) if "axes" in attributes else None


def _squeeze(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    axes = _axes(inputs, attributes)
    return inputs[0].squeeze() if axes is None else inputs[0].squeeze(tuple(axes))


def _unsqueeze(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    image, axes = inputs[0], _axes(inputs, attributes) or []
    for axis in sorted(axis % (image.dim() + len(axes)) for axis in axes):
        image = image.unsqueeze(axis)
    return image


def _reduced(inputs: list[Any], attributes: dict[str, Any], function) -> torch.Tensor:
    image, axes = inputs[0], _axes(inputs, attributes)
    if axes is None:
        if attributes.get("noop_with_empty_axes", 0):
            return image
        axes = list(range(image.dim()))
    return function(image, axes, bool(attributes.get("keepdims", 1)))


def _clip(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    low, high = (inputs[place] if place < len(inputs) else None for place in (1, 2))
    return inputs[0] if low is None and high is None else torch.clamp(inputs[0], low, high)


def _split(inputs: list[Any], attributes: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    image, axis = inputs[0], attributes.get("axis", 0)
    [sizes] = _further(inputs, 1)
    if sizes is None:
        return tuple(image.chunk(attributes["num_outputs"], axis))
    return tuple(image.split([int(size) for size in sizes], axis))


def _pad(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    image, pads = inputs[0], [int(number) for number in inputs[1]]
    value = inputs[2] if len(inputs) > 2 and inputs[2] is not None else torch.tensor(0.0)
    [axes] = _further(inputs, 3)
    mode = attributes.get("mode", "constant")
    if mode != "constant" or axes is not None:
        raise ValueError(f"Pad by {mode} is not computed here")
    half = len(pads) // 2
    pairs = [number for place in reversed(range(half)) for number in (pads[place], pads[half + place])]
    return F.pad(image, pairs, value=float(value))


def _cast(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    dtype = onnx.helper.tensor_dtype_to_np_dtype(attributes["to"])
    return inputs[0].to(torch.from_numpy(np.zeros(0, dtype)).dtype)


def _constant(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    [(name, value)] = attributes.items()
    kinds = {"value_float": torch.float32, "value_floats": torch.float32}
    return value if name == "value" else torch.tensor(value, dtype=kinds.get(name, torch.int64))


def _filled(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    value = attributes.get("value", torch.zeros(1))
    return torch.full([int(edge) for edge in inputs[0]], value.item(), dtype=value.dtype)


def _gemm(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    left, right, *rest = inputs
    left = left.T if attributes.get("transA", 0) else left
    right = right.T if attributes.get("transB", 0) else right
    product = attributes.get("alpha", 1.0) * (left @ right)
    return product + attributes.get("beta", 1.0) * rest[0] if rest else product


def _divided(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    left, right = inputs
    if left.is_floating_point():
        return left / right
    return torch.div(left, right, rounding_mode="trunc")


def _shape(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
    edges = list(inputs[0].shape)[attributes.get("start", 0) : attributes.get("end")]
    return torch.tensor(edges, dtype=torch.int64)


def _over(function) -> Operator:
    """An operator of tensors without attributes."""
    return lambda inputs, attributes: function(*inputs)


def _folded(function) -> Operator:
    def operator(inputs: list[Any], attributes: dict[str, Any]) -> torch.Tensor:
        first, *rest = inputs
        for other in rest:
            first = function(first, other)
        return first

    return operator


OPERATORS: dict[str, Operator] = {
    "Abs": _over(torch.abs),
    "Add": _over(torch.add),
    "AveragePool": lambda inputs, attributes: _pool(inputs, attributes, largest=False),
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda inputs, attributes: torch.cat(inputs, attributes["axis"]),
    "Constant": _constant,
    "ConstantOfShape": _filled,
    "Conv": _conv,
    "ConvTranspose": _conv_transposed,
    "Div": _divided,
    "Dropout": lambda inputs, attributes: inputs[0],
    "Elu": lambda inputs, attributes: F.elu(inputs[0], attributes.get("alpha", 1.0)),
    "Equal": _over(torch.eq),
    "Erf": _over(torch.erf),
    "Exp": _over(torch.exp),
    "Expand": lambda inputs, attributes: (
        inputs[0] * torch.ones([int(edge) for edge in inputs[1]], dtype=inputs[0].dtype)
    ),
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda inputs, attributes: inputs[0].mean(
        tuple(range(2, inputs[0].dim())), keepdim=True
    ),
    "GroupNormalization": _group_norm,
    "Identity": _over(lambda image: image),
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda inputs, attributes: F.leaky_relu(inputs[0], attributes.get("alpha", 0.01)),
    "Log": _over(torch.log),
    "MatMul": _over(torch.matmul),
    "Max": _folded(torch.maximum),
    "MaxPool": lambda inputs, attributes: _pool(inputs, attributes, largest=True),
    "Min": _folded(torch.minimum),
    "Mul": _over(torch.mul),
    "Neg": _over(torch.neg),
    "PRelu": _prelu,
    "Pad": _pad,
    "Pow": _over(torch.pow),
    "Reciprocal": _over(torch.reciprocal),
    "ReduceMean": lambda inputs, attributes: _reduced(
        inputs, attributes, lambda image, axes, kept: image.mean(axes, keepdim=kept)
    ),
    "ReduceSum": lambda inputs, attributes: _reduced(
        inputs, attributes, lambda image, axes, kept: image.sum(axes, keepdim=kept)
    ),
    "Relu": _over(torch.relu),
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _shape,
    "Sigmoid": _over(torch.sigmoid),
    "Slice": _slice,
    "Softmax": lambda inputs, attributes: torch.softmax(inputs[0], attributes.get("axis", -1)),
    "Softplus": _over(F.softplus),
    "Split": _split,
    "Sqrt": _over(torch.sqrt),
    "Squeeze": _squeeze,
    "Sub": _over(torch.sub),
    "Tanh": _over(torch.tanh),
    "Transpose": lambda inputs, attributes: inputs[0].permute(
        attributes.get("perm", list(range(inputs[0].dim()))[::-1])
    ),
    "Unsqueeze": _unsqueeze,
    "Where": _over(torch.where),
}


def build(spec: NetworkSpec) -> Imported:
    """An empty one: what it is comes with its weights."""
    return Imported()


ARCHITECTURE = Architecture(
    build,
    lowest=lambda network, levels: network.ends(levels - 1),
    level=lambda network, level, levels: network.ends(level),
    levels_min=1,
)
