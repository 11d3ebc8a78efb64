"""OpenVINO as the network of sliding.py, the twin of onnx_network.py. Needs neither torch nor NNCF."""

import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np

from radiotrace.errors import StageError
from radiotrace.inference.sliding import Network


def of(path: str | Path, threads: int) -> Network:
    """The network of a file, on the processor.

    Args:
        path: of an ONNX file, or of the .xml of OpenVINO's own format, whose .bin lies beside it.
        threads: that one pass keeps busy.

    Raises:
        StageError: OpenVINO does not load it; of the network, does not run it.
    """
    settings = {
        # some processors would take bf16 by themselves, and label otherwise
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
    }
    with _told("load"):
        core = quiet().Core()
        compiled = core.compile_model(core.read_model(str(path)), "CPU", settings)
    request = compiled.create_infer_request()

    def network(patch: np.ndarray) -> np.ndarray:
        with _told("run"):
            outputs = request.infer([np.ascontiguousarray(patch, np.float32)])
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


@contextmanager
def _told(what: str):
    """Turns what OpenVINO raises into a StageError."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - its exceptions have no common class
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise StageError(f"OpenVINO does not {what} the network", lines[-1:]) from None
