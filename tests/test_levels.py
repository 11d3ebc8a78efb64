"""levels: the module of each level, by the size of what it gives."""

import pytest
import torch

from radiotrace.learning import architecture, grown
from radiotrace.records.network import NetworkSpec

pytestmark = pytest.mark.usefixtures("one_thread")

EVERY = [
    (name, 4, level)
    for name in grown.described(architecture.NAMES)
    for level in architecture.levels(NetworkSpec(name, (8, 8, 8, 8), 3))
] + [("deeplabv3plus", 5, 3)]


def spec(name: str, count: int, **changes) -> NetworkSpec:
    return NetworkSpec(name, tuple(8 * 2**level for level in range(count)), 3, **changes)


def features(network, layer, edges) -> tuple[torch.Tensor, torch.Tensor]:
    """What a layer gives for an image of these edges, and the gradient of the logits with respect to it."""
    found = []
    handle = layer.register_forward_hook(
        lambda module, inputs, output: (output.retain_grad(), found.append(output))[1]
    )
    network.eval()(torch.randn(1, 1, *edges, generator=torch.Generator().manual_seed(0)))[
        :, 1
    ].sum().backward()
    handle.remove()
    return found[0], found[0].grad


@pytest.mark.parametrize(
    ("name", "count", "expected"),
    [
        ("dynunet", 4, [0, 1, 2, 3]),
        ("unet", 4, [1, 2, 3]),
        ("attention_unet", 3, [0, 1, 2]),
        ("segresnet", 2, [0, 1]),
        # its encoder stops at an eighth
        ("deeplabv3plus", 3, [0, 1, 2]),
        ("deeplabv3plus", 6, [0, 1, 2, 3]),
    ],
)
def test_a_network_has_the_levels_that_its_features_make(name, count, expected):
    assert list(architecture.levels(spec(name, count))) == expected


@pytest.mark.parametrize(("name", "count", "level"), EVERY)
def test_the_module_of_a_level_gives_its_resolution_and_the_logits_depend_on_it(name, count, level):
    asked = spec(name, count)
    network = architecture.build(asked, seed=0)
    found, gradient = features(network, architecture.level(network, asked, level), [8, 24, 16])
    assert found.shape[2:] == (8 // 2**level, 24 // 2**level, 16 // 2**level)
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("name", grown.described(architecture.NAMES))
def test_the_module_of_the_lowest_level_is_found_behind_dropout(name):
    asked = spec(name, 4, dropout=0.5)
    network = architecture.build(asked, seed=0)
    found, gradient = features(network, architecture.level(network, asked, 3), [8, 24, 16])
    assert found.shape[2:] == (1, 3, 2)
    assert gradient.abs().max() > 0


def test_the_module_of_a_level_is_found_below_a_network_without_deep_supervision():
    asked = spec("dynunet", 4, deep_supervision=0)
    network = architecture.build(asked, seed=0)
    assert features(network, architecture.level(network, asked, 2), [8, 24, 16])[0].shape[2:] == (2, 6, 4)


@pytest.mark.parametrize(
    ("name", "level", "expected"),
    [("dynunet", 4, "levels 0 to 3"), ("unet", 0, "levels 1 to 3"), ("segresnet", -1, "0 to 3")],
)
def test_a_level_that_a_network_has_not_is_refused(name, level, expected):
    with pytest.raises(ValueError, match=expected):
        architecture.level(architecture.build(spec(name, 4), seed=0), spec(name, 4), level)
