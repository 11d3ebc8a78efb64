"""ONNX Runtime as the network of sliding.py. Needs no torch."""

import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime

from radiotrace.errors import StageError
from radiotrace.inference import onnx_graph, runtimes
from radiotrace.inference.sliding import Network

NAME = "ONNX Runtime"
ERROR = 3  # onnxruntime's severity: warnings are about how it optimises


def of(content: bytes | str | Path, threads: int, metadata: Mapping[str, str] | None = None) -> Network:
    """The network of an ONNX file, on the processor.

    Args:
        content: of the file, or its path.
        threads: that one pass keeps busy.
        metadata: what it must say of itself; None takes any.

    Raises:
        StageError: ONNX Runtime does not load it, it holds what may run without end, or it says something
            else of itself; of the network, ONNX Runtime does not run it, or not within runtimes.PASS_SECONDS.
    """
    with runtimes.told(NAME, "load"):
        given = content if isinstance(content, bytes) else Path(content).read_bytes()
        faults = onnx_graph.faults(given)  # first: loading runs what follows from constants
    if faults:
        raise StageError(
            "the network is none that is run here",
            faults,
            "Take the folder anew: no network of this software is such a one.",
        )
    with runtimes.told(NAME, "load"):
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
        # a graph of finite nodes may be made to take years; the runtime looks at this after each node
        options = onnxruntime.RunOptions()
        late = threading.Event()

        def stop() -> None:
            late.set()
            options.terminate = True

        timer = threading.Timer(runtimes.PASS_SECONDS, stop)
        timer.daemon = True
        timer.start()
        try:
            with runtimes.told(NAME, "run"):
                return np.asarray(
                    session.run(None, {name: np.ascontiguousarray(patch, np.float32)}, options)[0]
                )
        except StageError:
            if late.is_set():
                raise runtimes.too_long(runtimes.PASS_SECONDS) from None
            raise
        finally:
            timer.cancel()

    return network
