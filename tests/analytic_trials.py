"""Trials whose validation is a formula, for searches that are killed.

    python -m tests.analytic_trials SPACE LEDGER COUNT DIES_IN

DIES_IN is the number of a trial in which the process kills itself, or -1.
"""

import math
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from radiotrace.search import space as spaces
from radiotrace.search import trials
from radiotrace.search.experiments import Trained

EPOCHS = 5
BASE = "b" * 64
FAILING = {4: "loss is nan in epoch 1, step 2 of 3"}  # trials that fail, and why


class Analytic:
    """Best at a rate of 0.003 and a width of 8; it looks at the curve after each epoch, or only at its end.

    Args:
        is_late: whether it is told only at the end that a trial is over.
    """

    def __init__(self, dies_in: int = -1, is_late: bool = False):
        self.dies_in, self.is_late = dies_in, is_late
        self.kept: list[tuple[int, str]] = []

    def name(self, number: int) -> str:
        return f"analytic-{number:04d}"

    def train(
        self, number: int, values: Mapping[str, Any], is_over: Callable[[Sequence[float | None]], bool]
    ) -> Trained:
        if number == self.dies_in:
            os.kill(os.getpid(), signal.SIGKILL)
        if number in FAILING:
            return Trained(None, (), None, None, FAILING[number])
        best = 1 - 0.1 * abs(math.log10(values["train.learning_rate"] / 0.003))
        best -= 0.05 * abs(values["train.features"][0] - 8) / 8
        curve: list[float | None] = []
        for epoch in range(1, EPOCHS + 1):
            curve.append(best * (1 - 0.5**epoch))
            if not self.is_late and is_over(curve):
                return Trained("dice", tuple(curve), None, None, "ended")
        return Trained("dice", tuple(curve), "a" * 64, "c" * 64, None)

    def keep(self, number: int, values: Mapping[str, Any], why: str) -> None:
        self.kept.append((number, why))

    def forget(self, number: int) -> None:
        """Has nothing to remove."""


def main(space: str, ledger: str, count: str, dies_in: str) -> None:
    """A search."""
    trials.run(spaces.read(space), ledger, BASE, int(count), Analytic(int(dies_in)), print)


if __name__ == "__main__":
    main(*sys.argv[1:])
