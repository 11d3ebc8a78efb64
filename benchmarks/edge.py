"""Which formats for small devices take the released network, each tried by its own runtime.

    python -m benchmarks.edge [--python ExecuTorch=PATH] [--python LiteRT=PATH]

Reads build/export/model.onnx and build/train/ (of 'make run' or 'make pull'). For each format the network is
converted, and the file is loaded and run by the format's own runtime in a process of its own; what it says is
held against ONNX Runtime, and what it refuses is printed with its message. ORT is tried with this Python.
ExecuTorch and LiteRT need packages that do not fit the pins: each takes an environment of its own, whose
Python --python names (benchmarks/README.md); without one the format is said not to be tried. Nothing of this
enters the released folder: only what its own runtime has run may, and a file of ORT is other bytes each time.
"""

import argparse
import hashlib
import importlib.metadata
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

MODEL, TRAIN = Path("build/export/model.onnx"), Path("build/train")
PACKAGES = {"ORT": "onnxruntime", "ExecuTorch": "executorch", "LiteRT": "litert-torch"}
SHAPE = (1, 1, 40, 56, 40)  # a patch of training; formats with fixed shapes take no other
LETTERS = 400  # of a message
SECONDS = 900


@dataclass(frozen=True)
class Attempt:
    """What became of a format.

    Attributes:
        version: of its package.
        step: the last that was begun: convert, load or run. message: of what refused it; None where all of
            them went through.
        megabytes: of its file; None where there is none.
        difference: the largest of a logit, from ONNX Runtime; None where it did not run.
        same_bytes: whether a second conversion gave the same file.
    """

    version: str
    step: str
    message: str | None
    megabytes: float | None = None
    difference: float | None = None
    same_bytes: bool | None = None


class Refused(Exception):
    """A step of a format went wrong; its text says what was said."""


def patch() -> np.ndarray:
    """What all runtimes are given, SHAPE float32."""
    return np.random.default_rng(0).normal(0, 1, SHAPE).astype(np.float32)


def ort(path: Path) -> None:
    """Writes the released network in the format of ONNX Runtime."""
    from onnxruntime.tools import convert_onnx_models_to_ort as tools

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "model.onnx"
        place.write_bytes(MODEL.read_bytes())
        tools.convert_onnx_models_to_ort(place, optimization_styles=[tools.OptimizationStyle.Fixed])
        path.write_bytes(place.with_suffix(".ort").read_bytes())


def run_ort(path: Path) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: patch()})[0])


def network():
    """The released network in torch, without offsets, in evaluation mode, traced for one shape."""
    import safetensors.torch
    import torch

    from radiotrace import records
    from radiotrace.learning import architecture, onnx_model, state
    from radiotrace.records.train import TrainingRun

    run = TrainingRun.of(records.read(TRAIN / "train.json", "train"))
    built = architecture.build(run.network, seed=0)
    state.load(built, safetensors.torch.load_file(TRAIN / "weights.safetensors"))
    given = onnx_model.with_offsets(built, run.preprocessing.logit_offsets)
    return given, (torch.zeros(SHAPE),)


def executorch(path: Path) -> None:
    """Writes the network for ExecuTorch, as much of it as XNNPACK takes lowered to it."""
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import (  # pyright: ignore[reportMissingImports]
        XnnpackPartitioner,
    )
    from executorch.exir import to_edge_transform_and_lower  # pyright: ignore[reportMissingImports]

    given, example = network()
    with torch.no_grad():
        program = torch.export.export(given, example)
        lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
        path.write_bytes(lowered.to_executorch().buffer)


def run_executorch(path: Path) -> np.ndarray:
    import torch
    from executorch.runtime import Runtime  # pyright: ignore[reportMissingImports]

    method = Runtime.get().load_program(path).load_method("forward")
    return method.execute([torch.from_numpy(patch())])[0].numpy()


def litert(path: Path) -> None:
    """Writes the network for LiteRT."""
    import litert_torch  # pyright: ignore[reportMissingImports]

    given, example = network()
    litert_torch.convert(given, example).export(str(path))


def run_litert(path: Path) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter  # pyright: ignore[reportMissingImports]

    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], patch())
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


# Format -> ending of its file, what writes it, and what runs it.
FORMATS: dict[str, tuple[str, Callable[[Path], None], Callable[[Path], np.ndarray]]] = {
    "ORT": ("ort", ort, run_ort),
    "ExecuTorch": ("pte", executorch, run_executorch),
    "LiteRT": ("tflite", litert, run_litert),
}


