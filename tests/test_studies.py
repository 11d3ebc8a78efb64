"""A further study is worked with and verified as the first one: from `new` on phantoms to its evidence, and
what a dishonest hand could do beside it."""

import argparse
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from radiotrace import __main__ as command_line
from radiotrace import records
from radiotrace.commands import negative_controls, of_study, trace, verify
from radiotrace.errors import StageError
from radiotrace.evidence.bundle import contents
from radiotrace.evidence.design import baseline
from radiotrace.evidence.trace import lineage, tests
from radiotrace.evidence.verify import baselines, beside, closed_world, history, levels, remade, workflow
from radiotrace.pipeline import datastore, dvcfile, params
from radiotrace.pipeline.study import Study
from radiotrace.records import jcs
from tests import phantoms, projects

ROOT = projects.ROOT
PLACE = "studies/ten"
LEDGER = f"{PLACE}/design/test_openings.jsonl"
KEPT_TESTS = ("__init__.py", "requirement_plugin.py")
SHARED_FILES = (
    *workflow.machinery(ROOT),
    "dvc.yaml",
    "params.yaml",
    "pyproject.toml",
    "requirements.txt",
)


# A study that has run


def started(folder: Path) -> Path:
    """A repository of ours without the past of its design, and a study of ten phantoms that `new` made."""
    projects.create(folder, cases=4)
    for name in ("signatures", "studies"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in sorted((folder / "tests").iterdir()):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in KEPT_TESTS:
            path.unlink()
    # in the first commit no ledger has a line, so that nothing before it can be missed
    for design in ("design", "software/design"):
        (folder / design / "reviews.jsonl").write_text("")
        (folder / design / baseline.FILE).unlink()
    shutil.rmtree(folder / ".git")
    projects.run(folder, "git", "init", "-q", "-b", "main")
    projects.commit(folder, "the first study")
    phantoms.write_dataset(folder.parent / "own", 10)
    command(folder, "new", "ten", "--data", folder.parent / "own", place=".")
    command(folder, "manifest")
    dvc(folder, "add", "-q", "data")
    projects.commit(folder, "a further study")
    return folder


def command(repository: Path, *words, place: str = PLACE, check: bool = True):
    """Our command line, of a study."""
    return projects.run(repository, "python", "-m", "radiotrace", "--study", place, *words, check=check)


def dvc(repository: Path, *words):
    """DVC in the folder of the study."""
    state = projects.environment(repository)["DVC_SITE_CACHE_DIR"]
    return projects.run(repository / PLACE, "dvc", *words, DVC_SITE_CACHE_DIR=state)


@pytest.fixture(scope="session")
def ran(tmp_path_factory) -> Path:
    """A repository in which the further study has run, was pushed and committed."""
    folder = started(tmp_path_factory.mktemp("studies") / "repository")
    dvc(folder, "repro", "-q")
    dvc(folder, "push", "-q")
    projects.commit(folder, "its run")
    return folder


def verified(repository: Path, level: int, json_file: Path) -> list[dict]:
    """The checks of verify, of the study."""
    command(repository, "verify", "--level", level, "--json", json_file, check=False)
    return json.loads(json_file.read_text())


@pytest.mark.slow
def test_what_a_study_has_run_holds_up_to_level_4(ran, tmp_path):
    """All but the decisions, which `new` leaves to people."""
    checks = verified(ran, 4, tmp_path / "checks.json")
    assert {check["what"]: check["faults"][:3] for check in checks if check["faults"]}.keys() == {
        "nothing blocks the release"
    }
    blocking = next(check for check in checks if check["what"] == "nothing blocks the release")
    assert blocking["faults"]
    unseen = {check["what"] for check in checks if check["level"] in (1, 3, 4) and not check["looked"]}
    assert unseen == {"its code is that of the verifier", baselines.WHAT}


@pytest.mark.slow
def test_every_file_of_every_study_is_in_the_datastore(ran):
    _, found = datastore.check(ran)
    locked = params.load_yaml(ran / PLACE / "data.dvc")["outs"][0]["nfiles"]
    assert found > locked


@pytest.mark.slow
def test_only_the_commands_of_a_study_say_where_it_lies(ran):
    telling = [
        path.name for path in sorted((ran / PLACE / "evidence").iterdir()) if PLACE in path.read_text("utf-8")
    ]
    assert telling == ["ro-crate-metadata.json"]  # which has the command of each stage


# What the pipeline of a study runs


@pytest.mark.parametrize("name", remade.remade(Study(ROOT)))
@pytest.mark.parametrize("place", [".", PLACE])
def test_stage_that_is_run_again_writes_every_output_elsewhere(repository, tmp_path, name, place):
    entry = params.load_yaml(repository / place / "dvc.yaml")["stages"][name]
    study = Study(repository, place)
    study.path("openings").parent.mkdir(exist_ok=True)
    study.path("openings").touch()
    stage = workflow.of(study)[name]
    made = remade.plan(stage, entry, study.folder, tmp_path / "again")
    assert set(made.outputs) == stage.writes()
    assert levels.misled(made.start, made.words, study) is None
    last = dict(zip(made.words, made.words[1:], strict=False))
    assert last["--out"].startswith(str(tmp_path / "again"))


def test_stage_with_an_output_that_no_option_names_is_not_run_again(repository, tmp_path):
    entry = params.load_yaml(repository / "dvc.yaml")["stages"]["ingest"]
    entry["outs"].append("build/more")
    with pytest.raises(StageError, match="no option of the stage ingest names build/more"):
        remade.plan(workflow.of(Study(repository))["ingest"], entry, repository, tmp_path)


@pytest.mark.requirement("SRS-EVI-7")
@pytest.mark.parametrize(
    ("start", "words", "expected"),
    [
        ("../..", ["--study", PLACE], None),
        (".", ["--study", PLACE], "starts in ., expected ../.."),
        ("../../..", ["--study", PLACE], "starts in ../../.., expected ../.."),
        ("../..", [], f"is of the study ., expected {PLACE}"),
        ("../..", ["--study", "studies/other"], f"is of the study studies/other, expected {PLACE}"),
        ("../..", ["--study", PLACE, "--stu=."], f"is of the study {PLACE} and ., expected {PLACE}"),
    ],
)
def test_command_that_would_work_in_another_folder_is_not_run(start, words, expected):
    assert levels.misled(start, ["-m", "stages.evidence", *words], Study(ROOT, PLACE)) == expected


# What a dishonest hand puts beside


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory) -> Path:
    """A repository with the first study and two further ones, none of which has run."""
    tmp_path = tmp_path_factory.mktemp("laid_out")
    for name in ("radiotrace", "stages", "schemas", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in SHARED_FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for place in (PLACE, "studies/other"):
        study = Study(tmp_path, place)
        study.folder.mkdir(parents=True)
        for name in ("params", "workflow"):
            shutil.copy(ROOT / study.path(name).name, study.path(name))
    text = workflow.written(Study(tmp_path, PLACE))
    for place in (PLACE, "studies/other"):
        (tmp_path / place / "dvc.yaml").write_text(text.replace(PLACE, place))
    projects.run(tmp_path, "git", "init", "-q", "-b", "main")
    return tmp_path


@pytest.fixture
def repository(laid_out, tmp_path) -> Path:
    """As laid_out, to be changed."""
    return shutil.copytree(laid_out, tmp_path / "repository")


def clone_of(repository: Path, place: str = PLACE) -> levels.Clone:
    """What is verified of a study, whose bundle vouches for all that is there now."""
    study = Study(repository, place)
    evidence = study.path("evidence")
    evidence.mkdir(exist_ok=True)
    shared = [name for name in SHARED_FILES if name not in ("params.yaml", "dvc.yaml")]
    listed = {name: repository / name for name in shared} | {"dvc.yaml": study.path("workflow")}
    manifest = contents.manifest("0" * 64, evidence, "evidence", {}, listed)
    (evidence / "manifest.json").write_bytes(jcs.dumps(manifest))
    code = {"run_id": "0" * 64, "files": tests.tree(repository, tests.CODE)}
    (evidence / "code.json").write_bytes(jcs.dumps(code))
    projects.run(repository, "git", "add", "-A", "-f")
    return levels.Clone(study.folder, evidence, study.folder / "signatures", study.folder / "keys", place)


def put(clone: levels.Clone, name: str, text: str = "") -> list[str]:
    """Puts a file into the repository, and gives what is wrong with it."""
    path = clone.study.repository / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    projects.run(clone.study.repository, "git", "add", "-A", "-f")
    return closed_world.check(clone).faults


def test_studies_side_by_side_hold(repository):
    for place in (".", PLACE):
        assert closed_world.check(clone_of(repository, place)).faults == []


@pytest.mark.requirement("SRS-EVI-7")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("studies/other/dataclasses.py", "a module in a place where none belongs"),
        ("studies/other/conftest.py", "settings in a place where none belongs"),
        ("studies/other/radiotrace/errors.py", "a module in a place where none belongs"),
        ("studies/other/Makefile", "settings in a place where none belongs"),
        ("studies/other/sub/dvc.yaml", "settings in a place where none belongs"),
        ("studies/other/.dvc/config", "of a repository in a study"),
        (f"{PLACE}/.dvc/config.local", "of a repository in a study"),
        (f"{PLACE}/.venv/bin/python", "of a repository in a study"),
        (f"{PLACE}/.git", "of a repository in a study"),
        ("studies/other/build/x.json", "tracked by git, though it is of what runs leave behind"),
        ("studies/none/notes.txt", "a file that nothing vouches for"),
        ("studies/notes.txt", "a file that nothing vouches for"),
        (f"{PLACE}/notes.txt", "a file that nothing vouches for"),
    ],
)
def test_file_in_a_study_that_could_run_or_that_nobody_proves_is_found(repository, name, expected):
    assert [fault.partition(": ")[::2] for fault in put(clone_of(repository), name)] in (
        [(name, expected)],
        [(name, f"{expected}: git, DVC or Python would take its settings")],
    )


