"""params.yaml: read as DVC reads it, and every mistake named in the first second."""

import itertools
from pathlib import Path

import pytest

from radiotrace.errors import StageError
from radiotrace.pipeline import params
from tests import projects

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def edited(tmp_path):
    """Writes params.yaml with texts replaced, each of which stands in it once."""

    def write(**replacements):
        text = (ROOT / "params.yaml").read_text("utf-8")
        for key, value in replacements.items():
            line = next(line for line in text.splitlines() if line.strip().startswith(f"{key}:"))
            text = text.replace(f"{line}\n", f"{line.split(':')[0]}: {value}\n", 1)
        (tmp_path / "params.yaml").write_text(text, "utf-8")
        return tmp_path / "params.yaml"

    return write


def findings(path, section="train"):
    with pytest.raises(StageError) as caught:
        params.load(path, section)
    return caught.value.findings


def test_number_with_an_exponent_and_no_point_is_a_number(edited):  # YAML 1.1 reads 1e-5 as text
    assert params.load(edited(learning_rate="1e-5"), "train")["learning_rate"] == 0.00001


def test_no_is_text_not_false(edited):  # YAML 1.1 reads it as false
    assert findings(edited(every_label="no")) == ["validate.every_label: 'no' is not of type 'boolean'"]


@pytest.mark.requirement("SRS-SEC-2")
def test_number_in_quotes_is_not_a_number(edited):
    assert findings(edited(epochs='"3"')) == ["train.epochs: '3' is not of type 'integer'"]


@pytest.mark.parametrize("number", [".nan", ".inf"])
def test_number_that_is_not_finite_is_refused(edited, number):
    assert [line.split(": ")[0] for line in findings(edited(outlier_mad=number))] == ["validate.outlier_mad"]


@pytest.mark.parametrize("count", ["3.0", "1e1"])
def test_count_written_as_a_float_is_refused(edited, count):  # range(3.0) would be a traceback an hour later
    assert [line.split(": ")[0] for line in findings(edited(epochs=count))] == ["train.epochs"]


@pytest.mark.requirement("SRS-SEC-2")
def test_key_that_stands_twice_is_an_error(edited):
    path = edited()
    path.write_text(path.read_text("utf-8") + "seed: 1\n", "utf-8")
    lines = len(path.read_text("utf-8").splitlines())
    with pytest.raises(StageError, match=rf'is not YAML\n(.*\n)*.*duplicate key "seed"(.*\n)*.*line {lines}'):
        params.load(path, "train")


def test_line_that_is_not_yaml_is_named(tmp_path):
    (tmp_path / "params.yaml").write_text("seed: 0\ntrain:\n\tepochs: 3\n")
    with pytest.raises(StageError, match=r"params.yaml is not YAML\n(.*\n)*.*line 3"):
        params.load(tmp_path / "params.yaml", "train")


@pytest.mark.parametrize(
    "value", ["2026-99-99", "9" * 5000, "!!int foo", "!!float foo", "!!bool foo", "[" * 2000]
)
def test_value_that_cannot_be_is_a_fault_of_the_file(tmp_path, value):
    (tmp_path / "params.yaml").write_text(f"seed: {value}\n")
    with pytest.raises(StageError, match=r"params.yaml is not YAML"):
        params.load_yaml(tmp_path / "params.yaml")


def test_folder_in_the_place_of_the_file_is_named(tmp_path):
    with pytest.raises(StageError, match="is a folder, expected a file"):
        params.load_yaml(tmp_path)


@pytest.mark.requirement("SRS-SEC-2")
def test_misspelt_key_is_named(edited):
    path = edited()
    path.write_text(path.read_text("utf-8").replace("  gradient_clip:", "  gradient_clap:"), "utf-8")
    assert findings(path) == [
        "train: 'gradient_clip' is a required property",
        "train: Additional properties are not allowed ('gradient_clap' was unexpected)",
    ]


@pytest.mark.requirement("SRS-SEC-2")
def test_faults_of_all_sections_are_listed_at_once(edited):
    path = edited(folds=1, epochs=0, opset=17, seed=-1)
    assert [line.split(": ")[0] for line in findings(path)] == [
        "export.opset",
        "seed",
        "split.folds",
        "train.epochs",
    ]


@pytest.mark.requirement("SRS-SEC-2")
def test_fault_in_another_section_stops_a_stage(edited):
    assert findings(edited(epochs=0), section="export") == ["train.epochs: 0 is less than the minimum of 1"]


@pytest.mark.parametrize("seed", [0, 7])
def test_stage_that_draws_gets_the_seed(edited, seed):  # 0 is a seed like any other
    assert params.load(edited(seed=seed), "split", seed=True)["seed"] == seed


def test_stage_that_does_not_draw_gets_its_section_only(edited):
    assert params.load(edited(), "ingest") == {
        "orientation": "LPS",
        "spacing_mm": None,
        "missing_words": ["n/a", "na", "nan", "unknown", "?"],
        "bands": {},
        "crop": None,
        "bias_field": None,
    }


def test_empty_file_is_a_fault(tmp_path):
    (tmp_path / "params.yaml").write_text("# nothing\n")
    assert findings(tmp_path / "params.yaml") == ["record: None is not of type 'object'"]


def test_missing_file_is_named_with_the_way_out(tmp_path):
    path = tmp_path / "params.yaml"
    with pytest.raises(StageError, match=f"{path} is missing\nRestore it with 'git checkout {path}'"):
        params.read(path)


@pytest.mark.parametrize(("task", "found"), [("task: knitting\n", "'knitting'"), ("", "nothing")])
def test_a_task_that_there_is_not_is_named_with_those_there_are(edited, task, found):
    path = edited()
    path.write_text(path.read_text("utf-8").replace("task: segmentation\n", task), "utf-8")
    assert findings(path) == [f"task: found {found}, expected one of {', '.join(params.tasks())}"]


def test_a_section_that_no_task_and_no_study_has_is_named(edited):
    path = edited()
    path.write_text(path.read_text("utf-8") + "trian: {}\n", "utf-8")
    assert findings(path) == ["record: Additional properties are not allowed ('trian' was unexpected)"]


# Files that people write and DVC writes again


@pytest.mark.slow
def test_an_experiment_with_set_param_changes_one_line_and_keeps_every_comment(tmp_path):
    text = (ROOT / "params.yaml").read_text("utf-8")
    (tmp_path / "params.yaml").write_text(text, "utf-8")
    (tmp_path / "dvc.yaml").write_text("stages: {train: {cmd: exit 0, params: [train.epochs]}}\n")
    projects.run(tmp_path, "git", "init", "-q", "-b", "main")
    projects.run(tmp_path, "dvc", "init", "-q")
    projects.commit(tmp_path, "a pipeline")
    for epochs in (1, 2):  # a second time, when DVC has written the file once
        projects.run(tmp_path, "dvc", "exp", "run", "-q", "-S", f"train.epochs={epochs}")
        expected = text.replace("\n  epochs: 28\n", f"\n  epochs: {epochs}\n")
        assert (tmp_path / "params.yaml").read_text("utf-8") == expected


def test_no_comment_stands_right_below_a_list():  # which 'dvc exp run -S' would lose
    lines = (ROOT / "params.yaml").read_text("utf-8").splitlines()
    below = [after for line, after in itertools.pairwise(lines) if line.lstrip().startswith("- ")]
    assert [line for line in below if line.lstrip().startswith("#")] == []
