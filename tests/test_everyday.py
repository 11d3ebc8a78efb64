"""Everyday use of a project, as the README describes it."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
import SimpleITK as sitk

from radiotrace.commands import metric_names
from tests import projects, test_stale

pytestmark = pytest.mark.slow


@pytest.fixture
def project(reproduced, tmp_path) -> Path:
    """A clone with everything pulled."""
    folder = projects.clone(reproduced, tmp_path / "clone")
    projects.run(folder, "dvc", "pull", "-q")
    return folder


def stages_run(done) -> list[str]:
    return [
        line.split("'")[1]
        for line in (done.stdout + done.stderr).splitlines()
        if line.startswith("Running stage")
    ]


def test_after_a_pull_everything_is_up_to_date_and_nothing_runs(project):
    done = projects.run(project, "dvc", "repro")
    assert stages_run(done) == []
    assert "up to date" in done.stdout + done.stderr
    assert "up to date" in projects.run(project, "dvc", "status").stdout


def test_a_parameter_reruns_only_the_stages_that_it_touches(project):
    changes = {
        "export": {"parity_cases": 3},
        "explain": {"level": 2},
        "evaluate": {"subgroup_subjects_min": 6},
        "report": {"pixels_per_mm": {"small": 3, "large": 5}},
        "validate": {"outlier_mad": 4},
    }
    for section, change in changes.items():  # what DVC would begin with; what follows, its outputs decide
        projects.set_params(project, **{section: change})
        assert stages_run(projects.run(project, "dvc", "repro", "--dry")) == [section]
        projects.run(project, "git", "checkout", "-q", "params.yaml")
    projects.set_params(project, **{section: changes[section] for section in ("validate", "report")})
    assert stages_run(projects.run(project, "dvc", "repro")) == ["validate", "report", "evidence"]


def test_a_new_measure_is_one_entry_of_the_table_and_trains_nothing(project):
    path = project / metric_names.PATH
    table = project / "radiotrace/segmentation/measures.py"
    before = table.read_text()
    head, tail = before.rsplit(")\n", 1)
    table.write_text(f"{head}    {test_stale.ENTRY}\n)\n{tail}")
    names = json.loads(path.read_text())
    for command in (
        "commands.schemas",
        "commands.metric_names",
        "evidence.verify.workflow",
    ):  # as make deps does
        projects.run(project, "python", "-m", f"radiotrace.{command}")
    for of_task in names["properties"]["metric"]["anyOf"]:
        if of_task["title"].endswith("segmentation"):
            of_task["enum"] = sorted([*of_task["enum"], "volume_ratio.*"])
    assert json.loads(path.read_text()) == names
    assert projects.run(project, "git", "diff", "--name-only", "--", "dvc.yaml").stdout == ""
    done = projects.run(project, "dvc", "repro")
    assert sorted(stages_run(done)) == ["evaluate", "evidence", "explain", "export", "report"]
    cases = json.loads((project / "metrics/cases.json").read_text())["cases"]
    for row in (row for case in cases for row in case["labels"].values()):
        assert row["volume_ratio"] == pytest.approx(row["prediction_mm3"] / row["reference_mm3"])
    metrics = json.loads((project / "metrics/metrics.json").read_text())
    assert metrics["volume_ratio"]["anterior"]["n_cases"] == len(cases)
    assert metrics["measures"][-1]["title"] == "Volume ratio"
    page = (project / "build/report/index.html").read_text()
    assert '<th scope="rowgroup" rowspan="3">Volume ratio</th>' in page
    assert "mean volume_ratio" in (project / "evidence/mlbom.cdx.json").read_text()


def test_an_experiment_trains_again_and_shows_in_the_diffs_and_an_exclusion_in_every_record(project):
    excluded = [{"case_id": "phantom_02", "reason": "moved"}]
    projects.set_params(project, validate={"exclude": excluded})
    done = projects.run(project, "dvc", "exp", "run", "--set-param", "train.epochs=3")
    assert sorted(stages_run(done)) == [
        "distil",
        "evaluate",
        "evidence",
        "explain",
        "export",
        "optimize",
        "report",
        "robustness",
        "split",
        "train",
        "validate",
    ]
    for path in (
        "build/validate/findings.json",
        "build/validate/accepted.json",
        "build/split/split.json",
        "build/train/train.json",
        "build/explain/explain.json",
        "build/export/model.json",
        "metrics/metrics.json",
        "metrics/cases.json",
        "metrics/robustness.json",
        "evidence/acceptance.json",
    ):
        assert json.loads((project / path).read_text())["excluded"] == excluded, path
    assert "phantom_02" not in json.loads((project / "build/split/split.json").read_text())["cases"]
    assert (
        "1 cases were excluded: phantom_02"
        in projects.run(project, "python", "-m", "radiotrace", "results").stdout
    )

    assert len(json.loads((project / "build/train/train.json").read_text())["history"]) == 3
    parameters = json.loads(projects.run(project, "dvc", "params", "diff", "main", "--json").stdout)
    assert parameters["params.yaml"]["train.epochs"] == {"old": 2, "new": 3, "diff": 1}
    metrics = json.loads(projects.run(project, "dvc", "metrics", "diff", "main", "--json", "--all").stdout)
    headline, gates = metrics["metrics/headline.json"], metrics["metrics/gates.json"]
    assert {
        "dice.anterior.mean",
        "dice.posterior.n_undefined",
        "volume_error_percent.anterior.mean",
        "dice.mean_of_labels.mean",
        "calibration.before.expected_error",
        "subgroup_gap_dice.site.north",
    } <= headline.keys()
    assert headline["dice.anterior.mean"]["old"] != headline["dice.anterior.mean"]["new"]
    assert gates["requirements.SRS-SEG-1.verdict"]["new"] in ("met", "not met", "cannot say")
    assert "| metrics/headline.json" in projects.run(project, "dvc", "metrics", "diff", "main", "--md").stdout
    # dvclive and the experiment leave the pipeline itself alone.
    assert (
        projects.run(
            project, "git", "diff", "--name-only", "main", "--", "dvc.yaml", "data.dvc", ".gitignore"
        ).stdout
        == ""
    )


def test_a_misspelt_parameter_is_refused(project):
    done = projects.run(project, "dvc", "exp", "run", "--set-param", "train.epoch=3", check=False)
    assert done.returncode != 0
    assert "train.epoch" in done.stderr


def test_a_queued_sweep_over_two_values_shows_both(project):
    sweep = ["--set-param", "train.learning_rate=0.001,0.004", "train"]  # alone, for the time it takes
    projects.run(project, "dvc", "exp", "run", "--queue", *sweep)
    projects.run(project, "dvc", "exp", "run", "--run-all", "--jobs", "1")
    table = projects.run(project, "dvc", "exp", "show", "--csv").stdout
    swept = [row for row in csv.DictReader(io.StringIO(table)) if row["Experiment"]]
    assert sorted(row["train.learning_rate"] for row in swept) == ["0.001", "0.004"]
    refs = projects.run(project, "git", "for-each-ref", "--format=%(refname)", "refs/exps/*/*/*").stdout
    locks = {projects.run(project, "git", "show", f"{ref}:dvc.lock").stdout for ref in refs.split()}
    assert len(locks) == 2


def test_plots_are_pictures_that_open_offline_and_curves_that_need_the_scripts_of_vega(project):
    projects.run(project, "dvc", "plots", "show", "--out", "dvc_plots")
    page = (project / "dvc_plots/index.html").read_text()
    assert page.count("<img") == 11
    scripts = re.findall(r'<script[^>]* src="https://[^"]*/(vega[a-z-]*)@[0-9.]+">', page)
    assert scripts == ["vega", "vega-lite", "vega-embed"]
    assert not re.search(r'<(img|link)[^>]*(src|href)="https?://', page)
    for name in ("train_loss", "validation_dice/anterior"):
        assert f"build/live/plots/metrics/{name}.tsv" in page
    assert len(list((project / "dvc_plots/static").glob("*.svg"))) == 11
    projects.run(project, "dvc", "plots", "diff", "HEAD", "--out", "dvc_plots")
    assert "<img" in (project / "dvc_plots/index.html").read_text()


def test_predict_labels_an_image_as_the_evaluation_does(project):
    cases = json.loads((project / "metrics/cases.json").read_text())["cases"]
    dataset = json.loads((project / "build/ingest/dataset.json").read_text())["cases"]
    images = {one["case_id"]: f"data/{one['image']['path']}" for one in dataset}
    command = ("python", "-m", "radiotrace", "predict", "build/export")
    projects.run(project, *command, *(images[case["case_id"]] for case in cases), "--out", "predictions")
    assert len(cases) > 3
    for case in cases:
        folder = project / "predictions" / case["case_id"]
        made = sitk.ReadImage(folder / "label_map.nii.gz")
        stored = sitk.ReadImage(project / "build/evaluate/results/predictions" / case["prediction"])
        assert made.GetSize() == stored.GetSize()
        assert made.GetOrigin() == pytest.approx(stored.GetOrigin())
        different = sitk.GetArrayFromImage(made) != sitk.GetArrayFromImage(stored)
        assert different.mean() <= 1e-4  # ties, as ONNX Runtime and torch round
        found = json.loads((folder / "result.json").read_text())
        score = case["uncertainty"]["prediction"]["score"]
        assert found["review"]["expected_dice_loss"] == pytest.approx(score, abs=1e-4)
        assert found["review"]["is_flagged"] is case["flagged"]["prediction"]


def test_raw_data_that_differ_from_the_manifest_are_refused_and_accepted_on_purpose(project):
    target = project / "data/cases.csv"
    target.write_text(target.read_text().replace("north", "east"))
    done = projects.run(project, "dvc", "repro", check=False)
    assert done.returncode != 0
    assert "data/cases.csv: changed" in done.stderr
    projects.accept_data(project)
    assert stages_run(projects.run(project, "dvc", "repro", "split")) == ["ingest", "validate"]


def test_the_lock_fits_the_code_without_any_data(reproduced, tmp_path):
    folder = tmp_path / "bare"
    projects.run(reproduced, "git", "clone", "-q", reproduced, folder)
    projects.run(folder, "dvc", "repro", "--dry", "--allow-missing")
    projects.set_params(folder, train={"epochs": 3})
    assert projects.run(folder, "dvc", "repro", "--dry", "--allow-missing", check=False).returncode != 0


# then '--dry' ends with status 0
def test_a_lock_that_does_not_fit_fails_the_check_though_everything_was_pulled(project):
    check = ("make", "-o", ".venv/runtime", "check")
    assert projects.run(project, *check).returncode == 0
    projects.set_params(project, export={"parity_cases": 3})
    done = projects.run(project, *check, check=False)
    assert done.returncode != 0
    assert "dvc.lock does not fit the code, the parameters or design/" in done.stderr


def test_everything_locked_is_in_the_datastore(project):
    done = projects.run(project, "python", "-m", "radiotrace", "datastore")
    assert "objects hashed" in done.stdout


def test_a_tampered_object_makes_the_pull_fail(reproduced, tmp_path):
    folder = tmp_path / "clone"
    projects.run(reproduced, "git", "clone", "-q", reproduced, folder)
    victim = max(
        (path for path in (folder / "datastore/files/md5").glob("*/*") if path.suffix != ".dir"),
        key=lambda path: path.stat().st_size,
    )
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.chmod(0o644)
    victim.write_bytes(content)
    assert projects.run(folder, "dvc", "pull", check=False).returncode != 0
    done = projects.run(folder, "python", "-m", "radiotrace", "datastore", check=False)
    assert done.returncode == 1
    assert victim.name in done.stderr
    assert "Traceback" not in done.stderr
