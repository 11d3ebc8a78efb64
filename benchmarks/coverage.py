"""Coverage: how often a 95 % interval of ours holds the truth, by drawing samples of which the truth is
known.

    python -m benchmarks.coverage            draws, writes coverage.csv, prints the table of coverage.md
    python -m benchmarks.coverage --table    prints the table of coverage.csv

A sample is of subjects with one to three cases each, which are alike by half; the measures are shaped like
those of metrics/cases.json.
"""

import argparse
import csv
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
from scipy import special, stats

from radiotrace.statistics import agreement, intervals, uncertainty
from radiotrace.statistics.intervals import Interval, Rule

ROWS = Path(__file__).with_name("coverage.csv")
SIZES = (5, 10, 20, 35, 100)  # subjects
SAMPLES = 4000
MANY = 400_000  # cases whose statistic is taken for the truth
ALIKE = 0.5  # share of the variance that the cases of a subject have in common
LOWEST, HIGHEST = 0.93, 0.97
SHARES = (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Row:
    """What came out for one statistic and one number of subjects."""

    statistic: str
    subjects: int
    samples: int
    published: int  # samples of which there is an interval
    covered: int  # of the published

    @property
    def coverage(self) -> float | None:
        return self.covered / self.published if self.published else None


@dataclass(frozen=True)
class Kind:
    """A statistic to try.

    Attributes:
        interval: (subjects, rng) -> the interval of one sample, and the truth.
        samples: to be drawn of each size.
        claimed: whether it is one of those that must cover; the others are there to show where an interval
            ends.
    """

    interval: Callable[[int, np.random.Generator], tuple[Interval, float]]
    samples: int = SAMPLES
    claimed: bool = True


def subjects_of(number: int, rng: np.random.Generator) -> np.ndarray:
    """(cases,): the subject of each case; 60 % of subjects have one, 30 % two, 10 % three."""
    return np.repeat(np.arange(number), rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1], size=number))


def normal(subjects: np.ndarray, rng: np.random.Generator, correlation: float = 0.0) -> np.ndarray:
    """(2, cases) standard normal, those of a subject alike, both rows correlated."""
    of_subject, of_case = (
        rng.standard_normal((2, subjects.max() + 1)),
        rng.standard_normal((2, len(subjects))),
    )
    drawn = np.sqrt(ALIKE) * of_subject[:, subjects] + np.sqrt(1 - ALIKE) * of_case
    return np.stack([drawn[0], correlation * drawn[0] + np.sqrt(1 - correlation**2) * drawn[1]])


def dice(z):
    """Mean .89, SD .04, skewness -1.1."""
    return 1 - 0.1 * np.exp(0.35 * z)


def surface_dice(z):
    """At its ceiling: half of the cases above .98, skewness -1.9."""
    return stats.beta.ppf(special.ndtr(z), 6, 0.4)


def hausdorff95(z):
    """Few values, of which the smallest is half of all."""
    values = np.array([1, 2**0.5, 3**0.5, 2, 5**0.5, 3])
    return values[np.searchsorted(np.cumsum([0.5, 0.22, 0.08, 0.12, 0.04]), special.ndtr(z))]


def volume_error(z):
    """In percent; long tails on both sides."""
    return 1 + 6 * stats.t.ppf(special.ndtr(z), 5)


def failing(z):
    """Dice of which 3 % of cases are a failure."""
    share = special.ndtr(z)
    return np.where(share < 0.03, share * 10, dice(z))


