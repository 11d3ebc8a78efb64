"""A study of a second task goes through every stage to evidence that verifies, beside a first study of which
nothing changes.

The task is laid into a copy of the repository as a team would add one (tests/second/): code, stages, schemas,
and the declaration from which its pipeline follows. It has neither robustness nor explanations nor charts.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from radiotrace.evidence.verify import workflow
from radiotrace.pipeline import params, tasks
from radiotrace.pipeline.study import Study
from tests import projects, second_task

pytestmark = pytest.mark.slow
PICTURES = 24  # of each class
PLACE = second_task.PLACE
WITH_IT = ", ".join(sorted([*tasks.known(), "second_task"]))


@pytest.fixture(scope="module")
def copied(tmp_path_factory) -> tuple[Path, bytes]:
    """A repository with both tasks and a study of each, of which only the second has run; and dvc.yaml of the
    first before the second task came."""
    folder = second_task.repository(tmp_path_factory.mktemp("second") / "repository")
    before = (folder / "dvc.yaml").read_bytes()
    second_task.lay(folder)
    projects.commit(folder, "a second task")
    second_task.study(folder, PICTURES)
    second_task.dvc(folder, "repro", "-q")
    projects.commit(folder, "its run")
    return folder, before


@pytest.fixture(scope="module")
def ran(copied) -> Path:
    return copied[0]


@pytest.fixture
def record(ran):
    """A record of the study, by its path in it."""
    return lambda path: json.loads((ran / PLACE / path).read_text("utf-8"))


def asked(repository: Path, code: str):
    """What code prints as JSON, in a process that has the copy's own code."""
    done = projects.run(repository, "python", "-c", f"import json\n{code}")
    return json.loads(done.stdout.splitlines()[-1])


FLOW = f"""
from pathlib import Path
from radiotrace.evidence.verify import workflow
from radiotrace.pipeline.study import Study
study = Study(Path({{place!r}}), {PLACE!r})
print(json.dumps([workflow.check(study).faults, workflow.runs_otherwise(study)]))
"""


@pytest.fixture
def edited(ran, tmp_path):
    """The faults of level 3, and of what would run, after a file of the study was edited."""

    def faults(name: str, old: str, new: str) -> tuple[list[str], list[str]]:
        path = ran / PLACE / name
        text = path.read_text("utf-8")
        assert old in text
        try:
            path.write_text(text.replace(old, new, 1))
            return asked(ran, FLOW.format(place=str(ran)))
        finally:
            path.write_text(text)

    return faults


# Neither task changes the other


def test_the_pipeline_of_the_first_study_is_the_same_with_a_second_task(copied):
    folder, before = copied
    assert (folder / "dvc.yaml").read_bytes() == before
    assert second_task.NAME.encode() not in before


def test_no_stage_of_the_second_study_reaches_the_first_task(ran):
    stages = params.load_yaml(ran / PLACE / "dvc.yaml")["stages"]
    deps = [dep for name, stage in stages.items() for dep in stage["deps"] if name != "evidence"]
    assert "../../radiotrace/second_task/learner.py" in deps
    assert "../../radiotrace/learning/fit.py" in deps
    others = (
        "../../radiotrace/segmentation",
        "../../stages/segmentation",
        "../../radiotrace/learning/networks",
    )
    assert [dep for dep in deps if dep.startswith(others)] == []


def test_the_second_study_has_the_stages_that_its_task_declares(ran):
    stages = params.load_yaml(ran / PLACE / "dvc.yaml")["stages"]
    assert list(stages) == [
        "ingest",
        "validate",
        "split",
        "train",
        "evaluate",
        "report",
        "export",
        "evidence",
    ]
    assert stages["train"]["desc"] == "Fit the network to the pictures of the train part"


# Every stage to evidence


def test_discs_and_rings_of_the_test_part_are_told_apart(record):
    metrics, cases = record("metrics/metrics.json"), record("metrics/cases.json")["cases"]
    assert {case["case_id"].split("_")[0] for case in cases} == set(second_task.CLASSES)
    assert len(cases) == metrics["n_cases"] >= 5
    means = {name: summary["mean"] for name, summary in metrics["recall"].items()}
    assert means == {"disc": 1.0, "ring": 1.0, "mean_of_labels": 1.0}


