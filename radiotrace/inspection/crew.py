"""Crew: several processes that read files from outside, each under limits, and the threads that ask them."""

import os
import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from radiotrace.imaging.child import Child, Limits

PROCESSES_MAX = 8
AHEAD = 8  # calls that wait for each process, so that a long list is not handed out at once


class Crew:
    """Calls functions in other processes, as many at a time as there are cores; a context manager."""

    def __init__(self, limits: Limits, ready: Callable, size: int | None = None):
        """
        Args:
            ready: as Child has it.
        """
        count = size or min(len(os.sched_getaffinity(0)), PROCESSES_MAX)
        self.size = count
        self._children = [Child(limits, ready) for _ in range(count)]
        self._idle: queue.SimpleQueue[Child] = queue.SimpleQueue()
        for child in self._children:
            self._idle.put(child)
        self._threads = ThreadPoolExecutor(count)

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        for child in self._children:
            child.__exit__()

    def call(self, function: Callable, *args: Any) -> Any:
        """What the function returns in one of the processes.

        Raises:
            Refused: as Child.call does.
        """
        child = self._idle.get()
        try:
            return child.call(function, *args)
        finally:
            self._idle.put(child)

    def each(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """function(item), run in a thread of this process, in the order of the items."""
        waiting: queue.SimpleQueue[Future] = queue.SimpleQueue()
        for item in items:
            waiting.put(self._threads.submit(function, item))
            if waiting.qsize() > self.size * AHEAD:
                yield waiting.get().result()
        while not waiting.empty():
            yield waiting.get().result()
