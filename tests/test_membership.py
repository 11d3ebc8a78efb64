"""Membership: a rule warns where test cases are known better than strangers, says where it cannot say, and
never fails."""

import numpy as np
import pytest

from radiotrace.segmentation.verification import membership


def losses(**means) -> dict[str, dict[str, float]]:
    """Part -> subject -> loss: thirty subjects a part, around a mean, with a spread of a tenth."""
    rng = np.random.default_rng(7)
    return {
        part: {f"{part}{number}": float(value) for number, value in enumerate(rng.normal(mean, 0.1, 30))}
        for part, mean in means.items()
    }


def test_strangers_in_both_parts_give_no_warning():
    assert membership.judged(losses(train=0.5, validation=1.0, test=1.0)) == ([], [])


@pytest.mark.requirement("SRS-EVI-5")
def test_training_cases_in_the_test_part_are_warned_of():
    warned, _ = membership.judged(losses(train=0.5, validation=1.0, test=0.5))
    assert [line.split(":")[0] for line in warned] == ["test lower than validation"]


@pytest.mark.requirement("SRS-EVI-5")
def test_training_cases_in_test_and_validation_are_warned_of_where_strangers_are_called_train():
    warned, _ = membership.judged(losses(train=1.0, validation=0.5, test=0.5))
    assert [line.split(":")[0] for line in warned] == ["test lower than train"]


@pytest.mark.requirement("SRS-EVI-5")
def test_a_test_part_that_is_half_of_training_cases_is_warned_of():
    found = losses(train=0.5, validation=1.0, test=0.5)
    found["test"] = dict(list(found["test"].items())[:15]) | {
        f"stranger{number}": 1.0 for number in range(15)
    }
    assert len(membership.judged(found)[0]) == 1


def test_a_network_that_knows_nothing_better_is_said_to_give_little_power():
    warned, said = membership.judged(losses(train=1.0, validation=1.0, test=1.0))
    assert warned == []
    assert said[0].endswith("so that this rule has little power here")


def test_too_few_subjects_are_said():
    found = {
        part: dict(list(of.items())[:7]) for part, of in losses(train=0.5, validation=1.0, test=0.5).items()
    }
    warned, said = membership.judged(found)
    assert (warned, len(said)) == ([], 3)
    assert all("too few subjects (7 and 7 subjects)" in line for line in said)


# -ln(.25) where truth has a quarter, twice; -ln(.5) once; background not
def test_the_loss_is_the_mean_cross_entropy_over_voxels_of_a_label():
    logits = np.log(np.array([[0.5, 0.9, 0.75], [0.5, 0.1, 0.25]]))[:, None, None]
    assert membership.loss(logits, np.array([[[1, 0, 1]]])) == pytest.approx((np.log(2) + np.log(4)) / 2)


def test_the_loss_of_an_empty_case_is_0():
    assert membership.loss(np.array([1.0, 0.0])[:, None, None, None], np.zeros((1, 1, 1), int)) == 0