def test_the_bundle_has_the_records_of_the_task_under_its_schemas(ran, record):
    bundled = {
        entry["path"].removeprefix("evidence/"): entry["schema"]
        for entry in record("evidence/manifest.json")["files"]
        if entry["in_bundle"]
    }
    of_task = ("metrics", "headline", "cases", "model", "epochs")
    assert {name: bundled[f"{name}.json"] for name in of_task} == {
        name: f"{name}_second_task" for name in of_task
    }
    assert {"robustness.json", "explain.json"}.isdisjoint(bundled)
    assert {stage["stage"] for stage in record("evidence/run.json")["stages"]} == set(
        params.load_yaml(ran / PLACE / "dvc.yaml")["stages"]
    )
    for name in of_task[:4]:
        path = "build/export/model.json" if name == "model" else f"metrics/{name}.json"
        assert record(f"evidence/{name}.json") == record(path)


def test_criteria_are_judged_on_the_measure_of_the_task(record):
    judged = {row["metric"]: row["mean"] for row in record("evidence/acceptance.json")["results"]}
    assert judged == {"recall.disc": 1.0, "recall.ring": 1.0}


def test_what_is_not_part_of_the_task_is_said_and_not_skipped(ran):
    page = (ran / PLACE / "evidence/verification.md").read_text("utf-8")
    for what in tasks.OPTIONAL.values():
        assert f"Not part of the task of this study: {what}." in page
    assert "Not part of the task of this study: whether probabilities are as they say." in page


def test_bill_card_and_index_are_of_the_task(record):
    card = record("evidence/mlbom.cdx.json")["metadata"]["component"]["modelCard"]
    assert card["modelParameters"]["task"] == "classification of pictures"
    measured = {row["type"] for row in card["quantitativeAnalysis"]["performanceMetrics"]}
    assert measured == {"mean recall"}
    assert set(record("evidence/model_card.json")["performance"]["measures"]) == {"recall"}
    pointers = record("evidence/index.json")["pointers"]
    assert pointers["recall"] == {"file": "metrics.json", "pointer": "/recall"}
    assert "dice" not in pointers


def test_swapped_labels_are_noticed_by_the_measures_of_the_task(ran):
    code = f"""
from pathlib import Path
from radiotrace.commands import of_task
from radiotrace.evidence.verify import judged
from radiotrace.pipeline import tasks
task = tasks.declared("second_task")
run = judged.read(Path({str(ran / PLACE)!r}), task)
found = of_task.verification(task).under(run, "swap labels")
print(json.dumps([found["recall"][name]["mean"] for name in ("disc", "ring")]))
"""
    assert asked(ran, code) == [0.0, 0.0]


# verify


@pytest.fixture(scope="module")
def verified(ran, tmp_path_factory) -> tuple[list[dict], str]:
    """The checks of levels 1 to 4, and what was printed."""
    path = tmp_path_factory.mktemp("verified") / "checks.json"
    done = second_task.command(ran, "verify", "--level", "4", "--json", path, check=False)
    return json.loads(path.read_text()), done.stdout


def test_all_levels_up_to_4_hold_but_for_what_people_must_decide(verified):
    failed = {check["what"] for check in verified[0] if check["faults"]}
    assert failed == {"nothing blocks the release"}
    looked = {check["level"] for check in verified[0] if check["looked"]}
    assert looked == {1, 3, 4}  # nobody signed


def test_verify_makes_again_what_the_task_brings(verified):
    made = {check["what"] for check in verified[0] if check["looked"] and not check["faults"]}
    assert {
        "the split follows from seed, rule and subjects",
        "training is of the split and of its parameters",
        "summaries follow from cases",
        "the headline follows from the metrics",
        "metrics and intervals follow from predictions and references",
    } <= made


def test_verify_says_what_is_not_part_of_the_task(verified):
    [check] = [check for check in verified[0] if check["what"] == "its task is one that this verifier has"]
    assert len(check["skipped"]) == len(tasks.OPTIONAL)
    assert [line for line in verified[1].splitlines() if "robustness.json" in line] == []


def test_level_0_prints_the_commands(ran):
    assert "sha256sum" in second_task.command(ran, "verify", "--level", "0").stdout