@pytest.mark.requirement("SRS-EVI-7")
@pytest.mark.parametrize(
    "name",
    [
        "requirements/core.txt",
        "schemas/split.schema.json",
        "software/design/risks.yaml",
        "docs/a.md",
        "LICENSE",
    ],
)
def test_file_of_a_study_that_is_named_as_what_is_shared_is_vouched_for_by_nobody(repository, name):
    assert put(clone_of(repository), f"{PLACE}/{name}") == [
        f"{PLACE}/{name}: a file that nothing vouches for"
    ]


def test_what_another_study_says_is_its_own_to_prove(repository):
    clone = clone_of(repository)
    assert put(clone, "studies/other/design/risks.yaml") == []
    assert "studies/other" in closed_world.check(clone).skipped[0]


@pytest.mark.requirement("SRS-EVI-7")
@pytest.mark.parametrize("place", [".", PLACE])
def test_command_of_another_study_that_is_not_the_code_s_is_found(repository, place):
    """'dvc repro --all-pipelines' runs every dvc.yaml."""
    clone = clone_of(repository, place)
    text = (repository / "studies/other/dvc.yaml").read_text()
    changed = text.replace(
        "python -m stages.ingest", "python -m stages.ingest; touch x; python -m stages.ingest"
    )
    assert changed != text
    assert [fault.partition(": found")[0] for fault in put(clone, "studies/other/dvc.yaml", changed)] == [
        "studies/other/dvc.yaml: ingest: cmd"
    ]


