"""taught: what a trained network adds to the loss of a smaller one."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from radiotrace.imaging import channels
from radiotrace.inference.recipe import Recipe
from radiotrace.learning.cases import Cases
from radiotrace.learning.fit import Batch
from radiotrace.records.sections.segmentation.train import TrainParams
from radiotrace.records.typed import picked
from radiotrace.segmentation import augmentation, losses, taught
from radiotrace.segmentation.learner import SegmentationLearner
from radiotrace.segmentation.taught import TaughtLearner
from tests import examples

GENERATOR = torch.Generator().manual_seed(5)
LOGITS = torch.randn(2, 3, 4, 4, 4, generator=GENERATOR)
TEACHER = torch.randn(2, 3, 4, 4, 4, generator=GENERATOR)
PARAMS = TrainParams.of(examples.read(examples.CASES / "train/valid/one_epoch.json")["params"])


def learner(teacher: nn.Module | None = None, weight: float = 1.0) -> SegmentationLearner:
    """A learner of three labels, with a teacher where one is given."""
    nobody = Cases([], lambda index: None, 1)  # pyright: ignore[reportArgumentType]
    alone = SegmentationLearner(
        network=nn.Identity(),
        criterion=losses.build(picked(losses.Settings, PARAMS), 3),
        training=nobody,
        validation=nobody,
        labels={"0": "background", "1": "head", "2": "tail"},
        variation=picked(augmentation.Settings, PARAMS.augmentation),
        recipe=Recipe(
            "LPS",
            None,
            channels.normalised((channels.named(None),), (0.5, 99.5), [None]),
            (4, 4, 4),
            (4, 4, 4),
            2,
        ),
        device=torch.device("cpu"),
    )
    if teacher is None:
        return alone
    fields = {field.name: getattr(alone, field.name) for field in dataclasses.fields(alone)}
    return TaughtLearner(**fields, teacher=teacher, in_bf16=False, temperature=2.0, teacher_weight=weight)


def batch() -> Batch:
    values = torch.randint(0, 3, (2, 4, 4, 4), generator=torch.Generator().manual_seed(6))
    targets = nn.functional.one_hot(values, 3).movedim(-1, 1).float()
    return Batch(torch.zeros(2, 1, 4, 4, 4), targets)


class Says(nn.Module):
    """A teacher that says the same of every patch."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return TEACHER


def test_who_agrees_with_the_teacher_has_nothing_to_learn_from_it():
    assert taught.softened(TEACHER, TEACHER, 3.0) == pytest.approx(torch.zeros(2), abs=1e-6)
    assert (taught.softened(LOGITS, TEACHER, 3.0) > 0).all()


def test_the_divergence_is_that_of_its_definition():
    """In NumPy, voxel by voxel."""
    temperature = 2.0

    def probabilities(values: torch.Tensor) -> np.ndarray:
        powers = np.exp(values.double().numpy() / temperature)
        return powers / powers.sum(1, keepdims=True)

    ours, theirs = probabilities(LOGITS), probabilities(TEACHER)
    expected = temperature**2 * (theirs * np.log(theirs / ours)).sum(1).mean((1, 2, 3))
    assert taught.softened(LOGITS, TEACHER, temperature).numpy() == pytest.approx(expected, rel=1e-5)


def test_a_shift_of_all_logits_says_nothing():
    assert taught.softened(LOGITS + 7, TEACHER, 2.0).numpy() == pytest.approx(
        taught.softened(LOGITS, TEACHER, 2.0).numpy(), rel=1e-4
    )


def test_gradients_keep_their_size_at_any_temperature():
    """For logits near each other: T² makes up for what dividing by T takes away, twice."""
    sizes = []
    for temperature in (2.0, 4.0):
        logits = (TEACHER + 0.01 * LOGITS).requires_grad_()
        taught.softened(logits, TEACHER, temperature).sum().backward()
        assert logits.grad is not None
        sizes.append(float(logits.grad.norm()))
    assert 0.7 < sizes[0] / sizes[1] < 1.4


@pytest.mark.requirement("SRS-OPT-2")
def test_the_loss_is_that_of_the_labels_and_that_of_the_teacher():
    heads = torch.stack([LOGITS, torch.flip(LOGITS, [2])], 1)
    of_labels = learner().loss(heads, batch())
    expected = of_labels + 0.5 * taught.softened(LOGITS, TEACHER, 2.0)
    assert torch.allclose(learner(Says(), 0.5).loss(heads, batch()), expected)
    assert torch.allclose(learner(Says(), 0.0).loss(heads, batch()), of_labels)


def test_the_teacher_learns_nothing():
    teacher = nn.Conv3d(1, 3, 1)
    heads = LOGITS[:, None].clone().requires_grad_()
    learner(teacher).loss(heads, batch()).mean().backward()
    assert teacher.weight.grad is None
    assert heads.grad is not None
