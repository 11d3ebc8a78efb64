"""The submitted run, as it stands in this clone: the lock, the datastore and the bundle agree."""
import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from radiotrace import datastore, records, runs

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = json.loads((ROOT / "evidence/manifest.json").read_text()) if (ROOT / "evidence/manifest.json").is_file() else {"files": []}
BUNDLE = [entry for entry in MANIFEST["files"] if entry["in_bundle"]]


def test_the_bundle_holds_what_its_manifest_lists_and_nothing_else():
    listed = {entry["path"] for entry in BUNDLE} | {"evidence/manifest.json", "evidence/SHA256SUMS"}
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "evidence").iterdir()} == listed
    assert len(BUNDLE) >= 12


@pytest.mark.parametrize("entry", BUNDLE, ids=lambda entry: entry["path"])
def test_each_file_of_the_bundle_has_its_hash_and_fits_its_schema(entry):
    content = (ROOT / entry["path"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    assert records.faults(json.loads(content), entry["schema"]) == []


def test_each_file_in_git_that_the_bundle_vouches_for_has_its_hash():
    tracked = set(subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines())
    vouched = [entry for entry in MANIFEST["files"] if entry["path"] in tracked]
    assert len(vouched) >= 16
    assert [entry["path"] for entry in vouched if records.sha256(ROOT / entry["path"]) != entry["sha256"]] == []


def test_sha256sum_accepts_the_bundle():
    done = subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=ROOT / "evidence", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_code_that_the_run_records_is_the_code_of_this_clone():
    stages = json.loads((ROOT / "evidence/run.json").read_text())["stages"]
    assert [stage["stage"] for stage in stages] == ["ingest", "validate", "split", "train", "evaluate", "robustness", "explain", "report", "export",
                                                    "evidence"]
    for stage in stages:
        closure = runs.code_closure(ROOT / f"stages/{stage['stage']}.py")
        assert stage["code"] == {path: records.sha256(ROOT / path) for path in closure}


def test_the_datastore_is_whole_and_holds_everything_that_is_locked():
    objects, locked = datastore.check(ROOT)
    assert objects > 700
    assert locked > 800


def test_the_datastore_is_light():
    assert sum(path.stat().st_size for path in (ROOT / "datastore").rglob("*") if path.is_file()) < 100e6



def test_the_data_in_the_datastore_are_those_of_the_manifest():
    listed = dict(reversed(line.split("  ")) for line in (ROOT / "data.sha256").read_text().splitlines())
    assert len(listed) == 524
    locked = json.loads(next(path for path in sorted((ROOT / "datastore/files/md5").rglob("*.dir")) if b"imagesTr" in path.read_bytes()).read_bytes())
    stored = {f"data/{entry['relpath']}": ROOT / "datastore/files/md5" / entry["md5"][:2] / entry["md5"][2:] for entry in locked}
    assert {path: records.sha256(file) for path, file in stored.items()} == listed
