"""progress: lines for the person waiting."""

import pytest

from radiotrace.learning import progress

ROW = {
    "epoch": 3,
    "train_loss": 0.4123,
    "learning_rate": 0.001,
    "gradient_norm_median": 1.0,
    "gradient_norm_max": 2.0,
    "validation_dice": {"anterior": 0.8714, "posterior": None},
}


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands where it is set."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


# 2 epochs of this process took 60 s; 7 are left: 210 s
def test_an_epoch_has_loss_dice_and_time_left(clock, capsys):
    shown = progress.Progress(10, 50, done=1, tensorboard=None, shown=True)
    clock[0] += 60
    shown.epoch(ROW, "dice")
    assert (
        capsys.readouterr().err
        == "train: epoch 3/10  loss 0.412  validation dice anterior 0.871  4 min left\n"
    )


def test_a_long_epoch_has_a_line_every_20_seconds(clock, capsys):  # 5 s a step
    shown = progress.Progress(2, 10, done=0, tensorboard=None, shown=True)
    for step in range(1, 10):
        clock[0] += 5
        shown.step(1, step, 0.5)
    assert (
        capsys.readouterr().err
        == "train: epoch 1/2  step 4/10  loss 0.500  80 s left\ntrain: epoch 1/2  step 8/10  loss 0.500  60 "
        "s left\n"
    )


def test_of_several_processes_the_others_are_silent(clock, capsys, tmp_path):
    silent = progress.Progress(10, 50, done=0, tensorboard=tmp_path / "events", shown=False)
    clock[0] += 60
    silent.step(1, 1, 0.5)
    silent.epoch(ROW, "dice")
    assert (capsys.readouterr().err, list(tmp_path.iterdir())) == ("", [])


def test_tensorboard_gets_every_defined_number(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    progress.Progress(10, 50, done=0, tensorboard=tmp_path, shown=True).epoch(ROW, "dice")
    events = EventAccumulator(str(tmp_path)).Reload()
    assert sorted(events.Tags()["scalars"]) == [
        "gradient_norm_max",
        "gradient_norm_median",
        "learning_rate",
        "train_loss",
        "validation_dice/anterior",
    ]
    assert [(event.step, round(event.value, 4)) for event in events.Scalars("train_loss")] == [(3, 0.4123)]