def test_a_number_that_was_edited_is_found_at_level_4(ran, tmp_path):
    path = ran / PLACE / "build/evaluate/results/predictions"
    prediction = sorted(path.iterdir())[0]
    kept = prediction.read_bytes()
    prediction.chmod(0o644)
    try:
        prediction.unlink()  # a link into DVC's cache, which is not to be written to
        prediction.write_bytes(kept.replace(b'"told": "disc"', b'"told": "ring"'))
        assert hashlib.sha256(kept).hexdigest() != hashlib.sha256(prediction.read_bytes()).hexdigest()
        second_task.command(ran, "verify", "--level", "4", "--json", tmp_path / "a.json", check=False)
    finally:
        prediction.write_bytes(kept)
    checks = json.loads((tmp_path / "a.json").read_text())
    levels = {check["level"] for check in checks for fault in check["faults"] if prediction.name in fault}
    assert levels == {3, 4}


# Faults


def test_a_stage_that_the_task_does_not_declare_is_refused(edited):
    line = "    cmd: cd ../.. && python -m stages.segmentation.robustness --study studies/pictures\n"
    stage = f"  robustness:\n    desc: Corrupt images\n{line}"
    checked, otherwise = edited("dvc.yaml", "  report:\n", f"{stage}  report:\n")
    assert checked[0].startswith(
        "dvc.yaml: stages: found ingest, validate, split, train, evaluate, robustness"
    )
    assert otherwise == ["dvc.yaml: robustness: the code has no such stage"]


def test_a_script_of_the_other_task_is_refused(edited):
    checked, otherwise = edited("dvc.yaml", "stages.second_task.train", "stages.segmentation.train")
    expected = "train: cmd: found 'stages.segmentation.train', expected 'stages.second_task.train'"
    assert checked == otherwise == [f"dvc.yaml: {expected}"]


@pytest.mark.parametrize("task", ["third", "segmentation"])
def test_a_study_that_names_another_task_is_refused(edited, task):
    checked, otherwise = edited("params.yaml", "task: second_task", f"task: {task}")
    assert checked
    assert otherwise
    if task == "third":
        expected = f"params.yaml: task: found 'third', expected one of {WITH_IT}"
        assert checked == otherwise == [f"dvc.yaml: cannot be compared: {expected}"]


def test_a_verifier_without_the_task_says_so(ran):
    [fault] = workflow.check(Study(ran, PLACE)).faults  # by the code of this repository
    without = ", ".join(tasks.known())
    assert fault.endswith(f"params.yaml: task: found 'second_task', expected one of {without}")


@pytest.fixture
def gathering(ran):
    """The words of the stage evidence, with everything that it writes elsewhere."""
    stage = params.load_yaml(ran / PLACE / "dvc.yaml")["stages"]["evidence"]
    words = stage["cmd"].removeprefix("cd ../.. && python ").split()
    return lambda out: [sys.executable, *words, "--out", out / "evidence", "--gates", out / "gates.json"]


def test_evidence_without_a_record_of_the_task_stops(ran, gathering, tmp_path):
    path = ran / PLACE / "metrics/headline.json"
    kept = path.read_bytes()
    path.unlink()
    try:
        done = projects.run(ran, *gathering(tmp_path), check=False)
    finally:
        path.write_bytes(kept)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "metrics/headline.json is missing" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_evidence_under_the_declaration_of_another_task_stops(ran, gathering, tmp_path):
    task = ["--task", "../../stages/segmentation/workflow.yaml"]
    done = projects.run(ran, *gathering(tmp_path), *task, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "found the declaration of segmentation, expected that of second_task" in done.stderr


def test_a_task_that_there_is_not_is_not_begun(ran, tmp_path):
    done = second_task.command(
        ran, "new", "other", "--task", "third", "--data", tmp_path, place=".", check=False
    )
    assert done.returncode == 1
    assert f"--task: found third, expected one of {WITH_IT}" in done.stderr


def test_a_task_without_verification_is_refused_by_name(ran):
    module = ran / "radiotrace/second_task/verification/checks.py"
    kept = module.with_suffix(".kept")
    shutil.move(module, kept)
    try:
        code = """
from radiotrace.commands import of_task
from radiotrace.errors import StageError
from radiotrace.pipeline import tasks
try:
    of_task.verification(tasks.declared("second_task"))
except StageError as error:
    print(json.dumps(error.headline))
"""
        said = asked(ran, code)
    finally:
        shutil.move(kept, module)
    assert said == "the task second_task has no radiotrace/second_task/verification/checks.py"
