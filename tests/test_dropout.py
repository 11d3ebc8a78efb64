"""dropout: which channels go, and whose generator decides."""

import numpy as np
import pytest
import torch

from radiotrace.learning import dropout


def dropped(seeds, channels=1000, share=0.25) -> torch.Tensor:
    """What is left of ones, (n, channels, 2, 2, 2)."""
    layer = dropout.ChannelDropout(channels, share)
    dropout.draw(layer, [np.random.default_rng(seed) for seed in seeds])
    return layer(torch.ones(len(seeds), channels, 2, 2, 2))


# 1/(1 - 0.25); the SD of the share of 1000 is 0.014
def test_a_share_of_the_channels_is_0_and_the_others_make_up_for_it():
    found = dropped([1])
    assert found.unique().tolist() == [0, pytest.approx(4 / 3)]
    assert (found == 0).float().mean().item() == pytest.approx(0.25, abs=0.05)


def test_a_channel_goes_as_a_whole():
    found = dropped([1, 2])
    assert torch.equal(found, found[:, :, :1, :1, :1].expand_as(found))


def test_samples_lose_other_channels():
    found = dropped([1, 2])
    assert not torch.equal(found[0], found[1])


def test_a_generator_decides_for_its_own_sample():
    assert torch.equal(dropped([1, 2])[1], dropped([2])[0])


def test_torch_s_own_generator_is_left_alone():
    before = torch.random.get_rng_state()
    dropped([1])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_everything_passes_before_and_after():
    layer, x = dropout.ChannelDropout(8, 0.5), torch.randn(1, 8, 2, 2, 2)
    assert layer(x) is x
    dropout.draw(layer, [np.random.default_rng(0)])
    assert not torch.equal(layer(x), x)
    dropout.draw(layer, None)
    assert layer(x) is x


def test_masks_are_no_part_of_the_weights():
    layer = dropout.ChannelDropout(8, 0.5)
    dropout.draw(layer, [np.random.default_rng(0)])
    assert layer.state_dict() == {}


def test_the_number_format_stays():
    layer = dropout.ChannelDropout(8, 0.5)
    dropout.draw(layer, [np.random.default_rng(0)])
    assert layer(torch.ones(1, 8, 1, 1, 1, dtype=torch.bfloat16)).dtype == torch.bfloat16
