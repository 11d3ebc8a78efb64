"""Times of released networks on this machine: each in a process of its own, in turns, so that what else the
machine does meets all alike.

What is timed is a case from the image in memory to what is told of it, as `predict` does it; reading and
writing are the same for every network.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.imaging import new_images, parts
from radiotrace.imaging.new_images import NewCase
from radiotrace.inference import model_record, onnx_network, released_model, sliding
from radiotrace.pipeline.closure import ROOT
from radiotrace.pipeline.study import Study
from radiotrace.records.dataset import Dataset
from radiotrace.records.network_comparison import NetworkTiming

DATASET = "build/ingest/dataset.json"


@dataclass(frozen=True)
class Job:
    """What one process is to time.

    Attributes:
        folder: of the released model.
        images: files of each case, one for each channel; the first is for the first pass, which sets up what
            the others use.
        threads: of ONNX Runtime.
    """

    folder: str
    images: list[list[str]]
    threads: int


@dataclass(frozen=True)
class Times:
    """Of each case: seconds on the clock, and of all threads of the process together."""

    wall_s: list[float]
    processor_s: list[float]


def of_models(
    folders: Sequence[Path], run_ids: Sequence[str], images: list[list[str]], runs: int, threads: int
) -> list[NetworkTiming]:
    """Lines of the ledger, one for each folder of a released model.

    Args:
        images: as Job has them.
    """
    about, times = machine(), [[] for _ in folders]
    for _ in range(runs):
        for folder, of_folder in zip(folders, times, strict=True):
            of_folder.append(_in_a_process(Job(str(folder), images, threads)))
    return [
        _line(folder, run_id, of_folder, threads, about)
        for folder, run_id, of_folder in zip(folders, run_ids, times, strict=True)
    ]


def _line(folder: Path, run_id: str, times: Sequence[Times], threads: int, about: str) -> NetworkTiming:
    wall, processor = (
        np.array([getattr(of_run, name) for of_run in times]) for name in ("wall_s", "processor_s")
    )
    return NetworkTiming(
        run_id=run_id,
        model_sha256=records.sha256(folder / model_record.FILE),
        version=onnxruntime.__version__,
        threads=threads,
        cases=wall.shape[1],
        runs=wall.shape[0],
        median_ms=round(1000 * float(np.median(np.median(wall, axis=0))), 2),
        p95_ms=round(1000 * float(np.percentile(wall, 95)), 2),
        processor_ms=round(1000 * float(np.median(processor, axis=0).mean()), 2),
        machine=about,
    )


def images_of(study: Study, count: int) -> list[list[str]]:
    """Files of so many cases of a study, spread evenly, and of one before them; sorted by case.

    Raises:
        StageError: ingest has not run.
    """
    dataset = Dataset.of(records.read(study.folder / DATASET, "dataset"))
    files = {
        case.case_id: [str((study.path("data") / image.path).resolve()) for image in case.images]
        for case in dataset.cases
    }
    return [files[case_id] for case_id in parts.spread(list(files), count + 1)]


def machine() -> str:
    """The processor, in a line."""
    about = Path("/proc/cpuinfo").read_text("utf-8")
    model = re.search(r"^model name\s*:\s*(.+)$", about, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.+)$", about, re.MULTILINE)
    of_flags = flags[1].split() if flags else []
    features = [
        f"{'with' if flag in of_flags else 'without'} {name}"
        for flag, name in (("avx512f", "AVX-512"), ("avx512_bf16", "bf16"), ("avx512_vnni", "VNNI"))
    ]
    busy = os.getloadavg()[0]
    return (
        f"{model[1] if model else 'unknown processor'}, {len(os.sched_getaffinity(0))} cores, "
        f"{', '.join(features)}; {busy:.1f} processes ran in the minute before"
    )


def _in_a_process(job: Job) -> Times:
    command = [sys.executable, "-m", "radiotrace.commands.timed", json.dumps(asdict(job))]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    if done.returncode:
        raise StageError(f"{job.folder} could not be timed", done.stderr.splitlines()[-5:])
    return Times(**json.loads(done.stdout.splitlines()[-1]))


def measured(job: Job) -> Times:
    """In this process."""
    told, inputs = _teller(Path(job.folder), job)
    told(inputs[0])
    wall_s, processor_s = [], []
    for given in inputs[1:]:
        wall, processor = time.perf_counter(), time.process_time()
        told(given)
        wall_s.append(time.perf_counter() - wall)
        processor_s.append(time.process_time() - processor)
    return Times(wall_s, processor_s)


def _teller(folder: Path, job: Job) -> tuple[Callable[[Any], Any], list[Any]]:
    """What tells a case, and what it is given of each."""
    content = (folder / model_record.FILE).read_bytes()
    record = json.loads((folder / model_record.RECORD).read_text("utf-8"))
    if not records.faults(record, "released_model"):
        model = released_model.opened(folder)
        network, recipe = onnx_network.of(content, job.threads), model.recipe
        cases = [NewCase(Path(paths[0]).name, tuple(map(Path, paths))) for paths in job.images]
        images = [new_images.read(case, recipe.channels).image for case in cases]
        return (lambda image: sliding.label(image, network, recipe)), images
    from radiotrace.classification import onnx_session
    from radiotrace.learning import multiplications

    session = onnx_session.session(content, job.threads)
    shape = multiplications.input_shape(content, ())
    rng = np.random.default_rng(0)  # pictures are all of one size, so that any does
    return session, [rng.standard_normal(shape, np.float32) for _ in job.images]


if __name__ == "__main__":
    print(json.dumps(asdict(measured(Job(**json.loads(sys.argv[1]))))))
