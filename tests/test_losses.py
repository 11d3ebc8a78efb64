"""losses: values that a hand can compute."""
import math

import pytest
import torch

from radiotrace.learning import losses

pytestmark = pytest.mark.usefixtures("one_thread")

UNIFORM = (1 - 2 * (3 / 3) / (3 + 8 / 3) + 1 - 2 * (1 / 3) / (1 + 8 / 3)) / 2 + math.log(3)  # see the test of that name


@pytest.fixture
def loss():
    return losses.DeepSupervised()


def reference(*values) -> torch.Tensor:
    """Label maps of 1 x 2 x 2 voxels each."""
    return torch.tensor(values, dtype=torch.uint8).reshape(-1, 1, 1, 2, 2)


PAIR = reference(1, 1, 0, 2, 0, 1, 0, 0)                       # two patches: 3 voxels of label 1, 1 of label 2, 8 in all


def perfect(labels: torch.Tensor, logit=50.0) -> torch.Tensor:
    """Logits (n, labels, z, y, x) that are sure and right."""
    return logit * torch.nn.functional.one_hot(labels[:, 0].long(), 3).movedim(-1, 1).float()


def uniform(labels: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(perfect(labels))


def heads(*logits) -> torch.Tensor:
    return torch.stack(logits, 1)


def test_a_perfect_prediction_costs_nothing(loss):
    assert loss(heads(perfect(PAIR), perfect(PAIR)), PAIR).item() == pytest.approx(0, abs=1e-5)


def test_a_sure_and_wrong_prediction_costs_1_and_its_logit(loss):        # Dice 0 for both labels; cross-entropy = the logit
    wrong = perfect((PAIR + 1) % 3, logit=20.0)
    assert loss(heads(wrong, wrong), PAIR).item() == pytest.approx(1 + 20, abs=1e-3)


def test_a_uniform_prediction_pools_dice_over_the_batch(loss):
    # Every probability is 1/3. Label with n of N = 8 voxels in the whole batch: Dice = 2·(n/3) / (n + N/3); mean over labels 1 and 2
    # without the background; cross-entropy ln 3. Smoothing by 1e-5 moves the value by less than 1e-5.
    assert loss(heads(uniform(PAIR), uniform(PAIR)), PAIR).item() == pytest.approx(UNIFORM, abs=1e-5)


def test_equal_heads_cost_what_one_costs(loss):
    logits = torch.randn(2, 3, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    assert loss(heads(logits, logits), PAIR).item() == pytest.approx(loss(heads(logits), PAIR).item(), rel=1e-6)


def test_the_first_of_two_heads_weighs_two_thirds(loss):       # 1 / (1 + 1/2)
    assert loss(heads(uniform(PAIR), perfect(PAIR)), PAIR).item() == pytest.approx(2 / 3 * UNIFORM, abs=1e-5)


def test_the_second_of_two_heads_weighs_one_third(loss):
    assert loss(heads(perfect(PAIR), uniform(PAIR)), PAIR).item() == pytest.approx(1 / 3 * UNIFORM, abs=1e-5)


def test_a_patch_without_a_label_is_no_failure_of_dice(loss):  # label 2 is in the first patch alone; a perfect batch costs 0
    labels = reference(0, 2, 2, 1, 0, 0, 0, 1)
    assert loss(heads(perfect(labels)), labels).item() == pytest.approx(0, abs=1e-5)


def test_a_batch_without_foreground_has_a_finite_gradient(loss):
    labels = reference(0, 0, 0, 0)
    logits = uniform(labels).requires_grad_()
    loss(heads(logits), labels).backward()
    assert logits.grad.isfinite().all()


def test_bfloat16_heads_are_judged_in_float32(loss):
    logits = heads(uniform(PAIR)).bfloat16()
    assert loss(logits, PAIR).dtype == torch.float32
