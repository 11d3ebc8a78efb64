"""The baseline of requirements: what is gone, softened or reworded since somebody signed for it is
counted, and git forgets none of it."""

import copy
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.design import baseline, requirements
from radiotrace.evidence.trace import tests
from radiotrace.evidence.verify import baselines, history
from radiotrace.pipeline.study import Study
from tests.traced import Project

ROOT = Path(__file__).resolve().parent.parent
SOFTWARE = history.SOFTWARE
FOLDERS = baselines.folders(Study(ROOT))
PATHS = baselines.paths(Study(ROOT))


@pytest.fixture
def project():
    return Project()


def changed(project, act) -> list[tuple[str, str]]:
    """What a baseline says after a change of what is required."""
    before = baseline.record(project.written.requirements, project.known)
    assert records.faults(before, baseline.SCHEMA) == []
    act(project)
    return [
        (change.requirement, change.kind)
        for change in baseline.since(before, project.written.requirements, project.known)
    ]


def criterion(**values):
    return lambda project: project.requirement("SRS-SEG-1")["acceptance"].update(values)


def verification(**values):
    return lambda project: project.requirement("SRS-UI-1")["verification"].update(values)


def drop(project):
    kept = [row for row in project.written.requirements["requirements"] if row["id"] != "SRS-UI-1"]
    project.written.requirements["requirements"] = kept


def retire(project):
    drop(project)
    project.written.requirements["retired"] = [
        {"id": "SRS-UI-1", "reason": "Another requirement says the same."}
    ]


@pytest.mark.requirement("SRS-EVI-5")
@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda project: None, []),
        (drop, [("SRS-UI-1", "gone")]),
        (retire, [("SRS-UI-1", "retired")]),
        (criterion(threshold=0.5), [("SRS-SEG-1", "softened")]),
        (criterion(threshold=0.9), []),
        (criterion(min_subjects=2), [("SRS-SEG-1", "softened")]),
        (criterion(metric="dice.posterior"), [("SRS-SEG-1", "softened")]),
        (verification(negative_controls=[]), [("SRS-UI-1", "softened")]),
        (verification(min_tests=0), [("SRS-UI-1", "softened")]),
        (lambda project: project.known.popitem(), [("SRS-UI-1", "softened")]),
        (lambda project: project.requirement("SRS-UI-1").update(status="draft"), [("SRS-UI-1", "softened")]),
        (
            lambda project: project.requirement("SRS-UI-1").update(statement="The software shall look."),
            [("SRS-UI-1", "reworded")],
        ),
    ],
    ids=[
        "nothing",
        "gone",
        "retired",
        "lower threshold",
        "higher threshold",
        "fewer subjects",
        "another metric",
        "no control",
        "no test needed",
        "a test less",
        "draft",
        "another statement",
    ],
)
def test_what_became_of_a_requirement_is_told(project, act, expected):
    assert changed(project, act) == expected


def test_a_requirement_that_is_gone_blocks_the_release_and_is_counted(project):
    before = baseline.record(project.written.requirements, project.known)
    drop(project)
    project.written.negative_controls.pop("NC-UI-1")
    found = baseline.summary(before, project.written.requirements, project.known)
    assert (found["n_requirements"], found["n_gone"], found["n_softened"]) == (2, 1, 0)
    gaps = baseline.gaps(found, project.written.requirements, project.written.reviews)
    assert [(row["item"], row["gap"].split(":")[0]) for row in gaps] == [
        ("SRS-UI-1", "gone since the baseline")
    ]


def test_without_a_baseline_a_reviewed_requirement_that_is_gone_is_a_gap(project):
    drop(project)
    gaps = project.traced()["gaps"]
    assert {
        "item": "SRS-UI-1",
        "gap": "was reviewed as a requirement, and is neither one nor retired",
    } in gaps
    retire(project)
    assert not [row for row in project.traced()["gaps"] if "neither one nor retired" in row["gap"]]


