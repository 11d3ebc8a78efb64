"""checkpoints: a run that goes on ends where one that was not stopped ends."""

import copy
import json

import pytest
import torch

from radiotrace import records
from radiotrace.learning import architecture, checkpoints, state
from radiotrace.records.network import NetworkSpec

pytestmark = pytest.mark.usefixtures("one_thread")

SPEC = NetworkSpec("dynunet", (4, 8, 8), 3)
HISTORY = [{"epoch": 1, "learning_rate": 0.001, "train_loss": 1.25, "validation_dice": {"anterior": None}}]
FORMATS = pytest.mark.parametrize(
    "memory_format", [torch.contiguous_format, torch.channels_last_3d], ids=["contiguous", "channels_last"]
)


class Scaler:
    """A loss scale, as fp16 keeps it."""

    def __init__(self, scale=65536.0):
        self.scale = scale

    def state_dict(self) -> dict:
        return {"scale": self.scale}

    def load_state_dict(self, state: dict) -> None:
        self.scale = state["scale"]


class Run:
    """A network, its average and its optimizer, as train keeps them."""

    def __init__(self, seed=0, memory_format=torch.channels_last_3d):
        self.memory_format = memory_format
        self.network = architecture.build(SPEC, seed).to(memory_format=memory_format)
        self.ema = copy.deepcopy(self.network)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=0.01, foreach=True)
        self.precision = Scaler()

    def step(self, *numbers):
        for number in numbers:
            image = torch.randn(2, 1, 8, 12, 16, generator=torch.Generator().manual_seed(number)).to(
                memory_format=self.memory_format
            )
            self.optimizer.zero_grad()
            self.network(image).square().mean().backward()
            self.optimizer.step()
            with torch.no_grad():
                torch._foreach_lerp_(list(self.ema.parameters()), list(self.network.parameters()), 0.1)
        return self

    def save(self, folder, epoch=1, history=HISTORY) -> str:
        return checkpoints.save_epoch(
            folder, epoch, self.network, self.ema, self.optimizer, self.precision, history
        )

    def resume(self, folder) -> list[dict]:
        return checkpoints.resume(folder, self.network, self.ema, self.optimizer, self.precision)

    def state(self, part: str) -> dict[str, bytes]:
        tensors = {
            "network": lambda: state.of(self.network),
            "ema": lambda: state.of(self.ema),
            "optimizer": lambda: {
                f"{index}.{name}": value
                for index, moments in self.optimizer.state_dict()["state"].items()
                for name, value in moments.items()
            },
        }[part]()
        return {name: value.detach().contiguous().numpy().tobytes() for name, value in tensors.items()}


@pytest.fixture
def two_epochs(tmp_path):
    """A folder with the checkpoints of epochs 1 and 2, and the weights after epoch 1."""
    run = Run().step(1)
    run.save(tmp_path, 1)
    after_one = run.state("network")
    run.step(2).save(tmp_path, 2, [*HISTORY, HISTORY[0] | {"epoch": 2}])
    return tmp_path, after_one


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)


def change_the_history(path):
    content = path.read_bytes()
    assert b"1.25" in content
    path.write_bytes(content.replace(b"1.25", b"1.35"))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.requirement("SRS-TRAIN-2")
@FORMATS
@pytest.mark.parametrize("part", ["network", "ema", "optimizer"])
def test_resume_restores_bitwise(tmp_path, part, memory_format):
    saved, resumed = Run(memory_format=memory_format).step(1, 2), Run(seed=9, memory_format=memory_format)
    saved.save(tmp_path)
    resumed.resume(tmp_path)
    assert resumed.state(part) == saved.state(part)


@FORMATS
@pytest.mark.parametrize("part", ["network", "ema", "optimizer"])
def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(tmp_path, part, memory_format):
    uninterrupted, resumed = (
        Run(memory_format=memory_format).step(1, 2),
        Run(seed=9, memory_format=memory_format),
    )
    uninterrupted.save(tmp_path)
    resumed.resume(tmp_path)
    assert resumed.step(3, 4).state(part) == uninterrupted.step(3, 4).state(part)