@pytest.mark.requirement("SRS-EVI-7")
def test_link_in_the_place_of_a_study_is_found_and_not_followed(repository, tmp_path_factory, capsys):
    clone = clone_of(repository)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(repository / PLACE, elsewhere, dirs_exist_ok=True)
    (repository / "studies/link").symlink_to(elsewhere)
    assert closed_world.check(clone).faults == ["studies/link: found a symbolic link, expected a file"]
    asked = verify_arguments(repository, "studies/link")
    with pytest.raises(StageError, match="studies/link is a link, expected a folder"):
        verify.the_clone(asked)


@pytest.mark.parametrize(
    "place", ["studies/../..", "../studies/ten", "studies/ten/..", "studies/.", "/studies/ten"]
)
def test_place_that_leads_out_of_the_studies_is_refused(repository, place):
    with pytest.raises(StageError, match=r"expected '\.' or studies/NAME"):
        verify.the_clone(verify_arguments(repository / PLACE, place))


def verify_arguments(folder: Path, place: str):
    """Of verify, for a clone."""
    parser = argparse.ArgumentParser()
    verify.options(parser)
    args = parser.parse_args(["--clone", str(folder)])
    args.study = place
    return args


@pytest.mark.requirement("SRS-EVI-7")
@pytest.mark.parametrize(
    ("place", "path", "expected"),
    [
        (".", "studies/other/params.yaml", "is of another study, which proves itself"),
        (PLACE, "studies/other/params.yaml", "is of another study, which proves itself"),
    ],
)
def test_bundle_that_vouches_for_what_is_not_its_study_s_is_refused(repository, place, path, expected):
    clone = clone_of(repository, place)
    list_more(clone, path)
    assert levels.vouched(clone.evidence, clone.study).faults == [f"{path}: {expected}"]


