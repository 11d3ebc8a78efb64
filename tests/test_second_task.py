"""The seam between learning and the tasks: a task of another kind trains through it, and no task reaches
another."""

import dataclasses
from pathlib import Path

import pytest

from radiotrace.learning import architecture, checkpoints, devices, fit, state
from radiotrace.pipeline.closure import code_closure
from tests import second_task
from tests.second.radiotrace.second_task.learner import CLASSES, ClassificationLearner

pytestmark = pytest.mark.usefixtures("deterministic")

ROOT = Path(__file__).resolve().parent.parent
TRAIN = [f"{name}_{number}" for number in range(12) for name in CLASSES]
VALIDATION = [f"{name}_{number}" for number in range(100, 106) for name in CLASSES]
HARDWARE = devices.Hardware(
    accelerator="cpu", devices=1, nodes=1, strategy="auto", numerics="native", precision="fp32", threads=1
)
SETTINGS = fit.Settings(
    seed=0,
    epochs=8,
    patience_epochs=None,
    zero_epochs=8,
    batch_size=4,
    accumulate=1,
    samples_per_case=2,
    learning_rate=0.02,
    learning_rate_end=0.1,
    warm_up=0.1,
    weight_decay=0.01,
    gradient_clip=5,
    gradient_limit=1000,
    ema_share=0.25,
)


def trained(folder, **changes) -> tuple[dict[str, bytes], list[dict]]:
    """Bytes of the averaged weights, and the history."""
    learner = ClassificationLearner(second_task.pictures(TRAIN), second_task.pictures(VALIDATION, cache_mb=0))
    settings = dataclasses.replace(SETTINGS, **changes)
    network, history = fit.fit(learner, settings, devices.launch(HARDWARE), folder)
    return {name: value.detach().numpy().tobytes() for name, value in state.of(network).items()}, history


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("whole"))


def test_discs_and_rings_are_told_apart(whole):
    assert whole[1][-1]["validation_recall"] == {"disc": 1.0, "ring": 1.0}


def test_nothing_was_known_before(tmp_path):  # so that the score above was learnt
    _, history = trained(tmp_path, epochs=1, learning_rate=1e-9)
    assert 0.0 in history[0]["validation_recall"].values()


def test_the_second_task_gives_the_same_bytes_twice(whole, tmp_path):
    assert trained(tmp_path) == whole


def test_the_second_task_goes_on_after_a_kill_in_the_same_bytes(whole, tmp_path, monkeypatch):
    save_epoch = checkpoints.save_epoch

    def save_and_die(folder, epoch, *rest):
        digest = save_epoch(folder, epoch, *rest)
        if epoch == 3:
            raise KeyboardInterrupt
        return digest

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save_epoch", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path)
    assert trained(tmp_path) == whole


# it reaches 1, and can rise no further
def test_patience_follows_the_mean_of_the_scores(tmp_path):
    _, history = trained(tmp_path, epochs=20, patience_epochs=3)
    means = [fit.mean_defined(row["validation_recall"]) for row in history]
    assert len(history) < 20
    assert max(means) == max(means[:-3])


def closure(*roots: str) -> list[str]:
    choices = {architecture.PACKAGE: list(architecture.NAMES)}
    return code_closure(roots, packages=("radiotrace", "stages", "tests"), choices=choices)


def below(files: list[str], folder: str) -> list[str]:
    return [file for file in files if file.startswith(folder)]


def test_learning_reaches_no_task():
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "radiotrace/learning").rglob("*.py")]
    assert "radiotrace/learning/fit.py" in files
    assert below(closure(*files), "radiotrace/segmentation/") == []


def test_the_second_task_reaches_neither_the_first_nor_its_networks():
    files = closure("tests/second/radiotrace/second_task/learner.py")
    assert "radiotrace/learning/fit.py" in files
    assert below(files, "radiotrace/segmentation/") == []
    assert below(files, "radiotrace/learning/networks/") == []


def test_the_first_task_does_not_reach_the_second():
    files = closure("stages/segmentation/train.py")
    assert "radiotrace/segmentation/learner.py" in files
    assert below(files, "tests/") == []
