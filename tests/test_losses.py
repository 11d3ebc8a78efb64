"""losses: values that a hand can compute."""

import math

import pytest
import torch
from monai.losses import DiceCELoss, FocalLoss, TverskyLoss

from radiotrace.segmentation import losses

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = {
    "class_weights": None,
    "tversky_alpha": 0.3,
    "tversky_beta": 0.7,
    "focal_tversky_gamma": 0.75,
    "focal_gamma": 2.0,
}
WEIGHTS = [1.0, 2.0, 3.0]

# A patch of four voxels of labels 1, 1, 0, 2, and of three labels. Where every probability is 1/3:
#   label 1: Σ p t = 2/3, Σ p = 4/3, Σ t = 2, so that TP = 2/3, FP = 2/3, FN = 4/3
#   label 2: Σ p t = 1/3, Σ p = 4/3, Σ t = 1, so that TP = 1/3, FP = 1, FN = 2/3
# 2/5, 2/7
DICE_1, DICE_2 = 2 * (2 / 3) / (4 / 3 + 2), 2 * (1 / 3) / (4 / 3 + 1)
# 10/27, 10/33
TVERSKY_1, TVERSKY_2 = (
    (2 / 3) / (2 / 3 + 0.3 * 2 / 3 + 0.7 * 4 / 3),
    (1 / 3) / (1 / 3 + 0.3 * 1 + 0.7 * 2 / 3),
)
SMALL = 2e-5  # what smoothing may move


def loss(name: str, labels: int = 3, **settings) -> torch.nn.Module:
    return losses.build(losses.Settings(name, **SETTINGS | settings), labels)


def faults(**settings) -> list[str]:
    return losses.faults(losses.Settings("dice_ce", **SETTINGS | settings), 3)


def target(*patches) -> torch.Tensor:
    """One-hot patches (n, 3, 1, 2, 2) from the labels of four voxels each."""
    return (
        torch.nn.functional.one_hot(torch.tensor(patches), 3).movedim(-1, 1).reshape(-1, 3, 1, 2, 2).float()
    )


PATCH = target((1, 1, 0, 2))
PAIR = target((1, 1, 0, 2), (0, 1, 0, 0))


def heads(*logits) -> torch.Tensor:
    return torch.stack(logits, 1)


def uniform(of: torch.Tensor) -> torch.Tensor:
    return heads(torch.zeros_like(of))


def perfect(of: torch.Tensor) -> torch.Tensor:
    """Sure and right."""
    return heads(50 * of)


def random(n=2, count=1) -> torch.Tensor:
    return 2 * torch.randn(n, count, 3, 1, 2, 2, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dice_ce", 1 - (DICE_1 + DICE_2) / 2 + math.log(3)),
        ("dice_focal", 1 - (DICE_1 + DICE_2) / 2 + (2 / 3) ** 2 * math.log(3)),
        ("tversky", 1 - (TVERSKY_1 + TVERSKY_2) / 2),
        ("focal_tversky", ((1 - TVERSKY_1) ** 0.75 + (1 - TVERSKY_2) ** 0.75) / 2),
    ],
)
def test_a_uniform_prediction_costs_what_the_formula_says(name, expected):
    assert loss(name)(uniform(PATCH), PATCH).item() == pytest.approx(expected, abs=SMALL)


# Class weights 1, 2, 3 have the mean 2. A voxel of label c weighs w: (2 + 2 + 1 + 3) / 4 / 2 = 1; overlaps
# weigh 2/5 and 3/5.
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dice_ce", 1 - (2 * DICE_1 + 3 * DICE_2) / 5 + math.log(3)),
        ("dice_focal", 1 - (2 * DICE_1 + 3 * DICE_2) / 5 + (2 / 3) ** 2 * math.log(3)),
        ("tversky", 1 - (2 * TVERSKY_1 + 3 * TVERSKY_2) / 5),
        ("focal_tversky", (2 * (1 - TVERSKY_1) ** 0.75 + 3 * (1 - TVERSKY_2) ** 0.75) / 5),
    ],
)
def test_class_weights_weigh_voxels_and_overlaps(name, expected):
    assert loss(name, class_weights=WEIGHTS)(uniform(PATCH), PATCH).item() == pytest.approx(
        expected, abs=SMALL
    )


