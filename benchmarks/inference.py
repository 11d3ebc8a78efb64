"""What predicting costs with the released model, in time and memory, beside the bare runtime; and whether it
labels as the model that was evaluated.

    python -m benchmarks.inference [--out benchmarks/inference.csv]
    python -m benchmarks.inference --variants [--threads 2] [--timings design/timings.jsonl]
    python -m benchmarks.inference --large
    python -m benchmarks.inference --all-cases

Reads build/export/ and data/ (of 'make run' or 'make pull'); --all-cases also build/train/ and
build/evaluate/. The first command measures each runtime with one thread and with two, each in a process of
its own; runs take turns, so that what else the machine does meets all alike. It prints a row for each, and
what is not installed. --variants: the same of all forms that build/optimize/variants.json names and whose
files are in build/optimize/ or build/distil/; --timings adds what came of it to a ledger, which the report
shows, and is to be committed. --large:
benchmarks/inference_large.py; --all-cases: benchmarks/inference_cases.py.
"""

import argparse
import csv
import importlib.metadata
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks import inference_large
from benchmarks.inference_large import peak_mb
from radiotrace import records
from radiotrace.commands import predict
from radiotrace.commands.timed import machine
from radiotrace.imaging import channels, new_images, parts, volumes
from radiotrace.imaging.new_images import NewCase
from radiotrace.inference import model_record, released_model, released_variant, sliding
from radiotrace.inference.sliding import Network
from radiotrace.records import ledgers
from radiotrace.records.timing import RELEASED, Timing, files_sha256
from radiotrace.records.variants import Variant, Variants

MODEL, VARIANTS, IMAGES = Path("build/export"), Path("build/optimize"), Path("data/imagesTr")
STUDENTS = Path("build/distil")  # which has the files of those that were not released, too
RUNTIMES = {"ONNX Runtime": "onnxruntime", "OpenVINO": "openvino"}  # with the package of each
THREADS = (1, 2)
GOAL = 0.25  # of what reading, preparing, turning back and writing add to the bare runtime


@dataclass(frozen=True)
class Run:
    """What one process measured.

    Attributes:
        cold_s: since the process began, up to the file of the first label map.
        path_s: of each further case, from its file to the file of its label map.
        bare_s: of the runtime alone, on the very arrays that it was given for these cases.
        command_s: of all that the command predict does of a case, picture and record among it.
        peak_mb, reading_mb: of this process, and of that which decodes files for it.
    """

    cold_s: float
    path_s: list[float]
    bare_s: list[float]
    command_s: list[float]
    peak_mb: float
    reading_mb: float


@dataclass(frozen=True)
class Row:
    """A runtime, or a variant of the network, with so many threads: medians over runs of medians over
    cases, but for the percentile."""

    runtime: str
    version: str
    threads: int
    cases: int
    runs: int
    cold_start_s: float
    median_ms: float
    p95_ms: float
    cases_per_s: float
    bare_cases_per_s: float
    added: float
    command_median_ms: float
    peak_mb: float
    reading_mb: float

    @classmethod
    def of(cls, runtime: str, threads: int, runs: Sequence[Run]) -> "Row":
        """Throughput is of the median of each case over the runs."""
        path, bare, command = (
            np.median([getattr(run, name) for run in runs], axis=0)
            for name in ("path_s", "bare_s", "command_s")
        )
        every = np.concatenate([run.path_s for run in runs])
        return cls(
            runtime=runtime,
            version=importlib.metadata.version(RUNTIMES[located(runtime)[0]]),
            threads=threads,
            cases=len(path),
            runs=len(runs),
            cold_start_s=round(float(np.median([run.cold_s for run in runs])), 2),
            median_ms=round(1000 * float(np.median(path)), 1),
            p95_ms=round(1000 * float(np.percentile(every, 95)), 1),
            cases_per_s=round(len(path) / float(path.sum()), 2),
            bare_cases_per_s=round(len(bare) / float(bare.sum()), 2),
            added=round(float(path.sum() / bare.sum()) - 1, 3),
            command_median_ms=round(1000 * float(np.median(command)), 1),
            peak_mb=round(float(np.median([run.peak_mb for run in runs]))),
            reading_mb=round(float(np.median([run.reading_mb for run in runs]))),
        )

    def markdown(self) -> str:
        return (
            f"| {self.runtime} {self.version} | {self.threads} | {self.cold_start_s:.1f} | "
            f"{self.median_ms:.0f} | {self.p95_ms:.0f} | {self.cases_per_s:.1f} | "
            f"{self.bare_cases_per_s:.1f} | {100 * self.added:+.0f} % | {self.command_median_ms:.0f} | "
            f"{self.peak_mb:.0f} + {self.reading_mb:.0f} |"
        )


