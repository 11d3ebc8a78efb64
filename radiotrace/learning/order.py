"""Order: which samples make which step, and which process takes which of them.

Numbers alone: what a sample is, the learner of a task knows.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from radiotrace.pipeline import randomness

ORDER, SAMPLE = 1, 2  # purposes that randomness is drawn for; a learner takes others


class Draw(NamedTuple):
    """A sample to be drawn: the position of its case in the part, and which of the case's samples it is."""

    case: int
    number: int

    def generator(self, seed: int, epoch: int, case_id: str) -> np.random.Generator:
        """All that is random about the sample. By the name of the case: its position may change."""
        return randomness.generator(seed, SAMPLE, epoch, f"{case_id}/{self.number}")


@dataclass(frozen=True)
class Order:
    """How an epoch is cut into steps, and a step into the shares of processes and their micro-batches.

    The samples of a step do not depend on the number of processes or micro-batches: those only share them
    out.
    """

    batch_size: int  # samples of a step, over all processes
    processes: int = 1
    accumulate: int = 1  # micro-batches of a step on one process
    samples_per_case: int = 1

    def steps(self, cases: int) -> int:
        """Steps of an epoch; a last incomplete one is left out."""
        return cases * self.samples_per_case // self.size(cases)

    def size(self, cases: int) -> int:
        """Samples of a step: as asked, or as many as an epoch has and the shares allow.

        Raises:
            ValueError: an epoch has fewer samples than there are shares.
        """
        shares = self.processes * self.accumulate
        size = min(self.batch_size, cases * self.samples_per_case) // shares * shares
        if not size:
            raise ValueError(f"{cases * self.samples_per_case} samples for {shares} shares")
        return size

    def epoch(self, cases: int, seed: int, epoch: int) -> list[list[Draw]]:
        """What each step draws, in a new order each epoch."""
        shuffled = randomness.generator(seed, ORDER, epoch, "").permutation(cases * self.samples_per_case)
        draws = [Draw(int(place) % cases, int(place) // cases) for place in shuffled]
        size = self.size(cases)
        return [draws[start : start + size] for start in range(0, len(draws) - size + 1, size)]

    def shares(self, draws: list[Draw], number: int) -> list[list[Draw]]:
        """The micro-batch of a number, of each process."""
        size = len(draws) // (self.processes * self.accumulate)
        firsts = [(process * self.accumulate + number) * size for process in range(self.processes)]
        return [draws[first : first + size] for first in firsts]
