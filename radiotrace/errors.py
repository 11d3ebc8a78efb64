"""Errors that a user can mend, and the log. Below everything: imports nothing of this project."""

import io
import sys

LINES_MAX = 100  # of a list that is printed
LINE_LENGTH_MAX = 1000  # of one finding that is printed


def shown(text: str) -> str:
    """A text that came from outside, as it may be printed: what steers a terminal, or is not seen, is
    written as \\x1b is."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


def listed(lines) -> list[str]:
    """The first lines of a list, each fit to be printed, and how many more there are."""
    lines = list(lines)
    first = [shown_short(line) for line in lines[:LINES_MAX]]
    return [*first, f"and {len(lines) - LINES_MAX} more"] if len(lines) > LINES_MAX else first


def shown_short(line: str) -> str:
    """A text that came from outside, fit to be printed in a list."""
    n_more = len(line) - LINE_LENGTH_MAX
    return shown(line if n_more <= 0 else f"{line[:LINE_LENGTH_MAX]}… ({n_more} more characters)")


class StageError(Exception):
    """A fault that a user can mend: a headline, every finding on a line of its own, the way out.

    `findings` has all of them; its text, which is printed, has as many as anybody reads, and no character
    that is not seen.
    """

    def __init__(self, headline: str, findings=(), way_out: str = ""):
        self.headline, self.findings, self.way_out = headline, list(findings), way_out
        way_outs = way_out.split("\n") if way_out else []
        super().__init__(
            "\n".join(
                [
                    *map(shown, headline.split("\n")),
                    *(f"  {line}" for line in listed(self.findings)),
                    *map(shown, way_outs),
                ]
            )
        )

    def __reduce__(self):
        # else a worker's error would lose its parts on the way
        return StageError, (self.headline, self.findings, self.way_out)


def log(message: str) -> None:
    """A line for the person waiting, on stderr, shown at once."""
    print("\n".join(map(shown, message.split("\n"))), file=sys.stderr, flush=True)


def for_any_terminal() -> None:
    """Lets what is printed reach every terminal: a letter that its encoding lacks comes out as \\xfc is, and
    ends nothing. Called where a command or a stage starts."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a test may have put something else there
            stream.reconfigure(errors="backslashreplace")
