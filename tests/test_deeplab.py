"""deeplab: its interpolation, its reach, its levels."""

import pytest
import torch

from radiotrace.learning import architecture
from radiotrace.learning.networks import deeplabv3plus
from radiotrace.records.network import NetworkSpec

pytestmark = pytest.mark.usefixtures("deterministic")


# 0 4 -> centres at -1/4, 1/4, 3/4, 5/4: 0 1 3 4
def test_doubling_is_linear_interpolation_between_centres():
    assert deeplabv3plus.double(torch.tensor([[[[[0.0, 4.0]]]]])).tolist() == [[[[[0, 1, 3, 4]] * 2] * 2]]


def test_doubling_is_torch_s_trilinear():
    image = torch.randn(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(
        deeplabv3plus.double(image),
        torch.nn.functional.interpolate(image, scale_factor=2, mode="trilinear"),
        atol=1e-6,
    )


def test_doubling_takes_a_single_voxel():
    assert deeplabv3plus.double(torch.ones(1, 1, 1, 1, 1)).tolist() == torch.ones(1, 1, 2, 2, 2).tolist()


@pytest.mark.parametrize(("levels", "expected"), [(3, 4), (4, 8), (5, 8), (6, 8)])
def test_the_encoder_shrinks_by_eight_at_most(levels, expected):
    spec = NetworkSpec("deeplabv3plus", (8,) * levels, 3)
    assert deeplabv3plus.multiple(spec) == (expected,) * 3


def test_levels_beyond_a_stride_of_eight_are_dilated():
    network = deeplabv3plus.DeepLabV3Plus(NetworkSpec("deeplabv3plus", (8,) * 5, 3))
    strided = [(level.body[0][0].stride[0], level.body[0][0].dilation[0]) for level in network.encoder]
    assert strided == [(1, 1), (2, 1), (2, 1), (2, 1), (1, 2)]


def test_the_pyramid_dilates_as_its_branches_say():
    assert [branch[0].dilation[0] for branch in deeplabv3plus.Pyramid(8, 8).branches] == [1, 1, 2, 3]


@pytest.mark.parametrize("norm", ["instance", "group"])
# instance norm after the projection would take it away
def test_the_mean_of_a_level_counts(norm):
    network = architecture.build(NetworkSpec("deeplabv3plus", (8, 8, 8), 3, norm=norm), seed=0)
    image = torch.randn(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    logits = network(image)
    with torch.no_grad():
        network.body.pyramid.whole.bias += 1
    assert (network(image) - logits).abs().max() > 0.1


def test_a_dilated_residual_block_keeps_the_size():
    assert deeplabv3plus.Residual(4, 8, stride=1, dilation=2)(torch.randn(1, 4, 5, 6, 7)).shape == (
        1,
        8,
        5,
        6,
        7,
    )
