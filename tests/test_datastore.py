"""The datastore in git: every object is what its name says, and everything that is locked is in it."""

import hashlib
import json
import subprocess

import pytest

from radiotrace.errors import StageError
from radiotrace.pipeline import datastore


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


class Project:
    """A folder with a lock and a datastore, and nothing else that DVC makes."""

    def __init__(self, folder):
        self.folder, self.outs, self.options = folder, [], []
        self.store = folder / "datastore/files/md5"
        self.store.mkdir(parents=True)

    def put(self, content: bytes, suffix="") -> str:
        digest = md5(content)
        (self.store / digest[:2]).mkdir(exist_ok=True)
        (self.store / digest[:2] / (digest[2:] + suffix)).write_bytes(content)
        return digest + suffix

    def put_folder(self, **files) -> str:
        return self.put(
            json.dumps(
                [{"md5": self.put(content), "relpath": name} for name, content in files.items()]
            ).encode(),
            ".dir",
        )

    def object(self, digest):
        return self.store / digest[:2] / digest[2:]

    def lock(self, path, digest, **options):
        self.outs.append({"path": path, "md5": digest})
        self.options.append({path: options} if options else path)
        (self.folder / "dvc.yaml").write_text(
            json.dumps({"stages": {"train": {"cmd": "true", "outs": self.options}}})
        )
        (self.folder / "dvc.lock").write_text(
            json.dumps({"stages": {"train": {"cmd": "true", "outs": self.outs}}})
        )

    def faults(self):
        with pytest.raises(StageError) as caught:
            datastore.check(self.folder)
        return caught.value.findings


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def test_locked_file_is_found(project):
    project.lock("build/weights", project.put(b"weights"))
    assert datastore.check(project.folder) == (1, 1)


def test_locked_folder_is_found_with_each_of_its_files(project):  # the listing and two files
    project.lock("build/export", project.put_folder(model=b"onnx", record=b"{}"))
    assert datastore.check(project.folder) == (3, 3)


def test_object_that_nothing_locks_is_hashed_too(project):  # outputs of earlier runs stay
    project.put(b"earlier")
    project.lock("build/weights", project.put(b"weights"))
    assert datastore.check(project.folder) == (2, 1)


def test_output_tracked_by_a_dvc_file_is_found(project):
    digest = project.put(b"raw")
    (project.folder / ".dvc").mkdir()  # DVC's own folder, which matches *.dvc
    (project.folder / "data.dvc").write_text(json.dumps({"outs": [{"path": "data", "md5": digest}]}))
    assert datastore.check(project.folder) == (1, 1)


def test_changed_object_is_named_with_what_it_is_now(project):
    digest = project.put(b"weights")
    project.lock("build/weights", digest)
    project.object(digest).write_bytes(b"Weights")
    assert project.faults() == [
        f"datastore/files/md5/{digest[:2]}/{digest[2:]}: its MD5 is {md5(b'Weights')}, it was changed"
    ]


def test_changed_object_that_nothing_locks_is_named(project):
    project.lock("build/weights", project.put(b"weights"))
    digest = project.put(b"earlier")
    project.object(digest).write_bytes(b"")
    assert [fault.split(": ")[0] for fault in project.faults()] == [
        f"datastore/files/md5/{digest[:2]}/{digest[2:]}"
    ]


@pytest.mark.parametrize("content", [b"[]", b"", b"{}", b"not JSON", b"\xff"])
def test_changed_listing_of_a_folder_is_named(project, content):
    digest = project.put_folder(model=b"onnx")
    project.lock("build/export", digest)
    project.object(digest).write_bytes(content)
    assert [fault.split(": ")[0] for fault in project.faults()] == [
        f"datastore/files/md5/{digest[:2]}/{digest[2:]}"
    ]


def test_missing_object_is_named_as_what_it_is_locked_for(project):
    project.lock("build/weights", md5(b"weights"))
    assert project.faults() == [f"build/weights: locked as {md5(b'weights')}, but not in the datastore"]


