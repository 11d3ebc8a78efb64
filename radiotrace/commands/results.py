"""results: what the last run came to."""
from pathlib import Path

from radiotrace import records
from radiotrace.commands import tables

SHOWN = 5  # reasons


def results(args) -> None:
    """Prints the performance requirements of the last run with what was measured, and whether everything is verified."""
    acceptance, traced = (records.read(Path(args.evidence) / f"{name}.json", name) for name in ("acceptance", "traceability"))
    rows = [("requirement", "metric", "mean", "95 % bound", "needed", "n", "verdict")]
    rows += [(result["requirement"], result["metric"], tables.number(result["mean"]), f"{tables.number(result['observed'])} ({result['bound']})",
              f"{result['op']} {result['threshold']:g}", _counted(result), result["verdict"])
             for result in acceptance["results"]]
    print(tables.aligned(rows))
    statuses = [row["status"] for row in traced["requirements"].values()]
    print(f"\nrun {acceptance['run_id'][:12]}, {'all' if acceptance['all_met'] else 'not all'} criteria met; "
          f"{statuses.count('verified')} of {len(statuses)} requirements verified, "
          f"release {'blocked' if traced['release_blocked'] else 'not blocked'}")
    gaps = traced["gaps"] if traced["release_blocked"] else []
    print("".join(f"  {one['item']}: {one['gap'].split(';')[0]}\n" for one in gaps[:SHOWN]), end="")
    if len(gaps) > SHOWN:
        print(f"  … and {len(gaps) - SHOWN} more in {args.evidence}/traceability.json")
    if acceptance["excluded"]:
        print(f"{len(acceptance['excluded'])} cases were excluded: " + ", ".join(entry["case_id"] for entry in acceptance["excluded"]))
    print("build/evaluate/report.html  start here: verdicts, measures, pictures    metrics/metrics.json  every number\n"
          "build/export/model.onnx     the model                                   metrics/cases.json    each test case\n"
          "evidence/                   the proof; 'python -m radiotrace verify'    metrics/*.svg         charts and pictures")


def _counted(result: dict) -> str:
    """What a criterion stands on, and the cases that it could not count."""
    undefined = f", {result['n_undefined']} cases undefined" if result["n_undefined"] else ""
    return f"{result['n_subjects']} subjects{undefined}"
