"""watch: what stops a run, what is only noted, and what the message names."""

import math

import pytest

from radiotrace.errors import StageError
from radiotrace.learning.watch import OVERFLOWS, Watch


def watch(scaled=False, limit=100.0) -> Watch:
    return Watch(3, 50, limit, scaled, ".checkpoints/k/history.json")


def stopped(act) -> StageError:
    with pytest.raises(StageError) as caught:
        act()
    return caught.value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_stops_and_names_its_cases_alone(value):
    error = stopped(lambda: watch().loss([0.5, value, 0.4], ["a", "b", "c"], 7))
    assert (error.headline, error.findings[0]) == (f"loss is {value} in epoch 3, step 7 of 50", "cases b")


def test_finite_losses_pass():
    assert watch().loss([0.5, 1e30, -2.0], ["a", "b", "c"], 7) is None


def test_every_stop_names_the_partial_history():
    assert (
        stopped(lambda: watch().loss([math.nan], ["a"], 1)).findings[1]
        == "the epochs before are in .checkpoints/k/history.json"
    )


@pytest.mark.parametrize("norm", [math.nan, math.inf, 100.1])
def test_a_gradient_beyond_the_limit_stops_and_names_the_cases_of_the_step(norm):
    error = stopped(lambda: watch().gradient(norm, ["a", "b"], 7))
    assert error.headline == f"gradient norm is {norm:.4g}, limit 100 in epoch 3, step 7 of 50"
    assert error.findings[0] == "cases a, b"


def test_with_a_scaled_loss_an_infinite_gradient_is_noted():
    one = watch(scaled=True)
    one.gradient(math.inf, ["a"], 7)
    assert one.events == [{"kind": "step_left_out", "step": 7, "gradient_norm": None, "cases": ["a"]}]


def test_with_a_scaled_loss_endless_infinite_gradients_stop():
    one = watch(scaled=True)
    for step in range(OVERFLOWS):
        one.gradient(math.inf, ["a"], step + 1)
    assert stopped(lambda: one.gradient(math.inf, ["a"], OVERFLOWS + 1)).headline.startswith(
        "gradient norm is inf"
    )


def test_a_finite_gradient_in_between_forgives_the_infinite_ones():
    one = watch(scaled=True)
    for step in range(3 * OVERFLOWS):
        one.gradient(1.0 if step % OVERFLOWS == 0 else math.inf, ["a"], step + 1)
    assert len(one.norms) == 3


def test_a_gradient_ten_times_the_usual_one_is_noted():
    one = watch()
    for step, norm in enumerate([2.0] * 10 + [19.9, 20.1], 1):
        one.gradient(norm, ["a"], step)
    assert [(event["kind"], event["step"]) for event in one.events] == [("gradient_spike", 12)]


def test_the_first_gradients_are_no_spikes():  # nothing to compare with yet
    one = watch()
    for step, norm in enumerate([0.01, 50.0], 1):
        one.gradient(norm, ["a"], step)
    assert one.events == []


def test_the_summary_has_median_maximum_and_how_often_the_gradient_was_clipped():
    one = watch()
    for step, norm in enumerate([1.0, 2.0, 6.0, 3.0], 1):
        one.gradient(norm, ["a"], step)
    assert one.summary(clip=2.5) == {
        "gradient_norm_median": 2.5,
        "gradient_norm_max": 6.0,
        "steps_clipped": 2,
        "events": [],
    }


def test_an_epoch_without_a_finite_gradient_has_no_median():
    assert watch().summary(clip=1)["gradient_norm_median"] is None


def test_a_validation_dice_of_0_in_every_epoch_stops():
    error = stopped(lambda: watch().validation("dice", [0.0, 0.0, 0.0], 3, ["v"]))
    assert error.headline == "validation dice has been 0 for 3 epochs in epoch 3, step 50 of 50"


@pytest.mark.parametrize(
    "means",
    [[0.0, 0.0], [0.0, 0.01, 0.0], [0.0, 0.0, None], [0.4, 0.0, 0.0, 0.0]],
    ids=["too early", "left 0 once", "undefined", "was above"],
)
def test_other_validation_dice_do_not(means):
    assert watch().validation("dice", means, 3, ["v"]) is None
