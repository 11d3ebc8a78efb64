"""ONNX Runtime as the network of sliding.py. Needs no torch."""

from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime

from radiotrace.errors import StageError
from radiotrace.inference.sliding import Network

ERROR = 3  # onnxruntime's severity: warnings are about how it optimises


def of(content: bytes | str | Path, threads: int, metadata: Mapping[str, str] | None = None) -> Network:
    """The network of an ONNX file, on the processor.

    Args:
        content: of the file, or its path.
        threads: that one pass keeps busy.
        metadata: what it must say of itself; None takes any.

    Raises:
        StageError: ONNX Runtime does not load it, or it says something else of itself; of the network, ONNX
            Runtime does not run it.
    """
    given = content if isinstance(content, bytes) else str(content)
    with _told("load"):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = ERROR
        session = onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    said = session.get_modelmeta().custom_metadata_map
    if metadata is not None and said != metadata:
        raise StageError(
            "the network is not of this model.json",
            [
                f"{key}: the network says {said.get(key, 'nothing')}, the record "
                f"{metadata.get(key, 'nothing')}"
                for key in sorted(said.keys() | metadata.keys())
                if said.get(key) != metadata.get(key)
            ],
            "Take the folder anew: one of both files was changed, or is of another release.",
        )
    names = [value.name for value in session.get_inputs()]
    outputs = session.get_outputs()
    if len(names) != 1 or len(outputs) != 1 or outputs[0].type != "tensor(float)":
        raise StageError(
            "the network does not take one image and give logits",
            [
                f"inputs found {len(names)}, outputs {', '.join(value.type for value in outputs) or 'none'}; "
                "expected one of each, the output tensor(float)"
            ],
        )
    [name] = names

    def network(patch: np.ndarray) -> np.ndarray:
        with _told("run"):
            return np.asarray(session.run(None, {name: np.ascontiguousarray(patch, np.float32)})[0])

    return network


@contextmanager
def _told(what: str):
    """Turns what ONNX Runtime raises into a StageError."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - its exceptions have no common class
        raise StageError(f"ONNX Runtime does not {what} the network", [str(error).split("\n")[0]]) from None
