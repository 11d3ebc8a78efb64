"""OpenVINO as the network of sliding.py, the twin of onnx_network.py. Needs neither torch nor NNCF."""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import numpy as np

from radiotrace.errors import StageError
from radiotrace.inference import onnx_graph, runtimes
from radiotrace.inference.sliding import Network

NAME = "OpenVINO"
HOLD_GRAPHS = ("Loop", "TensorIterator", "If")  # types of layers of its own format


def of(path: str | Path, threads: int) -> Network:
    """The network of a file, on the processor.

    Args:
        path: of an ONNX file, or of the .xml of OpenVINO's own format, whose .bin lies beside it.
        threads: that one pass keeps busy.

    Raises:
        StageError: OpenVINO does not load it, or it holds what may run without end; of the network, OpenVINO
            does not run it, or not within runtimes.PASS_SECONDS.
    """
    with runtimes.told(NAME, "load", _last):
        faults = _faults(Path(path))  # first: loading runs what follows from constants
    if faults:
        raise StageError(
            "the network is none that is run here",
            faults,
            "Take the folder anew: no network of this software is such a one.",
        )
    settings = {
        # some processors would take bf16 by themselves, and label otherwise
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
    }
    with runtimes.told(NAME, "load", _last):
        core = quiet().Core()
        compiled = core.compile_model(core.read_model(str(path)), "CPU", settings)
    request = compiled.create_infer_request()

    def network(patch: np.ndarray) -> np.ndarray:
        with runtimes.told(NAME, "run", _last):
            request.start_async([np.ascontiguousarray(patch, np.float32)])
            if not request.wait_for(int(1000 * runtimes.PASS_SECONDS)):
                request.cancel()
                raise runtimes.too_long(runtimes.PASS_SECONDS)
            request.wait()  # raises what went wrong
            outputs = request.results
            return np.array(outputs[compiled.output(0)])  # a copy: the next pass writes to the same place

    return network


def quiet() -> ModuleType:
    """OpenVINO, which tells nobody that it runs.

    When it is imported, it gives its user a number, writes that below the home folder, and may send it with
    what is done; it does neither where the package that would is not found.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]
    import openvino

    return openvino


def _faults(path: Path) -> list[str]:
    """What of a file may run without end, as onnx_graph.faults."""
    if path.suffix != ".xml":
        return onnx_graph.faults(path.read_bytes())
    tree = ET.parse(path)  # noqa: S314 - Expat bounds by itself what entities grow to, since 2.4.1
    types = {layer.get("type", "") for layer in tree.iter("layer")}
    return [
        f"holds {name}, whose graph may run without end; expected none"
        for name in sorted(types & set(HOLD_GRAPHS))
    ]


def _last(lines: list[str]) -> str:
    """The line that says why: the others say where in its code."""
    return lines[-1]
