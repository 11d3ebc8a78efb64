"""verify: what each check finds in a bundle that was changed, what it says, and that hostile input makes
it neither crash nor write."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from radiotrace import __main__ as program
from radiotrace import records
from radiotrace.commands import verify as command
from radiotrace.errors import StageError
from radiotrace.evidence.bundle import contents
from radiotrace.evidence.signing import keys
from radiotrace.evidence.verify import beside, differences, history, levels
from radiotrace.evidence.verify.levels import Check
from radiotrace.pipeline.study import Study
from radiotrace.records import jcs
from tests import bundles, submitted

ROOT = Path(__file__).resolve().parent.parent
HEX = "0" * 64
CLOSED, CANONICAL, SCHEMA, RUN, REFERENCES = range(5)


KEPT = (
    "acceptance",
    "headline",
    "index",
    "intended_use",
    "manifest",
    "metrics",
    "model",
    "model_card",
    "openings",
    "run",
    "split",
    "traceability",
)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The committed bundle without most of its files, which would take their time; nothing is beside it."""
    evidence = tmp_path_factory.mktemp("small") / "evidence"
    evidence.mkdir()
    for name in KEPT:
        shutil.copy(submitted.folder() / "evidence" / f"{name}.json", evidence / f"{name}.json")
    index, manifest = (json.loads((evidence / f"{name}.json").read_bytes()) for name in ("index", "manifest"))
    index["files"] = {name: entry for name, entry in index["files"].items() if (evidence / name).exists()}
    index["pointers"] = {
        name: to for name, to in index["pointers"].items() if (evidence / to["file"]).exists()
    }
    index["later"] = ["manifest.json", "SHA256SUMS"]
    manifest["files"] = [
        row for row in manifest["files"] if row["in_bundle"] and (evidence.parent / row["path"]).exists()
    ]
    card = json.loads((evidence / "model_card.json").read_bytes())
    run_id = json.loads((evidence / "run.json").read_bytes())["run_id"]
    for _, reference in levels._pointing(card, ""):
        if not (evidence / reference["file"]).exists():  # instead, to a value of a file that was kept
            reference |= {
                "file": "run.json",
                "pointer": "/run_id",
                "sha256": records.sha256(evidence / "run.json"),
                "value": run_id,
            }
    for name, record in (("index", index), ("manifest", manifest), ("model_card", card)):
        (evidence / f"{name}.json").write_bytes(jcs.dumps(record))
    (evidence / "SHA256SUMS").touch()
    seal(evidence)
    return evidence


@pytest.fixture
def evidence(small, tmp_path):
    """A copy of the small bundle."""
    return shutil.copytree(small, tmp_path / "clone/evidence")


def seal(evidence):
    """Manifest, index and sums fit the files again."""
    manifest = json.loads((evidence / "manifest.json").read_bytes())
    index = json.loads((evidence / "index.json").read_bytes())
    for name, entry in index["files"].items():
        entry["sha256"] = records.sha256(evidence / name) if (evidence / name).is_file() else HEX
    (evidence / "index.json").write_bytes(jcs.dumps(index))
    for row in (row for row in manifest["files"] if row["in_bundle"]):
        row["sha256"] = records.sha256(evidence.parent / row["path"])
    (evidence / "manifest.json").write_bytes(jcs.dumps(manifest))
    (evidence / "SHA256SUMS").unlink()
    (evidence / "SHA256SUMS").write_text(contents.checksums(evidence))


def change(evidence, name, how):
    """Changes a record and seals the bundle again."""
    record = json.loads((evidence / name).read_bytes())
    how(record)
    (evidence / name).write_bytes(jcs.dumps(record))
    seal(evidence)


def faults(evidence) -> list[list[str]]:
    return [check.faults for check in levels.whole(evidence)]


def run(capsys, *words) -> tuple[int, str]:
    """Exit status and what is printed."""
    status = program.main(["verify", *map(str, words)])
    return status, capsys.readouterr().out


# Level 1


def test_committed_bundle_is_whole(evidence):
    assert faults(evidence) == [[], [], [], [], []]


@pytest.mark.requirement("SRS-EVI-5")
def test_changed_byte_of_the_evidence_is_found_and_its_file_named(evidence):
    content = (evidence / "metrics.json").read_bytes()
    (evidence / "metrics.json").write_bytes(content.replace(b"0.9", b"0.8", 1))
    assert all("metrics.json: digest differs" in fault for fault in faults(evidence)[CLOSED])
    assert len(faults(evidence)[CLOSED]) == 2  # of the sums, and of the manifest


