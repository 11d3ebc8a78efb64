"""Adversarial examples against those of adversarial-robustness-toolbox 1.20.1, on a classifier."""

import numpy as np
import pytest
import torch
from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescent
from art.estimators.classification import PyTorchClassifier

from radiotrace.segmentation import adversarial

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def classifier() -> torch.nn.Module:
    """20 numbers to 4 classes, of fixed weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(20, 12), torch.nn.Tanh(), torch.nn.Linear(12, 4)
        )


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(32, 1, 20)).astype(np.float32), rng.integers(0, 4, 32)


def theirs(network) -> PyTorchClassifier:
    return PyTorchClassifier(network, torch.nn.CrossEntropyLoss(), (1, 20), 4, device_type="cpu")


@pytest.mark.parametrize("eps", [0.03, 0.3])
def test_fgsm_gives_the_examples_of_art(classifier, samples, eps):
    images, classes = samples
    found = adversarial.fgsm(classifier, torch.from_numpy(images), torch.from_numpy(classes), eps).numpy()
    assert found == pytest.approx(
        FastGradientMethod(theirs(classifier), eps=eps).generate(images, classes), abs=1e-6
    )


@pytest.mark.parametrize(("eps", "step", "steps"), [(0.3, 0.15, 5), (0.3, 0.02, 10), (1.5, 0.4, 7)])
# from the images: the random starts of art are its own
def test_pgd_gives_the_examples_of_art(classifier, samples, eps, step, steps):
    images, classes = samples
    found = adversarial.pgd(
        classifier, torch.from_numpy(images), torch.from_numpy(classes), eps, step, steps, None
    ).numpy()
    attack = ProjectedGradientDescent(
        theirs(classifier), eps=eps, eps_step=step, max_iter=steps, num_random_init=0, verbose=False
    )
    assert found == pytest.approx(attack.generate(images, classes), abs=1e-5)
    # what is compared is an attack that works
    assert (classifier(torch.from_numpy(found)).argmax(1).numpy() != classes).mean() > 0.5