@pytest.mark.requirement("SRS-EVI-7")
@pytest.mark.parametrize("path", ["../other/params.yaml", "../../data.sha256"])
def test_bundle_that_vouches_for_what_lies_above_its_study_breaks_its_schema(repository, path):
    clone = clone_of(repository)
    list_more(clone, path)
    [fault] = levels.vouched(clone.evidence, clone.study).faults
    assert fault.endswith("breaks schemas/manifest.schema.json")


def list_more(clone: levels.Clone, path: str) -> None:
    """Adds a file outside to what a bundle vouches for."""
    manifest = json.loads((clone.evidence / "manifest.json").read_bytes())
    row = {"path": path, "sha256": "0" * 64, "bytes": 0, "schema": None, "in_bundle": False}
    manifest["files"].append(row)
    (clone.evidence / "manifest.json").write_bytes(jcs.dumps(manifest))


@pytest.mark.requirement("SRS-EVI-7")
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("../../studies/other/params.yaml", "is of another study"),
        ("../other/params.yaml", "leads out of the clone"),
        ("../../data.sha256", "is of another study"),
        ("../../../x", "leads out of the clone"),
    ],
)
def test_lock_of_what_is_not_its_study_s_is_found(repository, path, expected):
    study = Study(repository, PLACE)
    study.path("workflow").write_text(f"stages: {{a: {{cmd: x, deps: [{path}]}}}}")
    study.path("lock").write_text(f"stages: {{a: {{cmd: x, deps: [{{path: {path}, md5: a}}]}}}}")
    assert beside.locked(study).faults == [f"dvc.lock: a: {path} {expected}"]


# What git knows of several studies

OPENING = {"run_id": "9", "stage": "evaluate", "cases_sha256": "c", "metrics_sha256": "m"}


def committed(repository: Path, name: str, *rows: dict) -> None:
    """Commits lines of JSON as a file."""
    path = repository / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    projects.commit(repository, name)


@pytest.fixture
def past(tmp_path) -> Path:
    """A history that begins before any ledger has a line."""
    projects.run(tmp_path, "git", "init", "-q", "-b", "main")
    for folder in ("design", f"{PLACE}/design", "studies/other/design"):
        (tmp_path / folder).mkdir(parents=True)
        shutil.copy(ROOT / "design/requirements.yaml", tmp_path / folder)
    projects.commit(tmp_path, "beginning")
    return tmp_path


def told(repository: Path, place: str) -> list[str]:
    return history.check(Study(repository, place)).faults


@pytest.mark.requirement("SRS-EVI-5")
def test_ledger_of_a_study_that_was_cut_is_found_and_leaves_the_others_alone(past):
    committed(past, LEDGER, OPENING, OPENING | {"stage": "explain"})
    committed(past, LEDGER, OPENING)
    assert [fault.split(" that commit")[0] for fault in told(past, PLACE)] == [f"{LEDGER}: lacks a line"]
    assert told(past, ".") == told(past, "studies/other") == []


@pytest.mark.requirement("SRS-EVI-5")
def test_criterion_of_a_study_is_held_against_its_own_first_opening(past):
    committed(past, "design/test_openings.jsonl", OPENING)
    path = past / PLACE / "design/requirements.yaml"
    path.write_text(path.read_text().replace("threshold: 0.85", "threshold: 0.8"))
    committed(past, LEDGER, OPENING | {"run_id": "8"})
    assert told(past, PLACE) == []  # changed before it was opened here
    path.write_text(path.read_text().replace("threshold: 0.8\n", "threshold: 0.1\n"))
    projects.commit(past, "softer")
    assert [fault.split(":")[0] for fault in told(past, PLACE)] == ["SRS-SEG-1", "SRS-SEG-2"]