HEAD = (
    "| runtime | threads | cold start, s | a case, median, ms | 95th percentile, ms | cases a second | bare "
    "runtime, cases a second | added | all of predict, a case, ms | peak, MB, predicting + reading |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def located(name: str) -> tuple[str, Path]:
    """The runtime and the file of a row: a runtime runs the released file, a variant its own."""
    if name in RUNTIMES:
        return name, MODEL / model_record.FILE
    variant = variants()[name]
    file = place_of(variant)
    return variant.runtime, file.with_suffix(".xml") if file.suffix == ".bin" else file


def described() -> Variants:
    """What the stage optimize found of the forms."""
    return Variants.of(records.read(VARIANTS / released_variant.RECORD, "released_variants"))


def variants() -> dict[str, Variant]:
    """Those that have files of their own, which are here."""
    return {
        name: variant
        for name, variant in described().variants.items()
        if variant.is_own_file and place_of(variant).is_file()
    }


def place_of(variant: Variant) -> Path:
    """The first file of a variant: of one that was not released, where the stage distil left it."""
    file = variant.files[0].file
    return next(
        (folder / file for folder in (VARIANTS, STUDENTS) if (folder / file).is_file()), VARIANTS / file
    )


def timings(rows: Sequence[Row], about: str) -> list[dict]:
    """Lines of the ledger, of what was measured of the released file and of each form.

    Args:
        about: the machine.
    """
    record = described()
    forms = {"ONNX Runtime": RELEASED, "OpenVINO": "openvino"}
    lines = []
    for row in rows:
        form = forms.get(row.runtime, row.runtime)
        files = [record.reference] if row.runtime in RUNTIMES else record.variants[form].files
        lines.append(
            Timing(
                run_id=record.run_id,
                form=form,
                files_sha256=files_sha256(files),
                runtime=located(row.runtime)[0],
                version=row.version,
                threads=row.threads,
                cases=row.cases,
                runs=row.runs,
                median_ms=row.median_ms,
                p95_ms=row.p95_ms,
                cold_start_s=row.cold_start_s,
                peak_mb=row.peak_mb,
                machine=about,
            ).record()
        )
    return lines


def bare(runtime: str, path: Path, threads: int) -> Network:
    """The runtime alone, as its own documentation has it."""
    if runtime == "ONNX Runtime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda patch: np.asarray(session.run(None, {name: patch})[0])
    # else it gives its user a number, below the home folder, and may send it with what is done
    sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    request = compiled.create_infer_request()
    return lambda patch: request.infer([patch])[0]


def network(runtime: str, path: Path, threads: int) -> Network:
    """The network as the product has it; of OpenVINO the bare one where the product has none."""
    if runtime == "ONNX Runtime":
        from radiotrace.inference import onnx_network as product
    else:
        try:
            from radiotrace.inference import openvino_network as product
        except ImportError:
            alone = bare(runtime, path, threads)
            return lambda patch: np.array(alone(patch))  # the next pass writes to the same place
    return product.of(path, threads)


def measure(runtime: str, threads: int, paths: Sequence[Path], begun: float) -> Run:
    """In this process.

    Args:
        paths: of images; the first is for the cold start.
        begun: time.time() when this process was started.
    """
    model = released_model.opened(MODEL)
    runtime, file = located(runtime)
    its_network = network(runtime, file, threads)
    declared = (channels.named(None),)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)

        def to_file(path: Path, of: Network = its_network) -> None:
            image = new_images.read(NewCase(path.name, (path,)), declared).image
            volumes.write(sliding.label(image, of, model.recipe).label_map, out / path.name)

        to_file(paths[0])
        cold_s = time.time() - begun
        further = paths[1:]
        given = [_given(to_file, path, its_network) for path in further]
        peak = peak_mb()
        reading = sum(peak_mb(child.pid) for child in multiprocessing.active_children() if child.pid)
        alone = bare(runtime, file, threads)
        alone(given[0][0])  # the first pass sets up what the others use
        job = predict.Job(model, out / "predict", declared, "MRI", False, "benchmark")
        path_s, bare_s, command_s = [], [], []
        with mock.patch.object(released_model, "network", return_value=its_network):
            for path, patches in zip(further, given, strict=True):  # side by side, on a busy machine too
                case = NewCase(path.name.removesuffix(".nii.gz"), (path,))
                path_s.append(_seconds(to_file, path))
                bare_s.append(_seconds(lambda of: [alone(patch) for patch in of], patches))
                command_s.append(_seconds(predict.predicted, case, job))
    return Run(cold_s, path_s, bare_s, command_s, peak, reading)


def _seconds(function: Callable, *args) -> float:
    begin = time.perf_counter()
    function(*args)
    return time.perf_counter() - begin


