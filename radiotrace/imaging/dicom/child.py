"""Child: a process of its own that reads files from outside, under a limit of memory and of time.

A header may ask for any amount of both, and a decoder may crash: then the child ends, the file is refused,
and the next one gets a new child.
"""

import multiprocessing
import os
import resource
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

STARTING_SECONDS = 120  # until a new process has imported what it needs, on a busy machine
DEEPEST = 2000  # calls in each other: sequences that are nested deeper are refused


class Refused(Exception):
    """A file, or what is in it, that is not read; its text says why, without any text of the file's header
    but what it is told to have."""


@dataclass(frozen=True)
class Limits:
    """What one file may cost.

    Attributes:
        file_bytes: of a file as it lies there, and of a header that was inflated.
        pixel_bytes: of all its pixels, decoded; looked up in the header before anything is decoded.
        memory_bytes: of the process that reads it, its address space.
        seconds: for one call.
    """

    file_bytes: int = 2 * 2**30
    pixel_bytes: int = 2 * 2**30
    memory_bytes: int = 8 * 2**30
    seconds: float = 60


class Child:
    """Calls functions in another process, one at a time; use it as a context manager."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self._context = multiprocessing.get_context("spawn")
        self._process: Any = None
        self._pipe: Any = None

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def call(self, function: Callable, *args: Any) -> Any:
        """What the function returns there.

        Raises:
            Refused: the function did, or anything else went wrong, or it took too much time or memory.
        """
        seconds = self.limits.seconds
        if self._process is None:
            self._start()
            seconds += STARTING_SECONDS
        try:
            self._pipe.send((function, args))
            if not self._pipe.poll(seconds):
                self._end()
                raise Refused(f"took longer than {self.limits.seconds:g} s to read")
            is_good, answer = self._pipe.recv()
        except (EOFError, OSError):
            self._end()
            raise Refused(
                "the process that read it broke off: too much memory, or a decoder crashed"
            ) from None
        if not is_good:
            raise Refused(answer)
        return answer

    def _start(self) -> None:
        self._pipe, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=_serve, args=(theirs, self.limits.memory_bytes), daemon=True
        )
        self._process.start()
        theirs.close()

    def _end(self) -> None:
        if self._process is not None:
            self._pipe.close()
            self._process.kill()
            self._process.join()
        self._process = self._pipe = None


def _serve(pipe, memory_bytes: int) -> None:
    """Answers calls until the other side closes the pipe."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)  # decoders print what they think of a file, text of its header among it
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(DEEPEST)
    while True:
        try:
            function, args = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(_answer(function, args))


def _answer(function: Callable, args: tuple) -> tuple[bool, Any]:
    try:
        return True, function(*args)
    except Refused as error:
        return False, str(error)
    except MemoryError:
        return False, "needs more memory than a file may take"
    except RecursionError:
        return False, "sequences are nested too deeply"
    except Exception as error:  # noqa: BLE001 - whatever a damaged file makes a library raise
        return False, f"cannot be read ({type(error).__name__})"
