"""History: what was ever a line of a ledger is found, on whichever side of a merge it stood; and what
nobody can know is said."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from radiotrace.evidence.verify import history
from radiotrace.pipeline.study import Study

ROOT = Path(__file__).resolve().parent.parent
LEDGER = "design/test_openings.jsonl"


def git(folder, *words) -> str:
    plain = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words]
    return subprocess.run(plain, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x", "--allow-empty")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path) -> Path:
    """Requirements, then one opening after the other: the history reaches back to before the first."""
    folder = tmp_path / "clone"
    (folder / "design").mkdir(parents=True)
    shutil.copy(ROOT / "design/requirements.yaml", folder / "design/requirements.yaml")
    git(tmp_path, "init", "-q", "-b", "main", "clone")
    commit(folder)
    for number in range(3):
        opened(folder, number)
    return folder


def opened(folder: Path, number: int) -> None:
    with open(folder / LEDGER, "a") as file:
        file.write(json.dumps({"run_id": str(number)}) + "\n")
    commit(folder)


def cut(folder: Path) -> None:
    lines = (folder / LEDGER).read_text().splitlines(keepends=True)
    (folder / LEDGER).write_text("".join(lines[:1]))
    commit(folder)


def found(folder: Path) -> tuple[bool, list[str], list[str]]:
    check = history.check(Study(folder))
    return check.looked, check.faults, check.skipped


def test_a_history_from_before_the_first_line_holds(repository):
    assert found(repository) == (True, [], [])


@pytest.mark.requirement("SRS-EVI-5")
def test_a_true_history_that_was_merged_and_not_taken_is_walked(repository):
    """'git log FILE' does not show the side of a merge whose file was not taken."""
    git(repository, "checkout", "-q", "-b", "true")
    git(repository, "checkout", "-q", "-B", "main", "main~2")
    opened(repository, 9)
    git(repository, "merge", "-q", "-s", "ours", "true")
    assert git(repository, "rev-list", "HEAD", "--", LEDGER).count("\n") == 1
    looked, faults, _ = found(repository)
    assert looked
    assert [fault.split(" that commit")[0] for fault in faults] == [f"{LEDGER}: lacks a line"] * 3


@pytest.mark.requirement("SRS-EVI-5")
def test_an_orphan_commit_with_a_cut_ledger_does_not_hold(repository):
    git(repository, "checkout", "-q", "--orphan", "new")
    cut(repository)
    git(repository, "branch", "-D", "main")
    looked, faults, skipped = found(repository)
    assert (looked, faults, len(skipped)) == (False, [], 1)
    assert skipped[0].startswith(f"cannot say: {LEDGER} has 1 lines in the first commit")


def test_lines_of_another_branch_are_told_and_no_fault(repository):
    git(repository, "checkout", "-q", "-b", "experiment")
    opened(repository, 9)
    git(repository, "checkout", "-q", "main")
    looked, faults, skipped = found(repository)
    assert (looked, faults) == (True, [])
    assert skipped[0].startswith(f"{LEDGER}: 1 lines stand in other branches of this clone alone")


def test_a_commit_in_whose_place_git_shows_another_is_read_as_it_is(repository):
    whole = git(repository, "rev-parse", "HEAD")
    cut(repository)
    git(repository, "replace", whole, git(repository, "rev-parse", "HEAD"))
    assert [fault.split(" that commit")[0] for fault in found(repository)[1]] == [
        f"{LEDGER}: lacks a line"
    ] * 3


def test_a_history_that_lacks_objects_is_no_history(repository):
    blob = git(repository, "rev-parse", f"HEAD:{LEDGER}")
    cut(repository)
    (repository / ".git/objects" / blob[:2] / blob[2:]).unlink()
    looked, _, skipped = found(repository)
    assert not looked
    assert skipped == ["1 objects of the history are missing: clone it anew, whole (without --filter)"]


@pytest.mark.requirement("SRS-EVI-7")
def test_program_of_a_delivered_git_folder_that_would_bring_missing_objects_is_not_run(repository, tmp_path):
    lacking = git(repository, "rev-parse", "HEAD~1")
    (repository / f".git/objects/{lacking[:2]}/{lacking[2:]}").unlink()
    for name, value in {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": "vendor",
        "remote.vendor.promisor": "true",
        "remote.vendor.url": f"ext::touch {tmp_path}/ran",
        "protocol.ext.allow": "always",
    }.items():
        git(repository, "config", name, value)
    assert history.check(Study(repository)).looked is False
    assert not (tmp_path / "ran").exists()


def test_a_shallow_clone_says_that_it_cannot_say(repository, tmp_path):
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", "shallow")
    assert found(tmp_path / "shallow") == (False, [], ["the history is not here: 'git fetch --unshallow'"])


def test_a_criterion_is_held_against_each_commit_that_first_opened_the_test_part(repository):
    """A second beginning, with a lower threshold, was joined to the first."""
    text = (repository / "design/requirements.yaml").read_text()
    git(repository, "checkout", "-q", "--orphan", "second")
    (repository / LEDGER).unlink()
    (repository / "design/requirements.yaml").write_text(text.replace("threshold: 0.85", "threshold: 0.05"))
    commit(repository)
    opened(repository, 9)
    git(repository, "merge", "-q", "-s", "ours", "--allow-unrelated-histories", "main")
    assert sorted({fault.split(":")[0] for fault in found(repository)[1] if "criterion" in fault}) == [
        "SRS-SEG-1",
        "SRS-SEG-2",
    ]


def test_a_package_whose_hash_changed_under_its_name_is_found(repository):
    path = repository / history.WHEELS[0]
    path.parent.mkdir(parents=True)
    shutil.copy(ROOT / history.WHEELS[0], path)
    commit(repository)
    assert history.wheels(Study(repository)).faults == []
    record = json.loads(path.read_text())
    name = next(iter(record["wheels"]))
    record["wheels"][name]["sha256"] = "0" * 64
    path.write_text(json.dumps(record))
    commit(repository)
    assert len(history.wheels(Study(repository)).faults) == 1
    assert record["wheels"][name]["file"] in history.wheels(Study(repository)).faults[0]


@pytest.mark.requirement("SRS-EVI-5")
def test_reference_that_was_replaced_after_the_test_part_was_opened_is_told(repository):
    (repository / "data.sha256").write_text(f"{'1' * 64}  imagesTr/a.nii.gz\n{'2' * 64}  labelsTr/a.nii.gz\n")
    shown = commit(repository)
    assert history.raw_files(Study(repository)).warned == []
    (repository / "data.sha256").write_text(f"{'1' * 64}  imagesTr/a.nii.gz\n{'3' * 64}  labelsTr/a.nii.gz\n")
    commit(repository)
    opened(repository, 3)
    checked = history.raw_files(Study(repository))
    assert (checked.faults, checked.looked) == ([], True)
    assert checked.warned == [
        f"data.sha256: labelsTr/a.nii.gz was another file in commit {shown[:12]}, "
        f"after the test part was first opened"
    ]


def test_raw_files_that_changed_before_anything_was_opened_are_no_matter(tmp_path):
    git(tmp_path, "init", "-q")
    for digit in "12":
        (tmp_path / "data.sha256").write_text(f"{digit * 64}  labelsTr/a.nii.gz\n")
        commit(tmp_path)
    (tmp_path / "design").mkdir()
    opened(tmp_path, 0)
    assert history.raw_files(Study(tmp_path)).warned == []


@pytest.mark.requirement("SRS-EVI-5")
@pytest.mark.parametrize(
    ("path", "content"),
    [
        (
            "old/ledger.jsonl",
            '{"run_id": "9", "stage": "evaluate", "cases_sha256": "c", "metrics_sha256": "m"}\n',
        ),
        (
            "evidence/openings.json",
            '{"openings": [{"run_id": "9", "stage": "evaluate", "cases_sha256": "c", '
            '"metrics_sha256": "m"}]}',
        ),
        ("metrics/metrics.json", '{"run_id": "9", "part": "test"}'),
    ],
    ids=["ledger of another name", "earlier bundle", "committed metrics"],
)
def test_an_opening_that_git_knows_from_elsewhere_is_missed(repository, path, content):
    (repository / path).parent.mkdir(exist_ok=True)
    (repository / path).write_text(content)
    commit(repository)
    (repository / path).unlink()
    commit(repository)
    faults = found(repository)[1]
    assert len(faults) == 1
    assert path in faults[0]


@pytest.mark.requirement("SRS-EVI-3")
def test_a_review_of_a_criterion_is_not_early_below_one_that_is_late(repository):
    lines = [{"item": "SRS-SEG-1", "criterion_sha256": "a", "n_openings": number} for number in (0, 3, 0)]
    (repository / "design/reviews.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [fault.split(",")[0] for fault in found(repository)[1]] == ["design/reviews.jsonl: line 3"]


# What the move of a file to the folder of the software does not wash off

WHEEL = {"file": "one-1.0-py3-none-any.whl", "sha256": "a" * 64, "version": "1.0"}
NOW, BEFORE = history.WHEELS


def locked(folder: Path, path: str, **changes) -> None:
    """Commits the locked file of a package under a path, and nowhere else."""
    for one in history.WHEELS:
        (folder / one).unlink(missing_ok=True)
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(json.dumps({"wheels": {"one": WHEEL | changes}}))
    commit(folder)


def test_a_locked_file_that_moves_as_it_is_holds(repository):
    locked(repository, BEFORE)
    locked(repository, NOW)
    found = history.wheels(Study(repository))
    assert (found.looked, found.faults) == (True, [])


@pytest.mark.requirement("SRS-EVI-5")
@pytest.mark.parametrize("origin", history.WHEELS)
def test_a_package_whose_hash_changed_is_found_also_where_its_list_moved(repository, origin):
    locked(repository, origin)
    locked(repository, NOW, sha256="b" * 64)
    assert [fault.split(" in commit")[0] for fault in history.wheels(Study(repository)).faults] == [
        f"{NOW}: {WHEEL['file']} had the SHA-256 {'a' * 12}…"
    ]


@pytest.mark.requirement("SRS-EVI-5")
def test_a_package_whose_hash_changed_before_the_list_moved_is_found(repository):
    locked(repository, BEFORE)
    locked(repository, BEFORE, sha256="b" * 64)
    locked(repository, NOW, sha256="b" * 64)
    assert len(history.wheels(Study(repository)).faults) == 1


REVIEWED = [{"item": "SRS-DATA-1", "sha256": "1" * 64}, {"item": "SRS-DATA-1", "sha256": "2" * 64}]


def reviewed(folder: Path, path: str, lines: list[dict]) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text("".join(json.dumps(line) + "\n" for line in lines))
    commit(folder)


def test_a_ledger_of_the_software_that_begins_with_what_was_reviewed_holds(repository):
    reviewed(repository, history.REVIEWS, [*REVIEWED, {"item": "SRS-SEG-1"}])
    reviewed(repository, history.REVIEWS_OF_SOFTWARE, [*REVIEWED, {"item": "SRS-DATA-1"}])
    assert found(repository) == (True, [], [])


@pytest.mark.requirement("SRS-EVI-3")
def test_a_ledger_of_the_software_that_leaves_reviews_behind_is_found(repository):
    reviewed(repository, history.REVIEWS, [*REVIEWED, {"item": "SRS-SEG-1"}])
    reviewed(repository, history.REVIEWS_OF_SOFTWARE, REVIEWED[1:])
    assert [fault.split(": copy")[0] for fault in found(repository)[1]] == [
        f"{history.REVIEWS_OF_SOFTWARE}: lacks line 1 of {history.REVIEWS}, a review of SRS-DATA-1"
    ]


@pytest.mark.requirement("SRS-EVI-3")
@pytest.mark.parametrize("path", [history.REVIEWS, history.REVIEWS_OF_SOFTWARE])
def test_a_ledger_that_lost_lines_in_the_move_is_found(repository, path):
    reviewed(repository, path, REVIEWED)
    reviewed(repository, path, REVIEWED[1:])
    assert [fault.split(" that commit")[0] for fault in found(repository)[1]] == [f"{path}: lacks a line"]


def test_a_criterion_that_went_to_the_software_is_one_that_vanished(repository):
    text = (repository / history.REQUIREMENTS).read_text()
    moved = text.replace("- id: SRS-SEG-1\n", "- id: SRS-SEG-99\n")
    (repository / "software/design").mkdir(parents=True)
    (repository / "software/design/requirements.yaml").write_text(text)
    (repository / history.REQUIREMENTS).write_text(moved)
    commit(repository)
    assert found(repository)[1][0].startswith("SRS-SEG-1: its criterion is not that of commit ")
