"""Balance: offsets of the logits with which the predicted volumes of a part are right in sum.

A Dice loss gains from a voxel as soon as its odds exceed half the Dice that is reached, so that a network
trained on it makes everything a little too large: Bertels et al. 2019, arXiv:1911.02278. The voxels in
question are few and uncertain; giving them back costs hardly any Dice.
"""

from collections.abc import Iterator

import torch

from radiotrace.learning.cases import Cases
from radiotrace.segmentation.dataset import Sample

LEARNT_MAX = 200  # cases that the network has learnt from, of a larger part spread evenly over it
LIMIT = 1.0  # of an offset: what needs more is no matter of balance
ROUNDS = 5  # over the labels, each of which takes voxels from the others
HALVINGS = 12
STEP = 2 * LIMIT / 2**HALVINGS


def among(held_out: Cases[Sample], learnt: Cases[Sample]) -> Iterator[Sample]:
    """The cases over which volumes are balanced: all that were held out, then LEARNT_MAX at most of those
    that the network has learnt from.

    The few cases of a validation part are off by chance, by more than what a network that has seen its cases
    errs on them: an offset is one number for each label, and hardly to be learnt by heart. Where nothing is
    held out, as in a fold of a cross-validation, those that were learnt from are all there is.
    """
    yield from held_out
    number = min(len(learnt), LEARNT_MAX)
    for index in range(number):
        yield learnt[index * len(learnt) // number]


def is_at_limit(offset: float) -> bool:
    """Whether an offset went as far as it may, so that volumes are not balanced by it."""
    return abs(offset) >= LIMIT - STEP


def offsets(cases) -> tuple[list[float], list[float | None]]:
    """One offset for each label, to be added to the logits of every case to come.

    Args:
        cases: (logits (labels, z, y, x) float32, reference (z, y, x) integer) of each case, one case at
            least; seen once, one at a time.

    Returns:
        The offsets, between -LIMIT and LIMIT: at the limit where no balance lies within, 0 for the background
            and for a label that no reference holds. And by which share the predicted volume of each label was
            too large without them, in sum; None for a label that no reference holds.
    """
    sure = wanted = torch.tensor(0)
    unsure = []
    for logits, reference in cases:
        labels = len(logits)
        first, second = logits.topk(2, 0).values
        near = first - second < 2 * LIMIT  # the others keep their label, whatever the offsets
        unsure.append(logits[:, near])
        sure = sure + torch.bincount(logits.argmax(0)[~near], minlength=labels)
        wanted = wanted + torch.bincount(reference.flatten().long(), minlength=labels)
    logits, shifts = torch.cat(unsure, 1), torch.zeros(labels)

    def given():
        return sure + torch.bincount((logits + shifts[:, None]).argmax(0), minlength=labels)

    excess = [
        number / true - 1 if true else None
        for number, true in zip(given().tolist(), wanted.tolist(), strict=True)
    ]
    for _ in range(ROUNDS):
        for label in range(1, labels):
            if not wanted[label]:
                continue
            low, high = -LIMIT, LIMIT
            for _ in range(HALVINGS):
                shifts[label] = middle = (low + high) / 2
                low, high = (low, middle) if given()[label] > wanted[label] else (middle, high)
            shifts[label] = low
    return shifts.tolist(), excess
