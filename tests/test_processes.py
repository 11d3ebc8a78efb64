"""Training in two processes of this machine: what one process learns, the same bytes every time, and one
message."""

import json
import shutil

import pytest
import yaml

from tests import projects

pytestmark = pytest.mark.slow
FP32 = {"precision": "fp32", "accelerator": "cpu", "epochs": 3}


@pytest.fixture(scope="module")
def trained(reproduced, tmp_path_factory):
    """A function that trains on a number of devices and returns the finished process and the folder
    written, or None."""
    project = projects.clone(reproduced, tmp_path_factory.mktemp("processes") / "clone")
    projects.run(project, "dvc", "pull", "-q")
    command = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]["train"]["cmd"].split()

    def train(devices: int, **changes):
        projects.set_params(project, train=FP32 | {"devices": devices, "gradient_limit": 10000} | changes)
        shutil.rmtree(project / "build/train", ignore_errors=True)
        done = projects.run(project, *command, check=False)
        return done, project / "build/train"

    return train


@pytest.fixture(scope="module")
def one(trained):
    return json.loads((trained(1)[1] / "train.json").read_text())["history"]


@pytest.fixture(scope="module")
def two(trained, tmp_path_factory):
    """The outputs of two processes, kept."""
    done, folder = trained(2)
    assert "2 x cpu" in done.stderr
    return shutil.copytree(folder, tmp_path_factory.mktemp("two") / "train")


# Gradients are summed in another order: 2^-24 = 6e-8 relative a step in fp32, which AdamW enlarges over the
# steps.
def test_two_processes_have_the_loss_curve_of_one(one, two):
    history = json.loads((two / "train.json").read_text())["history"]
    assert [row["train_loss"] for row in history] == pytest.approx(
        [row["train_loss"] for row in one], rel=1e-5
    )


def test_two_processes_have_the_validation_dice_of_one(one, two):
    history = json.loads((two / "train.json").read_text())["history"]
    assert [row["validation_dice"] for row in history] == [
        pytest.approx(row["validation_dice"], abs=0.005) for row in one
    ]


def test_two_processes_write_the_same_bytes_every_time(trained, two):
    again = trained(2)[1]
    files = sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file())
    assert len(files) >= 3
    assert {path: (again / path).read_bytes() for path in files} == {
        path: (two / path).read_bytes() for path in files
    }


def test_a_fault_ends_both_processes_with_one_message(trained):
    done, folder = trained(2, gradient_limit=1e-9)
    assert (
        done.returncode,
        done.stderr.count("gradient norm is"),
        "Traceback" in done.stderr,
        folder.exists(),
    ) == (1, 1, False, False)


def test_a_batch_that_cannot_be_shared_out_is_refused(trained):
    done, _ = trained(2, batch_size=3)
    assert done.returncode == 1
    assert "train.batch_size: found 3, expected a multiple of 2 (devices x nodes x accumulate)" in done.stderr
