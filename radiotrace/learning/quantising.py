"""Quantising: a network as smaller files, each made by a process of its own.

`made` is called by the stage optimize, and starts this file as a program. It must not know of anything else
of this repository: verify starts stages where no module of ours can be imported by name.

A process of its own, because names in OpenVINO's files count on from file to file of a process, so that a
second one would have other bytes; and because NNCF counts its users, which it cannot here (`silenced`).
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

MODEL, PATCHES = "model.onnx", "patches"
# Fewer values than this stay float32: a node that turns them back would take as much room.
SMALLEST_STORED = 64
PR_SET_PDEATHSIG = 1
LARGEST_HALF = 65504.0  # of float16


class NotMade(Exception):
    """A file could not be made; its text says why."""


def made(name: str, content: bytes, patches: Sequence[np.ndarray]) -> Mapping[str, bytes]:
    """The files of a variant, by name.

    Args:
        name: of MAKERS.
        content: of the ONNX file.
        patches: (1, c, z, y, x) float32, that ranges are measured on.

    Raises:
        NotMade: the program ended with an error, or left nothing.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / MODEL).write_bytes(content)
        (folder / PATCHES).mkdir()
        for number, patch in enumerate(patches):
            np.save(folder / PATCHES / f"{number:06d}.npy", patch)
        done = subprocess.run(
            [sys.executable, "-I", "-B", __file__, name, place, str(os.getpid())],
            cwd=place,
            # a home of its own: what libraries leave there goes with it
            env={**os.environ, "HOME": place, "NNCF_CI": "1"},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        files = {path.name: path.read_bytes() for path in sorted((folder / "out").glob("*"))}
    if done.returncode or not files:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise NotMade(said[-1] if said else f"ended with status {done.returncode} and without a word")
    return files


def silenced() -> None:
    """Keeps NNCF and OpenVINO from telling anybody that they run: the package that would is not found."""
    sys.modules["openvino_telemetry"] = None  # pyright: ignore[reportArgumentType]


def stored_as_half(content: bytes) -> bytes:
    """The ONNX file with its weights as float16, each turned back by a Cast, so that inputs, outputs and
    arithmetic stay float32.

    Raises:
        ValueError: a weight is too large for float16.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(content)
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < SMALLEST_STORED:
            continue
        if not np.abs(values).max() <= LARGEST_HALF:
            raise ValueError(f"{tensor.name}: found a weight beyond {LARGEST_HALF:g}, which float16 has not")
        name, stored = tensor.name, f"{tensor.name}_float16"
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], f"{name}_float32", to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]  # a node stands behind what it takes
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


class _Patches:
    """Patches as ONNX Runtime asks for them, one after the other."""

    def __init__(self, name: str, patches: Sequence[np.ndarray]):
        self._left = ({name: patch} for patch in patches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._left, None)


def _onnx_fp16(folder: Path, out: Path) -> None:
    (out / MODEL).write_bytes(stored_as_half((folder / MODEL).read_bytes()))


def _onnx_int8(folder: Path, out: Path) -> None:
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared, quantised = folder / "prepared.onnx", folder / "quantised.onnx"
    # Symbolic shapes cannot be followed through this network; they are not needed either.
    quant_pre_process(str(folder / MODEL), str(prepared), skip_symbolic_shape=True)
    name = onnx.load(str(folder / MODEL)).graph.input[0].name
    quantization.quantize_static(
        str(prepared),
        str(quantised),
        _Patches(name, _patches(folder)),  # pyright: ignore[reportArgumentType]
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QInt8,
        weight_type=quantization.QuantType.QInt8,
        # its other methods take images of one shape alone
        calibrate_method=quantization.CalibrationMethod.MinMax,
    )
    model = onnx.load(str(quantised))
    onnx.checker.check_model(model, full_check=True)
    (out / MODEL).write_bytes(model.SerializeToString(deterministic=True))


def _openvino_fp16(folder: Path, out: Path) -> None:
    import openvino

    model = openvino.Core().read_model(folder / MODEL)
    openvino.save_model(model, out / "model.xml", compress_to_fp16=True)


def _openvino_int8(folder: Path, out: Path) -> None:
    import nncf
    import openvino

    patches = _patches(folder)
    quantised = nncf.quantize(
        openvino.Core().read_model(folder / MODEL),
        nncf.Dataset(patches),
        # asymmetric activations: a leaky ReLU gives negative values, and far fewer of them
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(patches),
    )
    openvino.save_model(quantised, out / "model.xml", compress_to_fp16=False)


# Name of a variant -> what makes its files out of a folder of MODEL and PATCHES.
MAKERS = {
    "onnx_fp16": _onnx_fp16,
    "onnx_int8": _onnx_int8,
    "openvino_fp16": _openvino_fp16,
    "openvino_int8": _openvino_int8,
}


def _patches(folder: Path) -> list[np.ndarray]:
    return [np.load(path) for path in sorted((folder / PATCHES).glob("*.npy"))]


def on_one_core() -> None:
    """Keeps this process on one core: on several, sums over voxels are taken in another order, by which NNCF
    writes other bytes, and it does not let itself be told how many threads to use."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def end_with(parent: int) -> None:
    """Lets this process end as soon as the thread that started it does, also where that is killed: nobody
    would wait for the files, and nobody end this.

    Args:
        parent: the process that started it, which may be gone already.

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def main(name: str, place: str, parent: str) -> int:
    """Makes the files of a variant, in the folder "out" of a place, for as long as the parent lives."""
    end_with(int(parent))
    on_one_core()
    silenced()
    folder = Path(place)
    out = folder / "made"
    out.mkdir()
    MAKERS[name](folder, out)
    shutil.move(out, folder / "out")  # whole or not at all
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
