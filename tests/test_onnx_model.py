"""onnx_model: a file that computes what torch computes and says nothing about the machine that wrote it."""

import sys

import onnx
import pytest
import torch

from radiotrace.learning import architecture, grown, onnx_model
from radiotrace.records.network import NetworkSpec
from tests.projects import ROOT

SPEC = NetworkSpec("dynunet", (4, 8, 8), 3)
TRACES = {
    "repository": str(ROOT),
    "environment": sys.prefix,
    "packages": "site-packages",
    "stack trace": "stack_trace",
    "project": "radiotrace",
}
OTHERS = {
    name: NetworkSpec(name, (8, 16, 32), 3)
    for name in grown.described(architecture.NAMES)
    if name != "dynunet"
} | {
    "group norm, pixel shuffle": NetworkSpec(
        "dynunet", (8, 16, 32), 3, norm="group", upsampling="pixelshuffle"
    )
}
# One worker, one export: it takes seconds.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def torch_network():
    return architecture.build(SPEC, seed=0).eval()


@pytest.fixture(scope="module")
def content(torch_network):
    return onnx_model.export(torch_network, architecture.multiple(SPEC), 20)


def messages(message):
    """A protobuf message and every message in it, at any depth."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                yield from messages(part)


def texts(content: bytes, field: str) -> list:
    return [
        getattr(message, field)
        for message in messages(onnx.load_from_string(content))
        if getattr(message, field, None)
    ]


@pytest.mark.requirement("SRS-EXPORT-1")
def test_offsets_are_in_the_file(torch_network, content):
    offsets = (0.0, -0.4, 0.7)
    given = onnx_model.with_offsets(torch_network, offsets)
    file = onnx_model.export(given, architecture.multiple(SPEC), 20)
    image = torch.randn(1, 1, 16, 24, 32, generator=torch.Generator().manual_seed(0))
    added = onnx_model.network(file, 1)(image) - onnx_model.network(content, 1)(image)
    expected = torch.tensor(offsets).view(1, 3, 1, 1, 1).expand_as(added)
    torch.testing.assert_close(added, expected, rtol=0, atol=1e-5)
    assert onnx_model.with_offsets(torch_network, None) is torch_network


def test_free_axes_are_called_as_they_are(content):
    graph = onnx.load_from_string(content).graph
    axes = [
        [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in graph.input
    ]
    assert axes == [["n", 1, "4*z", "4*y", "4*x"]]


def test_what_a_file_says_of_itself_is_sorted_and_nothing_else(content):
    said = onnx_model.saying(content, {"run_id": "b", "licence": "a"})
    assert said == onnx_model.saying(content, {"licence": "a", "run_id": "b"})
    assert [(row.key, row.value) for row in onnx.load_from_string(said).metadata_props] == [
        ("licence", "a"),
        ("run_id", "b"),
    ]


@pytest.mark.requirement("SRS-EXPORT-2")
def test_two_exports_are_the_same_bytes(torch_network, content):
    assert onnx_model.export(torch_network, architecture.multiple(SPEC), 20) == content


@pytest.mark.requirement("SRS-SEC-4")
@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_the_file_holds_no_trace_of_where_it_was_written(content, trace):
    assert trace.encode() not in content


@pytest.mark.requirement("SRS-SEC-4")
@pytest.mark.parametrize("field", ["metadata_props", "doc_string"])
def test_free_text_is_empty_at_every_level(content, field):
    assert texts(content, field) == []


# the test above would pass if it saw nothing
def test_the_walk_reaches_nodes_and_their_attributes(content):
    assert {"ModelProto", "GraphProto", "NodeProto", "AttributeProto", "TensorProto"} <= {
        type(message).__name__ for message in messages(onnx.load_from_string(content))
    }


@pytest.mark.parametrize("name", ["input", "output"])
def test_batch_and_space_are_free(content, name):
    shape = getattr(onnx.load_from_string(content).graph, name)[0].type.tensor_type.shape.dim
    assert [bool(shape[axis].dim_param) for axis in range(5)] == [True, False, True, True, True]


def test_input_and_output_have_the_names_of_the_record(content):
    graph = onnx.load_from_string(content).graph
    assert ([one.name for one in graph.input], [one.name for one in graph.output]) == (["image"], ["logits"])


def test_the_operator_set_is_the_one_asked_for(content):
    assert {one.domain: one.version for one in onnx.load_from_string(content).opset_import}[""] == 20


def test_the_weights_are_in_the_file(content):
    assert all(not one.external_data for one in onnx.load_from_string(content).graph.initializer)


@pytest.mark.requirement("SRS-EXPORT-1")
@pytest.mark.parametrize("shape", [(1, 1, 16, 20, 12), (3, 1, 8, 24, 28)])
def test_onnx_runtime_computes_what_torch_computes(torch_network, content, shape):
    image = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(
            onnx_model.network(content, threads=1)(image), torch_network(image), rtol=0, atol=1e-4
        )


def test_onnx_runtime_takes_an_image_of_any_memory_format(torch_network, content):
    image = torch.randn(1, 1, 12, 16, 8, generator=torch.Generator().manual_seed(0)).transpose(2, 4)
    with torch.inference_mode():
        assert torch.allclose(
            onnx_model.network(content, threads=1)(image), torch_network(image), rtol=0, atol=1e-4
        )


@pytest.fixture(scope="module", params=OTHERS.values(), ids=OTHERS)
def other(request):
    """Another network than the default, what its axes are multiples of, and its export."""
    network, multiple = architecture.build(request.param, seed=0), architecture.multiple(request.param)
    return network, multiple, onnx_model.export(network, multiple, 20)


@pytest.mark.requirement("SRS-EXPORT-1")
def test_another_network_computes_what_torch_computes(other):
    network, _, content = other
    image = torch.randn(3, 1, 8, 24, 28, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(
            onnx_model.network(content, threads=1)(image), network(image), rtol=0, atol=1e-4
        )


@pytest.mark.requirement("SRS-EXPORT-2")
def test_two_exports_of_another_network_are_the_same_bytes(other):
    network, multiple, content = other
    assert onnx_model.export(network, multiple, 20) == content


def test_the_file_of_another_network_holds_no_trace(other):
    assert not [name for name, trace in TRACES.items() if trace.encode() in other[2]]
