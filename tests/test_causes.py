"""causes: faults of verify that have one cause are told once."""

import json
import shutil

import pytest

from radiotrace.evidence.verify import causes
from radiotrace.evidence.verify.levels import Check
from tests import submitted


@pytest.fixture
def clone(tmp_path):
    """The submitted records in a bundle and beside it."""
    for name, place in (("dataset", "build/ingest/dataset.json"), ("metrics", "metrics/metrics.json")):
        for target in (tmp_path / f"evidence/{name}.json", tmp_path / place):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(submitted.folder() / f"evidence/{name}.json", target)
    return tmp_path


def change(path, *keys, value="0" * 64):
    record = place = json.loads(path.read_text("utf-8"))
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(record), "utf-8")


def test_evidence_of_this_run_has_no_other_cause(clone):
    assert causes.another(clone / "evidence", clone, {}) is None


@pytest.mark.parametrize(
    ("place", "keys", "kind"),
    [
        ("build/ingest/dataset.json", ("dataset", "root_sha256"), "data set"),
        ("metrics/metrics.json", ("run_id",), "run"),
    ],
)
def test_evidence_of_something_else_is_said_to_be_that_and_what_to_do(clone, place, keys, kind):
    change(clone / place, *keys)
    found = causes.another(clone / "evidence", clone, {})
    assert found.startswith(f"the evidence is of another {kind} than this clone")
    assert "'dvc repro evidence'" in found
    assert place in found


def test_what_cannot_be_read_is_no_cause(tmp_path):
    assert causes.another(tmp_path / "evidence", tmp_path, {}) is None


def test_many_faults_of_a_level_become_one_and_the_check_still_fails():
    check = Check(3, "same bytes", [f"file {number}" for number in range(210)])
    causes.explain([check], "the evidence is of another run")
    assert check.faults == [
        "the evidence is of another run. 210 differences follow from it, such as:",
        "file 0",
    ]


@pytest.mark.parametrize(
    ("level", "n_faults", "cause"),
    [(3, 3, "another run"), (1, 9, "another run"), (3, 9, None), (3, 0, "another run")],
    ids=["few", "another level", "no cause", "none"],
)
def test_other_faults_stay_as_they_are(level, n_faults, cause):
    faults = [str(number) for number in range(n_faults)]
    check = Check(level, "same bytes", list(faults))
    causes.explain([check], cause)
    assert check.faults == faults