@pytest.mark.requirement("SRS-EVI-5")
@pytest.mark.parametrize(
    "statement",
    [
        "The software shall look at damaged volumes.",
        "The software shall, if possible, refuse it.",
        "Training shall normally stop.",
        "The software shall be able to refuse it, and should say so.",
    ],
)
def test_a_statement_that_leaves_open_what_is_required_is_refused(tmp_path, statement):
    content = yaml.safe_load((ROOT / "software/design/requirements.yaml").read_text())
    content["requirements"][0]["statement"] = statement
    (tmp_path / "requirements.yaml").write_text(json.dumps(content))
    with pytest.raises(StageError) as caught:
        requirements.load(tmp_path / "requirements.yaml")
    assert all("leaves open what is required" in fault for fault in caught.value.findings)


@pytest.mark.parametrize("folder", ["design", "software/design"])
def test_our_own_statements_say_what_is_required(folder):
    requirements.load(ROOT / folder / "requirements.yaml")


# In git


def git(folder, *words) -> None:
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words],
        cwd=folder,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def repository(tmp_path) -> Path:
    """A repository whose requirements somebody signed for, of the software and of a study; its tests are one
    file."""
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "tests/test_openings.py", tmp_path / "tests")
    for folder in FOLDERS:
        (tmp_path / folder).mkdir(parents=True)
        shutil.copy(ROOT / folder / "requirements.yaml", tmp_path / folder)
    git(tmp_path, "init", "-q", "-b", "main")
    sign_for(tmp_path)
    return tmp_path


@pytest.fixture
def undivided(tmp_path) -> Path:
    """A repository from before software and study were parted: all requirements lie in design/."""
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "tests/test_openings.py", tmp_path / "tests")
    both = [yaml.safe_load((ROOT / folder / "requirements.yaml").read_text()) for folder in FOLDERS]
    whole = both[1] | {key: both[0][key] + both[1][key] for key in ("user_needs", "requirements")}
    (tmp_path / "design").mkdir()
    (tmp_path / "design/requirements.yaml").write_text(json.dumps(whole))
    git(tmp_path, "init", "-q", "-b", "main")
    sign_for(tmp_path, "design")
    return tmp_path


def parted(folder: Path) -> None:
    """The move: the requirements of the software go to software/design/, with their baseline."""
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name / "requirements.yaml", folder / name)
    sign_for(folder)


def sign_for(folder: Path, *names: str) -> None:
    for name in names or FOLDERS:
        made = baseline.record(written(folder, name), tests.declared(folder / "tests"))
        records.write(folder / name / baseline.FILE, made, baseline.SCHEMA)
    commit(folder)


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")


def written(folder: Path, name: str = SOFTWARE) -> dict:
    return yaml.safe_load((folder / name / "requirements.yaml").read_text())


def edit(folder: Path, act, name: str = SOFTWARE) -> None:
    content = copy.deepcopy(written(folder, name))
    act(content["requirements"])
    (folder / name / "requirements.yaml").write_text(json.dumps(content))
    commit(folder)


def test_requirements_that_stand_as_they_were_signed_for_hold(repository):
    found = baselines.check(Study(repository))
    assert (found.faults, found.warned, found.looked) == ([], [], True)


@pytest.mark.requirement("SRS-EVI-5")
def test_a_requirement_that_is_gone_from_a_new_baseline_too_is_found_in_git(repository):
    edit(repository, lambda rows: rows.pop(0))
    sign_for(repository)
    found = baselines.check(Study(repository))
    assert [fault.split(" of commit")[0] for fault in found.faults] == ["SRS-DATA-1: gone since the baseline"]


@pytest.mark.requirement("SRS-EVI-5")
def test_what_was_softened_is_a_fault_until_it_is_signed_for_and_told_ever_after(repository):
    edit(repository, lambda rows: rows[0].update(statement="The software shall refuse raw data."))
    assert [fault.split(": was")[0] for fault in baselines.check(Study(repository)).faults] == [
        "SRS-DATA-1: reworded"
    ]
    sign_for(repository)
    found = baselines.check(Study(repository))
    assert found.faults == []
    assert [line.split(" of commit")[0] for line in found.warned] == [
        "SRS-DATA-1: reworded since the baseline"
    ]


@pytest.mark.requirement("SRS-EVI-5")
def test_a_requirement_that_was_given_up_since_the_baseline_is_told_with_its_reason(repository):
    content = written(repository)
    content["requirements"].pop(0)
    (repository / SOFTWARE / "requirements.yaml").write_text(
        json.dumps({**content, "retired": [{"id": "SRS-DATA-1", "reason": "It is not needed."}]})
    )
    commit(repository)
    found = baselines.check(Study(repository))
    assert (found.faults, found.warned) == ([], ["SRS-DATA-1: retired since the baseline: It is not needed."])


