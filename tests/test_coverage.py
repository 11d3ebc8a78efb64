"""coverage: the published table is that of its rows, and the rows are what a small simulation finds."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import coverage

ROOT = Path(__file__).resolve().parent.parent
KINDS = coverage.kinds()
CLAIMED = [name for name, kind in KINDS.items() if kind.claimed]
PUBLISHED = coverage.read()


def test_the_published_table_is_that_of_the_rows():
    assert coverage.table(PUBLISHED, CLAIMED) in (ROOT / "benchmarks/coverage.md").read_text("utf-8")


def test_every_statistic_was_tried_with_every_number_of_subjects():
    assert [(row.statistic, row.subjects) for row in PUBLISHED] == [
        (name, number) for name in KINDS for number in coverage.SIZES
    ]


@pytest.mark.requirement("SRS-MET-2")
@pytest.mark.parametrize(
    "row",
    [row for row in PUBLISHED if row.statistic in CLAIMED and row.coverage is not None],
    ids=lambda row: f"{row.statistic} of {row.subjects}",
)
def test_a_published_interval_covers_93_to_97_percent(row):
    # Those that are hardly ever published are known less well: 3 SD of the simulation.
    noise = 0 if row.published >= 1000 else 3 * (0.95 * 0.05 / row.published) ** 0.5
    assert coverage.LOWEST - noise <= row.coverage <= coverage.HIGHEST + noise


@pytest.mark.requirement("SRS-MET-2")
def test_of_five_subjects_nothing_is_published():
    assert [row.published for row in PUBLISHED if row.subjects == 5] == [0] * len(KINDS)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("mean Dice", 10),
        ("mean surface Dice, at its ceiling", 20),
        ("share, several cases a subject", 10),
        ("difference of two runs, paired", 35),
        ("median, of subjects", 10),
        ("gap between two groups", 10),
    ],
)
def test_a_small_simulation_agrees_with_the_published_row(name, number):
    [row] = [row for row in PUBLISHED if (row.statistic, row.subjects) == (name, number)]
    found = coverage.simulated(name, KINDS[name], number, 400, seed=1)
    assert found.coverage == pytest.approx(row.coverage, abs=4 * (0.95 * 0.05 / 400) ** 0.5)


# three samples: covered, not covered, no interval
def test_a_row_counts_what_is_published_and_what_covers():
    given = iter([(0.0, 2.0), (2.0, 3.0), (None, None)])
    kind = coverage.Kind(lambda number, rng: (coverage.Interval(*next(given)), 1.0))
    assert coverage.simulated("one", kind, 10, 3) == coverage.Row("one", 10, 3, 2, 1)


def test_cases_of_a_subject_are_alike_by_half():
    subjects = np.repeat(np.arange(20_000), 2)
    drawn = coverage.normal(subjects, np.random.default_rng(0))[0].reshape(-1, 2).T
    assert np.corrcoef(drawn)[0, 1] == pytest.approx(coverage.ALIKE, abs=0.02)
    assert drawn.std() == pytest.approx(1, abs=0.02)


# metrics/cases.json: skewness -.8 and -1.1, -1.8 and -1.9; a third at 1 mm
def test_the_measures_are_shaped_like_those_of_the_example():
    z = np.random.default_rng(0).standard_normal(200_000)
    skewness = [
        float((((values - values.mean()) / values.std()) ** 3).mean())
        for values in (coverage.dice(z), coverage.surface_dice(z))
    ]
    assert skewness == [pytest.approx(-1.1, abs=0.15), pytest.approx(-2.5, abs=0.6)]
    assert len(set(coverage.hausdorff95(z))) == 6
