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
from radiotrace.evidence.verify import baselines
from tests.traced import Project

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def project():
    return Project()


def changed(project, act) -> list[tuple[str, str]]:
    """What a baseline says after a change of what is required."""
    before = baseline.record(project.written["requirements"], project.known)
    assert records.faults(before, baseline.SCHEMA) == []
    act(project)
    return [
        (change.requirement, change.kind)
        for change in baseline.since(before, project.written["requirements"], project.known)
    ]


def criterion(**values):
    return lambda project: project.requirement("SRS-SEG-1")["acceptance"].update(values)


def verification(**values):
    return lambda project: project.requirement("SRS-UI-1")["verification"].update(values)


def drop(project):
    kept = [row for row in project.written["requirements"]["requirements"] if row["id"] != "SRS-UI-1"]
    project.written["requirements"]["requirements"] = kept


def retire(project):
    drop(project)
    project.written["requirements"]["retired"] = [
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
    before = baseline.record(project.written["requirements"], project.known)
    drop(project)
    project.written["negative_controls"].pop("NC-UI-1")
    found = baseline.summary(before, project.written["requirements"], project.known)
    assert (found["n_requirements"], found["n_gone"], found["n_softened"]) == (2, 1, 0)
    gaps = baseline.gaps(found, project.written["requirements"], project.written["reviews"])
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
    content = yaml.safe_load((ROOT / "design/requirements.yaml").read_text())
    content["requirements"][0]["statement"] = statement
    (tmp_path / "requirements.yaml").write_text(json.dumps(content))
    with pytest.raises(StageError) as caught:
        requirements.load(tmp_path / "requirements.yaml")
    assert all("leaves open what is required" in fault for fault in caught.value.findings)


def test_our_own_statements_say_what_is_required():
    requirements.load(ROOT / "design/requirements.yaml")


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
    """A repository whose requirements somebody signed for; its tests are one file."""
    (tmp_path / "design").mkdir()
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "tests/test_openings.py", tmp_path / "tests")
    shutil.copy(ROOT / "design/requirements.yaml", tmp_path / "design")
    git(tmp_path, "init", "-q", "-b", "main")
    sign_for(tmp_path)
    return tmp_path


def sign_for(folder: Path) -> None:
    made = baseline.record(written(folder), tests.declared(folder / "tests"))
    records.write(folder / baseline.PATH, made, baseline.SCHEMA)
    commit(folder)


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")


def written(folder: Path) -> dict:
    return yaml.safe_load((folder / "design/requirements.yaml").read_text())


def edit(folder: Path, act) -> None:
    content = copy.deepcopy(written(folder))
    act(content["requirements"])
    (folder / "design/requirements.yaml").write_text(json.dumps(content))
    commit(folder)


def test_requirements_that_stand_as_they_were_signed_for_hold(repository):
    found = baselines.check(repository)
    assert (found.faults, found.warned, found.looked) == ([], [], True)


@pytest.mark.requirement("SRS-EVI-5")
def test_a_requirement_that_is_gone_from_a_new_baseline_too_is_found_in_git(repository):
    edit(repository, lambda rows: rows.pop(0))
    sign_for(repository)
    found = baselines.check(repository)
    assert [fault.split(" of commit")[0] for fault in found.faults] == ["SRS-DATA-1: gone since the baseline"]


@pytest.mark.requirement("SRS-EVI-5")
def test_what_was_softened_is_a_fault_until_it_is_signed_for_and_told_ever_after(repository):
    edit(repository, lambda rows: rows[0].update(statement="The software shall refuse raw data."))
    assert [fault.split(": was")[0] for fault in baselines.check(repository).faults] == [
        "SRS-DATA-1: reworded"
    ]
    sign_for(repository)
    found = baselines.check(repository)
    assert found.faults == []
    assert [line.split(" of commit")[0] for line in found.warned] == [
        "SRS-DATA-1: reworded since the baseline"
    ]


@pytest.mark.requirement("SRS-EVI-5")
def test_a_requirement_that_was_given_up_since_the_baseline_is_told_with_its_reason(repository):
    content = written(repository)
    content["requirements"].pop(0)
    (repository / "design/requirements.yaml").write_text(
        json.dumps({**content, "retired": [{"id": "SRS-DATA-1", "reason": "It is not needed."}]})
    )
    commit(repository)
    found = baselines.check(repository)
    assert (found.faults, found.warned) == ([], ["SRS-DATA-1: retired since the baseline: It is not needed."])


def test_a_baseline_that_is_taken_away_is_found(repository):
    (repository / baseline.PATH).unlink()
    commit(repository)
    assert [fault.split(";")[0] for fault in baselines.check(repository).faults] == [
        "design/released_requirements.json: is no more"
    ]


def test_without_any_baseline_nothing_is_said_to_hold(repository):
    shutil.rmtree(repository / ".git")
    (repository / baseline.PATH).unlink()
    git(repository, "init", "-q")
    commit(repository)
    found = baselines.check(repository)
    assert (found.looked, found.faults) == (False, [])
    assert found.skipped == [
        "there is no design/released_requirements.json: nobody signed for these requirements yet"
    ]
