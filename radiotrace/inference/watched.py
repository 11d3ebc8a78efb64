"""Watched: networks as sliding.py takes them that remember some of their windows.

What a network is given, or gives, is the same as without; so ranges are measured, and logits compared, on
what the network sees where it predicts, and on nothing else.
"""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from radiotrace.inference.sliding import Network


@dataclass
class Spread:
    """Some of a stream of unknown length, evenly spread: whenever they become too many, every second one is
    let go.

    Attributes:
        most: that are kept.
        kept: place in the stream, from 0 -> what was there.
    """

    most: int
    kept: dict[int, Any] = field(default_factory=dict)
    _step: int = 1

    def add(self, place: int, item: Any) -> None:
        if place % self._step:
            return
        self.kept[place] = item
        if len(self.kept) > self.most:
            self._step *= 2
            self.kept = {at: held for at, held in self.kept.items() if at % self._step == 0}


def inputs(labels: int, spread: Spread) -> Network:
    """A network that keeps what it is given, and says nothing.

    Args:
        labels: of its output.
    """
    places = count()

    def network(patch: np.ndarray) -> np.ndarray:
        spread.add(next(places), patch.copy())
        return np.zeros((len(patch), labels, *patch.shape[2:]), np.float32)

    return network


def outputs(network: Network, spread: Spread) -> Network:
    """The network, whose logits are kept."""
    places = count()

    def watched(patch: np.ndarray) -> np.ndarray:
        logits = network(patch)
        spread.add(next(places), logits.copy())
        return logits

    return watched


@dataclass
class Difference:
    """How far logits are from those of another network.

    Attributes:
        largest: NaN where a logit is not finite.
    """

    largest: float = 0.0

    def of(self, network: Network, expected: Spread) -> Network:
        """The network, whose logits are compared with those that another one gave of the same windows."""
        places = count()

        def watched(patch: np.ndarray) -> np.ndarray:
            logits, place = network(patch), next(places)
            if place in expected.kept:
                # np.maximum keeps a NaN, which max() of Python may lose
                distance = np.abs(logits - expected.kept[place]).max()
                self.largest = float(np.maximum(self.largest, distance))
            return logits

        return watched
