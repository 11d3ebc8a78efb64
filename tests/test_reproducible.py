"""Same inputs, same bytes: two clones at two paths, a killed run, and no trace of the machine in any
output."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests import projects

pytestmark = pytest.mark.slow
OUTPUTS = ("build", "metrics", "evidence", "dvc.lock")
# of the stages that are killed; that the others give the same bytes again, two clones show
AGAIN = ("ingest", "evaluate", "evidence")
STAGES = list(yaml.safe_load((projects.ROOT / "dvc.yaml").read_text())["stages"])


def contents(folder: Path, names=OUTPUTS) -> dict[str, bytes]:
    """Every output of a project, by path."""
    files = [
        path for name in names for path in [folder / name, *(folder / name).rglob("*")] if path.is_file()
    ]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.requirement("SRS-TRAIN-1")
def test_two_clones_at_two_paths_end_in_the_same_bytes(reproduced, tmp_path):
    other = projects.clone(reproduced, tmp_path / "a path of another length" / "clone")
    projects.run(other, "dvc", "repro", "--force")
    assert contents(other) == contents(reproduced)
    assert projects.run(other, "git", "status", "--porcelain").stdout == ""


def test_all_stages_left_their_outputs(reproduced):
    found = contents(reproduced)
    assert {
        "build/ingest/dataset.json",
        "build/validate/findings.json",
        "build/split/split.json",
        "build/train/weights.safetensors",
        "build/explain/explain.json",
        "build/report/index.html",
        "build/export/model.onnx",
        "metrics/metrics.json",
        "metrics/robustness.json",
        "evidence/manifest.json",
        "dvc.lock",
    } <= found.keys()


@pytest.mark.requirement("SRS-SEC-4")
def test_no_output_names_a_path_a_host_or_a_user_of_this_machine(reproduced):
    host, user = os.uname().nodename, Path.home().name
    marks = [
        str(reproduced),
        str(Path.home()) + "/",
        projects.sys.prefix,
        "site-packages",
        f"{user}@",
        *([host] if len(host) > 6 else []),
    ]
    told = [
        (path, mark)
        for path, content in contents(reproduced).items()
        for mark in marks
        if mark.encode() in content
    ]
    assert told == []


def test_no_record_holds_a_clock_time(reproduced):
    clock = re.compile(rb"20[2-9]\d-[01]\d-[0-3]\d[T ][0-2]\d:[0-5]\d")
    records = {
        path: content
        for path, content in contents(reproduced).items()
        if path.endswith((".json", ".svg", ".tsv", ".yaml", ".lock"))
    }
    assert len(records) > 20
    assert [path for path, content in records.items() if clock.search(content)] == []


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_killed_before_its_output_appears_leaves_none_and_is_made_again(reproduced, tmp_path, name):
    project = projects.clone(reproduced, tmp_path / "killed")
    projects.run(project, "dvc", "pull", "-q")
    stage = yaml.safe_load((project / "dvc.yaml").read_text())["stages"][name]
    command = stage["cmd"].split()[2:]
    made = project / command[command.index("--out") + 1]
    shutil.rmtree(made) if made.is_dir() else made.unlink()  # as DVC does before it runs a stage
    assert die_at(project, "os.rename", 1, command).returncode == -signal.SIGKILL
    assert not made.exists()
    assert list(project.rglob("*.partial")) != []
    if name not in AGAIN:
        return
    done = projects.run(project, "dvc", "repro", "--force", "--single-item", name)
    assert f"Running stage '{name}'" in done.stdout + done.stderr
    assert contents(project) == contents(reproduced)
    assert list(project.rglob("*.partial")) == []


# Two files are replaced after each of two epochs, the checkpoint and the history. 6 or more patches are drawn
# in each.
@pytest.mark.requirement("SRS-TRAIN-2")
@pytest.mark.parametrize(
    ("function", "call", "epochs_done"),
    [
        pytest.param("radiotrace.segmentation.augmentation.draw_patch", 2, 0, id="in epoch 1"),
        pytest.param("os.replace", 1, 0, id="writing checkpoint 1"),
        pytest.param("os.replace", 2, 1, id="after checkpoint 1"),
        pytest.param("radiotrace.segmentation.augmentation.draw_patch", -1, 1, id="in epoch 2"),
        pytest.param("os.replace", 5, 2, id="writing the weights"),
    ],
)
def test_a_killed_train_ends_in_the_same_bytes(reproduced, tmp_path, function, call, epochs_done):
    project = projects.clone(reproduced, tmp_path / "killed")
    projects.run(project, "dvc", "pull", "-q")
    shutil.rmtree(project / "build/train")
    if call == -1:  # the last patch of epoch 2; an epoch draws all whole batches, of 2, of the train part
        call = 2 * (
            json.loads((project / "build/split/split.json").read_text())["counts"]["train"]["cases"] // 2 * 2
        )
    command = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]["train"]["cmd"].split()[2:]
    assert die_at(project, function, call, command).returncode == -signal.SIGKILL
    assert len(list(project.glob(".checkpoints/*/*.safetensors"))) == epochs_done
    done = projects.run(project, "dvc", "repro", "--force", "--single-item", "train")
    assert (f"going on after epoch {epochs_done}" in done.stderr + done.stdout) == (epochs_done > 0)
    assert contents(project) == contents(reproduced)


def test_an_experiment_in_a_temporary_folder_goes_on_after_a_kill(reproduced, tmp_path):
    project, root = projects.clone(reproduced, tmp_path / "clone"), tmp_path / "checkpoints"
    projects.run(project, "dvc", "pull", "-q")
    command = ["dvc", "exp", "run", "--temp", "--name", "killed", "--set-param", "train.epochs=40", "train"]
    process = subprocess.Popen(
        command,
        cwd=project,
        env={**projects.environment(project), "RADIOTRACE_CHECKPOINTS": str(root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not list(root.glob("*/epoch_*.safetensors")):
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    command[command.index("killed")] = "resumed"
    done = projects.run(project, *command, RADIOTRACE_CHECKPOINTS=str(root))
    assert "going on after epoch" in done.stderr + done.stdout
    # with a cache of its own, so that this one is trained
    whole = projects.clone(reproduced, tmp_path / "whole")
    projects.run(whole, "dvc", "pull", "-q")
    projects.run(whole, *command)
    assert trained(project, "resumed") == trained(whole, "resumed")


def trained(project, experiment: str) -> dict:
    """What the lock file of an experiment says of stage train."""
    [ref] = projects.run(
        project, "git", "for-each-ref", "--format=%(refname)", f"refs/exps/**/{experiment}"
    ).stdout.split()
    return yaml.safe_load(projects.run(project, "git", "show", f"{ref}:dvc.lock").stdout)["stages"]["train"]


def test_dvc_repro_itself_killed_while_training_goes_on_and_ends_in_the_same_bytes(reproduced, tmp_path):
    project = projects.clone(reproduced, tmp_path / "killed")
    environment = projects.environment(project)
    projects.run(project, "dvc", "pull", "-q")
    process = subprocess.Popen(
        ["dvc", "repro", "--force", "--single-item", "train"],
        cwd=project,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not list(project.glob(".checkpoints/*/epoch_*.safetensors")):
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    projects.run(project, "dvc", "repro")
    assert contents(project) == contents(reproduced)


DIE_AT = """
import importlib, os, runpy, signal, sys
(where, _, name), number, module = sys.argv[1].rpartition("."), int(sys.argv[2]), sys.argv[3]
holder = importlib.import_module(where)
original, calls = getattr(holder, name), []

def dying(*arguments, **options):
    calls.append(arguments)
    if len(calls) == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **options)

setattr(holder, name, dying)
sys.argv = sys.argv[3:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def die_at(project: Path, function: str, number: int, command: list[str]) -> subprocess.CompletedProcess:
    """Runs a stage that ends by SIGKILL when it calls <function>, named with its module, for the n-th time.

    Args:
        command: module and arguments, as after `python -m`.
    """
    return projects.run(project, "python", "-c", DIE_AT, function, str(number), *command, check=False)