# one voxel of four has label 1: (3·1 + 2) / 4 / 2 · ln 3
def test_class_weights_of_cross_entropy_have_a_constant_divisor():
    one = target((0, 1, 0, 0))
    weighted = losses.cross_entropy(
        torch.full((1, 3, 4), -math.log(3)), one.flatten(2), torch.tensor(WEIGHTS)
    )
    assert weighted.item() == pytest.approx(5 / 8 * math.log(3))


@pytest.mark.parametrize("name", losses.NAMES)
def test_only_the_ratio_of_class_weights_counts(name):
    doubled = loss(name, class_weights=[2 * weight for weight in WEIGHTS])
    assert torch.allclose(doubled(random(), PAIR), loss(name, class_weights=WEIGHTS)(random(), PAIR))


@pytest.mark.parametrize("name", losses.NAMES)
def test_equal_class_weights_are_none(name):
    assert torch.allclose(
        loss(name, class_weights=[1.0, 1.0, 1.0])(random(), PAIR), loss(name)(random(), PAIR)
    )


# Soft targets 1/3 everywhere and uniform probabilities: Σ p t = 4/9, Σ p = Σ t = 4/3, TP = 4/9, FP = FN =
# 8/9, both labels alike.
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dice_ce", 1 - 2 * (4 / 9) / (8 / 3) + math.log(3)),
        ("dice_focal", 1 - 2 * (4 / 9) / (8 / 3) + (2 / 3) ** 2 * math.log(3)),
        # TI = 4/9 / (4/9 + 0.3·8/9 + 0.7·8/9) = 1/3
        ("tversky", 1 - 1 / 3),
        ("focal_tversky", (2 / 3) ** 0.75),
    ],
)
def test_soft_targets_are_shares_of_voxels(name, expected):
    soft = torch.full_like(PATCH, 1 / 3)
    assert loss(name)(uniform(soft), soft).item() == pytest.approx(expected, abs=SMALL)


# label 1 everywhere: TP 2, FP 2; label 2: nothing right
def test_the_tversky_loss_weighs_false_positives_by_alpha():
    everywhere = perfect(target((1, 1, 1, 1)))
    assert loss("tversky")(everywhere, PATCH).item() == pytest.approx(
        (1 - 2 / (2 + 0.3 * 2) + 1) / 2, abs=SMALL
    )


# one voxel of two: TP 1, FN 1; label 2 right
def test_the_tversky_loss_weighs_false_negatives_by_beta():
    half = perfect(target((1, 0, 0, 2)))
    assert loss("tversky")(half, PATCH).item() == pytest.approx((1 - 1 / (1 + 0.7 * 1) + 0) / 2, abs=SMALL)


def test_the_tversky_loss_with_halves_is_dice():
    halves = loss("tversky", tversky_alpha=0.5, tversky_beta=0.5)(random(), PAIR)
    p = torch.softmax(random()[:, 0].flatten(2), 1)
    assert torch.allclose(halves, losses.dice(p, PAIR.flatten(2), torch.ones(3)), atol=SMALL)


def test_focal_tversky_with_exponent_1_is_tversky():
    assert torch.equal(
        loss("focal_tversky", focal_tversky_gamma=1.0)(random(), PAIR), loss("tversky")(random(), PAIR)
    )


def test_focal_with_exponent_0_is_cross_entropy():
    assert torch.allclose(
        loss("dice_focal", focal_gamma=0.0)(random(), PAIR), loss("dice_ce")(random(), PAIR)
    )


@pytest.mark.parametrize("name", losses.NAMES)
# focal Tversky: the clamp, (1e-6)^0.75
def test_a_perfect_prediction_costs_nothing(name):
    assert loss(name)(perfect(PATCH), PATCH).item() == pytest.approx(0, abs=1e-6**0.75 + 1e-6)


# Dice 0 for both labels; cross-entropy = the logit
def test_a_sure_and_wrong_prediction_costs_1_and_its_logit():
    wrong = heads(20 * target((2, 2, 1, 0)))
    assert loss("dice_ce")(wrong, PATCH).item() == pytest.approx(1 + 20, abs=1e-3)


@pytest.mark.parametrize("name", losses.NAMES)
@pytest.mark.parametrize("logit", [0, 5, 10, 50, 1000])
def test_the_gradient_is_finite_up_to_a_perfect_prediction(name, logit):
    logits = (logit * heads(PATCH)).requires_grad_()
    loss(name, focal_gamma=0.5)(logits, PATCH).sum().backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("name", losses.NAMES)
