"""pruning: fewer channels, or fewer weights that are not 0, of a trained network."""

import dataclasses

import pytest
import torch
from torch import nn

from radiotrace.learning import architecture, pruning
from radiotrace.records.network import NetworkSpec

SPEC = NetworkSpec("dynunet", (16, 24, 32), labels=3, dropout=0.3)
IMAGE = torch.randn(2, 1, 16, 16, 16, generator=torch.Generator().manual_seed(1))


def network(spec: NetworkSpec = SPEC, seed: int = 1) -> nn.Module:
    """With norms that are not all alike, as training leaves them."""
    built = architecture.build(spec, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in built.modules():
            if isinstance(module, (nn.InstanceNorm3d, nn.GroupNorm)):
                module.weight.copy_(torch.rand(module.weight.shape, generator=generator) + 0.5)
                module.bias.copy_(torch.randn(module.bias.shape, generator=generator))
    return built.eval()


def outputs(built: nn.Module) -> list[torch.Tensor]:
    """In evaluation and in training mode, without dropout."""
    for module in built.modules():
        if hasattr(module, "share"):
            module.share = 0.0
    with torch.no_grad():
        return [built.eval()(IMAGE), built.train()(IMAGE)]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"norm": "group"},
        {"deep_supervision": 0},
        {"features": (8, 16, 24, 32), "deep_supervision": 2},
        {
            "image_channels": 2,
            "strides": ((2, 2, 1), (2, 2, 2)),
            "kernels": ((3, 3, 1), (3, 3, 3), (3, 3, 3)),
        },
    ],
)
def test_a_network_that_keeps_all_its_channels_computes_the_same(changes):
    spec = dataclasses.replace(SPEC, **changes)
    wide = network(spec)
    same = pruning.narrowed(wide, spec, spec.features)
    image = torch.cat([IMAGE] * spec.image_channels, 1)
    with torch.no_grad():
        assert torch.equal(wide(image), same.eval()(image))


def test_channels_that_nothing_takes_are_the_ones_that_go():
    """Half of the channels of every layer are cut off by hand; without them the logits are the same."""
    wide, levels = network(), len(SPEC.features)
    layers = pruning._layers(wide, levels)
    widths = pruning._widths(layers)
    dead = {
        layer.gives: torch.arange(0, widths[layer.gives], 2)
        for layer in layers
        if layer.gives != pruning.LABELS
    }
    with torch.no_grad():
        for layer in layers:
            offset = 0
            for group in layer.takes:
                if group in dead:
                    layer.by_output[:, offset + dead[group]] = 0
                offset += widths[group]
    narrow = pruning.narrowed(wide, SPEC, (8, 12, 16))
    for before, after in zip(outputs(wide), outputs(narrow), strict=True):
        assert after == pytest.approx(before, abs=1e-4)


def test_a_network_that_was_cut_down_still_sees_what_its_teacher_does():
    """More than one whose weights are random, on heads of every level."""
    wide, features = network(), (16, 16, 24)
    cut = outputs(pruning.narrowed(wide, SPEC, features))
    fresh = outputs(network(dataclasses.replace(SPEC, features=features), seed=2))
    for ours, random, theirs in zip(cut, fresh, outputs(wide), strict=True):
        assert (ours - theirs).abs().mean() < (random - theirs).abs().mean()


def test_the_teacher_stays_as_it_is():
    wide = network()
    before = [parameter.clone() for parameter in wide.parameters()]
    pruning.narrowed(wide, SPEC, (8, 16, 24))
    pruning.sparse(wide, 0.5)
    assert all(torch.equal(one, two) for one, two in zip(before, wide.parameters(), strict=True))


@pytest.mark.parametrize("features", [(16, 24, 40), (16, 24), (16, 24, 32, 32)])
def test_channels_that_a_network_has_not_are_refused(features):
    with pytest.raises(ValueError, match="expected at most"):
        pruning.narrowed(network(), SPEC, features)


@pytest.mark.parametrize("changes", [{"name": "segresnet"}, {"upsampling": "pixelshuffle"}])
def test_a_network_whose_layers_are_not_known_is_refused(changes):
    spec = dataclasses.replace(SPEC, **changes)
    with pytest.raises(ValueError, match="expected"):
        pruning.narrowed(network(), spec, (8, 16, 24))


@pytest.mark.parametrize(
    ("features", "share", "expected"),
    [
        ((16, 32, 64, 128), 0.5, (8, 16, 32, 64)),
        ((16, 32, 64, 128), 0.7, (8, 24, 48, 88)),
        ((4, 8, 8), 0.5, (4, 4, 4)),
        ((4, 8, 8), 0.9, (4, 8, 8)),
        ((16, 32), 0.01, (8, 8)),
    ],
)
def test_channels_are_cut_down_to_multiples_that_processors_like(features, share, expected):
    assert pruning.narrower(features, share) == expected


def test_half_of_the_weights_are_zero_the_smallest_of_all_layers_together():
    wide = network()
    thinned = pruning.sparse(wide, 0.5)
    pairs = [
        (before.weight, after.weight)
        for before, after in zip(wide.modules(), thinned.modules(), strict=True)
        if isinstance(before, pruning.CONVOLUTIONS)
    ]
    before, after = (torch.cat([pair[side].detach().flatten() for pair in pairs]) for side in (0, 1))
    gone = after == 0
    assert int(gone.sum()) == round(0.5 * len(before))
    assert before[gone].abs().max() <= before[~gone].abs().min()
    assert torch.equal(before[~gone], after[~gone])
    assert pruning.zeros(thinned) - pruning.zeros(wide) == int(gone.sum())
    assert list(dict(thinned.named_parameters())) != []
    assert not dict(thinned.named_buffers()).keys() - dict(wide.named_buffers()).keys()  # no masks are left
