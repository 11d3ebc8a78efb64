"""What a task declares: read as data, checked, and what follows from it."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from radiotrace.errors import StageError
from radiotrace.evidence.pages import verification
from radiotrace.evidence.pages.elements import Records
from radiotrace.evidence.verify import workflow
from radiotrace.pipeline import params, tasks
from radiotrace.pipeline.study import Study
from stages import evidence

ROOT = Path(__file__).resolve().parent.parent
SEGMENTATION = ROOT / "stages/segmentation/workflow.yaml"


@pytest.fixture
def edited(tmp_path):
    """A declaration of segmentation with a text replaced; its folder has the name of the task."""

    def write(old: str, new: str) -> Path:
        text = SEGMENTATION.read_text("utf-8")
        assert old in text
        path = tmp_path / "segmentation/workflow.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace(old, new, 1))
        return path

    return write


def test_every_task_declares_its_stages_and_has_parameters():
    of_ours = "classification detection imported_segmentation segmentation segmentation_survival tabular"
    assert tasks.known() == params.tasks() == of_ours.split()


# A task whose stages or code are another's stands on that one; nothing else of a task is another's.
STANDS_ON = {"imported_segmentation": {"segmentation"}, "segmentation_survival": {"segmentation"}}


@pytest.mark.parametrize("task", tasks.known())
def test_a_change_in_one_task_runs_no_stage_of_a_study_of_another_but_evidence(tmp_path, task):
    """Evidence vouches for all code that lies in the clone."""
    for name in ("radiotrace", "stages", "schemas", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.glob("requirements*"):
        if path.is_file():
            shutil.copy(path, tmp_path)
    own = ROOT / f"stages/{task}/params.yaml"
    text = (own if own.is_file() else ROOT / "params.yaml").read_text("utf-8")
    study = Study(tmp_path, "studies/one")
    study.folder.mkdir(parents=True)
    (study.folder / "params.yaml").write_text(re.sub("(?m)^task: .*$", f"task: {task}", text))
    stages = workflow.expected(study)
    assert f"../../stages/{task}/train.py" in stages["train"]["deps"]
    deps = {dep for name, stage in stages.items() if name != workflow.LAST for dep in stage["deps"]}
    for other in set(tasks.known()) - {task} - STANDS_ON.get(task, set()):
        folders = [
            f"../../{folder}/{other}/"
            for folder in ("radiotrace", "stages", "radiotrace/records", "radiotrace/records/sections")
        ]
        assert [dep for dep in deps if dep.startswith(tuple(folders))] == []
        schemas = {
            f"../../schemas/{schema}.schema.json"
            for schema in {*tasks.declared(other).records.values()} - {*tasks.declared(task).records.values()}
        }
        assert deps & schemas == set()


def test_the_bundle_takes_the_records_that_the_task_declares():
    found = tasks.declared("segmentation")
    assert found.bundled == (
        "metrics",
        "headline",
        "cases",
        "robustness",
        "explain",
        "model",
        "distilled",
        "variants",
    )
    assert found.not_part == {}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  explain: explain\n  model", "  model", None),
        (
            "options: dataset volumes split",
            "options: dataset voulmes split",
            "stages: train: voulmes is no name of a path, and has no value",
        ),
        (
            "  report-provenance: build/report/provenance.json\n",
            "",
            "paths: report-provenance is missing, the record of what decided that stage",
        ),
        ("  metrics: metrics\n", "  metrics: metrisc\n", "records: metrics: there is no schemas/metrisc"),
        ("paths:\n", "paths:\n  weights: build/other\n", "paths: weights is a path of every study"),
        (
            "  model: released_model\n",
            "  model: released_model\n  reference: reference\n",
            "records: reference has no path",
        ),
        ("  export:\n", "  split:\n", "stages: 'export' is a required property"),
        ("approach:", "aproach:", "record: 'approach' is a required property"),
    ],
)
def test_a_declaration_that_does_not_hold_is_refused_with_its_place(edited, old, new, expected):
    path = edited(old, new)
    if expected is None:
        assert set(tasks.read(path).not_part) == {"explain"}
        return
    with pytest.raises(StageError) as refused:
        tasks.read(path)
    assert any(fault.startswith(expected) for fault in refused.value.findings), refused.value.findings


def test_a_stage_of_every_study_cannot_be_declared_again(edited):
    lines = (
        "split:",
        "  desc: Give every subject to a part as I like it",
        "  options: out=build/x",
        "  outs: build/x",
    )
    stage = "".join(f"  {line}\n" for line in lines)
    with pytest.raises(StageError) as refused:
        tasks.read(edited("stages:\n", f"stages:\n{stage}"))
    assert refused.value.findings == ["stages: split is a stage of every study"]


@pytest.mark.parametrize(
    "values", [{"task": "third"}, {}, None, [], {"task": None}, {"task": ["segmentation"]}]
)
def test_a_task_that_does_not_exist_is_an_error_with_the_way_out(values):
    with pytest.raises(
        StageError,
        match=f"task: found .*, expected one of {', '.join(tasks.known())}",
    ) as refused:
        tasks.named(values)
    assert "workflow.yaml" in refused.value.way_out


@pytest.fixture
def of_another_task(tmp_path):
    """A study whose params.yaml names a task that there is not."""
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    text = (tmp_path / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("task: segmentation", "task: third"))
    return Study(tmp_path)


def test_the_workflow_of_a_study_of_another_task_is_not_believed(of_another_task):
    expected = f"params.yaml: task: found 'third', expected one of {', '.join(tasks.known())}"
    assert workflow.check(of_another_task).faults == [f"dvc.yaml: cannot be compared: {expected}"]
    assert workflow.runs_otherwise(of_another_task) == [f"dvc.yaml: cannot be compared: {expected}"]


# The stage evidence


def test_options_of_the_task_are_left_to_its_declaration():
    args = evidence.parser.parse_args(
        [*required(evidence.parser), "--further", "a", "b", "--robustness", "r", "--explain-provenance", "e"]
    )
    assert args.further == ["a", "b"]
    assert args.of_task == ["--robustness", "r", "--explain-provenance", "e"]


def required(parser) -> list[str]:
    """Every option that a parser requires, with a value."""
    options = [action.option_strings[-1] for action in parser._actions if action.required]
    return [word for option in options for word in (option, "x")]


@pytest.mark.parametrize(
    ("words", "faults"),
    [
        (["--cases", "a", "--model", "b"], []),
        (["--cases", "a"], ["--model is missing"]),
        (["--cases", "a", "--model"], ["--model: no file is named"]),
        (
            ["--cases", "a", "--model", "b", "--robustness", "c"],
            ["--robustness: the task declares no such option"],
        ),
        (["--cases", "--model", "b"], ["--cases: no file is named", "b: the task declares no such option"]),
    ],
)
def test_options_that_the_task_does_not_declare_are_refused(words, faults):
    found = evidence.paired(words, ["cases", "model"])[1]
    assert [fault for fault in found if fault in faults] == faults
    assert bool(found) == bool(faults)


def test_evidence_of_another_task_than_that_of_the_study_is_refused(edited):
    declared = edited("approach:", "approach:")
    other = declared.parent.rename(declared.parent.with_name("third")) / "workflow.yaml"
    args = SimpleNamespace(params=ROOT / "params.yaml", task=other, of_task=[])
    with pytest.raises(StageError, match="found the declaration of third, expected that of segmentation"):
        evidence.given(args)


# The page


def test_analyses_that_are_not_part_of_a_task_are_said():
    bundle = {"metrics.json": {"calibration": {}, "subgroups": {}}, "explain.json": {}}
    assert verification._not_part(Records(bundle)) == [
        f"Not part of the task of this study: {tasks.OPTIONAL['robustness']}."
    ]
    bundle |= {"robustness.json": {}}
    assert verification._not_part(Records(bundle)) == []