@pytest.mark.parametrize("path", PATHS)
def test_a_baseline_that_is_taken_away_is_found(repository, path):
    (repository / path).unlink()
    commit(repository)
    faults = baselines.check(Study(repository)).faults
    assert faults[0].startswith(f"{path}: is no more; commit ")
    assert all(fault.endswith(" has it, and none that is here") for fault in faults[1:])


def test_both_baselines_that_are_taken_away_are_found(repository):
    for path in PATHS:
        (repository / path).unlink()
    commit(repository)
    assert [fault.split(";")[0] for fault in baselines.check(Study(repository)).faults] == [
        f"{path}: is no more" for path in PATHS
    ]


# What the move of a requirement from one folder to the other does not wash off


def test_a_true_move_is_no_fault(undivided):
    parted(undivided)
    found = baselines.check(Study(undivided))
    assert (found.faults, found.warned, found.skipped, found.looked) == ([], [], [], True)


@pytest.mark.requirement("SRS-EVI-5")
@pytest.mark.parametrize(("folder", "name"), [(SOFTWARE, "SRS-DATA-1"), ("design", "SRS-SEG-1")])
def test_a_requirement_that_got_lost_in_the_move_is_found(undivided, folder, name):
    parted_otherwise(undivided, folder, lambda rows: rows.pop(0))
    sign_for(undivided)
    faults = baselines.check(Study(undivided)).faults
    assert [fault.split(" of commit")[0] for fault in faults] == [f"{name}: gone since the baseline"]


@pytest.mark.requirement("SRS-EVI-5")
def test_a_requirement_that_was_reworded_in_the_move_is_told_ever_after(undivided):
    other = "The software shall refuse raw data."
    parted_otherwise(undivided, SOFTWARE, lambda rows: rows[0].update(statement=other))
    sign_for(undivided)
    found = baselines.check(Study(undivided))
    assert found.faults == []
    assert [line.split(" of commit")[0] for line in found.warned] == [
        "SRS-DATA-1: reworded since the baseline"
    ]


@pytest.mark.requirement("SRS-EVI-5")
def test_a_requirement_that_no_baseline_took_along_in_the_move_is_found(undivided):
    """Nothing would tell that it is softened: no baseline that is here has it."""
    parted(undivided)
    path = undivided / SOFTWARE / baseline.FILE
    kept = records.read(path, baseline.SCHEMA)
    del kept["requirements"]["SRS-DATA-1"]
    records.write(path, kept, baseline.SCHEMA)
    commit(undivided)
    faults = {fault.split(" of commit")[0] for fault in baselines.check(Study(undivided)).faults}
    assert faults == {"SRS-DATA-1: the baseline"}


@pytest.mark.requirement("SRS-EVI-5")
def test_a_move_without_the_software_s_baseline_is_found(undivided):
    for name in FOLDERS:
        (undivided / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name / "requirements.yaml", undivided / name)
    edit(undivided, lambda rows: rows[0].update(statement="The software shall refuse raw data."))
    sign_for(undivided, "design")
    faults = {fault.split(":")[0] for fault in baselines.check(Study(undivided)).faults}
    assert faults == {row["id"] for row in written(undivided)["requirements"]}


def parted_otherwise(folder: Path, name: str, act) -> None:
    """A move in which a dishonest hand changes something; nothing is signed for yet."""
    for one in FOLDERS:
        (folder / one).mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / one / "requirements.yaml", folder / one)
    content = written(folder, name)
    act(content["requirements"])
    (folder / name / "requirements.yaml").write_text(json.dumps(content))


def test_without_any_baseline_nothing_is_said_to_hold(repository):
    shutil.rmtree(repository / ".git")
    for path in PATHS:
        (repository / path).unlink()
    git(repository, "init", "-q")
    commit(repository)
    found = baselines.check(Study(repository))
    assert (found.looked, found.faults) == (False, [])
    assert found.skipped == [
        f"there is no {path}: nobody signed for these requirements yet" for path in PATHS
    ]
