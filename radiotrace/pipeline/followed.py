"""How far a stage is among its cases, for who waits: lines of the log, and nothing of an output."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from radiotrace import errors

EVERY_S = 10
Item = TypeVar("Item")


def followed(items: Iterable[Item], number: int, stage: str) -> Iterator[Item]:
    """The items; a line every ten seconds says how many are done, and how long the others will take.

    Args:
        number: of items there will be.
    """
    begin = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if done < number and now - last >= EVERY_S:
            last, left_s = now, (now - begin) / done * (number - done)
            errors.log(f"{stage}: {done}/{number} cases, {_words(left_s)} left")


def _words(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
