"""show: one case on a terminal, held against the records of this repository and against small ones."""

import argparse
import json

import pytest

from radiotrace.commands import case_shown, show
from radiotrace.errors import StageError
from radiotrace.pipeline.study import Study
from radiotrace.records import measure_table
from tests import submitted


@pytest.fixture(scope="module")
def study() -> Study:
    """Of this repository, as it is committed."""
    return Study(submitted.folder())


@pytest.fixture(scope="module")
def records_of_ours(study) -> tuple[dict, list[dict]]:
    return case_shown.read(study)


@pytest.fixture
def shown(study, capsys):
    """What is printed of a case."""

    def of(case: str | None) -> str:
        show.show(argparse.Namespace(case=case, study=study))
        return capsys.readouterr().out

    return of


def test_a_case_is_shown_with_what_was_measured_beside_the_test_part(records_of_ours, shown):
    metrics, cases = records_of_ours
    case = cases[3]
    printed = shown(case["case_id"])
    for label, row in case["labels"].items():
        assert label in printed
        of_part = metrics["dice"][label]
        assert f"{row['dice']:.3f}  [{of_part['mean']:.3f}, {of_part['ci95_low']:.3f}" in printed
    assert metrics["run_id"][:12] in printed
    assert case["subject_id"] in printed
    for kind, scores in case["uncertainty"].items():
        found = [line for line in printed.splitlines() if line.startswith(f"│ {kind} ")]
        [line] = [line for line in found if line.count("│") == 5]  # not of where its file lies
        assert f"{scores['score']:.4f}" in line
        assert ("yes" in line) == case["flagged"][kind]
    assert f"trace {case['case_id']}" in printed
    assert "\x1b" not in printed  # no terminal, no colours


def test_without_a_case_the_worst_are_listed(records_of_ours, shown):
    _, cases = records_of_ours
    worst = sorted(cases, key=lambda case: case_shown.mean_of(case, "dice"))
    lines = [line.split()[1] for line in shown(None).splitlines() if line.startswith("│")]
    assert lines == [case["case_id"] for case in worst[: case_shown.WORST]]


def test_the_number_from_the_worst_counts_those_that_are_worse(records_of_ours):
    metrics, cases = records_of_ours
    dice, distance = (measure_table.read(metrics)[name] for name in ("dice", "hausdorff95_mm"))
    by_dice = sorted(cases, key=lambda case: case_shown.mean_of(case, "dice"))
    assert case_shown.from_worst(by_dice[0]["case_id"], cases, dice) == (1, len(cases))
    assert case_shown.from_worst(by_dice[-1]["case_id"], cases, dice) == (len(cases), len(cases))
    furthest = max(cases, key=lambda case: case_shown.mean_of(case, "hausdorff95_mm"))
    assert case_shown.from_worst(furthest["case_id"], cases, distance) == (1, len(cases))


def test_what_is_undefined_has_no_place_among_others(records_of_ours):
    metrics, cases = records_of_ours
    dice = measure_table.read(metrics)["dice"]
    without = {"case_id": "empty", "labels": {"a": {"dice": None}, "b": {"dice": 0.5}}}
    assert case_shown.mean_of(without, "dice") is None
    assert case_shown.from_worst("empty", [*cases, without], dice) is None
    error = measure_table.read(metrics)["volume_error_mm3"]
    assert case_shown.from_worst(cases[0]["case_id"], cases, error) is None  # neither end is worse


def test_an_unknown_case_is_refused_with_those_that_are_close(shown):
    with pytest.raises(StageError, match=r"no case 'hippocampus_15'; is it .*hippocampus_015"):
        shown("hippocampus_15")
    assert "it has 2, such as a" in case_shown.unknown("zzzz", ["a", "b"])


def test_records_of_two_runs_are_refused(study, tmp_path):
    (tmp_path / "metrics").mkdir()
    for name in ("cases", "metrics"):
        record = json.loads((study.folder / f"metrics/{name}.json").read_text())
        record["run_id"] = ("a" if name == "cases" else "b") * 64
        (tmp_path / f"metrics/{name}.json").write_text(json.dumps(record))
    (tmp_path / "params.yaml").write_text("task: segmentation\n")
    with pytest.raises(StageError, match="not of one run"):
        case_shown.read(Study(tmp_path))


def test_a_class_that_was_told_is_said_in_words():
    assert (
        case_shown.in_words({"reference": ["clear"], "told": ["shadow"]}) == "has clear; told shadow: wrong"
    )
    assert case_shown.in_words({"reference": [], "told": []}) == "has nothing; told nothing: right"
    assert case_shown.in_words({"labels": {}}) == ""