def sums(rows: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    """(k, subjects) of rows (k, cases)."""
    return np.stack([np.bincount(subjects, row) for row in np.asarray(rows, float)])


@cache
def many(correlation: float = 0.0) -> np.ndarray:
    """Cases enough for the truth, each of a subject of its own."""
    return normal(np.arange(MANY), np.random.default_rng(0), correlation)


def ratio(totals):
    return totals[0] / totals[1]


def of_mean(measure: Callable, rule: Rule = intervals.MEAN) -> Callable:
    truth = float(measure(many()[0]).mean())

    def one(number, rng):
        subjects = subjects_of(number, rng)
        values = measure(normal(subjects, rng)[0])
        return intervals.interval(sums([values, np.ones(len(values))], subjects), ratio, rule), truth

    return one


def of_totals(
    make: Callable, statistic: Callable, rule: Rule = intervals.MEAN, correlation: float = 0.0
) -> Callable:
    """A statistic of totals; make: (2, cases) -> rows (k, cases)."""
    truth = float(statistic(np.asarray(make(many(correlation))).sum(1)))

    def one(number, rng):
        subjects = subjects_of(number, rng)
        return intervals.interval(
            sums(make(normal(subjects, rng, correlation)), subjects), statistic, rule
        ), truth

    return one


def of_ranks(statistic: Callable, rule: Rule, poor: Callable | None = None) -> Callable:
    """A statistic of scores and Dice, of which the rank correlation is about -.5."""
    scores, quality = many(-0.5)
    truth = float(statistic(scores[:20_000], dice(-quality[:20_000])))

    def one(number, rng):
        subjects = subjects_of(number, rng)
        z, other = normal(subjects, rng, -0.5)
        values = dice(-other)
        strata = None if poor is None else np.bincount(subjects, poor(values)) > 0
        of_counts = intervals.of_rows(lambda rows: statistic(z[rows], values[rows]))
        return intervals.interval(sums(np.eye(len(subjects)), subjects), of_counts, rule, strata), truth

    return one


def of_gap(number, rng):
    """Mean Dice of a group minus that of twice as many others, who scatter more."""
    groups = [subjects_of(size, rng) for size in (number, 2 * number)]
    inside, outside = dice(normal(groups[0], rng)[0]), dice(1.4 * normal(groups[1], rng)[0])
    count, others = len(inside), len(outside)
    rows = [
        np.append(inside, np.zeros(others)),
        np.append(np.ones(count), np.zeros(others)),
        np.append(np.zeros(count), outside),
        np.append(np.zeros(count), np.ones(others)),
    ]
    found = intervals.interval(
        sums(rows, np.append(groups[0], groups[1] + number)),
        lambda total: total[0] / total[1] - total[2] / total[3],
        strata=np.arange(3 * number) < number,
    )
    return found, 0.1 * (np.exp(0.49**2 / 2) - np.exp(0.35**2 / 2))


def of_difference(number, rng):
    """Paired: mean of the differences of two runs, of which the second gains .01 with tails."""
    subjects = subjects_of(number, rng)
    differences = 0.01 + 0.02 * stats.t.ppf(special.ndtr(normal(subjects, rng)[0]), 5)
    return intervals.interval(sums([differences, np.ones(len(differences))], subjects), ratio), 0.01


def of_median(number, rng):
    """Median of one value a subject."""
    found = intervals.median(dice(rng.standard_normal(number)))
    return Interval(found["ci95_low"], found["ci95_high"]), 0.9


def of_share(several: bool) -> Callable:
    """A share of cases; one of SHARES at a time, so that the coverage is its mean over them."""

    def one(number, rng):
        share = rng.choice(SHARES)
        subjects = subjects_of(number, rng) if several else np.arange(number)
        hits = normal(subjects, rng)[0] < special.ndtri(share)
        found = intervals.proportion(
            {case: (int(hit), 1) for case, hit in enumerate(hits)}, dict(enumerate(subjects))
        )
        return Interval(found["ci95_low"], found["ci95_high"]), share

    return one


def moments(rows):
    x, y = 0.2 * rows[0], 0.05 + 0.2 * rows[1]
    return [np.ones(len(x)), x, y, x * x, y * y, x * y]


def slope_totals(rows):
    size, difference = np.exp(0.2 * rows[0]) - 1, 0.1 * rows[1]
    return [np.ones(len(size)), size, difference, size**2, size * difference]


def slope(totals):
    n, x, y, xx, xy = totals
    return (xy - x * y / n) / (xx - x**2 / n)


def degraded(rows):
    return [dice(rows[0]) * stats.beta.ppf(special.ndtr(rows[1]), 4, 1), dice(rows[0])]


def counted(rows):
    """False positives: none in three quarters of the cases."""
    return [stats.poisson.ppf(special.ndtr(rows[0]), 0.3), np.ones(rows.shape[1])]


def risk(scores, values):
    return uncertainty.aurc(scores, 1 - values)


def miscalibrated(rows):
    """Voxels in two bins, whose confidence is right on average and off in every case."""
    return [np.full(rows.shape[1], 1000.0), np.full(rows.shape[1], 500.0), 50 * rows[0], 20 * rows[1]]


def calibration_error(totals):
    return np.abs(totals[2:]).sum(0) / totals[:2].sum(0)


def kinds() -> dict[str, Kind]:
    """Statistics by name, as the table has them."""
    return {
        "mean Dice": Kind(of_mean(dice, intervals.SHARE)),
        "mean surface Dice, at its ceiling": Kind(of_mean(surface_dice, intervals.SHARE)),
        "mean HD95, of few values": Kind(of_mean(hausdorff95, intervals.AMOUNT)),
        "mean error of volume": Kind(of_mean(volume_error)),
        "mean absolute error of volume": Kind(of_mean(lambda z: np.abs(volume_error(z)), intervals.AMOUNT)),
        "false positives a case": Kind(of_totals(counted, ratio, intervals.COUNT)),
        "median, of subjects": Kind(of_median),
        "share, one case a subject": Kind(of_share(False)),
        "share, several cases a subject": Kind(of_share(True)),
        "difference of two runs, paired": Kind(of_difference),
        "gap between two groups": Kind(of_gap),
        "loss of Dice under corruption": Kind(
            of_totals(degraded, lambda total: 100 * (1 - total[0] / total[1]), Rule(highest=100), 0.5)
        ),
        "pooled SD": Kind(
            of_totals(
                lambda rows: [np.exp(rows[0]), np.ones(rows.shape[1])],
                lambda total: np.sqrt(total[0] / total[1]),
                Rule(intervals.LOG),
            )
        ),
        "concordance of volumes": Kind(
            of_totals(moments, agreement.concordance, intervals.CORRELATION, 0.92)
        ),
        "slope of Bland-Altman": Kind(of_totals(slope_totals, slope, correlation=-0.3)),
        "rank correlation": Kind(of_ranks(uncertainty.spearman, intervals.RANK_CORRELATION), 1000),
        "AUROC, a quarter of cases poor": Kind(
            of_ranks(
                lambda scores, values: uncertainty.auroc(scores, values < 0.876),
                intervals.AREA,
                lambda values: values < 0.876,
            ),
            1000,
        ),
        "AURC": Kind(of_ranks(risk, Rule(intervals.LOG, highest=1)), 1000),
        "mean Dice, 3 % of cases fail": Kind(of_mean(failing, intervals.SHARE), claimed=False),
        "pooled calibration error, truth 0": Kind(of_totals(miscalibrated, calibration_error), claimed=False),
    }


def simulated(name: str, kind: Kind, number: int, samples: int, seed: int = 0) -> Row:
    """Draws samples of so many subjects, and counts."""
    rng = np.random.default_rng([seed, number, *name.encode()])
    published = covered = 0
    for _ in range(samples):
        found, truth = kind.interval(number, rng)
        if found.low is not None:
            published += 1
            covered += found.low <= truth <= found.high
    return Row(name, number, samples, published, int(covered))


def table(rows: list[Row], claimed: list[str]) -> str:
    """Coverage in percent; a dash where nothing is published. Those without a claim stand below."""
    lines = [
        "| statistic | " + " | ".join(f"{number} subjects" for number in SIZES) + " |",
        "|---|" + "---|" * len(SIZES),
    ]
    of = {(row.statistic, row.subjects): row for row in rows}
    names = list(dict.fromkeys(row.statistic for row in rows))
    for name in sorted(names, key=lambda name: name not in claimed):
        lines.append(
            f"| {name if name in claimed else f'*{name}*'} | "
            + " | ".join(_cell(of[name, number]) for number in SIZES)
            + " |"
        )
    return "\n".join(lines)


def _cell(row: Row) -> str:
    if row.coverage is None:
        return "–"
    some = (
        ""
        if row.published > 0.995 * row.samples
        else f" of {100 * row.published / row.samples:.0f} % of samples"
    )
    return f"{100 * row.coverage:.1f}{some}"


def read(path: Path = ROWS) -> list[Row]:
    with open(path, newline="", encoding="utf-8") as file:
        return [
            Row(line["statistic"], *(int(line[field.name]) for field in fields(Row)[1:]))
            for line in csv.DictReader(file)
        ]


def write(rows: list[Row], path: Path = ROWS) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in fields(Row)])
        writer.writerows([[getattr(row, field.name) for field in fields(Row)] for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="coverage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--table", action="store_true", help="draw nothing, print the table of the rows that are there"
    )
    args = parser.parse_args()
    known = kinds()
    if not args.table:
        write(
            [simulated(name, kind, number, kind.samples) for name, kind in known.items() for number in SIZES]
        )
    print(table(read(), [name for name, kind in known.items() if kind.claimed]))


if __name__ == "__main__":
    main()
