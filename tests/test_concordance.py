"""concordance: against all pairs and torchsurv, the known optimum, and what must not change it."""

import time as clock
import warnings

import numpy as np
import pytest
import torch

from radiotrace.statistics import concordance, discrimination, intervals, resampling, survival
from tests import times

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it takes torch.jit.script, which torch calls deprecated
    from torchsurv.metrics.auc import Auc
    from torchsurv.metrics.cindex import ConcordanceIndex
    from torchsurv.stats.ipcw import get_ipcw


def by_pairs(risk, time, event, kind, tau=None) -> float:
    """Every pair looked at."""
    won = compared = 0.0
    before = times.uncensored_before(time, event) if kind == "uno" else np.ones(len(time))
    for i in np.flatnonzero(event & (time < (np.inf if tau is None else tau))):
        later = (time > time[i]) | ((time == time[i]) & ~event)
        beaten = (risk[i] > risk[later]) + (risk[i] == risk[later]) / 2
        won, compared = won + beaten.sum() / before[i] ** 2, compared + later.sum() / before[i] ** 2
    return won / compared


@pytest.mark.requirement("SRS-TIME-1")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["harrell", "uno"])
@pytest.mark.parametrize("tau", [None, 1.0])
def test_it_is_the_share_of_all_pairs(seed, kind, tau):
    linear, time, event = times.drawn(80, seed, ties=seed % 2 == 1)
    risk = np.round(linear, 1) if seed > 1 else linear
    expected = by_pairs(risk, time, event, kind, tau)
    assert concordance.c_index(risk, time, event, kind, tau) == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore")
