"""benchmarks: the tables say what the rows hold."""
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import ablations, crossval, errors
from radiotrace import params
from tests import phantoms

ROOT = Path(__file__).resolve().parent.parent
PUBLISHED = crossval.read(ROOT / "benchmarks/crossval/nnunet.csv")
LABELS = {"0": "background", "1": "anterior", "2": "posterior"}


def case(case_id: str, anterior, posterior) -> dict:
    """An entry of the record 'cases'; each label is (Dice, HD95)."""
    return {"case_id": case_id, "subject_id": f"of_{case_id}", "labels": {
        name: {"dice": dice, "surface_dice": dice, "hausdorff95_mm": distance, "reference_mm3": 100.0, "prediction_mm3": 90.0}
        for name, (dice, distance) in (("anterior", anterior), ("posterior", posterior))}}


CASES = [case("a", (0.9, 1.0), (0.8, 2.0)), case("b", (0.7, 1.0), (None, None)), case("c", (0.5, 3.0), (0.7, 2.0))]
ROWS = crossval.rows_of(CASES[:2], fold=0, seed=0) + crossval.rows_of(CASES[2:], fold=1, seed=0)


def test_rows_come_back_from_the_file_as_they_went(tmp_path):
    crossval.write(tmp_path / "rows.csv", ROWS)
    assert crossval.read(tmp_path / "rows.csv") == ROWS


def test_the_mean_of_a_case_is_over_the_labels_that_are_defined():
    assert [crossval.of_case(row, "dice") for row in ROWS] == pytest.approx([0.85, 0.7, 0.6])


def test_the_table_has_each_fold_and_all():
    lines = crossval.folds_table(ROWS).splitlines()
    assert lines[2] == "| fold 0 | 2 | 0.8000 | 0.8000 | 0.7750 | 0.7750 | 1.250 |"   # (0.9 + 0.7)/2, 0.8 alone, (0.85 + 0.7)/2, …, (1.5 + 1)/2
    assert lines[3].startswith("| fold 1 | 1 | 0.5000 | 0.7000 | 0.6000 |")
    assert lines[4].startswith("| all | 3 | 0.7000 (")


def test_volumes_are_compared_in_sum():                        # 90 of 100 in each case; then 90 + 90 + 150 of 300
    assert crossval.volumes_line(ROWS).endswith("anterior -10.0 %, posterior -10.0 %")
    larger = [*ROWS[:2], ROWS[2] | {"prediction_mm3_posterior": 150.0}]
    assert crossval.volumes_line(larger).endswith("anterior -10.0 %, posterior +10.0 %")


def test_a_difference_is_taken_case_by_case():                 # 0.1 in each case; the interval of a constant is the constant
    better = [row | {f"dice_{name}": None if row[f"dice_{name}"] is None else row[f"dice_{name}"] + 0.1 for name in ("anterior", "posterior")}
              for row in ROWS]
    assert crossval.difference(ROWS, better) == "0.1000 (0.1000 to 0.1000)"


def test_seeds_have_a_mean_and_an_sd():
    other = [row | {"seed": 1, "dice_anterior": row["dice_anterior"] - 0.2} for row in ROWS]
    assert crossval.seeds_table(ROWS + other).splitlines()[-1] == "| mean, SD | | 0.6500, 0.0943 | |"   # 0.7167 and 0.5833


@pytest.mark.parametrize("name", ablations.VARIANTS)
def test_an_ablation_changes_parameters_that_exist(name):
    for key in ablations.COMMON | ablations.VARIANTS[name] | crossval.RECIPE:
        found = params.load_yaml("params.yaml")
        for part in key.split("."):
            assert part in found, key
            found = found[part]


@pytest.mark.parametrize("shift_xyz", [(1, 0, 0), (0, -1, 0), (1, 0, -1)])
def test_a_displaced_reference_is_found(shift_xyz):
    found = errors.mended(phantoms.label_array(), phantoms.label_array(shift_xyz), LABELS)
    assert found["as it is"] < 0.9
    assert (found["place"], found["shift"]) == (1, shift_xyz[::-1])


def test_swapped_labels_are_an_error_of_the_border_alone():
    reference = phantoms.label_array()
    found = errors.mended(reference, np.choose(reference, [0, 2, 1]), LABELS)
    assert (found["as it is"], found["border"], found["outline"]) == (0, 1, 0)


def test_a_lost_slice_is_an_error_of_the_outline_alone():
    reference = phantoms.label_array()
    prediction = reference.copy()
    prediction[np.flatnonzero(reference.any((1, 2)))[0]] = 0
    found = errors.mended(reference, prediction, LABELS)
    assert found["border"] == found["as it is"] < 1
    assert found["outline"] == 1


@pytest.mark.parametrize("options", [["--seeds", "1"], ["--set-param", "train.epochs=1"]], ids=["seed", "parameter"])
def test_another_recipe_or_seed_does_not_go_into_the_published_rows(options, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["crossval", "run", "nnunet", *options])
    with pytest.raises(SystemExit, match="2"):
        crossval.main()
    assert "--out is needed" in capsys.readouterr().err


def test_the_published_rows_hold_every_case_once():
    split = json.loads((ROOT / "evidence/split.json").read_text())
    assert [row["case_id"] for row in PUBLISHED] == sorted(split["cases"])


def test_the_published_table_is_that_of_the_rows():
    assert crossval.folds_table(PUBLISHED) in (ROOT / "benchmarks/README.md").read_text("utf-8")
    assert crossval.volumes_line(PUBLISHED) in (ROOT / "benchmarks/README.md").read_text("utf-8")


def test_the_readme_tells_how_many_test_cases_the_recipe_was_chosen_on():
    tested = {case["case_id"] for case in json.loads((ROOT / "metrics/cases.json").read_text())["cases"]}
    chosen_on = {row["case_id"] for row in PUBLISHED if row["fold"] == 0}
    assert f"holds out {len(tested & chosen_on)} of these {len(tested)} test cases" in (ROOT / "README.md").read_text("utf-8")
