"""Runtimes: what onnx_network.py and openvino_network.py share."""

from collections.abc import Callable
from contextlib import contextmanager

from radiotrace.errors import StageError

# For one pass of a network through a window: hundreds of times what a pass takes on two slow cores.
PASS_SECONDS = 600


@contextmanager
def told(runtime: str, what: str, cause: Callable[[list[str]], str] = lambda lines: lines[0]):
    """Turns what a runtime raises into a StageError.

    Args:
        what: it was to do with the network, such as "load".
        cause: the line that says why, of those that it gives.
    """
    try:
        yield
    except StageError:
        raise
    except Exception as error:  # noqa: BLE001 - exceptions of runtimes have no common class
        lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise StageError(f"{runtime} does not {what} the network", [cause(lines)]) from None


def too_long(seconds: float) -> StageError:
    """A pass did not end in time."""
    return StageError(
        "the network does not end",
        [f"one pass took longer than {seconds:g} s"],
        "Take the folder anew, where it is not of who you think; else use a machine with more cores.",
    )
