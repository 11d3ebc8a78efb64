"""A datastore on S3: what one clone pushed there, another pulls and has nothing left to run."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import projects

KEY = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "of tests",
    "AWS_DEFAULT_REGION": "us-east-1",
}
STAGES = ("ingest", "validate", "split")


@pytest.fixture
def bucket(tmp_path):
    """Address of an S3 server with an empty bucket called store, and the folder in which it keeps that."""
    folder = tmp_path / "server/store"
    folder.mkdir(parents=True)
    credentials = f"{KEY['AWS_ACCESS_KEY_ID']},{KEY['AWS_SECRET_ACCESS_KEY']}"
    server = subprocess.Popen(
        [
            *(Path(sys.executable).parent / "rclone", "serve", "s3", folder.parent),
            *("--addr", "127.0.0.1:0", "--auth-key", credentials, "--config", "/dev/null"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+", server.stderr.readline())
        assert address, "rclone does not say where it listens"
        yield address.group(), folder
    finally:
        server.kill()
        server.communicate()


def to_s3(project: Path, address: str) -> None:
    """What docs/machines.md says."""
    projects.run(project, "dvc", "remote", "add", "--default", "s3", "s3://store/radiotrace")
    projects.run(project, "dvc", "remote", "modify", "s3", "endpointurl", address)


@pytest.mark.slow
def test_a_clone_pulls_from_s3_what_was_pushed_there_and_runs_nothing(tmp_path, bucket):
    address, folder = bucket
    project = projects.create(tmp_path / "project", cases=10)
    to_s3(project, address)
    projects.run(project, "dvc", "repro", "-q", *STAGES)
    projects.run(project, "dvc", "push", "-q", **KEY)
    projects.commit(project, "run")
    assert len([path for path in folder.rglob("*") if path.is_file()]) > 20
    shutil.rmtree(project / "datastore")

    clone = tmp_path / "clone"
    projects.run(project, "git", "clone", "-q", project, clone)
    assert not (clone / "data").exists()
    projects.run(clone, "dvc", "pull", "-q", "data.dvc", *STAGES, **KEY)
    assert "Running stage" not in projects.run(clone, "dvc", "repro", *STAGES, **KEY).stdout
    assert (
        projects.run(clone, "dvc", "status", *STAGES).stdout.strip() == "Data and pipelines are up to date."
    )
    for path in sorted((project / "build/ingest").rglob("*.nii.gz")):
        assert (clone / path.relative_to(project)).read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_a_key_that_s3_refuses_is_said(tmp_path, bucket):
    address, folder = bucket
    project = projects.create(tmp_path / "project", cases=10)
    to_s3(project, address)
    done = projects.run(project, "dvc", "push", check=False, **KEY | {"AWS_SECRET_ACCESS_KEY": "another"})
    assert done.returncode
    assert "403" in done.stderr
    assert not [path for path in folder.rglob("*") if path.is_file()]