def test_missing_file_of_a_folder_is_named(project):
    project.lock("build/export", project.put_folder(model=b"onnx", record=b"{}"))
    project.object(md5(b"onnx")).unlink()
    assert project.faults() == [f"build/export/model: locked as {md5(b'onnx')}, but not in the datastore"]


def test_all_faults_are_named_at_once(project):
    changed = project.put(b"weights")
    project.lock("build/weights", changed)
    project.lock("build/a", md5(b"a"))
    project.lock("build/b", md5(b"b"))
    project.object(changed).write_bytes(b"")
    with pytest.raises(StageError, match="3 faults"):
        datastore.check(project.folder)


def test_output_that_is_kept_elsewhere_is_not_looked_for(project):
    project.lock("build/weights", project.put(b"weights"))
    project.lock("metrics/metrics.json", md5(b"in git"), cache=False)
    assert datastore.check(project.folder) == (1, 1)


def test_data_that_are_not_pushed_are_not_looked_for(project):
    project.lock("build/weights", project.put(b"weights"))
    outs = {"outs": [{"path": "data", "md5": md5(b"not to be handed on"), "cache": False}]}
    (project.folder / "data.dvc").write_text(json.dumps(outs))
    assert datastore.check(project.folder) == (1, 1)


def test_output_with_other_options_is_looked_for(project):
    project.lock("build/weights", md5(b"weights"), persist=True)
    assert project.faults() == [f"build/weights: locked as {md5(b'weights')}, but not in the datastore"]


@pytest.mark.parametrize("lock", ["stages: {}\n", "", None], ids=["no_stages", "no_bytes", "no_file"])
def test_lock_that_locks_nothing_fails(project, lock):  # a check that looked at nothing has failed
    project.put(b"weights")
    if lock is not None:
        (project.folder / "dvc.lock").write_text(lock)
    assert project.faults() == ["nothing is locked, so nothing was checked"]


def commit(folder):
    for words in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "run"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)


def test_outputs_of_a_run_that_nobody_committed_are_one_fault_with_two_ways_out(project):
    project.lock("build/weights", project.put(b"weights"))
    commit(project.folder)
    for number in range(20):
        project.lock(f"build/{number:02}", md5(b"%d" % number))
    with pytest.raises(StageError, match="the run in this folder is not the committed one") as caught:
        datastore.check(project.folder)
    assert caught.value.findings == [
        "dvc.lock differs from HEAD, and the datastore lacks 20 of what it locks, such as build/00"
    ]
    assert "To keep this run: 'dvc push'" in caught.value.way_out
    assert "To go back to the committed one: 'git stash'" in caught.value.way_out


def test_what_is_missing_of_the_committed_run_is_a_fault_of_the_datastore(project):
    project.lock("build/weights", md5(b"weights"))
    commit(project.folder)
    assert project.faults() == [f"build/weights: locked as {md5(b'weights')}, but not in the datastore"]


def test_an_object_that_was_changed_is_named_whatever_was_committed(project):
    project.lock("build/weights", project.put(b"weights"))
    commit(project.folder)
    project.lock("build/more", md5(b"more"))
    project.object(md5(b"weights")).write_bytes(b"")
    assert [fault.split(": ")[0].split("/")[0] for fault in project.faults()] == ["datastore", "build"]


def test_many_faults_of_a_kind_are_cut_and_counted(project):
    for number in range(20):
        project.lock(f"build/{number:02}", md5(b"%d" % number))
    found = project.faults()
    assert (len(found), found[-1]) == (13, "… and 8 more")


def test_members_and_further_studies_are_looked_up(project):
    for place, name in ((".", "members/other"), ("studies/liver", "data"), ("studies/liver", "members/more")):
        folder = project.folder / place
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "dvc.yaml").write_text("stages: {}\n")
        digest = md5(f"{place} {name}".encode())
        (folder / f"{name}.dvc").write_text(
            json.dumps({"outs": [{"path": name.split("/")[-1], "md5": digest}]})
        )
    assert [fault.split(":")[0] for fault in project.faults()] == [
        "members/other",
        "studies/liver/data",
        "studies/liver/members/more",
    ]
