"""The command release: what it waits for, what it does in which order, and a whole small one."""

import argparse
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.commands import programs, release, release_people, release_work, steps
from radiotrace.errors import StageError
from radiotrace.evidence.design import baseline, controls, negative_controls
from radiotrace.evidence.signing import keys
from radiotrace.evidence.trace import tests
from radiotrace.pipeline import study
from tests import projects, second_task, smallest
from tests.bundles import flip_byte, private_key, write_bundle

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("software/design", "design")
ONE_OF_EACH = ("SRS-UI-1", "SRS-SEG-1")  # tests verify the first, a criterion judges the second
EXAMPLE = ROOT / "tests/schema_cases/traceability/valid/blocked.json"
NAMES = [
    "signing key",
    "sources",
    "reviews",
    "baseline",
    "run",
    "push",
    "commit of the run",
    "tests",
    "negative controls",
    "evidence",
    "gaps",
    "commit of the evidence",
    "signature",
    "signed reviews",
    "commit of the signature",
    "fresh clone",
]


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    release.options(parser)
    return parser.parse_args(words, argparse.Namespace(study=study.at(".")))


def git(folder: Path, *words: str) -> str:
    by = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    return subprocess.run(
        ["git", *by, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """A repository with one source and the lock of a run, the current folder; a key lies beside it."""
    folder = tmp_path / "repository"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", "test")
    git(folder, "config", "user.email", "test@example.org")
    (folder / "params.yaml").write_text("seed: 0\ntask: segmentation\n")
    (folder / "dvc.lock").write_text(json.dumps(lock(train="1", evidence="1")))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "run")
    private_key(tmp_path / "key.pem")
    monkeypatch.setenv(keys.VARIABLE, str(tmp_path / "key.pem"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(folder)
    return folder


def lock(**digests: str) -> dict:
    return {
        "schema": "2.0",
        "stages": {name: {"outs": [{"md5": digest}]} for name, digest in digests.items()},
    }


# Order


def test_the_steps_and_their_order():
    assert [step.name for step in release.in_order(options())] == NAMES


def test_what_only_people_can_do_is_known_and_commits_are_among_it_unless_asked_for():
    def waits(*words: str) -> list[str]:
        return [step.name for step in release.in_order(options(*words)) if step.of_people]

    commits = ["commit of the run", "commit of the evidence", "commit of the signature"]
    alone = ["signing key", "sources", "reviews", "gaps", "signed reviews"]
    assert waits("--commit") == alone
    assert sorted(waits()) == sorted(alone + commits)


def test_another_study_than_the_first_is_refused(tmp_path):
    (tmp_path / "studies/a").mkdir(parents=True)
    args = options()
    args.study = study.at("studies/a", tmp_path)
    with pytest.raises(StageError, match=r"found studies/a, expected '\.'"):
        release.release(args)


def test_a_release_that_is_interrupted_says_how_it_goes_on(monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(steps, "advance", interrupt)
    with pytest.raises(StageError, match="the release was interrupted") as caught:
        release.release(options())
    assert caught.value.way_out == steps.AGAIN


# Key


def test_without_a_key_a_release_stops_before_anything_else(repository, monkeypatch):
    monkeypatch.delenv(keys.VARIABLE)
    with pytest.raises(
        StageError, match="stopped at 'signing key': RADIOTRACE_SIGNING_KEY is not set"
    ) as caught:
        release.release(options())
    assert "sign --new-test-key FILE" in caught.value.way_out
    assert steps.AGAIN in caught.value.way_out


def test_a_release_key_is_not_taken_for_one_of_tests(repository):
    public = keys.private(os.environ[keys.VARIABLE]).public_key()
    (repository / "keys").mkdir()
    (repository / "keys/a.pub").write_bytes(keys.pem(public))
    marked = {"fingerprint_sha256": keys.fingerprint(public), "trust": "release"}
    (repository / "keys/a.json").write_text(json.dumps(marked))
    assert release_people.key(is_test=False).done
    assert not release_people.key(is_test=True).done
    with pytest.raises(StageError, match="marked as a release key"):
        release_people.ask_for_key(is_test=True)


# What is committed, and by whom


@pytest.mark.parametrize(
    "name",
    ["params.yaml", "new.py", "design/reviews.jsonl", "software/design/reviews.jsonl", "studies/a/dvc.lock"],
)
def test_sources_that_are_not_committed_wait_for_people_by_name(repository, name):
    (repository / name).parent.mkdir(parents=True, exist_ok=True)
    (repository / name).write_text("seed: 1\n")
    with pytest.raises(StageError) as caught:
        release.release(options("--commit"))
    assert caught.value.headline == "stopped at 'sources': 1 files are not committed"
    assert caught.value.findings == [name]


@pytest.mark.parametrize(
    "name",
    [
        "dvc.lock",
        "metrics/metrics.json",
        "design/test_openings.jsonl",
        "design/released_requirements.json",
        "software/design/released_requirements.json",
        "verification/negative_controls.json",
        "software/verification/negative_controls.json",
        "software/verification/tests.json",
    ],
)
def test_what_a_release_writes_is_no_source(repository, name):
    (repository / name).parent.mkdir(parents=True, exist_ok=True)
    (repository / name).write_text("{}")
    assert release_people.sources().done
    assert release_people.kept().findings == (name,)


def test_without_being_asked_nothing_is_committed_and_the_command_is_said(repository):
    (repository / "evidence").mkdir()
    (repository / "evidence/run.json").write_text("{}")
    with pytest.raises(StageError) as caught:
        release_people.keep("The evidence signed", commits=False)
    assert "git add -A -- evidence && git commit -m 'The evidence signed'" in caught.value.way_out
    assert git(repository, "log", "--format=%s") == "run"


def test_a_commit_has_what_the_release_wrote_and_what_is_gone(repository):
    (repository / "metrics").mkdir()
    (repository / "metrics/metrics.json").write_text("{}")
    (repository / "dvc.lock").unlink()
    release_people.keep("The run of this code", commits=True)
    assert git(repository, "log", "-1", "--format=%s") == "The run of this code"
    assert git(repository, "status", "--porcelain") == ""


def test_a_commit_that_git_refuses_stops_the_release(repository):
    (repository / "dvc.lock").write_text("{}")
    (repository / ".git/index.lock").touch()  # as a killed git leaves it
    with pytest.raises(StageError, match="git add ended with status 128"):
        release_people.keep("The run of this code", commits=True)


@pytest.mark.parametrize(
    ("changed", "is_kept"), [({"evidence": "2"}, True), ({"train": "2"}, False), ({"split": "1"}, False)]
)
# evidence is made once more after the tests; that is no other run
def test_the_run_is_kept_while_only_evidence_is_another(repository, changed, is_kept):
    (repository / "dvc.lock").write_text(json.dumps(lock(**{"train": "1", "evidence": "1"} | changed)))
    assert release_work.run_kept().done is is_kept


def test_a_run_of_a_repository_without_a_lock_is_not_kept(repository):
    git(repository, "rm", "-q", "--cached", "dvc.lock")
    git(repository, "commit", "-qm", "no run")
    assert release_work.run_kept().findings == ("dvc.lock",)


# Reviews and the baseline


@pytest.fixture
def designed(repository) -> Path:
    """With what is designed in this repository, and the tests that one of its files has."""
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, repository / folder)
        (repository / folder / controls.LEDGER).write_text("")
    (repository / "tests").mkdir()
    shutil.copy(ROOT / "tests/test_openings.py", repository / "tests")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "design")
    return repository


@pytest.fixture
def reviewed(designed) -> Path:
    """With everything reviewed as it stands."""
    smallest.review_all(designed / "design", designed / "software")
    return designed


@pytest.fixture
def signed_for(reviewed) -> Path:
    """With baselines of the requirements as they stand."""
    for folder in FOLDERS:
        (reviewed / folder / baseline.FILE).unlink()
    release_work.sign_for()
    return reviewed


def baseline_of(repository: Path, folder: str) -> dict:
    return json.loads((repository / folder / baseline.FILE).read_text())["requirements"]


def test_items_that_wait_for_review_stop_a_release_which_says_who_must_do_what(designed):
    with pytest.raises(StageError, match="stopped at 'reviews'") as caught:
        release.release(options("--commit"))
    assert {"SRS-UI-1: never reviewed", "SRS-SEG-1: never reviewed"} <= set(caught.value.findings)
    assert "python -m radiotrace review --all --as NAME --shown DIGEST" in caught.value.way_out
    assert "A release never reviews for people." in caught.value.way_out
    assert [(designed / folder / controls.LEDGER).read_text() for folder in FOLDERS] == ["", ""]


@pytest.mark.parametrize(("folder", "item"), [*zip(FOLDERS, ONE_OF_EACH, strict=True)])
def test_an_item_of_either_folder_waits_for_review(reviewed, folder, item):
    assert release_people.reviewed().done
    path = reviewed / folder / controls.LEDGER
    lines = [line for line in path.read_text().splitlines() if json.loads(line)["item"] != item]
    path.write_text("\n".join([*lines, ""]))
    assert release_people.reviewed().findings == (f"{item}: never reviewed",)


def test_baselines_are_written_where_nothing_is_softened(reviewed):
    for folder in FOLDERS:
        (reviewed / folder / baseline.FILE).unlink()
    assert not release_work.signed_for().done
    release_work.sign_for()
    assert release_work.signed_for().done
    assert [owned in baseline_of(reviewed, folder) for folder in FOLDERS for owned in ONE_OF_EACH] == [
        True,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_baseline_that_one_folder_lacks_is_to_be_written(signed_for, folder):
    assert release_work.signed_for().done
    (signed_for / folder / baseline.FILE).unlink()
    assert not release_work.signed_for().done


def test_a_requirement_that_the_other_folder_s_baseline_has_too_is_to_be_taken_out(signed_for):
    ours, theirs = (signed_for / folder / baseline.FILE for folder in FOLDERS)
    rows = baseline_of(signed_for, "software/design") | baseline_of(signed_for, "design")
    theirs.write_text(json.dumps({"requirements": rows}))
    assert not release_work.signed_for().done
    release_work.sign_for()
    assert (
        baseline_of(signed_for, "design").keys()
        == rows.keys() - json.loads(ours.read_text())["requirements"].keys()
    )


@pytest.mark.parametrize(
    ("folder", "change", "finding"),
    [
        (
            "design",
            lambda rows: rows["SRS-SEG-1"]["criterion"].update(threshold=0.9),
            "SRS-SEG-1: softened: threshold: was >= 0.9, is 0.85",
        ),
        (
            "software/design",
            lambda rows: rows["SRS-UI-1"]["risk_controls"].append("RC-99"),
            "SRS-UI-1: softened: risk controls: lacks RC-99",
        ),
    ],
)
def test_a_requirement_that_asks_for_less_is_for_people_to_sign(signed_for, folder, change, finding):
    path = signed_for / folder / baseline.FILE
    before = json.loads(path.read_text())
    change(before["requirements"])
    path.write_text(json.dumps(before))
    with pytest.raises(StageError, match="1 requirements ask for less than was signed for") as caught:
        release_work.sign_for()
    assert caught.value.findings == [finding]
    assert json.loads(path.read_text()) == before


# DVC


def test_dvc_is_asked_about_one_study_with_its_data_and_members(tmp_path):
    for name in ("data.dvc", "members/a.dvc", "studies/b/data.dvc", ".dvc/config"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert programs.of_study(tmp_path) == ["dvc.yaml", "data.dvc", "members/a.dvc"]


def with_outcomes(repository: Path) -> None:
    """With a software that is as the evidence has it, and with what tests and faults came to."""
    for path in (release_work.RECORDED, *release_work.SEEDED, "software/design/a.yaml"):
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_text("{}")
    designed = "software/design/a.yaml"
    row = {
        "bytes": 2,
        "in_bundle": False,
        "path": designed,
        "schema": None,
        "sha256": records.sha256(designed),
    }
    records.write(release_work.MANIFEST, {"run_id": "a" * 64, "files": [row]}, "manifest")


# as DVC 3 prints 'dvc status --json'
@pytest.mark.parametrize(
    ("words", "paths"),
    [
        (["changed command"], {"": "changed command"}),
        (
            [{"changed deps": {"a.py": "modified"}}, {"changed outs": {"b": "deleted"}}],
            {"a.py": "modified", "b": "deleted"},
        ),
    ],
)
def test_what_dvc_says_of_a_stage(words, paths):
    assert programs.changed_paths(words) == paths


@pytest.mark.parametrize(
    ("stale", "has_run"),
    [
        ({}, True),
        ({"evidence": [{"changed deps": {"software": "modified"}}]}, True),
        ({"evidence": [{"changed deps": {"verification": "modified"}}]}, True),
        ({"evidence": [{"changed deps": {"software": "modified", "verification": "modified"}}]}, True),
        ({"evidence": [{"changed deps": {"README.md": "modified", "software": "modified"}}]}, False),
        (
            {
                "evidence": [
                    {"changed deps": {"software": "modified"}},
                    {"changed outs": {release_work.GATES: "new"}},
                ]
            },
            False,
        ),
        ({"evidence": ["changed command"]}, False),
        ({"train": [{"changed deps": {"stages/train.py": "modified"}}]}, False),
        ({"data.dvc": [{"changed outs": {"data": "modified"}}]}, False),
    ],
)
def test_the_run_stands_while_evidence_alone_waits_for_outcomes(repository, monkeypatch, stale, has_run):
    with_outcomes(repository)
    monkeypatch.setattr(programs, "stale_stages", lambda: stale)
    assert release_work.ran().done is has_run
    assert release_work.proven().done is (not stale)


@pytest.mark.parametrize("name", ["a.yaml", "b.yaml"])
# DVC knows software/ as a whole; tests look at evidence that is of what is designed now
def test_evidence_of_a_software_that_was_designed_anew_is_made_before_the_tests(
    repository, monkeypatch, name
):
    with_outcomes(repository)
    (repository / "software/design" / name).write_text("other")
    stale = {"evidence": [{"changed deps": {"software": "modified"}}]}
    monkeypatch.setattr(programs, "stale_stages", lambda: stale)
    assert not release_work.ran().done


@pytest.mark.parametrize("path", [release_work.RECORDED, *release_work.SEEDED])
def test_evidence_waits_for_each_record_of_outcomes(repository, monkeypatch, path):
    stale = {"evidence": [{"changed deps": {"README.md": "modified"}}]}
    monkeypatch.setattr(programs, "stale_stages", lambda: stale)
    with_outcomes(repository)
    assert not release_work.ran().done
    (repository / path).unlink()
    assert release_work.ran().done


def test_evidence_that_cannot_be_made_yet_is_not_of_the_run(repository, monkeypatch):
    monkeypatch.setattr(
        programs, "stale_stages", lambda: {"evidence": [{"changed deps": {"README.md": "new"}}]}
    )
    assert release_work.ran().done
    assert not release_work.proven().done


@pytest.mark.parametrize(
    ("here", "nowhere", "why"),
    [
        ([], [], "the remote has all that is locked"),
        (["build/a"], [], "the remote lacks 1 locked files, such as build/a"),
        (["build/a"], ["build/b"], "1 locked files are neither here nor in the remote"),
    ],
)
def test_what_the_remote_lacks(monkeypatch, here, nowhere, why):
    monkeypatch.setattr(programs, "unpushed", lambda: (here, nowhere))
    assert release_work.pushed().why == why


def test_a_program_that_fails_says_its_last_lines(repository):
    with pytest.raises(StageError, match="status 128") as caught:
        programs.read(["git", "rev-parse", "--verify", "no-such-name"], "Name another.")
    assert caught.value.findings == ["fatal: Needed a single revision"]
    assert caught.value.way_out == "Name another."


# Gaps, signatures


def test_a_release_that_is_blocked_stops_unless_that_is_wanted(repository):
    (repository / "evidence").mkdir()
    shutil.copy(EXAMPLE, repository / "evidence/traceability.json")
    state = release_people.unblocked(although_blocked=False)
    assert not state.done
    assert state.findings
    with pytest.raises(StageError, match="the release is blocked by") as caught:
        release_people.ask_for_what_blocks()
    assert "--although-blocked" in caught.value.way_out
    assert release_people.unblocked(although_blocked=True).done


@pytest.fixture
def bundle(repository) -> Path:
    write_bundle(repository / "evidence")
    return repository


def test_evidence_without_a_signature_is_to_be_signed_and_then_is(bundle):
    assert not release_work.signed(is_test=True).done
    release_work.sign(is_test=True)
    assert release_work.signed(is_test=True).done
    assert release_work.signed(is_test=False).done


def test_a_test_key_must_be_marked_as_one(bundle):
    release_work.sign(is_test=False)
    assert "has no mark of tests" in release_work.signed(is_test=True).why


def test_evidence_that_changed_after_it_was_signed_is_to_be_signed_again(bundle):
    release_work.sign(is_test=True)
    flip_byte(bundle / "evidence")
    assert not release_work.signed(is_test=True).done


def test_a_signature_of_another_key_is_not_ours(bundle, tmp_path, monkeypatch):
    release_work.sign(is_test=True)
    private_key(tmp_path / "other.pem")
    monkeypatch.setenv(keys.VARIABLE, str(tmp_path / "other.pem"))
    assert "signed with key" in release_work.signed(is_test=True).why


def test_a_review_of_earlier_evidence_waits_for_whoever_signed_it(bundle):
    ours = (*release_work.OURS, "sign", "--review", "--name", "Jane Doe", "--meaning", "approved")
    programs.run(ours, "sign", "")
    assert release_people.signed_reviews().done
    flip_byte(bundle / "evidence")
    (bundle / "evidence/manifest.json").write_text("{}")
    with pytest.raises(StageError, match="1 files of signatures/ are not of this evidence") as caught:
        release_people.ask_for_signed_reviews()
    assert caught.value.findings[0].startswith("signatures/reviews/jane-doe-")
    assert "A release never signs for people." in caught.value.way_out


# Tests, and the fresh clone


def test_tests_that_fail_stop_the_release_with_each_requirement(monkeypatch):
    def fail(*_):
        raise StageError("the tests of requirements ended with status 1", way_out="Mend the tests.")

    state = steps.State(False, "1 of them speak against a requirement", ("SRS-UI-1: 1 of 2 cases passed",))
    monkeypatch.setattr(programs, "run", fail)
    monkeypatch.setattr(release_work, "tested", lambda: state)
    with pytest.raises(StageError) as caught:
        release_work.test()
    assert caught.value.findings == ["SRS-UI-1: 1 of 2 cases passed"]
    assert caught.value.way_out == "Mend the tests."


def test_without_a_record_of_tests_and_faults_both_are_to_do(designed):
    assert release_work.tested().why == "there is no software/verification/tests.json"
    assert not steps.look(release.in_order(options())[NAMES.index("negative controls")]).done


@pytest.fixture
def seeded(designed) -> Path:
    """With a run, and every fault seen by each of its requirements, in the record of its owner."""
    (designed / "metrics").mkdir()
    shutil.copy(ROOT / "tests/schema_cases/metrics/valid/all_defined.json", designed / "metrics/metrics.json")
    for whose, path in zip((controls.SOFTWARE, controls.STUDY), release_work.SEEDED, strict=True):
        (designed / path).parent.mkdir()
        records.write(path, {"controls": outcomes_of(whose)}, "negative_control_outcomes")
    return designed


def outcomes_of(whose: str) -> dict:
    """Outcomes as the command negative-controls writes them where every fault was noticed."""
    design, known = release_people.design(), tests.declared("tests")
    code = tests.tree(".", (*tests.CODE, *tests.TESTS))
    run_id = records.read("metrics/metrics.json", "metrics")["run_id"] if whose == controls.STUDY else ""
    kind = "assertion" if whose == controls.SOFTWARE else "criterion"
    outcomes = {}
    for name, fault in design.negative_controls.items():
        if design.owner(name) != whose:
            continue
        users = negative_controls.users(name, design.requirements)
        outcomes[name] = {
            "control_sha256": records.digest(fault),
            "seen_sha256": negative_controls.seen_sha256(fault, design.requirements, code, known, run_id),
            "requirements": {
                one["id"]: {"verdict": "red", "red": ["what noticed it"], "kind": kind} for one in users
            },
        }
    return outcomes


def test_faults_of_software_and_study_were_seen_each_in_its_own_record(seeded):
    assert release_work.seeded().done


def test_the_run_of_another_task_is_read_by_its_schemas(seeded, monkeypatch):
    task = second_task.declare(seeded, monkeypatch)
    with pytest.raises(StageError, match=f"schemas/{task.records['metrics']}.schema.json"):
        release_work.seeded()  # the run is one of segmentation


@pytest.mark.parametrize(
    ("path", "whose"), [*zip(release_work.SEEDED, (controls.SOFTWARE, controls.STUDY), strict=True)]
)
def test_a_record_that_is_not_there_lets_the_other_stand(seeded, path, whose):
    (seeded / path).unlink()
    design = release_people.design()
    missing = {finding.split(":")[0] for finding in release_work.seeded().findings}
    assert missing == {name for name in design.negative_controls if design.owner(name) == whose}


@pytest.mark.parametrize("path", release_work.SEEDED)
def test_a_fault_that_was_not_noticed_is_to_be_seeded_again(seeded, path):
    record = json.loads((seeded / path).read_text())
    name, entry = next(iter(record["controls"].items()))
    requirement = next(iter(entry["requirements"]))
    entry["requirements"][requirement] = {"verdict": "green", "red": [], "kind": None}
    (seeded / path).write_text(json.dumps(record))
    assert release_work.seeded().findings == (f"{name}: {requirement} is green, expected red",)


def test_an_outcome_in_the_record_of_the_other_is_not_believed(seeded):
    ours, theirs = (seeded / path for path in release_work.SEEDED)
    both = json.loads(ours.read_text())["controls"] | json.loads(theirs.read_text())["controls"]
    theirs.write_text(json.dumps({"controls": both}))
    state = steps.look(release.in_order(options())[NAMES.index("negative controls")])
    assert not state.done
    assert "an outcome of the software, in the record of the study" in state.findings[0]


def test_after_another_run_only_faults_of_predictions_are_to_be_seeded_again(seeded):
    path = seeded / "metrics/metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"run_id": "b" * 64}))
    design = release_people.design()
    stale = {finding.split(":")[0] for finding in release_work.seeded().findings}
    assert stale == {name for name in design.negative_controls if design.owner(name) == controls.STUDY}


def test_a_commit_is_verified_once_and_for_its_level(repository):
    assert not release_work.verified(4).done
    release_work.VERIFIED.parent.mkdir()
    head = git(repository, "rev-parse", "HEAD")
    release_work.VERIFIED.write_text(
        f"a fresh clone of {head} was verified up to level 4\n\nlevel 1  holds\n"
    )
    assert release_work.verified(4).done
    assert not release_work.verified(5).done
    git(repository, "commit", "-q", "--allow-empty", "-m", "another")
    assert not release_work.verified(4).done


def test_a_clone_that_cannot_be_pulled_is_not_verified(repository):  # it is no repository of DVC
    with pytest.raises(StageError, match=r"pull -q dvc\.yaml ended with status") as caught:
        release_work.verify(4, although_blocked=False)
    assert "HEAD locks what its remote does not have" in caught.value.way_out
    assert not release_work.VERIFIED.exists()


# A whole release


def released(project: Path, *words: str, **variables: str) -> subprocess.CompletedProcess:
    """The command in a project: exit status, and what it printed. A busy machine may need ten minutes."""
    words = ("python", "-m", "radiotrace", "release", "--test-key", "--although-blocked", *words)
    return subprocess.run(
        words,
        cwd=project,
        env={**projects.environment(project), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def done_anew(errors: str) -> list[str]:
    """Names of the steps that ran, in order."""
    return [line.split(": done in ")[0] for line in errors.splitlines() if ": done in " in line]


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_a_whole_release_of_the_smallest_project(tmp_path):
    project = smallest.create(tmp_path / "project")
    git(project, "config", "user.name", "test")
    git(project, "config", "user.email", "test@example.org")
    private_key(tmp_path / "key.pem")
    key = {keys.VARIABLE: str(tmp_path / "key.pem")}

    before = git(project, "rev-parse", "HEAD")
    planned = released(project, "--dry-run", **key)
    assert planned.returncode == 0
    assert "run                      to do" in planned.stdout
    assert git(project, "status", "--porcelain") == ""

    stopped = released(project, **key)
    assert stopped.returncode == 1
    assert "stopped at 'commit of the run'" in stopped.stderr
    assert done_anew(stopped.stderr) == ["baseline", "run", "push"]
    assert git(project, "rev-parse", "HEAD") == before

    whole = released(project, "--commit", **key)
    assert whole.returncode == 0, whole.stderr
    assert done_anew(whole.stderr) == [
        "commit of the run",
        "tests",
        "negative controls",
        "evidence",
        "commit of the evidence",
        "signature",
        "commit of the signature",
        "fresh clone",
    ]
    head = git(project, "rev-parse", "HEAD")
    assert f"a fresh clone of {head} was verified up to level 4" in whole.stdout
    assert "level 4  holds" in whole.stdout
    failing = [line for line in whole.stdout.splitlines() if "  FAILS  " in line]
    assert failing == ["level 3  FAILS  nothing blocks the release"]
    subjects = git(project, "log", "--format=%s", f"{before}..HEAD").splitlines()
    assert subjects == [
        "The evidence signed",
        "The evidence of this code and its run",
        "The run of this code",
    ]
    assert git(project, "status", "--porcelain") == ""

    again = released(project, "--commit", **key)
    assert (again.returncode, done_anew(again.stderr)) == (0, [])
    assert again.stdout == whole.stdout
    assert git(project, "rev-parse", "HEAD") == head
