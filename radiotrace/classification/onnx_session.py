"""ONNX Runtime as a released classifier: prepared pictures in, logits and calibrated probabilities out. Needs
no torch."""

import threading
from collections.abc import Callable, Mapping
from typing import cast

import numpy as np
import onnxruntime

from radiotrace.errors import StageError
from radiotrace.inference import onnx_graph, runtimes

NAME = "ONNX Runtime"
OUTPUTS = ("logits", "probabilities")
ERROR = 3  # onnxruntime's severity: warnings are about how it optimises
WAY_OUT = "Take the folder anew: one of both files was changed, or is of another release."

Graph = Callable[[np.ndarray], Mapping[str, np.ndarray]]


def session(content: bytes, threads: int, metadata: Mapping[str, str] | None = None) -> Graph:
    """The released file: pictures (n, c, y, x) float32 -> name of OUTPUTS -> values.

    Args:
        threads: that one pass keeps busy.
        metadata: what the file must say of itself; None takes any.

    Raises:
        StageError: ONNX Runtime does not load it, it holds what may run without end, says something else of
            itself or has other outputs; of the graph, it does not run, or not within runtimes.PASS_SECONDS.
    """
    with runtimes.told(NAME, "load"):
        faults = onnx_graph.faults(content)  # first: loading runs what follows from constants
    if faults:
        raise StageError("the network is none that is run here", faults, WAY_OUT)
    with runtimes.told(NAME, "load"):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = ERROR
        running = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    said = running.get_modelmeta().custom_metadata_map
    expected = said if metadata is None else metadata
    faults = [
        f"{key}: the network says {said.get(key, 'nothing')}, the record {expected.get(key, 'nothing')}"
        for key in sorted(said.keys() | expected.keys())
        if said.get(key) != expected.get(key)
    ]
    inputs, outputs = (
        [value.name for value in values] for values in (running.get_inputs(), running.get_outputs())
    )
    if inputs != ["image"] or outputs != list(OUTPUTS):
        faults.append(
            f"found {', '.join(inputs)} -> {', '.join(outputs)}; expected image -> {', '.join(OUTPUTS)}"
        )
    if faults:
        raise StageError("the network is not of this model.json", faults, WAY_OUT)

    def graph(pixels: np.ndarray) -> Mapping[str, np.ndarray]:
        # a graph of finite nodes may be made to take years; the runtime looks at this after each node
        limits = onnxruntime.RunOptions()
        late = threading.Event()

        def stop() -> None:
            late.set()
            limits.terminate = True

        timer = threading.Timer(runtimes.PASS_SECONDS, stop)
        timer.daemon = True
        timer.start()
        try:
            with runtimes.told(NAME, "run"):
                fed = {"image": np.ascontiguousarray(pixels, np.float32)}
                values = cast(list[np.ndarray], running.run(list(OUTPUTS), fed, limits))
                return dict(zip(OUTPUTS, values, strict=True))
        except StageError:
            if late.is_set():
                raise runtimes.too_long(runtimes.PASS_SECONDS) from None
            raise
        finally:
            timer.cancel()

    return graph
