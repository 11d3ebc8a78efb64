"""dvc.yaml and the code: what would run is what the code has."""

import shutil
from pathlib import Path

import pytest

from radiotrace.errors import StageError
from radiotrace.evidence.verify import workflow
from radiotrace.pipeline.study import Study

ROOT = Path(__file__).resolve().parent.parent
SPLIT = "    cmd: >-\n      python -m stages.split"
WEIGHTS = "build/train/weights.safetensors"


@pytest.fixture
def clone(tmp_path):
    """What the check reads, and nothing else."""
    for name in ("radiotrace", "stages", "schemas", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml", "requirements.txt", *workflow.machinery(ROOT)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def edited(clone, old: str, new: str) -> list[str]:
    text = (clone / "dvc.yaml").read_text()
    assert old in text
    (clone / "dvc.yaml").write_text(text.replace(old, new, 1))
    return workflow.check(Study(clone)).faults


def test_workflow_of_this_repository_is_that_of_its_code():
    assert workflow.check(Study(ROOT)).faults == []


def test_written_workflow_is_the_one_that_is_there():
    assert workflow.written(Study(ROOT)) == (ROOT / "dvc.yaml").read_text("utf-8"), "run 'make deps'"


def test_what_shows_pictures_is_not_pushed_where_the_data_are_not(clone):
    data = clone / "data.dvc"
    data.write_text("outs:\n- md5: 0\n  path: data\n")
    assert workflow.check(Study(clone)).faults == []
    data.write_text(f"{data.read_text()}  cache: false\n")
    assert any(fault.startswith("dvc.yaml: ingest: outs: ") for fault in workflow.check(Study(clone)).faults)
    written = workflow.written(Study(clone))
    (clone / "dvc.yaml").write_text(written)
    assert workflow.check(Study(clone)).faults == []
    for path in workflow.LOCAL:
        assert f"    - {path}:\n        cache: false\n" in written


@pytest.mark.parametrize("content", ["", "outs: 3\n", "outs: [3, data]\n", "[]\n"])
def test_a_broken_file_of_the_data_says_nothing_of_pushing(clone, content):
    (clone / "data.dvc").write_text(content)
    assert not workflow.stays_local(Study(clone))


@pytest.mark.requirement("SRS-EVI-7")
@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "--out build/train\n",
            "--out build/train && python vendor/put\n",
            "train: cmd: found '&&', expected 'nothing more'",
        ),
        (
            "--weights build/train",
            "--weights vendor",
            f"evaluate: cmd: found 'vendor/weights.safetensors', expected '{WEIGHTS}'",
        ),
        (SPLIT, f"    frozen: true\n{SPLIT}", "split: frozen: the code has no such key"),
        (SPLIT, f"    wdir: vendor\n{SPLIT}", "split: wdir: the code has no such key"),
        ("    - radiotrace/pipeline/stage.py\n", "", "ingest: deps: lacks radiotrace/pipeline/stage.py"),
        (
            "    - build/train\n",
            "    - build/train\n    - build/other\n",
            "train: outs: has also build/other",
        ),
        (
            "    - build/train\n",
            "    - build/train:\n        persist: true\n",
            "train: outs: lacks build/train; has also {'build/train': {'persist': True}}",
        ),
        (
            "    - metrics/cases.json:\n        cache: false",
            "    - metrics/cases.json:\n        cache: true",
            "evaluate: outs: lacks {'metrics/cases.json': {'cache': False}}; has also {'metrics/cases.json': "
            "{'cache': True}}",
        ),
        ("    params:\n    - ingest\n", "", "ingest: params: found None, expected a list"),
        ("stages:\n", "vars:\n- vendor.yaml\nstages:\n", "vars: the code has no such key"),
        (
            "\nplots:\n",
            "\n  more:\n    cmd: python vendor/put\nplots:\n",
            "stages: found ingest, validate, split, train, evaluate",
        ),
        (
            "python -m stages.segmentation.export",
            "python  -m stages.segmentation.export",
            "export: cmd: found '', expected '-m'",
        ),
    ],
)
def test_workflow_that_says_something_else_is_found(clone, old, new, expected):
    faults = edited(clone, old, new)
    assert [fault.startswith(f"dvc.yaml: {expected}") for fault in faults] == [True], faults


def test_stage_that_is_gone_is_found(clone):
    text = (clone / "dvc.yaml").read_text()
    (clone / "dvc.yaml").write_text(text[: text.index("  explain:\n")] + text[text.index("  report:\n") :])
    assert "dvc.yaml: explain: found nothing, expected a stage" in workflow.check(Study(clone)).faults


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "stages: 7",
        "stages: {train: 7}",
        "stages: {train: {cmd: [python]}}",
        "a: a: a",
        "stages: {7: 8}",
    ],
)
def test_workflow_of_any_shape_is_refused_without_a_crash(clone, text):
    (clone / "dvc.yaml").write_text(text)
    assert workflow.check(Study(clone)).faults


def test_import_that_is_new_becomes_a_dep(clone):  # what 'make deps' is for
    (clone / "radiotrace/more.py").touch()
    with open(clone / "stages/split.py", "a") as file:
        file.write("\n\ndef later():\n    from radiotrace import more\n")
    assert "dvc.yaml: split: deps: lacks radiotrace/more.py" in workflow.check(Study(clone)).faults
    (clone / "dvc.yaml").write_text(workflow.written(Study(clone)))
    assert workflow.check(Study(clone)).faults == []


def test_bundle_vouches_for_a_program_that_ci_starts(clone):
    (clone / ".ci/after").touch()
    assert "dvc.yaml: evidence: deps: lacks .ci/after" in workflow.check(Study(clone)).faults


def test_description_that_dvc_would_not_read_back_is_refused(clone, monkeypatch):
    monkeypatch.chdir(clone)
    edited(clone, "desc: Bring", "desc: Bri\u00f1g")
    with pytest.raises(StageError, match="beyond ASCII"):
        workflow.main()