def test_it_is_that_of_torchsurv():
    linear, time, event = times.drawn(300)
    estimate, when = (torch.tensor(side, dtype=torch.float32) for side in (linear, time))
    happened = torch.tensor(event)
    harrell = ConcordanceIndex()(estimate, happened, when)
    assert concordance.c_index(linear, time, event) == pytest.approx(float(harrell), abs=1e-6)
    uno = ConcordanceIndex()(estimate, happened, when, weight=get_ipcw(happened, when))
    assert concordance.c_index(linear, time, event, "uno") == pytest.approx(float(uno), abs=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_areas_over_time_are_those_of_torchsurv():
    linear, time, event = times.drawn(300)
    horizons = np.array([0.3, 0.6, 0.9, 1.5])
    happened, when = torch.tensor(event), torch.tensor(time)
    weights = get_ipcw(happened, when)
    at = torch.tensor(horizons)
    theirs = Auc()(
        torch.tensor(linear), happened, when, "cumulative", weights, at, get_ipcw(happened, when, at)
    )
    found = concordance.time_aurocs(linear, time, event, horizons)
    assert found == pytest.approx(np.array(theirs), abs=1e-5)


def test_areas_over_time_are_the_share_of_all_weighted_pairs():
    linear, time, event = times.drawn(80, ties=True)
    risk = np.round(linear, 1)
    weight = 1 / times.uncensored_before(time, event)
    expected = []
    for horizon in (0.4, 1.0):
        ended, beyond = event & (time <= horizon), time > horizon
        won = (risk[ended][:, None] > risk[beyond]) + (risk[ended][:, None] == risk[beyond]) / 2
        expected.append((weight[ended] * won.mean(1)).sum() / weight[ended].sum())
    assert concordance.time_aurocs(risk, time, event, np.array([0.4, 1.0])) == pytest.approx(expected)


def test_uncensored_an_area_over_time_is_that_of_who_ended_against_who_did_not():
    linear, time, event = times.drawn(200, censored=False)
    found = concordance.time_aurocs(linear, time, event, np.array([0.5, 1.0]))
    assert found == pytest.approx([discrimination.auroc(linear, time <= at) for at in (0.5, 1.0)])
    both = concordance.time_aurocs(np.stack([linear, -linear], 1), time, event, np.array([0.5, 1.0]))
    assert both == pytest.approx([found[0], 1 - found[1]])


def test_uncensored_both_kinds_are_one():
    linear, time, event = times.drawn(200, censored=False)
    harrell, uno = (concordance.c_index(linear, time, event, kind) for kind in ("harrell", "uno"))
    assert harrell == pytest.approx(uno)


@pytest.mark.parametrize("kind", ["harrell", "uno"])
def test_a_monotone_transform_changes_nothing_and_the_other_direction_is_one_minus(kind):
    linear, time, event = times.drawn(200)
    found = concordance.c_index(linear, time, event, kind)
    assert concordance.c_index(np.exp(linear), time, event, kind) == found
    assert concordance.c_index(linear, time**3, event, kind) == pytest.approx(found)
    assert concordance.c_index(-linear, time, event, kind) == pytest.approx(1 - found)
    assert concordance.c_index(np.zeros(200), time, event, kind) == pytest.approx(0.5)


@pytest.mark.requirement("SRS-TIME-1")
def test_pairs_by_hand():
    """Times 1, 2+, 2, 3: comparable are 1 with all, 2 with 2+ and 3; risks tie once."""
    time, event = np.array([1, 2, 2, 3.0]), np.array([True, False, True, True])
    # 1 beats 2+ and 2, not 3; 2 ties with 2+, loses to 3
    found = concordance.c_index(np.array([2, 1, 1, 3.0]), time, event)
    assert found == pytest.approx((1 + 1 + 0 + 0.5 + 0) / 5)


def test_two_events_at_one_time_are_not_compared():
    assert concordance.c_index(np.array([1, 2.0]), np.ones(2), np.ones(2, bool)) is None
    assert concordance.c_index(np.array([2, 1.0]), np.ones(2), np.array([True, False])) == 1


def test_without_an_event_or_a_case_it_is_none():
    assert concordance.c_index(np.arange(3.0), np.arange(3.0), np.zeros(3, bool)) is None
    assert concordance.c_index(np.zeros(0), np.zeros(0), np.zeros(0, bool)) is None
    nobody = concordance.time_aurocs(np.arange(3.0), np.arange(3.0), np.zeros(3, bool), np.array([1.0]))
    assert np.isnan(nobody).tolist() == [True]


@pytest.mark.parametrize("kind", ["harrell", "uno"])
def test_counts_are_cases_that_stand_several_times(kind):
    linear, time, event = times.drawn(60, ties=True)
    risk = np.round(linear, 1)
    counts = np.random.default_rng(0).integers(0, 3, (60, 5))
    found = concordance.concordances(risk, time, event, counts, kind)
    areas = concordance.time_aurocs(risk, time, event, np.array([0.6, 1.0]), counts)
    for place, column in enumerate(counts.T):
        again = [np.repeat(side, column) for side in (risk, time, event)]
        assert found[place] == pytest.approx(concordance.c_index(*again, kind))
        assert areas[:, place] == pytest.approx(concordance.time_aurocs(*again, np.array([0.6, 1.0])))


def test_the_best_possible_is_the_formula_where_nothing_is_censored():
    # simulated with 6,000 cases: .579 .629 .681 .724 .786 .827
    for sd, expected in ((0.3, 0.582), (0.5, 0.631), (0.75, 0.683), (1, 0.725), (1.5, 0.787), (2, 0.828)):
        assert concordance.best_normal(sd) == pytest.approx(expected, abs=6e-4)
    linear, time, event = times.drawn(20_000, sd=1.0, censored=False)
    assert concordance.c_index(linear, time, event) == pytest.approx(concordance.best_normal(1.0), abs=0.005)
    assert concordance.best_normal(0) == 0.5


def test_censoring_raises_harrell_and_not_uno():
    """Uno's C is that of pairs whose earlier event is before tau, whether or not anything is censored."""
    rng = np.random.default_rng(0)
    linear = rng.normal(0, 1.5, 20_000)
    until_event = rng.exponential(1, 20_000) / np.exp(linear)
    until = rng.exponential(1, 20_000)
    time, event = np.minimum(until_event, until), until_event <= until
    everybody = np.ones(20_000, bool)
    target = concordance.c_index(linear, until_event, everybody, "harrell", 2.0)
    assert concordance.c_index(linear, time, event, "uno", 2.0) == pytest.approx(target, abs=0.006)
    assert concordance.c_index(linear, time, event, "harrell", 2.0) > target + 0.01


def test_the_gap_to_the_best_is_paired():
    linear, time, event = times.drawn(400)
    noisy = linear + np.random.default_rng(1).normal(0, 0.5, 400)
    plan = resampling.Plan(np.arange(400), seed=0, resamples=500)
    found = concordance.gap(linear, noisy, time, event, plan)
    assert found.gap.value == pytest.approx(found.second.value - found.first.value)
    assert found.gap.interval.high < 0
    alone = np.ptp(found.second.interval.bounds)
    assert np.ptp(found.gap.interval.bounds) < 0.9 * alone
    nothing = concordance.gap(linear, 2 * linear, time, event, plan)
    assert (nothing.gap.value, nothing.gap.interval.no_interval) == (0, intervals.NO_VARIANCE)


def test_a_thousand_resamples_of_800_cases_take_seconds_and_cover():
    """torchsurv 0.2.0 takes 184 s for 999 of them."""
    linear, time, event = times.drawn(800)
    began = clock.perf_counter()
    plan = resampling.Plan(np.arange(800), 0, 999)
    found = concordance.c_index_interval(linear, time, event, plan)
    assert clock.perf_counter() - began < 30
    assert found.interval.low < found.value < found.interval.high
    assert 0.04 < np.ptp(found.interval.bounds) < 0.06  # .655 to .705 in the state of the art


def test_uno_weights_are_kaplan_meier_of_being_uncensored():
    _, time, event = times.drawn(60, ties=True)
    before, _ = survival.Groups(time, event).still_observed(np.ones((60, 1)))
    assert before[:, 0] == pytest.approx(times.uncensored_before(time, event))


def test_faults_name_what_was_found():
    with pytest.raises(ValueError, match=r"risk \(2,\) with 1 NaN, expected \(2,\) without"):
        concordance.c_index(np.array([1, np.nan]), np.ones(2), np.ones(2, bool))