def test_name_with_a_letter_that_looks_like_ours_is_found(evidence):
    (evidence / "headline.json").rename(evidence / "h\u0435adline.json")
    assert "the name has characters other than the printable ones of ASCII" in faults(evidence)[CLOSED][0]


@pytest.mark.parametrize(("name", "content"), [("approval.json", b"{}"), (".gitattributes", b"* -text\n")])
def test_added_file_is_found(evidence, name, content):
    (evidence / name).write_bytes(content)
    assert [fault for fault in faults(evidence)[CLOSED] if fault.endswith(f"{name}: unlisted")]


def test_removed_file_is_found(evidence):
    (evidence / "headline.json").unlink()
    assert [fault for fault in faults(evidence)[CLOSED] if fault.endswith("headline.json: missing")]


def test_link_in_place_of_a_file_is_found(evidence):
    shutil.move(evidence / "headline.json", evidence.parent / "headline.json")
    (evidence / "headline.json").symlink_to("../headline.json")
    assert "headline.json: found a symbolic link, expected a file" in faults(evidence)[CLOSED]


@pytest.mark.parametrize("name", ["SHA256SUMS", "manifest.json"])
def test_bundle_without_its_lists_fails(evidence, name):
    (evidence / name).unlink()
    assert faults(evidence)[CLOSED] == [f"{name}: missing"]


def test_folder_that_is_not_there_fails(tmp_path):
    assert faults(tmp_path / "evidence")[CLOSED][0] == "evidence: found no folder, expected a folder"


@pytest.mark.parametrize(
    "spelling",
    [
        lambda old: old.replace(b",", b", ", 1),
        lambda old: b"\xef\xbb\xbf" + old,
        lambda old: old + b"\n",
        lambda old: b'{"z":1,' + old[1:],
        lambda old: b'{"run_id":1,' + old[1:],
        lambda old: old[:-1] + b',"z":NaN}',
        lambda old: old[:-1] + b',"z":1e999}',
        lambda old: old[:-1] + b',"z":"\xff"}',
        lambda old: old[:-1] + b',"z":"\\ud800"}',
        lambda old: old[:-1] + b',"z":9007199254740993}',
        lambda old: old[:-1] + b',"z":' + b"[" * 900 + b"]" * 900 + b"}",
        lambda old: old[:-1] + b',"z":' + b"[" * 99999 + b"]" * 99999 + b"}",
        lambda old: b"",
        lambda old: b"[1",
        lambda old: old.decode().encode("utf-16"),
    ],
    ids=[
        "space",
        "byte order mark",
        "line break",
        "unsorted",
        "key twice",
        "NaN",
        "infinity",
        "no UTF-8",
        "half a surrogate pair",
        "integer that is no double",
        "deep",
        "very deep",
        "empty",
        "cut",
        "UTF-16",
    ],
)
def test_other_spelling_is_found(evidence, spelling):
    (evidence / "headline.json").write_bytes(spelling((evidence / "headline.json").read_bytes()))
    seal(evidence)
    assert [fault.split(":")[0] for fault in faults(evidence)[CANONICAL]] == ["headline.json"]


def test_record_that_breaks_its_schema_is_found(evidence):
    change(evidence, "acceptance.json", lambda record: record.update(approved=True))
    assert faults(evidence)[SCHEMA] == [
        "acceptance.json: record: Additional properties are not allowed ('approved' was unexpected)"
    ]


def test_schema_that_nobody_knows_is_found(evidence):
    manifest = json.loads((evidence / "manifest.json").read_bytes())
    next(row for row in manifest["files"] if row["path"] == "evidence/headline.json")["schema"] = "anything"
    (evidence / "manifest.json").write_bytes(jcs.dumps(manifest))
    assert faults(evidence)[SCHEMA] == ["headline.json: its schema anything is not known"]


def test_record_of_another_run_is_found(evidence):
    change(evidence, "headline.json", lambda record: record.update(run_id=HEX))
    assert [fault.split(":")[0] for fault in faults(evidence)[RUN]] == ["headline.json"]


def test_number_of_the_model_card_that_is_not_behind_its_reference_is_found(evidence):
    change(
        evidence,
        "model_card.json",
        lambda record: record["performance"]["measures"]["dice"]["anterior"]["mean"].update(value=0.99),
    )
    assert [fault.split(" ")[0] for fault in faults(evidence)[REFERENCES]] == [
        "model_card.json#/performance/measures/dice/anterior/mean:"
    ]


