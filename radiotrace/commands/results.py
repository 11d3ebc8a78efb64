"""results: what the last run came to."""

import json
from pathlib import Path

from radiotrace import records
from radiotrace.commands import tables
from radiotrace.commands.of_study import from_root, with_study
from radiotrace.errors import shown_short
from radiotrace.evidence.design import written_for
from radiotrace.evidence.pages import release_status

SHOWN = 5  # reasons


def results(args) -> None:
    """Prints the performance requirements of the last run with what was measured, and whether everything
    is verified."""
    acceptance, traced = (
        records.read(Path(args.evidence) / f"{name}.json", name) for name in ("acceptance", "traceability")
    )
    rows = [("requirement", "metric", "mean", "95 % bound", "needed", "n", "verdict")]
    rows += [
        (
            result["requirement"],
            result["metric"],
            tables.number(result["mean"]),
            f"{tables.number(result['observed'])} ({result['bound']})",
            f"{result['op']} {result['threshold']:g}",
            _counted(result),
            result["verdict"],
        )
        for result in acceptance["results"]
    ]
    print(tables.aligned(rows))
    print(
        f"\nrun {acceptance['run_id'][:12]}, {'all' if acceptance['all_met'] else 'not all'} criteria met\n"
        f"{release_status.sentence(traced)}"
    )
    for line in _of_others(Path(args.export), acceptance["run_id"], args.evidence):
        print(with_study(line, args.study.place))
    gaps = traced["gaps"] if traced["release_blocked"] else []
    waiting = [
        row for row in gaps if row["item"] in traced["unreviewed"] and row["gap"].startswith("the item is ")
    ]
    gaps = [row for row in gaps if row not in waiting]
    # first what would be said of the wrong data
    gaps.sort(
        key=lambda row: (not row["gap"].startswith(written_for.ANOTHER), _rank(row["item"], acceptance))
    )
    if waiting:
        print(with_study(f"  waiting for review: {len(waiting)} ('make review')", args.study.place))
    for gap in gaps[:SHOWN]:
        print(with_study(f"  {gap['item']}: {gap['gap'].split(';')[0]}", args.study.place))
    if len(gaps) > SHOWN:
        where = from_root(f"{args.evidence}/traceability.html", args.study)
        print(f"  … and {len(gaps) - SHOWN} more in {where}, under Gaps")
    if acceptance["excluded"]:
        print(
            f"{len(acceptance['excluded'])} cases were excluded: "
            + ", ".join(entry["case_id"] for entry in acceptance["excluded"])
        )
    if args.study.up:
        print(f"in {args.study.place}/:")
    proof = with_study("the proof; 'make verify' looks at it", args.study.place)
    print(
        "build/report/index.html     start here: verdicts, measures, pictures    metrics/metrics.json  "
        "every number\n"
        "build/export/model.onnx     the model                                   metrics/cases.json    "
        "each test case\n"
        f"evidence/                   {proof:<43} metrics/*.svg         "
        "charts and pictures"
    )


def _of_others(export: Path, run_id: str, evidence: str) -> list[str]:
    """A warning where the model that lies here is of another run than the evidence; [] where there is none.

    Args:
        export: folder that the stage export wrote; where it lacks a model, nothing is said.
        run_id: of the evidence.
    """
    place = export / "model.json"
    if not place.is_file():
        return []
    try:
        found = json.loads(place.read_bytes())["run_id"]
    except (ValueError, KeyError, TypeError):
        return [f"Warning: {place} cannot be read: nobody knows whether the evidence is of this model"]
    if found == run_id:
        return []
    return [
        f"Warning: {evidence}/ is of another model than {export}: run {run_id[:12]} against "
        f"{shown_short(str(found))[:12]}. What stands here is not of the model that lies there; "
        "'dvc repro' makes evidence of it, 'dvc checkout' brings the model of the lock."
    ]


def _rank(item: str, acceptance: dict) -> int:
    """Performance first, then risks, then the rest."""
    judged = {result["requirement"] for result in acceptance["results"]}
    return 0 if item in judged else 1 if item.startswith("HAZ-") else 2


def _counted(result: dict) -> str:
    """What a criterion stands on, and the cases that it could not count."""
    undefined = f", {result['n_undefined']} cases undefined" if result["n_undefined"] else ""
    return f"{result['n_subjects']} subjects{undefined}"
