"""A released model made by code: what export writes, of a small network of convolutions that was never
trained."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from radiotrace import records
from radiotrace.inference import model_record
from tests.projects import ROOT

EXAMPLE = ROOT / "tests/schema_cases/released_model/valid/hippocampus.json"
SIZE_MM = {"low": [9.0, 9.0, 9.0], "high": [45.0, 45.0, 45.0]}
SPACING_MM = {"low": [0.9, 0.9, 0.9], "high": [1.7, 1.7, 1.7]}


def network(channels: int = 1, labels: int = 3, seed: int = 0, spoilt: bool = False) -> bytes:
    """Two convolutions of 3 x 3 x 3, which see what lies around a voxel, padding among it.

    Args:
        spoilt: with a weight that is no number.
    """
    rng = np.random.default_rng(seed)
    shapes = {"first": (4, channels, 3, 3, 3), "second": (labels, 4, 3, 3, 3)}
    weights = {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    if spoilt:
        weights["second"][0, 0, 1, 1, 1] = np.nan
    nodes = [
        helper.make_node("Conv", ["image", "first"], ["hidden"], pads=[1] * 6),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("Conv", ["active", "second"], ["logits"], pads=[1] * 6),
    ]
    graph = helper.make_graph(
        nodes,
        "released",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["n", channels, "z", "y", "x"])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["n", labels, "z", "y", "x"])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def write(folder: Path, channels: int = 1, **changes) -> Path:
    """The folder of a model, whose record is that of the schema's example but for what is given.

    Args:
        changes: keys of the record; dicts are merged, and None takes a key of preprocessing away.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = network(channels)
    record = json.loads(EXAMPLE.read_text("utf-8"))
    record["golden"], record["files"] = [], {}
    record["learnt_from"] |= {"size_mm": SIZE_MM, "spacing_mm": SPACING_MM}
    record["params"]["threads"] = 1
    for key, value in changes.items():
        record[key] = {**record[key], **value} if isinstance(value, dict) else value
    record["preprocessing"] = {
        key: value
        for key, value in record["preprocessing"].items()
        if value is not None or key == "spacing_mm"
    }
    seal(folder, record, content)
    return folder


def seal(folder: Path, record: dict, content: bytes | None = None) -> None:
    """Writes both files so that each is of the other.

    Args:
        content: of the network; that of the folder where it is None.
    """
    model = onnx.load_from_string(content or (folder / "model.onnx").read_bytes())
    said = {
        "run_id": record["run_id"],
        "contract_sha256": model_record.contract_sha256(record),
        "format_version": "2",
        "notice": record["notice"],
    }
    licence = {"licence": record["licence"]} if record["licence"] else {}
    onnx.helper.set_model_props(model, said | licence)
    sealed = model.SerializeToString(deterministic=True)
    (folder / "model.onnx").write_bytes(sealed)
    record["sha256"] = hashlib.sha256(sealed).hexdigest()
    records.write(folder / "model.json", record, "released_model")
