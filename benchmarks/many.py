"""Time and memory of ingest and validate over many cases, beside bare reads of the same files, and what it
takes to add ten.

    python -m benchmarks.many --cases 1000 10000

Needs data/ ('dvc pull data.dvc'). Writes studies/many, which must not be there yet and may be taken away
then: some 1.3 GB for 10,000 cases, the 260 of data/ again and again, each image with another value in one
voxel. Bare reads are SimpleITK's, by as many processes as the stages take.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[1]
STAGES = {
    "ingest": ["--data", "data", "--manifest", "data.sha256", "--out", "build/ingest"],
    "validate": [
        *("--dataset", "build/ingest/dataset.json", "--volumes", "build/ingest/volumes"),
        *("--failed", "execution/findings.html"),
        *("--out", "build/validate"),
    ],
}
PINS = ["--requirements", "requirements/core.txt", "requirements/drawing.txt"]


def write_case(source: Path, folder: Path, number: int) -> dict[str, str]:
    """A copy of a case under another id; its entry of dataset.json."""
    name = f"case_{number:06d}.nii.gz"
    image = sitk.ReadImage(str(source))
    place = tuple(number // 20**axis % 20 for axis in range(3))
    image[place] = image[place] + 1 + number % 50
    sitk.WriteImage(image, str(folder / "imagesTr" / name))
    shutil.copyfile(source.parents[1] / "labelsTr" / source.name, folder / "labelsTr" / name)
    return {"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"}


def write_set(folder: Path, numbers: range) -> None:
    """Cases of these numbers, beside those that are there."""
    sources = sorted((ROOT / "data/imagesTr").glob("*.nii.gz"))
    data = folder / "data"
    for kind in ("imagesTr", "labelsTr"):
        (data / kind).mkdir(parents=True, exist_ok=True)
    declared = data / "dataset.json"
    dataset = json.loads((declared if declared.exists() else ROOT / "data/dataset.json").read_text("utf-8"))
    entries = dataset["training"] if declared.exists() else []
    entries += [write_case(sources[number % len(sources)], data, number) for number in numbers]
    dataset |= {"training": entries, "numTraining": len(entries)}
    declared.write_text(json.dumps(dataset), "utf-8")
    rows = [Path(entry["image"]).name.removesuffix(".nii.gz") for entry in entries]
    (data / "cases.csv").write_text(
        "case_id,subject_id\n" + "".join(f"{row},subject_{row[5:]}\n" for row in rows), "utf-8"
    )


def read(path: str) -> int:
    """The bare read of one file."""
    return sitk.ReadImage(path).GetNumberOfPixels()


def bare_reads(folder: Path, workers: int) -> float:
    """Seconds to read every volume."""
    paths = [str(path) for path in sorted((folder / "data").rglob("*.nii.gz"))]
    begin = time.monotonic()
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(read, paths, chunksize=20))
    return time.monotonic() - begin


def run(folder: Path, name: str, *options: str) -> tuple[float, float]:
    """Seconds of a stage, and the largest peak memory of its processes in MB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    begin = time.monotonic()
    command = [sys.executable, "-m", f"stages.{name}", "--study", str(folder), "--params", "params.yaml"]
    with open(folder / f"{name}.log", "w") as log:
        subprocess.run([*command, *STAGES[name], *PINS, *options], cwd=ROOT, check=True, stderr=log)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return time.monotonic() - begin, max(before, peak) * 1024 / 1e6


def manifest(folder: Path) -> float:
    """Seconds to hash every file, as 'make manifest' does beside 'dvc add'."""
    from radiotrace.imaging import identity

    begin, here = time.monotonic(), Path.cwd()
    os.chdir(folder)
    Path("data.sha256").write_text(identity.manifest("data"), "utf-8")
    os.chdir(here)
    return time.monotonic() - begin


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.many", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, nargs="+", default=[10000])
    parser.add_argument("--more", type=int, default=10, help="cases that are added then")
    args = parser.parse_args()
    folder = Path("studies/many")
    folder.mkdir(parents=True)
    workers, present = len(os.sched_getaffinity(0)), 0
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    shutil.copyfile(ROOT / "dvc.yaml", folder / "dvc.yaml")
    print("| cases | what | s | cases a second | peak of a process, MB |\n|---|---|---|---|---|", flush=True)

    def row(what: str, seconds: float, peak: float | None = None) -> None:
        shown = "" if peak is None else f"{peak:.0f}"
        print(f"| {present} | {what} | {seconds:.1f} | {present / seconds:.0f} | {shown} |", flush=True)

    for cases in sorted(args.cases):
        write_set(folder, range(present, cases))
        present = cases
        row("hashes of the manifest", manifest(folder))
        shutil.rmtree(folder / ".memo", ignore_errors=True)
        row(f"bare reads, {workers} processes", bare_reads(folder, workers))
        for name in STAGES:
            row(name, *run(folder, name))
        row(f"bare reads, {workers} processes, again", bare_reads(folder, workers))
    write_set(folder, range(present, present + args.more))
    present += args.more
    row(f"hashes of the manifest, {args.more} cases more", manifest(folder))
    for name in STAGES:
        row(f"{name}, {args.more} cases more", *run(folder, name))


if __name__ == "__main__":
    main()
