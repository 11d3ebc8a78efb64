"""Memory and time of a large volume, from its file to the file of its label map, as `predict` does it.

Called by benchmarks.inference --large. Each measurement is a process of its own; the volume is made by code.
"""

import dataclasses
import json
import multiprocessing
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import SimpleITK as sitk

from radiotrace.__main__ import main as radiotrace
from radiotrace.inference import released_model
from radiotrace.inference.sliding import Network

SIZE_XYZ = (512, 512, 300)
COARSER_MM = 1.5  # of the grid that the network sees; the volume has 1 mm
GOAL_MB = 4000


@dataclasses.dataclass(frozen=True)
class Large:
    """A measurement.

    Attributes:
        grid: that the network sees.
        predicting_mb: peak of the process that predicts, in 10^6 bytes.
        reading_mb: peak of that which decodes the file, and which stays beside it.
    """

    grid: str
    network: str
    seconds: float
    predicting_mb: float
    reading_mb: float

    def markdown(self) -> str:
        """In Markdown."""
        together = self.predicting_mb + self.reading_mb
        return (
            f"| {self.grid} | {self.network} | {self.seconds:.0f} | {self.predicting_mb:.0f} | "
            f"{self.reading_mb:.0f} | {together:.0f} |"
        )


HEAD = (
    "| voxels that the network sees | network | wall, s | predicting, MB | reading, MB | together, MB |\n"
    "|---|---|---|---|---|---|"
)


def write_volume(path: Path) -> None:
    """A volume of int16 with structures of 16 voxels and noise, the same every time."""
    rng = np.random.default_rng(0)
    x, y, z = SIZE_XYZ
    coarse = rng.normal(0, 300, (-(-z // 16), y // 16, x // 16)).astype(np.int16)
    values_zyx = np.kron(coarse, np.ones((16, 16, 16), np.int16))[:z]
    values_zyx += rng.integers(-50, 50, values_zyx.shape, np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(values_zyx), str(path), useCompression=True, compressionLevel=1)


def write_model(released: Path, folder: Path, spacing_mm: float | None) -> None:
    """The released model; where a spacing is given, with a record that asks for it."""
    shutil.copytree(released, folder)
    record = json.loads((folder / "model.json").read_text("utf-8"))
    if spacing_mm is not None:
        record["preprocessing"]["spacing_mm"] = [spacing_mm] * 3
    (folder / "model.json").write_text(json.dumps(record), "utf-8")


def stand_in(n_labels: int) -> Network:
    """A network that takes no time: its labels are those of bright and dark voxels."""

    def network(patch: np.ndarray) -> np.ndarray:
        factors = np.linspace(-1, 1, n_labels, dtype=np.float32).reshape(1, -1, 1, 1, 1)
        return patch[:, :1] * factors

    return network


def peak_mb(pid: int | str = "self") -> float:
    """The most resident memory that a process had, in 10^6 bytes: of itself, without what its parent took."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else float("nan")


def measured(model: Path, image: Path, out: Path, spacing_mm: float | None, is_real: bool) -> Large:
    """A prediction in this process."""
    n_labels = len(released_model.opened(model).record.labels)
    words = ["predict", str(model), str(image), "--out", str(out), "--modality", "MRI", "--force"]
    begin = time.perf_counter()
    if is_real:
        status = radiotrace(words)
    else:
        with mock.patch.object(released_model, "network", return_value=stand_in(n_labels)):
            status = radiotrace(words)
    seconds = time.perf_counter() - begin
    if status != 0:
        raise SystemExit(f"predict ended with {status}")
    reading = sum(peak_mb(child.pid) for child in multiprocessing.active_children() if child.pid)
    kind = "released" if is_real else "a stand-in, which takes no time"
    grid = "its own" if spacing_mm is None else f"{spacing_mm:g} mm"
    return Large(grid, kind, round(seconds, 1), round(peak_mb()), round(reading))


def run(released: Path, work: Path, spacing_mm: float | None, is_real: bool) -> Large:
    """A prediction in a process of its own."""
    image, model, out = work / "large.nii.gz", work / f"model_{spacing_mm}", work / "out"
    if not image.exists():
        write_volume(image)
    if not model.exists():
        write_model(released, model, spacing_mm)
    shutil.rmtree(out, ignore_errors=True)
    asked = json.dumps([str(model), str(image), str(out), spacing_mm, is_real])
    child = [sys.executable, "-m", "benchmarks.inference_large", asked]
    done = subprocess.run(child, check=True, capture_output=True, text=True)
    return Large(**json.loads(done.stdout.splitlines()[-1]))


def table(released: Path, is_real: bool) -> list[Large]:
    """Measures and prints.

    Args:
        is_real: with the released network, too, which takes its time.
    """
    rows = []
    print(HEAD)
    with tempfile.TemporaryDirectory() as folder:
        for real in (False, True)[: 1 + is_real]:
            for spacing_mm in (None, COARSER_MM):
                rows.append(run(released, Path(folder), spacing_mm, real))
                print(rows[-1].markdown(), flush=True)
    largest = max(row.predicting_mb + row.reading_mb for row in rows)
    print(f"\n{largest:.0f} MB at most, {'over' if largest > GOAL_MB else 'within'} {GOAL_MB} MB, the goal")
    return rows


if __name__ == "__main__":  # the process that is measured
    model_folder, image_file, out_folder, spacing, real = json.loads(sys.argv[1])
    made = measured(Path(model_folder), Path(image_file), Path(out_folder), spacing, real)
    print(json.dumps(dataclasses.asdict(made)))
