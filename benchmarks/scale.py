"""Time and memory of intervals with many subjects: python -m benchmarks.scale

Prints a row for each statistic of 1,000 subjects, one process each, so that peaks do not add up.
"""

import argparse
import resource
import subprocess
import sys
import time

import numpy as np

from radiotrace.statistics import agreement, intervals, uncertainty

STATISTICS = ("mean", "slope", "concordance", "spearman", "aurc", "auroc")


def sample(subjects: int) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Two measurements that go together, and the subject of each case."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=subjects)
    return (
        first,
        first + rng.normal(size=subjects),
        {f"{number:06d}": f"{number:06d}" for number in range(subjects)},
    )


def estimate(name: str, subjects: int) -> dict:
    """A statistic with its interval."""
    first, second, subject_of = sample(subjects)
    cases = list(subject_of)
    if name == "mean":
        return intervals.summary(dict(zip(cases, first.tolist(), strict=True)), subject_of)
    if name == "slope":
        pairs = zip(cases, first, second, strict=True)
        rows = {case: agreement.slope_sums(np.array([a]), np.array([b]), 0.0) for case, a, b in pairs}
        return intervals.estimate(rows, agreement.slope, subject_of)
    if name == "concordance":
        pairs = zip(cases, first, second, strict=True)
        rows = {case: agreement.moments(np.array([a]), np.array([b])) for case, a, b in pairs}
        return intervals.estimate(rows, agreement.concordance, subject_of, rule=intervals.CORRELATION)
    of = {
        "spearman": lambda drawn: uncertainty.spearman(first[drawn], second[drawn]),
        "aurc": lambda drawn: uncertainty.aurc(first[drawn], second[drawn]),
        "auroc": lambda drawn: uncertainty.auroc(first[drawn], second[drawn] > 1),
    }[name]
    unit = np.eye(subjects)
    rows = {case: tuple(unit[number]) for number, case in enumerate(cases)}
    return intervals.estimate(rows, intervals.of_rows(of), subject_of, rule=intervals.RANK_CORRELATION)


def main() -> None:
    """Prints the table, or measures one statistic."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=1000)
    parser.add_argument("--one", choices=STATISTICS, help="measure this one, in this process")
    args = parser.parse_args()
    if args.one:
        began = time.perf_counter()
        found = estimate(args.one, args.subjects)
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| {args.one} | {found['no_interval'] or 'interval'} | {seconds:.2f} | {peak:.0f} |")
        return
    print(f"| statistic of {args.subjects} subjects | gives | seconds | peak, MiB |\n|---|---|---|---|")
    for name in STATISTICS:
        words = ["-m", "benchmarks.scale", "--subjects", str(args.subjects), "--one", name]
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
        print(done.stdout, end="")


if __name__ == "__main__":
    main()
