"""One case of a study on a terminal, as a person would demonstrate it: what was measured of it beside what
the test part has, how sure the network was, what was flagged, and where its pictures are.

Of a study of any task: it reads what every task's records have, and computes no new number.
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from radiotrace import records
from radiotrace.commands import of_task
from radiotrace.errors import StageError
from radiotrace.pipeline.study import Study
from radiotrace.records import measure_table
from radiotrace.records.measure_table import Described

CASES, METRICS = "metrics/cases.json", "metrics/metrics.json"
PAGES, RESULTS = "build/report", "build/evaluate/results"
CLOSE, WORST = 5, 5  # ids that are offered for one that is unknown; cases that are listed without one
WIDTH = 110  # where the output is no terminal


def printed(case_id: str | None, study: Study) -> None:
    """Prints a case of the study; without one, the worst.

    Raises:
        StageError: the study has no such case, or no records of one run.
    """
    metrics, cases = read(study)
    console = Console(soft_wrap=False) if Console().is_terminal else Console(width=WIDTH)
    rows = {case["case_id"]: case for case in cases}
    if case_id is None:
        for part in overview(metrics, cases):
            console.print(part)
        return
    if case_id not in rows:
        raise StageError(unknown(case_id, list(rows)), way_out="Without a name the worst cases are listed.")
    for part in of_case(rows[case_id], metrics, cases, study):
        console.print(part)


def read(study: Study) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The records of metrics and of cases of the study.

    Raises:
        StageError: it has none, or they are of two runs.
    """
    task = of_task.of_study(study)
    if task is None:
        raise StageError("show is about a study, and there is none in this folder")
    metrics = records.read(study.folder / METRICS, task.records["metrics"])
    cases = records.read(study.folder / CASES, task.records["cases"])
    if metrics["run_id"] != cases["run_id"]:
        raise StageError(
            "records are not of one run",
            [f"{METRICS}: {metrics['run_id'][:12]}", f"{CASES}: {cases['run_id'][:12]}"],
            "Run 'dvc checkout', or 'dvc repro'.",
        )
    return metrics, cases["cases"]


def unknown(asked: str, known: Sequence[str]) -> str:
    """What is said of a case that the test part has not."""
    close = difflib.get_close_matches(asked, known, n=CLOSE, cutoff=0.4)
    offered = f"; is it {', '.join(close)}?" if close else f"; it has {len(known)}, such as {known[0]}"
    return f"the test part has no case {asked!r}{offered}"


def mean_of(case: Mapping[str, Any], name: str) -> float | None:
    """Mean of a measure over the labels of a case; None where it is undefined of any."""
    values = [row.get(name) for row in case["labels"].values()]
    return None if None in values or not values else sum(values) / len(values)


def from_worst(
    case_id: str, cases: Sequence[Mapping[str, Any]], measure: Described
) -> tuple[int, int] | None:
    """The place of a case from the worst, by the mean of its labels, and of how many; None where it is
    undefined, or the measure has no better end."""
    if measure.better is None:
        return None
    values = {case["case_id"]: mean_of(case, measure.name) for case in cases}
    known = {name: value for name, value in values.items() if value is not None}
    if case_id not in known:
        return None
    own = known[case_id]
    worse = [value < own if measure.better == "larger" else value > own for value in known.values()]
    return 1 + sum(worse), len(known)


def overview(metrics: Mapping[str, Any], cases: Sequence[Mapping[str, Any]]) -> list:
    """The worst cases by the measure that stands first."""
    leading = measure_table.leading(metrics)
    places = {case["case_id"]: from_worst(case["case_id"], cases, leading) for case in cases}
    ranked = sorted((place[0], case_id) for case_id, place in places.items() if place is not None)
    table = Table(
        title=f"The {min(WORST, len(ranked))} worst of {len(cases)} test cases", title_justify="left"
    )
    table.add_column("case")
    table.add_column(f"{leading.heading}, mean of labels", justify="right")
    of = {case["case_id"]: case for case in cases}
    for _, case_id in ranked[:WORST]:
        table.add_row(case_id, number(mean_of(of[case_id], leading.name), leading))
    return [table, Text("python -m radiotrace show CASE shows one of them, or any other.")]


