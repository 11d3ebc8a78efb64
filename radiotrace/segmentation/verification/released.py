"""Released: the file and the recipe that users get, run as they would run them, give the label maps that were
measured.

ONNX Runtime runs build/export/model.onnx with nothing but model.json: its labels, grid, normalisation,
and windows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from radiotrace import records
from radiotrace.evidence.verify.levels import Check, Clone
from radiotrace.inference import model_record, recipe
from radiotrace.records.dataset import Dataset
from radiotrace.records.model import ReleasedModel

if TYPE_CHECKING:  # the command line starts without it
    import numpy as np

WHAT = "the released file, run with its recipe, gives the label maps that were measured"


def check(clone: Clone) -> Check:
    """Level 5: each test case, segmented with the released file, against the prediction that was measured."""
    from radiotrace.imaging import (
        parts,  # here, because they take seconds to import
        volumes,
    )
    from radiotrace.inference import onnx_network, sliding

    root = clone.root
    model = ReleasedModel.of(records.read(root / "build/export/model.json", "released_model"))
    dataset, split = (
        records.read(root / path, name)
        for path, name in (("build/ingest/dataset.json", "dataset"), ("build/split/split.json", "split"))
    )
    cases = records.read(root / "metrics/cases.json", "cases")["cases"]
    content = (root / "build/export" / model_record.FILE).read_bytes()
    result = Check(5, WHAT, interface(content, model_record.metadata(model)))
    if model.labels != split["labels"]:
        result.faults.append(
            f"model.json: labels are {json.dumps(model.labels)}, those of the cases are "
            f"{json.dumps(split['labels'])}"
        )
    if result.faults:
        return result
    network, test = (
        onnx_network.of(content, model.params.threads),
        parts.cases(Dataset.of(dataset), split, "test"),
    )
    prepared = recipe.Recipe.of(model.preprocessing)
    for case in cases:
        image = parts.image(test[case["case_id"]], root / "data")
        predicted = sliding.label(image, network, prepared).label_map
        stored = volumes.read_canonical(
            root / "build/evaluate/results/predictions" / case["prediction"], case["prediction_sha256"]
        )
        result.faults += unlike(case["case_id"], volumes.array_zyx(stored), volumes.array_zyx(predicted))
    return result


def unlike(case_id: str, stored_zyx: np.ndarray, made_zyx: np.ndarray) -> list[str]:
    """Where the released file labels voxels otherwise, by more than ties make."""
    if stored_zyx.shape != made_zyx.shape:
        return [
            f"{case_id}: the released file gives a label map of {made_zyx.shape}, expected "
            f"{stored_zyx.shape} (z y x)"
        ]
    different = int((stored_zyx != made_zyx).sum())
    if different <= model_record.VOXELS_OTHERWISE * stored_zyx.size:
        return []
    return [f"{case_id}: the released file labels {different} of {stored_zyx.size} voxels otherwise"]


def messages(message) -> Iterator:
    """A message of ONNX and every one in it, at any depth: graphs in attributes, functions."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.full_name.startswith("onnx."):
            for inner in [value] if hasattr(value, "ListFields") else value:
                yield from messages(inner)


def interface(content: bytes, metadata: Mapping[str, str]) -> list[str]:
    """Where inputs and outputs of the file are not those that the recipe names, it says something else of
    itself, or stands on others beside it."""
    import onnx

    model = onnx.load_from_string(content)
    found = {
        "input": [value.name for value in model.graph.input],
        "output": [value.name for value in model.graph.output],
    }
    expected = {"input": [model_record.INPUT.name], "output": [model_record.OUTPUT.name]}
    faults = [
        f"{model_record.FILE}: {kind}s are {', '.join(found[kind])}, expected {', '.join(expected[kind])}"
        for kind in found
        if found[kind] != expected[kind]
    ]
    said = {entry.key: entry.value for entry in model.metadata_props}
    faults += [
        f"{model_record.FILE}: {key} is {said.get(key, 'not there')}, model.json says "
        f"{metadata.get(key, 'nothing')}"
        for key in sorted(said.keys() | metadata.keys())
        if said.get(key) != metadata.get(key)
    ]
    nodes, tensors = [], []
    for message in messages(model):
        if isinstance(message, onnx.NodeProto):
            nodes.append(message)
        elif isinstance(message, onnx.TensorProto):
            tensors.append(message)
    outside = [
        tensor.name or "a constant" for tensor in tensors if tensor.data_location == onnx.TensorProto.EXTERNAL
    ]
    if len(said) != len(model.metadata_props):
        faults.append(f"{model_record.FILE}: says something twice of itself")
    faults += (
        [f"{model_record.FILE}: {len(outside)} tensors lie in other files, such as {outside[0]}"]
        if outside
        else []
    )
    domains = sorted({node.domain for node in nodes} - {"", "ai.onnx"})
    return faults + (
        [f"{model_record.FILE}: operators of {', '.join(domains)}, which are not of ONNX"] if domains else []
    )