def test_true_is_not_one_behind_a_reference(evidence):
    change(evidence, "model_card.json", lambda record: record["release_blocked"].update(value=1))
    assert "found true, the reference says 1" in faults(evidence)[REFERENCES][0]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("pointer", "/dice/nowhere/mean", "nothing there"),
        ("pointer", "dice", "nothing there"),
        ("file", "nowhere.json", "no such file"),
        ("file", "../../etc/passwd", "no such file"),
        ("sha256", HEX, "of another version of metrics.json"),
    ],
)
def test_reference_that_leads_nowhere_is_found(evidence, key, value, expected):
    change(
        evidence,
        "model_card.json",
        lambda record: record["performance"]["measures"]["dice"]["anterior"]["mean"].update({key: value}),
    )
    assert [fault.split(": ")[-1] for fault in faults(evidence)[REFERENCES]] == [expected]


def test_index_of_another_version_is_found(evidence):
    index = json.loads((evidence / "index.json").read_bytes())
    index["files"]["headline.json"]["sha256"] = HEX
    (evidence / "index.json").write_bytes(jcs.dumps(index))
    assert faults(evidence)[REFERENCES] == [
        "index.json: headline.json: of another version, or of another schema than manifest.json says"
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"null",
        b"7",
        b'"x"',
        b"{}",
        b"\xff\xfe",
        b"[" * 950,
        b"[" * 950 + b"]" * 950,
        b"[" * 99999 + b"]" * 99999,
        b'{"run_id":7,"files":[]}',
        b'{"run_id":7,"files":{"a":[1]}}',
        b'{"files":[{"path":"../../etc/passwd"}],"run_id":"x"}',
    ],
)
def test_manifest_of_any_shape_is_refused_without_a_crash(evidence, content):
    (evidence / "manifest.json").write_bytes(content)
    found = levels.whole(evidence)
    assert any(fault.startswith("manifest.json") for fault in found[0].faults)
    assert [check.looked for check in found[2:]] == [False, False, False]


@pytest.mark.parametrize("name", ["index.json", "model_card.json", "traceability.json", "SHA256SUMS"])
@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"null",
        b'{"files":7,"later":7}',
        b'{"file":"run.json","pointer":7}',
        b"\xff",
        b"[" * 950 + b"]" * 950,
    ],
)
def test_record_of_any_shape_is_refused_without_a_crash(evidence, name, content):
    (evidence / name).write_bytes(content)
    if name != "SHA256SUMS":
        seal_sums_only(evidence)
    assert any(name in fault for check in levels.whole(evidence) for fault in check.faults)


def seal_sums_only(evidence):
    """What a careless forger does."""
    (evidence / "SHA256SUMS").unlink()
    (evidence / "SHA256SUMS").write_text(contents.checksums(evidence))


# Level 3: files beside the bundle


@pytest.fixture
def vouching(tmp_path):
    """A bundle that vouches for one file beside it."""
    evidence = bundles.write_bundle(tmp_path / "clone/evidence")
    (tmp_path / "clone/build").mkdir()
    shutil.copy(evidence / "cases.json", tmp_path / "clone/build/cases.json")
    return evidence


@pytest.mark.requirement("SRS-EVI-5")
def test_file_that_the_evidence_vouches_for_holds(vouching):
    assert levels.vouched(vouching, Study(vouching.parent)) == Check(
        3, "every file that it vouches for has its SHA-256"
    )


@pytest.mark.requirement("SRS-EVI-5")
def test_changed_byte_of_a_file_that_the_evidence_vouches_for_is_found_and_the_file_named(vouching):
    path = vouching.parent / "build/cases.json"
    path.write_bytes(path.read_bytes().replace(b"[]", b"{}"))
    assert [fault.split(":")[0] for fault in levels.vouched(vouching, Study(vouching.parent)).faults] == [
        "build/cases.json"
    ]


def rename(vouching, path):
    manifest = json.loads((vouching / "manifest.json").read_bytes())
    next(row for row in manifest["files"] if not row["in_bundle"])["path"] = path
    (vouching / "manifest.json").write_bytes(jcs.dumps(manifest))


def test_outputs_that_were_not_pulled_are_said_and_no_fault(vouching):
    (vouching.parent / "build/cases.json").unlink()
    found = levels.vouched(vouching, Study(vouching.parent))
    assert (found.faults, found.skipped) == (
        [],
        ["1 files that are not there, such as build/cases.json: run 'make pull'"],
    )


def test_missing_file_of_git_is_a_fault(vouching):
    rename(vouching, "design/risks.yaml")
    assert levels.vouched(vouching, Study(vouching.parent)).faults == ["design/risks.yaml: missing"]


@pytest.mark.parametrize(
    "path", ["../outside.json", "/etc/passwd", "build/../../outside.json", "a\n/../../outside.json"]
)
def test_path_out_of_the_clone_is_refused(vouching, path):
    (vouching.parent.parent / "outside.json").write_bytes((vouching / "cases.json").read_bytes())
    (vouching.parent / "a\n").mkdir()
    rename(vouching, path)
    assert levels.vouched(vouching, Study(vouching.parent)).faults


