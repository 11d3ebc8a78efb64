"""embedding: a vector from every network, which is what the lowest level gave."""

import numpy as np
import pytest
import torch

from radiotrace.inference import windows
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import architecture, dropout, embedding, grown
from radiotrace.records.network import NetworkSpec
from tests import phantoms

pytestmark = pytest.mark.usefixtures("one_thread")

every_network = pytest.mark.parametrize("name", list(grown.described(architecture.NAMES)))
RECIPE = Recipe(
    orientation="LPS",
    spacing_mm=None,
    channels=phantoms.channels(),
    patch_voxels=(16, 16, 16),
    window_voxels=(16, 16, 16),
    multiple=8,
)


def spec(name: str, **changes) -> NetworkSpec:
    return NetworkSpec(name, (8, 16, 32), 3, **changes)


def image(seed: int) -> torch.Tensor:
    return torch.randn(1, 1, 16, 24, 16, generator=torch.Generator().manual_seed(seed))


def embedded(network, asked, *images) -> np.ndarray:
    with embedding.watch(network, asked) as found, torch.no_grad():
        for one in images:
            network(one)
    return found()


@every_network
@pytest.mark.parametrize("share", [0, 0.5], ids=["without dropout", "with"])
def test_every_network_gives_a_number_for_each_channel_of_its_lowest_level(name, share):
    asked = spec(name, dropout=share)
    found = embedded(architecture.build(asked, seed=0).eval(), asked, image(1))
    assert found.shape == (32,)
    assert np.isfinite(found).all()
    assert found.std() > 0


@every_network
def test_another_image_has_another_embedding(name):
    network = architecture.build(spec(name), seed=0).eval()
    assert not np.allclose(*(embedded(network, spec(name), image(seed)) for seed in (1, 2)), rtol=1e-4)


@every_network
def test_listening_changes_no_logit_and_ends_with_the_block(name):
    network = architecture.build(spec(name), seed=0).eval()
    with torch.no_grad():
        before = network(image(1))
        with embedding.watch(network, spec(name)) as found:
            heard = network(image(1))
        first = found()
        network(image(2))
    assert torch.equal(before, heard)
    assert (found() == first).all()


def test_it_is_the_mean_over_space_of_the_bottleneck():  # of dynunet, by a second hook
    network, seen = architecture.build(spec("dynunet", deep_supervision=0), seed=0).eval(), []
    network.body.bottleneck.register_forward_hook(lambda module, inputs, output: seen.append(output))
    assert embedded(network, spec("dynunet"), image(1)) == pytest.approx(
        seen[0][0].mean((1, 2, 3)).numpy(), rel=1e-5
    )


def test_several_windows_give_their_mean():
    network = architecture.build(spec("unet"), seed=0).eval()
    one, other, both = (embedded(network, spec("unet"), *map(image, seeds)) for seeds in ((1,), (2,), (1, 2)))
    assert both == pytest.approx((one + other) / 2)


def test_dropout_does_not_reach_it():
    asked = spec("segresnet", dropout=0.5)
    network = architecture.build(asked, seed=0).eval()
    plain = embedded(network, asked, image(1))
    dropout.draw(network, [np.random.default_rng(0)])
    assert (embedded(network, asked, image(1)) == plain).all()


def test_a_network_that_did_not_compute_has_none():
    assert embedded(architecture.build(spec("unet"), seed=0), spec("unet")) is None


# an image of 18 x 22 x 14 voxels in windows of 16: more than one
def test_inference_over_windows_is_heard():
    network = architecture.build(spec("dynunet"), seed=0).eval()
    with embedding.watch(network, spec("dynunet")) as found:
        windows.segment(phantoms.image(phantoms.pair(0)[0]), network, RECIPE)
    assert found().shape == (32,)
