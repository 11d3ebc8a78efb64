"""Adapted: a foreign network in the form in which everything here takes one, as a graph around its graph.

(n, channel, z, y, x) float32 goes in and logits (n, label, z, y, x) come out, labels as the study counts
them. What stands between is the file as it was brought: its nodes and weights are not touched. Needs
no torch.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from radiotrace.inference.foreign_onnx import DOMAINS, output_name
from radiotrace.records.contract import ModelContract

INPUT, OUTPUT = "image", "logits"
INSIDE = "foreign_"  # how every name of the file begins within
TINY = 1e-7  # below which a probability is taken for this, so that its logarithm is finite
CERTAIN = 16.0  # logit of a label that a file gives without a probability; the others have 0


class _Around:
    """Nodes that are added, each with a name of its own."""

    def __init__(self):
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, to: str | None = None, **attributes) -> str:
        name = to or f"around_{len(self.nodes)}_{operator.lower()}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, values, kind: type = np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name


def adapted(content: bytes, contract: ModelContract, labels: Mapping[str, str]) -> bytes:
    """The file in the form of this project; same input, same bytes.

    Args:
        content: of a file that was admitted.
        labels: value -> name, as the study has them, 0 the background, without a gap; all of them, but the
            background of sigmoid, stand in the contract.
    """
    foreign = _renamed(onnx.load_from_string(content))
    around, before = _Around(), _Around()
    before.constants = around.constants
    _to_foreign(before, foreign, contract)
    _to_logits(around, INSIDE + output_name(content, contract), contract, labels)
    graph = helper.make_graph(
        [*before.nodes, *foreign.graph.node, *around.nodes],
        "adapted",
        [_port(INPUT, len(contract.input.channels), contract)],
        [_port(OUTPUT, len(labels), contract)],
        [*foreign.graph.initializer, *around.constants],
        sparse_initializer=list(foreign.graph.sparse_initializer),
    )
    versions = {(DOMAINS[entry.domain], entry.version) for entry in foreign.opset_import}
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(*version) for version in sorted(versions)],
        producer_name="radiotrace",
        ir_version=foreign.ir_version,
    )
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def _renamed(model: onnx.ModelProto) -> onnx.ModelProto:
    """With INSIDE before every name, and without what says where it was made."""
    model = onnx.compose.add_prefix(model, INSIDE)
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        node.domain = DOMAINS[node.domain]
    for tensor in model.graph.initializer:
        tensor.ClearField("metadata_props")
        tensor.ClearField("doc_string")
    return model


def _port(name: str, channels: int, contract: ModelContract) -> onnx.ValueInfoProto:
    fixed = [
        edge if patch == edge else axis
        for axis, patch, edge in zip(
            "zyx",
            contract.input.patch_voxels[::-1],
            contract.input.window_voxels[::-1],
            strict=True,
        )
    ]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, *fixed])


def _to_foreign(around: _Around, foreign: onnx.ModelProto, contract: ModelContract) -> None:
    """Turns the input into what the file takes."""
    given = {tensor.name for tensor in foreign.graph.initializer}
    [target] = [value.name for value in foreign.graph.input if value.name not in given]
    taken = contract.input
    if taken.layout == "voxels":
        last = around.add("Transpose", INPUT, perm=[0, 2, 3, 4, 1])
        around.add("Reshape", last, around.constant([-1, len(taken.channels)], np.int64), to=target)
        return
    source, axes = INPUT, ["n", "c", "z", "y", "x"]
    if len(taken.axes) == 2:
        source = around.add("Squeeze", source, around.constant([2], np.int64))
        axes.remove("z")
    order = _order(contract)
    around.add("Transpose", source, perm=[axes.index(axis) for axis in order], to=target)


def _order(contract: ModelContract) -> list[str]:
    """What each axis of the file's arrays is."""
    space = list(contract.input.axes)
    return ["n", "c", *space] if contract.input.layout == "channel_first" else ["n", *space, "c"]