def test_blocked_release_is_never_said_to_hold(evidence):
    def without_reasons(record):
        for row in record["requirements"].values():
            row.update(status="verified", reasons=[])
        for row in record["user_needs"].values():
            row.update(status="verified")
        record.update(stale=[], unreviewed={}, gaps=[], release_blocked=True)

    change(evidence, "traceability.json", without_reasons)
    assert levels.release(evidence).faults == ["the release is blocked, and no reason is given"]


def test_reasons_count_where_the_release_is_called_free(evidence):
    def forged(record):
        record["requirements"]["SRS-EVI-5"].update(status="not verified", reasons=["1 tests, 3 needed"])
        record.update(release_blocked=False, gaps=[])

    change(evidence, "traceability.json", forged)
    assert "SRS-EVI-5 is not verified: 1 tests, 3 needed" in levels.release(evidence).faults


@pytest.mark.parametrize(
    "workflow",
    [
        "",
        "7",
        "stages: 7",
        "stages: {evidence: {cmd: 7}}",
        "stages: {evidence: {cmd: 'sh -c true'}}",
        'stages: {evidence: {cmd: "python -m stages.evidence \'"}}',
        "stages: {evidence: {cmd: python -c 1}}",
    ],
)
def test_no_other_program_than_the_stage_is_run(evidence, workflow):
    (evidence.parent / "dvc.yaml").write_text(workflow)
    ran = []
    found = levels.derived(evidence, Study(evidence.parent), lambda *words: ran.append(words) or (0, ""))
    assert (len(found.faults), ran) == (1, [])


def test_stage_writes_elsewhere_whatever_its_command_says(evidence):
    (evidence.parent / "dvc.yaml").write_text(
        "stages: {evidence: {cmd: python -m stages.evidence --out evidence --gates g --out evidence}}"
    )
    words = []
    levels.derived(evidence, Study(evidence.parent), lambda root, said: words.extend(said) or (1, ""))
    out, gates = (
        Path(words[len(words) - 1 - words[::-1].index(option) + 1]) for option in ("--out", "--gates")
    )
    assert [path.is_relative_to(evidence.parent) for path in (out, gates)] == [False, False]


def test_stage_that_breaks_is_quoted_by_its_last_line():
    assert (
        levels._last_words('Traceback (most recent call last):\n  File "x", line 1\nValueError: no\n')
        == "ValueError: no"
    )


def test_stage_that_refuses_is_quoted_whole():
    assert levels._last_words(
        "noise\nevidence: records contradict each other\n  one: found 1\nRun it.\n"
    ) == ("evidence: records contradict each other; one: found 1; Run it.")


def again(content):
    """A run of the stage that writes these files."""

    def started(root, words):
        out, gates = (Path(words[words.index(option) + 1]) for option in ("--out", "--gates"))
        out.mkdir(parents=True)
        for name, text in content.items():
            (out / name).write_text(text)
        gates.write_text("{}")
        return 0, ""

    return started


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ({"a.json": '{"b":[1,2]}'}, []),
        ({"a.json": '{"b":[1,3]}'}, ["a.json: at /b/1 found 2, expected 3"]),
        ({"a.json": '{"b":[1]}'}, ["a.json: at /b found [1, 2], expected [1]"]),
        ({"a.json": '{"b": [1,2]}'}, ["a.json: other bytes"]),
        ({}, ["a.json: this clone does not make such a file"]),
        ({"a.json": '{"b":[1,2]}', "c.json": "{}"}, ["c.json: missing"]),
    ],
)
def test_first_difference_to_what_the_clone_makes_is_named(tmp_path, made, expected):
    (tmp_path / "dvc.yaml").write_text("stages: {evidence: {cmd: python -m stages.evidence}}")
    (tmp_path / "evidence").mkdir()
    (tmp_path / "metrics").mkdir()
    (tmp_path / "evidence/a.json").write_text('{"b":[1,2]}')
    (tmp_path / "metrics/gates.json").write_text("{}")
    assert levels.derived(tmp_path / "evidence", Study(tmp_path), again(made)).faults == expected


def test_gates_that_the_clone_does_not_make_are_found(tmp_path):
    (tmp_path / "dvc.yaml").write_text("stages: {evidence: {cmd: python -m stages.evidence}}")
    (tmp_path / "evidence").mkdir()
    assert levels.derived(tmp_path / "evidence", Study(tmp_path), again({})).faults == [
        "metrics/gates.json: other bytes"
    ]


# Level 3: history