def _given(to_file: Callable, path: Path, its_network: Network) -> list[np.ndarray]:
    """The arrays that the network is given for a case."""
    patches: list[np.ndarray] = []

    def kept(patch: np.ndarray) -> np.ndarray:
        patches.append(np.array(patch))
        return its_network(patch)

    to_file(path, kept)
    return patches


def in_a_process(runtime: str, threads: int, paths: Sequence[Path]) -> Run:
    """A run in a process of its own."""
    asked = json.dumps([runtime, threads, [str(path) for path in paths], time.time()])
    command = [sys.executable, "-m", "benchmarks.inference", "--measure", asked]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def installed() -> list[str]:
    """The runtimes that are there; says which are not."""
    there = []
    for runtime, package in RUNTIMES.items():
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            print(f"{runtime}: {package} is not installed, nothing is measured of it")
        else:
            there.append(runtime)
    return there


def chosen(count: int) -> list[Path]:
    """So many images of the example, spread evenly, and one before them for the cold start."""
    path_by_name = {path.name: path for path in sorted(IMAGES.glob("*.nii.gz"))}
    return [path_by_name[name] for name in parts.spread(list(path_by_name), count + 1)]


def read_csv(path: Path, kind: type) -> list:
    """Rows of a kind of dataclass, as write_csv wrote them."""
    of_text = {"int": int, "float": float, "str": str}
    parse = {field.name: of_text[getattr(field.type, "__name__", field.type)] for field in fields(kind)}
    with open(path, newline="", encoding="utf-8") as file:
        return [
            kind(**{name: parse[name](text) for name, text in row.items()}) for row in csv.DictReader(file)
        ]


def write_csv(rows: Sequence, path: Path) -> None:
    """Dataclasses of one kind, a row each."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(asdict(rows[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def compare(
    names: Sequence[str], n_cases: int, n_runs: int, out: Path, all_threads: Sequence[int] = THREADS
) -> tuple[list[Row], str]:
    """Measures, prints and writes the rows.

    Args:
        names: of runtimes or of variants.

    Returns:
        The rows, and what machine it was.
    """
    about = machine()
    print(about, flush=True)
    paths = chosen(n_cases)
    asked = [(name, threads) for name in names for threads in all_threads]
    runs: dict[tuple[str, int], list[Run]] = {one: [] for one in asked}
    for _ in range(n_runs):
        for runtime, threads in asked:
            runs[runtime, threads].append(in_a_process(runtime, threads, paths))
    rows = [Row.of(*one, of) for one, of in runs.items()]
    print(HEAD)
    for row in rows:
        print(row.markdown())
    for row in rows:
        if row.added > GOAL:
            print(
                f"over the goal: {row.runtime} with {row.threads} threads, {100 * row.added:.0f} % added to "
                f"the bare runtime, at most {100 * GOAL:.0f} % are the goal"
            )
    write_csv(rows, out)
    return rows, about


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.inference",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, help="file of the rows, by default beside this script")
    parser.add_argument("--cases", type=int, default=20, help="images in each run")
    parser.add_argument("--runs", type=int, default=5, help="of each runtime and number of threads")
    parser.add_argument("--variants", action="store_true", help="forms of build/optimize/, too")
    parser.add_argument(
        "--threads", type=int, nargs="+", default=THREADS, help="with --variants; default: 1 and 2"
    )
    parser.add_argument("--timings", type=Path, help="with --variants: ledger that the report shows")
    parser.add_argument("--large", action="store_true", help="memory and time of 512 x 512 x 300 voxels")
    parser.add_argument(
        "--real", action="store_true", help="with --large: the released network, too, some 25 minutes"
    )
    parser.add_argument("--all-cases", action="store_true", help="labels of all cases against torch's")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    beside = Path(__file__).parent
    if args.measure:
        runtime, threads, paths, begun = json.loads(args.measure)
        print(json.dumps(asdict(measure(runtime, threads, [Path(path) for path in paths], begun))))
    elif args.large:
        print(machine(), flush=True)
        rows = inference_large.table(MODEL, is_real=args.real)
        write_csv(rows, args.out or beside / "inference_large.csv")
    elif args.all_cases:
        from benchmarks import inference_cases  # which needs torch

        rows = inference_cases.table(MODEL, dict.fromkeys(installed(), network))
        write_csv(rows, args.out or beside / "inference_cases.csv")
    elif args.variants:
        names = [*installed(), *variants()]
        out = args.out or beside / "inference_variants.csv"
        rows, about = compare(names, args.cases, args.runs, out, args.threads)
        if args.timings:
            ledgers.add(args.timings, timings(rows, about), "timing")
    else:
        compare(installed(), args.cases, args.runs, args.out or beside / "inference.csv")


if __name__ == "__main__":
    main()