@pytest.mark.requirement("SRS-EVI-5")
def test_look_at_the_test_part_that_no_ledger_of_its_study_has_is_missed_by_each(past):
    committed(past, "studies/other/metrics/metrics.json", {"run_id": "9", "part": "test"})
    assert [fault.split(",")[0] for fault in told(past, PLACE)] == [f"{LEDGER}: knows nothing of run 9"]
    committed(past, "studies/other/design/test_openings.jsonl", OPENING)
    assert told(past, PLACE) == told(past, ".") == told(past, "studies/other") == []


@pytest.mark.requirement("SRS-EVI-5")
def test_study_that_begins_anew_on_data_that_were_shown_elsewhere_is_told(past):
    sums = {name: f"{digit * 64}  imagesTr/{name}.nii.gz\n" for name, digit in (("a", "1"), ("b", "2"))}
    (past / "data.sha256").write_text("".join(sums.values()))
    committed(past, "design/test_openings.jsonl", OPENING)
    (past / PLACE / "data.sha256").write_text(sums["a"])
    (past / "studies/other/data.sha256").write_text(f"{'3' * 64}  imagesTr/a.nii.gz\n")
    projects.commit(past, "data")
    assert history.check(Study(past, PLACE)).warned == [
        "1 of 1 raw files are also those of the first study, whose test part was shown to 1 runs: choices "
        "here may rest on what was seen there"
    ]
    assert history.check(Study(past, "studies/other")).warned == []


def test_baseline_of_a_study_is_its_own_and_the_software_s(past):
    assert baselines.paths(Study(past, PLACE)) == [
        "software/design/released_requirements.json",
        f"{PLACE}/design/released_requirements.json",
    ]


@pytest.mark.requirement("SRS-EVI-5")
def test_requirement_of_a_study_that_is_softer_than_its_baseline_is_found(past):
    (past / "tests").mkdir()
    path = past / PLACE / "design/requirements.yaml"
    signed = baseline.record(params.load_yaml(path), {})
    records.write(path.with_name(baseline.FILE), signed, baseline.SCHEMA)
    projects.commit(past, "signed")
    assert baselines.check(Study(past, PLACE)).faults == []
    path.write_text(path.read_text().replace("threshold: 0.85", "threshold: 0.1", 1))
    assert [fault[:20] for fault in baselines.check(Study(past, PLACE)).faults] == ["SRS-SEG-1: softened:"]


# What a command takes and says


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("run 'make pull'", "run 'make pull STUDY=studies/ten'"),
        ("make trace ITEM=SRS-1", "make trace ITEM=SRS-1 STUDY=studies/ten"),
        ("make manifest STUDY=studies/ten", "make manifest STUDY=studies/ten"),
        ("'make deps'", "'make deps'"),
        ("they make run times", "they make run times"),
        ("'python -m radiotrace review'", "'python -m radiotrace --study studies/ten review'"),
        ("python -I -m radiotrace verify", "python -I -m radiotrace --study studies/ten verify"),
        ("'python -m radiotrace new ten'", "'python -m radiotrace new ten'"),
        ("'dvc repro', or 'dvc pull'", "'dvc --cd studies/ten repro', or 'dvc --cd studies/ten pull'"),
        (
            "'git checkout data.dvc && dvc pull data.dvc'",
            "'git -C studies/ten checkout data.dvc && dvc --cd studies/ten pull data.dvc'",
        ),
        ("'git checkout datastore'", "'git checkout datastore'"),
        ("rm data/a data/b", "rm studies/ten/data/a studies/ten/data/b"),
    ],
)
def test_commands_in_a_message_are_those_of_the_study(text, expected):
    assert of_study.with_study(text, PLACE) == expected
    assert of_study.with_study(text, ".") == text
    if not text.startswith("rm "):
        assert of_study.with_study(expected, PLACE) == expected


def test_error_names_the_study_in_its_way_out(repository, monkeypatch, capsys):
    monkeypatch.chdir(repository)
    assert command_line.main(["--study", PLACE, "results"]) == 1
    assert f"Run 'dvc --cd {PLACE} repro', or 'dvc --cd {PLACE} pull'" in capsys.readouterr().err