def of_case(
    case: Mapping[str, Any], metrics: Mapping[str, Any], cases: Sequence[Mapping[str, Any]], study: Study
) -> list:
    """What is shown of a case, part by part."""
    leading = measure_table.leading(metrics)
    place = from_worst(case["case_id"], cases, leading)
    rank = "" if place is None else f"\nnumber {place[0]} from the worst of {place[1]}, by {leading.heading}"
    head = Text(f"subject {case['subject_id']}, {metrics['part']} part, run {metrics['run_id'][:12]}{rank}")
    parts: list[Any] = [Panel(head, title=f"[bold]{case['case_id']}[/bold]", title_align="left")]
    if told := in_words(case):
        parts.append(Text(told))
    parts.append(measures(case, metrics))
    if case.get("uncertainty"):
        parts.append(uncertainty(case, metrics))
    parts.append(files(case, study))
    return parts


def in_words(case: Mapping[str, Any]) -> str:
    """What a case has and what was told of it, where its task tells classes; else ""."""
    if "reference" not in case or "told" not in case:
        return ""
    has, told = (", ".join(case[key]) or "nothing" for key in ("reference", "told"))
    return f"has {has}; told {told}: {'right' if has == told else 'wrong'}"


def measures(case: Mapping[str, Any], metrics: Mapping[str, Any]) -> Table:
    """Each measure of each label, beside the mean of the test part with its interval."""
    table = Table(title="Measures (in brackets: mean of the test part, 95 % interval)", title_justify="left")
    table.add_column("measure")
    labels = list(case["labels"])
    for label in labels:
        table.add_column(label, justify="right")
    for name, measure in measure_table.read(metrics).items():
        cells = []
        for label in labels:
            of_part = metrics[name][label]
            cells.append(f"{number(case['labels'][label][name], measure)}  [{summary(of_part, measure)}]")
        table.add_row(Text(measure.heading), *map(Text, cells))
    return table


def number(value: float | None, measure: Described) -> str:
    """A value with the digits of its measure."""
    return "undefined" if value is None else f"{value:.{measure.digits}f}"


def summary(found: Mapping[str, Any], measure: Described) -> str:
    """Mean with its interval."""
    mean = number(found["mean"], measure)
    if found["ci95_low"] is None or found["ci95_high"] is None:
        return mean
    return f"{mean}, {number(found['ci95_low'], measure)} to {number(found['ci95_high'], measure)}"


def uncertainty(case: Mapping[str, Any], metrics: Mapping[str, Any]) -> Table:
    """How sure the network was, of each kind, and what goes to an expert."""
    table = Table(title="Uncertainty", title_justify="left")
    for heading in ("kind", "score", "flagged above", "for review"):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    limits = metrics.get("decisions", {}).get("flag_above", {})
    for kind, scores in sorted(case["uncertainty"].items()):
        limit, flagged = limits.get(kind), case.get("flagged", {}).get(kind)
        said = {None: "no threshold", True: "[bold red]yes[/bold red]", False: "no"}[flagged]
        table.add_row(kind, f"{scores['score']:.4f}", "-" if limit is None else f"{limit:.4f}", said)
    return table


def files(case: Mapping[str, Any], study: Study) -> Table:
    """Where a case's prediction, page and pictures lie, and what tells more."""
    place = "" if study.place == "." else f"{study.place}/"
    pages = [
        path.relative_to(study.folder).as_posix()
        for path in sorted((study.folder / PAGES / "cases").glob("*.html"))
        if path.stem == case["case_id"] or path.stem.startswith(f"{case['case_id']}-")
    ]
    prediction = study.folder / RESULTS / "predictions" / case["prediction"]
    here = {
        "prediction": f"{place}{RESULTS}/predictions/{case['prediction']}"
        + ("" if prediction.is_file() else " (not here: make pull)"),
        "pictures": place + (pages[0] if pages else f"{PAGES}/index.html"),
        "lineage": f"python -m radiotrace{f' --study {study.place}' * bool(place)} trace {case['case_id']}",
    }
    table = Table(title="Where", title_justify="left", show_header=False)
    for name, text in here.items():
        table.add_row(name, Text(text, overflow="fold"))
    return table