@pytest.fixture
def repository(tmp_path):
    """A repository in which one criterion stood before the test part was opened once."""
    for path in ("requirements.yaml", "reviews.jsonl", "test_openings.jsonl"):
        (tmp_path / "design").mkdir(exist_ok=True)
        shutil.copy(ROOT / "design" / path, tmp_path / "design" / path)
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path)
    return tmp_path


def git(folder, *words):
    return subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def commit(folder):
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x", "--allow-empty")


def edited(repository, name, how):
    path = repository / "design" / name
    path.write_text(how(path.read_text("utf-8")), "utf-8")
    return history.check(Study(repository)).faults


def test_history_that_only_grew_holds(repository):
    lines = (repository / "design/test_openings.jsonl").read_text().splitlines(keepends=True)
    assert edited(repository, "test_openings.jsonl", lambda old: old + lines[-1]) == []


def test_line_that_was_removed_and_committed_is_found(repository):
    edited(repository, "test_openings.jsonl", lambda old: old.split("\n", 1)[1])
    commit(repository)
    assert ["lacks a line" in fault for fault in history.check(Study(repository)).faults] == [True]


@pytest.mark.parametrize(
    "how",
    [lambda old: "".join(sorted(old.splitlines(keepends=True), reverse=True)), lambda old: "{}\n" + old],
    ids=["turned round", "put before"],
)
def test_other_order_of_openings_is_found(repository, how):
    assert [fault.split(":")[0] for fault in edited(repository, "test_openings.jsonl", how)] == [
        "design/test_openings.jsonl"
    ]


def test_lowered_threshold_is_found(repository):
    faults = edited(
        repository, "requirements.yaml", lambda old: old.replace("threshold: 0.85", "threshold: 0.05")
    )
    assert [fault.split(":")[0] for fault in faults] == ["SRS-SEG-1", "SRS-SEG-2"]


def test_criterion_that_vanished_is_found(repository):
    faults = edited(
        repository, "requirements.yaml", lambda old: old.replace("- id: SRS-SEG-1", "- id: SRS-SEG-9")
    )
    assert [fault.split(":")[0] for fault in faults] == ["SRS-SEG-1", "SRS-SEG-9"]


def test_lines_of_a_merged_branch_are_no_fault(repository):
    path = repository / "design/reviews.jsonl"
    before = path.read_text()
    git(repository, "checkout", "-q", "-b", "other")
    path.write_text(before + "{}\n")
    commit(repository)
    git(repository, "checkout", "-q", "main")
    path.write_text(before + "[]\n")
    commit(repository)
    git(repository, "merge", "-q", "-s", "ours", "other")
    path.write_text(before + "[]\n{}\n")
    commit(repository)
    assert history.check(Study(repository)).faults == []


def test_folder_without_history_is_said_and_no_fault(tmp_path):
    found = history.check(Study(tmp_path))
    assert (found.looked, found.faults, len(found.skipped)) == (False, [], 1)


@pytest.mark.parametrize("name", ["reviews", "test_openings"])
def test_a_ledger_that_was_emptied_for_other_data_is_two_lines_and_says_what_to_do(repository, name):
    ledger = repository / f"design/{name}.jsonl"
    n_lines = len(ledger.read_text().splitlines())
    assert n_lines > history.FEW
    ledger.write_text("")
    found = [fault for fault in history.check(Study(repository)).faults if fault.startswith("design/")]
    assert len(found) == 2
    assert found[0].startswith(
        f"design/{name}.jsonl: lacks {n_lines} lines that earlier commits have. "
        f"Restore it: 'git checkout HEAD -- "
    )
    assert "'python -m radiotrace new'" in found[0]


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"7", b"requirements: 7", b"requirements: [7]", b"a: a: a", b""]
)
def test_requirements_of_any_shape_are_refused_without_a_crash(repository, content):
    (repository / "design/requirements.yaml").write_bytes(content)
    assert history.check(Study(repository)).faults == [
        "design/requirements.yaml: cannot be read as it stands now"
    ]


# Beside the bundle


def test_prediction_that_was_replaced_is_found(tmp_path):
    case = submitted.json_of("evidence/cases.json")["cases"][0]
    path = tmp_path / beside.PREDICTIONS / case["prediction"]
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    (tmp_path / "params.yaml").write_text("task: segmentation\n")
    found = [
        fault
        for fault in beside.named(submitted.folder() / "evidence", Study(tmp_path)).faults
        if case["prediction"] in fault
    ]
    assert [fault.split(" found")[0] for fault in found] == [
        f"{beside.PREDICTIONS}/{case['prediction']}: SHA-256"
    ]