def test_option_of_what_is_shared_is_led_to_the_repository_and_a_named_one_stays():
    args = argparse.Namespace(software=of_study.Shared("software"), tests="tests")
    of_study.lead_to_shared(args, Study(Path(), PLACE))
    assert (args.software, args.tests) == ("../../software", "tests")


def test_datastore_is_looked_at_in_the_repository(repository, monkeypatch, capsys):
    looked_at = []
    monkeypatch.chdir(repository)
    monkeypatch.setattr(datastore, "check", lambda project: looked_at.append(Path(project)) or (0, 0))
    assert command_line.main(["--study", PLACE, "datastore"]) == 0
    assert looked_at == [repository.resolve()]


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        ("params.yaml", "params.yaml"),
        (f"{PLACE}/params.yaml", "params.yaml"),
        ("../../radiotrace/errors.py", "radiotrace/errors.py"),
        ("radiotrace/errors.py", "radiotrace/errors.py"),
    ],
)
def test_path_is_traced_by_the_name_that_records_have(repository, thing, expected):
    study = Study(repository, PLACE)
    assert trace.relative(thing, study) == expected
    assert trace.relative(str(repository / study.in_repository(expected)), study) == expected


def test_shared_file_is_traced_from_a_study_with_its_hash_and_its_readers(repository):
    study, name = Study(repository, PLACE), "radiotrace/errors.py"
    digest = records.sha256(repository / name)
    bundle = {file: {} for file in ("dataset.json", "run.json", "code.json", "manifest.json")}
    bundle["dataset.json"]["cases"], bundle["manifest.json"]["files"] = [], []
    bundle["run.json"]["stages"], bundle["code.json"]["files"] = [], {name: digest}
    files, workflow_of = lineage.known_files(bundle), trace.as_records_name(dvcfile.load(study.folder))
    assert files == {name: {"code.json": digest}}
    assert trace.sha256_of(study.located(trace.relative(name, study))) == digest
    assert "split" in lineage.readers(workflow_of, [name])


# Faults of predictions


def of_run(labels: dict[str, str], n_cases: int) -> negative_controls.Evaluated:
    """A run of which only labels and cases are known."""
    evaluated = object.__new__(negative_controls.Evaluated)
    cases = [{"case_id": f"c{number}"} for number in range(n_cases)]
    evaluated.run = SimpleNamespace(split={"labels": labels}, cases=cases)
    return evaluated


@pytest.mark.parametrize(
    ("fault", "labels", "n_cases", "expected"),
    [
        ("swap labels", {"0": "background", "1": "liver"}, 4, "one label, liver"),
        ("swap labels", {"0": "background", "1": "a", "2": "b"}, 4, None),
        ("shuffle cases", {"0": "background", "1": "liver"}, 1, "one test case, c0"),
        ("shuffle cases", {"0": "background", "1": "liver"}, 2, None),
        ("erode", {"0": "background", "1": "liver"}, 1, None),
    ],
)
def test_fault_that_leaves_predictions_as_they_are_is_told(fault, labels, n_cases, expected):
    why = of_run(labels, n_cases).idle({"id": "NC-SEG-1", "predictions": fault})
    assert why is None if expected is None else expected in why


def test_fault_that_changes_nothing_stops_the_command_with_its_reason():
    with pytest.raises(StageError) as caught:
        negative_controls.stop_at([], {}, ROOT, {"NC-SEG-1": "there is one label"})
    assert caught.value.findings == [
        "NC-SEG-1: changes nothing, so that no criterion can notice it: there is one label"
    ]


def test_fault_of_code_is_looked_for_in_the_repository_of_a_study(repository, monkeypatch):
    monkeypatch.chdir(repository / PLACE)
    file = "radiotrace/errors.py"
    known = {"NC-X-1": {"id": "NC-X-1", "file": file, "old": "LINES_MAX = 100", "new": "LINES_MAX = 1"}}
    negative_controls.stop_at([], known, repository, {})
    negative_controls.copy(repository, repository.parent / "copy")
    assert (repository.parent / "copy" / file).read_bytes() == (repository / file).read_bytes()
