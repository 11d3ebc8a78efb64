"""What the graph of an ONNX file would run, read before any runtime loads it. Needs no package: predicting
has none that reads ONNX.

A node that holds a graph of its own, such as Loop, may run without end, and a runtime would do so while it
loads the file. No network of this project has one, nor a node of a domain that is not of the standard, nor a
function.
"""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types of Protocol Buffers
# Numbers of fields in onnx.proto (onnx 1.20).
MODEL_GRAPH, MODEL_FUNCTIONS = 7, 25
GRAPH_NODE = 1
NODE_TYPE, NODE_ATTRIBUTE, NODE_DOMAIN = 4, 5, 7
ATTRIBUTE_GRAPHS = (6, 11)  # g, graphs
# Of the operators of the standard. No operator of ai.onnx.ml, which imported models may have, holds a graph.
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
HOLD_GRAPHS = ("Loop", "Scan", "If", "SequenceMap")
VARINT_BYTES_MAX = 10


def faults(content: bytes) -> list[str]:
    """Why nobody should run a file: its nodes that hold graphs, or are of other domains, and its functions;
    each kind once, sorted.

    Raises:
        ValueError: it is no ONNX file.
    """
    found = set()
    for number, model_field in _fields(memoryview(content)):
        if number == MODEL_FUNCTIONS:
            found.add("holds functions of its own, expected none")
        if number == MODEL_GRAPH:
            nodes = (value for field, value in _fields(model_field) if field == GRAPH_NODE)
            found.update(fault for node in nodes for fault in _of_node(node))
    return sorted(found)


def _of_node(node: memoryview) -> list[str]:
    fields = list(_fields(node))
    name = "/".join(str(value, "utf-8", "replace")[:40] for field, value in fields if field == NODE_TYPE)
    faults = []
    if name in HOLD_GRAPHS or any(_holds_graph(value) for field, value in fields if field == NODE_ATTRIBUTE):
        faults.append(f"holds {name}, whose graph may run without end; expected none")
    domains = [str(value, "utf-8", "replace") for field, value in fields if field == NODE_DOMAIN]
    faults += [
        f"holds {name} of the domain {domain[:40]}, expected operators of ONNX alone"
        for domain in domains
        if domain not in DOMAINS
    ]
    return faults


def _holds_graph(attribute: memoryview) -> bool:
    return any(field in ATTRIBUTE_GRAPHS for field, _ in _fields(attribute))


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and content of each field that has a length; others are passed over.

    Source: https://protobuf.dev/programming-guides/encoding.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == VARINT:
            _, at = _varint(message, at)
        elif kind in (FIXED32, FIXED64):
            at += 4 if kind == FIXED32 else 8
        elif kind == BYTES:
            length, at = _varint(message, at)
            if at + length > len(message):
                raise ValueError("is no ONNX file: a field is longer than what it is in")
            yield key >> 3, message[at : at + length]
            at += length
        else:
            raise ValueError(f"is no ONNX file: has a field of the kind {kind}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number, and where the next begins."""
    number = 0
    for place, byte in enumerate(message[at : at + VARINT_BYTES_MAX]):
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return number, at + place + 1
    raise ValueError("is no ONNX file: a number does not end")
