"""Coverage of intervals by resampling: how often they hold a truth that is known, because samples are drawn.

    python -m benchmarks.resampling    prints the table of coverage.md (some ten minutes on one core)

Cases are independent, 40 % positive, scores a standard deviation apart; times are those of a known linear
predictor, of which some 35 % are censored.
"""

from collections.abc import Callable

import numpy as np
from scipy import special

from radiotrace.statistics import concordance, decision_curves, discrimination, intervals, resampling

SIZES = (30, 50, 100, 200)
SAMPLES, RESAMPLES, MANY = 400, 500, 400_000
PREVALENCE, THRESHOLD, HORIZON = 0.4, np.array([0.3]), np.array([1.0])


def statistics(n: int, rng: np.random.Generator) -> dict[str, tuple[Callable, intervals.Rule]]:
    """Name -> (statistic of counts, rule of its jackknife), of one sample."""
    positive = rng.random(n) < PREVALENCE
    scores = rng.normal(positive * 1.0, 1)
    p = special.expit(scores - 0.5 + special.logit(PREVALENCE))
    risk = rng.normal(0, 0.75, n)
    until_event, until = rng.exponential(1, n) / np.exp(risk), rng.exponential(2, n)
    time, event = np.minimum(until_event, until), until_event <= until
    best = concordance.Pairs(risk, time, event)
    other = concordance.Pairs(risk + rng.normal(0, 0.5, n), time, event)

    def gain(counts):
        model = decision_curves.net_benefit(p, positive, THRESHOLD, counts)
        return (model - decision_curves.treat_all(positive, THRESHOLD, counts))[0]

    def area_at_horizon(counts):
        return concordance.time_aurocs(risk, time, event, HORIZON, counts)[0]

    def gap(counts):
        return other.concordance(counts) - best.concordance(counts)

    return {
        "AUROC": (lambda counts: discrimination.areas(scores, positive, counts), intervals.AREA),
        "average precision": (
            lambda counts: discrimination.average_precisions(scores, positive, counts),
            intervals.AREA,
        ),
        "net benefit over treat-all": (gain, intervals.MEAN),
        "C-index": (best.concordance, intervals.AREA),
        "gap of two C-indices": (gap, intervals.MEAN),
        "AUROC at a time": (area_at_horizon, intervals.AREA),
    }


def covered(n: int, truths: dict[str, float]) -> dict[str, list[float]]:
    """Statistic -> share of intervals that hold the truth, of the jackknife and of the bootstrap."""
    held = {name: [[], []] for name in truths}
    subjects = np.arange(n)
    for number in range(SAMPLES):
        plan = resampling.Plan(subjects, number, RESAMPLES)
        for name, (statistic, rule) in statistics(n, np.random.default_rng([n, number])).items():
            found = (
                resampling.jackknife(statistic, subjects, rule),
                resampling.bootstrap(statistic, plan, n_min=1).interval,
            )
            for side, interval in zip(held[name], found, strict=True):
                if interval.low is not None and interval.high is not None:
                    side.append(interval.low <= truths[name] <= interval.high)
    return {name: [float(np.mean(side)) for side in sides] for name, sides in held.items()}


def main() -> None:
    everybody = np.ones((MANY, 1), int)
    drawn = statistics(MANY, np.random.default_rng(0))
    truths = {name: float(statistic(everybody)[0]) for name, (statistic, _) in drawn.items()}
    by_size = [covered(n, truths) for n in SIZES]
    print("| statistic | " + " | ".join(f"{n} subjects" for n in SIZES) + " |")
    print("|---|" + "---|" * len(SIZES))
    for name in truths:
        cells = [" / ".join(f"{100 * share:.1f}" for share in found[name]) for found in by_size]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
