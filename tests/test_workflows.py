"""The workflows: they lint, and every step is a command of this repository."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
# the one thing that only the host can do
COMMENT = 'gh pr comment "$NUMBER" --edit-last --create-if-none --body-file diff.md'


def commands(workflow: Path) -> list[str]:
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


def test_actionlint_has_no_complaint():
    done = subprocess.run(
        [Path(sys.executable).parent / "actionlint", *WORKFLOWS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_step_is_a_make_target(workflow):
    targets = {
        line.split(":")[0]
        for line in (ROOT / "Makefile").read_text().splitlines()
        if ": " in line and not line.startswith(("\t", "."))
    }
    for command in commands(workflow):
        assert command == COMMENT or (command.startswith("make ") and command.split()[1] in targets), command


def test_the_checks_are_those_of_ci_run():
    ci = [line for line in (ROOT / ".ci/run").read_text().splitlines() if line.startswith("make ")]
    assert commands(ROOT / ".github/workflows/checks.yml") == ci


def test_the_short_run_of_ci_changes_parameters_that_there_are():
    values = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    named = re.findall(r"--set-param '?([a-z_.]+)=", (ROOT / ".ci/after-run").read_text("utf-8"))
    assert "train.epochs" in named
    for name in named:
        place = values
        for key in name.split("."):
            assert key in place, name
            place = place[key]