# or each step of a resumed run would copy them
def test_moments_lie_in_memory_as_their_parameter_does(tmp_path):
    Run().step(1).save(tmp_path)
    resumed = Run(seed=9)
    resumed.resume(tmp_path)
    assert all(
        moments["exp_avg"].stride() == parameter.stride()
        for parameter, moments in resumed.optimizer.state.items()
    )


def test_resume_gives_the_history(tmp_path):
    sha256 = Run().step(1).save(tmp_path)
    assert Run().resume(tmp_path) == [HISTORY[0] | {"checkpoint_sha256": sha256}]


def test_resume_gives_the_loss_scale(tmp_path):
    saved, resumed = Run().step(1), Run()
    saved.precision.scale = 1024.0
    saved.save(tmp_path)
    resumed.resume(tmp_path)
    assert resumed.precision.scale == 1024.0


def test_the_history_so_far_stands_beside_the_checkpoint(tmp_path):
    Run().step(1).save(tmp_path)
    assert json.loads((tmp_path / checkpoints.HISTORY).read_text()) == HISTORY


def test_a_checkpoint_s_hash_is_that_of_its_file(tmp_path):
    sha256 = Run().step(1).save(tmp_path)
    assert sha256 == records.sha256(tmp_path / "epoch_00001.safetensors")


def test_two_runs_of_one_kind_have_one_hash(tmp_path):
    assert Run().step(1).save(tmp_path / "a") == Run().step(1).save(tmp_path / "b")


def test_without_a_checkpoint_there_is_no_history(tmp_path):
    assert Run().resume(tmp_path / "none") == []


def test_without_a_checkpoint_nothing_is_loaded(tmp_path):
    run = Run()
    run.resume(tmp_path)
    assert run.state("network") == Run().state("network")


def test_the_newest_checkpoint_is_used(two_epochs):
    assert [row["epoch"] for row in Run().resume(two_epochs[0])] == [1, 2]


def test_epochs_are_ordered_as_numbers(tmp_path):
    run = Run().step(1)
    run.save(tmp_path, 9)
    run.save(tmp_path, 10, [*HISTORY, *HISTORY])
    assert len(Run().resume(tmp_path)) == 2


@pytest.mark.requirement("SRS-TRAIN-2")
@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        flip_a_byte,
        change_the_history,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(bytes(path.stat().st_size)),
    ],
    ids=["truncated", "flipped", "history", "empty", "zeros"],
)
def test_a_damaged_newest_checkpoint_is_passed_over(two_epochs, damage):
    folder, after_one = two_epochs
    damage(folder / "epoch_00002.safetensors")
    resumed = Run(seed=9)
    resumed.resume(folder)
    assert resumed.state("network") == after_one


def test_a_damaged_checkpoint_is_named(two_epochs, capsys):
    truncate(two_epochs[0] / "epoch_00002.safetensors")
    Run().resume(two_epochs[0])
    assert "checkpoint epoch_00002.safetensors is damaged" in capsys.readouterr().err


def test_damaged_checkpoints_alone_are_none(two_epochs):
    for path in two_epochs[0].glob("epoch_*"):
        truncate(path)
    assert Run().resume(two_epochs[0]) == []


def test_damaged_checkpoints_alone_change_nothing(two_epochs):
    for path in two_epochs[0].glob("epoch_*"):
        truncate(path)
    run = Run()
    run.resume(two_epochs[0])
    assert run.state("network") == Run().state("network")


def test_the_two_newest_checkpoints_are_kept(tmp_path):
    run = Run()
    for epoch in (1, 2, 3, 4):
        run.save(tmp_path, epoch)
    assert names(tmp_path) == ["epoch_00003.safetensors", "epoch_00004.safetensors", checkpoints.HISTORY]


def test_forget_removes_the_folder(two_epochs):
    checkpoints.forget(two_epochs[0])
    assert not two_epochs[0].exists()


def test_forget_takes_a_missing_folder(tmp_path):
    checkpoints.forget(tmp_path / "none")
    assert names(tmp_path) == []
