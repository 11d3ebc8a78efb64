"""Steps: their order, what is not done again, and how they go on after a stop or a kill."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from radiotrace.commands import steps
from radiotrace.commands.steps import State, Step
from radiotrace.errors import StageError

NAMES = ("gather", "measure", "sign")


def written(folder: Path, name: str, run=None, **options) -> Step:
    """A step that is done once a file is there; what runs is told in the file 'ran'."""

    def state() -> State:
        return State((folder / name).exists(), "it is there" if (folder / name).exists() else "it is missing")

    def act() -> None:
        with open(folder / "ran", "a") as file:
            file.write(f"{name}\n")
        if run is not None:
            run()
        (folder / name).touch()

    return Step(name, state, act, **options)


def ran(folder: Path) -> list[str]:
    return (folder / "ran").read_text().split() if (folder / "ran").exists() else []


def fail() -> None:
    raise StageError("no room", ["0 of 3 bytes"], "Make room.")


def test_steps_run_in_their_order(tmp_path):
    steps.advance([written(tmp_path, name) for name in NAMES])
    assert ran(tmp_path) == list(NAMES)


def test_what_is_done_is_not_done_again(tmp_path):
    (tmp_path / "gather").touch()
    steps.advance([written(tmp_path, name) for name in NAMES])
    assert ran(tmp_path) == ["measure", "sign"]


def test_what_no_longer_holds_is_done_again_and_nothing_else(tmp_path):
    steps.advance([written(tmp_path, name) for name in NAMES])
    (tmp_path / "measure").unlink()
    steps.advance([written(tmp_path, name) for name in NAMES])
    assert ran(tmp_path) == [*NAMES, "measure"]


def test_a_step_that_fails_stops_what_follows_and_says_the_way_out(tmp_path):
    with pytest.raises(StageError) as caught:
        steps.advance(
            [written(tmp_path, "gather"), written(tmp_path, "measure", fail), written(tmp_path, "sign")]
        )
    assert ran(tmp_path) == ["gather", "measure"]
    assert str(caught.value).splitlines() == [
        "stopped at 'measure': no room",
        "  0 of 3 bytes",
        "Make room.",
        steps.AGAIN,
    ]


def test_after_a_failure_the_same_command_goes_on(tmp_path):
    with pytest.raises(StageError):
        steps.advance(
            [written(tmp_path, "gather"), written(tmp_path, "measure", fail), written(tmp_path, "sign")]
        )
    steps.advance([written(tmp_path, name) for name in NAMES])
    assert ran(tmp_path) == ["gather", "measure", "measure", "sign"]


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def advanced(folder: Path, killed_at: str | None) -> int:
    """Exit status of a process that goes through the steps, and is killed in one of them."""

    def act() -> None:
        steps.advance([written(folder, name, killed if name == killed_at else None) for name in NAMES])

    process = multiprocessing.get_context("fork").Process(target=act)
    process.start()
    process.join()
    return process.exitcode


@pytest.mark.parametrize("name", NAMES)
def test_a_process_that_was_killed_in_a_step_goes_on_with_that_step(tmp_path, name):
    assert advanced(tmp_path, killed_at=name) == -signal.SIGKILL
    assert advanced(tmp_path, killed_at=None) == 0
    before = NAMES[: NAMES.index(name) + 1]
    assert ran(tmp_path) == [*before, *NAMES[len(before) - 1 :]]


def test_a_step_that_ran_and_is_not_done_is_a_fault_with_what_is_missing():
    state = State(False, "1 file is missing", ("gather",))
    with pytest.raises(StageError, match="it ran, and is not done: 1 file is missing") as caught:
        steps.advance([Step("gather", lambda: state, lambda: None)])
    assert caught.value.findings == ["gather"]


def test_what_a_later_step_undid_is_told(tmp_path):
    undo = written(tmp_path, "sign", (tmp_path / "gather").unlink)
    with pytest.raises(StageError, match="no longer holds") as caught:
        steps.advance([written(tmp_path, "gather"), undo])
    assert caught.value.findings == ["gather: it is missing"]


def test_a_state_that_cannot_be_looked_at_is_to_do_and_says_why():
    state = steps.look(Step("gather", fail, fail))
    assert state == State(False, "no room", ("0 of 3 bytes",))


def test_the_log_says_why_and_how_long(tmp_path, capsys):
    (tmp_path / "gather").touch()
    steps.advance([written(tmp_path, "gather"), written(tmp_path, "sign")])
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["gather: done already: it is there", "sign: to do: it is missing"]
    assert lines[2].startswith("sign: done in 0.")
    assert lines[2].endswith(" s: it is there")


def test_a_plan_says_of_each_step_what_is_to_do_and_does_nothing(tmp_path):
    for name in ("gather", "sign"):
        (tmp_path / name).touch()
    chosen = [written(tmp_path, name) for name in NAMES]
    chosen.append(written(tmp_path, "approve", of_people=True))
    assert steps.plan(chosen) == [
        ("gather", "done", "it is there"),
        ("measure", "to do", "it is missing"),
        ("sign", "look again", "it is there"),
        ("approve", "waits", "it is missing"),
    ]
    assert ran(tmp_path) == []
