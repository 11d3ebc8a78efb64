"""The submitted run, as it stands in this clone: the lock, the datastore and the bundle agree."""
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from radiotrace import datastore, records, runs
from radiotrace.evidence import closed_world, keys, signing, verify, workflow

ROOT = Path(__file__).resolve().parent.parent
BY_HAND = ROOT / "radiotrace/evidence/templates/by_hand.sh"
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
    assert entry["schema"] is None or records.faults(json.loads(content), entry["schema"]) == []


def test_each_file_in_git_that_the_bundle_vouches_for_has_its_hash():
    tracked = set(subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines())
    vouched = [entry for entry in MANIFEST["files"] if entry["path"] in tracked]
    assert len(vouched) >= 16
    assert [entry["path"] for entry in vouched if records.sha256(ROOT / entry["path"]) != entry["sha256"]] == []


def test_every_record_of_ours_in_the_bundle_has_a_schema():
    of_others = {"attestations.cdx.json", "dataset.croissant.json", "mlbom.cdx.json", "provenance.slsa.json", "ro-crate-metadata.json",
                 "sbom.build.cdx.json", "sbom.runtime.cdx.json", "vex.json"}
    assert {Path(entry["path"]).name for entry in BUNDLE if entry["schema"] is None and entry["path"].endswith(".json")} == of_others


def test_the_bundle_is_whole_by_verify():
    assert [fault for check in verify.whole(ROOT / "evidence") for fault in check.faults] == []


def test_every_requirement_is_verified_and_nothing_blocks_the_release():
    assert verify.release(ROOT / "evidence").faults == []


def test_the_signatures_fit_the_bundle():
    found = signing.verify(ROOT / "signatures", ROOT / "evidence", keys.known(ROOT / "keys"), ROOT)
    assert [finding["kind"] for finding in found] == ["oms", "provenance"]
    assert [fault for finding in found for fault in finding["faults"]] == []
    assert {finding["trust"] for finding in found} == {"test"}


def by_hand(folder: Path):
    """The commands that 'verify --level 0' prints, run by a shell."""
    return subprocess.run(["bash", "-e", BY_HAND], cwd=folder, capture_output=True, text=True, check=False)


def copied(folder: Path) -> Path:
    for name in ("evidence", "signatures", "keys"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def test_documentation_has_the_commands_of_level_0():
    assert f"```\n{BY_HAND.read_text()}```" in (ROOT / "docs/verify.md").read_text()


def test_coreutils_and_openssl_accept_the_bundle(tmp_path):
    done = by_hand(copied(tmp_path))
    fingerprint = next(iter(keys.known(ROOT / "keys")))
    assert (done.stdout.splitlines(), done.stderr, done.returncode) == (["Verified OK", fingerprint, "listed"], "", 0)


@pytest.mark.parametrize("name", ["approval.json", "more/approval.json", ".gitattributes", "metr\u0456cs.json"])
def test_coreutils_find_a_file_that_is_not_listed(tmp_path, name):  # sha256sum -c said nothing of it
    path = copied(tmp_path) / "evidence" / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    done = by_hand(tmp_path)
    assert (done.returncode, "listed" in done.stdout.splitlines()) == (1, False)


def test_coreutils_find_a_listed_name_that_only_looks_like_ours(tmp_path):
    evidence = copied(tmp_path) / "evidence"
    (evidence / "metrics.json").rename(evidence / "metr\u0456cs.json")
    sums = evidence / "SHA256SUMS"
    sums.write_text("".join(sorted(sums.read_text("utf-8").replace("  metrics.json", "  metr\u0456cs.json").splitlines(True),
                                   key=lambda line: line[66:])), "utf-8")
    assert by_hand(tmp_path).returncode == 1


def test_every_file_of_the_clone_is_listed_and_dvc_yaml_is_that_of_the_code():
    clone = verify.Clone(ROOT, ROOT / "evidence", ROOT / "signatures", ROOT / "keys")
    assert closed_world.check(clone).faults == []
    assert workflow.check(ROOT).faults == []


@pytest.mark.parametrize("resealed", [False, True])
def test_coreutils_and_openssl_refuse_a_changed_bundle(tmp_path, resealed):
    file, sums = copied(tmp_path) / "evidence/metrics.json", tmp_path / "evidence/SHA256SUMS"
    before = records.sha256(file)
    file.write_bytes(file.read_bytes().replace(b"0", b"1", 1))
    if resealed:
        sums.write_text(sums.read_text().replace(before, records.sha256(file)))
    done = by_hand(tmp_path)
    assert done.returncode == 1
    assert "listed" not in done.stdout.splitlines()


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
