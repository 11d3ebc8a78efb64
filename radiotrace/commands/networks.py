"""Networks of one study, compared: accuracy, what is found and what is called wrongly, size, operations,
time and energy. The command `compare` calls it where there are more than two runs, or a page is asked for.
"""

import base64
import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radiotrace import records
from radiotrace.commands import revisions, tables
from radiotrace.commands.compare import Evaluated
from radiotrace.drawing import charts
from radiotrace.drawing import networks as drawing
from radiotrace.errors import StageError, log
from radiotrace.learning import multiplications
from radiotrace.pipeline.study import PATHS
from radiotrace.records import ledgers
from radiotrace.records.comparison import Row
from radiotrace.records.network_comparison import (
    Accuracy,
    Cost,
    Network,
    NetworkComparison,
    NetworkTiming,
    Rate,
)
from radiotrace.statistics import comparison, reliability

TEMPLATE = Path(__file__).resolve().parent / "templates/networks.html"
MEAN = "mean_of_labels"
LEDGER = "network_timing"
HOW = {
    "accuracy": "As the evaluation of each run has it: mean over the test cases, 95 % interval over "
    "subjects.",
    "against": "Paired, case by case: this network minus the reference, 95 % interval over subjects; "
    "'non-inferior' where its bound lies within the margin.",
    "multiplications": "Multiply-accumulates of convolutions and matrix products in one pass of the shape "
    "that is stated, counted on the ONNX file. Norms, activations and interpolation are not counted.",
    "timing": "Of a case from the image in memory to what is told of it, in ONNX Runtime on the machine "
    "that is named; networks took turns. Of this very file alone.",
    "energy_j": "An estimate, not a measurement: seconds of processor time of a case by the watts of a core "
    "that were stated. Memory, idle cores and cooling are not in it.",
    "choice": "These figures are of the test part. Whoever takes the best of them has chosen on it: say so, "
    "or choose by 'search', which sees the validation part alone.",
}


@dataclass(frozen=True)
class Files:
    """What is read of a run beside its cases.

    Attributes:
        metrics: the record of metrics. train: that of the run. content: of the ONNX file. about: of its
            record.
    """

    metrics: dict[str, Any]
    train: dict[str, Any]
    content: bytes
    about: bytes


def compared(runs: Sequence[Evaluated], metric: str, heading: str, args) -> NetworkComparison:
    """The record of the comparison.

    Args:
        runs: the first is the reference.
        metric: of the table of measures, with its heading.
        args: of the command.

    Raises:
        StageError: files of runs are missing, or the runs cannot be compared.
    """
    files = _files(runs, args.metrics, metric)
    if args.time:
        _time(runs, files, args)
    timings = [NetworkTiming.of(line) for line in ledgers.read(args.timings, LEDGER)]
    aim = comparison.Aim(runs[0].better(metric))
    networks = []
    for place, (run, of_run) in enumerate(zip(runs, files, strict=True)):
        paired = None
        if place:
            paired = comparison.compare(runs[0].cases, run.cases, metric, args.margin, aim).rows
        timing = _timing(timings, of_run.content, args.threads)
        networks.append(
            Network(
                run=run.about,
                network=of_run.train["network"]["name"],
                dimensions=_dimensions(of_run),
                accuracy=_accuracy(of_run.metrics, metric),
                against=paired,
                reliability=reliability.of_labels(run.cases["cases"]),
                cost=_cost(of_run),
                timing=timing,
                energy_j=timing.processor_ms / 1000 * args.watts if timing and args.watts else None,
            )
        )
    kind = reliability.kind(runs[0].cases["cases"])
    return NetworkComparison(
        metric=metric,
        heading=heading,
        better=aim.better,
        margin=float(args.margin),
        watts=args.watts,
        networks=tuple(networks),
        how={**HOW, "reliability": reliability.HOW[kind]},
    )


def _files(runs: Sequence[Evaluated], metrics: str, metric: str) -> list[Files]:
    """Of each run; what is missing of all of them in one error."""
    paths = (f"{metrics}/metrics.json", PATHS["train"], PATHS["onnx"], PATHS["model"])
    files, faults = [], []
    alone = [run.about.name for run in runs if run.about.commit is None and run.about.name != "workspace"]
    if alone:
        raise StageError(
            "networks cannot be compared",
            [f"{name} is a file of cases, expected a run with its model" for name in alone],
            "Name revisions, experiments or 'workspace'.",
        )
    for run in runs:
        contents: list[bytes] = []
        for path in paths:
            try:
                contents.append(revisions.read(run.about.name, path)[0])
            except StageError as error:
                faults.append(error.headline)
        if len(contents) < len(paths):
            continue
        files.append(Files(json.loads(contents[0]), json.loads(contents[1]), *contents[2:]))
        if metric not in files[-1].metrics:
            faults.append(f"run {run.about.name} has no {metric} in {paths[0]}")
        if not files[-1].train.keys() >= {"network", "weights", "params"}:
            faults.append(f"run {run.about.name} was not trained here: its {paths[1]} says no network")
    if faults:
        raise StageError(
            "networks cannot be compared",
            list(dict.fromkeys(faults)),
            "Name runs in which every stage up to export has run, such as those of 'dvc exp run'.",
        )
    return files


def _dimensions(files: Files) -> Any:
    """3 for volumes that are seen whole, 2 for slices and pictures."""
    shape = _pass_shape(files)
    return 3 if len(shape) == 5 and shape[2] > 1 else 2