def _to_logits(around: _Around, source: str, contract: ModelContract, labels: Mapping[str, str]) -> None:
    """Turns what the file gives into logits of the study's labels."""
    names = [labels[str(value)] for value in range(len(labels))]
    output = contract.output
    channels = _channels_first(around, source, contract)
    if output.gives == "labels":
        logits = _of_map(around, channels, [output.labels.index(name) for name in names])
    elif output.activation == "softmax":
        logits = channels
        if output.gives == "probabilities":
            logits = around.add("Log", around.add("Max", channels, around.constant(TINY)))
        if output.logit_offsets is not None:
            offsets = around.constant(np.reshape(output.logit_offsets, (1, -1, 1, 1, 1)))
            logits = around.add("Add", logits, offsets)
        chosen = around.constant([output.labels.index(name) for name in names], np.int64)
        logits = around.add("Gather", logits, chosen, axis=1)
    else:
        logits = _of_sigmoid(around, channels, contract, names[1:])
    around.add("Identity", logits, to=OUTPUT)


def _channels_first(around: _Around, source: str, contract: ModelContract) -> str:
    """What the file gives as (n, channel, z, y, x) float32; of a map of labels with one channel."""
    output, taken = contract.output, contract.input
    count = 1 if output.gives == "labels" else len(output.labels)
    if output.gives == "labels":
        source = _cast(around, source)
    if taken.layout == "voxels":
        return _from_voxels(around, source, count)
    order = _order(contract)
    if output.gives == "labels":  # with an axis of one channel or without: the same numbers in the same order
        source = _with_channel(around, source, contract)
    wanted = [axis for axis in ("n", "c", "z", "y", "x") if axis in order]
    source = around.add("Transpose", source, perm=[order.index(axis) for axis in wanted])
    if len(taken.axes) == 2:
        source = around.add("Unsqueeze", source, around.constant([2], np.int64))
    return source


def _cast(around: _Around, source: str) -> str:
    name = f"around_{len(around.nodes)}_cast"
    around.nodes.append(helper.make_node("Cast", [source], [name], name=name, to=TensorProto.FLOAT))
    return name


def _with_channel(around: _Around, source: str, contract: ModelContract) -> str:
    """A map of labels with an axis of one channel, whether it had one or not: shaped as the input's edges."""
    shape = around.add("Shape", INPUT)
    edges = []
    for axis in _order(contract):
        if axis == "c":
            edges.append(around.constant([1], np.int64))
        else:
            place = around.constant([["n", "c", "z", "y", "x"].index(axis)], np.int64)
            edges.append(around.add("Gather", shape, place, axis=0))
    return around.add("Reshape", source, around.add("Concat", *edges, axis=0))


def _from_voxels(around: _Around, source: str, count: int) -> str:
    """(voxels, channel) as (n, channel, z, y, x)."""
    shape = around.add("Shape", INPUT)
    edges = [
        around.add("Gather", shape, around.constant([place], np.int64), axis=0) for place in (0, 2, 3, 4)
    ]
    whole = around.add("Concat", *edges, around.constant([count], np.int64), axis=0)
    return around.add("Transpose", around.add("Reshape", source, whole), perm=[0, 4, 1, 2, 3])


def _of_map(around: _Around, source: str, values: Sequence[int]) -> str:
    """Logits of a map of labels: CERTAIN for the label that it has, 0 for the others.

    Args:
        values: of the map, of each label of the study.
    """
    wanted = around.constant(np.reshape(values, (1, -1, 1, 1, 1)))
    same = around.add("Equal", source, wanted)
    return around.add("Mul", _cast(around, same), around.constant(CERTAIN))


def _of_sigmoid(around: _Around, channels: str, contract: ModelContract, names: Sequence[str]) -> str:
    """Logits of channels that stand by themselves; the background has 0.

    The label of a channel below one half has a logit below 0, so that background wins. Where a later label
    takes a voxel, the logit of an earlier one is at most as far below 0 as that of the later is above.
    """
    output = contract.output
    chosen = around.constant([output.labels.index(name) for name in names], np.int64)
    own = around.add("Gather", channels, chosen, axis=1)
    if output.gives == "probabilities":
        least = around.constant(TINY)
        yes = around.add("Log", around.add("Max", own, least))
        rest = around.add("Sub", around.constant(1.0), own)
        own = around.add("Sub", yes, around.add("Log", around.add("Max", rest, least)))
    singles = [
        around.add("Gather", own, around.constant([place], np.int64), axis=1) for place in range(len(names))
    ]
    if output.overlap == "later":
        order = sorted(range(len(names)), key=lambda place: output.labels.index(names[place]))
        highest_later: str | None = None
        adjusted = dict(enumerate(singles))
        for place in reversed(order):
            if highest_later is not None:
                below = around.add("Neg", highest_later)
                adjusted[place] = around.add("Min", singles[place], below)
            highest_later = (
                singles[place] if highest_later is None else around.add("Max", highest_later, singles[place])
            )
        singles = [adjusted[place] for place in range(len(names))]
    background = around.add("Mul", singles[0], around.constant(0.0))
    return around.add("Concat", background, *singles, axis=1)