STAGE = "cmd: c, deps: [a], params: [train.epochs], outs: [{b: {cache: false}}]"
LOCKED = (
    "cmd: c, deps: [{path: a, md5: 9e107d9d372bb6826bd81d3542a419d6}], "
    "params: {params.yaml: {train.epochs: 2}}, outs: [{path: b, md5: 0}]"
)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", []),  # RFC 1321 has no such text; md5sum says so
        ("9e107d9d372bb6826bd81d3542a419d6", "0", ["a: not what dvc.lock has for the stage x"]),
        (
            "path: b",
            "path: ../b",
            ["dvc.lock: x: outs: not those of dvc.yaml", "dvc.lock: x: ../b leads out of the clone"],
        ),
        (
            "train.epochs: 2",
            "train.epochs: 3",
            ["params.yaml: train.epochs is not what dvc.lock has for the stage x"],
        ),
        ("train.epochs: 2", "", ["dvc.lock: x: params: not those of dvc.yaml"]),
        ("cmd: c", "cmd: d", ["dvc.lock: x: cmd: not those of dvc.yaml"]),
        ("{x: {", "{y: {cmd: c}, x: {", ["dvc.lock: y: dvc.yaml has no such stage"]),
        ("stages: {x", "more: 7\nstages: {x", ["dvc.lock: more: found a key that DVC's lock does not have"]),
        ("[{path: a, md5: 9e107d9d372bb6826bd81d3542a419d6}]", "7", 1),
        ("stages", "stage", 1),
    ],
)
def test_lock_is_held_against_files_parameters_and_dvc_yaml(tmp_path, old, new, expected):
    (tmp_path / "a").write_text("The quick brown fox jumps over the lazy dog")
    (tmp_path / "params.yaml").write_text("train: {epochs: 2}")
    (tmp_path / "dvc.yaml").write_text(f"stages: {{x: {{{STAGE}}}}}")
    (tmp_path / "dvc.lock").write_text(f"stages: {{x: {{{LOCKED}}}}}".replace(old, new))
    found = beside.locked(Study(tmp_path)).faults
    assert (len(found) if expected == 1 else found) == expected


@pytest.mark.parametrize("lock", ["7", "stages: [7]", "stages: {x: 7}", "stages: {x: {cmd: c}, x: {cmd: c}}"])
def test_lock_of_any_shape_is_refused_without_a_crash(tmp_path, lock):
    (tmp_path / "dvc.yaml").write_text(f"stages: {{x: {{{STAGE}}}}}")
    (tmp_path / "dvc.lock").write_text(lock)
    assert [fault.split(":")[:2] for fault in beside.locked(Study(tmp_path)).faults] == [
        ["dvc.lock", " cannot be read"]
    ]


def test_stage_that_is_not_locked_is_found(tmp_path):  # a lock with one stage left held
    (tmp_path / "dvc.yaml").write_text(f"stages: {{x: {{{STAGE}}}, y: {{{STAGE}}}}}")
    (tmp_path / "params.yaml").write_text("train: {epochs: 2}")
    (tmp_path / "dvc.lock").write_text(f"stages: {{x: {{{LOCKED}}}}}")
    assert beside.locked(Study(tmp_path)).faults == ["dvc.lock: y: not locked"]


# The command


def test_command_says_what_was_not_checked(evidence, capsys):
    status, printed = run(capsys, "--project", evidence.parent, "--level", "1")
    assert status == 0
    assert re.findall(
        r"level (\d)  "
        r"(\S+)",
        printed,
    ) == [("1", "holds")] * 5 + [(str(level), "-----") for level in range(2, 7)]
    assert printed.count("not checked: not asked for") == 5


def test_level_0_prints_commands_and_checks_nothing(evidence, capsys):
    status, printed = run(capsys, "--project", evidence.parent, "--level", "0")
    assert (status, printed.splitlines()[0].endswith("Nothing was checked yet.")) == (0, True)
    assert "sha256sum -c" in printed
    assert "openssl dgst" in printed


def test_unsigned_bundle_is_said_and_no_fault(evidence, capsys):
    status, printed = run(capsys, "--project", evidence.parent, "--level", "2")
    assert (status, "level 2  -----" in printed, "not checked: there is no signatures/" in printed) == (
        0,
        True,
        True,
    )


def test_reader_who_brings_a_key_expects_a_signature(evidence, capsys, tmp_path):
    bundles.private_key(tmp_path / "key.pem")
    status, printed = run(
        capsys, "--project", evidence.parent, "--level", "2", "--pubkey", tmp_path / "key.pub"
    )
    assert (status, "signatures/evidence.oms.json: missing" in printed) == (1, True)