def step(name: str, what: str, path: Path) -> None:
    """One step of a format, in this process; a run leaves its logits beside the file."""
    _, convert, run = FORMATS[name]
    if what == "convert":
        convert(path)
    else:
        np.save(path.with_suffix(".npy"), run(path))


def in_a_process(python: str, name: str, what: str, path: Path) -> None:
    """A step in a process of its own: a runtime may end the one that it runs in.

    Raises:
        Refused: it ended with an error, or wrote nothing.
    """
    command = [python, "-m", "benchmarks.edge", "--step", json.dumps([name, what, str(path)])]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"no end after {SECONDS} s") from None
    wanted = path if what == "convert" else path.with_suffix(".npy")
    if done.returncode or not wanted.is_file():
        raise Refused(message(done.stderr) or f"ended with status {done.returncode} and without a word")


def message(stderr: str) -> str:
    """What a program said of what went wrong: the first line that names a cause, and the last."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    causes = [line for line in lines if "Expect" in line or "find op" in line]
    chosen = [*causes[:1], *lines[-1:]]
    return " … ".join(dict.fromkeys(chosen))[:LETTERS]


def attempted(name: str, python: str, version: str, reference: np.ndarray) -> Attempt:
    """A format, as far as it goes.

    Args:
        python: of the environment that has its packages.
        reference: logits of ONNX Runtime.
    """
    with tempfile.TemporaryDirectory() as folder:
        path, again = (Path(folder) / f"{place}.{FORMATS[name][0]}" for place in ("one", "two"))
        begun, found = "convert", Attempt(version, "convert", None)
        try:
            in_a_process(python, name, "convert", path)
            in_a_process(python, name, "convert", again)
            digests = [hashlib.sha256(file.read_bytes()).digest() for file in (path, again)]
            size, begun = path.stat().st_size / 1e6, "run"
            found = Attempt(version, begun, None, size, same_bytes=digests[0] == digests[1])
            in_a_process(python, name, "run", path)
        except Refused as refused:
            return Attempt(**asdict(found) | {"step": begun, "message": str(refused)})
        logits = np.load(path.with_suffix(".npy"))
        if logits.shape != reference.shape:
            return Attempt(**asdict(found) | {"message": f"found shape {logits.shape}"})
        return Attempt(**asdict(found) | {"difference": float(np.abs(logits - reference).max())})


def version_of(name: str, python: str) -> str | None:
    """Of the package of a format in an environment; None where it is not installed there."""
    if python == sys.executable:
        try:
            return importlib.metadata.version(PACKAGES[name])
        except importlib.metadata.PackageNotFoundError:
            return None
    code = f"import importlib.metadata as m; print(m.version({PACKAGES[name]!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def row(name: str, found: Attempt) -> str:
    """Of the table, in Markdown."""
    size = "" if found.megabytes is None else f"{found.megabytes:.2f}"
    same = {None: "", True: "yes", False: "no"}[found.same_bytes]
    if found.message is None:
        outcome = f"predicts; logits within {found.difference:.1e} of ONNX Runtime's"
    else:
        outcome = f"refused in step {found.step}: `{found.message}`"
    return f"| {name} | {PACKAGES[name]} {found.version} | {size} | {same} | {outcome} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.edge", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--python", action="append", default=[], metavar="FORMAT=PATH", help="Python that has its packages"
    )
    parser.add_argument("--step", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        name, what, path = json.loads(args.step)
        step(name, what, Path(path))
        return
    given: dict[str, Any] = dict(text.partition("=")[::2] for text in args.python)
    if unknown := sorted(given.keys() - FORMATS.keys()):
        parser.error(f"--python: found {', '.join(unknown)}, expected one of {', '.join(FORMATS)}")
    reference = run_ort(MODEL)
    print("| format | package | MB | same bytes twice | outcome |\n|---|---|---|---|---|")
    for name in FORMATS:
        python = given.get(name, sys.executable)
        version = version_of(name, python)
        if version is None:
            print(f"| {name} | {PACKAGES[name]} | | | not tried: not installed; --python {name}=PATH |")
            continue
        print(row(name, attempted(name, python, version, reference)), flush=True)


if __name__ == "__main__":
    main()
