"""Child: a process of its own that reads files from outside, under a limit of memory and of time.

A header may ask for any amount of both, and a decoder may crash: then the child ends, the file is refused,
and the next one gets a new child. It reads many files, because it takes a second to start. Knows no format.
"""

import contextlib
import errno
import multiprocessing
import os
import resource
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

STARTING_SECONDS = 120  # until a new process has imported what it needs
WAITED = 10  # times the limit, by the clock on the wall: of a busy machine, or of a process that waits
POLL_SECONDS = 0.5
OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE)  # no fault of a file
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
        seconds: for one call, of the processor, so that a busy machine refuses nothing else than an idle one.
    """

    file_bytes: int = 2 * 2**30
    pixel_bytes: int = 2 * 2**30
    memory_bytes: int = 8 * 2**30
    seconds: float = 60


def nothing() -> None:
    """Where what is called imports what it needs."""


class Child:
    """Calls functions in another process, one at a time; use it as a context manager.

    Args:
        ready: called once in each new process before anything else, to import what it needs, so that the
            limit of time is that of files alone.
    """

    def __init__(self, limits: Limits, ready: Callable[[], None] = nothing):
        self.limits = limits
        self._ready = ready
        self._context = multiprocessing.get_context("spawn")
        self._process: Any = None
        self._pipe: Any = None
        self._begun = 0.0
        self._is_asked = False
        self._broken: Refused | None = None

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def call(self, function: Callable, *args: Any) -> Any:
        """What the function returns there.

        Raises:
            Refused: the function did, or anything else went wrong, or it took too much time or memory.
            OSError: the disk is full, or the like.
        """
        self.ask(function, *args)
        return self.answer()

    def ask(self, function: Callable, *args: Any) -> None:
        """Lets the function begin there; `answer` says what it returns. What nobody took is left."""
        if self._is_asked:
            with contextlib.suppress(Refused, OSError):
                self.answer()
        self._is_asked, self._broken = True, None
        try:
            if self._process is None:
                self._start()
            self._send(function, args)
        except Refused as refused:  # which is the answer
            self._broken = refused

    def answer(self) -> Any:
        """As `call`, of what was asked last."""
        self._is_asked = False
        if self._broken is not None:
            raise self._broken
        return self._received(self.limits.seconds)

    def _send(self, function: Callable, args: tuple) -> None:
        try:
            self._begun = self._used_seconds()
            self._pipe.send((function, args))
        except OSError:
            raise self._broken_off() from None

    def _received(self, seconds: float) -> Any:
        end = time.monotonic() + WAITED * seconds
        try:
            while not self._pipe.poll(min(POLL_SECONDS, seconds)):
                if self._used_seconds() - self._begun > seconds or time.monotonic() > end:
                    self._end()
                    raise Refused(f"took longer than {seconds:g} s to read")
            answer, refusal = self._pipe.recv()
        except (EOFError, OSError):
            raise self._broken_off() from None
        if isinstance(refusal, OSError):
            raise refusal
        if refusal is not None:
            raise Refused(refusal)
        return answer

    def _used_seconds(self) -> float:
        """Of the processor, by all threads of the other process, since it began.

        Raises:
            OSError: there is no such process.
        """
        return time.clock_gettime((~self._process.pid << 3) | 2)  # as clock_getcpuclockid(3) makes it

    def _broken_off(self) -> Refused:
        self._end()
        return Refused("the process that read it broke off: too much memory, or a decoder crashed")

    def _start(self) -> None:
        self._pipe, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self.limits.memory_bytes), daemon=True)
        process.start()
        self._process = process
        theirs.close()
        try:
            self._send(self._ready, ())
            self._received(STARTING_SECONDS)
        except Refused:
            self._end()
            raise

    def _end(self) -> None:
        if self._process is not None:
            self._pipe.close()
            self._process.kill()
            self._process.join()
        self._process = self._pipe = None


_OF_THREAD = threading.local()


def lasting(limits: Limits, ready: Callable[[], None]) -> Child:
    """The child of this thread for such calls, which lasts until the thread or this process ends: for one
    file after another, wherever they are asked for."""
    children: dict[tuple[Limits, Callable], Child] = _OF_THREAD.__dict__.setdefault("children", {})
    return children.setdefault((limits, ready), Child(limits, ready))


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


def _answer(function: Callable, args: tuple) -> tuple[Any, str | OSError | None]:
    """What a function returns, and why it returns nothing."""
    try:
        return function(*args), None
    except Refused as error:
        return None, str(error)
    except MemoryError:
        return None, "needs more memory than a file may take"
    except RecursionError:
        return None, "sequences are nested too deeply"
    except Exception as error:  # noqa: BLE001 - whatever a damaged file makes a library raise
        if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
            return None, OSError(error.errno, error.strerror, error.filename)
        return None, f"cannot be read ({type(error).__name__})"