def test_key_that_is_none_is_a_fault_and_the_other_checks_are_told(evidence, capsys, tmp_path):
    (tmp_path / "key.pub").write_text("no key")
    status, printed = run(
        capsys, "--project", evidence.parent, "--level", "2", "--pubkey", tmp_path / "key.pub"
    )
    assert (status, "level 2  FAILS" in printed, printed.count("level 1  holds")) == (1, True, 5)


# Whose key


@pytest.fixture
def signed(tmp_path, monkeypatch):
    """A small bundle, signed; gives the folder, and the fingerprint of the key."""
    evidence = bundles.write_bundle(tmp_path / "clone/evidence")
    (evidence.parent / ".git").mkdir()
    key = bundles.private_key(tmp_path / "key.pem")
    monkeypatch.setenv(keys.VARIABLE, str(tmp_path / "key.pem"))
    monkeypatch.chdir(evidence.parent)
    program.main(["sign"])
    return evidence.parent, keys.fingerprint(key.public_key())


def first_line(capsys, clone, *words) -> str:
    capsys.readouterr()
    return run(capsys, "--clone", clone, "--level", "2", *words)[1].splitlines()[0]


def test_first_line_says_that_nobody_knows_the_key_of_a_clone(signed, capsys):
    clone, fingerprint = signed
    (clone / f"keys/{fingerprint[:16]}.json").write_text(
        f'{{"fingerprint_sha256":"{fingerprint}","trust":"release"}}'
    )
    assert first_line(capsys, clone).startswith(
        f"signed by: UNKNOWN KEY {fingerprint}: it lies in the clone itself"
    )
    assert "release key" not in capsys.readouterr().out  # the clone's word


def test_first_line_says_whose_key_the_reader_brought(signed, capsys, tmp_path):
    clone, fingerprint = signed
    assert (
        first_line(capsys, clone, "--pubkey", tmp_path / "key.pub")
        == f"signed by: key {fingerprint}, which you brought"
    )


def test_first_line_says_whose_fingerprint_the_reader_knows(signed, capsys, tmp_path):
    clone, fingerprint = signed
    (tmp_path / "known").write_text(f"# from the printed manual\n{fingerprint} Ada Lovelace\n")
    assert (
        first_line(capsys, clone, "--fingerprints", tmp_path / "known")
        == f"signed by: key {fingerprint}, which you know as Ada Lovelace"
    )


def test_key_that_is_not_among_the_known_fingerprints_is_a_fault(signed, capsys, tmp_path):
    (tmp_path / "known").write_text(f"{HEX}\n")
    status, printed = run(capsys, "--clone", signed[0], "--level", "2", "--fingerprints", tmp_path / "known")
    assert (status, "signed by: nobody whose key is known" in printed, "key mismatch" in printed) == (
        1,
        True,
        True,
    )


@pytest.mark.parametrize("option", ["--pubkey", "--fingerprints"])
def test_key_of_the_clone_counts_for_none_that_the_reader_brought(signed, capsys, option):
    clone, fingerprint = signed
    (clone / "known").write_text(fingerprint)
    file = clone / "known" if option == "--fingerprints" else clone / f"keys/{fingerprint[:16]}.pub"
    status, printed = run(capsys, "--clone", clone, "--level", "2", option, file)
    assert (status, f"{file}: lies in the clone" in printed) == (1, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "found no fingerprint"),
        ("abc Ada", "line 1: found 'abc', expected 64 hexadecimal digits"),
        (f"{HEX[:-1]}", "line 1: found"),
    ],
)
def test_list_that_holds_no_fingerprints_is_refused(tmp_path, text, expected):
    (tmp_path / "known").write_text(text)
    with pytest.raises(StageError, match=expected):
        keys.fingerprints(tmp_path / "known")


def test_list_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StageError, match="cannot be read"):
        keys.fingerprints(tmp_path / "known")


def test_review_of_an_unknown_key_is_by_somebody_who_says_to_be(signed, capsys):
    program.main(
        [
            "sign",
            "--review",
            "--name",
            "Prof. Nobody",
            "--meaning",
            "approved",
            "--time",
            "2026-01-31T13:00:00+01:00",
        ]
    )
    printed = run(capsys, "--clone", signed[0], "--level", "2")[1]
    assert "approved by somebody who says to be Prof. Nobody at" in printed


def test_unsigned_bundle_is_signed_by_nobody(evidence, capsys):
    assert first_line(capsys, evidence.parent) == "signed by: nobody"


def test_below_level_2_nobody_looked_at_signatures(evidence, capsys):
    assert run(capsys, "--clone", evidence.parent, "--level", "1")[1].startswith(
        "signed by: not looked at before level 2\n"
    )


