"""compare: two runs on the same test cases, or the networks of several."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radiotrace import records
from radiotrace.commands import revisions, tables
from radiotrace.errors import StageError
from radiotrace.records import measure_table
from radiotrace.records.comparison import Comparison, Run
from radiotrace.records.measure_table import Better, Described
from radiotrace.records.typed import picked

BEFORE_TABLES = "dice"  # the measure of runs that list none: those of segmentation, before there were lists
UNSAID = "neither run has a metrics.json whose table of measures says whether more of it is better"


@dataclass(frozen=True)
class Evaluated:
    """A run that is compared.

    Attributes:
        cases: its record of cases.
        measures: its table of measures; {} where it has none.
    """

    cases: dict[str, Any]
    about: Run
    measures: dict[str, Described]

    def better(self, metric: str) -> Better:
        """Whether more of a metric is."""
        return self.measures[metric].better if metric in self.measures else None


def compare(args) -> None:
    """Compares two runs case by case: run B minus run A, with intervals, and whether B is worse by less
    than a margin. Of further runs, or with --page, the networks are compared: accuracy, sensitivity and
    specificity, size, operations, time and energy."""
    from radiotrace.statistics import comparison  # here, because the other commands need no scipy

    if faults := _refused(args):
        raise StageError("\n".join(faults), way_out="Correct it, and run it again.")
    evaluated = _evaluated(args)
    measures = [run.measures for run in evaluated]
    metric = args.metric or _ranked_by(measures)
    described = _described(metric, measures)
    if args.further or args.page or args.time:
        _networks(evaluated, metric, described, args)
        return
    a, b = evaluated
    aim = comparison.Aim(described.better) if described else comparison.Aim(None)
    if not any(measures):
        aim = comparison.Aim(None, UNSAID)
    compared = comparison.compare(a.cases, b.cases, metric, args.margin, aim)
    record = picked(Comparison, compared, run_a=a.about, run_b=b.about)
    print(text(record, described.heading if described else ""))
    if args.out:
        records.write(args.out, record.record(), "comparison")


def _refused(args) -> list[str]:
    """What of the command line does not do."""
    faults = []
    if not 0 <= args.margin < float("inf"):
        faults.append(f"--margin: found {args.margin:g}, expected 0 or more")
    if args.watts is not None and not 0 < args.watts < float("inf"):
        faults.append(f"--watts: found {args.watts:g}, expected more than 0")
    faults += [
        f"--{name}: found {found}, expected {least} or more"
        for name, least in (("time", 0), ("repeats", 1), ("threads", 1))
        if (found := getattr(args, name)) < least
    ]
    return faults


def _networks(evaluated: list[Evaluated], metric: str, described: Described | None, args) -> None:
    """What compares more than cases."""
    from radiotrace.commands import networks  # here, because it needs ONNX and what draws

    if described is None:
        raise StageError(
            f"no run says what {metric} is", way_out="Name a measure of their metrics.json with --metric."
        )
    record = networks.compared(evaluated, metric, described.heading, args)
    print(networks.text(record))
    if args.out:
        records.write(args.out, record.record(), "network_comparison")
    if args.page:
        networks.write(Path(args.page), record)
        print(f"{args.page}/index.html has all of it")


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "run_a", metavar="RUN_A", help="git revision, name of an experiment, 'workspace', or a cases.json"
    )
    parser.add_argument("run_b", metavar="RUN_B", help="likewise; B is held against A")
    parser.add_argument(
        "further", metavar="RUN", nargs="*", help="further runs, whose networks are held against A, too"
    )
    parser.add_argument(
        "--metric",
        help="a number that cases.json has for each label; default: the first measure that the runs list",
    )
    parser.add_argument(
        "--margin",
        type=float,
        default=0.01,
        help="by how much B may be worse, in the metric's unit; default: 0.01",
    )
    parser.add_argument(
        "--metrics",
        default="metrics",
        help="folder of cases.json and metrics.json in both runs; default: metrics",
    )
    parser.add_argument("--out", help="file to write the record of the comparison to")
    parser.add_argument(
        "--page", metavar="FOLDER", help="of networks: folder for a page, a chart and the record"
    )
    parser.add_argument(
        "--time",
        type=int,
        default=0,
        metavar="N",
        help="of networks: first time each on N cases on this machine, and add that to the ledger; default: "
        "0",
    )
    parser.add_argument("--repeats", type=int, default=3, help="with --time: processes of each; default: 3")
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        help="of ONNX Runtime, of times that are measured or shown; default: 1",
    )
    parser.add_argument(
        "--timings",
        default="design/network_timings.jsonl",
        help="ledger of times, to be committed; default: design/network_timings.jsonl",
    )
    parser.add_argument(
        "--watts",
        type=float,
        help="of a core that computes, for an estimate of energy; without it there is none",
    )


def _evaluated(args) -> list[Evaluated]:
    """Each run, in their order; the faults of all in one error."""
    names = [args.run_a, args.run_b, *args.further]
    runs, errors = [], []
    for run in names:
        try:
            content, commit = revisions.read(run, f"{args.metrics}/cases.json")
            cases = _parsed(content, run)
            name = Path(run).name if commit is None else run  # no absolute path in a record
            digest = hashlib.sha256(content).hexdigest()
            about = Run(name, commit, digest, cases["run_id"], cases["part"])
            runs.append(Evaluated(cases, about, _table(run, args.metrics)))
        except StageError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        lines = [line for error in errors for line in (error.headline, *error.findings)]
        which = (
            "neither run can be read"
            if len(names) == 2
            else f"{len(errors)} of {len(names)} runs cannot be read"
        )
        raise StageError(which, list(dict.fromkeys(lines)), errors[0].way_out)
    return runs


def _table(run: str, folder: str) -> dict[str, Described]:
    """The table of measures in a run's metrics.json, which for a file lies beside it; {} where there is none,
    as in runs before there was one."""
    neighbour = Path(run).with_name("metrics.json")
    is_file = run.endswith(".json") and Path(run).is_file()
    if is_file and not neighbour.is_file():
        return {}
    try:
        content, _ = revisions.read(str(neighbour) if is_file else run, f"{folder}/metrics.json")
        return measure_table.read(json.loads(content))
    except (StageError, ValueError, LookupError, TypeError):
        return {}


def _ranked_by(tables: list[dict[str, Described]]) -> str:
    """The measure that stands first in the later table that there is: a task ranks cases by it."""
    tables = [table for table in tables if table]
    return next(iter(tables[-1])) if tables else BEFORE_TABLES


def _described(metric: str, tables: list[dict[str, Described]]) -> Described | None:
    """What the runs say of a metric; None where none of them has it among its measures.

    Raises:
        StageError: one says that more is better, the other that it is not.
    """
    rows = [table[metric] for table in tables if metric in table]
    if len({row.better for row in rows}) > 1:
        stated = [f"run {name}: {row.better}" for name, row in zip("AB", rows, strict=True)]
        raise StageError(f"the runs do not agree on whether more of {metric} is better", stated)
    return rows[-1] if rows else None


def _parsed(content: bytes, run: str) -> dict:
    """The record 'cases', in which later versions may have more: only what is needed is looked at."""
    try:
        cases = json.loads(content)
        is_whole = (
            isinstance(cases["run_id"], str)
            and isinstance(cases["part"], str)
            and cases["cases"]
            and all(map(_is_whole, cases["cases"]))
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        is_whole = False
    if not is_whole:
        raise StageError(
            f"run {run}: its cases.json is no record of cases",
            ["expected run_id, part, and cases with case_id, subject_id, labels"],
            "Name a run in which evaluate has run.",
        )
    for case in cases["cases"]:
        for row in case["labels"].values():
            # Of a class the reference is whether a case has it, where a label map has a volume.
            if "positive" in row:
                row.setdefault("reference_mm3", float(row["positive"]))
    return cases


def _is_whole(case: dict) -> bool:
    names = (case["case_id"], case["subject_id"])
    rows = list(case["labels"].values())
    return all(isinstance(name, str) for name in names) and bool(rows) and all(row.items() for row in rows)


def text(comparison: Comparison, heading: str = "") -> str:
    """A comparison for people.

    Args:
        heading: title and unit of its metric; "" where nothing says.
    """
    rows: list[tuple[str, ...]] = [
        ("label", "A", "B", "B - A", "95 % interval", "median", "Wilcoxon p", "cases", "subjects", "verdict")
    ]
    for name, row in comparison.rows.items():
        rows.append(
            (
                name,
                *(tables.number(value) for value in (row.mean_a, row.mean_b, row.difference)),
                _interval(row.difference_ci95_low, row.difference_ci95_high),
                tables.number(row.median_difference),
                tables.number(row.wilcoxon_p, 2),
                str(row.n_cases),
                str(row.n_subjects),
                row.verdict or "none",
            )
        )
    metric = f"{heading} ({comparison.metric})" if heading else comparison.metric
    better, run_a, run_b = comparison.better, comparison.run_a, comparison.run_b
    lines = [
        f"{metric}, {better or 'neither larger nor smaller'} is better; margin {comparison.margin:g}",
        f"A  {run_a.name}  run {run_a.run_id[:12]}",
        f"B  {run_b.name}  run {run_b.run_id[:12]}",
        "",
        tables.aligned(rows),
        "",
    ]
    for name, row in comparison.rows.items():
        if row.n_undefined_a or row.n_undefined_b or row.n_undefined_b_only:
            lines.append(
                f"{name}: undefined in {row.n_undefined_a} cases of A and {row.n_undefined_b} of B, "
                f"{row.n_undefined_b_only} of B only"
            )
    reasons: dict[str, list[str]] = {}
    for name, row in comparison.rows.items():
        if row.no_verdict:
            reasons.setdefault(row.no_verdict, []).append(name)
    lines += [f"no verdict on {', '.join(names)}: {reason}" for reason, names in reasons.items()]
    for side, only in (("A", comparison.only_a), ("B", comparison.only_b)):
        if only:
            lines.append(f"{len(only)} cases are in run {side} only and do not count: {', '.join(only)}")
    if run_a.run_id == run_b.run_id:
        lines.append("Both are one run.")
    return "\n".join(lines).rstrip()


def _interval(low: float | None, high: float | None) -> str:
    return "undefined" if low is None else f"{low:.4g} to {high:.4g}"
