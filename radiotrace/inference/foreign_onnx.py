"""A foreign ONNX file: what is refused before anything of it runs, and a first run under limits.

`import-model` and the stage that admits call it. Nothing here believes the file: it is parsed, and tried, in
another process (imaging/child.py), with optimisation off, since constant parts of a graph would else run
while it is loaded.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx

from radiotrace.errors import StageError, shown_short
from radiotrace.imaging.child import Child, Limits, Refused
from radiotrace.records.contract import ContractInput, ModelContract

FILE_BYTES_MAX, NODES_MAX, METADATA_BYTES_MAX = 500 * 2**20, 5000, 64 * 2**10
OPSET_MIN, OPSET_MAX = 17, 25
DOMAINS = {"": "", "ai.onnx": "", "ai.onnx.ml": "ai.onnx.ml"}
# Of control flow the number of turns is in the data; of chance no two runs are alike.
LOOPS = frozenset({"Loop", "Scan", "If", "SequenceMap"})
CHANCE = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)
LIMITS = Limits(file_bytes=FILE_BYTES_MAX, memory_bytes=12 * 2**30, seconds=120)
OUTPUT_VALUES_MAX = 2**31  # of the smallest input


@dataclass(frozen=True)
class Port:
    """An input or output of a file.

    Attributes:
        type: as ONNX calls it, such as FLOAT.
        dims: a number where it is fixed, None where it is free; None altogether where the file does not say.
    """

    name: str
    type: str
    dims: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Looked:
    """What a file says of itself, without having run."""

    producer: str
    opset: int
    nodes: int
    weights: int
    operators: dict[str, int]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def admitted(content: bytes, contract: ModelContract) -> Looked:
    """A file that may be run, after it has run once on zeros of the smallest size, and on a larger one where
    the contract says that it takes several.

    Raises:
        StageError: it is refused; names every fault.
    """
    if len(content) > FILE_BYTES_MAX:
        raise _refusal([f"size: found {len(content)} bytes, at most {FILE_BYTES_MAX}"])
    try:
        with Child(LIMITS, _ready) as child:
            looked, faults = child.call(look, content)
            if looked is not None:
                faults = [*faults, *misfits(looked, contract)]
            if not faults and looked is not None:
                faults = child.call(tried, content, contract)
    except Refused as refused:
        limit = f"in a process of its own, with {LIMITS.memory_bytes >> 30} GiB of memory"
        raise _refusal([f"{limit}: {refused}"]) from None
    if looked is None or faults:
        raise _refusal(faults)
    return looked


def _refusal(faults: list[str]) -> StageError:
    return StageError(
        "the model is not admitted",
        faults,
        "docs/import-model.md says what is taken, what is refused and why.",
    )


def _ready() -> None:
    import onnxruntime  # noqa: F401 - so that the limit of time is that of the file


def look(content: bytes) -> tuple[Looked | None, list[str]]:
    """What a file says of itself, and what it must not have; nothing of it runs.

    Returns:
        None where it is no ONNX at all.
    """
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # noqa: BLE001 - protobuf's exceptions have no class in common
        return None, [f"no ONNX file: {shown_short(str(error))}"]
    if not model.graph.node:
        return None, ["no ONNX file: it has no nodes"]
    faults = _forbidden(model)
    if not faults:
        try:
            onnx.checker.check_model(model, full_check=True)
        except Exception as error:  # noqa: BLE001 - of shape inference, too
            faults.append(f"does not pass onnx.checker: {shown_short(str(error).strip().splitlines()[0])}")
    given = {tensor.name for tensor in model.graph.initializer}
    producer = f"{model.producer_name} {model.producer_version}".strip()
    operators = Counter(
        ":".join(part for part in (node.domain, node.op_type) if part) for node in model.graph.node
    )
    return Looked(
        producer=shown_short(producer),
        opset=next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0),
        nodes=len(model.graph.node),
        weights=sum(prod(tensor.dims) for tensor in model.graph.initializer),
        operators={shown_short(name): count for name, count in sorted(operators.items())},
        inputs=tuple(_port(value) for value in model.graph.input if value.name not in given),
        outputs=tuple(map(_port, model.graph.output)),
    ), faults


def _port(value: onnx.ValueInfoProto) -> Port:
    tensor = value.type.tensor_type
    dims = tuple(
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in tensor.shape.dim
    )
    kind = onnx.TensorProto.DataType.Name(tensor.elem_type) if value.type.HasField("tensor_type") else "none"
    return Port(value.name, kind, dims if tensor.HasField("shape") else None)


def _forbidden(model: onnx.ModelProto) -> list[str]:
    """What no file may have, whatever its contract says."""
    faults = []
    domains = sorted({entry.domain for entry in model.opset_import} - DOMAINS.keys())
    domains = sorted({*domains, *({node.domain for node in model.graph.node} - DOMAINS.keys())})
    if domains:
        faults.append(
            f"operator domains: found {shown_short(', '.join(domains))}, expected ai.onnx(.ml) alone"
        )
    # skl2onnx names a domain twice
    versions = sorted({entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")})
    if len(versions) != 1 or not OPSET_MIN <= versions[0] <= OPSET_MAX:
        found = ", ".join(map(str, versions)) or "none"
        faults.append(f"opset: found {found}, expected one from {OPSET_MIN} to {OPSET_MAX}")
    if len(model.graph.node) > NODES_MAX:
        faults.append(f"nodes: found {len(model.graph.node)}, at most {NODES_MAX}")
    if model.functions:
        faults.append(f"functions: found {len(model.functions)}, expected none")
    if model.training_info:
        faults.append("training_info: found some, expected none")
    used = {node.op_type for node in model.graph.node}
    if turns := sorted(used & LOOPS):
        faults.append(f"operators: found {', '.join(turns)}, whose turns nothing limits")
    if chance := sorted(used & CHANCE):
        faults.append(f"operators: found {', '.join(chance)}, which draw by chance")
    if any(_has_graph(node) for node in model.graph.node):
        faults.append("graphs within nodes: found some, expected none")
    outside = [tensor.name for tensor in _tensors(model) if _is_outside(tensor)]
    if outside:
        names = shown_short(", ".join(outside[:3]))
        faults.append(
            f"external data: {len(outside)} tensors lie in other files ({names}); "
            "save the model with its weights in one file"
        )
    told = sum(len(entry.key) + len(entry.value) for entry in model.metadata_props)
    if told > METADATA_BYTES_MAX:
        faults.append(f"metadata: found {told} bytes, at most {METADATA_BYTES_MAX}")
    return faults


def _has_graph(node: onnx.NodeProto) -> bool:
    graphs = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
    return any(attribute.type in graphs or attribute.ref_attr_name for attribute in node.attribute)


def _is_outside(tensor: onnx.TensorProto) -> bool:
    return tensor.data_location == onnx.TensorProto.EXTERNAL or bool(tensor.external_data)


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor, at any depth."""
    graphs = [model.graph]
    nodes = [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes += graph.node
            continue
        for attribute in nodes.pop().attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            graphs += [attribute.g] if attribute.HasField("g") else []
            graphs += attribute.graphs


def misfits(looked: Looked, contract: ModelContract) -> list[str]:
    """Where a file and its contract contradict each other."""
    return [*contradictions(contract), *_input_misfits(looked, contract), *_output_misfits(looked, contract)]


def contradictions(contract: ModelContract) -> list[str]:
    """Where a contract contradicts itself."""
    taken, given, faults = contract.input, contract.output, []
    flat = len(taken.axes) == 2
    if flat and (set(taken.axes) != {"x", "y"} or taken.patch_voxels[2] != 1):
        faults.append(
            f"input.axes: found {', '.join(taken.axes)}, expected x, y and z, or x and y where "
            "patch_voxels is 1 along z"
        )
    multiple = taken.multiple if isinstance(taken.multiple, tuple) else (taken.multiple,) * 3
    for axis, patch, window, step in zip(
        "xyz", taken.patch_voxels, taken.window_voxels, multiple, strict=True
    ):
        if window < patch or (patch == 1) != (window == 1):
            faults.append(f"input.window_voxels along {axis}: found {window}, expected {patch} at least")
        if patch != window and (patch % step or window % step):
            faults.append(
                f"input.multiple along {axis}: found {step}, of which patch_voxels {patch} and "
                f"window_voxels {window} are no multiples"
            )
    names = [channel.name for channel in taken.channels]
    if len(set(names)) != len(names):
        faults.append("input.channels: a name stands twice")
    wanted = {"softmax": ("exclusive",), "none": ("exclusive",), "sigmoid": ("highest", "later")}
    if given.overlap not in wanted[given.activation]:
        expected = " or ".join(wanted[given.activation])
        faults.append(f"output.overlap: found {given.overlap}, expected {expected} for {given.activation}")
    if (given.gives == "labels") != (given.activation == "none"):
        faults.append(
            f"output.activation: found {given.activation}, expected "
            f"{'none' if given.gives == 'labels' else 'softmax or sigmoid'} for {given.gives}"
        )
    offsets = given.logit_offsets
    if offsets is not None and (len(offsets) != len(given.labels) or given.activation != "softmax"):
        faults.append("output.logit_offsets: expected one for each of labels, of softmax alone")
    if taken.layout == "voxels" and taken.patch_voxels == taken.window_voxels and 1 not in multiple:
        faults.append("input.multiple: expected 1 for layout voxels, which sees each by itself")
    return faults


def _input_misfits(looked: Looked, contract: ModelContract) -> list[str]:
    if len(looked.inputs) != 1:
        named = ", ".join(port.name for port in looked.inputs[:5]) or "none"
        return [f"inputs: found {len(looked.inputs)} ({shown_short(named)}), expected one, the image"]
    port, taken = looked.inputs[0], contract.input
    faults = []
    if port.type != "FLOAT":
        faults.append(f"input {port.name}: found {port.type}, expected FLOAT")
    rank = 2 if taken.layout == "voxels" else 2 + len(taken.axes)
    if port.dims is None or len(port.dims) != rank:
        found = "no shape" if port.dims is None else f"{len(port.dims)} axes"
        return [*faults, f"input {port.name}: found {found}, expected {rank} for layout {taken.layout}"]
    wanted = array_shape(taken, (1, *taken.patch_voxels[::-1]))
    movable = taken.patch_voxels != taken.window_voxels
    for place, (found, expected) in enumerate(zip(port.dims, wanted, strict=True)):
        fixed = found is not None and found != expected
        if fixed and not (taken.layout == "voxels" and place == 0):
            faults.append(
                f"input {port.name}, axis {place}: found {found}, expected {expected} by the "
                "contract, or free"
            )
        space = place in space_axes(taken)
        if space and found is not None and movable and not fixed:
            faults.append(
                f"input {port.name}, axis {place}: fixed at {found}, so that window_voxels must be "
                "patch_voxels"
            )
    if taken.layout == "voxels" and port.dims[0] is not None:
        faults.append(f"input {port.name}, axis 0: found {port.dims[0]}, expected free: any number of voxels")
    return faults


def _output_misfits(looked: Looked, contract: ModelContract) -> list[str]:
    names = [port.name for port in looked.outputs]
    name = contract.output.name
    if name is None and len(names) != 1:
        return [f"outputs: found {shown_short(', '.join(names))}; say in output.name which one it is"]
    if name is not None and name not in names:
        return [f"outputs: found {shown_short(', '.join(names))}, expected {name}"]
    port = looked.outputs[0 if name is None else names.index(name)]
    whole = ("INT64", "INT32", "UINT8", "INT8", "INT16", "UINT16", "BOOL")
    wanted = ("FLOAT", *whole) if contract.output.gives == "labels" else ("FLOAT",)
    if port.type not in wanted:
        return [f"output {port.name}: found {port.type}, expected {' or '.join(wanted[:2])}"]
    return []


def space_axes(taken: ContractInput) -> range:
    """Which axes of the file's input are of space."""
    if taken.layout == "voxels":
        return range(0)
    first = 2 if taken.layout == "channel_first" else 1
    return range(first, first + len(taken.axes))


def array_shape(taken: ContractInput, shape_nzyx: Sequence[int]) -> tuple[int, ...]:
    """Shape of the file's input.

    Args:
        shape_nzyx: samples, and edges in voxels.
    """
    samples, *edges_zyx = shape_nzyx
    edge_of = dict(zip("zyx", edges_zyx, strict=True))
    space = tuple(edge_of[axis] for axis in taken.axes)
    channels = len(taken.channels)
    if taken.layout == "voxels":
        return (samples * prod(edges_zyx), channels)
    return (samples, channels, *space) if taken.layout == "channel_first" else (samples, *space, channels)


def output_name(content: bytes, contract: ModelContract) -> str:
    """Which output of a file the contract is about."""
    if contract.output.name is not None:
        return contract.output.name
    return onnx.load_from_string(content).graph.output[0].name


def session(content: bytes, threads: int, optimise: bool = False):
    """ONNX Runtime with a file, on the processor."""
    import onnxruntime  # here, because checks need none

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def tried(content: bytes, contract: ModelContract) -> list[str]:
    """Runs a file on zeros, in the process that it is called in; what came out wrongly."""
    taken, name = contract.input, output_name(content, contract)
    try:
        running = session(content, 1)
    except Exception as error:  # noqa: BLE001 - its exceptions have no class in common
        return [f"ONNX Runtime does not load it: {shown_short(str(error).splitlines()[0])}"]
    [image] = [port.name for port in running.get_inputs()]
    sizes = {taken.patch_voxels[::-1], _larger(taken)}
    faults = []
    for size_zyx in sorted(sizes, key=prod):
        shape = array_shape(taken, (1, *size_zyx))
        try:
            given = np.asarray(running.run([name], {image: np.zeros(shape, np.float32)})[0])
        except Exception as error:  # noqa: BLE001
            said = shown_short(str(error).splitlines()[0])
            return [*faults, f"zeros of {shape}: ONNX Runtime does not run it: {said}"]
        faults += [f"zeros of {shape}: {fault}" for fault in _output_faults(given, contract, size_zyx)]
    return faults


def _larger(taken: ContractInput) -> tuple[int, int, int]:
    """A size that goes through in one pass, z, y, x: one step above the smallest along each axis that may
    grow."""
    multiple = taken.multiple if isinstance(taken.multiple, tuple) else (taken.multiple,) * 3
    x, y, z = (
        min(window, patch + step)
        for patch, window, step in zip(taken.patch_voxels, taken.window_voxels, multiple, strict=True)
    )
    return z, y, x


def _output_faults(given: np.ndarray, contract: ModelContract, size_zyx: Sequence[int]) -> list[str]:
    """Where an output is not what the contract says."""
    wanted = output_shapes(contract, size_zyx)
    if given.shape not in wanted:
        expected = " or ".join(map(str, wanted))
        return [f"output found of {given.shape}, expected {expected}"]
    if given.size > OUTPUT_VALUES_MAX:
        return [f"output found of {given.size} values, at most {OUTPUT_VALUES_MAX}"]
    values, output = given.astype(np.float64), contract.output
    if not np.isfinite(values).all():
        return [f"{int((~np.isfinite(values)).sum())} values are not finite"]
    if output.gives == "probabilities" and (values.min() < -1e-5 or values.max() > 1 + 1e-5):
        return [f"probabilities found from {values.min():g} to {values.max():g}, expected 0 to 1"]
    if output.gives == "labels":
        known = set(range(len(output.labels)))
        if unknown := sorted(set(np.unique(values).tolist()) - known)[:3]:
            return [
                f"labels found {', '.join(f'{value:g}' for value in unknown)}, expected 0 to {len(known) - 1}"
            ]
    elif output.gives == "probabilities" and output.activation == "softmax":
        total = values.sum(axis=channel_axis(contract.input))
        if np.abs(total - 1).max() > 1e-3:
            return [f"probabilities of a voxel add up to {total.min():g} to {total.max():g}, expected 1"]
    return []


def channel_axis(taken: ContractInput) -> int:
    """Which axis of the file's output is that of its channels."""
    return 1 if taken.layout == "channel_first" else -1


def output_shapes(contract: ModelContract, size_zyx: Sequence[int]) -> list[tuple[int, ...]]:
    """The shapes that an output may have: a map of labels may come without an axis of channels."""
    taken = contract.input
    plain = array_shape(taken, (1, *size_zyx))
    without = tuple(edge for place, edge in enumerate(plain) if place != channel_axis(taken) % len(plain))
    count = 1 if contract.output.gives == "labels" else len(contract.output.labels)
    at = channel_axis(taken) % len(plain)
    shapes = [(*without[:at], count, *without[at:])]
    return [*shapes, without] if contract.output.gives == "labels" else shapes
