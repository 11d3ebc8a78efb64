"""petct_optimum: how far a study of the synthetic PET/CT is from the best that can be.

    python -m benchmarks.petct_optimum studies/petct FOLDER/truth.csv

The data set was made by 'generate petct', whose truth.csv has both parts of each subject's log-hazard. They
are scored on the very test cases of the study, with the same estimator: censoring raises Harrell's C, so that
no formula for uncensored times is a bound. Gaps are paired, by a bootstrap over subjects.
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np

from radiotrace.statistics import concordance, resampling


def truth(path: Path) -> dict[str, tuple[float, float]]:
    """Case -> the part of the log-hazard that the image shows, and the whole."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        row["case_id"]: (float(row["visible"]), float(row["visible"]) + float(row["hidden"])) for row in rows
    }


def line(name: str, best: np.ndarray, risk: np.ndarray, cases: list[dict]) -> str:
    """The gap of one risk to one optimum."""
    time = np.array([case["time"] for case in cases], float)
    event = np.array([case["event"] for case in cases], bool)
    plan = resampling.Plan(np.array([case["subject_id"] for case in cases]), seed=0)
    found = concordance.gap(best, risk, time, event, plan)
    low, high = found.gap.interval.bounds
    bounds = found.gap.interval.no_interval if low is None else f"{low:+.3f} to {high:+.3f}"
    return (
        f"{name:<10} {found.first.value:.3f}   {found.second.value:.3f}   {found.gap.value:+.3f} ({bounds})"
    )


def main(argv: list[str]) -> int:
    """Prints a line for each optimum."""
    if len(argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    survival = json.loads((Path(argv[0]) / "metrics/survival.json").read_text("utf-8"))
    cases, known = survival["cases"], truth(Path(argv[1]))
    if unknown := [case["case_id"] for case in cases if case["case_id"] not in known]:
        print(f"{argv[1]} has no {', '.join(unknown[:3])}: it is of another data set", file=sys.stderr)
        return 1
    risk = np.array([case["told"]["log_hazard"] for case in cases])
    print(f"{len(cases)} test cases, {sum(case['event'] for case in cases)} events")
    print("optimum    C       network   network minus optimum")
    for place, name in enumerate(("visible", "whole")):
        best = np.array([known[case["case_id"]][place] for case in cases])
        print(line(name, best, risk, cases))
    visible = np.array([known[case["case_id"]][0] for case in cases])
    print(f"correlation of the log-hazard with the visible one: {np.corrcoef(risk, visible)[0, 1]:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
