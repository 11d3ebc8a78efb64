"""search in a study of phantoms: real training, by DVC, killed and going on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from radiotrace.pipeline import params
from radiotrace.records import ledgers
from tests import projects

pytestmark = pytest.mark.slow
LEDGER, COUNT = "design/search_trials.jsonl", 4
SPACE = {
    "name": "rates",
    "seed": 3,
    "trials_random": 8,
    "parameters": [
        {
            "path": "train.learning_rate",
            "kind": "float",
            "low": 0.0001,
            "high": 0.05,
            "log": True,
            "reason": "how far a step goes",
        },
        {
            "path": "train.gradient_limit",
            "kind": "choice",
            "values": [10000, 0.000001],
            "reason": "the second one stops training",
        },
    ],
    "fixed": [{"path": "train.epochs", "value": 4, "reason": "long enough to be killed"}],
    "pruning": {"rule": "median", "trials_before": 1, "epochs_before": 1},
}
COMMAND = [sys.executable, "-m", "radiotrace", "search", "--trials", str(COUNT)]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Ready to be searched; it runs up to split, so that trials only train."""
    folder = projects.create(tmp_path_factory.mktemp("project"), cases=12)
    (folder / "design/search.yaml").write_text(json.dumps(SPACE))
    projects.run(folder, "dvc", "repro", "-q", "split")
    projects.run(folder, "dvc", "push", "-q")
    projects.commit(folder, "space")
    return folder


@pytest.fixture(scope="module")
def whole(project, tmp_path_factory) -> Path:
    """A clone in which a search ran without a stop."""
    folder = projects.clone(project, tmp_path_factory.mktemp("whole") / "clone")
    projects.run(folder, *COMMAND)
    return folder


def lines(folder: Path) -> list[dict]:
    return ledgers.read(folder / LEDGER, "search_trial")


def experiments(folder: Path) -> dict[str, str]:
    listed = projects.run(
        folder, "git", "for-each-ref", "--format=%(refname) %(objectname)", "refs/exps"
    ).stdout
    named = (line.split() for line in listed.splitlines())
    return {ref.rpartition("/")[2]: commit for ref, commit in named if "/rates-" in ref}


def test_each_trial_is_an_experiment_of_its_parameters(whole):
    assert list(experiments(whole)) == [f"rates-{number:04d}" for number in range(COUNT)]
    for line in lines(whole):
        text = projects.run(
            whole, "git", "show", f"{experiments(whole)[line['experiment']]}:params.yaml"
        ).stdout
        (whole / "shown.yaml").write_text(text)
        train = params.load_yaml(whole / "shown.yaml")["train"]
        (whole / "shown.yaml").unlink()
        assert train["learning_rate"] == line["parameters"]["train.learning_rate"]
        assert train["gradient_limit"] == line["parameters"]["train.gradient_limit"]
        assert train["epochs"] == 4


def test_a_trial_that_failed_says_why_and_one_that_is_complete_what_it_scored(whole):
    states = {line["state"] for line in lines(whole)}
    assert {"complete", "failed"} <= states
    for line in lines(whole):
        stops = line["parameters"]["train.gradient_limit"] < 1
        assert (line["state"] == "failed") == stops
        if stops:
            assert "gradient norm is" in line["reason"]
        if line["state"] == "complete":
            read = ["dvc", "exp", "show", "--json"]  # DVC itself lists it
            assert line["experiment"] in projects.run(whole, *read).stdout
            assert len(line["curve"]) == 4


def test_the_test_part_stays_shut_and_the_work_tree_as_it_was(whole):
    assert projects.run(whole, "git", "status", "--porcelain").stdout.split() == ["??", LEDGER]
    assert (whole / "design/test_openings.jsonl").read_bytes() == b""
    assert not (whole / "build/train").exists()
    for commit in experiments(whole).values():
        changed = projects.run(whole, "git", "diff", "--name-only", "HEAD", commit).stdout.split()
        assert set(changed) <= {"params.yaml", "dvc.lock"}


def test_the_chosen_trial_can_be_taken(whole):
    best = max((line for line in lines(whole) if line["state"] == "complete"), key=lambda line: line["value"])
    shown = projects.run(whole, *COMMAND, "--show").stdout
    assert f"Chosen on the validation part alone: {best['experiment']}" in shown
    projects.run(whole, "git", "stash", "-q", "--include-untracked")
    try:
        # it ends with status 255, since the stages behind train were never run and cannot be checked out
        projects.run(whole, "dvc", "exp", "apply", best["experiment"], check=False)
        record = json.loads((whole / "build/train/train.json").read_text())
        assert record["run_id"] == best["run_id"]
        assert record["weights_sha256"] == best["weights_sha256"]
    finally:
        projects.run(whole, "git", "reset", "-q", "--hard")
        projects.run(whole, "git", "stash", "pop", "-q")


def kill_in(folder: Path, number: int, with_dvc: bool) -> None:
    """Runs a search until a trial has trained an epoch, and kills it there, and its DVC as well."""
    state = folder / f".checkpoints/search/rates-{number:04d}"
    process = subprocess.Popen(
        COMMAND,
        cwd=folder,
        env=projects.environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not list(state.glob("checkpoints/*/history.json")):
        assert process.poll() is None, "the search ended before it could be killed"
        time.sleep(0.01)
    process.kill()
    process.wait()
    if with_dvc:
        os.killpg(json.loads((state / "dvc.json").read_text())["pid"], signal.SIGKILL)


def test_a_search_that_was_killed_ends_in_the_same_ledger(project, whole, tmp_path):
    trained = [line["number"] for line in lines(whole) if line["state"] != "failed"]
    folder = projects.clone(project, tmp_path / "killed")
    kill_in(folder, trained[0], with_dvc=False)  # DVC goes on, and its result is taken
    kill_in(folder, trained[-1], with_dvc=True)
    projects.run(folder, *COMMAND)
    assert (folder / LEDGER).read_bytes() == (whole / LEDGER).read_bytes()
    assert list(experiments(folder)) == list(experiments(whole))
