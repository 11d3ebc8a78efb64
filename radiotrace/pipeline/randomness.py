"""Randomness: a generator for each purpose, so that no result depends on workers, order or restarts."""

import hashlib

import numpy as np


def generator(seed: int, *purpose: int | str) -> np.random.Generator:
    """The generator of one purpose, such as one pass over one case: the same whenever and wherever it is
    asked for.

    Args:
        purpose: whole numbers of 0 or more, and names.
    """
    return np.random.default_rng([seed, *(_number(one) if isinstance(one, str) else one for one in purpose)])


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
