"""plan: what it says and writes, on a study of phantoms that ingest, validate and split have seen."""

import shutil

import pytest

from radiotrace import __main__ as command_line
from radiotrace import records
from radiotrace.pipeline import params
from tests import phantoms, pipelines


@pytest.fixture(scope="module")
def split_study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    phantoms.write_dataset(folder / "data", 16)
    pipelines.lay_out(folder)
    assert pipelines.run(folder, "ingest", "validate", "split") == [0, 0, 0]
    return folder


@pytest.fixture
def study(split_study, tmp_path, monkeypatch):
    shutil.copytree(split_study, tmp_path / "study")
    monkeypatch.chdir(tmp_path / "study")
    return tmp_path / "study"


def plan(*words: str) -> int:
    return command_line.main(["plan", *words])


@pytest.mark.requirement("SRS-SPLIT-4")
def test_it_shows_what_would_change_and_writes_nothing(study, capsys):
    before = (study / "params.yaml").read_bytes()
    assert plan("--minutes", "1") == 0
    said = capsys.readouterr().out
    assert "+  epochs: " in said
    assert "# plan: " in said
    assert said.endswith("Nothing was written; --write writes it\n")
    assert (study / "params.yaml").read_bytes() == before


@pytest.mark.requirement("SRS-SPLIT-4")
def test_written_it_holds_and_planned_again_it_is_the_same(study, capsys):
    assert plan("--minutes", "1", "--write") == 0
    assert params.read(study / "params.yaml")["train"]["network"] == "dynunet"
    once = (study / "params.yaml").read_bytes()
    capsys.readouterr()
    assert plan("--minutes", "1") == 0
    assert "params.yaml has all of it already" in capsys.readouterr().out
    assert (study / "params.yaml").read_bytes() == once


@pytest.mark.slow
def test_the_planned_study_trains(study, capsys):
    assert plan("--minutes", "0.01", "--write") == 0
    assert pipelines.run(study, "ingest", "validate", "split", "train") == [0] * 4


@pytest.mark.requirement("SRS-SPLIT-4")
def test_it_looks_at_the_train_part_alone(study, capsys):
    plan("--minutes", "1")
    cases = records.read(study / "build/split/split.json", "split")["cases"].values()
    learnt = [case for case in cases if case["part"] == "train"]
    assert 0 < len(learnt) < len(cases)
    assert f"train part: {len(learnt)} cases" in capsys.readouterr().out


def test_before_the_split_it_says_what_is_missing(study, capsys):
    (study / "build/split/split.json").unlink()
    assert plan() == 1
    said = capsys.readouterr().err
    assert "build/split/split.json is missing" in said
    assert "dvc repro split" in said


@pytest.mark.parametrize("words", [("--minutes", "0"), ("--memory-gb", "-1"), ("--gflops", "nan")])
def test_a_budget_of_nothing_is_refused(study, capsys, words):
    assert plan(*words) == 1
    assert "expected more than 0" in capsys.readouterr().err


def test_the_probe_measures_and_changes_no_plan(study, capsys):
    plan("--minutes", "0.01")
    without = capsys.readouterr().out
    plan("--minutes", "0.01", "--probe")
    told = capsys.readouterr()
    assert told.out == without
    assert "GFLOP/s on the planned network: --gflops " in told.err
