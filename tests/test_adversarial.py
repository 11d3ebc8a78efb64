"""Adversarial: the optimum on toys whose loss is known, weights by hand, and never further than eps."""

import math

import numpy as np
import pytest
import torch

from radiotrace.segmentation import adversarial

pytestmark = pytest.mark.usefixtures("one_thread")

IMAGE = torch.tensor([[[[[0.5, -1.0], [2.0, 0.0]]]]])  # (1, 1, 1, 2, 2)
REFERENCE = torch.tensor([[[[0, 1], [1, 0]]]])


def linear(image):
    """Two labels whose logits are minus the image and the image: the loss of label 1 falls where the image
    rises, that of 0 rises."""
    return torch.cat([-image, image], 1)


# so up where the reference is 0, down where it is 1
WORST = IMAGE + 0.25 * torch.tensor([[[[[1.0, -1.0], [-1.0, 1.0]]]]])


def bump(image):
    """Two labels; the loss of label 0 is greatest where the image is 0.3."""
    height = -((image - 0.3) ** 2)
    return torch.cat([-height, height], 1)


def tangled(labels=3):
    """A network of fixed weights in which every voxel depends on its neighbours."""
    generator = torch.Generator().manual_seed(0)
    first, second = (
        torch.randn((4, 1, 3, 3, 3), generator=generator),
        torch.randn((labels, 4, 3, 3, 3), generator=generator),
    )
    return lambda image: torch.conv3d(torch.tanh(torch.conv3d(image, first, padding=1)), second, padding=1)


def sample(shape=(1, 1, 4, 5, 6)):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(shape, generator=generator), torch.randint(
        0, 3, (shape[0], *shape[2:]), generator=generator
    )


def rng(seed=0):
    return np.random.default_rng(seed)


# eps 0.25; PGD goes 4 steps of 0.15, which reach from one border to the other, so it ends there wherever it
# starts
ATTACKS = {
    "fgsm": lambda network, image, reference: adversarial.fgsm(network, image, reference, 0.25),
    "pgd": lambda network, image, reference: adversarial.pgd(network, image, reference, 0.25, 0.15, 4, None),
    "pgd from a random start": lambda network, image, reference: adversarial.pgd(
        network, image, reference, 0.25, 0.15, 4, rng()
    ),
    "segpgd": lambda network, image, reference: adversarial.segpgd(
        network, image, reference, 0.25, 0.15, 4, rng()
    ),
    "noise": lambda network, image, reference: adversarial.noise(image, 0.25, rng()),
}
EVERY = pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())


@pytest.mark.parametrize("attack", [ATTACKS[name] for name in ("fgsm", "pgd", "pgd from a random start")])
def test_the_worst_image_of_a_linear_network_is_found(attack):
    assert attack(linear, IMAGE, REFERENCE) == pytest.approx(WORST)


# voxels that are wrong weigh nothing in the first step, and count from the second
def test_segpgd_finds_it_too_from_the_image():
    found = adversarial.segpgd(linear, IMAGE, REFERENCE, 0.25, 0.15, 4, None)
    assert found == pytest.approx(WORST)


@EVERY
def test_no_voxel_changes_by_more_than_eps(attack):  # and float32 rounds
    image, reference = sample()
    assert (attack(tangled(), image, reference) - image).abs().max() <= 0.25 + 1e-6


@EVERY
def test_the_same_inputs_give_the_same_image(attack):
    image, reference = sample()
    assert attack(tangled(), image, reference).equal(attack(tangled(), image, reference))


@EVERY
def test_the_image_that_is_handed_in_stays_as_it_is(attack):
    image, reference = sample()
    attack(tangled(), image, reference)
    assert image.equal(sample()[0])
    assert not image.requires_grad


# from 0 within 1: fgsm ends at 1, pgd within a step of 0.3
def test_pgd_finds_a_maximum_that_one_step_overshoots():
    image, reference = torch.zeros((1, 1, 1, 1, 1)), torch.zeros((1, 1, 1, 1), dtype=torch.long)
    assert adversarial.fgsm(bump, image, reference, 1).item() == 1
    assert adversarial.pgd(bump, image, reference, 1, 0.07, 30, None).item() == pytest.approx(0.3, abs=0.07)


@pytest.mark.parametrize("attack", ["pgd", "pgd from a random start"])
def test_pgd_raises_the_loss_more_than_fgsm_and_fgsm_more_than_noise(attack):
    image, reference = sample()
    loss = {
        name: adversarial.cross_entropy(
            tangled()(ATTACKS[name](tangled(), image, reference)), reference
        ).item()
        for name in ATTACKS
    }
    clean = adversarial.cross_entropy(tangled()(image), reference).item()
    assert loss[attack] > loss["fgsm"] > max(clean, loss["noise"])


def test_pgd_without_a_step_is_its_random_start():
    image, reference = sample((1, 1, 10, 10, 10))
    start = (adversarial.pgd(tangled(), image, reference, 0.25, 0.1, 0, rng(3)) - image).numpy()
    assert start.ravel() == pytest.approx(rng(3).uniform(-0.25, 0.25, 1000), abs=1e-6)


def test_noise_is_eps_up_or_down():
    image, _ = sample((1, 1, 10, 10, 10))
    change = adversarial.noise(image, 0.25, rng()) - image
    assert change.abs() == pytest.approx(torch.full_like(change, 0.25), abs=1e-6)
    assert 400 < (change > 0).sum() < 600  # of 1000; 6 binomial SDs are 95


def test_an_attack_works_where_gradients_are_off():
    with torch.no_grad():
        assert adversarial.fgsm(linear, IMAGE, REFERENCE, 0.25) == pytest.approx(WORST)


def test_an_attack_leaves_no_gradient_on_the_weights():
    network = torch.nn.Conv3d(1, 2, 1)
    adversarial.fgsm(network, IMAGE, REFERENCE, 0.25)
    assert [weight.grad for weight in network.parameters()] == [None, None]


# Two voxels of label 0: logits 1 and 0, which is right, and 0 and 2, which is wrong. Cross-entropies ln(1 +
# 1/e) and ln(1 + e²).
RIGHT, WRONG = math.log(1 + math.exp(-1)), math.log(1 + math.exp(2))
LOGITS = torch.tensor([[[[[1.0, 0.0]]], [[[0.0, 2.0]]]]])


@pytest.mark.parametrize(
    ("number", "steps", "expected"),
    [
        (1, 4, RIGHT / 2),  # λ = 0: wrong voxels weigh nothing
        (3, 4, (0.75 * RIGHT + 0.25 * WRONG) / 2),  # λ = 2 / 8
        (4, 4, (0.625 * RIGHT + 0.375 * WRONG) / 2),  # λ = 3 / 8
        (1, 1, RIGHT / 2),
    ],
)
def test_the_loss_of_segpgd_by_hand(number, steps, expected):
    assert adversarial.segmentation_loss(
        LOGITS, torch.zeros((1, 1, 1, 2), dtype=torch.long), number, steps
    ).item() == pytest.approx(expected)


def test_segpgd_counts_its_steps_from_one():  # (number, steps) of each call
    seen = []

    def loss(logits, reference, number, steps):
        seen.append((number, steps))
        return logits.sum()

    adversarial.pgd(linear, IMAGE, REFERENCE, 0.25, 0.1, 3, None, loss)
    assert seen == [(1, 3), (2, 3), (3, 3)]
