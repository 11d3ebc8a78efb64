"""sampling: predictions that vary, by generators that are handed in, and come back to their place."""

import numpy as np
import pytest
import torch

from radiotrace.inference import windows
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture
from radiotrace.records.network import NetworkSpec
from radiotrace.segmentation import sampling
from tests import phantoms

RECIPE = Recipe("LPS", None, phantoms.channels(), (16, 20, 12), (32, 32, 32), multiple=4)
KINDS = pytest.mark.parametrize("kind", [sampling.with_dropout, sampling.with_augmentation])


@pytest.fixture(scope="module")
def network(deterministic):
    return architecture.build(NetworkSpec("dynunet", (4, 8, 8), 3, dropout=0.5), seed=3).eval()


@pytest.fixture(scope="module")
def image():
    return torch.from_numpy(phantoms.image_array(phantoms.label_array(), seed=1, scale=1.0))[None] - 0.3


def passes(kind, image, network, number=3, case_id="p_01", seed=0, bf16=False):
    return list(kind(image, network, RECIPE, sampling.generators(seed, "a kind", case_id, number), bf16))


@KINDS
def test_each_pass_gives_probabilities_of_the_image(kind, image, network):
    for found in passes(kind, image, network):
        assert found.shape == (3, *image.shape[1:])
        assert found.sum(0) == pytest.approx(1, abs=1e-5)


@KINDS
def test_passes_differ(kind, image, network):
    one, other, _ = passes(kind, image, network)
    assert np.abs(one - other).max() > 1e-4


@KINDS
def test_passes_are_the_same_every_time_and_stay_when_more_follow(kind, image, network):
    for one, other in zip(passes(kind, image, network, 2), passes(kind, image, network, 3), strict=False):
        assert np.array_equal(one, other)


@KINDS
@pytest.mark.parametrize("other", [{"case_id": "p_02"}, {"seed": 1}], ids=["case", "seed"])
def test_each_case_and_seed_has_its_own(kind, image, network, other):
    assert not np.array_equal(passes(kind, image, network, 1)[0], passes(kind, image, network, 1, **other)[0])


def test_dropout_is_off_afterwards(image, network):
    before = windows.predict(image, network, RECIPE)
    passes(sampling.with_dropout, image, network)
    assert windows.predict(image, network, RECIPE).equal(before)


def test_dropout_is_off_after_a_failure(image, network):
    before = windows.predict(image, network, RECIPE)
    with pytest.raises(AttributeError):
        list(sampling.with_dropout(image, network, None, sampling.generators(0, "a kind", "p_01", 1), False))
    assert windows.predict(image, network, RECIPE).equal(before)


def test_a_network_without_dropout_gives_the_same_every_time(image, deterministic):
    network = architecture.build(NetworkSpec("dynunet", (4, 8, 8), 3, dropout=0.0), seed=3).eval()
    one, other, _ = passes(sampling.with_dropout, image, network)
    assert np.array_equal(one, other)


def test_what_was_shifted_comes_back(image, monkeypatch):
    """A network that passes intensities on finds them where they were, as far as they do not vary."""
    monkeypatch.setattr(sampling.augmentation, "vary_intensity", lambda image, strength, rng: image)
    as_it_is = torch.softmax(torch.cat([image, -image]), 0).numpy()
    for found in passes(sampling.with_augmentation, image, lambda x: torch.cat([x, -x], 1), number=8):
        assert found == pytest.approx(as_it_is, abs=1e-5)


def test_the_image_is_shifted_in_every_direction(image, monkeypatch):
    """What the network is shown begins with 0 to 2 empty slices along each axis."""
    shown = []
    monkeypatch.setattr(
        sampling, "probabilities", lambda image, *_: shown.append(image[0]) or np.zeros((2, *image.shape[1:]))
    )
    passes(sampling.with_augmentation, image, None, number=12)
    for axis in range(3):
        empty = {int((one.movedim(axis, 0).flatten(1) != 0).any(1).int().argmax()) for one in shown}
        assert empty == {0, 1, 2}


def test_bf16_is_near_float32(image, network):
    one, other = (passes(sampling.with_dropout, image, network, 1, bf16=bf16)[0] for bf16 in (False, True))
    assert 0 < np.abs(one - other).max() < 0.05
