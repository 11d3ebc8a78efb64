"""balance: volumes come out right in sum, and nothing else moves."""

import pytest
import torch

from radiotrace.segmentation import balance


def case(margins: list[float], reference: list[int]):
    """Two labels in a row of voxels: by how much the logit of label 1 exceeds the background's, and what
    is true."""
    logits = torch.tensor([[0.0] * len(margins), margins]).view(2, 1, 1, -1)
    return logits, torch.tensor(reference).view(1, 1, -1)


def volumes(cases, offsets) -> torch.Tensor:
    """Voxels that each label is given, over all cases."""
    shift = torch.tensor(offsets).view(-1, 1, 1, 1)
    return sum(
        torch.bincount((logits + shift).argmax(0).flatten(), minlength=len(offsets)) for logits, _ in cases
    )


def random_cases(number=3, labels=3, seed=0):
    """Smooth logits, and references that are somewhat smaller than their argmax."""
    rng = torch.Generator().manual_seed(seed)
    for _ in range(number):
        logits = torch.nn.functional.interpolate(
            3 * torch.randn(1, labels, 4, 5, 4, generator=rng), scale_factor=4, mode="trilinear"
        )[0]
        yield logits, (logits + torch.tensor([0.4, 0.0, -0.2]).view(-1, 1, 1, 1)).argmax(0)


# 4 are given, 2 are wanted: those of 0.2 and 0.4 must go, that of 0.6 must stay
def test_the_unsure_voxels_are_given_back():
    (background, offset), excess = balance.offsets([case([0.2, 0.4, 0.6, 5, -5], [0, 0, 1, 1, 0])])
    assert background == 0
    assert -0.6 < offset <= -0.4
    assert excess == [pytest.approx(1 / 3 - 1), 1]


def test_too_little_is_mended_too():
    (_, offset), excess = balance.offsets([case([-0.2, -0.4, 5], [1, 0, 1])])
    assert 0.2 <= offset < 0.4
    assert excess[1] == -0.5


def test_volumes_are_right_in_sum_over_cases_and_labels():
    cases = list(random_cases())
    offsets, excess = balance.offsets(cases)
    wanted = sum(torch.bincount(reference.flatten(), minlength=3) for _, reference in cases)
    before = volumes(cases, [0.0, 0.0, 0.0])
    assert excess == pytest.approx((before / wanted - 1).tolist(), abs=1e-6)
    assert (
        (volumes(cases, offsets) - wanted).abs().max() <= 0.002 * wanted.sum() < (before - wanted).abs().max()
    )
    assert offsets[1] - offsets[0] == pytest.approx(-0.4, abs=0.02)
    assert offsets[2] - offsets[0] == pytest.approx(-0.6, abs=0.02)


def test_all_that_was_held_out_counts_and_a_share_of_what_was_learnt_from(monkeypatch):
    monkeypatch.setattr(balance, "LEARNT_MAX", 3)
    assert list(balance.among(["a", "b"], list(range(9)))) == ["a", "b", 0, 3, 6]
    assert list(balance.among([], [5, 6])) == [5, 6]


def test_an_offset_does_not_pass_the_limit():
    assert balance.offsets([case([5, 5, 5], [1, 0, 0])])[0][1] == pytest.approx(-balance.LIMIT, abs=0.001)


def test_a_label_that_no_reference_holds_is_left_alone():
    offsets, excess = balance.offsets([case([0.2, -5, -5], [0, 0, 0])])
    assert (offsets, excess[1]) == ([0, 0], None)


def test_the_same_offsets_every_time_and_in_any_order():
    cases = list(random_cases())
    assert balance.offsets(cases) == balance.offsets(iter(cases))
    assert balance.offsets(cases)[0] == balance.offsets(cases[::-1])[0]