@pytest.mark.parametrize("logits", [uniform, perfect], ids=["uniform", "perfect"])
def test_absent_labels_have_a_finite_value_and_gradient(name, logits):
    background = target((0, 0, 0, 0))
    prediction = logits(background).requires_grad_()
    value = loss(name)(prediction, background).sum()
    value.backward()
    assert value.isfinite()
    assert prediction.grad.isfinite().all()


@pytest.mark.parametrize("name", losses.NAMES)
def test_a_sample_costs_the_same_in_any_batch(name):
    prediction, labels = random(4, count=2), target((1, 1, 0, 2), (0, 1, 0, 0), (0, 0, 0, 0), (2, 2, 2, 1))
    criterion = loss(name, class_weights=WEIGHTS)
    parts = [criterion(prediction[at : at + 1], labels[at : at + 1]) for at in range(4)]
    assert torch.equal(criterion(prediction, labels), torch.cat(parts))


@pytest.mark.parametrize("name", losses.NAMES)
def test_equal_heads_cost_what_one_costs(name):
    one = random()
    assert torch.allclose(loss(name)(torch.cat([one, one, one], 1), PAIR), loss(name)(one, PAIR))


@pytest.mark.parametrize("head", range(3))
def test_each_head_weighs_half_as_much_as_the_one_above(head):  # 1, 1/2, 1/4 over 7/4
    logits = [50 * PATCH] * 3
    logits[head] = torch.zeros_like(PATCH)
    alone = loss("dice_ce")(uniform(PATCH), PATCH).item()
    assert loss("dice_ce")(heads(*logits), PATCH).item() == pytest.approx(
        2.0**-head / 1.75 * alone, abs=SMALL
    )


def test_dice_ce_is_monai_s():
    monai = DiceCELoss(include_background=False, softmax=True, batch=False)
    assert loss("dice_ce")(random(), PAIR).mean().item() == pytest.approx(
        monai(random()[:, 0], PAIR).item(), rel=1e-6
    )


def test_the_tversky_loss_is_monai_s():
    monai = TverskyLoss(include_background=False, softmax=True, alpha=0.3, beta=0.7)
    assert loss("tversky")(random(), PAIR).mean().item() == pytest.approx(
        monai(random()[:, 0], PAIR).item(), rel=1e-6
    )


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
# MONAI takes the mean over the labels too, we the sum
def test_the_focal_loss_is_monai_s_over_labels(gamma):
    log_p = torch.log_softmax(random()[:, 0].flatten(2), 1)
    ours = losses.focal(log_p, log_p.exp(), PAIR.flatten(2), torch.ones(3), gamma).mean()
    assert ours.item() == pytest.approx(
        3 * FocalLoss(gamma=gamma, use_softmax=True)(random()[:, 0], PAIR).item(), rel=1e-5
    )


@pytest.mark.parametrize("name", losses.NAMES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_logits_of_any_type_are_judged_in_float32(name, dtype):
    prediction = random().to(dtype)
    value = loss(name)(prediction, PAIR)
    assert value.dtype == torch.float32
    assert torch.equal(value, loss(name)(prediction.float(), PAIR))


@pytest.mark.parametrize("name", losses.NAMES)
def test_the_gradient_is_that_of_finite_differences(name):
    prediction = random(1).double()
    with torch.no_grad():
        step = torch.zeros_like(prediction)
        step[0, 0, 1, 0, 1, 0] = 1e-2
        slope = (loss(name)(prediction + step, PATCH) - loss(name)(prediction - step, PATCH)).item() / 2e-2
    prediction.requires_grad_()
    loss(name)(prediction, PATCH).sum().backward()
    assert prediction.grad[0, 0, 1, 0, 1, 0].item() == pytest.approx(slope, rel=1e-3, abs=1e-5)


def test_integer_labels_are_refused():  # they would broadcast
    with pytest.raises(ValueError, match=r"found \(1, 1, 1, 2, 2\), expected \(1, 3, 1, 2, 2\)"):
        loss("dice_ce")(uniform(PATCH), PATCH[:, :1])


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="'hinge'"):
        loss("hinge")


def test_class_weights_are_as_many_as_the_labels():
    assert faults(class_weights=[1.0, 2.0]) == [
        "train.class_weights: found 2 values, expected 3 (background first)"
    ]


def test_class_weights_that_fit_are_no_fault():
    assert faults(class_weights=WEIGHTS) == faults() == []
