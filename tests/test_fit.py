"""fit: the schedule, the average of the weights and patience, by hand."""

import dataclasses

import pytest
import torch

from radiotrace.learning import fit

SETTINGS = fit.Settings(
    seed=0,
    epochs=2,
    patience_epochs=None,
    zero_epochs=10,
    batch_size=2,
    accumulate=1,
    samples_per_case=1,
    learning_rate=0.004,
    learning_rate_end=0.3,
    warm_up=0.05,
    weight_decay=0.01,
    gradient_clip=5,
    gradient_limit=10000,
    ema_share=0.25,
)


def rate(step: int, steps: int, warm_up: float, end: float) -> float:
    """With a peak of 0.004."""
    settings = dataclasses.replace(SETTINGS, warm_up=warm_up, learning_rate_end=end)
    return fit.learning_rate(step, steps, settings)


# 20 steps, a tenth of them to warm up: 1/2 and 2/2 of the peak, then half a cosine over 18 steps.
@pytest.mark.parametrize(
    ("step", "share"),
    [(0, 0.5), (1, 1.0), (2, 1.0), (8, 0.75), (11, 0.5), (14, 0.25), (20, 0.0)],
    ids=["first", "warm", "peak", "60 degrees", "half-way", "120 degrees", "after the last"],
)
def test_the_learning_rate_rises_and_falls(step, share):
    assert rate(step, 20, warm_up=0.1, end=0) == pytest.approx(0.004 * share, abs=1e-15)


# half-way between 1 and 0.2 is 0.6
@pytest.mark.parametrize(("step", "share"), [(0, 0.5), (2, 1.0), (11, 0.6), (20, 0.2)])
def test_the_learning_rate_falls_to_its_end(step, share):
    assert rate(step, 20, warm_up=0.1, end=0.2) == pytest.approx(0.004 * share, abs=1e-15)


def test_the_learning_rate_never_reaches_0():
    assert all(rate(step, 20, warm_up=0.1, end=0) > 0 for step in range(20))


def test_without_warm_up_one_step_starts_at_the_peak():
    assert rate(0, 10, warm_up=0.0, end=0.3) == 0.004


def test_a_run_of_one_step_has_the_peak():
    assert rate(0, 1, warm_up=0.5, end=0.3) == 0.004


def linear(value: float) -> torch.nn.Module:
    layer = torch.nn.Linear(2, 2)
    torch.nn.init.constant_(layer.weight, value)
    torch.nn.init.constant_(layer.bias, -value)
    return layer


# 1 + (3 - 1) / (1 + share·done)
@pytest.mark.parametrize(
    ("done", "share", "expected"), [(12, 0.25, 1.5), (0, 0.25, 3.0), (12, 0, 3.0), (3, 1, 1.5)]
)
def test_the_average_moves_towards_the_weights(done, share, expected):
    ema = linear(1.0)
    fit.update_average(ema, linear(3.0), done, share)
    assert [(value * sign).unique().tolist() for value, sign in ((ema.weight, 1), (ema.bias, -1))] == [
        [expected],
        [expected],
    ]


def test_an_average_of_share_1_is_the_mean_of_all_weights_so_far():  # of 1, 2, 4 and 9
    ema = linear(0.0)
    for done, value in enumerate((1.0, 2.0, 4.0, 9.0)):
        fit.update_average(ema, linear(value), done, share=1)
    assert ema.weight.unique().tolist() == [4.0]


def test_the_average_leaves_the_weights_alone():
    network = linear(3.0)
    fit.update_average(linear(1.0), network, 3, 0.5)
    assert network.weight.unique().tolist() == [3.0]


@pytest.mark.parametrize(
    ("means", "patience", "stops"),
    [
        ((0.1, 0.2, 0.3), 2, False),
        ((0.3, 0.2, 0.25), 2, True),
        ((0.3, 0.2), 2, False),
        ((0.3, 0.3, 0.3), 2, True),
        ((0.3, 0.2, 0.2, 0.31), 2, False),
        ((0.3, 0.2, 0.1, 0.0), None, False),
        ((), 1, False),
        ((0.3, None, None), 2, True),
    ],
    ids=["rises", "fell", "too early", "level", "recovers", "no patience", "none yet", "undefined"],
)
def test_patience_counts_epochs_without_a_new_best(means, patience, stops):
    assert fit.out_of_patience(means, patience) == stops