def test_last_lines_name_what_was_believed():
    checks = [Check(3, "a", believed=["x: by its word", "y"]), Check(4, "b", believed=["y"])]
    said = command.belief_lines(checks, 5, None)
    assert said[:4] == ["", "believed, not made again:", "  x: by its word", "  y"]
    assert any(line.startswith("  tests.json (files, tests, whole): ") for line in said)
    assert said[-1].endswith("made again at level 6, which was not asked for")


# Level 6


def test_nothing_of_a_clone_runs_before_it_was_found_to_be_the_verifiers(tmp_path):
    (tmp_path / "clone/stages").mkdir(parents=True)
    (tmp_path / "clone/stages/ingest.py").write_text("raise SystemExit")
    (tmp_path / "clone/dvc.yaml").write_text(f"stages: {{x: {{cmd: touch {tmp_path}/ran}}}}")
    git(tmp_path / "clone", "init", "-q")
    commit(tmp_path / "clone")
    faults = command.reproduce(
        command.Clone(
            *(tmp_path / name for name in ("clone", "clone/evidence", "clone/signatures", "clone/keys"))
        )
    ).faults
    assert (faults[0], "stages/ingest.py: not the verifier's" in faults, (tmp_path / "ran").exists()) == (
        "nothing was run, because:",
        True,
        False,
    )


def test_fault_ends_with_status_one_and_is_counted(evidence, capsys):
    (evidence / "more.json").write_text("{}")  # neither listed, nor in the index
    status, printed = run(capsys, "--project", evidence.parent, "--level", "1")
    assert status == 1
    assert "2 of 10 checks fail" in printed.splitlines()


def test_json_has_every_check(evidence, capsys, tmp_path):
    run(capsys, "--project", evidence.parent, "--level", "1", "--json", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text())
    assert [(one["level"], one["faults"], one["looked"]) for one in found] == [(1, [], True)] * 5 + [
        (level, [], False) for level in range(2, 7)
    ]


def test_names_of_a_bundle_cannot_forge_a_line(evidence, capsys):
    forged = {"\nlevel 2  holds  everything\x1b[2J": {"file": "nowhere.json", "pointer": ""}}
    (evidence / "more.json").write_bytes(jcs.dumps(forged))
    _, printed = run(capsys, "--project", evidence.parent, "--level", "1")
    assert (
        "\x1b" in printed,
        [line for line in printed.splitlines() if line.startswith("level 2  holds")],
    ) == (False, [])
    assert "\\nlevel 2" in printed


def test_many_faults_are_cut_and_counted():
    printed = command.lines([Check(1, "all", [str(number) for number in range(20)])])
    assert printed[13] == "                … and 8 more"


def test_empty_folder_fails_at_every_level_without_a_traceback(tmp_path):
    (tmp_path / "clone").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "radiotrace", "verify", "--project", str(tmp_path / "clone"), "--level", "5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stdout + done.stderr) == (1, False)
    assert len(re.findall(r"level \d  FAILS", done.stdout)) >= 5
    assert list((tmp_path / "clone").iterdir()) == []


def test_check_that_breaks_has_failed():
    def broken():
        raise KeyError("phantom_01")

    assert command.attempt(4, "numbers", broken) == [
        Check(4, "numbers", ["cannot be looked at: KeyError: 'phantom_01'"])
    ]


@pytest.mark.parametrize(
    ("stated", "found", "expected"),
    [
        ({"a": 1.0}, {"a": 1.0 + 5e-7}, []),
        ({"a": 1.0}, {"a": 1.00001}, [" at /a states 1.0, found 1.00001"]),
        ({"a": None}, {"a": 0}, [" at /a states null, found 0"]),
        ({"a": [1, 2]}, {"a": [1]}, [" at /a states [1, 2], found [1]"]),
        ({"a": 1}, {"b": 1}, [" at /a: nothing makes it", " at /b: missing"]),
        (True, 1, [" at / states true, found 1"]),
        (0.0, 0.0, []),
    ],
)
def test_differences_are_those_beyond_rounding(stated, found, expected):
    assert differences.compared("", stated, found) == expected


def test_a_folder_has_the_md5_that_dvc_gives_it_where_a_file_begins_as_a_folder_is_called(tmp_path):
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.db import HashFileDB
    from dvc_objects.fs.local import LocalFileSystem

    folder = tmp_path / "distil"
    for name in ("distilled/model.onnx", "distilled.json", "distilled-again/a", "a/b/c", "a.b"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    fs = LocalFileSystem()
    store = HashFileDB(fs, str(tmp_path / "store"))
    _, _, found = build(store, str(folder), fs, "md5")
    assert beside._md5(folder) == found.hash_info.value