def expected(given: np.ndarray, contract: ModelContract, labels: Mapping[str, str], shape_nzyx) -> np.ndarray:
    """Probabilities (n, label, z, y, x) of what a file gave, in NumPy and without the graph above: what the
    admission compares it with. Of sigmoid they are those of the channels, with 0 for the background.
    """
    taken, output = contract.input, contract.output
    names = [labels[str(value)] for value in range(len(labels))]
    count = 1 if output.gives == "labels" else len(output.labels)
    n, z, y, x = shape_nzyx
    if taken.layout == "voxels":
        order, array = ["n", "z", "y", "x", "c"], np.reshape(given, (n, z, y, x, count))
    else:
        order = _order(contract)
        edge = {"n": n, "c": count, "z": z, "y": y, "x": x}
        array = np.reshape(given, [edge[axis] for axis in order])
    if "z" not in order:
        array, order = array[..., None], [*order, "z"]
    array = np.transpose(array.astype(np.float64), [order.index(axis) for axis in ("n", "c", "z", "y", "x")])
    if output.gives == "labels":
        values = np.reshape([output.labels.index(name) for name in names], (1, -1, 1, 1, 1))
        return (array == values).astype(np.float64)
    if output.activation == "sigmoid":
        chosen = array[:, [output.labels.index(name) for name in names[1:]]]
        shares = chosen if output.gives == "probabilities" else 1 / (1 + np.exp(-np.clip(chosen, -500, 500)))
        if output.overlap == "later":
            shares = _pressed(shares, [output.labels.index(name) for name in names[1:]])
        return np.concatenate([np.zeros_like(shares[:, :1]), shares], axis=1)
    if output.gives == "logits":
        logits = array + np.reshape(output.logit_offsets or [0.0], (1, -1, 1, 1, 1))
        array = np.exp(logits - logits.max(1, keepdims=True))
        array /= array.sum(1, keepdims=True)
    elif output.logit_offsets is not None:
        array = array * np.exp(np.reshape(output.logit_offsets, (1, -1, 1, 1, 1)))
        array /= array.sum(1, keepdims=True)
    return array[:, [output.labels.index(name) for name in names]]


def _pressed(shares: np.ndarray, places: Sequence[int]) -> np.ndarray:
    """Each channel at most at what the highest of the later ones leaves of 1.

    Args:
        places: of the channels in the order of the contract.
    """
    left = shares.copy()
    for channel, place in enumerate(places):
        for other, other_place in enumerate(places):
            if other_place > place:
                left[:, channel] = np.minimum(left[:, channel], 1 - shares[:, other])
    return left


def chosen(
    shares: np.ndarray, contract: ModelContract, labels: Mapping[str, str]
) -> tuple[np.ndarray, np.ndarray]:
    """The label of each voxel by `expected`, (n, z, y, x), and where it is clear: by more than 1e-3."""
    if contract.output.activation != "sigmoid":
        ranked = np.sort(shares, axis=1)
        return shares.argmax(1), ranked[:, -1] - ranked[:, -2] > 1e-3
    own = shares[:, 1:]
    clear = np.asarray((np.abs(own - 0.5) > 1e-3).all(1))
    if contract.output.overlap == "later":
        order = [contract.output.labels.index(labels[str(value)]) for value in range(1, len(labels))]
        label = np.zeros(own[:, 0].shape, np.int64)
        for place in np.argsort(order):
            label[own[:, place] > 0.5] = place + 1
        return label, clear
    if own.shape[1] > 1:
        ranked = np.sort(own, axis=1)
        clear &= (ranked[:, -1] - ranked[:, -2] > 1e-3) | (ranked[:, -1] < 0.5)
    return np.where(own.max(1) > 0.5, own.argmax(1) + 1, 0), clear


def shares_of(logits: np.ndarray, contract: ModelContract) -> np.ndarray:
    """Of the logits of the adapted file, what `expected` has of the file itself: softmax, or of sigmoid each
    channel by itself."""
    if contract.output.activation == "sigmoid":
        shares = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -500, 500)))
        shares[:, 0] = 0
        return shares
    values = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return values / values.sum(1, keepdims=True)
