"""README and docs/use.md: the first short, and every command, file, stage, parameter and figure that they
name is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from benchmarks import crossval
from tests import submitted

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
USE = (ROOT / "docs/use.md").read_text("utf-8")
BOTH = f"{README}\n{USE}"
# figures are of the run that is committed with it
COMMITTED = (submitted.folder() / "README.md").read_text("utf-8")
LINES = README.splitlines()
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
MADE = ("build/", "data/", ".venv/", "dvc_plots/", "execution/", "predictions/")  # not in git
BY_COMMANDS = {"build/site"}  # below build/, and no output of a stage


def test_it_is_short_and_starts_with_the_commands():
    assert len(LINES) <= 120
    assert any(line.startswith("make run") for line in LINES[:12])
    assert any("not for diagnosis" in line for line in LINES[:10])


def test_every_make_target_exists():
    targets = {
        line.split(":")[0]
        for line in (ROOT / "Makefile").read_text().splitlines()
        if re.match(r"[a-z-]+:", line)
    }
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", BOTH, re.MULTILINE))
    assert {"run", "test", "pull", "manifest"} <= named <= targets


def test_every_stage_of_the_pipeline_is_in_the_table_in_order():
    assert re.findall(r"^\| `(\w+)` \|", USE, re.MULTILINE) == list(STAGES)


def test_every_file_that_it_names_exists_or_is_made():
    tracked = set(
        subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.splitlines()
    )
    folders = {f"{parent}/" for path in tracked for parent in map(str, Path(path).parents)}
    words = {word for code in re.findall(r"`([^`\n]+)`", BOTH) for word in code.split()}
    named = {
        word
        for word in words
        if re.fullmatch(
            r"[\w.-]*(/[\w.-]*)+"
            r"|\w+\.(yaml|sha256|json|lock|dvc|txt)",
            word,
        )
    }
    bundle = {path.removeprefix("evidence/") for path in tracked}
    missing = {
        word
        for word in named
        if word.replace("NAME", "train") not in tracked | folders | bundle and not word.startswith(MADE)
    }
    assert len(named) > 20
    assert missing - {"dataset.json", "result.json"} == set()


def test_every_file_below_build_that_it_names_is_an_output():
    outs = {
        out if isinstance(out, str) else next(iter(out)) for stage in STAGES.values() for out in stage["outs"]
    }
    named = set(re.findall(r"build/[\w./]+\w", BOTH)) - BY_COMMANDS
    assert named
    assert all(any(f"{path}/".startswith(f"{out}/") for out in outs) for path in named)


def test_every_parameter_that_it_names_exists():
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    named = set(
        re.findall(
            r"\b((?:ingest"
            r"|validate|split|train|evaluate|robustness|explain|report|export)\.[a-z_]+)\b",
            BOTH,
        )
    )
    named -= {"train.py", "robustness.json", "report.html", "report.dcm"}
    assert named
    assert [name for name in named if name.split(".")[1] not in params[name.split(".")[0]]] == []


def test_every_dvc_command_that_it_names_exists():
    commands = {
        " ".join(words)
        for words in re.findall(
            r"(?:^|`|; also |; )dvc (\w+)(?: "
            r"(run|show|diff|apply|add))?",
            BOTH,
            re.MULTILINE,
        )
    }
    assert len(commands) >= 8
    for command in sorted(commands):
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *command.split(), "--help"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, command


def test_it_tells_how_many_requirements_have_tests_and_how_many_are_judged_by_their_bounds():
    required = [
        one
        for name in ("software/design", "design")
        for one in YAML(typ="safe").load((ROOT / name / "requirements.yaml").read_text("utf-8"))[
            "requirements"
        ]
    ]
    tested = sum("test" in one["verification"]["methods"] for one in required)
    judged = sum("acceptance" in one for one in required)
    words = " ".join(README.split())
    assert f"Each of the {len(required)} requirements" in words
    assert (
        f"{tested} by their tests, and the {judged} on performance, which have none, by their bounds" in words
    )
    design = (ROOT / "design/README.md").read_text("utf-8")
    assert f"{len(required)} requirements" in design
    assert f"{tested} with tests, {judged} on performance with criteria" in design
    assert tested + judged == len(required)


@pytest.mark.parametrize("claim", ["cannot leak", "every number"])
# subjects are inferred; medians and counts have no interval
def test_it_claims_nothing_that_does_not_hold(claim):
    assert claim not in BOTH


def test_it_says_that_the_cross_validation_is_of_another_recipe():
    epochs = YAML(typ="safe").load((submitted.folder() / "params.yaml").read_text("utf-8"))["train"]["epochs"]
    words = " ".join(USE.split())
    assert (
        f"{crossval.RECIPE['train.epochs']} passes instead of {epochs} and without the balance of volumes"
        in words
    )
    assert "cannot be told apart" in words


def test_it_says_that_a_blocked_release_is_blocked():
    gates = submitted.json_of("metrics/gates.json")
    assert ("**The release is blocked.**" in COMMITTED) == gates["release_blocked"]


def test_the_result_table_is_what_the_command_prints():
    done = subprocess.run(
        [sys.executable, "-m", "radiotrace", "results"],
        cwd=submitted.folder(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n\n")[0] in COMMITTED


@pytest.mark.parametrize("name", ["anterior", "posterior", "mean_of_labels"])
def test_the_figures_are_those_of_the_submitted_run(name):
    row = submitted.json_of("metrics/metrics.json")["dice"][name]
    interval = f"{row['ci95_low']:.3f} to {row['ci95_high']:.3f}"
    cells = f"{row['mean']:.3f} | {interval} | {row['median']:.3f} | {row['min']:.3f} |"
    assert cells in COMMITTED


# Commands

ACTIVATION = ". .venv/bin/activate"
NEEDS_IT = re.compile(r"^(?:[A-Z_]+=\S+ )*(?:python|dvc|pip|pytest|torchrun|srun|tensorboard|radiotrace)\s")
DOCUMENTS = {
    "README.md": README,
    "docs/use.md": USE,
    "design/README.md": (ROOT / "design/README.md").read_text("utf-8"),
}


def blocks(text: str) -> list[list[str]]:
    """The lines of each fenced block."""
    return [
        block.strip("\n").splitlines()
        for block in re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def unprepared(lines: list[str]) -> list[str]:
    """The commands of a block that a plain shell does not find, since nothing before them activates the
    environment."""
    ready, found = False, []
    for line in lines:
        ready = ready or line.startswith(ACTIVATION)
        if NEEDS_IT.match(line) and not ready:
            found.append(line)
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_command_block_works_in_a_plain_shell(name):
    found = blocks(DOCUMENTS[name])
    assert any(NEEDS_IT.match(line) for lines in found for line in lines)
    assert [line for lines in found for line in unprepared(lines)] == []


def test_a_command_that_a_plain_shell_does_not_find_is_noticed():
    assert unprepared(["make pull", "python -m radiotrace verify"]) == ["python -m radiotrace verify"]
    assert unprepared(["RADIOTRACE_BACKEND=dask dvc repro"]) == ["RADIOTRACE_BACKEND=dask dvc repro"]
    assert unprepared([f"{ACTIVATION} && cd x", "dvc repro", "make pull"]) == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_it_says_that_other_commands_need_the_environment(name):
    assert re.search(
        r"need (?:the environment that make builds: )?`\. \.venv/bin/activate` "
        r"first",
        DOCUMENTS[name],
    )


@pytest.mark.parametrize("command", ["make verify", "make trace ITEM=SRS-SPLIT-1", "make pull", "make run"])
def test_what_a_stranger_does_first_is_a_target_of_make(command):
    assert f"`{command}`" in README or f"\n{command} " in README


def test_every_command_of_radiotrace_that_it_names_is_there():
    named = set(
        re.findall(r"python -m radiotrace (?:--study \S+ )?([a-z][a-z-]*)", "\n".join(DOCUMENTS.values()))
    )
    done = subprocess.run(
        [sys.executable, "-m", "radiotrace", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert len(named) >= 5
    assert {name for name in named if not re.search(rf"^    {name}\b", done.stdout, re.MULTILINE)} == set()
