"""Steps: work in an order, of which what is done and still holds is not done again.

Nothing is kept between two runs: each step looks at the files, so that work which was killed goes on where it
was. Knows nothing of what the steps do; `release` is made of them.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from radiotrace.errors import StageError, log

AGAIN = "Then give the same command again: it goes on from here, and what was done stays done."


@dataclass(frozen=True)
class State:
    """How a step stands.

    Attributes:
        done: whether there is nothing to do.
        why: for people, in one line: what shows that it is done, or what is missing.
        findings: everything that is missing, where a line cannot say it.
    """

    done: bool
    why: str
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """A step.

    Attributes:
        name: of the step, in the log and in `plan`.
        state: looks at how it stands, and changes nothing; a StageError says that it is not done.
        run: does it; raises StageError where it cannot. Killed at any moment, it must be able to run again.
        of_people: whether only people can do it: then `run` raises, and says who must do what.
    """

    name: str
    state: Callable[[], State]
    run: Callable[[], None]
    of_people: bool = False


def look(step: Step) -> State:
    """How a step stands; what cannot be looked at is not done."""
    try:
        return step.state()
    except StageError as error:
        return State(False, error.headline, tuple(error.findings))


def advance(steps: Sequence[Step]) -> None:
    """Does what is to do, in order, and looks at the end whether all of it still holds.

    Raises:
        StageError: a step failed, or ran and is not done, or was undone by what came after it.
    """
    for step in steps:
        state = look(step)
        if state.done:
            log(f"{step.name}: done already: {state.why}")
            continue
        log(f"{step.name}: to do: {state.why}")
        _take(step)
    undone = []
    for step in steps:
        state = look(step)
        if not state.done:
            undone.append(f"{step.name}: {state.why}")
    if undone:
        raise StageError("what was done no longer holds: something was changed meanwhile", undone, AGAIN)


def _take(step: Step) -> None:
    """Runs a step, and believes that it is done only when it looks so."""
    started = time.monotonic()
    try:
        step.run()
    except StageError as error:
        raise StageError(
            f"stopped at '{step.name}': {error.headline}", error.findings, f"{error.way_out}\n{AGAIN}".strip()
        ) from None
    after = look(step)
    if not after.done:
        raise StageError(
            f"stopped at '{step.name}': it ran, and is not done: {after.why}", after.findings, AGAIN
        )
    log(f"{step.name}: done in {time.monotonic() - started:.1f} s: {after.why}")


def plan(steps: Sequence[Step]) -> list[tuple[str, str, str]]:
    """What `advance` would do now: name, 'done', 'to do', 'waits' (for people) or 'look again', and why.

    What stands behind a step that is to do may change by it, so that what looks done there is looked at
    again.
    """
    rows, is_open = [], False
    for step in steps:
        state = look(step)
        if state.done:
            word = "look again" if is_open else "done"
        else:
            word = "waits" if step.of_people else "to do"
            is_open = True
        rows.append((step.name, word, state.why))
    return rows
