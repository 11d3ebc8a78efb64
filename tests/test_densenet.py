"""densenet: how its blocks grow, and how deep it is."""

import torch

from radiotrace.learning.networks import densenet
from radiotrace.records.network import NetworkSpec


# Huang et al. 2017: layer l of a block with k0 channels and growth k takes k0 + k (l - 1)
def test_each_layer_takes_what_all_before_it_gave():
    block = densenet.DenseBlock(12, 32, (3, 3, 3))
    assert [layer[0].in_channels for layer in block.layers] == [12, 20, 28, 36]
    assert [layer[0].out_channels for layer in block.layers] == [8, 8, 8, 8]
    assert block.compression[0].in_channels == 44


def test_a_block_keeps_the_size_and_gives_what_it_is_asked_for():
    assert densenet.DenseBlock(4, 8, (1, 3, 3))(torch.randn(2, 4, 3, 5, 7)).shape == (2, 8, 3, 5, 7)


def test_the_first_layer_reaches_the_last_convolution_unchanged():
    block = densenet.DenseBlock(4, 8, (3, 3, 3))
    seen = []
    block.compression.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    image = torch.randn(1, 4, 3, 5, 7)
    block(image)
    assert torch.equal(seen[0][:, :4], image)


def test_a_level_has_a_block_on_each_way_and_the_lowest_one():
    network = densenet.DenseNet(NetworkSpec("densenet", (8, 16, 32, 64), 3))
    assert (len(network.encoder), len(network.decoder)) == (4, 3)
    assert [densenet.level(network, level, 4) for level in range(4)] == [*network.decoder, network.encoder[3]]
