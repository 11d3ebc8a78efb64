"""What runtimes are not given, and how long they may take: a graph that does not end is a fault, no hang."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from radiotrace.errors import StageError
from radiotrace.inference import onnx_graph, onnx_network, openvino_network, runtimes
from tests import phantoms, released
from tests.projects import ROOT

PATCH = np.zeros((1, 1, 4, 4, 4), np.float32)
ENDLESS = np.iinfo(np.int64).max


def value(name: str, kind: int = TensorProto.FLOAT, shape=None):
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name: str, array) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(array), name)


def saved(nodes, constants=(), domains=("",), functions=()) -> bytes:
    """A network of an image that gives logits on its grid."""
    graph = helper.make_graph(
        nodes,
        "g",
        [value("image", shape=["n", 1, "z", "y", "x"])],
        [value("logits", shape=["n", 1, "z", "y", "x"])],
        list(constants),
    )
    opsets = [helper.make_opsetid(domain, 20 if domain == "" else 1) for domain in domains]
    return helper.make_model(
        graph, opset_imports=opsets, ir_version=10, functions=list(functions)
    ).SerializeToString()


def endless() -> bytes:
    """Adds 0 for as long as anybody lives."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Mul", ["x", "one"], ["y"]),
        ],
        "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("x")],
        [value("go_on", TensorProto.BOOL, []), value("y")],
    )
    loop = helper.make_node("Loop", ["most", "yes", "image"], ["logits"], body=body)
    constants = [constant("most", ENDLESS), constant("yes", True), constant("one", np.float32(1))]
    return saved([loop], constants)


def branch() -> bytes:
    sides = [
        helper.make_graph([helper.make_node("Identity", ["image"], [name])], name, [], [value(name)])
        for name in ("a", "b")
    ]
    node = helper.make_node("If", ["yes"], ["logits"], then_branch=sides[0], else_branch=sides[1])
    return saved([node], [constant("yes", True)])


def scan() -> bytes:
    body = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "body", [value("x")], [value("y")])
    return saved([helper.make_node("Scan", ["image"], ["logits"], body=body, num_scan_inputs=1)])


def foreign() -> bytes:
    node = helper.make_node("Gelu", ["image"], ["logits"], domain="com.microsoft")
    return saved([node], domains=("", "com.microsoft"))


def function() -> bytes:
    own = helper.make_function(
        "own",
        "Twice",
        ["x"],
        ["y"],
        [helper.make_node("Add", ["x", "x"], ["y"])],
        [helper.make_opsetid("", 20)],
    )
    node = helper.make_node("Twice", ["image"], ["logits"], domain="own")
    return saved([node], domains=("", "own"), functions=[own])


REFUSED = {
    "Loop": (endless, "holds Loop, whose graph may run without end"),
    "If": (branch, "holds If, whose graph"),
    "Scan": (scan, "holds Scan, whose graph"),
    "foreign domain": (foreign, "holds Gelu of the domain com.microsoft"),
    "function": (function, "holds functions of its own"),
}


@pytest.mark.parametrize(("made", "fault"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("runtime", [onnx_network, openvino_network])
def test_a_network_that_may_run_without_end_is_not_loaded(tmp_path, runtime, made, fault):
    path = tmp_path / "model.onnx"
    path.write_bytes(made())
    with pytest.raises(StageError, match="the network is none that is run here") as caught:
        runtime.of(path, 1)
    assert any(fault in finding for finding in caught.value.findings)


def test_a_layer_of_openvino_with_a_body_is_not_loaded(tmp_path):
    path = tmp_path / "model.xml"
    path.write_text('<net><layers><layer id="0" type="TensorIterator"><body/></layer></layers></net>')
    with pytest.raises(StageError) as caught:
        openvino_network.of(path, 1)
    assert caught.value.findings == ["holds TensorIterator, whose graph may run without end; expected none"]


def test_what_this_project_writes_is_loaded():
    assert onnx_graph.faults(released.network()) == []
    assert onnx_network.of(released.network(), 1)(PATCH).shape == (1, 3, 4, 4, 4)


@pytest.mark.parametrize("content", [b"no network", b"\x3a\xff\xff\xff\xff\x0f", b"\x0b", b"\xff" * 20])
def test_bytes_that_are_no_onnx_are_a_fault(content):
    with pytest.raises(StageError, match="does not load the network"):
        onnx_network.of(content, 1)


def test_a_model_with_an_endless_loop_is_refused_by_predict_and_does_not_hang(tmp_path):
    import SimpleITK as sitk

    folder = released.write(tmp_path / "export")
    record = json.loads((folder / "model.json").read_text("utf-8"))
    released.seal(folder, record, endless())
    sitk.WriteImage(phantoms.pair(0, phantoms.rotation(10))[0], str(tmp_path / "a.nii.gz"))
    done = subprocess.run(
        [sys.executable, "-m", "radiotrace", "predict", folder, "a.nii.gz", "--out", "out"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "the network is none that is run here" in done.stderr
    assert "Traceback" not in done.stderr


def slow() -> bytes:
    """Finite, and too much for anybody's patience: hundreds of convolutions one after the other."""
    nodes, last = [], "image"
    for number in range(400):
        name = "logits" if number == 399 else f"x{number}"
        nodes.append(helper.make_node("Conv", [last, "w"], [name], pads=[7] * 6))
        last = name
    return saved(nodes, [constant("w", np.full((1, 1, 15, 15, 15), 1e-4, np.float32))])


@pytest.mark.parametrize("runtime", [onnx_network, openvino_network])
def test_a_pass_that_takes_too_long_is_a_fault(tmp_path: Path, monkeypatch, runtime):
    monkeypatch.setattr(runtimes, "PASS_SECONDS", 0.5)
    path = tmp_path / "model.onnx"
    path.write_bytes(slow())
    network = runtime.of(path, 1)
    begin = time.monotonic()
    with pytest.raises(StageError, match="the network does not end") as caught:
        network(np.ones((1, 1, 64, 64, 64), np.float32))
    assert caught.value.findings == ["one pass took longer than 0.5 s"]
    assert time.monotonic() - begin < 60
