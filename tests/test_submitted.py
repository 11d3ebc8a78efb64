"""The submitted run, as it is committed: the lock, the datastore and the bundle agree.

Nothing here looks at what a run has made since.
"""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.evidence.signing import keys, signatures
from radiotrace.evidence.verify import closed_world, levels, workflow
from radiotrace.pipeline import datastore
from radiotrace.pipeline.closure import code_closure
from radiotrace.pipeline.study import Study
from tests import submitted

HEAD = submitted.folder()
BY_HAND = HEAD / "radiotrace/evidence/verify/by_hand.sh"
MANIFEST = (
    submitted.json_of("evidence/manifest.json")
    if (HEAD / "evidence/manifest.json").is_file()
    else {"files": []}
)
BUNDLE = [entry for entry in MANIFEST["files"] if entry["in_bundle"]]


def test_the_bundle_holds_what_its_manifest_lists_and_nothing_else():
    listed = {entry["path"] for entry in BUNDLE} | {"evidence/manifest.json", "evidence/SHA256SUMS"}
    assert {path.relative_to(HEAD).as_posix() for path in (HEAD / "evidence").iterdir()} == listed
    assert len(BUNDLE) >= 12


@pytest.mark.parametrize("entry", BUNDLE, ids=lambda entry: entry["path"])
def test_each_file_of_the_bundle_has_its_hash_and_fits_its_schema(entry):
    content = (HEAD / entry["path"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    assert entry["schema"] is None or records.faults(json.loads(content), entry["schema"]) == []


def test_each_file_in_git_that_the_bundle_vouches_for_has_its_hash():
    vouched = [entry for entry in MANIFEST["files"] if (HEAD / entry["path"]).is_file()]
    assert len(vouched) >= 16
    assert [
        entry["path"] for entry in vouched if records.sha256(HEAD / entry["path"]) != entry["sha256"]
    ] == []


def test_each_file_that_the_bundle_vouches_for_and_dvc_keeps_has_its_hash_in_the_datastore():
    kept = [entry for entry in MANIFEST["files"] if not (HEAD / entry["path"]).is_file()]
    assert len(kept) >= 16
    assert [
        entry["path"]
        for entry in kept
        if records.sha256(submitted.stored()[entry["path"]]) != entry["sha256"]
    ] == []


def test_every_record_of_ours_in_the_bundle_has_a_schema():
    of_others = {
        "attestations.cdx.json",
        "dataset.croissant.json",
        "mlbom.cdx.json",
        "provenance.slsa.json",
        "ro-crate-metadata.json",
        "sbom.build.cdx.json",
        "sbom.runtime.cdx.json",
        "vex.json",
    }
    assert {
        Path(entry["path"]).name
        for entry in BUNDLE
        if entry["schema"] is None and entry["path"].endswith(".json")
    } == of_others


def test_the_bundle_is_whole_by_verify():
    assert [fault for check in levels.whole(HEAD / "evidence") for fault in check.faults] == []


def test_the_release_is_blocked_by_each_criterion_that_is_not_met_and_the_readme_says_so():
    missed = [
        row["requirement"]
        for row in submitted.json_of("evidence/acceptance.json")["results"]
        if row["verdict"] != "met"
    ]
    reasons = levels.release(HEAD / "evidence").faults
    assert missed
    assert [name for name in missed if not any(name in reason for reason in reasons)] == []
    assert "**The release is blocked.**" in (HEAD / "README.md").read_text("utf-8")


def test_the_signatures_fit_the_bundle():
    found = signatures.verify(HEAD / "signatures", HEAD / "evidence", keys.known(HEAD / "keys"), HEAD)
    assert [finding["kind"] for finding in found] == ["oms", "provenance"]
    assert [fault for finding in found for fault in finding["faults"]] == []
    assert {finding["trust"] for finding in found} == {"test"}


def by_hand(folder: Path):
    """The commands that 'verify --level 0' prints, run by a shell."""
    return subprocess.run(["bash", "-e", BY_HAND], cwd=folder, capture_output=True, text=True, check=False)


def copied(folder: Path) -> Path:
    for name in ("evidence", "signatures", "keys"):
        shutil.copytree(HEAD / name, folder / name)
    return folder


def test_documentation_has_the_commands_of_level_0():
    assert f"```\n{BY_HAND.read_text()}```" in (HEAD / "docs/verify.md").read_text()


def test_coreutils_and_openssl_accept_the_bundle(tmp_path):
    done = by_hand(copied(tmp_path))
    fingerprint = next(iter(keys.known(HEAD / "keys")))
    assert (done.stdout.splitlines(), done.stderr, done.returncode) == (
        ["Verified OK", fingerprint, "listed"],
        "",
        0,
    )


@pytest.mark.parametrize(
    "name", ["approval.json", "more/approval.json", ".gitattributes", "metr\u0456cs.json"]
)
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
    sums.write_text(
        "".join(
            sorted(
                sums.read_text("utf-8").replace("  metrics.json", "  metr\u0456cs.json").splitlines(True),
                key=lambda line: line[66:],
            )
        ),
        "utf-8",
    )
    assert by_hand(tmp_path).returncode == 1


def test_every_file_of_the_clone_is_listed_and_dvc_yaml_is_that_of_the_code(tmp_path):
    subprocess.run(["git", "clone", "-q", str(submitted.ROOT), str(tmp_path / "clone")], check=True)
    root = tmp_path / "clone"
    clone = levels.Clone(root, root / "evidence", root / "signatures", root / "keys")
    assert closed_world.check(clone).faults == []
    assert workflow.check(Study(root)).faults == []


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


def test_the_code_that_the_run_records_is_the_code_that_is_committed():
    stages = submitted.json_of("evidence/run.json")["stages"]
    assert [stage["stage"] for stage in stages] == [
        "ingest",
        "validate",
        "split",
        "train",
        "evaluate",
        "robustness",
        "explain",
        "export",
        "distil",
        "optimize",
        "report",
        "evidence",
    ]
    for stage in stages:
        closure = code_closure(
            [workflow.of(Study(HEAD))[stage["stage"]].script],
            root=HEAD,
            choices=workflow.chosen(Study(HEAD), has_members=True),
        )
        assert stage["code"] == {path: records.sha256(HEAD / path) for path in closure}


def test_the_datastore_is_whole_and_holds_everything_that_is_locked():
    objects, locked = datastore.check(HEAD)
    assert objects > 700
    assert locked > 800


def test_the_datastore_is_light():
    sizes = [
        int(line.split()[3])
        for line in submitted.git("ls-tree", "-r", "-l", "HEAD", "datastore").decode().splitlines()
    ]
    assert 1e6 < sum(sizes) < 100e6


def test_the_data_in_the_datastore_are_those_of_the_manifest():
    listed = dict(reversed(line.split("  ")) for line in (HEAD / "data.sha256").read_text().splitlines())
    assert len(listed) == 524
    kept = {path: file for path, file in submitted.stored().items() if path.startswith("data/")}
    assert {path: records.sha256(file) for path, file in kept.items()} == listed
