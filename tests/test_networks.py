"""networks: their weights, their shapes, their seed."""
import pytest
import torch

from radiotrace.learning import networks

pytestmark = pytest.mark.usefixtures("one_thread")

SPEC = {"name": "dynunet", "features": [4, 8, 8], "labels": 3}


@pytest.fixture
def network():
    return networks.build(SPEC, seed=0)


@pytest.fixture
def image():
    return torch.randn(2, 1, 16, 20, 12, generator=torch.Generator().manual_seed(1))


def copied(network) -> dict:
    return {name: value.clone() for name, value in networks.state(network).items()}


def test_state_names_each_weight_once(network):
    values = networks.state(network).values()
    assert len({value.data_ptr() for value in values}) == len(values)


def test_state_holds_every_weight(network):
    assert sum(value.numel() for value in networks.state(network).values()) == sum(value.numel() for value in network.parameters())


def test_the_number_of_weights_is_that_of_the_layers(network):
    def convolution(inputs, outputs, voxels=27):
        return inputs * outputs * voxels                       # no bias: instance norm takes it away

    norm = 2                                                   # scale and shift of each channel
    encoder = sum(convolution(one, two) + convolution(two, two) + 2 * norm * two for one, two in ((1, 4), (4, 8), (8, 8)))
    decoder = sum(convolution(below, own, 8) + convolution(2 * own, own) + convolution(own, own) + 2 * norm * own for below, own in ((8, 8), (8, 4)))
    heads = (4 + 1) * 3 + (8 + 1) * 3                          # 1 x 1 x 1 with bias, to three labels, at two resolutions
    assert sum(value.numel() for value in networks.state(network).values()) == encoder + decoder + heads


def test_load_state_restores_outputs_exactly(network, image):
    other = networks.build(SPEC, seed=1)
    networks.load_state(other, copied(network))
    assert torch.equal(network.eval()(image), other.eval()(image))


def test_load_state_copies_and_does_not_share(network):
    other = networks.build(SPEC, seed=1)
    networks.load_state(other, networks.state(network))
    assert not {value.data_ptr() for value in network.parameters()} & {value.data_ptr() for value in other.parameters()}


def test_load_state_refuses_missing_weights(network):
    tensors = copied(network)
    name, _ = tensors.popitem()
    with pytest.raises(ValueError, match=name):
        networks.load_state(network, tensors)


def test_load_state_refuses_unknown_weights(network):
    with pytest.raises(ValueError, match="novel"):
        networks.load_state(network, copied(network) | {"novel": torch.zeros(1)})


def test_load_state_refuses_weights_of_another_shape(network):
    wider = networks.build(SPEC | {"labels": 4}, seed=0)
    with pytest.raises(ValueError, match=r"bias: found \(4,\), expected \(3,\)"):
        networks.load_state(network, copied(wider))


def test_one_seed_gives_one_network(network):
    again = networks.state(networks.build(SPEC, seed=0))
    assert all(torch.equal(value, again[name]) for name, value in networks.state(network).items())


def test_another_seed_gives_another_network(network, image):
    assert not torch.equal(network(image), networks.build(SPEC, seed=1)(image))


def test_building_does_not_disturb_torch_s_own_generator():
    before = torch.random.get_rng_state()
    networks.build(SPEC, seed=5)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_seed_does_not_depend_on_torch_s_own_generator(network):
    with torch.random.fork_rng():
        torch.manual_seed(123)
        other = networks.state(networks.build(SPEC, seed=0))
    assert all(torch.equal(value, other[name]) for name, value in networks.state(network).items())


def test_evaluation_gives_logits_of_each_label(network, image):
    assert network.eval()(image).shape == (2, 3, 16, 20, 12)


def test_training_gives_two_heads_at_full_resolution(network, image):
    assert network.train()(image).shape == (2, 2, 3, 16, 20, 12)


def test_the_first_training_head_is_the_evaluation_output(network, image):
    assert torch.equal(network.train()(image)[:, 0], network.eval()(image))


@pytest.mark.parametrize(("levels", "expected"), [(3, 4), (4, 8), (5, 16)])
def test_each_level_but_the_first_halves(levels, expected):
    assert networks.multiple({"features": [4] * levels}) == expected


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match="'resnet'"):
        networks.build(SPEC | {"name": "resnet"}, seed=0)