def _pass_shape(files: Files) -> tuple[int, ...]:
    """Of one case: a patch of training where the file takes any size."""
    patch_xyz = files.train["params"].get("patch_voxels", [])
    return multiplications.input_shape(files.content, patch_xyz[::-1])


def _cost(files: Files) -> Cost:
    shape = _pass_shape(files)
    return Cost(
        file_bytes=len(files.content),
        weights=files.train["weights"],
        multiplications=multiplications.of_pass(files.content, shape),
        pass_shape=shape,
    )


def _accuracy(metrics: dict[str, Any], metric: str) -> dict[str, Accuracy]:
    names = ("mean", "ci95_low", "ci95_high", "no_interval", "n_cases", "n_subjects")
    return {label: Accuracy(**{name: row[name] for name in names}) for label, row in metrics[metric].items()}


def _timing(timings: Sequence[NetworkTiming], content: bytes, threads: int) -> NetworkTiming | None:
    """The last one of a file."""
    digest = hashlib.sha256(content).hexdigest()
    found = [timing for timing in timings if timing.model_sha256 == digest and timing.threads == threads]
    return found[-1] if found else None


def _time(runs: Sequence[Evaluated], files: Sequence[Files], args) -> None:
    """Times the networks on this machine and adds what came of it to the ledger."""
    from radiotrace.commands import timed  # here, because it reads images

    images = timed.images_of(args.study, args.time)
    with tempfile.TemporaryDirectory() as place:
        folders = []
        for number, of_run in enumerate(files):
            folder = Path(place, str(number))
            records.write_bytes(folder / Path(PATHS["onnx"]).name, of_run.content)
            records.write_bytes(folder / Path(PATHS["model"]).name, of_run.about)
            folders.append(folder)
        log(f"compare: timing {len(folders)} networks on {len(images) - 1} cases, {args.repeats} times each")
        run_ids = [run.about.run_id for run in runs]
        found = timed.of_models(folders, run_ids, images, args.repeats, args.threads)
    ledgers.add(args.timings, [timing.record() for timing in found], LEDGER)


def text(record: NetworkComparison) -> str:
    """The comparison for a terminal."""
    rows: list[tuple[str, ...]] = [
        (
            "run",
            "network",
            record.metric,
            "95 % interval",
            "against the first",
            "verdict",
            "MB",
            "Gmul",
            "ms",
            "J",
        )
    ]
    for network in record.networks:
        mean, paired = network.accuracy[MEAN], (network.against or {}).get(MEAN)
        rows.append(
            (
                network.run.name,
                f"{network.network}, {network.dimensions}-D",
                tables.number(mean.mean),
                interval(mean.ci95_low, mean.ci95_high),
                "the reference" if paired is None else difference(paired),
                "" if paired is None else paired.verdict or "none",
                f"{network.cost.file_bytes / 1e6:.2f}",
                f"{network.cost.multiplications / 1e9:.3g}",
                f"{network.timing.median_ms:.1f}" if network.timing else "not timed",
                f"{network.energy_j:.2g}" if network.energy_j is not None else "",
            )
        )
    return tables.aligned(rows)


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """For people."""
    return "no interval" if low is None or high is None else f"{low:.{digits}f} to {high:.{digits}f}"


def difference(row: Row) -> str:
    """A paired difference for people."""
    if row.difference is None:
        return "undefined"
    bounds = "no interval"
    if row.difference_ci95_low is not None and row.difference_ci95_high is not None:
        bounds = f"{row.difference_ci95_low:+.4f} to {row.difference_ci95_high:+.4f}"
    return f"{row.difference:+.4f} ({bounds})"


def rate(of: Rate, digits: int = 3) -> str:
    """A share for people."""
    if of.value is None:
        return "undefined"
    return f"{of.value:.{digits}f} ({interval(of.ci95_low, of.ci95_high, digits)})"


def chart(record: NetworkComparison, layout: charts.Layout = charts.WIDE) -> bytes:
    """Accuracy against the time of a case; against operations where no network was timed."""
    is_timed = any(network.timing for network in record.networks)
    points = []
    for network in record.networks:
        timing, mean = network.timing, network.accuracy[MEAN]
        cost = network.cost.multiplications / 1e9
        if is_timed:
            cost = timing.median_ms if timing else None
        shown = None if network.against is None else network.against[MEAN].verdict == "non-inferior"
        name = f"{network.run.name} ({network.network}, {network.dimensions}-D)"
        points.append(drawing.Point(name, cost, mean.mean, mean.ci95_low, mean.ci95_high, shown))
    axis = "time of a case, ms" if is_timed else "10$^9$ multiply-accumulates of a pass"
    return drawing.accuracy_by_cost(points, record.heading, axis, layout)


def page(record: NetworkComparison) -> str:
    """One file, which needs no network."""
    import jinja2  # here, because other commands need it not

    drawn = {
        name: _embedded(chart(record, layout))
        for name, layout in (("wide", charts.WIDE), ("narrow", charts.NARROW))
    }
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(
        record=record,
        mean=MEAN,
        charts=drawn,
        interval=interval,
        difference=difference,
        rate=rate,
        labels=list(record.networks[0].reliability),
    )


def _embedded(content: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(content).decode()}"


def write(folder: Path, record: NetworkComparison) -> None:
    """index.html, networks.json and networks.svg."""
    records.write(folder / "networks.json", record.record(), "network_comparison")
    record = NetworkComparison.of(records.read(folder / "networks.json", "network_comparison"))
    records.write_bytes(folder / "networks.svg", chart(record))
    records.write_bytes(folder / "index.html", page(record).encode())
